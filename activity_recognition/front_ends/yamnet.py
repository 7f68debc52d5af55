"""YAMNet: a second of sound to an embedding and to the scores of 521 kinds of sound.

Hershey et al. 2017, "CNN Architectures for Large-Scale Audio Classification"; Plakal and Ellis
2019, YAMNet. Its spectrogram has numbers of its own, which are not those of the AudioCNN's.

Shapes: N samples, T columns, F frequencies, M mels.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from activity_recognition.encoder_config import SOUND_CLASSES, SOUND_FEATURES
from activity_recognition.errors import WeightsError
from activity_recognition.front_ends.litert import ArrayForm, InnerArray, load_network
from activity_recognition.text_files import read_rows
from activity_recognition.weights import find_weights

NAME = 'yamnet'
"""In the register of weights."""
VERSION = 1
"""Of what is made of a sound by the same weights; part of the key of kept embeddings."""
SAMPLE_RATE_HZ = 16_000
COLUMNS, MELS = 96, 64
PATCH_SAMPLES = 15_600
"""Samples under one patch, 0.975 s."""
EMBEDDING, CLASSES = SOUND_FEATURES, SOUND_CLASSES
CLASS_MAP = 'yamnet_class_map'
"""Names of the classes, in the register of weights."""

_FRAME, _HOP, _FFT = 400, 160, 512
"""Samples of a column, between columns, and under the Fourier transform, zeros behind a column."""
_LOWEST_HZ, _HIGHEST_HZ = 125.0, 7500.0
FLOOR = 0.001
"""Added to the mel magnitudes before the logarithm."""


@dataclass(frozen=True, slots=True, eq=False)
class Heard:
    """What YAMNet makes of one patch."""

    embedding: NDArray[np.float16]
    """(1024,), not negative; with the precision with which recordings keep it."""
    scores: NDArray[np.float32]
    """(521,), of each class by itself, in [0, 1]."""


class Yamnet:
    """The network, a function of one patch alone."""

    def __init__(self) -> None:
        """Load it.

        Raises:
            MissingExtraError: LiteRT is not installed.
            WeightsError: its weights are not on this machine.
        """
        self._network = load_network(
            NAME,
            inputs=(ArrayForm((1, COLUMNS, MELS), 'float32'),),
            outputs=(ArrayForm((1, CLASSES), 'float32'),),
            # The mean over time and frequency, which the classifier reads.
            inner=(InnerArray('tower0/network/layer28/reduce_mean', (1, 1, 1, EMBEDDING)),),
        )

    def hear(self, samples: NDArray[np.float32]) -> Heard:
        """Return embedding and scores of a patch.

        Args:
            samples: (15600,), mono at 16 kHz, in [-1, 1].

        Raises:
            ShapeError: they are of another number.
        """
        scores, embedding = self._network.run(log_mel(samples)[None])
        return Heard(embedding.reshape(-1).astype(np.float16), scores.reshape(-1))

    def classifier(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return weights (521, 1024) and biases (521,) of what makes scores of an embedding.

        The sigmoid of their sum is a score, but for the 8 bits in which the network computes it.

        Raises:
            WeightsError: the network has none.
        """
        weights = self._network.constant('tower0/network/layer29/fc/MatMul', (CLASSES, EMBEDDING))
        return weights, self._network.constant('network/layer29/fc/biases', (CLASSES,))


@cache
def class_names() -> tuple[str, ...]:
    """Return the names of the 521 kinds of sound, as the network's authors call them.

    Raises:
        WeightsError: they are not on this machine, or are not what the register says.
    """
    path = find_weights(CLASS_MAP)
    rows, fault = read_rows(path, WeightsError, what='the names of sounds')
    names = tuple(row[-1] for _, row in rows[1:])
    if fault or len(names) != CLASSES:
        raise WeightsError(fault or f'{path}: expected {CLASSES} names, got {len(names)}')
    return names


def log_mel(samples: NDArray[np.float32], *, floor: float = FLOOR) -> NDArray[np.float32]:
    """Return the network's spectrogram (T, M) of samples (N,), N at least 400.

    Args:
        samples: mono at 16 kHz, in [-1, 1].
        floor: added before the logarithm; the network was trained with the default.
    """
    window, bands = _transform()
    frames = sliding_window_view(samples, _FRAME)[::_HOP]
    spectrum = np.fft.rfft(frames * window, _FFT)
    magnitudes = np.sqrt(np.square(spectrum.real) + np.square(spectrum.imag))
    # numpy 1 transforms in float64 whatever it is given.
    levels: NDArray[np.float32] = magnitudes.astype(np.float32, copy=False) @ bands
    levels += np.float32(floor)
    return np.log(levels, out=levels)


@cache
def _transform() -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the window (400,), a periodic one of Hann, and the mel bands (F, M).

    A band is a triangle over mels, not over hertz as torchaudio has it.
    """
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(_FRAME) / _FRAME)
    mels = _mel(np.linspace(0, SAMPLE_RATE_HZ / 2, _FFT // 2 + 1))[:, None]
    edges = np.linspace(_mel(_LOWEST_HZ), _mel(_HIGHEST_HZ), MELS + 2)
    low, middle, high = edges[:-2], edges[1:-1], edges[2:]
    bands = np.minimum((mels - low) / (middle - low), (high - mels) / (high - middle))
    return window.astype(np.float32), np.maximum(bands, 0).astype(np.float32)


def _mel(frequency_hz: NDArray[np.float64] | float) -> NDArray[np.float64]:
    """Return mels as HTK counts them."""
    return np.asarray(1127.0 * np.log1p(np.asarray(frequency_hz) / 700.0))
