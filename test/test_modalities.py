"""What tells one modality from another stands in the table and in modules named after it."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from activity_recognition.modalities import ROLE_SPEC, SPEC, SPECS
from activity_recognition.sensors.decoders import _decoder_class
from activity_recognition.sensors.transcript import _KNOWN_FIELDS, TRANSCRIPT_TYPES
from activity_recognition.types import Modality

PACKAGE = Path(__file__).resolve().parents[1] / 'activity_recognition'
SAMPLES = {spec.sample_type.__name__ for spec in SPECS}
OF_ONE_MODALITY = {
    'ros/recognizing/people.py': 'people are parts of images, and share what they hear',
    'ros/recognizing/results.py': 'the overlay shows the newest frame',
    'ros/sources/recording_source.py': 'a transcript whose type is not installed is played as text',
    'streams/admission.py': 'utterances of one stamp differ by their words',
}
"""Files that may speak of one modality, and why."""
FILES = sorted(
    path
    for place in ('ros', 'streams', 'behaviours', 'sensors/decoders.py', 'startup.py')
    for path in ([PACKAGE / place] if place.endswith('.py') else (PACKAGE / place).rglob('*.py'))
)


def mentions(path: Path) -> list[str]:
    """Return where a file names one modality, one role or one type of samples."""
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding='utf-8'))):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            if node.value.id in ('Role', 'Modality') and node.attr.isupper():
                found.append(f'{node.lineno}: {node.value.id}.{node.attr}')
        elif isinstance(node, ast.Call) and getattr(node.func, 'id', '') == 'isinstance':
            names = {item.id for item in ast.walk(node.args[1]) if isinstance(item, ast.Name)}
            found += [f'{node.lineno}: isinstance {name}' for name in sorted(names & SAMPLES)]
    return found


@pytest.mark.parametrize('path', FILES, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_nodes_and_streams_speak_of_no_modality_in_particular(path):
    name = path.relative_to(PACKAGE).as_posix()
    assert bool(mentions(path)) == (name in OF_ONE_MODALITY), mentions(path)


@pytest.mark.parametrize('modality', list(Modality))
def test_a_decoder_is_found_by_the_name_of_its_topic(modality):
    role = SPEC[modality].role.value
    found = _decoder_class(modality)
    assert (found.__module__, found.__name__.lower()) == (
        f'activity_recognition.sensors.{role}',
        f'{role}decoder',
    )


def test_every_transcript_type_has_a_known_field():
    assert set(TRANSCRIPT_TYPES) == set(_KNOWN_FIELDS)


def test_what_a_topic_may_be_is_complete():
    for spec in ROLE_SPEC.values():
        assert spec.message_types, spec.role
        assert len(spec.type_words) <= len(spec.message_types), spec.role
        assert {kind for kind, _ in spec.suffixes} <= set(spec.message_types), spec.role
