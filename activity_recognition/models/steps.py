"""The network cut into steps: functions of tensors alone, with the state passed in and out.

An engine calls them, a backend compiles or exports them. Together they compute what
``ActivityRecognitionSystem.forward`` does, one sample or decision at a time. What lies between them
is the caller's: which rows of the past are seen, how old they are, and keeping them.

The table of a network's steps (:func:`step_specs`) has those of its encoders and the decision's.

Shapes: B streams, N rows of the past, M modalities, H heads, D width, Q decisions, C activities. A
*row* is what later decisions need of a token: key, value and the token itself, (3, D).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from activity_recognition.models.encoders import encoder_type
from activity_recognition.models.step_spec import Draw, Sizes, StepInput, StepSpec
from activity_recognition.models.system import ActivityRecognitionSystem
from activity_recognition.types import Modality


class DecisionStep(nn.Module):
    """Decisions of each stream at one moment, from different parts of what is cached."""

    def __init__(self, system: ActivityRecognitionSystem) -> None:
        """Step with the weights of ``system``."""
        super().__init__()
        self.system = system

    def forward(self, newest: Tensor, *memories: Tensor) -> Tensor:
        """Decide.

        Args:
            newest: int64 (B, Q, M), of each modality the newest row seen, counted over the rows of
                all streams; -1 where none is.
            memories: of each modality in turn the rows (B, N, 3, D), their ages (B, N) in seconds,
                and which are seen, bool (B, Q, N).

        Returns:
            Raw logits (1 + M, B, Q, C): fused, and each modality's own, which mean nothing where it
            is absent.
        """
        fused = self.system.cross_attention.fuse_cached(
            newest, memories[::3], memories[1::3], memories[2::3]
        )
        return self.system.read_out(fused).unflatten(1, newest.shape[:2])


def step_specs(modalities: Sequence[Modality]) -> tuple[StepSpec, ...]:
    """Return the steps of a network with these modalities, in the order in which they run."""
    of_encoders = (spec for m in modalities for spec in encoder_type(m).steps())
    return (*of_encoders, _decision_spec(modalities))


class Steps(nn.Module):
    """All steps of one network by their names; the weights are the network's."""

    def __init__(self, system: ActivityRecognitionSystem) -> None:
        """Cut ``system`` into steps."""
        super().__init__()
        self.specs = tuple(spec.of(system) for spec in step_specs(system.modalities))
        for spec in self.specs:
            self.add_module(spec.name, spec.module(system))


def _decision_spec(modalities: Sequence[Modality]) -> StepSpec:
    memories = [
        StepInput(f'{modality}_{name}', free)
        for modality in modalities
        for name, free in (('rows', 2), ('age_s', 2), ('seen', 3))
    ]
    return StepSpec(
        name='decision',
        module=DecisionStep,
        inputs=(StepInput('newest', 2), *memories),
        outputs=('logits',),
        variadic_from=1,
        example=_decision_example,
    )


def _decision_example(
    system: ActivityRecognitionSystem, sizes: Sizes, draw: Draw
) -> tuple[Tensor, ...]:
    streams, rows, width = sizes.streams, sizes.rows, system.config.hidden_dim
    memories: list[Tensor] = []
    for window_s in system.windows_s.values():
        memories += (
            draw.normal(streams, rows, 3, width),
            draw.ages(window_s, streams, rows),
            draw.mask(streams, sizes.decisions, rows),
        )
    newest = draw.integers(rows + 1, streams, sizes.decisions, len(system.modalities)) - 1
    first = rows * torch.arange(streams, device=newest.device)[:, None, None]
    return torch.where(newest < 0, newest, newest + first), *memories
