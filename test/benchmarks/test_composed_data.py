"""The composed set: what its groups have in common, and what its clips lack."""

from itertools import combinations

import composed_data
import pytest
import yaml
from composed_data import MISSING, PER_CLASS, REPLACED, TABLE, TEST_GROUP, TESTED_PER_CLASS

from activity_recognition.bags import RecordingReader
from activity_recognition.cli import main as run
from activity_recognition.types import MODALITIES, Modality


@pytest.fixture(scope='module')
def clips():
    return composed_data.read_clips()


def parts(clips, group):
    """Subjects, folds of sounds and wordings of a group."""
    own = [clip for clip in clips if clip.group == group]
    return {
        'subject': {clip.joints.split('_s')[-1].split('_t')[0] for clip in own if clip.joints},
        'fold': {clip.sound.split('-')[0] for clip in own if clip.sound},
        'wording': {clip.request for clip in own if clip.request},
    }


def test_every_class_has_its_clips(clips):
    labels = {clip.label for clip in clips}
    assert len(labels) == 10
    for label in labels:
        own = [clip for clip in clips if clip.label == label]
        assert sum(clip.is_tested_on for clip in own) == TESTED_PER_CLASS
        assert len(own) == PER_CLASS + TESTED_PER_CLASS


def test_groups_have_no_part_in_common(clips):
    of_group = [parts(clips, group) for group in range(TEST_GROUP + 1)]
    for one, other in combinations(of_group, 2):
        for part, values in one.items():
            assert values
            assert not values & other[part], part


def test_the_test_asks_with_words_of_its_own_and_known_ones(clips):
    trained = {w for c in clips if not c.is_tested_on for w in c.request.split()}
    tested = {w for c in clips if c.is_tested_on for w in c.request.split()}
    assert tested - trained
    assert {'tea', 'sofa', 'curtain'} <= tested & trained


def test_a_quarter_is_missing_and_nothing_is_empty(clips):
    for part in ('joints', 'sound', 'request'):
        missing = sum(not getattr(clip, part) for clip in clips) / len(clips)
        assert missing == pytest.approx(MISSING, abs=0.03)
    assert all(clip.joints or clip.sound or clip.request for clip in clips)


def test_a_smaller_training_set_is_the_beginning_of_a_larger_one(clips):
    few = composed_data.read_clips(per_class=25)
    assert len(few) == 10 * (25 + TESTED_PER_CLASS)
    assert set(few) < set(clips)


@pytest.mark.real
def test_the_table_is_what_is_drawn(real_recordings):
    drawn = composed_data.draw(real_recordings)
    assert composed_data.table_text(drawn) == TABLE.read_text(encoding='utf-8')


@pytest.mark.real
def test_sounds_and_requests_of_other_classes(clips, real_recordings):
    rows = composed_data._rows(real_recordings / 'esc10' / 'clips.csv')
    class_of = {row['clip']: row['label'] for row in rows}
    words = yaml.safe_load(composed_data.WORDS.read_text(encoding='utf-8'))
    own = {label: of['sound'] for label, of in words['classes'].items()}
    with_sound = [clip for clip in clips if clip.sound]
    replaced = sum(class_of[clip.sound] != own[clip.label] for clip in with_sound)
    assert replaced / len(with_sound) == pytest.approx(REPLACED, abs=0.04)


@pytest.mark.real
def test_recordings_hold_what_their_clips_say(clips, real_recordings, tmp_path):
    whole = next(c for c in clips if c.joints and c.sound and c.request)
    noise = next(c for c in clips if c.sound and not c.joints and not c.request)
    words = next(c for c in clips if c.request and not c.joints and not c.sound)
    table = composed_data.write_table([whole, noise, words], real_recordings, tmp_path / 'table')
    run(['import', str(table), '--out', str(tmp_path / 'recordings')])
    held = {}
    for clip in (whole, noise, words):
        path = tmp_path / 'recordings' / clip.clip
        with RecordingReader(path) as reader:
            held[clip.clip] = {sample.modality for sample in reader.samples()}
        assert (path / 'labels.csv').read_text(encoding='utf-8').count(clip.label) == 1
    assert held[whole.clip] == set(MODALITIES)
    assert held[noise.clip] == {Modality.AUDIO}
    assert held[words.clip] == {Modality.TEXT}
