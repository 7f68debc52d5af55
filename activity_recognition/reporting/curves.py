"""Measures over the epochs of a training run: a panel for each, training beside validation."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from itertools import count

from activity_recognition.reporting.drawing import box, element, figure, number, words
from activity_recognition.reporting.stylesheet import CHART, VARIABLES

Values = Sequence[float | None]

_COLUMNS = 3
_WIDTH = 900.0
_PANEL, _HEIGHT = 246.0, 150.0
_LEFT, _GAP = 44.0, 50.0
_KEY, _HEAD, _FOOT = 26.0, 22.0, 34.0
_DOTS = 60
"""Validations up to which each is a dot."""
_LETTER = 6.0
"""Width of a letter at most, pixels."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Point:
    """One value beside the curves."""

    epoch: int
    value: float
    tip: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Panel:
    """One measure over the epochs."""

    title: str
    training: Values
    """One for each epoch that is drawn; None where there is none."""
    validation: Values
    is_share: bool = True
    """Whether it goes from 0 to 1 and is shown in percent; else it begins at 0 and has no unit."""
    points: Sequence[Point] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Epochs:
    """What the panels share: their epochs, and what happened at them."""

    numbers: Sequence[int]
    """Growing, from 1 up."""
    starts: Sequence[tuple[int, str]] = ()
    """First epoch and name of each stage."""
    kept: int = 0
    """After which the weights were kept; 0 marks none."""

    @property
    def last(self) -> int:
        """The last one."""
        return self.numbers[-1]


