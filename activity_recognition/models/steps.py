"""The network cut into steps: functions of tensors alone, with the state passed in and out.

An engine calls them, a backend compiles or exports them. Together they compute what
``ActivityRecognitionSystem.forward`` does, one sample or decision at a time. What lies between them
is the caller's: which rows of the past are seen, how old they are, and keeping them.

Shapes: B streams, S image side, N rows of the past, A audio blocks, K columns, M mels, X numbers of
sound's past, L word pieces, T temporal blocks, H heads, D width, Q decisions, C activities. A *row*
is what later decisions need of a token: key, value and the token itself, (3, D).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from activity_recognition.models.system import ActivityRecognitionSystem
from activity_recognition.types import Modality

VIEW_ROWS = 16
"""A view of the past has a multiple of so many rows, so that few shapes occur: what plans memory or
kernels by shape plans them seldom."""


def viewed_rows(needed: int, capacity: int) -> int:
    """Return how many rows of the past a step computes with, from how many it may see.

    There is room for twice ``capacity``, of which a view is a part.
    """
    return min(-(-max(needed, 1) // VIEW_ROWS) * VIEW_ROWS, 2 * capacity)


class FrameStep(nn.Module):
    """Images by themselves."""

    def __init__(self, system: ActivityRecognitionSystem) -> None:
        """Step with the weights of ``system``."""
        super().__init__()
        self.encoder = system.video_encoder.frame_encoder

    def forward(self, images: Tensor) -> Tensor:
        """Encode uint8 images (B, S, S, 3) to tokens (B, D)."""
        tokens: Tensor = self.encoder(images)
        return tokens


class LookBackStep(nn.Module):
    """One frame of each stream looks at those before it."""

    def __init__(self, system: ActivityRecognitionSystem) -> None:
        """Step with the weights of ``system``."""
        super().__init__()
        self.video, self.fusion = system.video_encoder, system.cross_attention

    def forward(
        self, tokens: Tensor, past: Tensor, age_s: Tensor, seen: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Look back.

        Args:
            tokens: (B, D), from :class:`FrameStep`.
            past: (B, N, T, 2, D), what earlier calls returned.
            age_s: (B, N), how much older than the frame each of them is, seconds.
            seen: bool (B, N), which of them lie in the window.

        Returns:
            Rows (B, 3, D), and what to pass as one of the past from now on (B, T, 2, D).
        """
        looked, own = self.video.look_back(tokens, past, age_s, seen)
        return self.fusion.memorise(Modality.VIDEO, looked), own


class SoundStep(nn.Module):
    """The next blocks of sound."""

    def __init__(self, system: ActivityRecognitionSystem) -> None:
        """Step with the weights of ``system``."""
        super().__init__()
        self.audio, self.fusion = system.audio_encoder, system.cross_attention

    def forward(self, blocks: Tensor, past: Tensor) -> tuple[Tensor, Tensor]:
        """Encode log-mel blocks.

        Args:
            blocks: (B, A, K, M), any A >= 1.
            past: (B, X), what the last call returned; see :class:`AudioCNN`.

        Returns:
            Rows (B, A, 3, D), and the past of the next call (B, X).
        """
        heard, after = self.audio.advance(blocks, past)
        return self.fusion.memorise(Modality.AUDIO, heard), after


class UtteranceStep(nn.Module):
    """Utterances by themselves."""

    def __init__(self, system: ActivityRecognitionSystem) -> None:
        """Step with the weights of ``system``."""
        super().__init__()
        self.text, self.fusion = system.text_encoder, system.cross_attention

    def forward(self, pieces: Tensor, there: Tensor) -> Tensor:
        """Encode word-piece ids, int64 (B, L), where ``there``, bool (B, L), to rows (B, 3, D)."""
        read = self.text(pieces.unsqueeze(1), there.unsqueeze(1)).squeeze(1)
        return self.fusion.memorise(Modality.TEXT, read)


class DecisionStep(nn.Module):
    """Decisions of each stream at one moment, from different parts of what is remembered."""

    def __init__(self, system: ActivityRecognitionSystem) -> None:
        """Step with the weights of ``system``."""
        super().__init__()
        self.system = system

    def forward(self, newest: Tensor, *memories: Tensor) -> Tensor:
        """Decide.

        Args:
            newest: int64 (B, Q, 3), of each modality the newest row seen, counted over the rows of
                all streams; -1 where none is.
            memories: of video, audio and text in turn the rows (B, N, 3, D), their ages (B, N) in
                seconds, and which are seen, bool (B, Q, N).

        Returns:
            Raw logits (4, B, Q, C): fused, and each modality's own, which mean nothing where it is
            absent.
        """
        fused, states = self.system.cross_attention.recall(
            newest, memories[::3], memories[1::3], memories[2::3]
        )
        answers = torch.stack(self.system.read_out(fused, states))
        return answers.unflatten(1, newest.shape[:2])


class Steps(nn.Module):
    """All steps of one network; the weights are the network's."""

    def __init__(self, system: ActivityRecognitionSystem) -> None:
        """Cut ``system`` into steps."""
        super().__init__()
        self.frame = FrameStep(system)
        self.look_back = LookBackStep(system)
        self.sound = SoundStep(system)
        self.utterance = UtteranceStep(system)
        self.decision = DecisionStep(system)


STEPS = ('frame', 'look_back', 'sound', 'utterance', 'decision')
"""Names of the steps."""
