"""Several audio channels -> one: their mean, one of them, or the one with the best signal.

docs/adr/0024-audio-channels.md says when ``auto`` takes channels for microphones, and why.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from activity_recognition.channel_choice import ChannelChoice
from activity_recognition.errors import DecodeError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    Samples = NDArray[np.float32]

BLOCK_S = 0.5
"""Distance of the moments at which ``auto`` may change its mind, seconds of audio."""
MEMORY_S = 5.0
"""Time constant with which levels and correlations are forgotten."""
AGREEMENT = 0.6
"""Least absolute correlation of two channels that are found to hold the same."""
DISAGREEMENT = 0.5
"""Below this absolute correlation they no longer do."""
CHANGE_AFTER_BLOCKS = 3
"""Blocks in a row that must prefer the same other channel before it is taken."""
LOUDER_DB = 3.0
"""How much louder a channel of the same group has to be to be preferred."""
FAINT_DB = 20.0
"""Where no channels agree, one that is this much quieter than the loudest is left out."""
RECOVERED_DB = 14.0
"""It is taken again when it is no more than this much quieter."""
SILENT_DBFS = -84.0
"""A channel below this level is silent: two steps of 16-bit samples."""
SILENT_BLOCKS = 6
"""Silent blocks in a row after which a channel counts as dead."""
CANCELLED_DB = 12.0
"""A mean that is this much quieter than its loudest channel is reported."""
AUDIBLE_DBFS = -60.0
"""Nothing is reported of audio below this level."""
PLAYBACK_CHANNELS = {6: (5,), 8: (6, 7)}
"""Number of channels -> those that arrays of so many channels fill with what the robot plays:
ReSpeaker's with 4 and with 6 microphones. ``auto`` never takes them."""

_SCALE = float(1 << 17)
"""Levels are summed in these steps: sums of products over a block stay whole numbers below 2**53,
which float64 adds exactly, in any order."""
_RAMP = (4, 3, 2, 1)
"""Within the first block, a silent channel is left after 1/16, 1/8, 1/4 and 1/2 of it."""


@dataclass(slots=True)
class _Moments:
    """Sums over samples of C channels, in steps of 1 / ``_SCALE``."""

    count: float
    sums: NDArray[np.float64]
    products: NDArray[np.float64]

    @classmethod
    def none(cls, channels: int) -> _Moments:
        """Return the sums over no sample."""
        return cls(0.0, np.zeros(channels), np.zeros((channels, channels)))

    def gather(self, samples_NC: Samples) -> None:
        """Add samples; the sums do not depend on how they are cut."""
        steps_NC = np.rint(np.clip(samples_NC, -1, 1) * np.float64(_SCALE))
        self.count += len(steps_NC)
        self.sums += steps_NC.sum(axis=0)
        self.products += steps_NC.T @ steps_NC

    def add(self, other: _Moments, *, keep: float) -> None:
        """Forget a part of these sums and add others."""
        self.count = self.count * keep + other.count
        self.sums = self.sums * keep + other.sums
        self.products = self.products * keep + other.products

    def covariance(self) -> NDArray[np.float64]:
        """Return the covariance of the channels, (C, C), full scale being 1."""
        mean_C = self.sums / max(self.count, 1.0)
        steps_CC = self.products / max(self.count, 1.0) - mean_C[:, None] * mean_C
        return np.asarray(steps_CC / _SCALE**2)


@dataclass(slots=True)
class _State:
    """What a selector knows of the stream since the start or the last reset."""

    channels: int
    chosen: int
    block: _Moments
    memory: _Moments
    silent_blocks: NDArray[np.int64]
    """Complete blocks in a row in which a channel was silent."""
    agree: NDArray[np.bool_]
    """Which channels hold the same."""
    position: int = 0
    """Samples of the current block so far."""
    blocks: int = 0
    """Blocks that are complete."""
    preferred: tuple[int, int] = (-1, 0)
    """The channel that the latest blocks preferred to ``chosen``, and how many of them did."""


