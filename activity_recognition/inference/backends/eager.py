"""PyTorch as it is: every device, precision and network; what the other backends are held to."""

from __future__ import annotations

from torch import Tensor

from activity_recognition.models.steps import Steps


class EagerBackend:
    """Calls the steps as they are written."""

    name = 'torch'
    fixed = False

    def __init__(self, steps: Steps) -> None:
        """Run ``steps``."""
        self._steps = steps

    def frame(self, images: Tensor) -> Tensor:
        """Do :class:`FrameStep`."""
        tokens: Tensor = self._steps.frame(images)
        return tokens

    def look_back(
        self, tokens: Tensor, past: Tensor, age_s: Tensor, seen: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Do :class:`LookBackStep`."""
        rows, own = self._steps.look_back(tokens, past, age_s, seen)
        return rows, own

    def sound(self, blocks: Tensor, past: Tensor) -> tuple[Tensor, Tensor]:
        """Do :class:`SoundStep`."""
        rows, after = self._steps.sound(blocks, past)
        return rows, after

    def utterance(self, pieces: Tensor, there: Tensor) -> Tensor:
        """Do :class:`UtteranceStep`."""
        rows: Tensor = self._steps.utterance(pieces, there)
        return rows

    def decision(self, newest: Tensor, *memories: Tensor) -> Tensor:
        """Do :class:`DecisionStep`."""
        logits: Tensor = self._steps.decision(newest, *memories)
        return logits
