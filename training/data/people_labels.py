"""The table of the checkpoint `people`: by label, where joints, sounds and words come from."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

from activity_recognition.config_io import read_yaml, shipped_file
from activity_recognition.errors import ConfigError, quoted
from activity_recognition.front_ends.sound_labels import sound_map
from activity_recognition.simulation.config import ACTIVITIES
from activity_recognition.simulation.phrases import INTENTS
from activity_recognition.text_files import label_fault

TABLE = 'people/labels.yaml'
"""The table, under ``config/``."""
UNMEASURED = 'not measured on real people'
"""What the note of a label says that has no joints of real people."""
UTD_MHAD = (
    *('swipe_left', 'swipe_right', 'wave', 'clap', 'throw', 'arm_cross', 'basketball_shoot'),
    *('draw_x', 'draw_circle_clockwise', 'draw_circle_counter_clockwise', 'draw_triangle'),
    *('bowling', 'boxing', 'baseball_swing', 'tennis_swing', 'arm_curl', 'tennis_serve', 'push'),
    *('knock', 'catch', 'pickup_and_throw', 'jog', 'walk', 'sit_to_stand', 'stand_to_sit'),
    *('lunge', 'squat'),
)
"""Actions of UTD-MHAD."""
JHMDB = (
    *('catch', 'clap', 'golf', 'jump', 'pick', 'pour', 'pullup', 'push', 'run', 'sit', 'stand'),
    *('throw', 'walk', 'wave'),
)
"""Actions of JHMDB of which joints are at hand."""
ESC10 = (
    *('baby_cry', 'chainsaw', 'clock_tick', 'dog_bark', 'fire_crackling', 'helicopter'),
    *('person_sneeze', 'rain', 'rooster', 'sea_waves'),
)
"""Classes of ESC-10."""
WHOLE = (0.0, 1.0)

Part = tuple[float, float]
"""Beginning and end within a recording, as shares of its length."""


@dataclass(frozen=True, kw_only=True, slots=True)
class LabelSources:
    """Where what is known of a label comes from."""

    label: str
    simulated_joints: tuple[str, ...] = ()
    """Activities of the simulator."""
    utd_mhad: Mapping[str, Part] = field(default_factory=dict)
    """Actions, and which part of their recordings."""
    jhmdb: tuple[str, ...] = ()
    simulated_sounds: tuple[str, ...] = ()
    """Activities of the simulator."""
    esc10: tuple[str, ...] = ()
    yamnet: str = ''
    """Label of the map from YAMNet's classes; empty where none speaks for it."""
    intent: str = ''
    """Of the simulator's phrases; empty for none."""
    sentences: tuple[str, ...] = ()

    @property
    def has_real_joints(self) -> bool:
        """Whether there are joints of real people that do it."""
        return bool(self.utd_mhad or self.jhmdb)


@cache
def people_labels() -> tuple[LabelSources, ...]:
    """Return the table that comes with the package.

    Raises:
        ConfigError: it is damaged.
    """
    return read_people_labels(shipped_file(TABLE))


def read_people_labels(path: Path | str) -> tuple[LabelSources, ...]:
    """Read a table of labels.

    Args:
        path: a YAML file with a mapping by label; config/people/labels.yaml says of what.

    Raises:
        ConfigError: it cannot be read; a name in it is unknown; an action of a data set has two
            labels for the same moment; or its note does not say what was measured on nobody.
    """
    table = read_yaml(path)
    found = tuple(
        _Reader(f'{path}: {quoted(str(name))}', of).read(str(name)) for name, of in table.items()
    )
    if len(found) < 2:
        raise ConfigError(f'{path}: expected at least two labels, got {len(found)}')
    _check_apart(str(path), found)
    return found


