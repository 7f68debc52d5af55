"""How old is a decision when it arrives: camera's stamp to a subscriber in another process?

Camera and microphone, recogniser and listener are processes of their own. Images of 640×480 come at
30 Hz, with sound and words; every image decides. Latency runs from the moment an image was due to
the callback of whoever listens to ``activity``.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

from harness import Goal, Report, Spread, arguments, publish
from processes import part
from record import Table, provenance

RATE_HZ = 30.0
PRESETS = ('nano', 'small')
WANTED_S = 2 / RATE_HZ
START_LIMIT_S = 300.0
SETTLING_S = 5.0
"""Before measuring: longer than the window of video."""
LEAST_ANSWERED = 0.9
"""Share of images with an answer below which the latency says nothing."""
SCRIPT = str(Path(__file__).with_name('ros_parts.py'))


def main(argv: list[str] | None = None) -> int:
    """Measure and report."""
    parser = arguments(__doc__, seconds=30.0)
    parser.add_argument('--presets', nargs='+', default=PRESETS)
    parser.add_argument('--settling', type=float, default=SETTLING_S, help='seconds before')
    chosen = parser.parse_args(argv)
    began = provenance()
    rows, goals = [], []
    for preset in chosen.presets:
        outcome = _run(preset, chosen)
        latency = Spread.of([1e3 * value for value in outcome['latencies_s']])
        p99_ms = percentile_99(outcome['latencies_s']) * 1e3
        answered = len(outcome['latencies_s']) / outcome['sent']
        rows.append(
            (
                preset,
                str(outcome['sent']),
                str(outcome['received']),
                str(len(outcome['latencies_s'])),
                str(latency),
                f'{p99_ms:.1f}',
                f'{1e3 * max(outcome["latencies_s"], default=float("nan")):.1f}',
                f'{1e3 * outcome["cpu_s"] / max(outcome["received"], 1):.1f}',
            )
        )
        goals.append(
            Goal(
                name=f'camera stamp to subscriber, p99 ms at {RATE_HZ:g} Hz, {preset}',
                value=p99_ms,
                at_most=round(1e3 * WANTED_S, 1),
                settled=outcome['rate_hz'] >= 0.97 * RATE_HZ and answered >= LEAST_ANSWERED,
            )
        )
    columns = (
        'preset',
        'images sent',
        'received',
        'answered',
        'latency ms (quartiles)',
        'p99',
        'largest',
        'recogniser CPU ms per image',
    )
    report = Report(
        theme='latency',
        title='From the camera to a subscriber',
        settings={'seconds': chosen.seconds, 'seed': chosen.seed, 'images': '640×480'},
        goals=goals,
        tables=[Table('One decision', columns, rows)],
        notes=['A decision that a newer one overtook in the recogniser is not among the answers.'],
    )
    return publish(report, chosen, began=began)


def percentile_99(values: list[float]) -> float:
    """Return the 99th percentile; NaN of nothing."""
    if len(values) < 2:
        return values[0] if values else float('nan')
    return statistics.quantiles(values, n=100, method='inclusive')[-1]


def _run(preset: str, chosen: argparse.Namespace) -> dict[str, Any]:
    from activity_recognition.inference.artificial import untrained_checkpoint
    from activity_recognition.models.checkpoint import save_checkpoint
    from activity_recognition.ros.transport import image_transport

    settling = round(chosen.settling * RATE_HZ)
    count = round(chosen.seconds / len(chosen.presets) * RATE_HZ)
    profile, _ = image_transport(os.environ)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / 'checkpoint'
        checkpoint = untrained_checkpoint(preset, seed=chosen.seed)
        save_checkpoint(path, checkpoint.system, checkpoint.tokenizer)
        with (
            part(SCRIPT, ['recognizer', '--checkpoint', str(path), 'ours']) as recognizer,
            part(SCRIPT, ['listener', 'ours']) as listener,
            part(
                SCRIPT,
                ['camera', '--rate', str(RATE_HZ), '--sound', 'ours'],
                {**os.environ, **profile},
            ) as camera,
        ):
            for process in (recognizer, listener, camera):
                process.answer(START_LIMIT_S)
            camera.ask(f'ours {settling}', START_LIMIT_S)
            recognizer.ask('count', START_LIMIT_S)  # nothing of before counts
            for process in (recognizer, listener):
                process.ask('begin', START_LIMIT_S)
            sent = camera.ask(f'ours {count}', START_LIMIT_S + chosen.seconds)
            counted = recognizer.ask('count', START_LIMIT_S)
            received = listener.ask('count', START_LIMIT_S)['received']
    # Decisions of the timer, in the silences before and after, answer no image.
    images = set(sent['stamps_ns'])
    latencies_s = [latency_s for stamp_ns, latency_s in received if stamp_ns in images]
    return {**counted, **sent, 'sent': count, 'latencies_s': latencies_s}


if __name__ == '__main__':
    sys.exit(main())