def curves(panels: Sequence[Panel], epochs: Epochs, *, alone: bool = False) -> str:
    """Draw panels side by side as SVG.

    Args:
        panels: what is drawn.
        epochs: what they share.
        alone: bring the style along, for a file of its own.
    """
    body = list(_key(epochs))
    for place, panel in enumerate(panels):
        row, column = divmod(place, _COLUMNS)
        left = _LEFT + column * (_PANEL + _GAP)
        top = _KEY + _HEAD + row * (_HEIGHT + _HEAD + _FOOT)
        body += _Drawn(panel, epochs, left, top).draw()
    rows = -(-len(panels) // _COLUMNS)
    return figure(
        _WIDTH,
        _KEY + rows * (_HEIGHT + _HEAD + _FOOT),
        body,
        label='Training curves',
        style=VARIABLES + CHART if alone else '',
    )


def _key(epochs: Epochs) -> Iterator[str]:
    """Say which line is which."""
    named = [('validation', 'line'), ('training', 'line seen')]
    named += [('a stage begins', 'mark')] if len(epochs.starts) > 1 else []
    named += [('kept', 'kept')] if epochs.kept else []
    left = _LEFT
    for name, kind in named:
        yield element('line', x1=left, x2=left + 26, y1=10, y2=10, class_=kind)
        yield words(left + 32, 14, name, class_='soft')
        left += 60 + 7.0 * len(name)


class _Drawn:
    """One panel at its place."""

    def __init__(self, panel: Panel, epochs: Epochs, left: float, top: float) -> None:
        self.panel, self.epochs, self.left, self.top = panel, epochs, left, top
        values = [v for v in (*panel.training, *panel.validation) if v is not None]
        self.most = 1.0 if panel.is_share else max(values, default=1.0) or 1.0

    def draw(self) -> Iterator[str]:
        """Yield its elements."""
        yield words(self.left, self.top - 8, self.panel.title)
        yield box(self.left, self.top, _PANEL, _HEIGHT, class_='frame')
        yield from self._axes()
        yield from self._marks()
        yield from self._line(self.panel.validation, 'validation', 'line')
        # Dashed: where both are the same, both are seen.
        yield from self._line(self.panel.training, 'training', 'line seen')
        for point in self.panel.points:
            yield self._dot(point.epoch, point.value, point.tip, 'joined', 5.0)

    def _x(self, epoch: float) -> float:
        """Return where an epoch ends; the panel begins where the first one does."""
        return self.left + _PANEL * epoch / self.epochs.last

    def _y(self, value: float) -> float:
        return self.top + _HEIGHT * (1 - min(value / self.most, 1.0))

    def _axes(self) -> Iterator[str]:
        for share in (0.0, 0.5, 1.0):
            y = self._y(share * self.most)
            if share == 0.5:
                yield element(
                    'line', x1=self.left, x2=self.left + _PANEL, y1=y, y2=y, class_='grid'
                )
            yield words(
                self.left - 6,
                y + 4,
                self._said(share * self.most),
                text_anchor='end',
                class_='soft',
            )
        base = self.top + _HEIGHT
        for epoch in _ticks(self.epochs.last):
            x = self._x(epoch)
            yield element('line', x1=x, x2=x, y1=base, y2=base + 4, class_='grid')
            yield words(x, base + 16, str(epoch), text_anchor='middle', class_='soft')
        yield words(self.left, base + 16, 'epoch', class_='soft')

    def _marks(self) -> Iterator[str]:
        """Draw where stages begin and which epoch was kept."""
        base = self.top + _HEIGHT
        if self.epochs.kept:
            x = self._x(self.epochs.kept)
            title = element('title', f'kept: epoch {self.epochs.kept}')
            yield element('line', title, x1=x, x2=x, y1=self.top, y2=base, class_='kept')
        starts = self.epochs.starts if len(self.epochs.starts) > 1 else ()
        ends = [epoch for epoch, _ in starts[1:]] + [self.epochs.last + 1]
        for (epoch, name), end in zip(starts, ends, strict=False):
            x = self._x(epoch - 1)
            if epoch > 1:
                title = element('title', escape(f'{name}: from epoch {epoch}'))
                yield element('line', title, x1=x, x2=x, y1=self.top, y2=base, class_='mark')
            letters = int((self._x(end - 1) - x) / _LETTER)
            yield words(x + 2, base + 28, _cut(name, letters), class_='soft')

    def _line(self, values: Values, name: str, kind: str) -> Iterator[str]:
        """Draw a line with a gap wherever there is no value."""
        for run in _runs(self.epochs.numbers, values):
            points = ' '.join(f'{number(self._x(x))},{number(self._y(y))}' for x, y in run)
            yield element('polyline', points=points, class_=kind)
            if len(self.epochs.numbers) <= _DOTS or len(run) == 1:
                for epoch, value in run:
                    tip = f'{name}, epoch {epoch}: {self._said(value, digits=1)}'
                    yield self._dot(epoch, value, tip, f'dot {kind}', 2.2)

    def _dot(self, epoch: int, value: float, tip: str, kind: str, radius: float) -> str:
        title = element('title', escape(tip))
        return element('circle', title, cx=self._x(epoch), cy=self._y(value), r=radius, class_=kind)

    def _said(self, value: float, digits: int = 0) -> str:
        if self.panel.is_share:
            return f'{value * 100:.{digits}f} %'
        return f'{value:.2g}' if digits == 0 else f'{value:.3f}'


def _runs(epochs: Sequence[int], values: Values) -> Iterator[list[tuple[int, float]]]:
    """Yield the stretches without a gap."""
    run: list[tuple[int, float]] = []
    for epoch, value in zip(epochs, values, strict=True):
        if value is not None:
            run.append((epoch, value))
        elif run:
            yield run
            run = []
    if run:
        yield run


def _cut(name: str, letters: int) -> str:
    """Return as much of a stage's name as there is room for below it."""
    return name if len(name) <= letters else f'{name[: letters - 1]}…' if letters > 2 else ''


def _ticks(last: int) -> list[int]:
    """Return round epochs, five at most, and leave room for the axis' name."""
    steps = (10**power * n for power in count() for n in (1, 2, 5))
    step = next(step for step in steps if last <= 5 * step)
    return [epoch for epoch in range(step, last + 1, step) if epoch * 5 >= last]
