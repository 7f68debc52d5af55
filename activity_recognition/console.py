"""What commands print: text of others is shown as it is, and never steers the terminal.

Labels, topics, names of files and messages of other nodes come from anywhere. To rich, ``[/x]`` in
one is markup, ``:wave:`` an emoji; to the terminal, an escape sequence is a command.
"""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.text import Text

from activity_recognition.errors import printable


class PlainConsole(Console):
    """A console to which text is text: no markup, no emoji, nothing highlighted by guess."""

    def __init__(self, **options: Any) -> None:
        """Make a console with the options of rich's."""
        super().__init__(**{**options, 'markup': False, 'emoji': False, 'highlight': False})

    def print(self, *objects: Any, **options: Any) -> None:
        """Print as rich does, but leave sentences in one line where no terminal shows them.

        Args:
            objects: to print; a table keeps to the width.
            options: of rich's own method.
        """
        is_text = all(isinstance(item, str | Text) for item in objects)
        unbroken = {'soft_wrap': True} if is_text and not self.is_terminal else {}
        super().print(*objects, **{**unbroken, **options})

    def render_str(self, text: str, **options: Any) -> Text:
        """Turn a string, also one in a table, into what is shown.

        Args:
            text: to show as it is.
            options: of rich's own method.
        """
        return super().render_str(printable(text), **{**options, 'markup': False, 'emoji': False})


def make_console(*, quiet: bool = False) -> PlainConsole | None:
    """Return the console for progress and remarks, on stderr; None where they are not wanted."""
    return None if quiet else PlainConsole(stderr=True)


def plain(text: str, style: str = '') -> Text:
    """Return text of others for where rich would take a string for markup, or not look at it.

    Args:
        text: to show as it is.
        style: a style of rich's, empty for none.
    """
    return Text(printable(text), style)