class _Reader:
    """One label's entry."""

    def __init__(self, where: str, entry: Any) -> None:
        self._where = where
        self._entry = self._mapping(entry, 'the label', ('joints', 'sounds', 'words', 'note'))

    def read(self, label: str) -> LabelSources:
        if fault := label_fault(label):
            raise ConfigError(f'{self._where}: {fault}')
        part = self._mapping
        joints = part(self._entry.get('joints'), 'joints', ('simulator', 'utd_mhad', 'jhmdb'))
        sounds = part(self._entry.get('sounds', {}), 'sounds', ('simulator', 'esc10', 'yamnet'))
        words = part(self._entry.get('words'), 'words', ('simulator', 'sentences'))
        result = LabelSources(
            label=label,
            simulated_joints=self._names(joints, 'joints.simulator', ACTIVITIES),
            utd_mhad=self._parts(joints.get('utd_mhad', {})),
            jhmdb=self._names(joints, 'joints.jhmdb', JHMDB),
            simulated_sounds=self._names(sounds, 'sounds.simulator', ACTIVITIES),
            esc10=self._names(sounds, 'sounds.esc10', ESC10),
            yamnet=self._name(sounds, 'sounds.yamnet', sound_map()),
            intent=self._name(words, 'words.simulator', INTENTS),
            sentences=self._sentences(words.get('sentences', [])),
        )
        if not joints or not words:
            raise self._error('expected joints and words from at least one source each')
        note = '' if result.has_real_joints else UNMEASURED
        if self._entry.get('note', '') != note:
            said = f'note: {UNMEASURED}' if note else 'no note, for real people do it'
            raise self._error(f'expected {said}, got {quoted(self._entry.get("note"))}')
        return result

    def _error(self, fault: str) -> ConfigError:
        return ConfigError(f'{self._where}: {fault}')

    def _mapping(self, value: Any, what: str, keys: Sequence[str]) -> Mapping[str, Any]:
        if not isinstance(value, dict):
            raise self._error(f'{what}: expected a mapping, got {quoted(value)}')
        if unknown := [key for key in value if key not in keys]:
            raise self._error(f'{what}: expected {", ".join(keys)}, got {quoted(unknown[0])}')
        return value

    def _names(self, of: Mapping[str, Any], what: str, known: Collection[str]) -> tuple[str, ...]:
        names = of.get(what.partition('.')[2], [])
        if not isinstance(names, list) or len(set(map(str, names))) < len(names):
            raise self._error(f'{what}: expected a list of different names, got {quoted(names)}')
        return tuple(self._known(name, what, known) for name in names)

    def _name(self, of: Mapping[str, Any], what: str, known: Collection[str]) -> str:
        name = of.get(what.partition('.')[2])
        return '' if name is None else self._known(name, what, known)

    def _known(self, name: Any, what: str, known: Collection[str]) -> str:
        if name not in known:
            raise self._error(f'{what}: expected one of {", ".join(known)}, got {quoted(name)}')
        return str(name)

    def _parts(self, of: Any) -> Mapping[str, Part]:
        what = 'joints.utd_mhad'
        if not isinstance(of, dict):
            raise self._error(f'{what}: expected parts by action, got {quoted(of)}')
        return MappingProxyType(
            {self._known(name, what, UTD_MHAD): self._part(name, part) for name, part in of.items()}
        )

    def _part(self, name: str, part: Any) -> Part:
        if part == 'all':
            return WHOLE
        numbers = isinstance(part, list) and all(type(share) in (int, float) for share in part)
        if not numbers or len(part) != 2 or not 0 <= part[0] < part[1] <= 1:
            raise self._error(
                f'joints.utd_mhad: {name}: expected all, or beginning and end between 0 and 1, '
                f'got {quoted(part)}'
            )
        return float(part[0]), float(part[1])

    def _sentences(self, said: Any) -> tuple[str, ...]:
        fine = isinstance(said, list) and all(isinstance(each, str) and each for each in said)
        if not fine or len(said) == 1 or len(set(said)) < len(said):
            raise self._error(
                'words.sentences: expected at least two different sentences, or none, got '
                f'{quoted(said)}'
            )
        return tuple(said)


def _check_apart(path: str, table: Sequence[LabelSources]) -> None:
    """Demand that no moment of a data set has two labels."""
    owners: dict[tuple[str, str], list[tuple[Part, str]]] = {}
    for of in table:
        named = {('utd_mhad', name): part for name, part in of.utd_mhad.items()}
        named |= {('jhmdb', name): WHOLE for name in of.jhmdb}
        named |= {('simulator', name): WHOLE for name in of.simulated_joints}
        for source, part in named.items():
            for other, label in owners.setdefault(source, []):
                if part[0] < other[1] and other[0] < part[1]:
                    raise ConfigError(
                        f'{path}: joints.{source[0]}: expected one label for {source[1]}, got '
                        f'{label} and {of.label}'
                    )
            owners[source].append((part, of.label))
    sentences: dict[str, str] = {}
    for of in table:
        for said in of.sentences:
            if said in sentences:
                raise ConfigError(
                    f'{path}: words.sentences: expected one label for {quoted(said)}, got '
                    f'{sentences[said]} and {of.label}'
                )
            sentences[said] = of.label
