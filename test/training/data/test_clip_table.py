"""Tables and folders of clips: what they mean, and what is said of those that mean nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from activity_recognition.errors import RecordingError
from activity_recognition.training.data.clip_folders import find_clips
from activity_recognition.training.data.clip_list import ClipList
from activity_recognition.training.data.clip_table import read_clip_table


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with files that are there; nothing is read of them here."""
    for name in ('a.mp4', 'b.mp4', 'sub/c.wav', 'said.srt', 'spans.csv', 'worn.csv'):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    return tmp_path


def table(folder: Path, text: str | bytes) -> ClipList:
    path = folder / 'clips.csv'
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return read_clip_table(path)


def test_a_table_names_clips_and_their_labels(folder: Path):
    found = table(folder, 'clip,label\na.mp4,fight\nsub/c.wav, no fight \n\n')
    assert found.problems == ()
    assert not found.has_splits
    assert [(r.name, r.clip, r.label) for r in found.rows] == [
        ('a', folder / 'a.mp4', 'fight'),
        ('sub/c', folder / 'sub/c.wav', 'no fight'),
    ]
    assert found.rows[1].where == f'{folder / "clips.csv"}:3'


@pytest.mark.parametrize(
    'content',
    [
        '\ufeffclip;label;start;transcript\r\na.mp4;fight;0,5;leave me, now\r\n'.encode(),
        'clip\tlabel\tstart_s\ttranscript\na.mp4\tfight\t0.5\tleave me, now\n'.encode('utf-16'),
        b'Transcript,START,Clip,label\n"leave me, now",0.5,a.mp4,fight\n',
    ],
)
def test_spreadsheets_of_all_countries_are_read(folder: Path, content: bytes):
    (row,) = table(folder, content).rows
    assert (row.label, row.words, row.start_s) == ('fight', 'leave me, now', 0.5)
    assert row.end_s == pytest.approx(0.5 + 13 / 15)


def test_everything_a_row_may_say(folder: Path):
    found = table(
        folder,
        'clip,label,recording,transcript,start_s,end_s,speech_delay,imu,split,source\n'
        'a.mp4,x,day/one,hello,1,1.5,0.75,worn.csv,train,17\n'
        'b.mp4,y,,said.srt,,,,,test,18\n',
    )
    first, second = found.rows
    assert found.has_splits
    assert (first.name, first.words, first.start_s, first.end_s) == ('day/one', 'hello', 1.0, 1.5)
    assert (first.speech_delay_s, first.tables) == (0.75, {'imu': folder / 'worn.csv'})
    assert (first.split, first.group, second.group) == ('train', '17', '18')
    assert (second.words, second.subtitles) == ('', folder / 'said.srt')
    assert second.speech_delay_s is None


def test_words_alone_are_named_by_what_they_say(folder: Path):
    rows = 'clip,label,transcript,recording\n,x,give me the cup,\n,x,stop,request\n'
    first, second = table(folder, rows).rows
    assert first.clip is None
    assert first.name.startswith('words_')
    assert second.name == 'request'
    (again,) = table(folder, 'clip,label,transcript,recording\n,x,give me the cup,\n').rows
    assert again.name == first.name


def test_columns_of_others_are_left_alone_and_misspelt_ones_are_not(folder: Path):
    found = table(folder, 'clip,label,mean_volume_db\na.mp4,x,-91\n')
    assert found.unused == ('mean_volume_db',)
    with pytest.raises(RecordingError, match="unknown column 'transcipt', did you mean 'transcr"):
        table(folder, 'clip,label,transcipt\na.mp4,x,hello\n')


@pytest.mark.parametrize(
    ('header', 'fault'),
    [
        ('', "the column 'clip' is missing; the column 'label' is missing"),
        ('clip,activity', "the column 'label' is missing"),
        ('file,label', "the column 'clip' is missing"),
        ('clip,label,label', "the column 'label' comes 2 times"),
        ('clip,label,group,source', "the column 'group' comes 2 times"),
        ('clip,label,' + 'x' * 5000, None),
        ('clip,' + 'labe' * 5000, "the column 'label' is missing"),
    ],
)
def test_a_wrong_header_is_refused_in_a_short_sentence(
    folder: Path, header: str, fault: str | None
):
    if fault is None:
        assert table(folder, f'{header}\n').unused == ('x' * 5000,)
        return
    with pytest.raises(RecordingError) as caught:
        table(folder, f'{header}\n')
    assert f'clips.csv:1: {fault}' in str(caught.value)
    assert len(str(caught.value)) < 900


