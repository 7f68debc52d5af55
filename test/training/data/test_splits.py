"""Splits by table and by draw: whole recordings, whole groups, every label on both sides."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from activity_recognition.errors import RecordingError
from activity_recognition.training.data.splits import (
    Assignment,
    draw_validation,
    read_splits,
    scan_splits,
    update_splits,
)


def write(folder: Path, text: str) -> Path:
    for name in 'abc':
        (folder / name).mkdir(exist_ok=True)
        (folder / name / 'metadata.yaml').touch()
    (folder / 'notes').mkdir(exist_ok=True)
    (folder / 'splits.csv').write_text(text, encoding='utf-8')
    return folder


def test_without_a_table_nothing_is_assigned(tmp_path: Path):
    assert read_splits(tmp_path) == {}


def test_a_table_assigns_recordings_by_their_path(tmp_path: Path):
    table = read_splits(write(tmp_path, 'recording, split\na,train\n\nb, test\n'))
    assert table == {
        tmp_path / 'a': Assignment(split='train', group='', line=2),
        tmp_path / 'b': Assignment(split='test', group='', line=4),
    }


def test_groups_may_be_named_without_a_split(tmp_path: Path):
    table = read_splits(write(tmp_path, 'group,recording,split\nkitchen,a,\nkitchen,b,\n'))
    assert {(a.split, a.group) for a in table.values()} == {('', 'kitchen')}


@pytest.mark.parametrize(
    ('text', 'fault'),
    [
        (
            '',
            r'csv:1: expected the columns recording, split and perhaps group, image, .*got nothing',
        ),
        (
            'recording,part\n',
            r"csv:1: expected the columns .* got recording, part: 'split' is missing; 'part' is no",
        ),
        ('recording,split,imagee\n', r"'imagee' is none of them, did you mean 'image'\?$"),
        ('recording,split,audio-channels\n', r"did you mean 'audio_channels'\?$"),
        ('recording,split,Image\n', r"'Image' is none of them, did you mean 'image'\?$"),
        ('recording,split\na\n', r'csv:2: expected 2 columns, got 1'),
        ('recording,split\nz,train\n', r"csv:2: there is no recording 'z'"),
        ('recording,split\nnotes,train\n', r"csv:2: 'notes' is no recording: .*metadata\.yaml"),
        ('recording,split\na,dev\n', r"csv:2: expected a split of train, validation, test.*'dev'"),
        ('recording,split\na,train\na,test\n', r"csv:3: 'a' stands in line 2 already"),
        ('recording,split\n"a,train\n', r'not CSV'),
        (f'recording,split\n{"a" * 5000},train\n', r"csv:2: there is no recording 'a{100}'…"),
        ('recording,split\na\0,train\n', r'csv:2'),
        ('recording,split,split\na,train,test\n', r"csv:1: expected the .*'split' comes 2 times$"),
        (
            f'recording,{"x" * 5000}\n',
            r"csv:1: .* got recording, x{50,} \[…\] x+: 'split' is missing; 'x{50,}'… is none",
        ),
        (
            'recording,split,group\na,train,g\nb,test,g\n',
            r"csv:3: group 'g' is in the split 'test' here and in 'train' in line 2",
        ),
    ],
)
def test_what_is_wrong_with_a_table_is_said_with_its_line(tmp_path: Path, text: str, fault: str):
    with pytest.raises(RecordingError, match=fault):
        read_splits(write(tmp_path, text))


def test_everything_that_is_wrong_is_said_at_once(tmp_path: Path):
    text = 'recording,split,group\nz,train,\na,train,g\nb,dev,g\nc,test,g\na,test,\nb\n'
    table, problems = scan_splits(write(tmp_path, text))
    assert [problem.rpartition('csv:')[2].partition(':')[0] for problem in problems] == [
        *('2', '4', '6', '7', '5'),
    ]
    assert set(table) == {tmp_path / 'a', tmp_path / 'c'}


def test_a_table_that_is_no_text_is_refused(tmp_path: Path):
    (tmp_path / 'splits.csv').write_bytes(b'\xff\xfe\x00')
    with pytest.raises(RecordingError, match='cannot read the splits'):
        read_splits(tmp_path)


def test_a_table_is_not_written_with_a_group_in_two_splits(tmp_path: Path):
    write(tmp_path, 'recording,split,group\na,train,k\n')
    with pytest.raises(
        RecordingError, match=r"the group 'k' would be in the split test by 'b' and"
    ):
        update_splits(tmp_path, {'b': ('test', 'k')})
    assert [a.split for a in read_splits(tmp_path).values()] == ['train']


def test_a_recording_has_one_line_however_its_path_is_written(tmp_path: Path):
    write(tmp_path, 'recording,split\n./a,train\n   \nb/,train\n')
    update_splits(tmp_path, {'a': ('test', ''), 'b': ('test', '')})
    assert {path.name: a.split for path, a in read_splits(tmp_path).items()} == {
        'a': 'test',
        'b': 'test',
    }


def test_a_rare_label_is_on_both_sides():
    durations = {f'common_{i}': {'none': 60.0} for i in range(18)}
    durations |= {f'rare_{i}': {'none': 30.0, 'fallen': 30.0} for i in range(2)}
    for seed in range(10):
        chosen = draw_validation(durations, 0.3, seed)
        assert len({'rare_0', 'rare_1'} & chosen) == 1
        assert 0.2 < len(chosen) / 20 < 0.4


def test_seeds_draw_differently_and_repeatably():
    durations = {str(i): {'a': 10.0, 'b': 5.0} for i in range(10)}
    draws = [frozenset(draw_validation(durations, 0.3, seed)) for seed in range(8)]
    assert draws == [frozenset(draw_validation(durations, 0.3, seed)) for seed in range(8)]
    assert len(set(draws)) > 1


@given(
    durations=st.dictionaries(
        st.text('abcdef', min_size=1, max_size=3),
        st.dictionaries(st.sampled_from('xyz'), st.floats(0.1, 100), max_size=3),
        min_size=2,
        max_size=12,
    ),
    fraction=st.floats(0.05, 0.9),
    seed=st.integers(0, 5),
)
def test_neither_side_is_ever_empty(
    durations: dict[str, dict[str, float]], fraction: float, seed: int
):
    chosen = draw_validation(durations, fraction, seed)
    assert chosen < set(durations)
    assert chosen


def test_one_group_cannot_be_split():
    with pytest.raises(RecordingError, match='set validation_fraction to 0'):
        draw_validation({'only': {'none': 1.0}}, 0.2, 0)
