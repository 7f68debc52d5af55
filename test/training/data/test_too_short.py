"""A recording that is too short for a network is said to be that, not to be unreadable."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from activity_recognition.bags.importer import import_clip
from activity_recognition.config import ModelConfig, SyncConfig
from activity_recognition.errors import RecordingError
from activity_recognition.training.data.preprocessing import preprocess_recording
from factories.media import write_wav
from factories.networks import HEARING_ALONE, with_modalities

HEARD = with_modalities('audio')


def recording_of(folder: Path, seconds: float) -> Path:
    """Return a recording of so much sound and nothing else."""
    samples = np.random.default_rng(0).uniform(-0.3, 0.3, (round(16_000 * seconds), 1))
    write_wav(folder / 'clip.wav', samples.astype(np.float32), rate_hz=16_000)
    return import_clip(folder / 'clip.wav', folder / 'recording', label='waving').path


def refused(recording: Path, model: ModelConfig) -> str:
    with pytest.raises(RecordingError) as caught:
        preprocess_recording(recording, model, SyncConfig())
    return str(caught.value)


def test_less_than_one_block_of_a_spectrogram(tmp_path: Path):
    recording = recording_of(tmp_path, 0.03)
    assert refused(recording, HEARD) == (
        f'{recording}: expected at least 0.062 s of audio without a gap, which the network takes '
        'at once, got less'
    )


@pytest.mark.real
def test_less_than_one_patch_of_a_backbone(tmp_path: Path, weights_folder: Path):
    recording = recording_of(tmp_path, 0.5)
    alone = dataclasses.replace(HEARING_ALONE, modalities=('audio',))
    assert 'expected at least 0.975 s of audio without a gap' in refused(recording, alone)
    assert preprocess_recording(recording, HEARD, SyncConfig()).segments