@pytest.mark.parametrize(
    ('row', 'fault'),
    [
        ('gone.mp4,x,,,,,', "clip: there is no file 'gone.mp4'; paths count from"),
        ('sub,x,,,,,', "clip: expected a file, 'sub' is a folder"),
        ('a.mp4,,,,,,', 'expected a label, or a file of labels in the column labels, got neither'),
        ('a.mp4,x,spans.csv,,,,', 'got both'),
        ('a.mp4,"x\ny",,,,,', 'expected a label on one line'),
        (f'a.mp4,{"x" * 201},,,,,', 'at most 200 characters'),
        ('a.mp4,x,,,1,,', 'start_s and end_s are of the transcript, which is empty'),
        ('a.mp4,x,,said.srt,1,,', 'start_s and end_s are of the transcript, which has times of'),
        ('a.mp4,x,,gone.srt,,,', "transcript: there is no file 'gone.srt'"),
        ('a.mp4,x,,hi,-1,,', "start_s: expected seconds from 0 to 1e+08, got '-1'"),
        ('a.mp4,x,,hi,nan,,', "start_s: expected seconds from 0 to 1e+08, got 'nan'"),
        ('a.mp4,x,,hi,soon,,', "start_s: expected seconds from 0 to 1e+08, got 'soon'"),
        ('a.mp4,x,,hi,2,1,', 'expected start_s < end_s, got 2 and 1'),
        ('a.mp4,x,,,,,val', "expected a split of train, validation, test, or none, got 'val'"),
        (',x,,,,,', 'expected a clip or a transcript, got neither'),
        ('a.mp4,x', 'expected 7 columns, got 2'),
        ('a.mp4\0,x,,,,,', 'clip: there is no file'),
        (f'{"a" * 5000}.mp4,x,,,,,', 'clip: there is no file'),
    ],
)
def test_what_is_wrong_with_a_row_is_said_and_costs_no_other(folder: Path, row: str, fault: str):
    header = 'clip,label,labels,transcript,start_s,end_s,split\n'
    found = table(folder, f'{header}{row}\nb.mp4,x,,,,,\n')
    assert [r.name for r in found.rows] == ['b']
    (problem,) = found.problems
    line = row.count('\n') + 2
    assert problem.startswith(f'{folder / "clips.csv"}:{line}: ')
    assert fault in problem
    assert len(problem) < 500


@pytest.mark.parametrize(
    ('rows', 'fault'),
    [
        ('a.mp4,x,\nb.mp4,x,\na.mp4,y,\n', "4: 'a.mp4' stands in "),
        ('a.mp4,x,same\nb.mp4,x,same\n', "3: the recording 'same' would lie where that of "),
        ('a.mp4,x,one\nb.mp4,x,one/two\n', "3: the recording 'one/two' would lie where"),
        ('a.mp4,x,one/two\nb.mp4,x,one\n', "3: the recording 'one' would lie where"),
        ('a.mp4,x,../one\n', '2: recording: expected a name below the folder of all'),
        ('a.mp4,x,/one\n', '2: recording: expected a name below the folder of all'),
        ('a.mp4,x,.one\n', '2: recording: expected a name below the folder of all, not hidden'),
    ],
)
def test_no_two_recordings_lie_at_one_place(folder: Path, rows: str, fault: str):
    (problem,) = table(folder, f'clip,label,recording\n{rows}').problems
    assert f'clips.csv:{fault}' in problem


def test_a_clip_serves_several_recordings_of_one_split_that_are_named(folder: Path):
    header = 'clip,label,recording,transcript,split\n'
    found = table(folder, f'{header}a.mp4,x,one,hi,train\na.mp4,x,two,ho,train\n')
    assert [row.name for row in found.rows] == ['one', 'two']
    assert found.problems == ()


