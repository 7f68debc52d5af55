"""Key points to tokens: the posture of one frame, and how it differs from earlier ones.

Places come as shares of an image. Both encoders see them about the body's own middle, in units of
its size, so that it matters little where in the image somebody is, and how near.

Shapes: B batch, T frames, N frames of any rows, J joints, D width.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from activity_recognition.config import ModelConfig
from activity_recognition.keypoints.joints import FARTHEST
from activity_recognition.models.motion import AT_ONCE, FrameComparison, MotionState
from activity_recognition.models.work import PER_MULTIPLY_ADD, Work, bytes_of
from activity_recognition.types import NANOSECONDS

LIMIT = 6.0
"""Features are cut off at this; of a body all are smaller, but for a joint found elsewhere."""
LEAST_SIZE = 0.01
"""Least size of a body, in units of the image's longer side."""
USUAL_SIZE = 0.2
"""Of a trunk, likewise; about that of somebody who is seen whole."""
PLACE = 2.0
"""What brings places in the image to the scale of postures."""
LEAST_S = 0.03
"""Least time by which a difference of places is divided, seconds."""
VELOCITY, SHIFT, PATH, SLOW = 0.3, 0.5, 2.0, 1.0
"""What brings velocities of joints, those of the body, its way, and how far joints have come since
the oldest frame to the scale of postures."""


class Body(NamedTuple):
    """Bodies by their own measures."""

    joints: Tensor
    """(N, J, 2), about the middle, in units of the size; zeros where missing."""
    seen: Tensor
    """(N, J), 1 where a joint is there, else 0."""
    middle: Tensor
    """(N, 2), between the hips, in units of the image; of all joints where no hip is there."""
    size: Tensor
    """(N, 1), about as long as the trunk, in units of the image."""
    kind: Tensor
    """int64 (N, 1), 0 where nobody is, else what the middle is of; others cannot be compared."""


class OwnMeasures(nn.Module):
    """Finds a body's middle and size."""

    hips: Tensor
    necks: Tensor

    def __init__(self, joints: Sequence[str]) -> None:
        """Look for hips and neck among the names of the joints."""
        super().__init__()
        for name, own in (('hips', _HIPS), ('necks', _NECKS)):
            chosen = torch.tensor([1.0 if joint in own else 0.0 for joint in joints])
            self.register_buffer(name, chosen, persistent=False)

    def forward(self, points: Tensor) -> Body:
        """Measure bodies (N, J, 3)."""
        places, seen = points[..., :2], (points[..., 2] > 0).to(points.dtype)
        hips, has_hips = _middle(places, seen * self.hips.to(points.dtype))
        necks, has_neck = _middle(places, seen * self.necks.to(points.dtype))
        whole, somebody = _middle(places, seen)
        middle = torch.where(has_hips, hips, whole)
        apart = (places - middle.unsqueeze(-2)) * seen.unsqueeze(-1)
        spread = _length(apart.flatten(1)) / seen.sum(-1, keepdim=True).clamp(min=1).sqrt()
        # A trunk that is seen end-on looks shorter than it is.
        trunk = torch.maximum(_length(necks - hips), spread / 2)
        size = torch.where(has_hips & has_neck, trunk, spread).clamp(min=LEAST_SIZE)
        kind = somebody.long() + has_hips.long()
        return Body(apart / size.unsqueeze(-1), seen, middle, size, kind)


class JointDistances(nn.Module):
    """How far joints are from each other, in units of the body's size.

    Yang et al. 2019, "Make Skeleton-based Action Recognition Model Smaller, Faster and Better".
    """

    first: Tensor
    second: Tensor

    def __init__(self, joints: int) -> None:
        """Take each pair of so many joints once."""
        super().__init__()
        first, second = torch.triu_indices(joints, joints, offset=1)
        self.outputs = len(first)
        self.register_buffer('first', first, persistent=False)
        self.register_buffer('second', second, persistent=False)

    def forward(self, body: Body) -> Tensor:
        """Return the distances (N, J (J - 1) / 2) of bodies; 0 where a joint of two is missing."""
        apart = body.joints[:, self.first] - body.joints[:, self.second]
        both = body.seen[:, self.first] * body.seen[:, self.second]
        return apart.square().sum(-1).sqrt() * both


