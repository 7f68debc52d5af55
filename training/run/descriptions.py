"""Words and sounds begin from what is written of the activities, not from random weights."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from activity_recognition.activities import Activity, described_by
from activity_recognition.config import ModelConfig
from activity_recognition.errors import ConfigError, quoted
from activity_recognition.front_ends.yamnet import CLASS_MAP, Yamnet
from activity_recognition.frozen_networks import demand_networks, networks_to_begin_with
from activity_recognition.models.prototypes import (
    WordPrototypes,
    begin_with_sounds,
    begin_with_words,
    embed_sentences,
    fit_prototypes,
)
from activity_recognition.models.system import ActivityRecognitionSystem
from activity_recognition.models.tokenizer import TextTokenizer


def demand_described(path: Path, model: ModelConfig) -> None:
    """Make sure that all networks that a description needs are here, the names of sounds too.

    Args:
        path: a file of activities.
        model: of the network that is to begin from it.

    Raises:
        ConfigError: the file cannot be read.
        WeightsError, MissingExtraError: networks are not on this machine; they are all named.
    """
    by = described_by(path)
    hears = 'sounds' in by and 'audio' in model.modalities and model.audio.backbone
    heard = [dataclasses.replace(model, modalities=('audio',))] if hears else []
    names = [CLASS_MAP] if 'names' in by else []
    spoken = networks_to_begin_with(model) if 'words' in by else ()
    demand_networks(*heard, others=(*names, *spoken))


def refuse_undescribed(activities: Sequence[Activity], model: ModelConfig) -> None:
    """Make sure that a network can begin from what is written.

    Args:
        activities: what is written.
        model: of the network.

    Raises:
        ConfigError: the network has neither a pretrained text encoder for their words, nor one that
            knows their sounds.
    """
    if not (_speaks(activities, model) or _sounds(activities, model)):
        raise ConfigError(
            'activities: expected a network with text.backbone or text.word_vectors, by which '
            'sentences are compared, or with audio.backbone, which knows sounds; got one without '
            'what is described; take a preset such as small_minilm or people'
        )


def with_described_sounds(model: ModelConfig, activities: Sequence[Activity]) -> ModelConfig:
    """Return the configuration of a network that is asked for the sounds of its labels.

    Args:
        model: of the network, with its labels.
        activities: those of other labels do not count.
    """
    if not _sounds(activities, model):
        return model
    kinds = {kind for of in activities if of.label in model.labels for kind in of.sounds}
    audio = dataclasses.replace(model.audio, sounds=tuple(sorted(kinds)))
    return dataclasses.replace(model, audio=audio)


def begin_described(
    system: ActivityRecognitionSystem, tokenizer: TextTokenizer, activities: Sequence[Activity]
) -> None:
    """Let a network know its labels by their sentences and sounds, as far as it can.

    Args:
        system: changed.
        tokenizer: of its text encoder.
        activities: those of other labels do not count.

    Raises:
        ConfigError: none of the labels has sentences, where some are written, or the network is too
            narrow.
        WeightsError: the weights of what knows sounds are not on this machine.
    """
    if _speaks(activities, system.config):
        add_words(system, tokenizer, activities)
    if system.config.audio.sounds and _sounds(activities, system.config):
        add_sounds(system, activities)


def add_words(
    system: ActivityRecognitionSystem, tokenizer: TextTokenizer, activities: Sequence[Activity]
) -> WordPrototypes:
    """Let a network know its labels by their sentences, in place of what it knew by words before.

    Args:
        system: with a pretrained text encoder; changed.
        tokenizer: of that encoder.
        activities: those of other labels do not count.

    Raises:
        ConfigError: none of the labels has sentences, or the network is too narrow.
    """
    labels = system.config.labels
    written = {activity.label: activity.words for activity in activities}
    pairs = [(at, text) for at, label in enumerate(labels) for text in written.get(label, ())]
    if not pairs:
        raise ConfigError(
            f'expected words of some of the labels {quoted(list(labels))}, got words of '
            f'{quoted([label for label, words in written.items() if words])}'
        )
    training = system.training
    embeddings = embed_sentences(system.text_encoder.eval(), tokenizer, [text for _, text in pairs])
    prototypes = fit_prototypes(embeddings, [at for at, _ in pairs], len(labels))
    begin_with_words(system, prototypes)
    system.text_encoder.train(training)
    return prototypes


def add_sounds(system: ActivityRecognitionSystem, activities: Sequence[Activity]) -> None:
    """Let a network know its labels by YAMNet's sounds, in place of what it heard before.

    Args:
        system: with ``audio.backbone`` and ``audio.sounds``; changed.
        activities: those of other labels do not count.

    Raises:
        ConfigError: the network is too narrow for its labels.
        WeightsError: YAMNet's weights are not on this machine.
    """
    weights, biases = Yamnet().classifier()
    kinds = system.config.audio.sounds
    rows = {kind: (weights[kind], float(biases[kind])) for kind in kinds}
    heard = {activity.label: activity.sounds for activity in activities}
    begin_with_sounds(system, [heard.get(label, ()) for label in system.config.labels], rows)


def _speaks(activities: Sequence[Activity], model: ModelConfig) -> bool:
    written = any(activity.words for activity in activities)
    compares = bool(model.text.backbone or model.text.word_vectors)
    return written and 'text' in model.modalities and compares


def _sounds(activities: Sequence[Activity], model: ModelConfig) -> bool:
    heard = any(activity.sounds for activity in activities)
    return heard and 'audio' in model.modalities and bool(model.audio.backbone)
