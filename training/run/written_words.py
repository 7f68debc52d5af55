"""The text's own head begins from what is written of the activities, not from random weights."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from activity_recognition.activities import Activity, read_activities
from activity_recognition.config import ModelConfig
from activity_recognition.errors import ConfigError, quoted
from activity_recognition.models.prototypes import (
    WordPrototypes,
    begin_with_words,
    embed_sentences,
    fit_prototypes,
)
from activity_recognition.models.system import ActivityRecognitionSystem
from activity_recognition.models.tokenizer import TextTokenizer


def read_words(path: Path, model: ModelConfig) -> tuple[Activity, ...]:
    """Read a description for a network that is to be trained.

    Args:
        path: a file of activities.
        model: of the network.

    Raises:
        ConfigError: the file is wrong, or the network has no pretrained text encoder.
        WeightsError: sounds are named, and YAMNet's names are not on this machine.
    """
    if 'text' not in model.modalities or not model.text.backbone:
        raise ConfigError(
            f'{path}: expected a network with text.backbone, by which sentences are compared, got '
            'one without; take a preset such as small_minilm'
        )
    return read_activities(path)


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
