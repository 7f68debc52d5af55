"""The steady step of the version in whose checkout this process runs, timed when it is asked for.

It has no imports of this folder: what it needs of the benchmarks is that version's own.
"""

import argparse
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path.cwd() / 'benchmarks'))

from harness import stopwatch
from workload import make_engine, steady

import activity_recognition
from activity_recognition.inference.artificial import untrained_checkpoint


def main() -> None:
    """Time as many steps as each line of the input says."""
    parser = argparse.ArgumentParser(description='Timed by versions.py.')
    parser.add_argument('preset')
    parser.add_argument('backend')
    parser.add_argument('rate_hz', type=float)
    parser.add_argument('seed', type=int)
    chosen = parser.parse_args()
    checkpoint = untrained_checkpoint(chosen.preset, seed=chosen.seed)
    engine = make_engine(checkpoint, threads=1, backend=chosen.backend)
    step = steady(engine, frame_rate_hz=chosen.rate_hz, seed=chosen.seed)
    say(package=activity_recognition.__file__)
    for line in sys.stdin:
        spent = stopwatch(step, int(line))
        say(wall_s=spent.wall_s, cpu_s=spent.cpu_s)


def say(**answer: object) -> None:
    """Answer with a line of JSON."""
    print(json.dumps(answer), flush=True)


if __name__ == '__main__':
    main()