class ChannelSelector:
    """Makes one channel of several, sample by sample: as many samples out as in, without delay.

    What comes out depends on the samples since the start or the last :meth:`reset` alone, not on
    how they are cut. ``auto`` begins with the first channel, and after each block decides which
    channel the next block is taken from.
    """

    def __init__(self, choice: ChannelChoice | str = 'mean', *, sample_rate_hz: int) -> None:
        """Make a selector without a past.

        Args:
            choice: the setting ``audio_channels``, as text or taken apart by :meth:`parse`.
            sample_rate_hz: of the samples, Hz.

        Raises:
            ConfigError: when the text is no such setting.
        """
        self._choice = self.parse(choice) if isinstance(choice, str) else choice
        self._block = max(1, round(sample_rate_hz * BLOCK_S))
        self._ends = (*(self._block >> halvings for halvings in _RAMP), self._block)
        self._keep = math.exp(-BLOCK_S / MEMORY_S)
        self._state: _State | None = None
        self.problem = ''
        """What is wrong with what the choice gives, in words; empty where nothing is."""

    @staticmethod
    def parse(text: str) -> ChannelChoice:
        """Read the setting ``audio_channels``; see :meth:`ChannelChoice.parse`.

        Raises:
            ConfigError: when the text is no such setting.
        """
        return ChannelChoice.parse(text)

    @property
    def chosen(self) -> int | None:
        """The channel that the next sample is taken from; None for a mean, or before the first."""
        if self._choice.mode == 'index':
            return self._choice.index
        return self._state.chosen if self._state and self._choice.mode == 'auto' else None

    def reset(self) -> None:
        """Forget the past."""
        self._state = None
        self.problem = ''

    def check(self, channels: int) -> None:
        """Refuse a number of channels that the choice cannot be made from.

        Raises:
            DecodeError: when the channel does not exist, or none is left.
        """
        choice = self._choice
        if choice.mode == 'index' and choice.index >= channels:
            raise DecodeError(
                f'audio channels: channel {choice.index} is asked for by audio_channels, but '
                f'{channels} channel(s) come, counted from 0; set audio_channels to one of them, '
                "'mean' or 'auto'"
            )
        if not self._candidates(channels):
            raise DecodeError(
                f'audio channels: {channels} channel(s) come, and audio_channels leaves all of '
                f'them out ({", ".join(map(str, choice.without))}); leave out fewer'
            )

    def push(self, samples_NC: Samples) -> Samples:
        """Take samples and return what is chosen of them.

        Args:
            samples_NC: N samples of C channels, float32, full scale being 1; C may only change
                after a :meth:`reset`.

        Returns:
            The mono samples, (N,), in [-1, 1].

        Raises:
            DecodeError: see :meth:`check`.
        """
        channels = samples_NC.shape[1]
        self.check(channels)
        if channels == 1:
            return np.clip(samples_NC[:, 0], -1.0, 1.0)
        if self._state is None or self._state.channels != channels:
            self._state = self._begin(channels)
        parts = list(self._parts(samples_NC, self._state))
        return np.concatenate(parts) if parts else np.zeros(0, np.float32)

    def _candidates(self, channels: int) -> list[int]:
        """Return the channels that the choice may use."""
        if self._choice.mode == 'index':
            return [self._choice.index]
        kept = [c for c in range(channels) if c not in self._choice.without]
        if self._choice.mode == 'mean':
            return kept
        microphones = [c for c in kept if c not in PLAYBACK_CHANNELS.get(channels, ())]
        return microphones or kept

    def _begin(self, channels: int) -> _State:
        return _State(
            channels=channels,
            chosen=self._candidates(channels)[0],
            block=_Moments.none(channels),
            memory=_Moments.none(channels),
            silent_blocks=np.zeros(channels, np.int64),
            agree=np.zeros((channels, channels), np.bool_),
        )

    def _parts(self, samples_NC: Samples, state: _State) -> Iterator[Samples]:
        """Yield what is chosen of samples, cut where the choice may change."""
        begin = 0
        while begin < len(samples_NC):
            ends = self._ends if not state.blocks else self._ends[-1:]
            end = next(position for position in ends if position > state.position)
            part_NC = samples_NC[begin : begin + end - state.position]
            state.block.gather(part_NC)
            yield self._take(part_NC, state)
            state.position += len(part_NC)
            begin += len(part_NC)
            if state.position == self._block:
                self._end_block(state)
            elif state.position == end:
                self._leave_silence(state)

    def _take(self, samples_NC: Samples, state: _State) -> Samples:
        if self._choice.mode != 'mean':
            return np.clip(samples_NC[:, state.chosen], -1.0, 1.0)
        first, *others = self._candidates(state.channels)
        mono: Samples = samples_NC[:, first].copy()
        with np.errstate(over='ignore'):  # floats may be as large as they like
            for channel in others:
                mono += samples_NC[:, channel]
        if others:
            mono /= np.float32(1 + len(others))
        return np.clip(mono, -1.0, 1.0, out=mono)

    def _leave_silence(self, state: _State) -> None:
        """Within the first block, take the loudest channel where the chosen one is silent."""
        power_C = np.diagonal(state.block.covariance())
        loudest = max(self._candidates(state.channels), key=lambda channel: power_C[channel])
        if self._choice.mode == 'auto' and power_C[state.chosen] < _power(SILENT_DBFS):
            state.chosen = loudest if power_C[loudest] >= _power(SILENT_DBFS) else state.chosen

    def _end_block(self, state: _State) -> None:
        """Add a complete block, and decide where the next one is taken from."""
        silent_C = np.diagonal(state.block.covariance()) < _power(SILENT_DBFS)
        state.silent_blocks = np.where(silent_C, state.silent_blocks + 1, 0)
        state.memory.add(state.block, keep=self._keep)
        state.block, state.position = _Moments.none(state.channels), 0
        state.blocks += 1
        covariance_CC = state.memory.covariance()
        if self._choice.mode == 'auto':
            self._choose(state, covariance_CC)
        self.problem = self._judge(state, covariance_CC)

    def _choose(self, state: _State, covariance_CC: NDArray[np.float64]) -> None:
        power_C = np.diagonal(covariance_CC)
        dead_C = state.silent_blocks >= min(SILENT_BLOCKS, state.blocks)
        state.agree = _agreement(covariance_CC, state.agree)
        live = [
            channel
            for channel in self._candidates(state.channels)
            if power_C[channel] >= _power(SILENT_DBFS) and not dead_C[channel]
        ]
        if not live:
            return
        best = _best(power_C, state.agree, live, state.chosen)
        channel, times = state.preferred
        state.preferred = (best, times + 1 if best == channel else 1)
        at_once = state.blocks == 1 or state.chosen not in live
        if at_once or state.preferred[1] >= CHANGE_AFTER_BLOCKS:
            state.chosen = best

    def _judge(self, state: _State, covariance_CC: NDArray[np.float64]) -> str:
        """Say where most of the audio is lost by the choice."""
        power_C = np.diagonal(covariance_CC)
        loudest, silent = int(power_C.argmax()), _power(SILENT_DBFS)
        taken = self._candidates(state.channels)
        if power_C[loudest] < _power(AUDIBLE_DBFS):
            return ''
        if self._choice.mode != 'mean':
            if max(power_C[channel] for channel in taken) >= silent:
                return ''
            named = f'channel {state.chosen} is' if len(taken) == 1 else 'the microphones are'
            return (
                f'audio channels: {named} silent and channel {loudest} is not; set audio_channels '
                f"to '{loudest}' if that is a microphone, or to 'mean'"
            )
        power = covariance_CC[np.ix_(taken, taken)].sum() / len(taken) ** 2
        loss_db = 10 * math.log10(power_C[loudest] / max(power, silent))
        if loss_db < CANCELLED_DB:
            return ''
        return (
            f'audio channels: the mean of {len(taken)} channels is {loss_db:.0f} dB quieter than '
            f'channel {loudest}: they cancel each other, or most are silent; set audio_channels to '
            f"'auto', or to '{loudest}' if that is a microphone"
        )