def test_a_clip_is_not_trained_on_and_tested(folder: Path):
    header = 'clip,label,recording,split\n'
    found = table(folder, f'{header}a.mp4,x,one,train\na.mp4,x,two,test\n')
    assert [row.name for row in found.rows] == ['one']
    (problem,) = found.problems
    assert "3: 'a.mp4' is in the split 'test' here and in 'train' in " in problem


def test_clips_may_lie_elsewhere_and_their_recordings_do_not(folder: Path):
    inner = folder / 'tables'
    inner.mkdir()
    found = table(inner, f'clip,label\n../a.mp4,x\n{folder}/b.mp4,x\n')
    assert [row.name for row in found.rows] == ['a', 'b']
    assert found.problems == ()


def test_a_group_in_two_splits_is_refused(folder: Path):
    with pytest.raises(RecordingError, match=r"clips.csv:3: group 'k' is in the split 'test' here"):
        table(folder, 'clip,label,split,group\na.mp4,x,train,k\nb.mp4,x,test,k\n')


def test_a_table_that_breaks_off_gives_what_came_before(folder: Path):
    found = table(folder, 'clip,label\na.mp4,x\n"b.mp4,x\n')
    assert [row.name for row in found.rows] == ['a']
    assert 'not CSV' in found.problems[0]


def test_a_folder_has_its_table_in_it(folder: Path):
    (folder / 'clips.csv').write_text('clip,label\na.mp4,x\n')
    assert [row.name for row in find_clips(folder).rows] == ['a']


def test_of_several_tables_one_has_to_be_named(folder: Path):
    with pytest.raises(RecordingError, match=r'expected one table, found spans.csv, worn.csv'):
        find_clips(folder)


def test_a_name_that_is_not_utf_8_is_said(tmp_path: Path):
    (tmp_path / 'fight').mkdir()
    (tmp_path / 'fight' / 'a.wav').touch()
    try:
        (tmp_path / 'fight' / 'caf\udce9.wav').touch()
    except OSError:
        pytest.skip('the file system takes UTF-8 alone')
    found = find_clips(tmp_path)
    assert [row.name for row in found.rows] == ['fight/a']
    (problem,) = found.problems
    assert problem.endswith('the name of the file is not UTF-8; rename it')


def test_a_folder_for_each_label(tmp_path: Path):
    for name in ('fight/a.MP4', 'fight/more/b.mp4', 'calm/a.wav', 'calm/a.srt', 'calm/notes.txt'):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / 'loose.mp4').touch()
    (tmp_path / '.hidden').mkdir()
    found = find_clips(tmp_path)
    assert [(row.name, row.label) for row in found.rows] == [
        ('calm/a', 'calm'),
        ('fight/a', 'fight'),
        ('fight/more/b', 'fight'),
    ]
    assert found.rows[0].subtitles == tmp_path / 'calm/a.srt'
    assert found.problems == (f'{tmp_path / "loose.mp4"}: lies in no folder that names its label',)
    assert not found.has_splits


def test_folders_of_splits_above_those_of_the_labels(tmp_path: Path):
    for name in ('train/x/a.mp4', 'val/x/b.mp4', 'test/y/c.mp4'):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).touch()
    found = find_clips(tmp_path)
    assert [(row.name, row.label, row.split) for row in found.rows] == [
        ('test/y/c', 'y', 'test'),
        ('train/x/a', 'x', 'train'),
        ('val/x/b', 'x', 'validation'),
    ]


@pytest.mark.parametrize('beside', ['recordings/notes', '__MACOSX'])
def test_a_folder_without_clips_is_no_label_and_no_split(tmp_path: Path, beside: str):
    for name in ('Train/x/a.mp4', 'TEST/y/c.mp4'):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).touch()
    (tmp_path / beside).mkdir(parents=True)
    found = [(row.label, row.split) for row in find_clips(tmp_path).rows]
    assert found == [('y', 'test'), ('x', 'train')]


def test_splits_beside_labels_are_refused(tmp_path: Path):
    for name in ('train/x/a.mp4', 'fight/c.mp4'):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).touch()
    with pytest.raises(RecordingError, match=r'found splits \(train\) beside others \(fight\)'):
        find_clips(tmp_path)


