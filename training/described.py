"""A checkpoint from a file that describes activities in words, without any recording."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from activity_recognition.activities import Activity
from activity_recognition.config import ModelConfig
from activity_recognition.errors import ConfigError
from activity_recognition.model_config import EXPERTS
from activity_recognition.models.checkpoint import save_checkpoint
from activity_recognition.models.pretrained import load_backbones, read_tokenizer, with_backbones
from activity_recognition.models.prototypes import (
    HEARD,
    WordPrototypes,
)
from activity_recognition.models.system import ActivityRecognitionSystem
from activity_recognition.models.tokenizer import TextTokenizer, train_tokenizer
from activity_recognition.training.run.card import backbone_lines, inputs_in_words, plain
from activity_recognition.training.run.descriptions import add_sounds, add_words

PRESET = 'described'
"""Name of the preset that is made for it."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Described:
    """A network that begins from a description."""

    activities: tuple[Activity, ...]
    system: ActivityRecognitionSystem
    """In evaluation mode."""
    tokenizer: TextTokenizer
    words: WordPrototypes | None
    """None where no activity has words."""


def describe(activities: Sequence[Activity], preset: ModelConfig, *, seed: int = 0) -> Described:
    """Return the network of a description.

    What it does not read yet, such as the fusion's correction, has random weights that follow from
    the seed, and begins to count when the network is trained.

    Args:
        activities: at least two, in class order.
        preset: with backbones for text and for audio; its labels do not count, nor a modality of
            which nothing is described.
        seed: of those weights.

    Raises:
        CheckpointError: the text network cannot be read.
        ConfigError: the preset is none for this.
        MissingExtraError: what runs a backbone is not installed.
        WeightsError: the weights of a backbone are not on this machine.
    """
    model = with_backbones(_fitting(activities, preset))
    has_text = 'text' in model.modalities
    tokenizer = read_tokenizer(model.text) if has_text else _no_words(model)
    torch.manual_seed(seed)
    system = ActivityRecognitionSystem(model).eval()
    load_backbones(system)
    words = add_words(system, tokenizer, activities) if has_text else None
    if 'audio' in model.modalities:
        add_sounds(system, activities)
    return Described(activities=tuple(activities), system=system, tokenizer=tokenizer, words=words)


def _fitting(activities: Sequence[Activity], preset: ModelConfig) -> ModelConfig:
    """Return the configuration of a network of what is described."""
    heard = sorted({kind for activity in activities for kind in activity.sounds})
    described = {'audio': bool(heard), 'text': any(activity.words for activity in activities)}
    audio, text = preset.audio, preset.text
    wrong = preset.fusion != EXPERTS or not (audio.tokens_are_patches and text.backbone)
    if wrong or set(preset.modalities) != set(described):
        raise ConfigError(
            f'expected a preset of audio and text alone, with fusion: {EXPERTS}, text.backbone, '
            f'audio.backbone and audio.channels: [], like {PRESET}; got another one'
        )
    return dataclasses.replace(
        preset,
        labels=tuple(activity.label for activity in activities),
        modalities=tuple(name for name in preset.modalities if described[name]),
        audio=dataclasses.replace(audio, sounds=tuple(heard)),
        # A network that does not hear words has none of a backbone.
        text=text if described['text'] else dataclasses.replace(text, backbone=''),
    )


def _no_words(model: ModelConfig) -> TextTokenizer:
    return train_tokenizer((), vocab_size=model.text.vocab_size, max_length=model.text.max_length)


def save_described(described: Described, folder: Path, *, source: str) -> None:
    """Write the checkpoint of a description.

    Args:
        described: the network.
        folder: the checkpoint.
        source: name of the file of activities, for the model card.

    Raises:
        CheckpointError: something other than a checkpoint or an empty folder is there already.
        OutputError: it cannot be written.
    """
    save_checkpoint(
        folder, described.system, described.tokenizer, card=_card(described, source=source)
    )


def _card(described: Described, *, source: str) -> str:
    """Return the model card."""
    model, activities = described.system.config, described.activities
    return '\n'.join(
        [
            '# Activity recognition checkpoint',
            '',
            f'Tells {", ".join(map(plain, model.labels))} from {inputs_in_words(model)}.',
            '',
            f'**Nothing was learnt from recordings, and nothing was measured: it knows what '
            f'{plain(source)} says of the activities, and no more.**',
            '',
            *backbone_lines(model),
            *_words_lines(described),
            *_sounds_lines(model, activities),
            '- It cannot see, and it does not know the place, the voices and the sounds of where '
            'it runs. What sounds alike or is asked for alike it confuses; what is done in silence '
            'it does not notice.',
            '- All activities count as equally frequent. Confidences are not calibrated on people.',
            '- With recordings, even a few, train: docs/from_sixty_clips.md.',
            '',
            '| activity | sentences | sounds |',
            '| --- | --- | --- |',
            *(f'| {plain(a.label)} | {len(a.words)} | {len(a.sounds)} |' for a in activities),
            '',
        ]
    )


def _words_lines(described: Described) -> list[str]:
    words = described.words
    if words is None:
        return ['- Words: none are described.']
    lines = [
        f'- Words: an utterance counts for the activity whose sentences mean the most similar. Of '
        f'the sentences, each left out in turn, {100 * words.recalled:.0f} % are found by the '
        f'others (factor {words.sharpness:.1f} on cosines).'
    ]
    if not words.spoken.all():
        lines.append(
            '- Activities without sentences share what is less similar than a cosine of '
            f'{words.other:.2f} to all sentences.'
        )
    return lines


def _sounds_lines(model: ModelConfig, activities: Sequence[Activity]) -> list[str]:
    if 'audio' not in model.modalities:
        return ['- Sounds: none are described.']
    lines = [
        "- Sounds: an activity is as probable as that any of its sounds is heard, by YAMNet's own "
        'scores, in a second of sound.'
    ]
    if not all(activity.sounds for activity in activities):
        lines.append(
            f'- Activities without sounds share what is left where no score is above {HEARD:g}, a '
            'number that was not fitted to anything.'
        )
    return lines
