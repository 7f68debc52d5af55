"""An artificial stream like a robot's, and an untrained network for it: what costs are measured on.

Neither weights nor the contents of samples change what a step costs.
"""

from __future__ import annotations

from collections.abc import Iterator
from heapq import merge
from itertools import count
from operator import attrgetter
from pathlib import Path

import torch

from activity_recognition.config import ModelConfig
from activity_recognition.config_io import load_model_config
from activity_recognition.inference.lanes import lane_type
from activity_recognition.inference.lanes.artificial import START_NS, UTTERANCE_PERIOD_S, Scene
from activity_recognition.inference.lanes.text import SENTENCES
from activity_recognition.modalities import SPEC, modalities_of
from activity_recognition.models.checkpoint import Checkpoint
from activity_recognition.models.system import ActivityRecognitionSystem
from activity_recognition.models.tokenizer import train_tokenizer
from activity_recognition.types import DecisionTime, Sample, Window

_NUM_CLASSES = 12


def untrained_checkpoint(preset: str, *, seed: int = 0) -> Checkpoint:
    """Return a preset's network with random weights, in no folder.

    Args:
        preset: name of a file in config/models, or path of a YAML file.
        seed: of the weights.

    Raises:
        ConfigError: no such preset, or one whose pretrained encoders are not read yet.
    """
    labels = ('none', *(f'activity {number}' for number in range(1, _NUM_CLASSES)))
    config = load_model_config(preset, labels=labels)
    torch.manual_seed(seed)
    system = ActivityRecognitionSystem(config).eval()
    with torch.no_grad():
        for name, parameter in system.named_parameters():
            if name.endswith('table'):  # functions of age begin as zeros
                parameter.normal_()
    tokenizer = train_tokenizer(
        SENTENCES, vocab_size=config.text.vocab_size, max_length=config.text.max_length
    )
    return Checkpoint(
        path=Path(preset),
        id=f'untrained-{seed}',
        config=config,
        system=system,
        tokenizer=tokenizer,
        temperature=1.0,
        metrics={},
    )


def artificial_stream(
    config: ModelConfig,
    *,
    frame_rate_hz: float,
    width_px: int = 640,
    height_px: int = 480,
    utterance_period_s: float = UTTERANCE_PERIOD_S,
    seed: int = 0,
    start_ns: int = START_NS,
) -> Iterator[Window]:
    """Yield one window per frame, for ever: what came since the last one, then the frame.

    Every frame decides. Networks without video decide at the same rate.

    Args:
        config: of the network, whose modalities the stream has.
        frame_rate_hz: of the camera.
        width_px: of the camera's images.
        height_px: of the camera's images.
        utterance_period_s: time between the ends of two utterances.
        seed: of all content.
        start_ns: stamp of the first frame.
    """
    scene = Scene(
        frame_rate_hz=frame_rate_hz,
        width_px=width_px,
        height_px=height_px,
        utterance_period_s=utterance_period_s,
        seed=seed,
        start_ns=start_ns,
    )
    # Of samples that arrive at once, what decisions wait for comes last.
    order = sorted(modalities_of(config), key=lambda m: SPEC[m].triggers_decisions)
    streams = [lane_type(modality).artificial(config, scene) for modality in order]
    samples: Iterator[Sample] = merge(*streams, key=attrgetter('arrival_ns'))
    coming = next(samples, None)
    for index in count():
        now_ns = scene.after(index / frame_rate_hz)
        arrived: list[Sample] = []
        while coming is not None and coming.arrival_ns <= now_ns:
            arrived.append(coming)
            coming = next(samples, None)
        decision = DecisionTime(t_ns=now_ns, arrival_ns=now_ns)
        yield Window(samples=tuple(arrived), decision=decision)
