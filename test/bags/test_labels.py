"""Label files: strict reading, places, and finding recordings."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from activity_recognition.bags import (
    find_recordings,
    labels_path,
    load_labels,
    read_label_tracks,
    read_labels,
    write_labels,
)
from activity_recognition.bags.labels import scan_labels
from activity_recognition.errors import RecordingError
from activity_recognition.text_files import LABEL_LIMIT
from activity_recognition.types import LabelSpan

HEADER = 'start_s,end_s,label\n'


OF_SUBJECTS = 'start_s,end_s,label,subject\n'


def span(start_s, end_s, label='none', subject=''):
    return LabelSpan(start_s=start_s, end_s=end_s, label=label, subject=subject)


@pytest.fixture
def label_file(tmp_path):
    def write(text, encoding='utf-8'):
        path = tmp_path / 'labels.csv'
        path.write_bytes(text.encode(encoding))
        return path

    return write


def test_spans_come_by_start_and_may_touch(label_file):
    path = label_file(HEADER + '2.5, 4 ,"wave, both hands"\n\n0,2.5,none\r\n')
    spans = read_labels(path)
    assert [(s.start_s, s.end_s, s.label) for s in spans] == [
        (0.0, 2.5, 'none'),
        (2.5, 4.0, 'wave, both hands'),
    ]


def test_no_spans_are_no_error(label_file):
    assert read_labels(label_file(HEADER)) == ()
    assert read_labels(label_file('\ufeff' + HEADER + '0,1,a\n'))[0].label == 'a'


@pytest.mark.parametrize(
    ('text', 'line', 'reason'),
    [
        ('', 1, 'header'),
        ('start,end,label\n', 1, 'header'),
        ('0,1,none\n', 1, 'header'),
        (HEADER + '0,1,none\n1,2\n', 3, '3 columns, got 2'),
        (HEADER + '0,1,none,x\n', 2, '3 columns, got 4'),
        (HEADER + '0,one,none\n', 2, "seconds in start_s and end_s, got '0' and 'one'"),
        (HEADER + '1,1,none\n', 2, 'start_s < end_s'),
        (HEADER + '2,1,none\n', 2, 'start_s < end_s'),
        (HEADER + '-1,1,none\n', 2, '0 <= start_s'),
        (HEADER + 'nan,1,none\n', 2, '0 <= start_s'),
        (HEADER + '0,inf,none\n', 2, '0 <= start_s'),
        (HEADER + '0,1, \n', 2, 'label is empty'),
        (HEADER + '0,2,a\n5,6,b\n1,3,c\n', 4, "'c' from 1.0 s overlaps 'a'"),
        (HEADER + '0,1,"a\n', 2, 'not CSV'),
        (HEADER + '0,1,a\n0,1e300,b\n', 3, 'expected times up to 1e+08 s, got 1e+300'),
        (HEADER + '0,1e999,b\n', 2, '0 <= start_s'),
        (HEADER + f'0,1{"0" * 5000},b\n', 2, '0 <= start_s'),
        (HEADER + f'0,x{"0" * 5000},b\n', 2, "got '0' and 'x000"),
        (HEADER + '0,1,a\x1b[2J\n', 2, "without control characters, got 'a\\x1b[2J'"),
        (HEADER + '0,1,a\0\n', 2, ''),
        (HEADER + '0,1,' + 'a' * 500 + '\n', 2, 'at most 200 characters, got 500'),
        (HEADER + '0,1,"a\nb"\n', 3, 'on one line'),
        (HEADER + '0,1,' + 'a' * 200_000 + '\n', 2, 'field larger than field limit'),
    ],
)
def test_errors_name_file_and_line(label_file, text, line, reason):
    path = label_file(text)
    with pytest.raises(RecordingError) as caught:
        read_labels(path)
    assert str(caught.value).startswith(f'{path}:{line}: ')
    assert reason in str(caught.value)


def test_what_spreadsheets_write(label_file):
    text = HEADER + '0,1,[/x]\r\n1,2,"größer\u2028?"\r\n'
    for encoding in ('utf-16', 'utf-8-sig'):
        found = scan_labels(label_file(text, encoding))
        assert [s.label for s in found.spans] == ['[/x]']
        assert found.problems[0].partition('csv:')[2].startswith('3: expected a label on one line')


def test_rows_without_end_are_counted(label_file):
    found = scan_labels(label_file(HEADER + '1,1,a\n' * 10_000))
    assert len(found.problems) == 51
    assert found.problems[-1].endswith('labels.csv: 9950 more problems')


def test_every_span_that_a_long_one_covers_is_named(label_file):
    found = scan_labels(label_file(HEADER + '0,10,a\n1,2,b\n3,4,c\n10,11,d\n'))
    assert [problem.partition('csv:')[2][:2] for problem in found.problems] == ['3:', '4:']
    assert all("overlaps 'a', which ends at 10.0 s" in problem for problem in found.problems)


def test_a_missing_or_foreign_file_is_named(tmp_path, label_file):
    with pytest.raises(RecordingError, match=r'nothing\.csv: cannot read'):
        read_labels(tmp_path / 'nothing.csv')
    with pytest.raises(RecordingError, match='cannot read the labels'):
        read_labels(label_file(HEADER + '0,1,café\n', 'latin-1'))


@pytest.fixture(scope='module')
def scratch(tmp_path_factory):
    return tmp_path_factory.mktemp('labels')


@settings(max_examples=40)
@given(
    edges=st.lists(st.integers(0, 10**9), min_size=2, max_size=12, unique=True).map(sorted),
    label=st.text(
        st.characters(codec='utf-8', exclude_categories=['C']), min_size=1, max_size=LABEL_LIMIT
    ).filter(lambda text: text == text.strip()),
)
def test_what_is_written_is_read_back(scratch, edges, label):
    spans = tuple(span(start / 1e6, end / 1e6, label) for start, end in pairwise(edges))
    path = scratch / 'labels.csv'
    write_labels(path, reversed(spans))
    got = read_labels(path)
    assert [s.label for s in got] == [s.label for s in spans]
    for ours, theirs in zip(got, spans, strict=True):
        assert (ours.start_s, ours.end_s) == pytest.approx((theirs.start_s, theirs.end_s))


@pytest.mark.parametrize('spans', [[span(0, 2), span(1, 3)], [span(1, 1)], [span(0, 1, ' ')]])
def test_what_could_not_be_read_is_not_written(tmp_path, spans):
    with pytest.raises(RecordingError):
        write_labels(tmp_path / 'labels.csv', spans)
    assert list(tmp_path.iterdir()) == []


def test_labels_lie_in_a_folder_or_beside_a_file(tmp_path):
    (tmp_path / 'bag').mkdir()
    assert labels_path(tmp_path / 'bag') == tmp_path / 'bag' / 'labels.csv'
    for suffix in ('.bag', '.mcap', '.db3'):
        assert labels_path(tmp_path / f'x{suffix}') == tmp_path / 'x.labels.csv'
    (tmp_path / 'odd.bag').mkdir()
    assert labels_path(tmp_path / 'odd.bag') == tmp_path / 'odd.bag' / 'labels.csv'


def test_recordings_are_found_at_any_depth(tmp_path):
    for name in ('b/metadata.yaml', 'b/b_0.mcap', 'a/deep/x.bag', 'a/y.mcap', 'a/notes.txt'):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / '.z.partial-1' / 'z').mkdir(parents=True)
    (tmp_path / '.z.partial-1' / 'z' / 'metadata.yaml').touch()
    found = [tmp_path / 'a/deep/x.bag', tmp_path / 'a/y.mcap', tmp_path / 'b']
    assert find_recordings(tmp_path) == found
    assert find_recordings(tmp_path / 'b') == [tmp_path / 'b']
    assert find_recordings(tmp_path / 'a/y.mcap') == [tmp_path / 'a/y.mcap']
    for nowhere in ('nowhere', 'x' * 300, 'a\0b'):
        with pytest.raises(RecordingError, match='no such folder'):
            find_recordings(tmp_path / nowhere)


def test_a_link_to_a_folder_above_is_not_followed(tmp_path):
    (tmp_path / 'a').mkdir()
    (tmp_path / 'a' / 'x.mcap').touch()
    (tmp_path / 'a' / 'back').symlink_to(tmp_path)
    (tmp_path / 'other').symlink_to(tmp_path / 'a')
    assert find_recordings(tmp_path) == [tmp_path / 'a/x.mcap', tmp_path / 'other/x.mcap']


# Subjects


def test_spans_of_different_subjects_may_overlap(label_file):
    path = label_file(OF_SUBJECTS + '0,2,walking,ben\n1,3,none, ann \n2,4,none,ben\n0,9,busy,\n')
    tracks = read_label_tracks(path)
    assert [(name, [(s.start_s, s.label) for s in spans]) for name, spans in tracks.items()] == [
        ('', [(0.0, 'busy')]),
        ('ann', [(1.0, 'none')]),
        ('ben', [(0.0, 'walking'), (2.0, 'none')]),
    ]
    assert {s.subject for spans in tracks.values() for s in spans} == {'', 'ann', 'ben'}


def test_a_file_with_several_subjects_is_read_for_one_that_is_named(label_file):
    path = label_file(OF_SUBJECTS + '0,2,walking,ben\n1,3,none,ann\n')
    assert [s.label for s in read_labels(path, subject='ann')] == ['none']
    with pytest.raises(RecordingError, match="of the subject 'eva'; there are those of ann, ben"):
        read_labels(path, subject='eva')
    with pytest.raises(RecordingError, match='labels of one person, got those of ann, ben; name'):
        read_labels(path)


def test_what_trains_on_one_track_refuses_several(tmp_path):
    write_labels(tmp_path / 'labels.csv', [span(0, 2, 'a', 'ann'), span(1, 3, 'b', 'ben')])
    with pytest.raises(RecordingError, match='expected the labels of one person'):
        load_labels(tmp_path)
    found = scan_labels(tmp_path / 'labels.csv')
    assert found.spans == ()
    assert len(found.problems) == 1


def test_a_file_with_one_subject_is_one_track(label_file):
    path = label_file(OF_SUBJECTS + '0,2,walking,ann\n2,3,none,ann\n')
    assert [s.label for s in read_labels(path)] == ['walking', 'none']
    assert read_label_tracks(label_file(OF_SUBJECTS)) == {}
    assert list(read_label_tracks(label_file(HEADER + '0,1,a\n'))) == ['']


@pytest.mark.parametrize(
    ('row', 'reason'),
    [
        ('0,1,a', '4 columns, got 3'),
        ('0,1,a,ann,x', '4 columns, got 5'),
        ('0,1,a,' + 'n' * 65, 'at most 64 characters'),
        ('0,1,a,an\x1b[2Jn', 'without control characters'),
        ('0,2,a,ann\n1,3,b,ann', "'b' from 1.0 s overlaps 'a'"),
    ],
)
def test_what_is_wrong_with_a_subject_is_named(label_file, row, reason):
    with pytest.raises(RecordingError) as caught:
        read_label_tracks(label_file(OF_SUBJECTS + row + '\n'))
    assert reason in str(caught.value)


def test_subjects_are_written_where_there_are_any(tmp_path):
    path = tmp_path / 'labels.csv'
    spans = [span(0, 2, 'a', 'ann'), span(1, 3, 'b', 'ben'), span(2, 3, 'c', 'ann')]
    write_labels(path, spans)
    assert path.read_text().splitlines()[0] == 'start_s,end_s,label,subject'
    tracks = read_label_tracks(path)
    assert sorted(s for track in tracks.values() for s in track) == sorted(spans)
    assert [[s.subject for s in track] for track in tracks.values()] == [['ann'] * 2, ['ben']]
    write_labels(path, [span(0, 2, 'a')])
    assert path.read_text().splitlines()[0] == 'start_s,end_s,label'
    with pytest.raises(RecordingError, match='overlaps'):
        write_labels(path, [span(0, 2, 'a', 'ann'), span(1, 3, 'b', 'ann')])
