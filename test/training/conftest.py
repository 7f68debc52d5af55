"""Made-up segments, and tiny simulated recordings with a preset to train on them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from activity_recognition.bags import RecordingWriter
from activity_recognition.config_io import to_mapping
from activity_recognition.inference.threads import threads_restored, use_threads
from activity_recognition.simulation import SimulationConfig, simulate
from activity_recognition.training.config import TrainConfig
from activity_recognition.training.data.segments import LabelledSegment
from factories.networks import TINY
from factories.segments import LABELS, START_NS, make_segment

__all__ = ['LABELS', 'START_NS', 'make_segment', 'write_simulation']


@pytest.fixture(autouse=True, scope='module')
def one_thread() -> Iterator[None]:
    """Share the machine; from before a module's own fixtures on.

    Sums by another number of threads round otherwise, on some processors.
    """
    with threads_restored():
        use_threads(1)
        yield


@pytest.fixture
def segment() -> LabelledSegment:
    """One made-up segment."""
    return make_segment()


@pytest.fixture
def tiny_train() -> TrainConfig:
    """Settings of a run that takes a second."""
    return TrainConfig(
        epochs=2,
        batch_size=2,
        crop_s=4.0,
        frame_rate_hz=4.0,
        learning_rate=3e-3,
        validation_fraction=0.34,
        device='cpu',
        num_threads=1,
        num_workers=1,
    )


@pytest.fixture(scope='session')
def tiny_preset(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Path of a model preset that runs in milliseconds."""
    path = tmp_path_factory.mktemp('preset') / 'tiny.yaml'
    path.write_text(yaml.safe_dump(to_mapping(TINY)), encoding='utf-8')
    return str(path)


def write_simulation(path: Path, seed: int, **changes: object) -> Path:
    """Write a small labelled recording of a seed; ``changes`` are fields of SimulationConfig."""
    config = SimulationConfig(
        **{
            'seed': seed,
            'duration_s': 12.0,
            'frame_rate_hz': 8.0,
            'width_px': 64,
            'height_px': 48,
            'sample_rate_hz': 8000,
            'min_segment_s': 2.0,
            'max_segment_s': 4.0,
            'min_spoken_segment_s': 3.0,
            'activities': ('none', 'walking', 'greeting', 'typing'),
            **changes,
        }
    )
    simulation = simulate(config)
    with RecordingWriter(path, start_ns=config.start_ns, image='jpeg') as writer:
        writer.set_labels(simulation.labels)
        for sample in simulation.samples():
            writer.write(sample)
    return path


@pytest.fixture(scope='session')
def recordings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with three labelled recordings; not to be changed."""
    folder = tmp_path_factory.mktemp('recordings')
    for seed in range(3):
        write_simulation(folder / f'recording_{seed}', seed)
    return folder


@pytest.fixture(scope='session')
def tiny_preset_16k(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The same for sound at 16 kHz."""
    path = tmp_path_factory.mktemp('preset') / 'tiny_16k.yaml'
    settings = to_mapping(TINY)
    settings['audio']['sample_rate_hz'] = 16_000
    path.write_text(yaml.safe_dump(settings), encoding='utf-8')
    return str(path)
