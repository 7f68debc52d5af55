"""Short sounds, synthesised: every function draws one and returns float32 samples.

Each result is scaled to a loudest 20 ms of root mean square 1, so that a level in decibels above
the background means the same for all of them.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Rng = np.random.Generator
Samples = NDArray[np.float32]
_FRAME_S = 0.02


def normalised(samples: NDArray[np.floating], rate_hz: int) -> Samples:
    """Scale to a loudest 20 ms of root mean square 1.

    Args:
        samples: a sound, (N,).
        rate_hz: sample rate, Hz.
    """
    size = max(1, min(len(samples), round(_FRAME_S * rate_hz)))
    whole = len(samples) // size * size
    power = np.square(samples[:whole]).reshape(-1, size).mean(axis=1)
    scaled: Samples = (samples / (np.sqrt(power.max()) + 1e-9)).astype(np.float32)
    return scaled


def _times(length_s: float, rate_hz: int) -> NDArray[np.float64]:
    return np.arange(max(8, round(length_s * rate_hz))) / rate_hz


def _swell(times: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return one arch from 0 over 1 to 0."""
    arch: NDArray[np.float64] = np.maximum(np.sin(np.pi * times / times[-1]), 0.0)
    return arch


def _band_noise(
    rng: Rng, count: int, rate_hz: int, low_hz: float, high_hz: float
) -> NDArray[np.float64]:
    """Return Gaussian noise between two frequencies with soft edges."""
    spectrum = np.fft.rfft(rng.standard_normal(count))
    frequency = np.fft.rfftfreq(count, 1 / rate_hz)
    gain = 1 / (1 + (low_hz / np.maximum(frequency, 1.0)) ** 6)
    gain /= 1 + (frequency / high_hz) ** 6
    return np.fft.irfft(spectrum * gain, count)


