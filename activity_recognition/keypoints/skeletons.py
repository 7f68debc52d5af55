"""What joints are called by those who publish them, and which are connected."""

from __future__ import annotations

import re
from functools import lru_cache

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
is passed over."""
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
