"""Plays recordings through real topics into a recogniser that writes its admission trace."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from activity_recognition.arguments import Value
from activity_recognition.commands.display import Silence
from activity_recognition.commands.live_run import monitored, play, prepare
from activity_recognition.commands.processes import Processes
from activity_recognition.commands.watching import Watch
from activity_recognition.errors import ActivityRecognitionError
from activity_recognition.startup import namespaced_values

if TYPE_CHECKING:
    from rich.console import Console

    from activity_recognition.recorded import RecordedConfig

END_S = 30.0
"""How long the recogniser may take to end by itself, which completes its trace."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TracedReplay:
    """Plays one recording after the other, each into a recogniser of its own."""

    checkpoint: Path
    device: str
    folder: Path
    """For traces and logs."""
    console: Console | None = None
    """Where to say what is played."""

    def play(self, recording: Path, recorded: RecordedConfig) -> Path:
        """Play a recording in real time and return the file with the node's admission trace.

        Args:
            recording: what to play.
            recorded: which of its topics, and what they mean.

        Raises:
            ActivityRecognitionError: a node failed, or did not end.
        """
        from activity_recognition.bags import RecordingReader

        with RecordingReader(recording) as reader:
            length_s = reader.duration_s
        if self.console is not None:
            self.console.print(
                f'playing {recording} through ROS topics: {length_s:.0f} s',
                markup=False,
                highlight=False,
            )
        number = len(list(self.folder.iterdir()))
        work = self.folder / str(number)
        work.mkdir()
        self._run(recording, recorded, length_s, work)
        return work / 'trace.jsonl'

    def _run(self, recording: Path, recorded: RecordedConfig, length_s: float, work: Path) -> None:
        # Names that nothing else on this machine has; the recording's own clock, so that node and
        # evaluation speak of the same moments.
        namespace = f'evaluate_{os.getpid()}_{work.name}'
        given: dict[str, Value] = {
            'bag': str(recording),
            'clock': True,
            'checkpoint': str(self.checkpoint),
            'device': self.device,
            **recorded.overrides,
        }
        values = namespaced_values(namespace, given)
        with Processes() as processes:
            parameters = {'trace': str(work.absolute() / 'trace.jsonl')}
            run = prepare(processes, values, work / 'logs', parameters)
            with monitored(namespace) as node:
                play(run, Watch(node, title='', length_s=length_s), Silence())
            if not processes.end(run.recognizer, within_s=END_S):
                raise ActivityRecognitionError(
                    f'the recogniser did not end within {END_S:g} s after {recording}; see '
                    f'{work / "logs"}'
                )
