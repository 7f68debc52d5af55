"""Key points to tokens: the posture of one frame, and how it differs from earlier ones.

Places come as shares of an image. Both encoders see them about the body's own middle, in units of
its size, so that it matters little where in the image somebody is, and how near.

Shapes: B batch, T frames, N frames of any rows, J joints, D width.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from numpy.typing import NDArray
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
    """Bodies by their own measures; what is of a body as a whole has axes of one joint, too."""

    joints: Tensor
    """(..., J, 2), about the middle, in units of the size; zeros where missing."""
    seen: Tensor
    """(..., J, 1), 1 where a joint is there, else 0."""
    middle: Tensor
    """(..., 1, 2), between the hips, in units of the image; of all joints where no hip is there."""
    size: Tensor
    """(..., 1, 1), about as long as the trunk, in units of the image."""
    has_hips: Tensor
    """bool (..., 1, 1), whether the middle is between the hips; others cannot be compared."""
    somebody: Tensor
    """bool (..., 1, 1), whether anybody is there."""


class OwnMeasures(nn.Module):
    """Finds a body's middle and size."""

    parts: Tensor

    def __init__(self, joints: Sequence[str]) -> None:
        """Look for hips and neck among the names of the joints."""
        super().__init__()
        # Hips, neck and all joints, (3, J): one product sums up the three.
        parts = [[1.0 if joint in own else 0.0 for joint in joints] for own in (_HIPS, _NECKS)]
        parts.append([1.0] * len(joints))
        self.register_buffer('parts', torch.tensor(parts), persistent=False)

    def operations(self) -> int:
        """Return the operations of the products for one body."""
        # Places have two numbers, and whether they are seen is one.
        return PER_MULTIPLY_ADD * 3 * self.parts.numel()

    def forward(self, points: Tensor) -> Body:
        """Measure bodies (..., J, 3)."""
        places, seen = points[..., :2], (points[..., 2:] > 0).to(points.dtype)
        parts = self.parts.to(points.dtype)
        # Places need more bits than autocast would leave them.
        with torch.autocast(points.device.type, enabled=False):
            counts, sums = parts @ seen, parts @ (places * seen)
        divisors = counts.clamp(min=1)
        hips, necks, whole = (sums / divisors).split(1, -2)
        has_hips, has_neck, somebody = (counts > 0).split(1, -2)
        middle = torch.where(has_hips, hips, whole)
        apart = (places - middle) * seen
        between = necks - hips
        # Products, not squares: one kernel fewer to run by those who export this.
        spread = ((apart * apart).sum((-2, -1), keepdim=True) / divisors[..., 2:, :]).sqrt()
        trunk = (between * between).sum((-2, -1), keepdim=True).sqrt()
        # A trunk that is seen end-on looks shorter than it is.
        size = torch.where(has_hips & has_neck, torch.maximum(trunk, spread / 2), spread)
        size = size.clamp(min=LEAST_SIZE)
        return Body(apart / size, seen, middle, size, has_hips, somebody)


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
        """Return the distances (..., J (J - 1) / 2, 1) of bodies; 0 where one of two is missing."""
        apart = self._of(body.joints, self.first) - self._of(body.joints, self.second)
        both = self._of(body.seen, self.first) * self._of(body.seen, self.second)
        return (apart * apart).sum(-1, keepdim=True).sqrt() * both

    @staticmethod
    def _of(values: Tensor, joints: Tensor) -> Tensor:
        # An exporter makes one operator of this, and several of indexing.
        return values.index_select(-2, joints)


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
        return _work(self, self.measures.operations())

    def forward(self, points: Tensor) -> Tensor:
        """Encode key points (N, J, 3), x, y and score, to tokens (N, D)."""
        points = points.to(torch.promote_types(self.project.weight.dtype, torch.float32))
        return self.encode(points, self.measures(points))

    def encode(self, points: Tensor, body: Body) -> Tensor:
        """Encode bodies that were measured.

        Args:
            points: (N, J, 3).
            body: what :class:`OwnMeasures` makes of them, (N, ...), perhaps with axes of 1.

        Returns:
            (N, D).
        """
        parts = [body.joints, points[..., 2:]]
        if self.sees_size:
            # Nobody is of the usual size, in the middle.
            size = torch.log(body.size / USUAL_SIZE) * body.somebody.to(body.size.dtype)
            parts += [size, PLACE * body.middle]
        if self.distances is not None:
            parts.append(self.distances(body))
        return _token(self.hidden, self.project, parts)


