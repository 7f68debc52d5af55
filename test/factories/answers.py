"""The network's answers to a trace, streamed and dense, in the network's own precision."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from activity_recognition.config import EngineConfig, SmoothingConfig
from activity_recognition.inference.engine import StreamingEngine
from activity_recognition.inference.trace import dense_recording, to_batch
from activity_recognition.models.checkpoint import Checkpoint
from activity_recognition.models.system import ActivityRecognitionSystem
from activity_recognition.types import MODALITIES, Decision, Status, Window


@dataclass(frozen=True)
class Answers:
    """Q decisions with data, C classes."""

    logits: Tensor
    """(Q, C), fused."""
    unimodal: Tensor
    """(Q, 3, C), zero where absent."""
    present: np.ndarray
    """bool (Q, 3)."""
    no_data: list[bool]
    """Of every decision, also those without data, whether it had none."""


@dataclass
class Recorder:
    """What the heads of a network put out, row 0 of every call."""

    fused: list[Tensor] = field(default_factory=list)
    unimodal: list[list[Tensor]] = field(default_factory=lambda: [[] for _ in MODALITIES])


@contextmanager
def recorded(system: ActivityRecognitionSystem) -> Iterator[Recorder]:
    """Record the heads' outputs: a Decision holds them in float32 alone."""
    recorder = Recorder()

    def into(rows: list[Tensor]):
        return lambda module, inputs, output: rows.append(output.flatten(0, -2)[0].detach().clone())

    handles = [system.classifier.register_forward_hook(into(recorder.fused))]
    for modality, rows in zip(MODALITIES, recorder.unimodal, strict=True):
        head = system.unimodal_heads[modality.value]
        handles.append(head.register_forward_hook(into(rows)))
    try:
        yield recorder
    finally:
        for handle in handles:
            handle.remove()


def run(engine: StreamingEngine, windows: Sequence[Window]) -> list[Decision]:
    """Apply windows and return the decisions."""
    decisions = [engine.apply(window) for window in windows]
    return [decision for decision in decisions if decision is not None]


def streamed(
    checkpoint: Checkpoint,
    windows: Sequence[Window],
    *,
    precision: str = 'fp32',
    device: str = 'cpu',
    evidence_every: int = 3,
) -> tuple[Answers, list[Decision]]:
    """Return what a fresh streaming engine answers to a trace."""
    engine = StreamingEngine(
        checkpoint,
        engine=EngineConfig(
            device=device, backend='torch', precision=precision, evidence_every=evidence_every
        ),
        smoothing=SmoothingConfig(),
    )
    with recorded(checkpoint.system) as recorder:
        decisions = run(engine, windows)
    no_data = [d.status is Status.NO_DATA for d in decisions]
    present = np.array(
        [[e.present for e in d.evidence] for d in decisions if d.status is not Status.NO_DATA],
        dtype=bool,
    ).reshape(-1, len(MODALITIES))
    none = checkpoint.system.classifier.weight.new_zeros(0, len(checkpoint.config.labels))
    unimodal = torch.stack([_stack(rows, none) for rows in recorder.unimodal], dim=1)
    return Answers(_stack(recorder.fused, none), _mask(unimodal, present), present, no_data), (
        decisions
    )


def dense(
    checkpoint: Checkpoint,
    windows: Sequence[Window],
    *,
    precision: str = 'fp32',
    device: str = 'cpu',
) -> Answers:
    """Return what ``forward`` over each stretch between resets answers to the same trace."""
    system = checkpoint.system.to(device)
    dtype = system.classifier.weight.dtype
    logits, unimodal, present = [], [], []
    enabled = precision != 'fp32'
    autocast = torch.autocast(device, dtype=torch.bfloat16, enabled=enabled)
    with torch.inference_mode(), autocast:
        for arrays in dense_recording(
            windows,
            checkpoint.config,
            checkpoint.tokenizer,
            dtype=np.float64 if dtype is torch.float64 else np.float32,
        ):
            output = system.forward_detailed(to_batch(arrays, device))
            logits.append(output.logits[0])
            unimodal.append(torch.stack([output.unimodal[m][0] for m in MODALITIES], dim=1))
            present.append(torch.stack([output.present[m][0] for m in MODALITIES], dim=1))
    seen = torch.cat(present).cpu().numpy()
    there = seen.any(axis=1)
    return Answers(
        torch.cat(logits)[there],
        _mask(torch.cat(unimodal)[there], seen[there]),
        seen[there],
        [not value for value in there.tolist()],
    )


def assert_equal(found: Answers, expected: Answers, tolerance: float) -> None:
    """Compare all numbers with ``tolerance``, absolute and relative, and presence exactly."""
    assert found.no_data == expected.no_data
    np.testing.assert_array_equal(found.present, expected.present)
    torch.testing.assert_close(found.logits, expected.logits, atol=tolerance, rtol=tolerance)
    torch.testing.assert_close(found.unimodal, expected.unimodal, atol=tolerance, rtol=tolerance)


def _stack(rows: list[Tensor], none: Tensor) -> Tensor:
    """Stack rows; ``none`` where every decision was without data."""
    return torch.stack(rows) if rows else none


def _mask(unimodal: Tensor, present: np.ndarray) -> Tensor:
    there = torch.from_numpy(present).to(unimodal.device).unsqueeze(-1)
    return torch.where(there, unimodal, torch.zeros_like(unimodal))
