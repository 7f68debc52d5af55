"""The one error of the set-up."""

from __future__ import annotations


class SetupError(Exception):
    """A sentence that says what was expected, what was found and what to do."""
