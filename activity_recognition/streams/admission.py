"""The one admission rule of the package, for live topics, recordings and training alike.

Audio or video older than the newest admitted of its modality by less than ``reset_after_s`` is a
counted drop; older by that much or more it is a time jump (a bag that loops, a clock that was set
back), after which nothing known before can be compared with what comes. Text may be late: speech
recognisers answer seconds after the words, so its stamps are free and never cause a jump.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

from activity_recognition.config import SyncConfig
from activity_recognition.types import (
    MODALITIES,
    NANOSECONDS,
    Modality,
    Sample,
    Utterance,
    to_ns,
)

VIDEO, _, TEXT = MODALITIES
"""Names of their own: finding a member of an Enum takes longer than comparing all stamps."""

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


class Admission:
    """State of the rule: the newest admitted stamp per modality and the newest arrival."""

    __slots__ = ('_last_arrival_ns', '_last_text', '_newest_ns', '_rate', '_reset_after_ns')

    def __init__(self, config: SyncConfig) -> None:
        self._reset_after_ns = to_ns(config.reset_after_s)
        self._newest_ns = dict.fromkeys(MODALITIES, NEVER_NS)
        self._last_text = ''
        self._last_arrival_ns = NEVER_NS
        self._rate = RateLimit(config.max_frame_rate_hz)

    def update(self, config: SyncConfig) -> None:
        """Take over the settings that may change while samples come."""
        self._rate.set_rate(config.max_frame_rate_hz)

    def reset(self) -> None:
        """Forget every stamp and arrival: what comes next is the beginning of a new time line."""
        self._newest_ns = dict.fromkeys(MODALITIES, NEVER_NS)
        self._last_text = ''
        self._last_arrival_ns = NEVER_NS
        self._rate.reset()

    def admit_next(self, sample: Sample) -> bool:
        """Admit a sample whose stamp and arrival are the newest, as nearly all are, in one look.

        Returns:
            False where the whole rule has to be asked; then nothing has changed.
        """
        modality, stamp_ns, arrival_ns = sample.modality, sample.stamp_ns, sample.arrival_ns
        if stamp_ns <= self._newest_ns[modality] or arrival_ns <= self._last_arrival_ns:
            return False
        if modality is VIDEO:
            rate = self._rate
            if rate.is_set:
                if not rate.admits(stamp_ns):
                    return False
                rate.take(stamp_ns)
        elif isinstance(sample, Utterance):
            self._last_text = sample.text
        self._newest_ns[modality] = stamp_ns
        self._last_arrival_ns = arrival_ns
        return True

    def is_jump(self, sample: Sample) -> bool:
        """Return whether this sample's stamp or arrival says that time was set back."""
        if self.clock_jumped(sample.arrival_ns):
            return True
        if isinstance(sample, Utterance):
            return False
        return self._newest_ns[sample.modality] - sample.stamp_ns >= self._reset_after_ns

    def clock_jumped(self, now_ns: int) -> bool:
        """Return whether the clock of arrivals was set back by ``reset_after_s`` or more."""
        return self._last_arrival_ns - now_ns >= self._reset_after_ns

    def refusal(self, modality: Modality, stamp_ns: int, text: str = '') -> DropReason | None:
        """Return why a sample that is no jump may not pass, or None; changes nothing."""
        newest_ns = self._newest_ns[modality]
        if modality is TEXT:
            same = stamp_ns == newest_ns and text == self._last_text
            return DropReason.DUPLICATE if same else None
        if stamp_ns == newest_ns:
            return DropReason.DUPLICATE
        if stamp_ns < newest_ns:
            return DropReason.OUT_OF_ORDER
        if modality is VIDEO and not self._rate.admits(stamp_ns):
            return DropReason.RATE
        return None

    @property
    def thins_frames(self) -> bool:
        """Whether the rate of frames is limited."""
        return self._rate.is_set

    def over_rate(self, stamp_ns: int) -> bool:
        """Return whether a frame of this stamp would be refused for the rate alone."""
        return self.refusal(VIDEO, stamp_ns) is DropReason.RATE

    def admit(self, sample: Sample) -> int:
        """Note a sample as admitted and return its arrival, later than every one before it."""
        self._newest_ns[sample.modality] = sample.stamp_ns
        if isinstance(sample, Utterance):
            self._last_text = sample.text
        elif sample.modality is VIDEO:
            self._rate.take(sample.stamp_ns)
        return self.arrive(sample.arrival_ns)

    def arrive(self, now_ns: int) -> int:
        """Return ``now_ns``, moved past the newest arrival if need be, and keep it as that."""
        self._last_arrival_ns = max(now_ns, self._last_arrival_ns + 1)
        return self._last_arrival_ns
