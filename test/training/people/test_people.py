"""Recordings composed by the table of labels, and the command that trains `people` on them."""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from activity_recognition.bags import RecordingReader, load_labels
from activity_recognition.config import ModelConfig
from activity_recognition.config_io import load_config, shipped_file
from activity_recognition.errors import ConfigError, RecordingError
from activity_recognition.models.checkpoint import load_checkpoint
from activity_recognition.recorded import DEFAULTS
from activity_recognition.sensors import DecoderSettings
from activity_recognition.simulation.phrases import UNRELATED, sentences
from activity_recognition.training.config import TrainConfig
from activity_recognition.training.data.people_labels import LabelSources, people_labels
from activity_recognition.training.data.random_cameras import SIZE_PX, CameraConfig
from activity_recognition.training.people import __main__ as command
from activity_recognition.training.people.bodies import (
    NAMES,
    Movement,
    RealMovements,
    simulated_movement,
)
from activity_recognition.training.people.composing import (
    BEFOREHAND_S,
    FRAME_HZ,
    ComposingConfig,
    Sources,
    compose_recording,
    dealt,
)
from activity_recognition.training.people.film import TESTED, TRAINED, write_film_recordings
from activity_recognition.training.people.making import (
    RECIPE,
    PeopleScale,
    folder_of,
    make_people,
    origin_of,
    with_films,
)
from activity_recognition.training.people.sounds import (
    RATE_HZ,
    RealSounds,
    fitted,
    simulated_sound,
)
from activity_recognition.types import ALL_MODALITIES, AudioChunk, Frame, Utterance

WAVING = LabelSources(
    label='waving', simulated_joints=('greeting',), sentences=('hi', 'hey there', 'hello held out')
)
TYPING = LabelSources(
    label='typing',
    simulated_joints=('typing',),
    simulated_sounds=('typing',),
    sentences=('i type', 'typing now', 'typing held out'),
)
TABLE = (WAVING, TYPING)
CALM = ComposingConfig(
    stretches=4,
    shortest_s=2.0,
    longest_s=2.5,
    no_joints=0.0,
    no_sound=0.0,
    no_words=0.0,
    wrong_sound=0.0,
    wrong_words=0.0,
    noise=0.0,
    missing=0.0,
    confused=0.0,
    legs_hidden=0.0,
)
REMARKS = {word for intent in UNRELATED for text in sentences(intent) for word in text.split()}


def samples(folder: Path) -> list:
    settings = DecoderSettings(model=ModelConfig())
    with RecordingReader.of(folder, DEFAULTS, settings, needed=ALL_MODALITIES) as reader:
        return list(reader.samples())


def compose(folder: Path, *, seed: int = 0, held_out: bool = False, **changes) -> Path:
    sources = Sources(table=TABLE, movements=None, sounds=None, held_out=held_out)
    config = dataclasses.replace(CALM, **changes)
    return compose_recording(folder / f'r{seed}', sources, config, seed=seed)


def frames_of(folder: Path) -> list[Frame]:
    return [sample for sample in samples(folder) if isinstance(sample, Frame)]


