"""Batches of single images of simulated people, drawn as they are needed."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from activity_recognition.inference.resizing import resize_frame
from activity_recognition.simulation import Still, draw_stills, simulate
from activity_recognition.simulation.movements import MOTIONS
from activity_recognition.training.config import PretrainConfig
from activity_recognition.training.data.simulated import JPEG_QUALITY, varied_config
from activity_recognition.types import Frame

MOTION_NAMES = tuple(MOTIONS)
"""The classes of a still."""

_SCRIPT_S = 60.0
"""Length of the recordings whose moments are drawn."""


@dataclass(frozen=True, slots=True, eq=False)
class StillBatches(Dataset[dict[str, Tensor]]):
    """Batch ``i`` follows from the settings and ``i`` alone, and no two show the same room.

    A batch holds ``frames`` uint8 (B, S, S, 3), ``keypoints`` float32 (B, K, 2) as shares of the
    image, and ``motions`` int64 (B,), indices of :data:`MOTION_NAMES`.
    """

    config: PretrainConfig
    side_px: int
    first_seed: int
    """The scenes take the seeds from here on."""
    count: int
    """Batches."""

    def __len__(self) -> int:
        """Return the number of batches."""
        return self.count

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        """Draw one batch."""
        # Workers start with OpenCV's default of one thread per core each.
        cv2.setNumThreads(1)
        first = self.first_seed + index * self.config.scenes_per_batch
        stills = [
            still
            for seed in range(first, first + self.config.scenes_per_batch)
            for still in self._draw(seed)
        ]
        motions = [MOTION_NAMES.index(still.motion) for still in stills]
        return {
            'frames': torch.from_numpy(np.stack([self._see(still) for still in stills])),
            'keypoints': torch.from_numpy(np.stack([still.keypoints for still in stills])),
            'motions': torch.tensor(motions),
        }

    def _draw(self, seed: int) -> list[Still]:
        simulation = simulate(varied_config(seed, _SCRIPT_S))
        rng = np.random.default_rng([seed, 2])
        return list(draw_stills(simulation, self.config.stills_per_scene, rng))

    def _see(self, still: Still) -> NDArray[np.uint8]:
        """Return the image as the network sees it; every other one went through JPEG."""
        image = still.image
        if image[0, 0, 0] % 2:
            quality = [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY]
            image = np.asarray(
                cv2.imdecode(cv2.imencode('.jpg', image, quality)[1], cv2.IMREAD_COLOR), np.uint8
            )
        return resize_frame(Frame(stamp_ns=0, arrival_ns=0, image=image), self.side_px)
