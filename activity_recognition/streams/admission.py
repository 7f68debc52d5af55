"""The one admission rule of the package, for live topics, recordings and training alike.

A sample older than the newest admitted of its modality by less than ``reset_after_s`` is a counted
drop; older by that much or more it is a time jump (a bag that loops, a clock that was set back),
after which nothing known before can be compared with what comes. A modality that may be late is
apart: speech recognisers answer seconds after the words, so the stamps of text are free and never
cause a jump.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

from activity_recognition.config import SyncConfig
from activity_recognition.modalities import SPEC, SPECS, ModalitySpec
from activity_recognition.types import NANOSECONDS, Modality, Sample, Utterance, to_ns

NEVER_NS = -(1 << 63)
"""Before every stamp and every arrival: where nothing has come yet."""


class DropReason(str, Enum):
    """Why a received sample is not used."""

    OUT_OF_ORDER = 'out_of_order'
    """Older than the newest admitted of its modality."""
    DUPLICATE = 'duplicate'
    """The same stamp as the newest admitted of its modality (text: the same words, too)."""
    RATE = 'rate'
    """A frame above ``max_frame_rate_hz``."""
    UNREADABLE = 'unreadable'
    """It could not be decoded."""
    OVERLOAD = 'overload'
    """Admitted, but it waited so long that newer samples pushed it out."""
    RESET = 'reset'
    """Admitted, but a time jump came before it was taken."""

    def __str__(self) -> str:
        return self.value


@dataclass(slots=True)
class InputCounters:
    """What became of every sample of one modality.

    ``received`` is always ``admitted`` plus the drops before admission, and ``admitted`` is
    ``taken`` plus ``queued`` plus the drops after it.
    """

    received: int = 0
    admitted: int = 0
    """Accepted by the rule."""
    taken: int = 0
    """Handed to the engine."""
    resets: int = 0
    """Time jumps this modality caused."""
    dropped: dict[DropReason, int] = field(default_factory=lambda: dict.fromkeys(DropReason, 0))

    @property
    def queued(self) -> int:
        """Admitted samples that wait for the engine."""
        gone = self.dropped[DropReason.OVERLOAD] + self.dropped[DropReason.RESET]
        return self.admitted - self.taken - gone


class RateLimit:
    """Thins stamps to a rate, evenly and without starving a source that jitters around it.

    Due times advance by one period per sample taken, and a sample may come half a period early.
    So the mean rate is exact for any faster source, which neither a grid nor a least distance
    between samples achieves.
    """

    __slots__ = ('_due_ns', '_period_ns', 'is_set')

    def __init__(self, rate_hz: float) -> None:
        self._due_ns = NEVER_NS
        self.set_rate(rate_hz)

    def set_rate(self, rate_hz: float) -> None:
        """Change the limit; 0 takes everything."""
        self._period_ns = round(NANOSECONDS / rate_hz) if rate_hz > 0 else 0
        self.is_set = self._period_ns > 0
        if not self.is_set:
            self.reset()

    def admits(self, stamp_ns: int) -> bool:
        """Return whether a sample of this stamp is within the rate; changes nothing."""
        return not self.is_set or stamp_ns >= self._due_ns - self._period_ns // 2

    def take(self, stamp_ns: int) -> None:
        """Note that the sample of this stamp is used."""
        if not self.is_set:
            return
        due_ns = stamp_ns if self._due_ns == NEVER_NS else self._due_ns
        self._due_ns = max(due_ns + self._period_ns, stamp_ns)

    def reset(self) -> None:
        """Forget all stamps."""
        self._due_ns = NEVER_NS


class _Newest:
    """What is known of one modality's newest admitted sample."""

    __slots__ = ('_rate_setting', 'content', 'has_only_stamps', 'may_be_late', 'rate', 'stamp_ns')

    def __init__(self, spec: ModalitySpec, config: SyncConfig) -> None:
        self._rate_setting = spec.rate_setting
        self.may_be_late = spec.may_be_late
        self.rate = RateLimit(0.0)
        self.update(config)
        self.reset()

    def update(self, config: SyncConfig) -> None:
        if self._rate_setting:
            self.rate.set_rate(getattr(config, self._rate_setting))
        self.has_only_stamps = not (self.may_be_late or self.rate.is_set)

    def reset(self) -> None:
        self.stamp_ns = NEVER_NS
        self.content = ''
        self.rate.reset()

    def note(self, sample: Sample) -> None:
        """Take a sample that is admitted."""
        self.stamp_ns = sample.stamp_ns
        self.content = _content_of(sample)
        if self.rate.is_set:
            self.rate.take(sample.stamp_ns)


