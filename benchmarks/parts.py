"""Where in a step of the engine something is spent: time, or FLOPs, part by part.

The engine runs as it always does; the functions that begin its parts are wrapped for a while.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import wraps
from typing import Any

from activity_recognition.inference import StreamingEngine, resizing
from activity_recognition.models.smoothing import ActivitySmoothing
from activity_recognition.models.spectrogram import LogMelBlocks

RESIZE = 'resize'
FRAME = 'frame encoder'
TEMPORAL = 'temporal blocks'
LOG_MEL = 'log-mel'
AUDIO = 'audio CNN'
TEXT = 'text encoder'
FUSION = 'fusion and classifiers'
EVIDENCE = "evidence: the fusion for all modalities' weights"
SMOOTHING = 'smoothing'
REST = 'rings, ages and the decision'
PARTS = (
    RESIZE,
    FRAME,
    TEMPORAL,
    LOG_MEL,
    AUDIO,
    TEXT,
    FUSION,
    EVIDENCE,
    SMOOTHING,
    REST,
)
"""In the order of a step."""


@dataclass(slots=True)
class Share:
    """What one part spent."""

    calls: int = 0
    spent: float = 0.0
    """In the unit of the meter, without what parts inside it spent."""


@dataclass(slots=True)
class Probe:
    """Reads a growing meter at the borders of nested parts and divides what it shows."""

    read: Callable[[], float]
    shares: dict[str, Share] = field(default_factory=dict)
    _inner: list[float] = field(default_factory=lambda: [0.0])
    """What parts inside each open one spent; the first is for what lies in none."""

    @contextlib.contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Count what is spent in the block for a part."""
        share = self.shares.setdefault(name, Share())
        before = self.read()
        self._inner.append(0.0)
        try:
            yield
        finally:
            whole = self.read() - before
            share.calls += 1
            share.spent += whole - self._inner.pop()
            self._inner[-1] += whole

    def wrap(self, function: Callable[..., Any], name: str | Callable[..., str]) -> Any:
        """Return a function whose calls count for a part, which may depend on its arguments."""

        @wraps(function)
        def counted(*args: Any, **kwargs: Any) -> Any:
            with self.part(name if isinstance(name, str) else name(*args, **kwargs)):
                return function(*args, **kwargs)

        return counted

    @property
    def total(self) -> float:
        """What all parts spent."""
        return sum(share.spent for share in self.shares.values())


_STEP_PARTS = {
    'frame': FRAME,
    'temporal_attention': TEMPORAL,
    'chunk': AUDIO,
    'utterance': TEXT,
    'decision': FUSION,
}


def _step_part(step: str, first: Any, *_: object) -> str:
    """Return a step's part; decisions that hide each modality in turn are apart."""
    return EVIDENCE if step == 'decision' and first.shape[1] > 1 else _STEP_PARTS[step]


@contextlib.contextmanager
def probed(engine: StreamingEngine, probe: Probe) -> Iterator[None]:
    """Have the engine's parts counted, and resizing, log-mel and smoothing of all engines.

    The keys and values that the fusion needs of a token belong to the step that makes the token.
    """
    backend = engine.backend
    places: list[tuple[Any, str, str | Callable[..., str]]] = [
        (engine, 'apply', REST),
        (resizing, 'resize_image', RESIZE),
        (backend, 'run', _step_part),
        (LogMelBlocks, '__call__', LOG_MEL),
        (ActivitySmoothing, 'step', SMOOTHING),
    ]
    with contextlib.ExitStack() as stack:
        for owner, attribute, name in places:
            stack.enter_context(_replaced(owner, attribute, name, probe))
        yield


@contextlib.contextmanager
def _replaced(
    owner: Any, attribute: str, name: str | Callable[..., str], probe: Probe
) -> Iterator[None]:
    own = vars(owner).get(attribute)
    setattr(owner, attribute, probe.wrap(getattr(owner, attribute), name))
    try:
        yield
    finally:
        if own is None:
            delattr(owner, attribute)
        else:
            setattr(owner, attribute, own)
