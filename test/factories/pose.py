"""Networks before which a made-up pose network stands, and streams of images for it."""

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from activity_recognition import frozen_networks
from activity_recognition.config import ModelConfig
from activity_recognition.front_ends import litert
from activity_recognition.types import Frame, Sample
from factories.networks import TINY
from factories.streams import Scene, samples
from factories.tflite import write_pose

FINDING: ModelConfig = dataclasses.replace(
    TINY, video=dataclasses.replace(TINY.video, backbone='movenet', motion_span_s=0.2)
)
"""Key points are found in frames by a pose network."""

FINDING_AND_MOVING: ModelConfig = dataclasses.replace(
    FINDING, video=dataclasses.replace(FINDING.video, motion_memory_s=0.5, motion_span_s=0.1)
)
"""What moves in the images is seen as well."""


@contextmanager
def made_up_pose(folder: Path) -> Iterator[Path]:
    """Have a made-up network of MoveNet's forms in the place of the real one."""
    path = write_pose(folder / 'pose.tflite')
    with pytest.MonkeyPatch.context() as patch:
        for module in (litert, frozen_networks):
            patch.setattr(module, 'find_weights', lambda name: path)
        yield path


def scene_of_images(scene: Scene, *, key_points_every: int = 0) -> list[Sample]:
    """Return a scene's samples, its frames with images in which something moves.

    Some frames are like the one before; every so many have key points instead, as if a tracker had
    taken over.
    """
    result: list[Sample] = []
    for index, sample in enumerate(samples(scene)):
        if not isinstance(sample, Frame):
            result.append(sample)
            continue
        keeps = key_points_every and not index % key_points_every
        points = sample.key_points if keeps else None
        result.append(dataclasses.replace(sample, image=moving(index // 2), key_points=points))
    return result


def moving(index: int, size: tuple[int, int] = (96, 128)) -> np.ndarray:
    """Return an image of a bright spot, which moves, before a pattern that does not."""
    rows, columns = np.mgrid[: size[0], : size[1]]
    pattern = np.random.default_rng(0).integers(0, 120, (size[0] // 8, size[1] // 8, 3))
    image = np.kron(pattern, np.ones((8, 8, 1)))
    x, y = 64 + 40 * np.sin(index / 3), 48 + 20 * np.cos(index / 4)
    spot = 130 * np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / 400)
    return (image + spot[..., None]).round().astype(np.uint8)
