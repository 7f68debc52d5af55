"""Where every frame went, from what player and recogniser say of themselves on /diagnostics."""

from __future__ import annotations

from collections.abc import Mapping

from activity_recognition.modalities import SAMPLE_ROLES
from activity_recognition.reporting.metrics import FrameAccount
from activity_recognition.reporting.scores import account_frames

PLAYBACK_PART = 'playback'
"""The status of a playing node, as its name has it after the node's."""
IMAGE_PART = 'image'
"""The recogniser's status of its image input."""
INPUT_PARTS = tuple(role.value for role in SAMPLE_ROLES)
"""Its statuses of inputs with samples; a network of some modalities has some of them."""
ENGINE_PART = 'engine'
"""Its status of what decides."""
STATE_PART = 'state'
"""Its status while it is not active, and the only one then."""
_DROPPED = 'dropped: '

Values = Mapping[str, str]
"""Keys and values of one diagnostic status."""


def image_account(player: Values, recognizer: Values) -> FrameAccount | None:
    """Return the account of all frames; None while one of both has not reported yet.

    Frames that still wait for the engine count as unaccounted: at the end there are none.

    Args:
        player: newest values of the playing node.
        recognizer: newest values of the image input.
    """
    if 'image.published' not in player or 'received' not in recognizer:
        return None
    return account_frames(
        published=int(player['image.published']),
        received=int(recognizer['received']),
        used=int(recognizer.get('used', 0)),
        dropped={
            key.removeprefix(_DROPPED): int(value)
            for key, value in recognizer.items()
            if key.startswith(_DROPPED)
        },
    )


def is_settled(before: Values, now: Values) -> bool:
    """Return whether nothing came and nothing waits any more, by two reports in a row.

    Args:
        before: values of the report before.
        now: values of the newest report.
    """
    unchanged = before.get('received') == now.get('received')
    return 'received' in now and unchanged and int(now.get('waiting', 0)) == 0
