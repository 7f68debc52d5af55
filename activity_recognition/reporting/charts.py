"""Histogram of a measured duration and the bar that shows where every frame went."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import pairwise

from activity_recognition.reporting.drawing import box, element, figure, words
from activity_recognition.reporting.metrics import Distribution, FrameAccount

_WIDTH, _HEIGHT = 520.0, 190.0
_LEFT, _RIGHT, _BOTTOM, _TOP = 40.0, 28.0, 28.0, 22.0


def histogram(values: Distribution, *, label: str) -> str:
    """Draw a histogram in milliseconds with the median and the 95th percentile marked.

    Args:
        values: with the histogram's bins.
        label: for screen readers.
    """
    return figure(_WIDTH, _HEIGHT, _histogram(values), label=label)


def _histogram(values: Distribution) -> Iterator[str]:
    if not values['counts']:
        yield words(_LEFT, _HEIGHT / 2, 'nothing measured', class_='soft')
        return
    edges, counts = values['edges_s'], values['counts']
    low, high, tallest = edges[0], edges[-1], max(counts)
    base = _HEIGHT - _BOTTOM

    def across(value: float) -> float:
        return _LEFT + (value - low) / (high - low) * (_WIDTH - _LEFT - _RIGHT)

    for (left, right), count in zip(pairwise(edges), counts, strict=True):
        height = count / tallest * (base - _TOP)
        tip = f'{left * 1e3:.1f} to {right * 1e3:.1f} ms: {count}'
        width = across(right) - across(left) - 1
        yield box(across(left), base - height, width, height, tip=tip, class_='bar')
    yield element('line', x1=_LEFT, x2=_WIDTH - _RIGHT, y1=base, y2=base, class_='grid')
    yield words(_LEFT - 6, _TOP + 4, str(tallest), text_anchor='end', class_='soft')
    for tick_ms in _ticks(low * 1e3, high * 1e3):
        x = across(tick_ms / 1e3)
        yield element('line', x1=x, x2=x, y1=base, y2=base + 4, class_='grid')
        yield words(x, base + 17, f'{tick_ms:.10g} ms', text_anchor='middle', class_='soft')
    for name, mark in (('p50', values['p50_s']), ('p95', values['p95_s'])):
        if mark is not None:
            x = min(across(mark), _WIDTH - _RIGHT)
            yield element('line', x1=x, x2=x, y1=_TOP - 6, y2=base, class_='mark')
            yield words(x, _TOP - 10, name, text_anchor='middle', class_='soft')


def _ticks(low: float, high: float) -> list[float]:
    """Return the multiples of a round step between two values, six at most."""
    decade = 10.0 ** math.floor(math.log10((high - low) / 5))
    step = next(decade * n for n in (1, 2, 5, 10) if (high - low) / (decade * n) <= 5 + 1e-9)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [round(place * step, 9) for place in range(first, last + 1)]


def frame_bar(account: FrameAccount) -> str:
    """Draw one bar of all published frames, split into used, dropped and lost."""
    shares = [('used', account['used'], 'var(--good)')]
    shares += [(f'dropped: {k}', v, 'var(--against)') for k, v in account['dropped'].items()]
    shares += [('lost', account['lost'], 'var(--bad)')]
    body = _shares(shares, account['published'])
    return figure(_WIDTH, 26, body, label='Where every frame went')


def _shares(shares: list[tuple[str, int, str]], whole: int) -> Iterator[str]:
    left = 0.0
    for name, count, colour in shares:
        if count > 0 and whole > 0:
            width = _WIDTH * count / whole
            yield box(left, 4, width, 18, tip=f'{name}: {count}', fill=colour, fill_opacity=0.8)
            left += width
