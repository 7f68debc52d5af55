"""Parts of a benchmark that run in processes of their own and are led by words on a pipe."""

from __future__ import annotations

import contextlib
import json
import os
import select
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

END_LIMIT_S = 30.0


class Part:
    """A script of ours that plays one part; it takes commands line by line and answers in JSON."""

    def __init__(
        self,
        script: str,
        arguments: Sequence[str],
        environment: Mapping[str, str] | None = None,
        *,
        python: Sequence[str] = (sys.executable,),
        folder: Path | None = None,
    ) -> None:
        """Start the script.

        Args:
            script: path of it.
            arguments: of it.
            environment: of the process; that of this one where None.
            python: command that runs a script.
            folder: in which it runs; this one where None.
        """
        inherited = os.environ if environment is None else environment
        self._process = subprocess.Popen(
            [*python, script, *arguments],
            cwd=folder,
            # What a script of ours imports lies beside it.
            env={k: v for k, v in inherited.items() if k != 'PYTHONSAFEPATH'},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,  # a line that waits in a buffer would not be seen by select
        )
        self._name = ' '.join([Path(script).name, *arguments])

    def command(self, word: str) -> None:
        """Send a line."""
        assert self._process.stdin is not None
        self._process.stdin.write(f'{word}\n'.encode())

    def answer(self, limit_s: float) -> dict[str, Any]:
        """Return the next line of JSON; others are the part's log.

        Raises:
            RuntimeError: the part ended, or said nothing for ``limit_s``.
        """
        assert self._process.stdout is not None
        end_s = time.monotonic() + limit_s
        while select.select([self._process.stdout], [], [], max(end_s - time.monotonic(), 0))[0]:
            line = self._process.stdout.readline()
            if not line:
                raise RuntimeError(f'{self._name}: ended early')
            if line.startswith(b'{'):
                answer: dict[str, Any] = json.loads(line)
                return answer
        raise RuntimeError(f'{self._name}: gave no answer in {limit_s:g} s')

    def ask(self, word: str, limit_s: float) -> dict[str, Any]:
        """Send a line and return the answer."""
        self.command(word)
        return self.answer(limit_s)

    def end(self) -> None:
        """Let the part come to its end."""
        self._process.communicate(timeout=END_LIMIT_S)

    def kill(self) -> None:
        """End the part whatever it does."""
        with self._process:  # closes the pipes
            self._process.kill()


@contextlib.contextmanager
def part(
    script: str,
    arguments: Sequence[str],
    environment: Mapping[str, str] | None = None,
    *,
    python: Sequence[str] = (sys.executable,),
    folder: Path | None = None,
) -> Iterator[Part]:
    """Have a script play a part while the block runs; it ends when its input does.

    The arguments are those of :class:`Part`.
    """
    process = Part(script, arguments, environment, python=python, folder=folder)
    try:
        yield process
        process.end()
    finally:
        process.kill()


def say(**answer: object) -> None:
    """Answer, in a part."""
    print(json.dumps(answer), flush=True)


def is_told() -> bool:
    """Return, in a part, whether a line waits or the input is closed."""
    return bool(select.select([sys.stdin], [], [], 0)[0])
