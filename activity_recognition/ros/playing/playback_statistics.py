"""What a playing node has sent, and how late."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field


@dataclass(slots=True)
class PlaybackStatistics:
    """What has been published so far."""

    state: str = 'waiting'
    """``waiting``, ``playing``, ``paused``, ``finished`` or ``failed``."""
    rounds: int = 0
    """How often the source was played to its end."""
    published: Counter[str] = field(default_factory=Counter)
    """Messages by topic key."""
    refused: Counter[str] = field(default_factory=Counter)
    """Messages the middleware refused, by topic key."""
    late_sum_s: float = 0.0
    latest_s: float = 0.0
    """The longest any message was sent after it was due, seconds."""
    error: str = ''
    """Why playing failed."""

    def add_lateness(self, late_s: float) -> None:
        """Note how long after its time a message was sent, seconds."""
        self.late_sum_s += late_s
        self.latest_s = max(self.latest_s, late_s)

    def enter(self, state: str) -> None:
        """Go over to another state."""
        self.state = state

    def fail(self, error: Exception) -> None:
        """Note why playing failed."""
        self.error = str(error) or type(error).__name__

    def end_round(self) -> None:
        """Note that the source was played to its end."""
        self.rounds += 1

    @property
    def total(self) -> int:
        """Messages published on all topics together."""
        return self.published.total()

    def sentence(
        self, name: str, topics: dict[str, str], *, left_out: int = 0, unreadable: int = 0
    ) -> str:
        """Return in one sentence what was published.

        Args:
            name: what was played.
            topics: topic key -> name of its topic.
            left_out: number of topics that could not be published.
            unreadable: number of records that could not be read.
        """
        counts = [f'{topics[key]} {count}' for key, count in sorted(self.published.items())]
        counts += [f'{topics[key]} {count} refused' for key, count in self.refused.items()]
        late_ms = 1e3 * self.late_sum_s / self.total if self.total else 0.0
        lateness = f'{late_ms:.2f} ms late on average, {1e3 * self.latest_s:.1f} ms at most'
        ending = f'; {left_out} topics left out' if left_out else ''
        ending += f'; {unreadable} records could not be read' if unreadable else ''
        return (
            f'{self.state}: published {self.total} messages of {name} ({", ".join(counts)}), '
            f'{lateness}{ending}'
        )