class KeyPointEncoder(nn.Module):
    """The posture of one frame to one token: where joints are, and how sure that is."""

    def __init__(self, config: ModelConfig) -> None:
        """Create the encoder of a network with ``video.key_points``."""
        super().__init__()
        joints = config.video.joints
        self.measures = OwnMeasures(joints)
        self.sees_size = config.video.body_size
        self.distances = JointDistances(len(joints)) if config.video.joint_distances else None
        inputs = 3 * len(joints) + (3 if self.sees_size else 0)
        inputs += self.distances.outputs if self.distances is not None else 0
        self.hidden = _hidden(inputs, config.video.width, config.dropout)
        self.project = nn.Linear(config.video.width, config.hidden_dim)

    def work(self) -> Work:
        """Return the work of one frame."""
        return _work(self)

    def forward(self, points: Tensor) -> Tensor:
        """Encode key points (N, J, 3), x, y and score, to tokens (N, D)."""
        dtype = self.project.weight.dtype
        points = points.to(torch.promote_types(dtype, torch.float32))
        body = self.measures(points)
        parts = [body.joints.flatten(1), points[..., 2]]
        if self.sees_size:
            # Nobody is of the usual size, in the middle.
            size = torch.log(body.size / USUAL_SIZE) * body.seen.amax(-1, keepdim=True)
            parts += [size, PLACE * body.middle]
        if self.distances is not None:
            parts.append(self.distances(body))
        features = torch.cat(parts, dim=-1)
        token: Tensor = self.project(self.hidden(features.clamp(-LIMIT, LIMIT).to(dtype)))
        return token


