"""Does an hour of input leave the memory of the live node flat?

A simulated hour is played over real topics, several times faster than it happened and on simulated
time, into the recogniser in a process of its own. Its resident memory after the first twentieth is
compared with that at the end.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from harness import Goal, Report, arguments, publish
from record import Table, provenance
from soak import resident_bytes

from activity_recognition.arguments import Value
from activity_recognition.commands.display import Moment, Silence
from activity_recognition.commands.live_run import monitored, play, prepare
from activity_recognition.commands.processes import Child, Processes
from activity_recognition.commands.simulate import Job, write_one
from activity_recognition.commands.watching import Watch
from activity_recognition.reporting.metrics import FrameAccount
from activity_recognition.simulation import SimulationConfig
from activity_recognition.startup import REPLAY_ARGUMENTS

LIMIT = 1.01
LOOKS = 20
"""How often memory is looked at."""
NAMESPACE = 'soak'


@dataclass(kw_only=True, slots=True)
class MemoryProbe(Silence):
    """Looks at the memory of a process each time another share of the recording was played."""

    child: Child
    every_s: float
    memory: list[int] = field(default_factory=list)
    """Resident bytes."""

    def update(self, moment: Moment) -> None:
        """Look when it is time."""
        position_s = moment.position_s or 0.0
        if position_s >= (len(self.memory) + 1) * self.every_s:
            self.memory.append(resident_bytes(self.child.process.pid))


def main(argv: list[str] | None = None) -> int:
    """Measure and report."""
    parser = arguments(__doc__, seconds=0.0)
    parser.add_argument('--minutes', type=float, default=60.0, help='of simulated input')
    parser.add_argument('--rate', type=float, default=10.0, help='seconds played per second')
    parser.add_argument('--frame-rate', type=float, default=4.0, help='images per second')
    chosen = parser.parse_args(argv)
    began = provenance()
    with tempfile.TemporaryDirectory() as folder:
        report = _run(chosen, Path(folder))
    return publish(report, chosen, began=began)


def _run(chosen: argparse.Namespace, folder: Path) -> Report:
    recording, length_s = folder / 'recording', 60 * chosen.minutes
    scene = SimulationConfig(
        seed=chosen.seed, duration_s=length_s, frame_rate_hz=chosen.frame_rate, audio_chunk_s=0.256
    )
    write_one(Job(path=recording, config=scene, storage='mcap', image='jpeg', overwrite=True), None)
    parameters = folder / 'parameters.yaml'
    parameters.write_text(
        f'/**/recognizer:\n  ros__parameters:\n    sync.decision_rate_hz: {chosen.frame_rate}\n',
        encoding='utf-8',
    )
    values: dict[str, Value] = {
        item.name: item.default for item in REPLAY_ARGUMENTS if item.default is not None
    }
    values |= {
        'bag': str(recording),
        'rate': chosen.rate,
        'clock': True,
        'namespace': NAMESPACE,
        'params_file': str(parameters),
    }
    # The nodes are to find the installed package, not the folder of its name in the checkout.
    os.environ['PYTHONSAFEPATH'] = '1'
    with Processes() as processes, monitored(NAMESPACE) as node:
        live = prepare(processes, values, folder / 'logs')
        watch = Watch(node, title='soak', length_s=length_s)
        probe = MemoryProbe(child=processes.running[0], every_s=length_s / LOOKS)
        start_s = time.monotonic()
        play(live, watch, probe)
        probe.memory.append(resident_bytes(probe.child.process.pid))
        took_s = time.monotonic() - start_s
        decisions, frames = node.log.view().decisions, watch.frames
    return _report(chosen, probe.memory, frames, decisions, length_s / took_s)


def _report(
    chosen: argparse.Namespace,
    memory: list[int],
    frames: FrameAccount | None,
    decisions: int,
    speed: float,
) -> Report:
    mib = [value / 2**20 for value in memory]
    rows = [
        ('decisions received', str(decisions)),
        ('images', 'not reported' if frames is None else _account(frames)),
        ('memory after a twentieth, MiB', f'{mib[0]:.1f}'),
        ('memory at the end, MiB', f'{mib[-1]:.1f}'),
        ('largest in between, MiB', f'{max(mib):.1f}'),
        ('times faster than the clock', f'{speed:.1f}'),
    ]
    return Report(
        theme='node_soak',
        title=f'The live node over {chosen.minutes:g} minutes of simulated input',
        settings={
            'seed': chosen.seed,
            'images and decisions per second': chosen.frame_rate,
            'rate of playing': chosen.rate,
        },
        goals=[
            Goal(
                name='memory at the end ÷ after a twentieth',
                value=memory[-1] / memory[0],
                at_most=LIMIT,
                settled=len(memory) >= LOOKS,
            )
        ],
        tables=[Table('What happened', ('what', 'value'), rows)],
    )


def _account(frames: FrameAccount) -> str:
    dropped = ', '.join(f'{count} {reason}' for reason, count in frames['dropped'].items())
    return (
        f'{frames["published"]} published = {frames["used"]} used + '
        f'{sum(frames["dropped"].values())} dropped ({dropped or "none"}) + {frames["lost"]} lost'
    )


if __name__ == '__main__':
    sys.exit(main())
