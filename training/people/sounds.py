"""What is heard of an activity: synthesised by the simulator, or recorded (ESC-10)."""

from __future__ import annotations

import csv
import wave
from collections import defaultdict
from collections.abc import Collection
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from activity_recognition.errors import RecordingError
from activity_recognition.media.clip import Clip
from activity_recognition.simulation import SimulationConfig, simulate
from activity_recognition.types import AudioChunk, Modality

RATE_HZ = 16_000
Samples = NDArray[np.float32]


def simulated_sound(activity: str, duration_s: float, rng: np.random.Generator) -> Samples:
    """Draw what a microphone gets of an activity of the simulator, in [-1, 1].

    Args:
        activity: of the simulator.
        duration_s: length, seconds.
        rng: what is drawn.
    """
    config = SimulationConfig(
        seed=int(rng.integers(2**62)),
        duration_s=duration_s,
        sample_rate_hz=RATE_HZ,
        activities=(activity,),
        modalities=(Modality.AUDIO,),
        difficulty=float(rng.uniform(0.2, 0.7)),
    )
    chunks = [s.samples for s in simulate(config).samples() if isinstance(s, AudioChunk)]
    return fitted(np.concatenate(chunks), duration_s)


class RealSounds:
    """Recordings of ESC-10, by class."""

    def __init__(self, folder: Path, folds: Collection[int]) -> None:
        """Look for the recordings of some folds.

        Args:
            folder: of the data set.
            folds: their numbers, from 1 to 5.

        Raises:
            RecordingError: there is no such data set, or nothing of these folds is in it.
        """
        table = folder / 'clips.csv'
        if not table.is_file():
            raise RecordingError(f'{folder}: expected ESC-10, clips.csv and clips/, got no table')
        files = {path.stem: path for path in sorted((folder / 'clips').iterdir())}
        self._by_class: dict[str, list[Path]] = defaultdict(list)
        with table.open(encoding='utf-8', newline='') as rows:
            for row in csv.DictReader(rows):
                if int(row['fold']) in folds and row['clip'] in files:
                    self._by_class[row['label']].append(files[row['clip']])
        if not self._by_class:
            raise RecordingError(f'{table}: expected clips of folds {sorted(folds)}, got none')

    def draw(self, of: str, duration_s: float, rng: np.random.Generator) -> Samples:
        """Draw a recording of a class, louder or softer.

        Args:
            of: the class.
            duration_s: length, seconds; what is shorter is repeated.
            rng: what is drawn.
        """
        known = self._by_class[of]
        path = known[int(rng.integers(len(known)))]
        samples = np.concatenate([chunk.samples for chunk in Clip(path).audio(0)])
        return fitted(samples, duration_s) * np.float32(10 ** rng.uniform(-1.0, 0.0))


def fitted(samples: Samples, duration_s: float) -> Samples:
    """Return so many seconds of samples, repeated where they are fewer.

    Args:
        samples: at ``RATE_HZ``.
        duration_s: wanted length, seconds.
    """
    wanted = round(duration_s * RATE_HZ)
    return np.resize(samples, wanted).astype(np.float32)


def write_wave(samples: Samples, path: Path) -> None:
    """Write samples to a file of 16 bits.

    Args:
        samples: in -1 to 1, at ``RATE_HZ``.
        path: of the file.
    """
    with wave.open(str(path), 'wb') as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE_HZ)
        file.writeframes((np.clip(samples, -1, 1) * 32767).astype('<i2').tobytes())
