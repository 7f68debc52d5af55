"""Vectors of whole recordings by frozen networks: what a baseline classifies beside one of ours.

Of YAMNet's embeddings mean, deviation and range over the recording, of MiniLM's the mean over its
utterances; joints and inertial measurements as in :mod:`clip_features`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
from clip_features import ClipFeatures, Vector, features_of

from activity_recognition.bags import RecordingReader
from activity_recognition.config import ModelConfig
from activity_recognition.config_io import load_model_config
from activity_recognition.front_ends.yamnet import PATCH_SAMPLES, SAMPLE_RATE_HZ, Yamnet
from activity_recognition.models.pretrained import load_backbones, read_tokenizer, with_backbones
from activity_recognition.models.prototypes import embed_sentences
from activity_recognition.models.system import ActivityRecognitionSystem
from activity_recognition.models.tokenizer import TextTokenizer
from activity_recognition.recorded import DEFAULTS, RecordedConfig
from activity_recognition.sensors import DecoderSettings
from activity_recognition.types import ALL_MODALITIES, AudioChunk, Sample, Utterance

HOP_SAMPLES = round(0.48 * SAMPLE_RATE_HZ)
SENTENCES = 'sentences'
"""The sense of words, as a vector."""


def read_frozen_features(recording: Path, recorded: RecordedConfig = DEFAULTS) -> ClipFeatures:
    """Return the features of a recording.

    Args:
        recording: rosbag2 folder or bag file, with sound of 16 kHz.
        recorded: which topics are used, and what they mean.

    Raises:
        RecordingError: it is damaged, or a topic has to be named.
        WeightsError: YAMNet or MiniLM is not on this machine.
    """
    settings = DecoderSettings(model=ModelConfig())
    with RecordingReader.of(recording, recorded, settings, needed=ALL_MODALITIES) as reader:
        return frozen_features_of(reader.samples())


def frozen_features_of(samples: Iterable[Sample]) -> ClipFeatures:
    """Return the features of samples.

    Args:
        samples: in the order of their arrival.
    """
    every = list(samples)
    chunks = [sample for sample in every if isinstance(sample, AudioChunk)]
    texts = [sample.text for sample in every if isinstance(sample, Utterance)]
    known = features_of(sample for sample in every if not isinstance(sample, AudioChunk))
    vectors = dict(known.vectors)
    if (sound := _sound(chunks)) is not None:
        vectors['audio'] = sound
    if texts:
        encoder, tokenizer = _sentences()
        vectors[SENTENCES] = embed_sentences(encoder.text_encoder, tokenizer, texts).mean(0)
    return replace(known, vectors=vectors, words='')


def _sound(chunks: Sequence[AudioChunk]) -> Vector | None:
    """Return mean, deviation and range of the embeddings; None without a whole patch."""
    samples = np.concatenate([chunk.samples for chunk in chunks]) if chunks else np.empty(0)
    starts = range(0, len(samples) - PATCH_SAMPLES + 1, HOP_SAMPLES)
    if not starts:
        return None
    heard = _yamnet()
    found = np.stack(
        [heard.hear(samples[begin : begin + PATCH_SAMPLES]).embedding for begin in starts]
    ).astype(np.float64)
    return np.concatenate([found.mean(0), found.std(0), np.ptp(found, axis=0)])


@cache
def _yamnet() -> Yamnet:
    return Yamnet()


@cache
def _sentences() -> tuple[ActivityRecognitionSystem, TextTokenizer]:
    model = with_backbones(replace(load_model_config('described'), modalities=('text',)))
    system = ActivityRecognitionSystem(model).eval()
    load_backbones(system)
    return system, read_tokenizer(model.text)
