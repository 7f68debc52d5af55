"""How much CPU does the recogniser take per image, beside the node that one would write first?

The other node does what examples do: its callback takes the message as an object, makes an array of
it, turns the colours, resizes, keeps the newest images in a list and runs the network over the
whole list, image by image. Both run the same weights, in processes of their own, get images of
640×480 in turns, and answer every one they can.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

from harness import Goal, Report, Spread, arguments, publish
from processes import part
from record import Table, provenance

RATE_HZ = 15.0
CLIP_FRAMES = 16
"""As most video networks take."""
WANTED = 5.0
TURNS = 3
START_LIMIT_S = 300.0
SCRIPT = str(Path(__file__).with_name('ros_parts.py'))
OURS, OBVIOUS = 'ours', 'obvious'
FEWEST_TURNS = 3


class WindowNode:
    """Keeps the newest images and looks at all of them whenever one comes."""

    def __init__(self, node: Any, checkpoint: Path) -> None:
        """Subscribe and advertise on ``node``."""
        import torch
        from rclpy.qos import qos_profile_sensor_data
        from sensor_msgs.msg import Image

        from activity_recognition.models.checkpoint import load_checkpoint
        from activity_recognition.msg import ActivityStamped

        torch.set_num_threads(1)
        self._checkpoint = load_checkpoint(checkpoint)
        self._frames: list[tuple[int, Any]] = []
        self._publisher = node.create_publisher(ActivityStamped, 'activity', 1)
        node.create_subscription(Image, 'image', self.take, qos_profile_sensor_data)
        self.received = 0
        self.decided = 0

    def take(self, message: Any) -> None:
        """Answer an image."""
        from activity_recognition.msg import ActivityStamped

        self.received += 1
        stamp_ns = message.header.stamp.sec * 1_000_000_000 + message.header.stamp.nanosec
        self._frames.append((stamp_ns, self.convert(message)))
        del self._frames[:-CLIP_FRAMES]
        probabilities = self.decide()
        best = int(probabilities.argmax())
        answer = ActivityStamped(
            label=self._checkpoint.config.labels[best],
            class_id=best,
            confidence=float(probabilities[best]),
        )
        answer.header = message.header
        self._publisher.publish(answer)
        self.decided += 1

    def convert(self, message: Any) -> Any:
        """Return the network's image of an rgb8 message, by the way over bgr8 of OpenCV."""
        import cv2
        import numpy as np

        pixels = np.frombuffer(bytes(message.data), np.uint8)
        image = cv2.cvtColor(pixels.reshape(message.height, message.width, 3), cv2.COLOR_RGB2BGR)
        side = self._checkpoint.config.video.input_size_px
        small = cv2.resize(image, (side, side), interpolation=cv2.INTER_AREA)
        return cv2.cvtColor(small, cv2.COLOR_BGR2RGB)

    def decide(self) -> Any:
        """Return the probabilities after the newest image, from all images kept."""
        import torch

        system = self._checkpoint.system
        stamps_ns = [stamp_ns for stamp_ns, _ in self._frames]
        with torch.inference_mode():
            logits = system(video_batch(system.config, stamps_ns, [f for _, f in self._frames]))
        return (logits[0, 0] / self._checkpoint.temperature).softmax(-1).numpy()


def video_batch(config: Any, stamps_ns: list[int], images: list[Any]) -> dict[str, Any]:
    """Return a batch of one recording that has images alone, with a decision at its end."""
    import numpy as np
    import torch

    stamps = torch.tensor([stamps_ns])
    none = torch.zeros(1, 0, dtype=torch.int64)
    audio = config.audio
    return {
        'frames': torch.from_numpy(np.stack(images))[None],
        'frame_stamps': stamps,
        'frame_arrivals': stamps,
        'frame_mask': torch.ones_like(stamps, dtype=torch.bool),
        'spectrograms': torch.zeros(1, 0, audio.columns_per_token, audio.num_mels),
        'spectrogram_stamps': none,
        'spectrogram_arrivals': none,
        'spectrogram_mask': none.bool(),
        'transcript_tokens': torch.zeros(1, 0, config.text.max_length, dtype=torch.int64),
        'transcript_token_mask': torch.zeros(1, 0, config.text.max_length, dtype=torch.bool),
        'transcript_stamps': none,
        'transcript_arrivals': none,
        'transcript_mask': none.bool(),
        'decision_stamps': stamps[:, -1:],
        'decision_arrivals': stamps[:, -1:],
    }


def main(argv: list[str] | None = None) -> int:
    """Measure and report, or be the node."""
    parser = arguments(__doc__, seconds=30.0)
    parser.add_argument('--preset', default='small')
    parser.add_argument('--rate', type=float, default=RATE_HZ, help='images per second')
    parser.add_argument('--turns', type=int, default=TURNS, help='of each node')
    parser.add_argument('--node', type=Path, help=argparse.SUPPRESS)
    chosen = parser.parse_args(argv)
    if chosen.node:
        return _be_obvious(chosen.node)
    began = provenance()
    turns = _run(chosen)
    return publish(_report(turns, chosen), chosen, began=began)


