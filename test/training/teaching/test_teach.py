"""A network that knows standing and walking is taught waving, and more."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from activity_recognition.bags import RecordingReader, write_labels
from activity_recognition.config import SyncConfig
from activity_recognition.errors import CheckpointError, ConfigError, RecordingError, WeightsError
from activity_recognition.inference import StreamingEngine
from activity_recognition.models.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from activity_recognition.models.rehearsal import REHEARSAL, load_rehearsal
from activity_recognition.training.data.dataset import open_segments
from activity_recognition.training.data.source import Preparing, cache_recordings
from activity_recognition.training.evaluation.measuring import (
    Evaluation,
    EvaluationConfig,
    evaluate_checkpoint,
)
from activity_recognition.training.evaluation.predict import to_tensors
from activity_recognition.training.run.train import main_train
from activity_recognition.training.teaching.teach import Lesson, TeachConfig, teach
from factories.networks import HEARING, KEYED, make_system, tokenizer_for
from factories.tracked import joints_of, short_run_of, write_lesson, write_tracked

KNOWN = ('still', 'walking')
HERE = TeachConfig(num_workers=1, num_threads=1)
SEEING = dataclasses.replace(KEYED, modalities=('video',))


@pytest.fixture(scope='module')
def base(tmp_path_factory: pytest.TempPathFactory) -> Checkpoint:
    """A trained network that keeps features; never to be changed."""
    folder = tmp_path_factory.mktemp('base')
    data = write_lesson(folder / 'data', KNOWN, 6, first_seed=0)
    config = short_run_of(SEEING, folder)
    return load_checkpoint(main_train(config, data, folder / 'run').checkpoint)


@pytest.fixture(scope='module')
def waving(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six recordings of somebody who waves."""
    return write_lesson(tmp_path_factory.mktemp('waving'), ('waving',), 6, first_seed=100)


