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
        (SRT + '\n3\n00:01:03,000 -> 00:01:04,000\nmore\n', '.srt', 11, "got '00:01:03,000 ->"),
        (SRT + '\n-00:01:03,000 --> 00:01:04,000\nmore\n', '.srt', 10, 'expected times'),
        ('Made by hand\n\n' + SRT, '.srt', 3, "got '1'"),
        (VTT + '\n1:00:05.000 --> end\nmore\n', '.vtt', 17, 'expected times'),
        (VTT + '\nlook --> there\n', '.vtt', 17, "got 'look --> there'"),
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


def cues(path):
    return [(cue.start_s, cue.end_s, cue.text, cue.line) for cue in read_subtitles(path)]


@pytest.mark.real
@pytest.mark.parametrize(
    ('case', 'name', 'expected'),
    [
        (
            'srt_no_blank_lines',
            'no_blank_between.srt',
            [(0.5, 1.0, 'hello robot', 2), (1.5, 2.0, 'come here', 5)],
        ),
        ('srt_angle_brackets', 'lt.srt', [(0.5, 1.0, 'if x <5 and y >3 then stop', 2)]),
        (
            'vtt_cue_after_header',
            'h264.vtt',
            [(0.5, 1.0, 'hello robot', 2), (1.5, 2.0, 'come here', 5)],
        ),
    ],
)
def test_files_of_other_programs(shared_case, case, name, expected):
    assert cues(shared_case(case) / name) == expected


A, B, C = (
    '00:00:01,000 --> 00:00:02,000',
    '00:00:02,500 --> 00:00:03,000',
    '00:00:04,000 --> 00:00:05,000',
)


@pytest.mark.parametrize(
    ('text', 'suffix', 'expected'),
    [
        pytest.param(
            f'1\n{A}\none\n2\n{B}\ntwo\n3\n{C}\nthree\n',
            '.srt',
            ['one', 'two', 'three'],
            id='no empty lines',
        ),
        pytest.param(
            f'1\n{A}\n42\n2\n{B}\n7\n\n3\n{C}\n5',
            '.srt',
            ['42', '7', '5'],
            id='text that is a number',
        ),
        pytest.param(f'{A}\none\n5\n{B}\ntwo\n', '.srt', ['one 5', 'two'], id='no numbers'),
        pytest.param(
            f'1\n\n{A}\n\none\n\n2\n\n{B}\n\ntwo\n\n',
            '.srt',
            ['one', 'two'],
            id='every second line is empty',
        ),
        pytest.param(
            f'1\n{A}\none\n\nmore\n \nstill\n\n2\n{B}\ntwo\n\nend\n',
            '.srt',
            ['one more still', 'two end'],
            id='empty lines inside',
        ),
        pytest.param(
            f'WEBVTT\n\n{A}\none\n \nmore\n\nNOTE not said\nnor this\n\n{B}\ntwo\n'.replace(
                ',', '.'
            ),
            '.vtt',
            ['one more', 'two'],
            id='a line of one space',
        ),
        pytest.param(
            f'WEBVTT\nKind: captions\n{A}\none\n{B}\ntwo\nlast\n\nthird\n{C}\nthree\n'.replace(
                ',', '.'
            ),
            '.vtt',
            ['one', 'two last', 'three'],
            id='cues after the header, and a name',
        ),
        pytest.param(
            'WEBVTT\n\nSTYLE\n::cue { }\n\nREGION\nid:a\n\n'
            f'{A} region:a\nNOTE this\n\nSTYLE matters\n',
            '.vtt',
            ['NOTE this STYLE matters'],
            id='words that begin blocks',
        ),
        pytest.param(f'1\n{A}\nno\n\n2\n{B}\nno\n', '.srt', ['no', 'no'], id='said twice'),
        pytest.param(f'1\n{C}\nlate\n\n2\n{A}\nearly\n', '.srt', ['early', 'late'], id='unordered'),
    ],
)
def test_rules_that_writers_do_not_keep(subtitle_file, text, suffix, expected):
    assert [cue.text for cue in read_subtitles(subtitle_file(text, suffix))] == expected