class TestBodies:
    def test_a_simulated_person_is_upright_and_its_left_is_its_own(self):
        movement = simulated_movement('none', 2.0, np.random.default_rng(0))
        where = dict(zip(NAMES, movement.places_m[0], strict=True))
        # y is down; who faces the camera has the left at the right of the image.
        assert where['nose'][1] < where['left_hip'][1] < where['left_ankle'][1]
        ahead = where['nose'][2] - (where['left_shoulder'][2] + where['right_shoulder'][2]) / 2
        assert ahead < 0
        assert where['left_shoulder'][0] > where['right_shoulder'][0]

    def test_places_between_frames_are_between_them(self):
        places = np.arange(3.0)[:, None, None] * np.ones((1, len(NAMES), 3))
        movement = Movement(places_m=places, rate_hz=2.0)
        found = movement.at(np.array([0.0, 0.25, 1.0, 9.0]))[:, 0, 0]
        np.testing.assert_allclose(found, [0.0, 0.5, 2.0, 2.0])
        assert movement.duration_s == 1.5

    def test_without_the_data_set_it_says_what_is_expected(self, tmp_path: Path):
        with pytest.raises(RecordingError, match='expected UTD-MHAD, recordings'):
            RealMovements(tmp_path, (1,))
        with pytest.raises(RecordingError, match='expected ESC-10, clips'):
            RealSounds(tmp_path, (1,))
        with pytest.raises(RecordingError, match='expected joints of JHMDB, clips'):
            write_film_recordings(tmp_path, tmp_path / 'out', TRAINED)

    @pytest.mark.real
    def test_real_people_are_as_upright_and_in_halves(self, real_recordings: Path):
        known = RealMovements(real_recordings / 'utd_mhad', (1,))
        whole = known.draw('pickup_and_throw', (0.0, 1.0), np.random.default_rng(0))
        half = known.draw('pickup_and_throw', (0.0, 0.5), np.random.default_rng(0))
        assert len(half.places_m) == pytest.approx(len(whole.places_m) / 2, abs=1)
        where = dict(zip(NAMES, whole.places_m[0], strict=True))
        assert where['nose'][1] < where['left_hip'][1] < where['left_ankle'][1]
        assert where['left_shoulder'][0] > where['right_shoulder'][0]
        with pytest.raises(RecordingError, match=r'expected recordings of \[99\], got none'):
            RealMovements(real_recordings / 'utd_mhad', (99,))


class TestSounds:
    def test_typing_is_heard_for_as_long_as_it_is_asked_for(self):
        heard = simulated_sound('typing', 2.5, np.random.default_rng(0))
        assert len(heard) == 2.5 * RATE_HZ
        assert 1e-4 < np.abs(heard).mean() < 0.5

    def test_what_is_short_is_repeated(self):
        found = fitted(np.array([1, 2], np.float32), 3 / RATE_HZ)
        np.testing.assert_array_equal(found, [1.0, 2.0, 1.0])


