"""What does each part of a step cost?

A step is what one frame of 640×480 costs with the sound and the words that came since the last one,
and its decision. The engine runs as in the node; a part's time leaves out the parts inside it, so
that the parts add up to the step.
"""

from __future__ import annotations

import sys
import time

import torch
from harness import Report, Rounds, Spent, Spread, arguments, publish, stopwatch, take_turns
from parts import EVIDENCE, PARTS, Probe, Share, probed
from record import Table, provenance
from workload import make_engine, steady

from activity_recognition.inference.artificial import untrained_checkpoint
from activity_recognition.inference.lanes.artificial import UTTERANCE_PERIOD_S

PRESETS = ('nano', 'small')
RATE_HZ = 15.0
STEPS = round(RATE_HZ * UTTERANCE_PERIOD_S)
"""Steps of a case in one round: one utterance, and a multiple of those between two ablations."""
COLUMNS = ('part', 'calls per step', 'ms per call', 'ms per step (quartiles)', '% of the step')


class Stepper:
    """A warm engine whose rounds are kept part by part."""

    def __init__(self, preset: str, *, threads: int, seed: int) -> None:
        checkpoint = untrained_checkpoint(preset, seed=seed)
        self._engine = make_engine(checkpoint, threads=threads)
        self._step = steady(self._engine, frame_rate_hz=RATE_HZ, seed=seed)
        self.rounds: list[tuple[Spent, dict[str, Share]]] = []

    def run(self) -> Spent:
        """Take the steps of one round."""
        probe = Probe(time.perf_counter)
        with probed(self._engine, probe):
            spent = stopwatch(self._step, STEPS)
        self.rounds.append((spent, probe.shares))
        return spent


def main(argv: list[str] | None = None) -> int:
    """Measure and report."""
    parser = arguments(__doc__, seconds=25.0, rounds=10, threads=1)
    chosen = parser.parse_args(argv)
    began = provenance()
    torch.set_num_threads(chosen.threads)
    steppers = {
        preset: Stepper(preset, threads=chosen.threads, seed=chosen.seed) for preset in PRESETS
    }
    rounds = take_turns({preset: stepper.run for preset, stepper in steppers.items()}, chosen)
    report = Report(
        theme='components',
        title='What each part of a step costs',
        settings={'threads': chosen.threads, 'seed': chosen.seed, 'frames per second': RATE_HZ},
        tables=[_table(preset, stepper, rounds) for preset, stepper in steppers.items()],
        notes=[
            f'{rounds.describe()}; {STEPS} steps of each preset per round.',
            f'Every fifth decision has the modality ablation; "{EVIDENCE}" then takes the '
            'place of the plain fusion.',
        ],
    )
    return publish(report, chosen, began=began)


def _table(preset: str, stepper: Stepper, rounds: Rounds) -> Table:
    used = rounds.clean if rounds.settled else rounds.all
    counted = {id(spent[preset]) for spent in used}
    kept = [shares for spent, shares in stepper.rounds if id(spent) in counted]
    whole = Spread.of([sum(share.spent for share in shares.values()) for shares in kept])
    rows = []
    for part in PARTS:
        shares = [shares.get(part, Share()) for shares in kept]
        spent = Spread.of([share.spent / STEPS * 1e3 for share in shares])
        calls = Spread.of([float(share.calls) for share in shares]).median
        rows.append(
            (
                part,
                f'{calls / STEPS:.3g}',
                f'{spent.median * STEPS / calls:.3g}' if calls else '–',
                str(spent),
                f'{100 * spent.median * STEPS / 1e3 / whole.median:.1f}',
            )
        )
    rows.append(('the step', '1', '', str(whole.scaled(1e3 / STEPS)), '100'))
    return Table(preset, COLUMNS, rows)


if __name__ == '__main__':
    sys.exit(main())