@pytest.mark.parametrize(
    ('line', 'expected'),
    [
        ('I <3 you', 'I <3 you'),
        ('ask <name> or <ann@example.org>', 'ask <name> or <ann@example.org>'),
        ('a <b and c> d', 'a <b and c> d'),
        ('<font color="#ff0">yellow</font> <i>light</i> {b}now{/b}', 'yellow light now'),
        (
            '<v.loud Ann Bee>hello</v> <c.red.bg_blue>you</c> <lang en-GB>there</lang>',
            'hello you there',
        ),
        ('<00:00:01.200><c> word</c> by<00:00:01.500> word', 'word by word'),
        ('one<br/>two<BR>three', 'one two three'),
        ('&lt;b&gt; &amp;lt; &#60;3 &#x263A; AT&T R&D', '<b> &lt; <3 ☺ AT&T R&D'),
        ('&#' + '9' * 5000 + '; end', '&#' + '9' * 5000 + '; end'),
        ('a\x1b[31mred\x00 \u200bb', 'a[31mred b'),
    ],
)
@pytest.mark.parametrize('suffix', ['.srt', '.vtt'])
def test_only_tags_are_removed(subtitle_file, line, expected, suffix):
    text = f'{"WEBVTT" if suffix == ".vtt" else 1}\n{A}\n{line}\n'
    (cue,) = read_subtitles(subtitle_file(text, suffix))
    assert cue.text == expected


ROLLING = """\
WEBVTT
Kind: captions
Language: en

00:00:00.160 --> 00:00:02.310 align:start position:0%
\x20
hello<00:00:00.480><c> robot</c>

00:00:02.310 --> 00:00:02.320 align:start position:0%
hello robot
\x20

00:00:02.320 --> 00:00:04.000 align:start position:0%
hello robot
come<00:00:02.800><c> here</c>

00:00:04.000 --> 00:00:04.010 align:start position:0%
come here
\x20

00:00:04.010 --> 00:00:06.000 align:start position:0%
come here
set the table
"""


def test_captions_that_roll_line_by_line_give_each_line_once(subtitle_file):
    assert cues(subtitle_file(ROLLING, '.vtt')) == [
        (0.16, 2.31, 'hello robot', 5),
        (2.32, 4.0, 'come here', 13),
        (4.01, 6.0, 'set the table', 21),
    ]
    text = f'1\n{A}\none\n\n2\n{B}\none\ntwo\n\n3\n{C}\none\ntwo\nthree\n'
    assert [cue.text for cue in read_subtitles(subtitle_file(text))] == ['one', 'two', 'three']


def test_captions_that_grow_give_each_word_once(subtitle_file):
    text = f'1\n{A}\nset\n\n2\n{B}\nset the\n\n3\n{C}\nset the table\n'
    assert [cue.text for cue in read_subtitles(subtitle_file(text))] == ['set', 'the', 'table']


def test_one_repeated_line_is_no_rolling(subtitle_file):
    others = ''.join(
        f'00:01:0{n},000 --> 00:01:0{n},500\nfirst {n}\nsecond {n}\n\n' for n in range(5)
    )
    text = f'{A}\nno\n\n{B}\nno\nyes\n\n{others}'
    assert [cue.text for cue in read_subtitles(subtitle_file(text))][:2] == ['no', 'no yes']


@pytest.mark.parametrize('encoding', ['utf-16', 'utf-8-sig'])
def test_what_windows_programs_write(subtitle_file, encoding):
    path = subtitle_file(SRT.replace('\n', '\r\n').replace('table', 'tablé'), encoding=encoding)
    assert [cue.text for cue in read_subtitles(path)] == ['Could you set the tablé?', '- Yes & no']


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