class TestRecordings:
    def test_it_has_joints_sounds_words_and_labels_that_belong_together(self, tmp_path: Path):
        folder = compose(tmp_path)
        labels = load_labels(folder)
        assert Counter(span.label for span in labels) == {'waving': 2, 'typing': 2}
        assert all(one.end_s == labels[place + 1].start_s for place, one in enumerate(labels[:-1]))
        found = samples(folder)
        frames = [sample for sample in found if isinstance(sample, Frame)]
        assert len(frames) == pytest.approx(labels[-1].end_s * FRAME_HZ, abs=1)
        assert all(np.isfinite(frame.key_points.joints_px).all() for frame in frames)
        sound = sum(len(s.samples) for s in found if isinstance(s, AudioChunk))
        assert sound == pytest.approx(labels[-1].end_s * RATE_HZ, rel=0.01)
        said = [sample for sample in found if isinstance(sample, Utterance)]
        own = {of.label: set(of.sentences[:2]) for of in TABLE}
        spoken = set()
        for words in said:
            time_s = (words.stamp_ns - frames[0].stamp_ns) / 1e9
            of = [s for s in labels if s.start_s - BEFOREHAND_S <= time_s <= s.end_s + 0.01]
            assert any(words.text in own[s.label] for s in of) or set(words.text.split()) & REMARKS
            spoken |= {s.start_s for s in of}
        assert spoken == {s.start_s for s in labels}

    def test_what_is_measured_on_has_sentences_of_its_own(self, tmp_path: Path):
        said = {
            sample.text
            for seed in range(3)
            for sample in samples(compose(tmp_path, seed=seed, held_out=True))
            if isinstance(sample, Utterance)
        }
        assert {'hello held out', 'typing held out'} & said
        assert not {'hi', 'hey there', 'i type', 'typing now'} & said

    def test_a_body_does_not_jump_between_stretches(self, tmp_path: Path):
        places = np.array([frame.key_points.joints_px for frame in frames_of(compose(tmp_path))])
        hips, knees = (places[:, NAMES.index(name)] for name in ('left_hip', 'left_knee'))
        leg = np.median(np.linalg.norm(hips - knees, axis=1))
        assert np.linalg.norm(np.diff(hips, axis=0), axis=1).max() < leg

    def test_senses_are_missing_as_often_as_is_said(self, tmp_path: Path):
        folder = compose(tmp_path, no_joints=1.0, no_words=1.0)
        frames = frames_of(folder)
        seen = [bool((frame.key_points.scores > 0).any()) for frame in frames]
        # The last stretch alone: somebody has to be seen.
        begin_s = load_labels(folder)[-1].start_s
        assert seen == [index / FRAME_HZ >= begin_s for index in range(len(frames))]
        assert not [s for s in samples(folder) if isinstance(s, Utterance)]

    def test_a_detector_loses_joints(self, tmp_path: Path):
        folder = compose(tmp_path, seed=1, missing=0.5, noise=0.05)
        lost = np.mean([frame.key_points.scores == 0 for frame in frames_of(folder)])
        assert 0.02 < lost < 0.5

    def test_behind_a_table_no_foot_is_seen_and_every_head(self, tmp_path: Path):
        frames = frames_of(compose(tmp_path, legs_hidden=1.0))
        scores = np.stack([frame.key_points.scores for frame in frames])
        assert (scores[:, NAMES.index('nose')] > 0).mean() > 0.9
        assert not scores[:, [NAMES.index('left_ankle'), NAMES.index('right_ankle')]].any()

    def test_what_is_outside_of_the_image_is_not_found(self, tmp_path: Path):
        near = CameraConfig(nearest_m=0.8, farthest_m=0.8)
        frames = frames_of(compose(tmp_path, camera=near))
        found = np.stack([frame.key_points.joints_px for frame in frames])
        assert 0.1 < np.isnan(found).mean() < 0.9
        assert np.nanmin(found) >= 0
        assert (np.nanmax(found, axis=(0, 1)) < SIZE_PX).all()

    def test_the_same_seed_gives_the_same_and_what_is_there_is_kept(self, tmp_path: Path):
        one, other = compose(tmp_path / 'a'), compose(tmp_path / 'b')
        places = [frames_of(folder)[10].key_points.joints_px for folder in (one, other)]
        np.testing.assert_array_equal(*places)
        before = (one / 'labels.csv').stat().st_mtime_ns
        compose(tmp_path / 'a')
        assert (one / 'labels.csv').stat().st_mtime_ns == before

    def test_neighbouring_recordings_have_each_label_equally_often(self):
        assert sorted(place for seed in range(17) for place in dealt(17, 8, seed)) == sorted(
            8 * list(range(17))
        )
        counts = Counter(place for seed in range(100, 110) for place in dealt(17, 8, seed))
        assert len(counts) == 17
        assert max(counts.values()) - min(counts.values()) <= 2

    def test_a_label_that_nobody_does_is_refused(self):
        real = LabelSources(label='running', utd_mhad={'jog': (0.0, 1.0)})
        with pytest.raises(ConfigError, match='got none of running without UTD-MHAD'):
            Sources(table=(WAVING, real), movements=None, sounds=None)


def test_without_data_sets_the_command_says_so(tmp_path: Path, capsys):
    status = command.main(
        ['--data', str(tmp_path), '--out', str(tmp_path / 'out'), '--work', str(tmp_path / 'work')]
    )
    assert status != 0
    said = ' '.join(capsys.readouterr().err.split())
    assert 'expected UTD-MHAD, recordings.csv and recordings.npz' in said
    assert not (tmp_path / 'out').exists()


def made_up_films(folder: Path) -> np.ndarray:
    """Write four clips, one without a label, one not trained on; return the joints of three."""
    folder.mkdir(exist_ok=True)
    places = np.random.default_rng(0).uniform(-0.8, 0.8, (60, 15, 2)).astype(np.float32)
    np.savez(folder / 'clips.npz', joints_px=places, offsets=np.array([0, 20, 30, 50, 60]))
    rows = 'clip,label,frames,split_1\n'
    rows += '0,sit,20,train\n1,golf,10,train\n2,pullup,20,train\n3,wave,10,test\n'
    (folder / 'clips.csv').write_text(rows, encoding='utf-8')
    return places


