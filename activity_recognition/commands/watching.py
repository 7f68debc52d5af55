"""What a monitor has received, as something to show, and when a run is over."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from activity_recognition.commands.display import Moment
from activity_recognition.reporting.metrics import Check, FrameAccount, RunMetrics, write_metrics
from activity_recognition.reporting.page import write_report
from activity_recognition.reporting.timeline import timeline

if TYPE_CHECKING:
    from activity_recognition.ros.monitor_node import MonitorNode

REFRESH_S = 0.2
"""How often the display is drawn."""


class Watch:
    """Follows a run through a monitor node."""

    def __init__(
        self,
        node: MonitorNode,
        *,
        title: str,
        length_s: float = 0.0,
        recognizer: str = 'recognizer',
        player: str = 'player',
    ) -> None:
        """Begin to follow.

        Args:
            node: a monitor that spins.
            title: what the display is headed with.
            length_s: length of what is played; 0 where nothing is.
            recognizer: the node that decides: its name in the monitor's namespace, or the full one.
            player: the node that plays, likewise.
        """
        self._node = node
        self.recognizer, self._player = node.full_name(recognizer), player
        """Full name of the node that decides."""
        self._title = title
        self._length_s = length_s
        self._reports = 0
        self._before: dict[str, str] = {}
        self.settled = False
        """Whether, after the end of the recording, the recogniser has worked off everything."""
        self.said: list[str] = []
        """What a behaviour tree said."""

    def say(self, sentence: str) -> None:
        """Note what a behaviour tree says."""
        self.said.append(sentence)

    @property
    def frames(self) -> FrameAccount | None:
        """Where the frames went so far; None where no player or no recogniser reports."""
        from activity_recognition.ros.accounting import IMAGE_PART, image_account

        return image_account(self._played(), self._node.status(self.recognizer, IMAGE_PART)[1])

    @property
    def engine(self) -> dict[str, str]:
        """What the recogniser says of what decides; empty where it says nothing."""
        from activity_recognition.ros.accounting import ENGINE_PART

        return self._node.status(self.recognizer, ENGINE_PART)[1]

    @property
    def recognizer_there(self) -> bool:
        """Whether the node that decides is there, or another one that publishes decisions."""
        return self._node.sees(self.recognizer)

    @property
    def player_state(self) -> str:
        """What the player says of itself; empty where there is none."""
        return self._played().get('state', '')

    @property
    def has_played(self) -> bool:
        """Whether the player says that it has come to its end."""
        return self.player_state in ('finished', 'failed')

    def look(self) -> Moment:
        """Return the moment to show; call it regularly, also to learn when all is settled.

        Raises:
            Exception: what ended the monitor, so that nothing waits for it.
        """
        self._node.raise_failure()
        player = self._played()
        position_s = float(player['position_s']) if 'position_s' in player else None
        if self.has_played:
            self._settle()
        view = self._node.log.view()
        state = player.get('message', '')
        return Moment(
            title=self._title,
            view=view,
            state=state or ('' if view.newest else 'waiting for decisions'),
            frames=self.frames,
            position_s=position_s if self._length_s else None,
            length_s=self._length_s,
            said=tuple(self.said),
            people={name: log.view() for name, log in self._node.logs_of_people().items()},
        )

    def _settle(self) -> None:
        """Compare each report of the recogniser with the one before it."""
        from activity_recognition.ros.accounting import is_settled

        reports, values = self._seen()
        if reports != self._reports:
            self.settled = is_settled(self._before, values)
            self._reports, self._before = reports, values

    def _played(self) -> dict[str, str]:
        """Return the account of the node that plays."""
        from activity_recognition.ros.accounting import PLAYBACK_PART

        return self._node.status(self._player, PLAYBACK_PART)[1]

    def _seen(self) -> tuple[int, dict[str, str]]:
        """Return the newest account of the recogniser's first input, and how many there were."""
        from activity_recognition.ros.accounting import INPUT_PARTS

        accounts = (self._node.status(self.recognizer, part) for part in INPUT_PARTS)
        return next((account for account in accounts if account[0]), (0, {}))


def run_metrics(
    watch: Watch, node: MonitorNode, *, title: str, summary: str, checks: list[Check]
) -> RunMetrics:
    """Return all there is to report of a run.

    Args:
        watch: what was published.
        node: what the monitor counted.
        title: of the report.
        summary: what was run, in a sentence or two.
        checks: limits, and whether they are met.
    """
    from activity_recognition.commands.machine import conditions

    engine = watch.engine
    shown: dict[str, str] = {key: engine[key] for key in ('checkpoint', 'device') if key in engine}
    return node.log.metrics(
        title=title,
        summary=summary,
        frames=watch.frames,
        checks=checks,
        conditions={**shown, **conditions()},
    )


def write_pages(folder: Path, metrics: RunMetrics) -> Path:
    """Write report, timeline and numbers of a run into a folder; return the report's path.

    Args:
        folder: where to write; made where it is missing.
        metrics: of the run.
    """
    write_report(folder / 'report.html', metrics)
    write_metrics(folder / 'metrics.json', metrics)
    (folder / 'timeline.svg').write_text(timeline(metrics, alone=True), encoding='utf-8')
    return folder / 'report.html'
