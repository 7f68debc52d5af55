"""What joints are called by those who publish them, and which are connected."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

from activity_recognition.errors import printable, quoted

MAX_KEY_POINTS = 512
"""Key points of a body; models of the whole body with face and hands have 133 to 478."""
MAX_NAME = 64
"""Characters of a key point's name."""

SIDES = ('left', 'right')
_COCO = (
    'nose',
    *(
        f'{side}_{part}'
        for part in ('eye', 'ear', 'shoulder', 'elbow', 'wrist', 'hip', 'knee', 'ankle')
        for side in SIDES
    ),
)
_REP155 = (
    'nose',
    'neck',
    *(
        f'{side}_{part}'
        for parts in (('shoulder', 'elbow', 'wrist'), ('hip', 'knee', 'ankle'))
        for side in ('right', 'left')
        for part in parts
    ),
    'left_eye',
    'right_eye',
    'left_ear',
    'right_ear',
)
_KINECT = (
    'head',
    'neck',
    'spine',
    'hip_centre',
    *(
        f'{side}_{part}'
        for parts in (('shoulder', 'elbow', 'wrist', 'hand'), ('hip', 'knee', 'ankle', 'foot'))
        for side in SIDES
        for part in parts
    ),
)
_JHMDB = (
    'neck',
    'belly',
    'face',
    *(
        f'{side}_{part}'
        for part in ('shoulder', 'hip', 'elbow', 'knee', 'wrist', 'ankle')
        for side in ('right', 'left')
    ),
)
SKELETONS: dict[str, tuple[str, ...]] = {
    'coco17': _COCO,
    'rep155': _REP155,
    'kinect20': _KINECT,
    'jhmdb15': _JHMDB,
}
"""Names of the joints of well-known skeletons, in their order.

``rep155`` is that of ``hri_msgs/Skeleton2D``, ``kinect20`` the first Kinect's as UTD-MHAD has it.
"""

LIMBS: tuple[tuple[str, ...], ...] = (
    ('hip', 'knee', 'ankle', 'foot'),
    ('shoulder', 'elbow', 'wrist', 'hand'),
)
"""Joints of legs and arms, from the trunk outwards, without their side; a next one that is missing
is left out."""
_PARTS = {part for limb in LIMBS for part in limb} | {'eye', 'ear'}
_MIDDLES = {'nose', 'head', 'neck', 'spine', 'hip_centre'}
_SYNONYMS = {
    'face': 'head',
    'head_top': 'head',
    'top_head': 'head',
    'shoulder_centre': 'neck',
    'thorax': 'neck',
    'belly': 'spine',
    'torso': 'spine',
    'chest': 'spine',
    'spine_mid': 'spine',
    'spine_middle': 'spine',
    'pelvis': 'hip_centre',
    'hips': 'hip_centre',
    'root': 'hip_centre',
    'mid_hip': 'hip_centre',
    'middle_hip': 'hip_centre',
    'hip_middle': 'hip_centre',
    'spine_base': 'hip_centre',
    'palm': 'hand',
    'toe': 'foot',
    'big_toe': 'foot',
    'foot_index': 'foot',
}
_SIDE_WORDS = {'l': 'left', 'left': 'left', 'r': 'right', 'right': 'right'}
_WORDS = re.compile(r'[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|\d+')


@lru_cache(maxsize=4096)
def canonical_name(name: str) -> str | None:
    """Return what this package calls a joint: ``left_wrist`` for ``LWrist`` or ``WRIST_L``.

    Args:
        name: as a source calls it, in any spelling with words apart: ``LEFT_KNEE``, ``kneeLeft``,
            ``l knee``.

    Returns:
        ``nose``, ``head``, ``neck``, ``spine``, ``hip_centre``, or ``left_`` or ``right_`` and an
        ``eye``, an ``ear`` or a joint of :data:`LIMBS`; None for everything else.
    """
    words = [word.lower() for word in _WORDS.findall(name)]
    sides = [_SIDE_WORDS[word] for word in words if word in _SIDE_WORDS]
    part = '_'.join(
        'centre' if word == 'center' else word for word in words if word not in _SIDE_WORDS
    )
    part = _SYNONYMS.get(part, part)
    if len(sides) == 1 and part in _PARTS:
        return f'{sides[0]}_{part}'
    return part if not sides and part in _MIDDLES else None


def other_side(joint: str) -> str:
    """Return what a joint is called on the other side of the body; a middle one keeps its name.

    Args:
        joint: as this package calls it.
    """
    for side, other in (SIDES, SIDES[::-1]):
        if joint.startswith(f'{side}_'):
            return joint.replace(side, other, 1)
    return joint


def name_fault(names: Sequence[str]) -> str | None:
    """Return what is wrong with the names of key points, if anything is."""
    if not 1 <= len(names) <= MAX_KEY_POINTS:
        return f'expected 1 to {MAX_KEY_POINTS} key points, got {len(names)}'
    for name in names:
        if not name.strip() or len(name) > MAX_NAME or printable(name) != name or '\n' in name:
            return (
                f'expected names of 1 to {MAX_NAME} characters without control characters, '
                f'got {quoted(name)}'
            )
    if len(set(names)) < len(names):
        twice = next(name for name in names if list(names).count(name) > 1)
        return f'expected each name once, got {quoted(twice)} several times'
    return None


def joint_names(names: Sequence[str]) -> tuple[str, ...]:
    """Return what this package calls joints; what it has no name for keeps its own.

    Args:
        names: of joints in any spelling, or that of a skeleton alone.
    """
    listed = SKELETONS.get(names[0], names) if len(names) == 1 else names
    return tuple(canonical_name(name) or name for name in listed)


def joint_fault(names: Sequence[str]) -> str | None:
    """Return what is wrong with the names of the joints that a network takes, if anything is."""
    joints = joint_names(names)
    if len(joints) < LEAST_JOINTS:
        return (
            f'expected at least {LEAST_JOINTS} joints, or one of {", ".join(SKELETONS)}, '
            f'got {quoted(list(names))}'
        )
    return name_fault(joints)


LEAST_JOINTS = 2
"""Of one joint alone, nothing is left about the body's own centre."""
