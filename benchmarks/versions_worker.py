"""The steady step of the version in whose checkout this process runs, timed when it is asked for.

It has no imports of this folder: what it needs of the benchmarks is that version's own.
"""

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
    preset, backend, rate_hz, seed = sys.argv[1:]
    checkpoint = untrained_checkpoint(preset, seed=int(seed))
    engine = make_engine(checkpoint, threads=1, backend=backend)
    step = steady(engine, frame_rate_hz=float(rate_hz), seed=int(seed))
    say(package=activity_recognition.__file__)
    for line in sys.stdin:
        spent = stopwatch(step, int(line))
        say(wall_s=spent.wall_s, cpu_s=spent.cpu_s)


def say(**answer: object) -> None:
    """Answer with a line of JSON."""
    print(json.dumps(answer), flush=True)


if __name__ == '__main__':
    main()
