"""What reports are built from: a page, tiles, cards, tables of what had to hold.

Texts are escaped here; a parameter called ``content`` or ``body`` is markup already.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape

from activity_recognition.reporting.metrics import Check
from activity_recognition.reporting.stylesheet import CHART, PAGE, VARIABLES


def page(title: str, body: Iterable[str]) -> str:
    """Return an HTML page that needs nothing else to be shown.

    Args:
        title: of the page, text.
        body: its sections, markup.
    """
    content = '\n'.join(body)
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<title>{escape(title)}</title>'
        f'<style>{VARIABLES}{CHART}{PAGE}</style></head>\n'
        f'<body><main>\n{content}\n</main></body></html>\n'
    )


def heading(title: str, summary: str) -> str:
    """Return the page's heading with a sentence below it.

    Args:
        title: text.
        summary: text.
    """
    return f'<h1>{escape(title)}</h1><p class="summary">{escape(summary)}</p>'


def tiles(items: Iterable[tuple[str, str]]) -> str:
    """Return tiles, each a large value above its name."""
    drawn = ''.join(
        f'<div class="tile"><b>{escape(value)}</b><span>{escape(name)}</span></div>'
        for value, name in items
    )
    return f'<div class="tiles">{drawn}</div>'


def card(title: str, content: str, *, wide: bool = False) -> str:
    """Return a framed section; in columns, a wide one takes the whole width.

    Args:
        title: text.
        content: markup.
        wide: whether it takes the whole width.
    """
    kind = ' class="wide"' if wide else ''
    return f'<section{kind}><h2>{escape(title)}</h2><div class="card">{content}</div></section>'


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table; the cells of its rows are markup already.

    Args:
        head: names of the columns, text.
        rows: their cells, markup.
    """
    names = ''.join(f'<th>{escape(name)}</th>' for name in head)
    body = ''.join('<tr>' + ''.join(f'<td>{cell}</td>' for cell in row) + '</tr>' for row in rows)
    return f'<table><thead><tr>{names}</tr></thead><tbody>{body}</tbody></table>'


def checks_table(checks: Iterable[Check]) -> str:
    """Return the table of what had to hold and whether it did."""
    rows = [
        (escape(c['name']), escape(c['found']), escape(c['wanted']), badge(c['passed']))
        for c in checks
    ]
    return table(('what', 'found', 'wanted', ''), rows)


def badge(passed: bool) -> str:
    """Return a small mark that says passed or failed."""
    kind, text = ('good', 'passed') if passed else ('bad', 'failed')
    return f'<span class="badge {kind}">{text}</span>'


def meter(share: float | None) -> str:
    """Return a share as a small bar; nothing for None."""
    if share is None:
        return ''
    return f'<span class="meter"><i style="width:{share * 100:.0f}%"></i></span>'


def swatch(colour: str) -> str:
    """Return a small square in a label's colour."""
    return f'<span class="swatch" style="background:{colour}"></span>'


def key(colours: Mapping[str, str]) -> str:
    """Return labels beside their colours, in one line where they fit."""
    listed = ' '.join(
        f'<span style="white-space:nowrap">{swatch(colour)}{escape(label)}</span>&ensp;'
        for label, colour in colours.items()
    )
    return f'<p class="soft">{listed}</p>'


def definitions(items: Mapping[str, str]) -> str:
    """Return names with what they stand for."""
    listed = ''.join(
        f'<dt>{escape(name)}</dt><dd>{escape(value)}</dd>' for name, value in items.items()
    )
    return f'<dl>{listed}</dl>'


def percent(share: float | None) -> str:
    """Return a share as a percentage, a dash for None."""
    return '–' if share is None else f'{share * 100:.1f} %'


def milliseconds(value_s: float | None) -> str:
    """Return a duration in milliseconds, a dash for None."""
    return '–' if value_s is None else f'{value_s * 1e3:.1f} ms'