def _ring_out(
    rng: Rng,
    times: NDArray[np.float64],
    partials_hz: NDArray[np.float64],
    decay_s: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Return the sum of decaying sine waves."""
    phases = rng.uniform(0, 2 * np.pi, len(partials_hz))
    weights = rng.uniform(0.4, 1.0, len(partials_hz))
    waves = np.sin(2 * np.pi * partials_hz[:, None] * times + phases[:, None])
    tones: NDArray[np.float64] = (weights[:, None] * waves * np.exp(-times / decay_s[:, None])).sum(
        axis=0
    )
    return tones


def footstep(rng: Rng, rate_hz: int) -> Samples:
    """A low thump of the heel and a short scuff of the sole.

    Args:
        rng: draws it.
        rate_hz: sample rate, Hz.
    """
    times = _times(0.16, rate_hz)
    base = float(rng.uniform(70, 130))
    thump = np.sin(2 * np.pi * base * times * (1 - 0.8 * times)) * np.exp(-times / 0.035)
    scuff = _band_noise(rng, len(times), rate_hz, 400, 2200) * np.exp(-np.abs(times - 0.03) / 0.018)
    return normalised(thump + float(rng.uniform(0.3, 0.9)) * scuff, rate_hz)


def knock(rng: Rng, rate_hz: int) -> Samples:
    """A knuckle on wood: damped resonances of a panel.

    Args:
        rng: draws it.
        rate_hz: sample rate, Hz.
    """
    times = _times(0.14, rate_hz)
    base = float(rng.uniform(260, 420))
    partials = base * np.array([1.0, 1.62, 2.35, 3.3])
    tone = _ring_out(rng, times, partials, np.array([0.035, 0.028, 0.018, 0.012]))
    tick = _band_noise(rng, len(times), rate_hz, 500, 3000) * np.exp(-times / 0.003)
    return normalised(tone + 0.8 * tick, rate_hz)


def rub(rng: Rng, rate_hz: int) -> Samples:
    """One stroke of a cloth: noise that swells and fades.

    Args:
        rng: draws it.
        rate_hz: sample rate, Hz.
    """
    times = _times(float(rng.uniform(0.28, 0.42)), rate_hz)
    low = float(rng.uniform(900, 1600))
    swell = _swell(times) ** 1.5
    return normalised(_band_noise(rng, len(times), rate_hz, low, 2.6 * low) * swell, rate_hz)


def key_click(rng: Rng, rate_hz: int) -> Samples:
    """A key going down and up: two short bright clicks.

    Args:
        rng: draws it.
        rate_hz: sample rate, Hz.
    """
    times = _times(0.09, rate_hz)
    click = _band_noise(rng, len(times), rate_hz, 2500, 6500)
    gap = float(rng.uniform(0.035, 0.06))
    envelope = np.exp(-times / 0.004)
    envelope += 0.5 * np.exp(-np.maximum(times - gap, 0) / 0.003) * (times >= gap)
    body = 0.3 * np.sin(2 * np.pi * float(rng.uniform(180, 260)) * times) * np.exp(-times / 0.012)
    return normalised(click * envelope + body, rate_hz)


def clink(rng: Rng, rate_hz: int) -> Samples:
    """Cutlery on crockery: inharmonic partials that ring on.

    Args:
        rng: draws it.
        rate_hz: sample rate, Hz.
    """
    times = _times(0.5, rate_hz)
    base = float(rng.uniform(1500, 2300))
    partials = base * np.array([1.0, 1.41, 1.93, 2.57, 3.05]) * rng.uniform(0.97, 1.03, 5)
    decay = float(rng.uniform(0.08, 0.2)) * np.array([1.0, 0.8, 0.6, 0.45, 0.4])
    audible = partials < 0.45 * rate_hz
    tone = _ring_out(rng, times, partials[audible], decay[audible])
    return normalised(tone * np.minimum(1.0, times / 0.001), rate_hz)


def thud(rng: Rng, rate_hz: int) -> Samples:
    """A body on the floor.

    Args:
        rng: draws it.
        rate_hz: sample rate, Hz.
    """
    times = _times(0.6, rate_hz)
    base = float(rng.uniform(45, 75))
    boom = np.sin(2 * np.pi * base * times) * np.exp(-times / 0.13)
    crash = _band_noise(rng, len(times), rate_hz, 60, 700) * np.exp(-times / 0.08)
    return normalised(boom + 2.0 * crash, rate_hz)


def scrape(rng: Rng, rate_hz: int) -> Samples:
    """Something dragged on the floor: low, rough noise.

    Args:
        rng: draws it.
        rate_hz: sample rate, Hz.
    """
    times = _times(float(rng.uniform(0.4, 0.8)), rate_hz)
    rough = 0.6 + 0.4 * np.sign(np.sin(2 * np.pi * float(rng.uniform(18, 32)) * times))
    swell = _swell(times)
    return normalised(_band_noise(rng, len(times), rate_hz, 150, 900) * rough * swell, rate_hz)


def bell(rng: Rng, rate_hz: int) -> Samples:
    """A telephone somewhere: two short trills.

    Args:
        rng: draws it.
        rate_hz: sample rate, Hz.
    """
    times = _times(1.4, rate_hz)
    pitch = float(rng.uniform(600, 1400))
    gate = ((times % 0.7) < 0.4) * (0.6 + 0.4 * np.sign(np.sin(2 * np.pi * 22 * times)))
    tone = np.sin(2 * np.pi * pitch * times) + 0.5 * np.sin(2 * np.pi * 1.26 * pitch * times)
    return normalised(tone * gate, rate_hz)


def door(rng: Rng, rate_hz: int) -> Samples:
    """A door elsewhere falls shut.

    Args:
        rng: draws it.
        rate_hz: sample rate, Hz.
    """
    times = _times(0.5, rate_hz)
    noise = _band_noise(rng, len(times), rate_hz, 80, float(rng.uniform(300, 600)))
    latch = (
        0.4
        * _band_noise(rng, len(times), rate_hz, 1000, 2500)
        * np.exp(-np.abs(times - 0.05) / 0.01)
    )
    return normalised(noise * np.exp(-times / 0.1) + latch, rate_hz)


def passing_car(rng: Rng, rate_hz: int) -> Samples:
    """A car outside: noise that swells for some seconds.

    Args:
        rng: draws it.
        rate_hz: sample rate, Hz.
    """
    times = _times(float(rng.uniform(1.8, 3.2)), rate_hz)
    swell = _swell(times) ** 2
    return normalised(_band_noise(rng, len(times), rate_hz, 60, 600) * swell, rate_hz)


def _voiced(
    rng: Rng, pitch_hz: NDArray[np.float64], formants_hz: tuple[float, ...], rate_hz: int
) -> NDArray[np.float64]:
    """Return a buzz of a given pitch through formant resonances (source-filter model)."""
    count = len(pitch_hz)
    phase = np.cumsum(pitch_hz / rate_hz)
    pulses = np.diff(np.floor(phase), prepend=0.0) + 0.02 * rng.standard_normal(count)
    frequency = np.fft.rfftfreq(count, 1 / rate_hz)
    gain = np.zeros(len(frequency))
    for place, centre in enumerate(formants_hz):
        width = 70.0 + 40.0 * place
        gain += (0.6**place) / (1 + ((frequency - centre) / width) ** 2)
    gain *= 1 / (1 + (frequency / 900) ** 2) ** 0.5
    return np.fft.irfft(np.fft.rfft(pulses) * gain, count)


def voice(rng: Rng, rate_hz: int, length_s: float, pitch_hz: float) -> Samples:
    """Somebody speaks for ``length_s``: syllables, no readable words.

    Args:
        rng: draws it.
        rate_hz: sample rate, Hz.
        length_s: seconds.
        pitch_hz: of the voice, Hz.
    """
    count = round(length_s * rate_hz)
    out = np.zeros(count)
    start = 0
    while start < count - rate_hz // 20:
        size = min(count - start, round(float(rng.uniform(0.13, 0.24)) * rate_hz))
        times = np.arange(size) / rate_hz
        glide = pitch_hz * float(rng.uniform(0.85, 1.25)) * (1 - 0.5 * times)
        formants = (
            float(rng.uniform(300, 800)),
            float(rng.uniform(900, 2200)),
            float(rng.uniform(2300, 2900)),
        )
        syllable = _voiced(rng, glide, formants, rate_hz)
        syllable /= np.abs(syllable).max() + 1e-9
        shape = _swell(times) ** 0.7
        if rng.random() < 0.35:
            hiss = _band_noise(rng, size, rate_hz, 3000, 6500) * np.exp(-times / 0.04)
            syllable += 0.4 * hiss
        out[start : start + size] = syllable * shape * float(rng.uniform(0.5, 1.0))
        start += size + round(float(rng.uniform(0.0, 0.05)) * rate_hz)
    return normalised(out, rate_hz)


def groan(rng: Rng, rate_hz: int, pitch_hz: float) -> Samples:
    """A long, falling, unsteady vowel.

    Args:
        rng: draws it.
        rate_hz: sample rate, Hz.
        pitch_hz: where it begins, Hz.
    """
    times = _times(float(rng.uniform(0.5, 1.0)), rate_hz)
    share = times / times[-1]
    shiver = 1 + 0.03 * np.sin(2 * np.pi * float(rng.uniform(4, 7)) * times)
    pitch = 0.85 * pitch_hz * (1.15 - 0.4 * share) * shiver
    formants = (float(rng.uniform(380, 520)), float(rng.uniform(750, 950)), 2400.0)
    shape = np.minimum(1.0, 6 * share) * (1 - share) ** 0.6
    return normalised(_voiced(rng, pitch, formants, rate_hz) * shape, rate_hz)


def through_radio(samples: Samples, rate_hz: int) -> Samples:
    """Return a voice as a small loudspeaker in another corner plays it.

    Args:
        samples: a voice, (N,).
        rate_hz: sample rate, Hz.
    """
    spectrum = np.fft.rfft(samples)
    frequency = np.fft.rfftfreq(len(samples), 1 / rate_hz)
    spectrum *= 1 / (1 + (450 / np.maximum(frequency, 1.0)) ** 6) / (1 + (frequency / 2600) ** 8)
    return normalised(np.fft.irfft(spectrum, len(samples)), rate_hz)
