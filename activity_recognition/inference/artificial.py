"""An artificial stream like a robot's, and an untrained network for it: what costs are measured on.

Neither weights nor what is seen and heard change what a step costs.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from activity_recognition.config import AudioConfig, ModelConfig
from activity_recognition.config_io import load_model_config
from activity_recognition.models.checkpoint import Checkpoint
from activity_recognition.models.system import ActivityRecognitionSystem
from activity_recognition.models.tokenizer import train_tokenizer
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
CHUNK_S = 0.064
"""Sound of one message: 1024 samples at 16 kHz, as common drivers send them."""
UTTERANCE_PERIOD_S = 4.0
SENTENCES = ('could you bring me the cup please', 'hello robot', 'the kettle is on again')
_IMAGES = 4
"""Different images that are shown in turn."""
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


def chunk_samples(audio: AudioConfig) -> int:
    """Return the samples of one message of sound."""
    return round(CHUNK_S * audio.sample_rate_hz)


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
    """Yield one window per frame, for ever: the sound and the words since the last one, the frame.

    Every frame decides.

    Args:
        config: its sample rate is that of the sound.
        frame_rate_hz: of the camera.
        width_px: of the camera's images.
        height_px: of the camera's images.
        utterance_period_s: time between the ends of two utterances.
        seed: of pixels and sound.
        start_ns: stamp of the first frame.
    """
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 256, (_IMAGES, height_px, width_px, 3), dtype=np.uint8)
    sound = _Sound(config.audio, rng, start_ns)
    said = index = 0
    while True:
        now_ns = start_ns + to_ns(index / frame_rate_hz)
        samples: list[Sample] = list(sound.until(now_ns))
        while start_ns + to_ns((said + 1) * utterance_period_s) <= now_ns:
            said += 1
            text = SENTENCES[said % len(SENTENCES)]
            samples.append(Utterance(stamp_ns=now_ns, arrival_ns=now_ns, text=text))
        image = images[index % _IMAGES]
        samples.append(Frame(stamp_ns=now_ns, arrival_ns=now_ns, image=image))
        decision = DecisionTime(t_ns=now_ns, arrival_ns=now_ns)
        yield Window(samples=tuple(samples), decision=decision)
        index += 1


class _Sound:
    """A second of noise that is repeated for ever, message by message."""

    def __init__(self, audio: AudioConfig, rng: np.random.Generator, start_ns: int) -> None:
        self._rate_hz = audio.sample_rate_hz
        self._size = chunk_samples(audio)
        noise = rng.standard_normal(self._rate_hz) * 0.1
        # Every message is one slice, also where the noise begins again.
        self._noise: NDArray[np.float32] = np.resize(
            noise.astype(np.float32), self._rate_hz + self._size
        )
        self._start_ns = start_ns
        self._heard = 0

    def until(self, now_ns: int) -> Iterator[AudioChunk]:
        """Yield the messages that are complete."""
        while (end_ns := self._at(self._heard + self._size)) <= now_ns:
            first = self._heard % self._rate_hz
            yield AudioChunk(
                stamp_ns=self._at(self._heard),
                arrival_ns=end_ns,
                samples=self._noise[first : first + self._size],
                sample_rate_hz=self._rate_hz,
            )
            self._heard += self._size

    def _at(self, sample: int) -> int:
        return self._start_ns + to_ns(sample / self._rate_hz)
