"""In which order, and how much of, should an image be worked on before the network sees it?

Raw images: the package reduces a large one to a half, converts its colours and then resizes by
area; the alternatives leave the first out, convert last, or go through float tensors as training
pipelines do. JPEG: libjpeg can decode at a half, a quarter or an eighth of the size, and the
package has it do so where enough is left. Differences are to the image from the first way, in
levels of 255.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import cv2
import numpy as np
import torch
from harness import Case, Report, Rounds, arguments, publish, stopwatch, take_turns
from numpy.typing import NDArray
from record import Table, provenance
from torch.nn import functional as F

from activity_recognition.inference.resizing import resize_frame, stack_on
from activity_recognition.sensors.compressed import decode_compressed
from activity_recognition.sensors.size import LEAST_SIDE_PX, reduce_resolution
from activity_recognition.simulation import SimulationConfig, simulate
from activity_recognition.types import Frame, Modality

Image = NDArray[np.uint8]
SIZES = {'640×480': (640, 480), '1920×1080': (1920, 1080)}
QUALITY = 95
"""Of JPEG: image_transport's default."""
DIVISORS = (2, 4, 8)
NOISE = 4.0
"""Standard deviation of what is added to a drawn scene, levels: a sensor's noise."""


@dataclass(frozen=True, slots=True)
class Way:
    """One way to an image of the network's size."""

    name: str
    make: Callable[[], Image]


def main(argv: list[str] | None = None) -> int:
    """Measure and report."""
    parser = arguments(__doc__, seconds=15.0, rounds=10)
    parser.add_argument(
        '--sides', type=int, nargs='+', default=[128, 160], help="of the network's image, pixels"
    )
    chosen = parser.parse_args(argv)
    began = provenance()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    groups = {}
    for name, size in SIZES.items():
        image = scene(*size, seed=chosen.seed)
        for side in chosen.sides:
            groups[f'raw bgr8 {name} to {side}'] = raw_ways(image, side)
            groups[f'JPEG {name} to {side}'] = jpeg_ways(image, side)
    cases: dict[str, Case] = {
        f'{group}: {way.name}': partial(stopwatch, way.make, 3)
        for group, ways in groups.items()
        for way in ways
    }
    rounds = take_turns(cases, chosen)
    report = Report(
        theme='preprocessing',
        title='From an image to the one that the network sees',
        settings={'JPEG quality': QUALITY, 'seed': chosen.seed},
        tables=[_table(group, ways, rounds) for group, ways in groups.items()],
        notes=[f"{rounds.describe()}. Where no other way is marked, the first is the package's."],
    )
    return publish(report, chosen, began=began)


def scene(width: int, height: int, *, seed: int) -> Image:
    """Return a simulated camera image with a sensor's noise, RGB (H, W, 3)."""
    config = SimulationConfig(
        seed=seed,
        duration_s=5.0,
        width_px=width,
        height_px=height,
        frame_rate_hz=1.0,
        modalities=(Modality.VIDEO,),
    )
    drawn = next(s.image for s in simulate(config).samples() if isinstance(s, Frame))
    noise = np.random.default_rng(seed).normal(0.0, NOISE, drawn.shape)
    return np.clip(drawn + noise, 0, 255).round().astype(np.uint8)


def raw_ways(image: Image, side: int) -> list[Way]:
    """Return the ways from a raw bgr8 image of the same content."""
    bgr = np.ascontiguousarray(image[..., ::-1])

    def convert_first() -> Image:
        return _resized(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB), side)

    def resize_first() -> Image:
        return np.asarray(cv2.cvtColor(_resized(bgr, side), cv2.COLOR_BGR2RGB), np.uint8)

    def float_first() -> Image:
        tensor = torch.from_numpy(bgr).flip(-1).permute(2, 0, 1)[None].float().div(255)
        small = F.interpolate(
            tensor, size=(side, side), mode='bilinear', antialias=True, align_corners=False
        )
        return small[0].mul(255).round().byte().permute(1, 2, 0).numpy()

    def in_one_step() -> Image:
        rgb = cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)
        return np.asarray(cv2.resize(rgb, (side, side), interpolation=cv2.INTER_AREA), np.uint8)

    def on_device() -> Image:
        rgb = np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB), np.uint8)
        return stack_on([rgb], side, torch.device('cpu'))[0].numpy()

    def halve_first() -> Image:
        small = reduce_resolution(bgr, LEAST_SIDE_PX)
        return _resized(np.asarray(cv2.cvtColor(small, cv2.COLOR_BGR2RGB), np.uint8), side)

    ways = [
        Way('convert, then resize', convert_first),
        Way('resize, then convert', resize_first),
        Way("convert, then resize by OpenCV's area alone", in_one_step),
        Way('convert, then products with weights, as engine.resize: device', on_device),
        Way('to float, then resize (torch, antialiased)', float_first),
    ]
    if reduce_resolution(bgr, LEAST_SIDE_PX).shape != bgr.shape:
        ways.append(Way('halve, convert, then resize, as the package', halve_first))
    return ways


def jpeg_ways(image: Image, side: int) -> list[Way]:
    """Return the ways from a JPEG image, and those at a part of its size that is large enough."""
    options = [cv2.IMWRITE_JPEG_QUALITY, QUALITY]
    done, payload = cv2.imencode('.jpg', image[..., ::-1], options)
    assert done

    def decoded_to(least_side_px: int) -> Image:
        decoded = decode_compressed(
            payload, 'jpeg', max_pixels=image.size, least_side_px=least_side_px
        )
        return _resized(decoded, side)

    height = min(image.shape[:2])
    ways = [Way('decode whole, then resize', partial(decoded_to, height))]
    for divisor in DIVISORS:
        if height // divisor >= side:
            least_px = height // divisor
            ours = ', as the package' if divisor == _package_divisor(height) else ''
            name = f'decode at 1/{divisor}, then resize{ours}'
            ways.append(Way(name, partial(decoded_to, least_px)))
    return ways


def _package_divisor(height: int) -> int:
    return max([1, *(divisor for divisor in DIVISORS if height // divisor >= LEAST_SIDE_PX)])


def _resized(image: Image, side: int) -> Image:
    return resize_frame(Frame(stamp_ns=0, arrival_ns=0, image=image), side)


def _table(group: str, ways: list[Way], rounds: Rounds) -> Table:
    first = f'{group}: {ways[0].name}'
    expected = ways[0].make().astype(np.int16)
    rows = []
    for way in ways:
        name = f'{group}: {way.name}'
        difference = np.abs(way.make().astype(np.int16) - expected)
        rows.append(
            (
                way.name,
                str(rounds.wall_s(name).scaled(1e3)),
                str(rounds.wall_ratio(name, first)),
                f'{difference.mean():.3f}',
                f'{100 * (difference > 0).mean():.1f}',
                str(difference.max()),
            )
        )
    columns = (
        'way',
        'ms (quartiles)',
        '÷ first (quartiles)',
        'mean difference',
        '% that differ',
        'largest',
    )
    return Table(group, columns, rows)


if __name__ == '__main__':
    sys.exit(main())
