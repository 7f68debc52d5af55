"""Labels from a table, a Label Studio export, or a topic in the recording."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import Stores, get_typestore

from activity_recognition.bags import find_labels, labels_path, load_labels
from activity_recognition.bags.label_studio import scan_label_studio
from activity_recognition.errors import RecordingError

START_NS = 1_700_000_000_000_000_000
TYPES = get_typestore(Stores.ROS2_JAZZY)
STRING = 'std_msgs/msg/String'


def write_bag(
    path: Path, texts: list[tuple[float, str]], topic: str = '/hri/activity_label'
) -> Path:
    with Writer(path, version=9, storage_plugin=StoragePlugin.MCAP) as writer:
        other = writer.add_connection('/chatter', STRING, typestore=TYPES)
        connection = writer.add_connection(topic, STRING, typestore=TYPES)
        message = TYPES.types[STRING]
        for seconds, text in [(0.0, ''), *texts, (10.0, '')]:
            target = other if seconds in (0.0, 10.0) else connection
            raw = TYPES.serialize_cdr(message(data=text), STRING)
            writer.write(target, START_NS + round(seconds * 1e9), raw)
    return path


def spans(path: Path) -> list[tuple[float, float, str]]:
    return [(round(s.start_s, 6), round(s.end_s, 6), s.label) for s in load_labels(path)]


def timeline(*regions: tuple[int, int, str], **data: object) -> dict[str, object]:
    results = [
        {
            'type': 'timelinelabels',
            'value': {'ranges': [{'start': start, 'end': end}], 'timelinelabels': [label]},
        }
        for start, end, label in regions
    ]
    return {'id': 1, 'data': {'video': 'a.mp4', **data}, 'annotations': [{'result': results}]}


def test_a_topic_says_what_begins_and_an_empty_text_ends_it(tmp_path: Path):
    bag = write_bag(tmp_path / 'bag', [(1.0, 'walking'), (3.5, ' none '), (4.0, ''), (6.0, 'wave')])
    assert spans(bag) == [(1.0, 3.5, 'walking'), (3.5, 4.0, 'none'), (6.0, 10.0, 'wave')]


def test_without_any_labels_all_places_are_named(tmp_path: Path):
    bag = write_bag(tmp_path / 'bag', [(1.0, 'x')], topic='/notes')
    with pytest.raises(RecordingError, match=r'labels\.csv.*labels\.json.*activity_label or label'):
        load_labels(bag)


def test_a_table_goes_before_an_export_and_that_before_a_topic(tmp_path: Path):
    bag = write_bag(tmp_path / 'bag', [(1.0, 'topic')])
    assert {label for _, _, label in spans(bag)} == {'topic'}
    export = timeline((1, 30, 'export'), frame_rate=30)
    labels_path(bag).with_suffix('.json').write_text(json.dumps([export]), encoding='utf-8')
    assert spans(bag) == [(0.0, 1.0, 'export')]
    labels_path(bag).write_text('start_s,end_s,label\n2,3,table\n', encoding='utf-8')
    assert spans(bag) == [(2.0, 3.0, 'table')]


def scan(tmp_path: Path, export: object) -> tuple[list[tuple[float, float, str]], str]:
    path = tmp_path / 'labels.json'
    path.write_text(json.dumps(export), encoding='utf-8')
    found = scan_label_studio(path)
    return [(s.start_s, s.end_s, s.label) for s in found.spans], '\n'.join(found.problems)


def test_frames_count_from_one_and_neighbours_may_share_one(tmp_path: Path):
    export = timeline((11, 20, 'a'), (20, 40, 'b'), (1, 10, 'none'), frame_rate=10)
    found, problems = scan(tmp_path, [export])
    assert problems == ''
    assert found == [
        (0.0, pytest.approx(1.0), 'none'),
        (pytest.approx(1.0), pytest.approx(1.9), 'a'),
        (pytest.approx(1.9), pytest.approx(4.0), 'b'),
    ]


def test_the_newest_annotation_that_stands_counts(tmp_path: Path):
    export = timeline((1, 10, 'old'), frame_rate=10)
    newer = timeline((1, 10, 'new'), frame_rate=10)['annotations'][0]
    cancelled = {**timeline((1, 10, 'no'), frame_rate=10)['annotations'][0], 'was_cancelled': True}
    export['annotations'] += [newer, cancelled]
    assert {label for _, _, label in scan(tmp_path, [export])[0]} == {'new'}


def test_the_short_export_and_regions_of_sound_are_read(tmp_path: Path):
    short = {
        'video': 'a.mp4',
        'frame_rate': 25.0,
        'videoLabels': [{'ranges': [{'start': 1, 'end': 50}], 'timelinelabels': ['walking']}],
    }
    assert scan(tmp_path, [short]) == ([(0.0, 2.0, 'walking')], '')
    value = {'start': 0.5, 'end': 2.25, 'labels': ['knocking']}
    sound = {'data': {}, 'annotations': [{'result': [{'type': 'labels', 'value': value}]}]}
    assert scan(tmp_path, sound) == ([(0.5, 2.25, 'knocking')], '')


@pytest.mark.parametrize(
    ('export', 'fault'),
    [
        ([], 'expected a Label Studio export of one task, this recording, got 0 tasks'),
        ([timeline(), timeline()], 'got 2 tasks; export them one by one'),
        ([timeline()], 'expected timeline labels, found none'),
        ('x', "expected a Label Studio export of one task, this recording, got 'x'"),
        (
            [{'data': {}, 'predictions': [{'result': [{'type': 'timelinelabels'}]}]}],
            'expected timeline labels, found predictions only: submit them as an annotation',
        ),
        ([timeline((1, 5, 'a'))], "result 1: the region counts frames: expected 'frame_rate'"),
        ([timeline((9, 5, 'a'), frame_rate=10)], 'result 1: expected 0 <= start < end'),
        ([timeline((0, 5, 'a'), frame_rate=10)], 'result 1: expected 0 <= start < end'),
        ([timeline((1, 30, 'a'), (5, 40, 'b'), frame_rate=10)], "'b' from 0.4 s overlaps 'a'"),
        ([timeline((1, 5, ' '), frame_rate=10)], "expected one label, got [' ']"),
        ([timeline(('x', 5, 'a'), frame_rate=10)], 'expected start and end, got'),
    ],
)
def test_what_is_wrong_with_an_export_is_said(tmp_path: Path, export: object, fault: str):
    assert fault in scan(tmp_path, export)[1]


@pytest.mark.real
@pytest.mark.parametrize(
    ('name', 'fault'),
    [
        ('ann_ids.json', 'expected annotations with their results, got 12; numbers are ids'),
        ('null_annotations.json', 'expected timeline labels, found none'),
        ('value_list.json', "result 1: expected an object with start, end and labels, got ['x']"),
    ],
)
def test_exports_with_ids_or_nothing_for_annotations(shared_case, name: str, fault: str):
    path = shared_case('label_studio_ids') / name
    found = scan_label_studio(path)
    assert found.spans == ()
    assert len(found.problems) == 1
    assert found.problems[0].startswith(f'{path}: {fault}')


@pytest.mark.real
def test_an_export_whose_frame_rate_is_text(shared_case):
    found = scan_label_studio(shared_case('label_studio_rate_string') / 'rate_string.json')
    assert found.problems == ()
    assert [(s.start_s, s.end_s, s.label) for s in found.spans] == [(0.0, 1.0, 'wave')]


@pytest.mark.parametrize(
    ('rate', 'frames_hz'),
    [
        *(('25', 25.0), (' 29.97 ', 29.97), ('29,97', 29.97), ('30000/1001', 30000 / 1001)),
        *((12.5, 12.5), ('24000 / 1001', 24000 / 1001), ('2.5e1', 25.0)),
    ],
)
def test_frame_rates_as_tools_write_them(tmp_path: Path, rate: object, frames_hz: float):
    found, problems = scan(tmp_path, [timeline((1, 50, 'a'), frame_rate=rate)])
    assert problems == ''
    assert found == [(0.0, pytest.approx(50 / frames_hz), 'a')]


@pytest.mark.parametrize(
    'rate', ['fast', '0', 0, -25, True, [25], {'a': 1}, '1/0', '25/0/1', '1e99', '25 fps', 'nan']
)
def test_what_is_no_frame_rate_is_said(tmp_path: Path, rate: object):
    found, problems = scan(tmp_path, [timeline((1, 50, 'a'), frame_rate=rate)])
    assert found == []
    assert "expected frames per second as 'frame_rate' of the task" in problems


@pytest.mark.parametrize(
    ('annotations', 'fault'),
    [
        (3, 'expected a list of annotations, got 3'),
        ({'a': 1}, 'expected a list of annotations'),
        ([None], 'expected annotations with their results, got None'),
        ([{'result': 'x'}], "expected a list of results in the annotation, got 'x'"),
        ([{'result': None}], 'expected timeline labels, found none'),
        ([{}], 'expected timeline labels, found none'),
        ([{'result': [5]}], 'result 1: expected an object with start, end and labels, got 5'),
        ([{'result': [{'type': ['labels']}]}], 'found results of the type "[\'labels\']": draw'),
        (
            [{'result': [{'type': 'videorectangle', 'value': {'labels': ['a']}}]}],
            "found results of the type 'videorectangle': draw the labels on the timeline",
        ),
        ([{'was_cancelled': True, 'result': [{'type': 'choices'}]}], 'found none: draw and submit'),
        ([{'result': [{'type': 'labels'}]}], 'result 1: expected an object with start, end'),
    ],
)
def test_annotations_of_another_shape_are_said(tmp_path: Path, annotations: object, fault: str):
    found, problems = scan(tmp_path, {'data': {'frame_rate': 25}, 'annotations': annotations})
    assert found == []
    assert fault in problems


@pytest.mark.parametrize(
    ('value', 'fault'),
    [
        ({'ranges': None, 'labels': ['a']}, None),
        ({'ranges': 5, 'labels': ['a']}, 'expected a list of ranges, got 5'),
        ({'ranges': [5], 'labels': ['a']}, 'expected start and end, got 5'),
        ({'ranges': [{'start': 1}], 'labels': ['a']}, "expected start and end, got {'start': 1}"),
        ({'start': [1], 'end': 2, 'labels': ['a']}, 'expected start and end'),
        ({'start': 1, 'end': 1e300, 'labels': ['a']}, 'expected times up to 1e+08 s, got 1e+300'),
        ({'start': 1, 'end': 2, 'labels': [{'a': 1}]}, "expected one label, got [{'a': 1}]"),
        ({'start': 1, 'end': 2, 'labels': 'a'}, "expected one label, got 'a'"),
        ({'start': 1, 'end': 2, 'labels': ['a', 'b']}, "expected one label, got ['a', 'b']"),
        ({'start': 1, 'end': 2, 'labels': ['a\x1b[2J']}, 'without control characters'),
        ({'start': 1, 'end': 2, 'labels': ['a' * 10**6]}, 'at most 200 characters, got 1000000'),
    ],
)
def test_one_bad_region_does_not_cost_the_others(tmp_path: Path, value: object, fault: str | None):
    good = {'start': 5, 'end': '6.5', 'labels': ['good']}
    results = [{'type': 'labels', 'value': value}, {'type': 'labels', 'value': good}]
    export = {'data': {'frame_rate': 25}, 'annotations': [{'result': results}]}
    found, problems = scan(tmp_path, export)
    assert found == [(5.0, 6.5, 'good')]
    assert (
        f'result 1: {fault}' if fault and fault.startswith('expected') else fault or ''
    ) in problems
    assert len(problems) < 500


def test_many_problems_are_counted(tmp_path: Path):
    value = {'start': 'x', 'labels': ['a']}
    results = [{'type': 'labels', 'value': value}] * 5000
    _, problems = scan(tmp_path, {'annotations': [{'result': results}]})
    assert len(problems.split('\n')) == 51
    assert problems.endswith('labels.json: 4950 more problems')


def test_a_label_topic_that_steers_a_terminal_is_refused(tmp_path: Path):
    bag = write_bag(tmp_path / 'bag', [(1.0, 'walking'), (3.0, 'a\x1b[2J'), (5.0, 'wave')])
    found = find_labels(bag)
    assert [s.label for s in found.spans] == ['walking', 'wave']
    assert len(found.problems) == 1
    assert '/hri/activity_label: expected a label on one line' in found.problems[0]


def test_a_recording_with_a_name_as_long_as_names_may_be(tmp_path: Path):
    bag = write_bag(tmp_path / 'bag', [(1.0, 'walking')])
    (storage,) = bag.glob('*.mcap')
    path = storage.rename(tmp_path / f'{"x" * 250}.mcap')
    assert [s.label for s in find_labels(path).spans] == ['walking']


def test_a_broken_export_is_named_and_never_hidden_by_a_topic(tmp_path: Path):
    bag = write_bag(tmp_path / 'bag', [(1.0, 'topic')])
    (bag / 'labels.json').write_text('{', encoding='utf-8')
    assert 'labels.json: cannot read the labels' in find_labels(bag).problems[0]
