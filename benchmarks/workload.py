"""The input that the benchmarks share: networks with random weights, and realistic streams."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from activity_recognition.config import EngineConfig, ModelConfig
from activity_recognition.config_io import load_model_config
from activity_recognition.errors import BackendError
from activity_recognition.inference import StreamingEngine
from activity_recognition.inference.backends.choice import exported
from activity_recognition.models.checkpoint import Checkpoint
from activity_recognition.models.exporting import cache_folder, export_steps
from activity_recognition.models.quantising import QUANTISED, quantise_steps
from activity_recognition.models.system import ActivityRecognitionSystem
from activity_recognition.models.tokenizer import train_tokenizer
from activity_recognition.simulation import ACTIVITIES
from activity_recognition.types import (
    AudioChunk,
    DecisionTime,
    Frame,
    Sample,
    Utterance,
    Window,
    to_ns,
)

START_NS = 1_700_000_000_000_000_000
AUDIO_CHUNK_S = 0.064
UTTERANCE_PERIOD_S = 4.0
SENTENCES = ('could you bring me the cup please', 'hello robot', 'the kettle is on again')
_IMAGES = 8
"""Different images that are shown in turn."""


class UnavailableError(Exception):
    """What is to be measured does not work here; the text says why."""


def random_checkpoint(preset: str, *, seed: int = 0) -> Checkpoint:
    """Return a preset's network with random weights, in no folder."""
    config = load_model_config(preset, labels=tuple(ACTIVITIES))
    torch.manual_seed(seed)
    system = ActivityRecognitionSystem(config).eval()
    with torch.no_grad():
        for name, parameter in system.named_parameters():
            if name.endswith('table'):  # functions of age begin as zeros, which is not their way
                parameter.normal_(0.0, 1.0)
    return Checkpoint(
        path=Path(preset),
        id=f'random-{seed}',
        config=config,
        system=system,
        tokenizer=train_tokenizer(
            SENTENCES, vocab_size=config.text.vocab_size, max_length=config.text.max_length
        ),
        temperature=1.0,
        metrics={},
    )


def make_engine(
    checkpoint: Checkpoint, *, threads: int, backend: str = 'auto', precision: str = 'fp32'
) -> StreamingEngine:
    """Return a warm engine on the CPU, otherwise with the settings that the node has by default.

    What the backend needs is exported first, to this machine's cache, where it is not there yet.

    Raises:
        UnavailableError: the backend does not work here.
    """
    if backend not in ('torch', 'compile'):
        ensure_exported(checkpoint, int8=backend.endswith('int8'))
    engine = StreamingEngine(
        checkpoint,
        engine=EngineConfig(
            device='cpu', num_threads=threads, backend=backend, precision=precision
        ),
    )
    if engine.choice.problem:
        raise UnavailableError(engine.choice.problem)
    engine.warm_up()
    return engine


def ensure_exported(checkpoint: Checkpoint, *, int8: bool = False) -> None:
    """Export the network's steps to this machine's cache where they are not there yet."""
    try:
        folder = exported(checkpoint)
    except BackendError:
        folder = cache_folder(checkpoint.system)
        print(f'exporting {checkpoint.path.name} to ONNX …', file=sys.stderr, flush=True)
        export_steps(checkpoint.system, folder, checkpoint=checkpoint.id)
    if int8 and not (folder / QUANTISED).is_dir():
        quantise_steps(folder)


def stream(
    config: ModelConfig,
    *,
    frame_rate_hz: float,
    width: int,
    height: int,
    seed: int,
    start_ns: int = START_NS,
) -> Iterator[Window]:
    """Yield one window per frame, for ever: the frame, the sound and the words since the last one.

    Every frame decides. Sound comes in chunks of 64 ms, words every few seconds.
    """
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 256, (_IMAGES, height, width, 3), dtype=np.uint8)
    rate_hz = config.audio.sample_rate_hz
    sound = (rng.standard_normal(rate_hz) * 0.1).astype(np.float32)
    chunk_size = round(AUDIO_CHUNK_S * rate_hz)
    heard, said, index = 0, 0, 0
    while True:
        stamp_ns = start_ns + to_ns(index / frame_rate_hz)
        samples: list[Sample] = []
        while start_ns + to_ns((heard + chunk_size) / rate_hz) <= stamp_ns:
            samples.append(_chunk(sound, heard, chunk_size, rate_hz, start_ns))
            heard += chunk_size
        while start_ns + to_ns((said + 1) * UTTERANCE_PERIOD_S) <= stamp_ns:
            said += 1
            text = SENTENCES[said % len(SENTENCES)]
            samples.append(Utterance(stamp_ns=stamp_ns, arrival_ns=stamp_ns, text=text))
        image = images[index % _IMAGES]
        samples.append(Frame(stamp_ns=stamp_ns, arrival_ns=stamp_ns, image=image))
        decision = DecisionTime(t_ns=stamp_ns, arrival_ns=stamp_ns)
        yield Window(samples=tuple(samples), decision=decision)
        index += 1


def _chunk(
    sound: NDArray[np.float32], first: int, size: int, rate_hz: int, start_ns: int
) -> AudioChunk:
    """Return ``size`` samples from ``first`` on of a sound that is repeated for ever."""
    samples = np.take(sound, np.arange(first, first + size), mode='wrap')
    return AudioChunk(
        stamp_ns=start_ns + to_ns(first / rate_hz),
        arrival_ns=start_ns + to_ns((first + size) / rate_hz),
        samples=samples,
        sample_rate_hz=rate_hz,
    )


def step_through(engine: StreamingEngine, windows: Iterator[Window]) -> None:
    """Apply the next window; it must end in a decision of finite numbers."""
    decision = engine.apply(next(windows))
    if decision is None or not np.isfinite(decision.logits).all():
        raise RuntimeError('the engine gave no finite decision: the time measured means nothing')


def fill(engine: StreamingEngine, windows: Iterator[Window], count: int) -> None:
    """Let the engine see ``count`` windows, so that its rings are as full as they get."""
    for _ in range(count):
        step_through(engine, windows)