def _be_obvious(checkpoint: Path) -> int:
    import rclpy
    from rclpy.executors import SingleThreadedExecutor
    from ros_parts import SPIN_S, play_counted

    rclpy.init(args=['--ros-args', '-r', f'__ns:=/{OBVIOUS}'])
    ros_node = rclpy.create_node('recognizer')
    node = WindowNode(ros_node, checkpoint)
    executor = SingleThreadedExecutor()
    executor.add_node(ros_node)
    play_counted(
        spin=lambda: executor.spin_once(timeout_sec=SPIN_S),
        received=lambda: node.received,
        decided=lambda: node.decided,
    )
    ros_node.destroy_node()
    rclpy.shutdown()
    return 0


def _run(chosen: argparse.Namespace) -> dict[str, list[dict[str, Any]]]:
    """Let the nodes take turns; returns what each counted in each."""
    from activity_recognition.inference.artificial import untrained_checkpoint
    from activity_recognition.models.checkpoint import save_checkpoint
    from activity_recognition.ros.transport import image_transport

    count = max(1, round(chosen.seconds * chosen.rate / (2 * chosen.turns)))
    profile, _ = image_transport(os.environ)
    turns: dict[str, list[dict[str, Any]]] = {OURS: [], OBVIOUS: []}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / 'checkpoint'
        checkpoint = untrained_checkpoint(chosen.preset, seed=chosen.seed)
        save_checkpoint(path, checkpoint.system, checkpoint.tokenizer)
        with (
            part(SCRIPT, ['recognizer', '--checkpoint', str(path), OURS]) as ours,
            part(__file__, ['--node', str(path)]) as obvious,
            part(
                SCRIPT,
                ['camera', '--rate', str(chosen.rate), OURS, OBVIOUS],
                {**os.environ, **profile},
            ) as camera,
        ):
            nodes = {OURS: ours, OBVIOUS: obvious}
            for process in (*nodes.values(), camera):
                process.answer(START_LIMIT_S)
            # Without this the first turns would be those of short windows.
            for name, process in nodes.items():
                camera.ask(f'{name} {CLIP_FRAMES}', START_LIMIT_S)
                process.ask('count', START_LIMIT_S)  # nothing of before counts
            for _ in range(chosen.turns):
                for name, process in nodes.items():
                    process.ask('begin', START_LIMIT_S)
                    camera.ask(f'{name} {count}', START_LIMIT_S + chosen.seconds)
                    turns[name].append(process.ask('count', START_LIMIT_S) | {'sent': count})
    return turns


def _report(turns: dict[str, list[dict[str, Any]]], chosen: argparse.Namespace) -> Report:
    rows = []
    cpu_s = {name: [_cpu_s(outcome) for outcome in outcomes] for name, outcomes in turns.items()}
    names = {OURS: 'the recogniser', OBVIOUS: 'the obvious node'}
    for name, outcomes in turns.items():
        rows.append(
            (
                names[name],
                *(str(sum(o[key] for o in outcomes)) for key in ('sent', 'received', 'decided')),
                str(Spread.of(cpu_s[name]).scaled(1e3)),
            )
        )
    ratio = Spread.of(
        [obvious / ours for ours, obvious in zip(cpu_s[OURS], cpu_s[OBVIOUS], strict=True)]
    )
    columns = ('node', 'images sent', 'received', 'answered', 'CPU ms per answer (quartiles)')
    return Report(
        theme='obvious_node',
        title='The recogniser beside the node that one would write first',
        settings={
            'preset': chosen.preset,
            'images': '640×480',
            'images per second': chosen.rate,
            'images in the other node': CLIP_FRAMES,
            'seed': chosen.seed,
        },
        goals=[
            Goal(
                name=f'CPU per image, obvious node ÷ recogniser, {chosen.preset}',
                value=ratio.median,
                at_least=WANTED,
                settled=ratio.count >= FEWEST_TURNS,
            )
        ],
        tables=[Table('CPU', columns, rows)],
        notes=[
            f'The ratio within each of {ratio.count} turns: {ratio}. CPU time is that of the whole '
            'process, middleware and diagnostics included, from before the first image to the last '
            'answer.',
            'The window recomputed is another function, with a shorter past: this compares what '
            'nodes cost. The other node neither listens, nor ablates modalities, nor smooths.',
        ],
    )


def _cpu_s(outcome: dict[str, Any]) -> float:
    return float(outcome['cpu_s']) / max(int(outcome['decided']), 1)


if __name__ == '__main__':
    sys.exit(main())