def test_empty_columns_of_a_spreadsheet_are_left_out(folder: Path):
    found = table(folder, 'clip,label,,\na.mp4,x,,\nb.mp4,y,,\n')
    assert [(row.name, row.label) for row in found.rows] == [('a', 'x'), ('b', 'y')]
    assert (found.problems, found.unused) == ((), ())


@pytest.mark.parametrize('name', ['.', './', 'splits.csv', 'a/splits.csv'])
def test_a_recording_is_not_named_like_its_folder_or_the_splits(folder: Path, name: str):
    (problem,) = table(folder, f'clip,label,recording\na.mp4,x,{name}\n').problems
    assert '2: recording: expected a name below the folder of all' in problem


def test_words_keep_their_name_when_their_label_is_mended(folder: Path):
    header = 'clip,label,transcript,source\n'
    (before,) = table(folder, f'{header},fight,help me,1\n').rows
    (after,) = table(folder, f'{header},calm,help me,2\n').rows
    (other,) = table(folder, f'{header},calm,thank you,2\n').rows
    assert before.name == after.name != other.name


def test_a_folder_without_any_clip_is_refused(tmp_path: Path):
    with pytest.raises(RecordingError, match=r'expected a table \(clips.csv with the columns clip'):
        find_clips(tmp_path)


@pytest.mark.parametrize('name', ['clips.tsv', 'CLIPS.TSV', 'mine.tsv'])
def test_a_table_with_tabs_is_one_by_its_name(tmp_path: Path, name: str):
    """Commas in the words of its header and its cells part nothing."""
    (tmp_path / 'a.mp4').touch()
    (tmp_path / name).write_text(
        'clip\tlabel\t"notes, remarks, and so on"\ttranscript\na.mp4\tcalm\t\tyes, no, yes\n'
    )
    for source in (tmp_path, tmp_path / name):
        found = find_clips(source)
        assert [(row.label, row.words) for row in found.rows] == [('calm', 'yes, no, yes')]
        assert found.source == tmp_path / name


def test_a_tsv_with_commas_is_taken_as_it_is(tmp_path: Path):
    (tmp_path / 'a.mp4').touch()
    (tmp_path / 'clips.tsv').write_text('clip,label\na.mp4,calm\n')
    assert len(find_clips(tmp_path).rows) == 1


def label_folders(folder: Path, *labels: str) -> None:
    for label in labels:
        (folder / label).mkdir()
        (folder / label / 'a.mp4').touch()


@pytest.mark.parametrize('content', ['name\tage\nAnna\t31\n', 'a,b\n1,2\n', '', '\n'])
def test_beside_folders_of_labels_a_table_of_something_else_is_left_aside(tmp_path, content):
    label_folders(tmp_path, 'calm', 'fight')
    (tmp_path / 'people.tsv').write_text(content)
    (tmp_path / 'more.csv').write_text(content)
    assert [row.label for row in find_clips(tmp_path).rows] == ['calm', 'fight']


@pytest.mark.parametrize('header', ['clip,lable', 'clips,label', 'LABEL;clip'])
def test_beside_folders_of_labels_a_table_of_clips_counts_with_its_mistakes(tmp_path, header):
    label_folders(tmp_path, 'calm', 'fight')
    (tmp_path / 'mine.csv').write_text(header + '\n')
    if header == 'LABEL;clip':
        assert not find_clips(tmp_path).rows
    else:
        with pytest.raises(RecordingError, match=r'mine\.csv:1: .*column'):
            find_clips(tmp_path)


@pytest.mark.parametrize('folders', [(), ('clips',)])
def test_without_folders_of_labels_the_only_table_says_what_it_lacks(tmp_path, folders):
    label_folders(tmp_path, *folders)
    (tmp_path / 'mine.tsv').write_text('file\tname\n')
    with pytest.raises(RecordingError, match=r"mine\.tsv:1: the column 'clip' is missing"):
        find_clips(tmp_path)


def test_two_tables_of_one_name_are_not_chosen_between(tmp_path: Path):
    for name in ('clips.csv', 'clips.tsv'):
        (tmp_path / name).write_text('clip,label\n')
    with pytest.raises(RecordingError, match=r'expected one table, found clips\.csv, clips\.tsv'):
        find_clips(tmp_path)
