"""What a network decides over a whole recording, before and after smoothing, beside the truth.

Q decisions, C classes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from activity_recognition.config import SmoothingConfig
from activity_recognition.errors import NonFiniteError
from activity_recognition.models.smoothing import ActivitySmoothing
from activity_recognition.training.data.segments import LabelledSegment
from activity_recognition.training.data.targets import LabelTrack
from activity_recognition.training.evaluation.predict import Prediction
from activity_recognition.types import Modality

UNDECIDED = -1
"""Instead of a class: nothing was there to decide from, or the answer was UNKNOWN."""

Int64 = NDArray[np.int64]
Probabilities = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Answers:
    """What was decided."""

    classes: Int64
    """(Q,), UNDECIDED where none was."""
    probabilities: Probabilities
    """(Q, C), calibrated probabilities; zeros where there was nothing to believe anything from."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class SegmentResult:
    """The decisions of one recording between two resets."""

    stamps_ns: Int64
    """(Q,), what the decisions speak of."""
    targets: Int64
    """(Q,), true classes; negative where nothing is labelled, C or more where the label is one that
    the network does not know."""
    logits: NDArray[np.float64]
    """(Q, C), raw."""
    anything: NDArray[np.bool_]
    """(Q,), whether anything was visible."""
    present: dict[Modality, NDArray[np.bool_]]
    """(Q,), whether a modality was visible."""
    own: dict[Modality, Int64]
    """(Q,), classes that each modality's own head decided for; meaningless where it is absent."""
    own_logits: dict[Modality, NDArray[np.float32]]
    """(Q, C), raw, of the same."""
    decisions: Answers
    """Each for itself."""
    smoothed: Answers
    """As a node publishes them."""
    labels: LabelTrack

    @property
    def num_classes(self) -> int:
        """C."""
        return self.logits.shape[1]

    @property
    def truth(self) -> Int64:
        """(Q,), true classes that the network knows; UNDECIDED elsewhere."""
        known = (self.targets >= 0) & (self.targets < self.num_classes)
        return np.where(known, self.targets, UNDECIDED)

    @property
    def unknown(self) -> NDArray[np.bool_]:
        """(Q,), where the label is one that the network does not know."""
        return self.targets >= self.num_classes


def answer(
    prediction: Prediction,
    segment: LabelledSegment,
    *,
    temperature: float,
    smoothing: SmoothingConfig,
) -> SegmentResult:
    """Turn what the network predicted into decisions, as the node would.

    Args:
        prediction: of ``segment``.
        segment: where it comes from.
        temperature: logits are divided by it.
        smoothing: how answers are smoothed.

    Raises:
        NonFiniteError: the network's logits are NaN or infinite.
    """
    anything = prediction.anything
    _refuse_not_finite(prediction.logits[anything])
    probabilities: Probabilities = torch.softmax(prediction.logits / temperature, dim=-1).numpy()
    probabilities = np.where(anything[:, None], probabilities, np.float32(0.0))
    decided = np.where(anything, probabilities.argmax(-1), UNDECIDED)
    return SegmentResult(
        stamps_ns=prediction.stamps_ns,
        targets=prediction.targets,
        logits=prediction.logits.double().numpy(),
        anything=anything,
        present=prediction.present,
        own={m: logits.argmax(-1).numpy() for m, logits in prediction.unimodal.items()},
        own_logits={m: logits.numpy() for m, logits in prediction.unimodal.items()},
        decisions=Answers(classes=decided, probabilities=probabilities),
        smoothed=smooth(probabilities, anything, prediction.stamps_ns, smoothing),
        labels=segment.labels,
    )


def _refuse_not_finite(logits: torch.Tensor) -> None:
    finite = torch.isfinite(logits).all(-1)
    if not bool(finite.all()):
        raise NonFiniteError(
            f'expected finite numbers from the network, got NaN or infinity in '
            f'{int((~finite).sum())} of {len(finite)} decisions; its weights overflow: set '
            'precision to bf16 or fp32 if this was fp16, else train again'
        )


def smooth(
    probabilities: Probabilities,
    anything: NDArray[np.bool_],
    stamps_ns: Int64,
    config: SmoothingConfig,
) -> Answers:
    """Return what a node would publish: UNDECIDED when UNKNOWN or without data.

    Args:
        probabilities: (Q, C).
        anything: (Q,), whether anything was visible.
        stamps_ns: (Q,).
        config: how answers are smoothed.
    """
    smoothing = ActivitySmoothing(config=config)
    state = smoothing.new_state()
    answers = [
        smoothing.step(row, t_ns, state)
        if there
        else smoothing.no_data(t_ns, probabilities.shape[1], state)
        for row, t_ns, there in zip(probabilities, stamps_ns.tolist(), anything, strict=True)
    ]
    return Answers(
        classes=np.array([a.class_id for a in answers], dtype=np.int64),
        probabilities=np.array([a.probabilities for a in answers], np.float32).reshape(
            probabilities.shape
        ),
    )