def test_where_people_is_trained_from_there_is_nothing_of_jhmdb(tmp_path: Path):
    made_up_films(tmp_path / 'films')
    composed = [compose(tmp_path / 'training')]
    found = with_films(composed, tmp_path / 'films', tmp_path / 'real')
    assert [path.name for path in found] == ['r0', 'jhmdb_0000', 'jhmdb_0002']
    assert {path.parent for path in found} == {tmp_path / 'real'}
    assert all((path / 'labels.csv').is_file() for path in found)
    assert [path.name for path in (tmp_path / 'training').iterdir()] == ['r0']
    assert with_films(composed, tmp_path / 'films', tmp_path / 'real') == found


def test_other_recordings_have_another_folder(tmp_path: Path):
    """What was composed before, by another table or in another number, is not trained on."""
    some = PeopleScale()
    others = (
        dataclasses.replace(some, training_recordings=some.training_recordings - 1),
        dataclasses.replace(some, composing=CALM),
    )
    folders = {folder_of(tmp_path, scale) for scale in (some, *others)}
    assert len(folders | {folder_of(tmp_path, some, held_out=True)}) == 4
    assert folder_of(tmp_path, PeopleScale()) in folders


def test_clips_of_films_become_recordings_of_their_label(tmp_path: Path):
    places = made_up_films(tmp_path)
    one, other = write_film_recordings(tmp_path, tmp_path / 'out', TRAINED)
    assert [span.label for span in load_labels(one)] == ['sitting_down']
    assert [span.label for span in load_labels(other)] == ['exercising']
    frames = frames_of(one)
    assert len(frames) == 20
    points = frames[3].key_points
    nose = points.joints_px[points.names.index('nose')]
    np.testing.assert_allclose(nose, places[3, 2] * 120 + [160, 120], atol=1e-3)
    before = (one / 'labels.csv').stat().st_mtime_ns
    assert write_film_recordings(tmp_path, tmp_path / 'out', TRAINED) == [one, other]
    assert (one / 'labels.csv').stat().st_mtime_ns == before
    (tested,) = write_film_recordings(tmp_path, tmp_path / 'tested', TESTED)
    assert [span.label for span in load_labels(tested)] == ['waving']


def test_what_was_trained_on_jhmdb_is_not_to_be_given_away():
    assert 'not to be given away' in origin_of(10, real=True)
    assert 'JHMDB' not in origin_of(10, real=False)


@pytest.mark.real
@pytest.mark.slow
def test_people_is_made_from_end_to_end(
    tmp_path: Path, real_recordings: Path, weights_folder: Path
):
    """Few recordings, two epochs: that it is written, of all sources, and says what it is."""
    config = dataclasses.replace(
        load_config(TrainConfig, shipped_file(RECIPE)).with_epochs(2),
        num_threads=1,
        num_workers=1,
    )
    scale = PeopleScale(
        training_recordings=10,
        held_out_recordings=1,
        composing=dataclasses.replace(CALM, stretches=5),
    )
    out = tmp_path / 'people'
    made = make_people(real_recordings, out, tmp_path / 'work', config=config, scale=scale)
    assert made.checkpoint == out
    checkpoint = load_checkpoint(out)
    assert set(checkpoint.config.labels) == {of.label for of in people_labels()}
    assert checkpoint.config.video.backbone_sha256
    assert checkpoint.config.audio.backbone_sha256
    card = (out / 'README.md').read_text(encoding='utf-8')
    for said in ('UTD-MHAD', 'ESC-10', 'CC BY', 'Not measured on real people: drinking, eating'):
        assert said in card
    assert 'JHMDB' not in card
    metrics = json.loads((out / 'metrics.json').read_text(encoding='utf-8'))
    assert metrics['held_out']['recordings'] == 1
