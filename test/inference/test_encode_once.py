"""The engine's work per sample: every sample is encoded once, and no step grows with the past."""

from collections import Counter
from contextlib import contextmanager

import pytest
import torch

from activity_recognition.config import EngineConfig, SyncConfig
from activity_recognition.inference.engine import StreamingEngine
from activity_recognition.inference.trace import dense_recording
from activity_recognition.streams import windows
from activity_recognition.types import Frame, Utterance
from factories.lanes import kept_tensors
from factories.networks import WRAPPING, make_checkpoint
from factories.streams import Scene, samples

SCENE = Scene(seed=8, duration_s=4.0, frame_rate_hz=8.0, chunks=(800,), utterances=8)


@pytest.fixture(scope='module')
def checkpoint():
    return make_checkpoint(WRAPPING)


@pytest.fixture(scope='module')
def trace():
    return list(windows(samples(SCENE), SyncConfig(decision_rate_hz=0.0)))


@contextmanager
def watched(modules, see):
    """Call ``see(name, inputs, output)`` at every call of the named modules."""
    handles = [
        module.register_forward_hook(lambda _, inputs, output, name=name: see(name, inputs, output))
        for name, module in modules
    ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def test_every_sample_is_encoded_once(checkpoint, trace):
    system = checkpoint.system
    (arrays,) = dense_recording(trace, WRAPPING, checkpoint.tokenizer)
    taken = [sample for window in trace for sample in window.samples]
    done = Counter()

    def see(name, inputs, output):
        done[name] += inputs[0].shape[2] if name == 'columns' else inputs[0].shape[0]

    parts = {
        'frames': system.video_encoder.frame_encoder,
        'columns': system.audio_encoder.convs[0],
        'utterances': system.text_encoder,
        'dense video': system.video_encoder,
        'dense audio': system.audio_encoder,
    }
    with watched(parts.items(), see):
        engine = StreamingEngine(checkpoint, engine=EngineConfig(device='cpu', backend='torch'))
        for window in trace:
            engine.apply(window)
    assert done == {
        'frames': sum(isinstance(sample, Frame) for sample in taken),
        'utterances': sum(isinstance(sample, Utterance) for sample in taken),
        'columns': arrays['spectrograms'].shape[0] * arrays['spectrograms'].shape[1],
    }


def shapes_of(value):
    if isinstance(value, torch.Tensor):
        return (tuple(value.shape),)
    if isinstance(value, (list, tuple)):
        return tuple(shape for item in value for shape in shapes_of(item))
    return ()


def test_once_the_rings_are_full_a_step_never_changes_size(checkpoint, trace):
    """Cost and memory per step are constant, whatever came before."""
    shapes = set()

    def see(name, inputs, output):
        shapes.add((name, shapes_of(inputs), shapes_of(output)))

    engine = StreamingEngine(
        checkpoint, engine=EngineConfig(device='cpu', backend='torch', evidence_every=0)
    )
    steps = [
        window for window in trace if not any(isinstance(s, Utterance) for s in window.samples)
    ]
    half = len(steps) // 2
    for window in trace:  # fills all rings, with text, too
        engine.apply(window)
    counts = []
    with watched(checkpoint.system.named_modules(), see):
        for part in (steps[:half], steps[half:]):
            for window in part:
                engine.apply(window)
            counts.append(len(shapes))
    assert counts[0] == counts[1] > 0
    fused = {found for name, found, _ in shapes if name == 'classifier'}
    assert fused == {((1, 3 * WRAPPING.hidden_dim),)}


def test_tensors_kept_between_samples_keep_their_memory(checkpoint, trace):
    engine = StreamingEngine(checkpoint, engine=EngineConfig(device='cpu', backend='torch'))
    engine.apply(trace[0])
    before = [tensor.data_ptr() for tensor in kept_tensors(engine)]
    for window in trace[1:]:
        engine.apply(window)
    engine.reset()
    after = [tensor.data_ptr() for tensor in kept_tensors(engine)]
    assert after == before
