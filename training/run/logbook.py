"""What a run reports: JSON lines always, TensorBoard where it is asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from accelerate.tracking import TensorBoardTracker

from activity_recognition.errors import MissingExtraError
from activity_recognition.training.run.event_log import EventLog

LOG, BOARD = 'log.jsonl', 'tensorboard'
"""Names in a run's folder."""


class Logbook:
    """Writes events to a run's folder; of several processes only the main one has any."""

    def __init__(self, run: Path, *, main: bool = True, tensorboard: bool = False) -> None:
        """Write below ``run``.

        Args:
            run: folder of the run.
            main: whether this process writes at all.
            tensorboard: whether to write for TensorBoard, too.

        Raises:
            MissingExtraError: TensorBoard is asked for and not installed.
        """
        if tensorboard and find_spec('tensorboard') is None:
            raise MissingExtraError(
                'expected TensorBoard to be installed; install the extra [tensorboard], or train '
                f'without it: {run / LOG} holds the same'
            )
        self._run = run
        self._lines = EventLog(run / LOG) if main else None
        self._wants_board = tensorboard and main
        self._board: TensorBoardTracker | None = None

    def write(self, event: str, *, step: int, **values: Any) -> None:
        """Write one event: all of it as a line, its numbers for TensorBoard.

        Args:
            event: its name.
            step: of the run.
            values: what is to be kept.
        """
        if self._lines is None:
            return
        self._lines.write(event, step=step, **values)
        if self._wants_board:
            scalars = dict(_numbers(event, values))
            self._open_board(step).log(scalars, step=step)

    def close(self) -> None:
        """Finish what is open; it opens again when it is written to."""
        if self._board is not None:
            self._board.finish()
            self._board = None

    def _open_board(self, step: int) -> TensorBoardTracker:
        """Open the board; what a killed run had written beyond ``step`` is hidden."""
        if self._board is None:
            self._board = TensorBoardTracker(BOARD, self._run, purge_step=step)
            self._board.start()
        return self._board


def _numbers(name: str, values: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    """Yield the numbers in nested mappings with names like paths."""
    for key, value in values.items():
        path = f'{name}/{key}'
        if isinstance(value, Mapping):
            yield from _numbers(path, value)
        elif isinstance(value, (int, float)) and not isinstance(value, bool):
            yield path, float(value)
