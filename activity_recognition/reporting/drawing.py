"""The few SVG elements that the charts are made of, and the colours of labels.

Charts take their ink from the CSS variables of :mod:`activity_recognition.reporting.stylesheet`,
so that they follow a light or dark page.
"""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

NO_LABEL_COLOUR = '#9aa3ad'
"""For ``none``, unknown and no data: nothing is named."""

_COLOURS = (
    *('#7bc7fb', '#ebae68', '#b4b7ff', '#c8bf60', '#e7a5eb', '#92d083', '#ffa1c1', '#5cd8b7'),
    *('#ff9e8f', '#4d9be0', '#c1803a', '#9d86df', '#8b9a2c', '#c876b4', '#35a868', '#dd7188'),
)


def label_colours(labels: Iterable[str]) -> dict[str, str]:
    """Give every label a colour that dark text is readable on; beyond 16 they repeat."""
    colours: dict[str, str] = {}
    for label in labels:
        plain = label == 'none' or label.startswith('(')
        taken = sum(colour != NO_LABEL_COLOUR for colour in colours.values())
        if label not in colours:
            colours[label] = NO_LABEL_COLOUR if plain else _COLOURS[taken % len(_COLOURS)]
    return colours


def number(value: float) -> str:
    """Return a coordinate with two decimals at most."""
    return f'{value:.2f}'.rstrip('0').rstrip('.')


def element(name: str, *children: str, **attributes: str | float) -> str:
    """Return one element around ``children``, which are markup already.

    In an attribute's name ``_`` stands for ``-``; a trailing one is cut.

    Args:
        name: of the element.
        children: markup.
        attributes: text, or numbers of pixels.
    """
    written = ''.join(
        f' {key.rstrip("_").replace("_", "-")}="{_attribute(value)}"'
        for key, value in attributes.items()
    )
    inside = ''.join(children)
    return f'<{name}{written}>{inside}</{name}>' if inside else f'<{name}{written}/>'


def _attribute(value: str | float) -> str:
    return escape(value) if isinstance(value, str) else number(value)


def box(
    x: float, y: float, width: float, height: float, *, tip: str = '', **more: str | float
) -> str:
    """Return a rectangle, with a tooltip if there is a ``tip``.

    Args:
        x: left edge.
        y: upper edge.
        width: at least 0.
        height: in pixels.
        tip: text of the tooltip.
        more: attributes.
    """
    title = (element('title', escape(tip)),) if tip else ()
    return element('rect', *title, x=x, y=y, width=max(width, 0.0), height=height, **more)


def words(x: float, y: float, text: str, **more: str | float) -> str:
    """Return text with its baseline at ``y``.

    Args:
        x: left edge, or what ``text_anchor`` says.
        y: of the baseline.
        text: as it is.
        more: attributes.
    """
    return element('text', escape(text), x=x, y=y, **more)


_LEAST_SCALE = 0.6
"""Of a figure on a narrow page: its letters of 12 pixels have 7 there."""


def figure(width: float, height: float, body: Iterable[str], *, label: str, style: str = '') -> str:
    """Return an ``<svg>`` that scales with the page, but stays large enough to be read.

    Args:
        width: of the drawing, pixels.
        height: of the drawing, pixels.
        body: markup.
        label: for screen readers.
        style: sheet for a figure that stands alone.
    """
    content = (element('style', style) if style else '', *body)
    return element(
        'svg',
        *content,
        xmlns='http://www.w3.org/2000/svg',
        viewBox=f'0 0 {number(width)} {number(height)}',
        width='100%',
        # On a phone it is wider than its card, which then scrolls.
        style=f'min-width:{number(_LEAST_SCALE * width)}px',
        role='img',
        aria_label=label,
    )
