"""A file that describes activities in words: what people say, and which sounds there are.

From it alone a network can begin, before anything was recorded.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from activity_recognition.config_io import unknown_key
from activity_recognition.errors import QUOTE_LIMIT, ConfigError, quoted
from activity_recognition.front_ends.sound_labels import sound_map
from activity_recognition.front_ends.yamnet import CLASS_MAP, class_names
from activity_recognition.text_files import label_fault, read_yaml
from activity_recognition.weights import find_weights

NONE = 'none'
"""The label of nothing in particular; the only one that needs no description."""
FEWEST_SENTENCES, MOST_SENTENCES = 2, 100
"""Of a label that has any: each has to be found by the others."""
LONGEST_SENTENCE = 500
"""Characters."""
_KEYS = ('words', 'sounds')


@dataclass(frozen=True, kw_only=True, slots=True)
class Activity:
    """One label and what is known of it without recordings."""

    label: str
    words: tuple[str, ...] = ()
    """What people say or ask when it happens."""
    sounds: tuple[int, ...] = ()
    """Kinds of sound that speak for it, by YAMNet's index."""


def read_activities(path: Path) -> tuple[Activity, ...]:
    """Read a file of activities; their order is that of the classes.

    Args:
        path: a YAML file, for each label a mapping with ``words``, sentences, and ``sounds``, names
            of YAMNet's classes; without ``sounds`` they are those of the map that comes with the
            package.

    Raises:
        ConfigError: it cannot be read, or something in it is not as it has to be.
        WeightsError: sounds are named, and YAMNet's names are not on this machine.
    """
    content = read_yaml(path, ConfigError, what='the activities')
    activities = tuple(
        _activity(label, described, f'{path}: {quoted(label)}')
        for label, described in content.items()
    )
    if len(activities) < 2:
        raise ConfigError(f'{path}: expected at least two activities, got {len(activities)}')
    if not any(activity.words or activity.sounds for activity in activities):
        raise ConfigError(f'{path}: expected words or sounds of some activity, got none')
    _refuse_repeated(activities, path)
    return activities


def described_by(path: Path) -> frozenset[str]:
    """Return by what activities are described in a file: ``words``, ``sounds``, ``names``.

    Sounds are also those that the map of the package has for a label; ``names`` are there where the
    file names some itself. What is wrong with the file :func:`read_activities` says.

    Args:
        path: a YAML file.

    Raises:
        ConfigError: it cannot be read.
    """
    content = read_yaml(path, ConfigError, what='the activities')
    found: set[str] = set()
    for label, described in content.items():
        given = described if isinstance(described, dict) else {}
        found |= {key for key in _KEYS if given.get(key)}
        if given.get('sounds'):
            found.add('names')
        elif 'sounds' not in given and label in sound_map():
            found.add('sounds')
    return frozenset(found)


def _activity(label: Any, described: Any, where: str) -> Activity:
    if not isinstance(label, str):
        raise ConfigError(f'{where}: expected the name of an activity; put it between quotes')
    if fault := label_fault(label):
        raise ConfigError(f'{where}: {fault}')
    described = {} if described is None else described
    if not isinstance(described, dict):
        raise ConfigError(
            f'{where}: expected {" and ".join(_KEYS)}, each a list, got {quoted(described)}'
        )
    for key in described:
        if key not in _KEYS:
            raise ConfigError(unknown_key(str(key), _KEYS, where))
    words = tuple(_texts(described.get('words', []), f'{where}: words'))
    if 0 < len(words) < FEWEST_SENTENCES or len(words) > MOST_SENTENCES:
        raise ConfigError(
            f'{where}: words: expected {FEWEST_SENTENCES} to {MOST_SENTENCES} sentences, or none, '
            f'got {len(words)}'
        )
    if 'sounds' in described:
        sounds = _named_sounds(_texts(described['sounds'], f'{where}: sounds'), where)
    else:
        sounds = tuple(sound_map().get(label, {}))
    if label != NONE and not words and not sounds:
        raise ConfigError(
            f'{where}: expected words or sounds, got neither: without them nothing tells it from '
            'other activities'
        )
    return Activity(label=label, words=words, sounds=sounds)


def _texts(value: Any, where: str) -> list[str]:
    """Return a list of different texts, or refuse it."""
    if not isinstance(value, list):
        raise ConfigError(f'{where}: expected a list of texts, got {quoted(value)}')
    for text in value:
        if not isinstance(text, str):
            raise ConfigError(f'{where}: expected a text, got {quoted(text)}; put it in quotes')
        if not text.strip() or len(text) > LONGEST_SENTENCE:
            raise ConfigError(
                f'{where}: expected 1 to {LONGEST_SENTENCE} characters, got {quoted(text)}'
            )
    folded = [' '.join(text.casefold().split()) for text in value]
    if twice := next((text for text in value if folded.count(folded[value.index(text)]) > 1), None):
        raise ConfigError(f'{where}: {quoted(twice)} stands twice')
    return value


def _named_sounds(names: Sequence[str], where: str) -> tuple[int, ...]:
    """Return the indices of kinds of sound."""
    if not names:
        return ()
    known = {name.casefold(): index for index, name in enumerate(class_names())}
    found = []
    for name in names:
        if name.casefold() not in known:
            near = difflib.get_close_matches(name.casefold()[:QUOTE_LIMIT], known, n=1, cutoff=0.4)
            hint = (
                f'did you mean {quoted(class_names()[known[near[0]]])}?'
                if near
                else f'{find_weights(CLASS_MAP)} lists them'
            )
            raise ConfigError(f'{where}: sounds: YAMNet knows no {quoted(name)}; {hint}')
        found.append(known[name.casefold()])
    return tuple(found)


def _refuse_repeated(activities: Sequence[Activity], path: Path) -> None:
    """Refuse a sentence that is written for two activities: it tells neither."""
    seen: dict[str, str] = {}
    for activity in activities:
        for text in activity.words:
            folded = ' '.join(text.casefold().split())
            if folded in seen:
                raise ConfigError(
                    f'{path}: {quoted(text)} stands for {quoted(seen[folded])} and for '
                    f'{quoted(activity.label)}; leave it to one of them'
                )
            seen[folded] = activity.label