@pytest.fixture(scope='module')
def tested(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Recordings of all three, that nobody was trained on."""
    folder = tmp_path_factory.mktemp('tested')
    return write_lesson(folder, (*KNOWN, 'waving'), 4, first_seed=200)


@pytest.fixture(scope='module')
def lesson(base: Checkpoint, waving: Path, tmp_path_factory: pytest.TempPathFactory) -> Lesson:
    return teach(base, waving, tmp_path_factory.mktemp('taught') / 'checkpoint', HERE)


@pytest.fixture(scope='module')
def taught(lesson: Lesson) -> Checkpoint:
    return load_checkpoint(lesson.checkpoint)


def without_rehearsal(base: Checkpoint, folder: Path) -> Checkpoint:
    shutil.copytree(base.path, folder)
    (folder / REHEARSAL).unlink()
    return load_checkpoint(folder)


def batches(checkpoint: Checkpoint, data: Path, cache: Path) -> list[dict[str, torch.Tensor]]:
    how = Preparing(model=checkpoint.config, sync=SyncConfig(), cache=cache, workers=1)
    found = sorted(path for path in data.iterdir() if path.is_dir())
    prepared, wrong = cache_recordings(found, how)
    assert not wrong
    segments = open_segments(prepared, (*KNOWN, 'waving'))
    return [to_tensors(segment.batch(), torch.device('cpu')) for segment in segments]


class TestALesson:
    def test_labels_are_added_behind_the_old_ones(self, taught: Checkpoint, lesson: Lesson):
        assert taught.config.labels == (*KNOWN, 'waving')
        assert lesson.new == ('waving',)

    def test_old_and_new_labels_are_told_apart_in_new_recordings(
        self, taught: Checkpoint, tested: Path, tmp_path: Path
    ):
        config = EvaluationConfig(cost_decisions=0, resamples=10, num_workers=1)
        found = evaluate_checkpoint(taught, tested, cache=tmp_path / 'cache', config=config)
        assert _clips_right(found) >= 11 / 12

    def test_what_is_said_of_old_labels_is_the_same_bit_for_bit(
        self, base: Checkpoint, taught: Checkpoint, tested: Path, tmp_path: Path
    ):
        for batch in batches(base, tested, tmp_path / 'cache'):
            with torch.no_grad():
                before, after = base.system(batch), taught.system(batch)
            assert torch.equal(after[..., :2], before)

    def test_streaming_equals_the_dense_pass(
        self, taught: Checkpoint, tested: Path, tmp_path: Path
    ):
        (batch,) = batches(taught, _only(tested, 'waving_200', tmp_path / 'one'), tmp_path / 'c')
        with torch.no_grad():
            dense = taught.system(batch)[0].numpy()
        engine = StreamingEngine.load(taught.path)
        with RecordingReader.for_model(
            tmp_path / 'one' / 'waving_200', taught.config, SyncConfig()
        ) as reader:
            decisions = list(engine.decisions(reader.samples()))
        streamed = np.array([decision.logits for decision in decisions])
        np.testing.assert_allclose(streamed, dense[: len(streamed)], atol=1e-5)
        assert len(streamed) >= 35

    def test_every_recording_is_left_out_once(self, lesson: Lesson):
        (waving,) = lesson.estimate.labels
        assert (waving.recordings, waving.asked) == (6, 6)
        assert waving.right >= 5
        assert 'each recording left out once' in lesson.estimate.headline()

    def test_evaluate_knows_what_was_taught(
        self, base: Checkpoint, taught: Checkpoint, waving: Path, tmp_path: Path
    ):
        keys = taught.metrics['training']['keys']['train']
        assert len(keys) == 6 + len(base.metrics['training']['keys']['train'])
        config = EvaluationConfig(cost_decisions=0, resamples=10, num_workers=1, split='train')
        found = evaluate_checkpoint(taught, waving, cache=tmp_path / 'cache', config=config)
        assert len(found.decided) == 6

    def test_the_card_says_what_was_taught_and_on_top_of_what(
        self, base: Checkpoint, taught: Checkpoint
    ):
        card = (taught.path / 'README.md').read_text(encoding='utf-8')
        assert 'Recognises still, walking, waving.' in card
        assert '| waving | 6 | – | ' in card
        assert f'on top of: checkpoint {base.id}' in card
        assert '- Trained on: 12 recordings.' in card

    def test_the_base_stays_as_it_is(self, base: Checkpoint):
        assert load_checkpoint(base.path).id == base.id
        assert base.config.labels == KNOWN


@pytest.fixture(scope='module')
def again(
    taught: Checkpoint, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Checkpoint, Lesson]:
    """Another lesson, after the first."""
    folder = tmp_path_factory.mktemp('clapping')
    data = write_lesson(folder / 'data', ('clapping',), 5, first_seed=300)
    found = teach(taught, data, folder / 'checkpoint', HERE)
    return load_checkpoint(found.checkpoint), found


class TestTheNextLesson:
    def test_it_goes_on_from_the_last(self, again: tuple[Checkpoint, Lesson], taught: Checkpoint):
        checkpoint, _ = again
        assert checkpoint.config.labels == (*KNOWN, 'waving', 'clapping')
        assert [lesson['new'] for lesson in checkpoint.metrics['lessons']] == [
            ['waving'],
            ['clapping'],
        ]
        kept = load_rehearsal(checkpoint.path, checkpoint.system)
        assert kept is not None
        assert set(kept.targets.tolist()) == {0, 1, 2, 3}

    def test_the_labels_of_the_first_are_still_known(
        self, again: tuple[Checkpoint, Lesson], tested: Path, tmp_path: Path
    ):
        checkpoint, _ = again
        config = EvaluationConfig(cost_decisions=0, resamples=10, num_workers=1)
        found = evaluate_checkpoint(checkpoint, tested, cache=tmp_path / 'cache', config=config)
        assert _clips_right(found) >= 11 / 12


class TestKnownLabels:
    def test_new_recordings_extend_a_known_label(
        self, taught: Checkpoint, waving: Path, tmp_path: Path
    ):
        found = teach(taught, waving, tmp_path / 'out', HERE)
        assert (found.new, found.again) == ((), ('waving',))
        assert 'extended by new recordings: waving' in found.sentences
        kept = load_rehearsal(tmp_path / 'out', load_checkpoint(tmp_path / 'out').system)
        assert kept is not None
        assert len(torch.unique(kept.clips[kept.targets == 2])) == 12

    def test_they_replace_it_where_asked(self, taught: Checkpoint, waving: Path, tmp_path: Path):
        config = dataclasses.replace(HERE, replace=('waving',))
        found = teach(taught, waving, tmp_path / 'out', config)
        assert 'replaced: waving' in found.sentences
        kept = load_rehearsal(tmp_path / 'out', load_checkpoint(tmp_path / 'out').system)
        assert kept is not None
        assert len(torch.unique(kept.clips[kept.targets == 2])) == 6

    def test_replacing_needs_a_known_label(self, base: Checkpoint, waving: Path, tmp_path: Path):
        config = dataclasses.replace(HERE, replace=('wavin',))
        with pytest.raises(ConfigError, match=r"knows, still, walking, got 'wavin'"):
            teach(base, waving, tmp_path / 'out', config)

    def test_replacing_needs_recordings(self, base: Checkpoint, waving: Path, tmp_path: Path):
        config = dataclasses.replace(HERE, replace=('still',))
        with pytest.raises(ConfigError, match=r"recordings of 'still' to replace it by"):
            teach(base, waving, tmp_path / 'out', config)

    def test_nothing_is_kept_where_asked(self, base: Checkpoint, waving: Path, tmp_path: Path):
        teach(base, waving, tmp_path / 'out', dataclasses.replace(HERE, keep=False))
        kept = load_rehearsal(tmp_path / 'out', load_checkpoint(tmp_path / 'out').system)
        assert kept is not None
        assert set(kept.targets.tolist()) == {0, 1}


class TestForgetting:
    def test_a_checkpoint_that_keeps_nothing_is_refused(
        self, base: Checkpoint, waving: Path, tmp_path: Path
    ):
        bare = without_rehearsal(base, tmp_path / 'bare')
        with pytest.raises(
            CheckpointError,
            match=r'its labels \(still, walking\) would be forgotten; train it again',
        ):
            teach(bare, waving, tmp_path / 'out', HERE)

    def test_a_damaged_file_is_refused(self, base: Checkpoint, waving: Path, tmp_path: Path):
        shutil.copytree(base.path, tmp_path / 'damaged')
        (tmp_path / 'damaged' / REHEARSAL).write_bytes(b'nonsense')
        with pytest.raises(CheckpointError, match='damaged file'):
            teach(load_checkpoint(tmp_path / 'damaged'), waving, tmp_path / 'out', HERE)

    def test_asked_to_forget_it_knows_the_new_labels_alone(
        self, base: Checkpoint, tested: Path, tmp_path: Path
    ):
        bare = without_rehearsal(base, tmp_path / 'bare')
        config = dataclasses.replace(HERE, forget=True)
        found = teach(bare, tested, tmp_path / 'out', config)
        checkpoint = load_checkpoint(tmp_path / 'out')
        assert checkpoint.config.labels == (*KNOWN, 'waving')
        assert found.estimate.asked == 12
        assert found.estimate.right >= 10

    def test_a_single_label_is_refused_then(self, base: Checkpoint, waving: Path, tmp_path: Path):
        config = dataclasses.replace(HERE, forget=True)
        with pytest.raises(RecordingError, match='at least two labels, got waving alone'):
            teach(base, waving, tmp_path / 'out', config)


class TestRecordings:
    def test_a_folder_of_label_folders_is_imported(self, base: Checkpoint, tmp_path: Path):
        for label in ('clapping', 'waving'):
            (tmp_path / 'clips' / label).mkdir(parents=True)
            for seed in range(3):
                arrays = joints_of(label, seed=400 + seed)
                np.savez(tmp_path / 'clips' / label / f'{label}_{seed}.npz', **arrays)  # type: ignore[arg-type]
        found = teach(base, tmp_path / 'clips', tmp_path / 'out', HERE)
        assert found.new == ('clapping', 'waving')
        assert load_checkpoint(tmp_path / 'out').config.labels == (*KNOWN, 'clapping', 'waving')
        assert any('3 recordings only; record 2 more' in sentence for sentence in found.to_record)

    def test_groups_are_left_out_and_the_split_test_is_left_alone(
        self, base: Checkpoint, waving: Path, tmp_path: Path
    ):
        data = shutil.copytree(waving, tmp_path / 'data')
        names = sorted(path.name for path in data.iterdir() if path.is_dir())
        rows = [f'{name},,{"Ada" if n < 3 else "Bob"}' for n, name in enumerate(names[:5])]
        text = '\n'.join(['recording,split,group', *rows, f'{names[5]},test,Cid'])
        (data / 'splits.csv').write_text(text + '\n', encoding='utf-8')
        found = teach(base, data, tmp_path / 'out', HERE)
        assert found.estimate.by_groups
        assert 'each person or place left out once' in found.estimate.headline()
        assert (found.estimate.labels[0].recordings, found.estimate.labels[0].groups) == (5, 2)

    def test_a_recording_without_labels_is_left_out_and_named(
        self, base: Checkpoint, waving: Path, tmp_path: Path
    ):
        data = shutil.copytree(waving, tmp_path / 'data')
        (data / 'waving_100' / 'labels.csv').unlink()
        found = teach(base, data, tmp_path / 'out', HERE)
        assert found.estimate.labels[0].recordings == 5
        (reason,) = found.skipped
        assert 'waving_100' in reason

    def test_nothing_with_labels(self, base: Checkpoint, tmp_path: Path):
        write_tracked(tmp_path / 'data', 'waving', seed=1)
        (tmp_path / 'data' / 'waving_1' / 'labels.csv').unlink()
        with pytest.raises(RecordingError, match='expected labelled recordings with video'):
            teach(base, tmp_path / 'data', tmp_path / 'out', HERE)

    def test_labels_that_are_empty(self, base: Checkpoint, tmp_path: Path):
        write_labels(write_tracked(tmp_path / 'data', 'waving', seed=1) / 'labels.csv', [])
        with pytest.raises(RecordingError, match='its table of them is empty'):
            teach(base, tmp_path / 'data', tmp_path / 'out', HERE)

    def test_no_place_at_all(self, base: Checkpoint, tmp_path: Path):
        with pytest.raises(RecordingError, match='recordings or clips to teach, there is nothing'):
            teach(base, tmp_path / 'none', tmp_path / 'out', HERE)

    def test_no_modality_in_common(self, tmp_path: Path, waving: Path):
        config = dataclasses.replace(KEYED, modalities=('text',))
        save_checkpoint(tmp_path / 'c', make_system(config), tokenizer_for(config))
        config_of = dataclasses.replace(HERE, forget=True)
        with pytest.raises(
            RecordingError, match='with text, which the checkpoint takes, found none'
        ):
            teach(load_checkpoint(tmp_path / 'c'), waving, tmp_path / 'out', config_of)

    def test_nobody_to_be_seen_is_said(self, base: Checkpoint, waving: Path, tmp_path: Path):
        data = shutil.copytree(waving, tmp_path / 'data')
        arrays = joints_of('waving', seed=7)
        joints = np.array(arrays['joints'], dtype=float)
        joints[: len(joints) * 3 // 4] = np.nan
        from activity_recognition.bags import import_key_points
        from activity_recognition.types import LabelSpan

        np.savez(tmp_path / 'j.npz', **{**arrays, 'joints': joints})  # type: ignore[arg-type]
        out = import_key_points(tmp_path / 'j.npz', data / 'hidden').path
        write_labels(out / 'labels.csv', [LabelSpan(start_s=0.0, end_s=4.0, label='waving')])
        found = teach(base, data, tmp_path / 'out', HERE)
        assert any('hidden: nobody is seen in 75 % of the frames' in w for w in found.warnings)


class TestRefusedFirst:
    def test_a_place_where_nothing_is(self, base: Checkpoint, tmp_path: Path):
        """Also where the checkpoint could not be taught."""
        bare = without_rehearsal(base, tmp_path / 'bare')
        with pytest.raises(RecordingError, match=r'nothing: expected recordings or clips to teach'):
            teach(bare, tmp_path / 'nothing', tmp_path / 'out', HERE)

    def test_a_folder_with_other_things(self, base: Checkpoint, waving: Path, tmp_path: Path):
        (tmp_path / 'out').mkdir()
        (tmp_path / 'out' / 'thesis.tex').write_text('years of work', encoding='utf-8')
        with pytest.raises(CheckpointError, match='found other files'):
            teach(base, waving, tmp_path / 'out', HERE)

    def test_missing_weights_are_named_before_anything_is_read(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ):
        """There are not even recordings."""
        monkeypatch.setenv('ACTIVITY_RECOGNITION_WEIGHTS', str(tmp_path / 'none'))
        monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))
        save_checkpoint(tmp_path / 'c', make_system(HEARING), tokenizer_for(HEARING))
        config = dataclasses.replace(HERE, forget=True)
        (tmp_path / 'data').mkdir()
        with pytest.raises(WeightsError, match='weights fetch yamnet'):
            teach(load_checkpoint(tmp_path / 'c'), tmp_path / 'data', tmp_path / 'out', config)


def test_a_run_keeps_features_where_asked_alone(base: Checkpoint):
    kept = load_rehearsal(base.path, base.system)
    assert kept is not None
    assert len(torch.unique(kept.clips)) == 12
    settings = json.loads((base.path / 'metrics.json').read_text())['training']['settings']
    assert settings['rehearsal_kb'] == 300


def _clips_right(found: Evaluation) -> float:
    clips = [recording.clip for recording in found.decided]
    return float(np.mean([clip is not None and clip.answer == clip.truth for clip in clips]))


def _only(data: Path, name: str, folder: Path) -> Path:
    shutil.copytree(data / name, folder / name)
    return folder
