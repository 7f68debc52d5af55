"""Made-up segments, and tiny simulated recordings with a preset to train on them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from activity_recognition.bags import RecordingWriter
from activity_recognition.config import TrainConfig
from activity_recognition.config_io import to_mapping
from activity_recognition.simulation import SimulationConfig, simulate
from activity_recognition.training.segments import Segment
from activity_recognition.training.targets import LabelTrack
from activity_recognition.types import LabelSpan, to_ns
from factories.networks import TINY, tokenizer_for

START_NS = 1_700_000_000_000_000_000
LABELS = TINY.labels


def make_segment(
    *,
    duration_s: float = 12.0,
    frame_rate_hz: float = 10.0,
    seed: int = 0,
    texts: tuple[str, ...] = ('hello robot', 'what a day', 'help me please'),
) -> Segment:
    """Return a segment whose frames are as bright as the label they show is high."""
    rng = np.random.default_rng(seed)
    spans = [
        LabelSpan(start_s=2.0 * i, end_s=2.0 * (i + 1), label=LABELS[int(rng.integers(4))])
        for i in range(int(duration_s // 2))
    ]
    track = LabelTrack.from_spans(spans, LABELS, START_NS)
    stamps = START_NS + np.arange(0, to_ns(duration_s), to_ns(1 / frame_rate_hz))
    side = TINY.video.input_size_px
    frames = rng.integers(0, 20, (len(stamps), side, side, 3)).astype(np.uint8)
    classes = track.at(stamps)
    frames += (60 * np.maximum(classes, 0)).astype(np.uint8)[:, None, None, None]
    blocks = int(duration_s * TINY.audio.token_rate_hz)
    ends = START_NS + to_ns(1 / TINY.audio.token_rate_hz) * np.arange(1, blocks + 1)
    spoken = START_NS + to_ns(duration_s) * np.arange(1, len(texts) + 1) // (len(texts) + 1)
    columns, mels = TINY.audio.columns_per_token, TINY.audio.num_mels
    return Segment(
        frames=frames,
        frame_stamps=stamps,
        frame_arrivals=stamps + to_ns(0.02),
        spectrograms=rng.normal(size=(blocks, columns, mels)).astype(np.float32),
        spectrogram_stamps=ends,
        spectrogram_arrivals=ends + to_ns(0.01),
        spectrogram_mask=rng.random(blocks) > 0.02,
        texts=texts,
        transcript_stamps=spoken,
        transcript_arrivals=spoken + to_ns(0.5),
        transcript_tokens=np.zeros((len(texts), 0), np.int64),
        transcript_token_mask=np.zeros((len(texts), 0), np.bool_),
        decision_stamps=stamps,
        decision_arrivals=stamps + to_ns(0.02),
        labels=track,
    ).tokenised(tokenizer_for(TINY))


@pytest.fixture(autouse=True)
def one_thread() -> None:
    """Share the machine."""
    torch.set_num_threads(1)


@pytest.fixture
def segment() -> Segment:
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
