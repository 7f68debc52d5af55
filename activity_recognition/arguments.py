"""Arguments of launch files, which are options of the command line as well."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import overload

Value = str | bool | int | float


@dataclass(frozen=True, kw_only=True, slots=True)
class Argument:
    """One argument of a launch file, and an option of the command line."""

    name: str
    default: Value | None
    """None: it has to be given or, where it is not required, the parameter file decides."""
    description: str
    choices: tuple[str, ...] = ()
    required: bool = False
    kind: type[str] | type[bool] | type[int] = str
    """Type of an argument without a default."""

    @property
    def value_type(self) -> type[Value]:
        """Type of its values."""
        return self.kind if self.default is None else type(self.default)

    @property
    def text(self) -> str:
        """The default as launch files write it."""
        if isinstance(self.default, bool):
            return str(self.default).lower()
        return '' if self.default is None else str(self.default)

    def read(self, text: str) -> Value | None:
        """Return a value written as text; None when an empty text says that none is given.

        Raises:
            ValueError: when it cannot be read as the argument's type.
        """
        if not text and self.default is None and not self.required:
            return None
        if self.value_type is bool:
            words = {'true': True, '1': True, 'false': False, '0': False}
            if text.lower() not in words:
                raise ValueError(f'{self.name} must be true or false, got {text!r}')
            return words[text.lower()]
        try:
            return self.value_type(text)
        except ValueError:
            kind = self.value_type.__name__
            raise ValueError(f'{self.name} must be of type {kind}, got {text!r}') from None


class ArgumentList(Sequence[Argument]):
    """Arguments that are put together when they are first asked for, some of them from files."""

    def __init__(self, make: Callable[[], tuple[Argument, ...]]) -> None:
        """Keep what makes them."""
        self._make = cache(make)

    @overload
    def __getitem__(self, index: int) -> Argument: ...

    @overload
    def __getitem__(self, index: slice) -> tuple[Argument, ...]: ...

    def __getitem__(self, index: int | slice) -> Argument | tuple[Argument, ...]:
        """Return one of them, or some."""
        return self._make()[index]

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._make())


def defaults(arguments: Iterable[Argument]) -> dict[str, Value]:
    """Return the default of every argument that has one."""
    return {item.name: item.default for item in arguments if item.default is not None}