class KeyPointMotion(FrameComparison):
    """Velocities of joints, and the way and the growth of the body, to one token.

    Velocities are those since the frame that others are compared with (:class:`FrameComparison`),
    divided by its age; way and growth are those since the oldest frame that is kept, a few spans
    ago, and so, with ``video.slow_motion``, is how far each joint has come. What is missing in
    either frame does not move.
    """

    per_second: Tensor
    at_once: Tensor

    def __init__(self, config: ModelConfig) -> None:
        """Create the encoder of a network with ``video.key_points``."""
        super().__init__(config)
        joints = config.video.joints
        self.measures = OwnMeasures(joints)
        self.sees_slow = config.video.slow_motion
        # Scales of all features: those divided by an age, and those that are not.
        count = 2 * len(joints)
        slow = [SLOW] * count if self.sees_slow else []
        for name, scales in (
            ('per_second', [VELOCITY] * count + [SHIFT] * 2 + [0.0] * (3 + len(slow))),
            ('at_once', [0.0] * (count + 2) + [PATH] * 3 + slow),
        ):
            self.register_buffer(name, torch.tensor(scales), persistent=False)
        self.hidden = _hidden(len(self.at_once), config.video.width, config.dropout)
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
        """Return the work of one frame, whose body is measured already, and of two to compare."""
        return _work(self, 2 * self.measures.operations())

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
            bodies = self.measure(*(frames[row, at] for at in (place, then, before)))
            age_ns = stamps_ns[row, place] - stamps_ns[row, then]
            tokens.append(self.encode(*bodies, age_ns.to(self.dtype) / NANOSECONDS))
        return torch.cat(tokens)

    def compared(
        self,
        frames: Sequence[NDArray[Any]],
        stamps_ns: Sequence[int],
        states: Sequence[MotionState],
    ) -> tuple[list[NDArray[Any]], list[NDArray[Any]], list[int]]:
        """Return what the next frames are compared with, and remember them.

        Args:
            frames: N of them, float32 (J, 3), of any streams, those of one stream in order of
                arrival; they must not change afterwards.
            stamps_ns: N stamps.
            states: per frame the state of its stream.

        Returns:
            The N frames that each is compared with, the N oldest ones, and how much older than each
            the frame compared with is, nanoseconds.
        """
        then, before, ages_ns = [], [], []
        for points, stamp_ns, state in zip(frames, stamps_ns, states, strict=True):
            self.forget(stamp_ns, state)
            own = (stamp_ns, points)
            past_ns, past = _newest_before(state.frames, stamp_ns - self.span_ns) or own
            then.append(past)
            before.append((state.frames[0] if state.frames else own)[1])
            ages_ns.append(stamp_ns - past_ns)
            state.frames.append(own)
        return then, before, ages_ns

    def measure(self, points: Tensor, then: Tensor, before: Tensor) -> tuple[Body, Body]:
        """Measure all that :meth:`encode` takes at once, which takes a third of the operators.

        Args:
            points: of the frames, (N, J, 3).
            then: of the frames compared with, (N, J, 3).
            before: of the oldest frames, (N, J, 3).

        Returns:
            The bodies (N, 1, ...) of the frames, and those (N, 2, ...) of the other two.
        """
        joints = torch.cat((points, then, before), 1).to(self.dtype)
        bodies = self.measures(joints.unflatten(1, (3, -1)))
        now, others = zip(*(part.split((1, 2), 1) for part in bodies), strict=True)
        return Body(*now), Body(*others)

    def encode(self, now: Body, others: Body, age_s: Tensor) -> Tensor:
        """Encode how bodies differ from what they were.

        Args:
            now: (N, 1, ...).
            others: in the frames compared with and in the oldest ones, (N, 2, ...).
            age_s: (N,), of the frames compared with, seconds.

        Returns:
            (N, D).
        """
        moved = (now.joints - others.joints) * (now.seen * others.seen)
        alike = (now.has_hips == others.has_hips) & (now.somebody & others.somebody)
        comparable = alike.to(now.size.dtype)
        way = (now.middle - others.middle) / now.size * comparable
        growth = torch.log(now.size / others.size) * comparable
        speeds, slow = moved.split(1, 1)
        parts = [speeds, way, growth[:, 1:]]
        if self.sees_slow:
            parts.append(slow)
        age_s = age_s.clamp(min=LEAST_S).unsqueeze(-1)
        scales = self.per_second.to(age_s.dtype) / age_s + self.at_once.to(age_s.dtype)
        return _token(self.hidden, self.project, parts, scales)


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


def _token(
    hidden: nn.Module, project: nn.Linear, parts: Sequence[Tensor], scales: Tensor | None = None
) -> Tensor:
    """Return the token (N, D) of features (N, ...), multiplied by scales (N, F) if given."""
    features = torch.cat([part.flatten(1) for part in parts], dim=-1)
    if scales is not None:
        features = features * scales
    token: Tensor = project(hidden(features.clamp(-LIMIT, LIMIT).to(project.weight.dtype)))
    return token


def _work(encoder: nn.Module, measuring: int) -> Work:
    """Return the work of one frame: every weight of a matrix is used once.

    Args:
        encoder: of one frame.
        measuring: operations of the bodies' measures.
    """
    matrices = [weight.numel() for weight in encoder.parameters() if weight.dim() > 1]
    return Work(
        products=PER_MULTIPLY_ADD * sum(matrices) + measuring, weight_bytes=bytes_of(encoder)
    )


def _newest_before(
    frames: deque[tuple[int, NDArray[Any]]], latest_ns: int
) -> tuple[int, NDArray[Any]] | None:
    """Return the newest frame with a stamp up to ``latest_ns``."""
    return next((item for item in reversed(frames) if item[0] <= latest_ns), None)
