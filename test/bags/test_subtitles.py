"""Subtitle files: both formats, markup, and errors with their line."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from activity_recognition.bags.subtitles import read_subtitles
from activity_recognition.errors import RecordingError

SRT = """\
1
00:00:01,000 --> 00:00:02,500
<i>Could you</i> set
the {\\an8}table?

2
00:01:00,250 --> 00:01:02,000 X1:40 X2:600
- Yes &amp; no
"""
VTT = """\
WEBVTT - house

STYLE
::cue { color: lime }

NOTE nobody reads
this

intro
00:01.000 --> 00:02.500 align:start line:0
<v Ann>Could you <c.loud>set</c>
the table?

01:00:00.250 --> 01:00:02.000
Yes &lt;3
"""


@pytest.fixture
def subtitle_file(tmp_path):
    def write(text, suffix='.srt', encoding='utf-8'):
        path = tmp_path / f'talk{suffix}'
        path.write_bytes(text.encode(encoding))
        return path

    return write


@pytest.mark.parametrize('newline', ['\n', '\r\n', '\r'])
@pytest.mark.parametrize('mark', ['', '\ufeff'])
def test_subrip(subtitle_file, newline, mark):
    cues = read_subtitles(subtitle_file(mark + SRT.replace('\n', newline)))
    assert [(cue.start_s, cue.end_s, cue.text, cue.line) for cue in cues] == [
        (1.0, 2.5, 'Could you set the table?', 2),
        (60.25, 62.0, '- Yes & no', 7),
    ]


def test_webvtt(subtitle_file):
    cues = read_subtitles(subtitle_file(VTT, '.vtt'))
    assert [(cue.start_s, cue.end_s, cue.text) for cue in cues] == [
        (1.0, 2.5, 'Could you set the table?'),
        (3600.25, 3602.0, 'Yes <3'),
    ]


def test_cues_come_by_their_end_and_empty_ones_are_left_out(subtitle_file):
    text = (
        '1\n00:00:01,000 --> 00:00:09,000\nlong\n\n'
        '2\n00:00:02,000 --> 00:00:03,000\nshort\n\n'
        '3\n00:00:04,000 --> 00:00:05,000\n<b></b>\n\n'
        '4\n00:00:06,000 --> 00:00:07,000\n'
    )
    assert [cue.text for cue in read_subtitles(subtitle_file(text))] == ['short', 'long']


def test_files_without_cues(subtitle_file):
    assert read_subtitles(subtitle_file('')) == ()
    assert read_subtitles(subtitle_file('WEBVTT\n', '.vtt')) == ()


@pytest.mark.parametrize(
    ('text', 'suffix', 'line', 'reason'),
    [
        ('1\nhello\n', '.srt', 2, "got 'hello'"),
        ('1\n', '.srt', 1, 'expected times'),
        ('1\n00:00:01,0 --> 00:00:02,000\nx\n', '.srt', 2, 'expected times'),
        ('1\n00:00:01,000 -> 00:00:02,000\nx\n', '.srt', 2, 'expected times'),
        ('1\n00:61:01,000 --> 00:62:02,000\nx\n', '.srt', 2, 'expected times'),
        ('\n\n1\n00:00:03,000 --> 00:00:02,000\nx\n', '.srt', 4, 'before its start'),
        (SRT + '\nstray text\nand more\n', '.srt', 11, "got 'and more'"),
        ('1\n00:00:01.000 --> 00:00:02.000\nx\n', '.vtt', 1, 'WEBVTT'),
        ('\nWEBVTT\n', '.vtt', 1, 'WEBVTT'),
        ('WEBVTT\n\n00:01.000 --> soon\nx\n', '.vtt', 3, 'expected times'),
    ],
)
def test_errors_name_file_and_line(subtitle_file, text, suffix, line, reason):
    path = subtitle_file(text, suffix)
    with pytest.raises(RecordingError) as caught:
        read_subtitles(path)
    assert str(caught.value).startswith(f'{path}:{line}: ')
    assert reason in str(caught.value)


def test_other_files_are_refused(subtitle_file, tmp_path):
    with pytest.raises(RecordingError, match=r'ending in \.srt or \.vtt'):
        read_subtitles(subtitle_file(SRT, '.txt'))
    with pytest.raises(RecordingError, match='not UTF-8'):
        read_subtitles(subtitle_file('1\n00:00:01,000 --> 00:00:02,000\né\n', encoding='latin-1'))
    with pytest.raises(RecordingError, match='cannot read the transcript'):
        read_subtitles(tmp_path / 'nothing.srt')


@pytest.fixture(scope='module')
def scratch(tmp_path_factory):
    return tmp_path_factory.mktemp('subtitles')


@settings(max_examples=40)
@given(text=st.text(max_size=120), suffix=st.sampled_from(['.srt', '.vtt']), whole=st.booleans())
def test_any_text_gives_cues_or_a_recording_error(scratch, text, suffix, whole):
    path = scratch / f'talk{suffix}'
    start = SRT[:40] if suffix == '.srt' else VTT[:60]
    path.write_bytes(((start if whole else '') + text).encode('utf-8', 'surrogatepass'))
    try:
        cues = read_subtitles(path)
    except RecordingError:
        return
    assert all(cue.start_s <= cue.end_s and cue.text for cue in cues)