def _power(level_dbfs: float) -> float:
    """Return the variance of a signal of a level, full scale being 1."""
    return float(10 ** (level_dbfs / 10))


def _agreement(
    covariance_CC: NDArray[np.float64], before_CC: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """Return which channels hold the same, one inverted perhaps; what agreed does so for longer."""
    power_C = np.diagonal(covariance_CC)
    # Nothing is divided: a channel may be all zeros.
    scale_CC = np.sqrt(power_C[:, None] * power_C)
    threshold_CC = np.where(before_CC, DISAGREEMENT, AGREEMENT)
    return np.asarray((np.abs(covariance_CC) >= threshold_CC * scale_CC) & (scale_CC > 0))


def _best(
    power_C: NDArray[np.float64], agree_CC: NDArray[np.bool_], live: list[int], current: int
) -> int:
    """Return the channel to take of those that are not silent."""
    group = _largest_group(agree_CC, live)
    if len(group) > 1:
        loudest = max(group, key=lambda channel: power_C[channel])
        near = power_C[loudest] * _power(-LOUDER_DB)
        return current if current in group and power_C[current] >= near else loudest
    # No two agree, so nothing shows which records people: by custom, microphones come first.
    most = max(power_C[channel] for channel in live)
    for channel in live:
        bound_db = FAINT_DB if channel == current else RECOVERED_DB
        if power_C[channel] >= most * _power(-bound_db):
            return channel
    return current


def _largest_group(agree_CC: NDArray[np.bool_], live: list[int]) -> list[int]:
    """Return the most channels that are linked by agreement; of two groups, the first."""
    groups: list[list[int]] = []
    left = list(live)
    while left:
        group = [left.pop(0)]
        for member in group:
            linked = [channel for channel in left if agree_CC[member, channel]]
            group += linked
            left = [channel for channel in left if channel not in linked]
        groups.append(sorted(group))
    return max(groups, key=len)
