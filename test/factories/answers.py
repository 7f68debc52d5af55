"""The network's answers to a trace, streamed and dense, in the network's own precision."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np
import torch
from torch import Tensor

from activity_recognition.config import EngineConfig, SmoothingConfig
from activity_recognition.inference.engine import StreamingEngine
from activity_recognition.inference.precision import host_type
from activity_recognition.inference.trace import dense_recording, to_batch
from activity_recognition.models.checkpoint import Checkpoint
from activity_recognition.models.system import ActivityRecognitionSystem
from activity_recognition.types import Decision, Status, Window


@dataclass(frozen=True)
class Answers:
    """Q decisions with data, C classes."""

    logits: Tensor
    """(Q, C), fused."""
    unimodal: Tensor
    """(Q, M, C) of M modalities, zero where absent."""
    present: np.ndarray
    """bool (Q, M)."""
    no_data: list[bool]
    """Of every decision, also those without data, whether it had none."""

    def on_host(self) -> Answers:
        """Return the same in the memory of the host."""
        return replace(self, logits=self.logits.cpu(), unimodal=self.unimodal.cpu())


@dataclass
class Recorder:
    """What the heads of a network put out, row 0 of every call."""

    unimodal: list[list[Tensor]]
    fused: list[Tensor] = field(default_factory=list)


@contextmanager
def recorded(system: ActivityRecognitionSystem) -> Iterator[Recorder]:
    """Record the heads' outputs: a Decision holds them in float32 alone."""
    recorder = Recorder([[] for _ in system.modalities])

    def into(rows: list[Tensor]):
        return lambda module, inputs, output: rows.append(output.flatten(0, -2)[0].detach().clone())

    def at_temperatures(module, inputs):
        for rows, heads in zip(recorder.unimodal, inputs[0], strict=True):
            rows.append(heads.flatten(0, -2)[0].detach().clone())

    decides = system.classifier if system.experts is None else system.experts
    handles = [decides.register_forward_hook(into(recorder.fused))]
    if system.experts is not None:
        handles.append(system.experts.register_forward_pre_hook(at_temperatures))
    else:
        for modality, rows in zip(system.modalities, recorder.unimodal, strict=True):
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
    # In half precision the network that runs is a copy.
    with recorded(engine.backend._steps.decision.system) as recorder:
        decisions = run(engine, windows)
    no_data = [d.status is Status.NO_DATA for d in decisions]
    present = np.array(
        [[e.present for e in d.evidence] for d in decisions if d.status is not Status.NO_DATA],
        dtype=bool,
    ).reshape(-1, len(checkpoint.system.modalities))
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
    """Return what ``forward`` over each segment between resets answers to the same trace."""
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
            dtype=host_type(dtype),
        ):
            output = system.forward_detailed(to_batch(arrays, device))
            logits.append(output.logits[0])
            unimodal.append(torch.stack([output.unimodal[m][0] for m in system.modalities], dim=1))
            present.append(torch.stack([output.present[m][0] for m in system.modalities], dim=1))
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


def largest_difference(found: Answers, expected: Answers) -> float:
    """Return by how much logits differ at most, fused and unimodal; 0 where there are none."""
    if not len(found.logits):
        return 0.0
    pairs = ((found.logits, expected.logits), (found.unimodal, expected.unimodal))
    return max(float((one - other).abs().max()) for one, other in pairs)


def assert_near(found: Answers, expected: Answers) -> float:
    """Compare what 8-bit weights give: near, and not the same; return how far probabilities differ.

    Where the best class leads clearly it stays the best.
    """
    assert found.no_data == expected.no_data
    np.testing.assert_array_equal(found.present, expected.present)
    ours, theirs = found.logits.softmax(-1), expected.logits.softmax(-1)
    difference = float((ours - theirs).abs().max())
    assert 1e-5 < difference < 0.1
    best_two = theirs.topk(2).values
    clear = best_two[:, 0] - best_two[:, 1] > 2 * difference
    assert clear.any()
    assert torch.equal(ours.argmax(-1)[clear], theirs.argmax(-1)[clear])
    return difference


def assert_same_decisions(
    found: Sequence[Decision], expected: Sequence[Decision], tolerance: float = 1e-6
) -> None:
    """Compare whole decisions: discrete parts and times exactly, numbers within a tolerance."""
    close = partial(np.testing.assert_allclose, rtol=tolerance)
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        for name in ('t_ns', 'arrival_ns', 'window_start_ns', 'stable_since_ns'):
            assert getattr(one, name) == getattr(other, name)
        for name in ('status', 'class_id', 'label'):
            assert getattr(one, name) == getattr(other, name)
        for name in ('logits', 'probabilities', 'confidence'):
            close(getattr(one, name), getattr(other, name), atol=tolerance)
        for ours, theirs in zip(one.evidence, other.evidence, strict=True):
            for name in ('modality', 'present', 'label'):
                assert getattr(ours, name) == getattr(theirs, name)
            # A weight is the difference of two probabilities.
            for name in ('age_s', 'confidence', 'weight'):
                close(getattr(ours, name), getattr(theirs, name), atol=2 * tolerance)


def _stack(rows: list[Tensor], none: Tensor) -> Tensor:
    """Stack rows; ``none`` where every decision was without data."""
    return torch.stack(rows) if rows else none


def _mask(unimodal: Tensor, present: np.ndarray) -> Tensor:
    there = torch.from_numpy(present).to(unimodal.device).unsqueeze(-1)
    return torch.where(there, unimodal, torch.zeros_like(unimodal))