class KeyPointMotion(FrameComparison):
    """Velocities of joints, and the way and the growth of the body, to one token.

    Velocities are those since the frame that others are compared with (:class:`FrameComparison`),
    divided by its age; way and growth are those since the oldest frame that is kept, a few spans
    ago, and so, with ``video.slow_motion``, is how far each joint has come. What is missing in
    either frame does not move.
    """

    def __init__(self, config: ModelConfig) -> None:
        """Create the encoder of a network with ``video.key_points``."""
        super().__init__(config)
        joints = config.video.joints
        self.measures = OwnMeasures(joints)
        self.sees_slow = config.video.slow_motion
        of_joints = (4 if self.sees_slow else 2) * len(joints)
        self.hidden = _hidden(of_joints + 5, config.video.width, config.dropout)
        self.project = nn.Linear(config.video.width, config.hidden_dim)

    @property
    def receptive_field_s(self) -> float:
        """How far back the oldest frame compared with may lie, seconds."""
        return self.longest_ns / NANOSECONDS

    @property
    def dtype(self) -> torch.dtype:
        """Of everything before the layers."""
        return torch.promote_types(self.project.weight.dtype, torch.float32)

    def work(self) -> Work:
        """Return the work of one frame and those that it is compared with."""
        return _work(self)

    def forward(self, frames: Tensor, stamps_ns: Tensor, mask: Tensor) -> Tensor:
        """Encode the frames of a recording that are there.

        Args:
            frames: (B, T, J, 3), in order of arrival.
            stamps_ns: int64 (B, T), increasing along T.
            mask: bool (B, T), False for padding, which comes last in a row.

        Returns:
            (N, D), row by row without the padding.
        """
        own = torch.arange(mask.shape[1], device=mask.device)
        index, found = self.earlier(stamps_ns, mask)
        index, first = torch.where(found, index, own), self.oldest(stamps_ns, mask)
        tokens = []
        for row, place in (part.unbind(-1) for part in mask.nonzero().split(AT_ONCE)):
            then, before = index[row, place], first[row, place]
            tokens.append(
                self.encode(
                    frames[row, place],
                    frames[row, then],
                    frames[row, before],
                    (stamps_ns[row, place] - stamps_ns[row, then]).to(self.dtype) / NANOSECONDS,
                )
            )
        return torch.cat(tokens)

    def compared(
        self, frames: Tensor, stamps_ns: Sequence[int], states: Sequence[MotionState]
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return what :meth:`encode` takes beside the next frames, and remember them.

        Args:
            frames: (N, J, 3), of any streams, those of one stream in order of arrival.
            stamps_ns: N stamps.
            states: per frame the state of its stream.
        """
        then, before, ages_ns = [], [], []
        for points, stamp_ns, state in zip(frames, stamps_ns, states, strict=True):
            self.forget(stamp_ns, state)
            own = (stamp_ns, points)
            past_ns, past = _newest_before(state.frames, stamp_ns - self.span_ns) or own
            then.append(past)
            before.append((state.frames[0] if state.frames else own)[1])
            ages_ns.append(stamp_ns - past_ns)
            # A copy: a view would keep the whole batch.
            state.frames.append((stamp_ns, points.clone()))
        # Pinned, or a GPU would make the host wait for all that it was asked before.
        ages = torch.tensor(ages_ns, pin_memory=frames.is_cuda)
        ages = ages.to(frames.device, non_blocking=True).to(self.dtype) / NANOSECONDS
        return torch.stack(then), torch.stack(before), ages

    def encode(self, points: Tensor, then: Tensor, before: Tensor, age_s: Tensor) -> Tensor:
        """Encode how bodies differ from what they were.

        Args:
            points: (N, J, 3).
            then: of the frames compared with, (N, J, 3).
            before: of the oldest frames, (N, J, 3).
            age_s: (N,), of the frames compared with, seconds.

        Returns:
            (N, D).
        """
        now, past, oldest = (self.measures(p.to(self.dtype)) for p in (points, then, before))
        age_s = age_s.clamp(min=LEAST_S).unsqueeze(-1)
        both = (now.seen * past.seen).unsqueeze(-1)
        speeds = (now.joints - past.joints) * both / age_s.unsqueeze(-1)
        growth = torch.log(now.size / oldest.size) * _comparable(now, oldest)
        parts = [
            VELOCITY * speeds.flatten(1),
            SHIFT * _way(past, now) / age_s,
            PATH * _way(oldest, now),
            PATH * growth,
        ]
        if self.sees_slow:
            seen = (now.seen * oldest.seen).unsqueeze(-1)
            parts.append(SLOW * ((now.joints - oldest.joints) * seen).flatten(1))
        features = torch.cat(parts, dim=-1)
        hidden = self.hidden(features.clamp(-LIMIT, LIMIT).to(self.project.weight.dtype))
        token: Tensor = self.project(hidden)
        return token


def extreme_key_points(joints: int) -> Tensor:
    """Return key points unlike a body's, float32 (4, J, 3): none, one, all in one place, far."""
    points = torch.zeros(4, joints, 3)
    points[1, 0] = 1.0
    points[2:, :, 2] = 1.0
    points[3, :, :2] = FARTHEST * (1 - 2 * (torch.arange(joints) % 2)).unsqueeze(-1)
    return points


_HIPS = ('hip_centre', 'left_hip', 'right_hip')
_NECKS = ('neck', 'left_shoulder', 'right_shoulder')


def _hidden(inputs: int, width: int, dropout: float) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(inputs, width), nn.LayerNorm(width), nn.GELU(), nn.Dropout(dropout)
    )


def _work(encoder: nn.Module) -> Work:
    """Return the work of one frame: every weight of a matrix is used once."""
    matrices = [weight.numel() for weight in encoder.parameters() if weight.dim() > 1]
    return Work(products=PER_MULTIPLY_ADD * sum(matrices), weight_bytes=bytes_of(encoder))


def _middle(places: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
    """Return the mean of places (N, J, 2) by weights (N, J), and whether there are any, (N, 1)."""
    total = weights.sum(-1, keepdim=True)
    return (places * weights.unsqueeze(-1)).sum(-2) / total.clamp(min=1), total > 0


def _length(vectors: Tensor) -> Tensor:
    """Return the lengths (N, 1) of vectors (N, X)."""
    return vectors.square().sum(-1, keepdim=True).sqrt()


def _comparable(one: Body, other: Body) -> Tensor:
    """Return 1 where the middles of two bodies are of the same parts, else 0, (N, 1)."""
    return ((one.kind == other.kind) & (one.kind > 0)).to(one.size.dtype)


def _way(start: Body, end: Body) -> Tensor:
    """Return how far a body has come, (N, 2), in units of its size."""
    return (end.middle - start.middle) / end.size * _comparable(start, end)


def _newest_before(frames: deque[tuple[int, Tensor]], latest_ns: int) -> tuple[int, Tensor] | None:
    """Return the newest frame with a stamp up to ``latest_ns``."""
    return next((item for item in reversed(frames) if item[0] <= latest_ns), None)
