"""What a frame encoder is pretrained with: find the joints, name the motion.

B batch, S image side, P patches, K keypoints, D width.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from activity_recognition.config import ModelConfig
from activity_recognition.models.frame_encoders import FrameEncoder

_SCALE = 5.0
"""Keypoints, shares of the image, have about this inverse spread around its middle."""
_HUBER = 0.3


@dataclass(frozen=True, slots=True, eq=False)
class PoseOutput:
    """Predictions for one batch of images."""

    heatmaps: Tensor
    """Logits over patches per keypoint, (B, K, P)."""
    keypoints: Tensor
    """(B, K, 2), shares of the image, read from the frame's token."""
    motions: Tensor
    """Logits, (B, M), read from the frame's token."""


class PoseModel(nn.Module):
    """A frame encoder with heads that only pretraining needs.

    Every patch says which joints lie in it, with a softmax over patches per joint (as keypoints in
    He et al. 2017, "Mask R-CNN"); the token says where all joints are, and the motion.
    """

    def __init__(self, config: ModelConfig, num_keypoints: int, num_motions: int) -> None:
        """Create encoder and heads.

        Args:
            config: of the network.
            num_keypoints: K.
            num_motions: M.
        """
        super().__init__()
        width = config.hidden_dim
        self.side = config.video.input_size_px // config.video.patch_size_px
        self.frame_encoder = FrameEncoder(config)
        self.heatmap = nn.Linear(config.video.width, num_keypoints)
        self.norm = nn.LayerNorm(width)
        self.keypoints = nn.Sequential(
            nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, 2 * num_keypoints)
        )
        self.motion = nn.Linear(width, num_motions)

    def forward(self, frames: Tensor) -> PoseOutput:
        """Look at uint8 images (B, S, S, 3)."""
        encoded = self.frame_encoder.encode_patches(frames)
        token = self.norm(self.frame_encoder.read(encoded))
        places = self.keypoints(token).unflatten(-1, (-1, 2))
        return PoseOutput(
            heatmaps=self.heatmap(encoded[:, 1:]).transpose(1, 2),
            keypoints=places / _SCALE + 0.5,
            motions=self.motion(token),
        )

    def losses(self, output: PoseOutput, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return ``total`` and its parts; keypoints outside the image have no patch.

        Args:
            output: of :meth:`forward`.
            batch: the truth: ``keypoints`` and ``motions``.
        """
        keypoints = batch['keypoints']
        heat = functional.cross_entropy(
            output.heatmaps.flatten(0, 1).float(), self._cells(keypoints).flatten()
        )
        place = functional.smooth_l1_loss(
            _SCALE * output.keypoints.float(), _SCALE * keypoints, beta=_HUBER
        )
        motion = functional.cross_entropy(output.motions.float(), batch['motions'])
        return {
            'total': heat + place + motion,
            'heatmaps': heat,
            'keypoints': place,
            'motions': motion,
        }

    def _cells(self, keypoints: Tensor) -> Tensor:
        """Return the patch that holds each keypoint, (B, K); -100 outside the image."""
        cell = (keypoints * self.side).floor().long()
        inside = ((cell >= 0) & (cell < self.side)).all(-1)
        return torch.where(inside, cell[..., 1] * self.side + cell[..., 0], -100)
