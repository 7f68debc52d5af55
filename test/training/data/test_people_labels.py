"""The table of the checkpoint `people`: complete, and strictly checked."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from activity_recognition.errors import ConfigError
from activity_recognition.front_ends.sound_labels import sound_map
from activity_recognition.simulation.config import ACTIVITIES
from activity_recognition.simulation.phrases import INTENTS
from activity_recognition.training.data.people_labels import (
    ESC10,
    JHMDB,
    UNMEASURED,
    UTD_MHAD,
    people_labels,
    read_people_labels,
)

WANTED = {
    *('walking', 'running', 'sitting_down', 'standing_up', 'waving', 'clapping', 'picking_up'),
    *('throwing', 'drinking', 'eating', 'typing', 'knocking', 'talking', 'calling_for_help'),
    *('fallen', 'exercising', 'none'),
}
WALKING: dict[str, Any] = {
    'joints': {'simulator': ['walking'], 'utd_mhad': {'walk': 'all'}},
    'sounds': {'yamnet': 'walking'},
    'words': {'sentences': ['i walk', 'off i go']},
}
DRINKING: dict[str, Any] = {
    'joints': {'simulator': ['drinking']},
    'words': {'simulator': 'remark'},
    'note': UNMEASURED,
}


@pytest.fixture
def read(tmp_path: Path) -> Callable[..., Any]:
    def of(**table: Any) -> Any:
        path = tmp_path / 'labels.yaml'
        path.write_text(yaml.safe_dump(table, sort_keys=False))
        return read_people_labels(path)

    return of


class TestShipped:
    def test_every_label_that_is_wanted_is_there(self):
        assert {of.label for of in people_labels()} >= WANTED

    def test_every_label_has_joints_and_words(self):
        for of in people_labels():
            assert of.simulated_joints or of.utd_mhad or of.jhmdb
            assert of.intent or of.sentences

    def test_every_name_exists(self):
        for of in people_labels():
            assert set(of.simulated_joints) | set(of.simulated_sounds) <= set(ACTIVITIES)
            assert set(of.utd_mhad) <= set(UTD_MHAD)
            assert set(of.jhmdb) <= set(JHMDB)
            assert set(of.esc10) <= set(ESC10)
            assert not of.yamnet or of.yamnet in sound_map()
            assert not of.intent or of.intent in INTENTS

    def test_what_yamnet_speaks_for_is_taken_up(self):
        assert {of.yamnet for of in people_labels()} - {''} == set(sound_map())

    def test_what_nobody_real_does_says_so(self):
        real = {of.label for of in people_labels() if of.has_real_joints}
        assert WANTED - real == {
            *('drinking', 'eating', 'typing', 'talking', 'calling_for_help', 'fallen'),
        }

    @pytest.mark.real
    @pytest.mark.parametrize(
        ('table', 'names'),
        [
            ('utd_mhad/recordings.csv', UTD_MHAD),
            ('jhmdb_joints/clips.csv', JHMDB),
            ('esc10/clips.csv', ESC10),
        ],
    )
    def test_names_are_those_of_the_data_sets(self, real_recordings, table, names):
        with (real_recordings / table).open(encoding='utf-8', newline='') as file:
            assert {row['label'] for row in csv.DictReader(file)} == set(names)


class TestReading:
    def test_an_entry_is_taken_as_it_is_written(self, read):
        walking, drinking = read(walking=WALKING, drinking=DRINKING)
        assert walking.simulated_joints == ('walking',)
        assert walking.utd_mhad == {'walk': (0.0, 1.0)}
        assert walking.yamnet == 'walking'
        assert walking.sentences == ('i walk', 'off i go')
        assert walking.has_real_joints
        assert drinking.intent == 'remark'
        assert not drinking.has_real_joints

    @pytest.mark.parametrize(
        ('section', 'value', 'fault'),
        [
            ('joints', {'simulator': ['strolling']}, r"joints\.simulator: .*got 'strolling'"),
            ('joints', {'utd_mhad': {'stroll': 'all'}}, r"joints\.utd_mhad: .*got 'stroll'"),
            ('joints', {'utd_mhad': {'walk': [0.5, 0.5]}}, r'walk: expected all, or beginning'),
            ('joints', {'utd_mhad': {'walk': [0, True]}}, r'walk: expected all, or beginning'),
            ('joints', {'utd_mhad': ['walk']}, r'joints\.utd_mhad: expected parts by action'),
            ('joints', {'jhmdb': ['stroll']}, r"joints\.jhmdb: .*got 'stroll'"),
            ('joints', {'jhmdb': 'walk'}, r'joints\.jhmdb: expected a list of different names'),
            ('joints', {'jhmdb': ['walk', 'walk']}, r'expected a list of different names'),
            ('joints', {'kinect': ['walk']}, r'joints: expected simulator, utd_mhad, jhmdb, got'),
            ('joints', {}, r'expected joints and words from at least one source each'),
            ('joints', None, r'joints: expected a mapping, got None'),
            ('sounds', {'esc10': ['steps']}, r"sounds\.esc10: .*got 'steps'"),
            ('sounds', {'yamnet': 'strolling'}, r"sounds\.yamnet: .*got 'strolling'"),
            ('words', {'simulator': 'stroll'}, r"words\.simulator: .*got 'stroll'"),
            ('words', {'sentences': ['one']}, r'at least two different sentences, or none'),
            ('words', {'sentences': ['one', 'one']}, r'at least two different sentences'),
            ('words', {'sentences': ['one', 2]}, r'at least two different sentences'),
            ('note', UNMEASURED, r'expected no note, for real people do it'),
            ('smell', {}, r'the label: expected joints, sounds, words, note, got'),
        ],
    )
    def test_what_is_wrong_is_said(self, read, section, value, fault):
        with pytest.raises(ConfigError, match=fault) as error:
            read(walking={**WALKING, section: value}, drinking=DRINKING)
        assert "labels.yaml: 'walking'" in str(error.value)

    def test_what_was_measured_on_nobody_has_to_say_so(self, read):
        silent = {key: value for key, value in DRINKING.items() if key != 'note'}
        with pytest.raises(ConfigError, match=f'expected note: {UNMEASURED}, got None'):
            read(walking=WALKING, drinking=silent)

    def test_a_moment_has_one_label(self, read):
        walk_too = {**DRINKING, 'joints': {'utd_mhad': {'walk': [0, 0.5]}}}
        del walk_too['note']
        with pytest.raises(ConfigError, match=r'expected one label for walk, got walking and'):
            read(walking=WALKING, drinking=walk_too)
        halves = {**WALKING, 'joints': {'utd_mhad': {'walk': [0.5, 1]}}}
        assert len(read(walking=halves, drinking=walk_too)) == 2

    def test_a_sentence_has_one_label(self, read):
        same = {**DRINKING, 'words': {'sentences': ['off i go', 'cheers']}}
        with pytest.raises(ConfigError, match=r"one label for 'off i go', got walking and drink"):
            read(walking=WALKING, drinking=same)

    def test_one_label_is_no_table(self, read):
        with pytest.raises(ConfigError, match='expected at least two labels, got 1'):
            read(walking=WALKING)

    def test_a_name_that_is_no_label_is_refused(self, read):
        with pytest.raises(ConfigError, match=r'labels\.yaml'):
            read(**{'a\nb': WALKING, 'drinking': DRINKING})
