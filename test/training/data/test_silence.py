"""Recordings whose audio is silence are named, with the labels that have it."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from activity_recognition.bags import ClipReader, RecordingWriter, labels_path
from activity_recognition.config import ModelConfig
from activity_recognition.training.data.inspection import Inspection, inspect
from activity_recognition.training.data.silence_findings import SilenceWatch
from activity_recognition.types import AudioChunk, Modality, to_ns

from ..conftest import write_simulation

START_NS = 1_700_000_000_000_000_000


def look(folder: Path) -> Inspection:
    return inspect(folder, workers=1)


def texts(found: Inspection) -> str:
    return '\n'.join(problem.text for problem in found.all_problems)


def write_heard(path: Path, label: str, loudness: float) -> None:
    """Record a second of noise, its loudest sample as given, with its label."""
    noise = np.random.default_rng(3).uniform(-1, 1, 16_000).astype(np.float32)
    noise *= loudness / np.abs(noise).max()
    with RecordingWriter(path) as writer:
        for number, samples in enumerate(np.split(noise, 10)):
            begin_ns = START_NS + to_ns(number / 10)
            arrival_ns = begin_ns + to_ns(0.1)
            writer.write(
                AudioChunk(
                    stamp_ns=begin_ns,
                    arrival_ns=arrival_ns,
                    samples=samples,
                    sample_rate_hz=16_000,
                )
            )
    labels_path(path).write_text(f'start_s,end_s,label\n0,0.9,{label}\n', encoding='utf-8')


def test_recordings_with_silent_audio_are_one_note_with_their_labels(tmp_path: Path):
    for number in range(4):
        write_heard(tmp_path / f'calm_{number}', 'calm', 0.0)
        write_heard(tmp_path / f'fight_{number}', 'fight', 0.01)
    write_heard(tmp_path / 'codec', 'fight', 2 / 32768)
    write_heard(tmp_path / 'faint', 'fight', 12 / 32768)
    (note,) = [p for p in look(tmp_path).all_problems if 'silence' in p.text]
    assert not note.fatal
    first = ', '.join(f'{tmp_path}/calm_{number}' for number in range(3))
    assert note.text.startswith(
        f'{first}, …: the audio is silence from end to end in 5 of 10 recordings '
        '(calm 4 of 4, fight 1 of 6); '
    )


def test_one_silent_recording_is_named(tmp_path: Path):
    write_heard(tmp_path / 'only', 'calm', 0.0)
    (note,) = [p.text for p in look(tmp_path).all_problems if 'silence' in p.text]
    assert note.startswith(f'{tmp_path}/only: the audio is silence from end to end (calm 1 of 1); ')


def test_a_recording_with_a_pause_or_without_audio_is_not_silent(tmp_path: Path):
    write_simulation(tmp_path / 'no_audio', 1, modalities=(Modality.VIDEO,))
    write_simulation(tmp_path / 'talk', 1)
    assert 'silence' not in texts(look(tmp_path))


@pytest.mark.real
def test_silent_tracks_of_surveillance_cameras_are_told_from_faint_sound(real_recordings: Path):
    with (real_recordings / 'fights' / 'clips.csv').open(encoding='utf-8', newline='') as table:
        rows = list(csv.DictReader(table))
    audible = sorted(
        (row for row in rows if row['audio'] == 'audible'), key=lambda r: float(r['mean_volume_db'])
    )
    silent = [row for row in rows if row['audio'] == 'silent']
    for row, expected in [(r, False) for r in audible[:4]] + [(r, True) for r in silent[:4]]:
        watch = SilenceWatch()
        path = real_recordings / 'fights' / 'clips' / f'{row["clip"]}.mp4'
        for sample in ClipReader(path, ModelConfig()).samples():
            watch.add(sample)
        assert watch.silent is expected, row