class Admission:
    """State of the rule: the newest admitted stamp per modality and the newest arrival."""

    __slots__ = ('_last_arrival_ns', '_newest', '_reset_after_ns')

    def __init__(self, config: SyncConfig) -> None:
        self._reset_after_ns = to_ns(config.reset_after_s)
        # By type, because finding a member of an Enum takes longer than comparing all stamps.
        self._newest = {spec.sample_type: _Newest(spec, config) for spec in SPECS}
        self._last_arrival_ns = NEVER_NS

    def update(self, config: SyncConfig) -> None:
        """Take over the settings that may change while samples come."""
        for newest in self._newest.values():
            newest.update(config)

    def reset(self) -> None:
        """Forget every stamp and arrival: what comes next is the beginning of a new time line."""
        for newest in self._newest.values():
            newest.reset()
        self._last_arrival_ns = NEVER_NS

    def admit_next(self, sample: Sample) -> bool:
        """Admit a sample whose stamp and arrival are the newest, as nearly all are, in one look.

        Returns:
            False where the whole rule has to be asked; then nothing has changed.
        """
        newest = self._newest[type(sample)]
        stamp_ns, arrival_ns = sample.stamp_ns, sample.arrival_ns
        if stamp_ns <= newest.stamp_ns or arrival_ns <= self._last_arrival_ns:
            return False
        if newest.has_only_stamps:
            newest.stamp_ns = stamp_ns
        elif not newest.rate.is_set or newest.rate.admits(stamp_ns):
            newest.note(sample)
        else:
            return False
        self._last_arrival_ns = arrival_ns
        return True

    def is_jump(self, sample: Sample) -> bool:
        """Return whether this sample's stamp or arrival says that time was set back."""
        if self.clock_jumped(sample.arrival_ns):
            return True
        newest = self._newest[type(sample)]
        if newest.may_be_late:
            return False
        return newest.stamp_ns - sample.stamp_ns >= self._reset_after_ns

    def clock_jumped(self, now_ns: int) -> bool:
        """Return whether the clock of arrivals was set back by ``reset_after_s`` or more."""
        return self._last_arrival_ns - now_ns >= self._reset_after_ns

    def refusal(self, sample: Sample) -> DropReason | None:
        """Return why a sample that is no jump may not pass, or None; changes nothing."""
        newest, stamp_ns = self._newest[type(sample)], sample.stamp_ns
        if stamp_ns == newest.stamp_ns and _content_of(sample) == newest.content:
            return DropReason.DUPLICATE
        return None if newest.may_be_late else _refusal(newest, stamp_ns)

    def thins(self, modality: Modality) -> bool:
        """Return whether the rate of a modality is limited."""
        return self._newest[SPEC[modality].sample_type].rate.is_set

    def over_rate(self, modality: Modality, stamp_ns: int) -> bool:
        """Return whether a sample would be refused for the rate alone.

        Args:
            modality: of the sample.
            stamp_ns: its stamp.
        """
        newest = self._newest[SPEC[modality].sample_type]
        return _refusal(newest, stamp_ns) is DropReason.RATE

    def admit(self, sample: Sample) -> int:
        """Note a sample as admitted and return its arrival, later than every one before it."""
        self._newest[type(sample)].note(sample)
        return self.arrive(sample.arrival_ns)

    def arrive(self, now_ns: int) -> int:
        """Return ``now_ns``, moved past the newest arrival if need be, and keep it as that."""
        self._last_arrival_ns = max(now_ns, self._last_arrival_ns + 1)
        return self._last_arrival_ns


def _refusal(newest: _Newest, stamp_ns: int) -> DropReason | None:
    """Return why a stamp may not follow, where stamps have to increase."""
    if stamp_ns == newest.stamp_ns:
        return DropReason.DUPLICATE
    if stamp_ns < newest.stamp_ns:
        return DropReason.OUT_OF_ORDER
    return None if newest.rate.admits(stamp_ns) else DropReason.RATE


def _content_of(sample: Sample) -> str:
    """Return what distinguishes two samples of one stamp."""
    return sample.text if isinstance(sample, Utterance) else ''
