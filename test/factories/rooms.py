"""What tests know of simulated scenes beside what is recorded of them."""

import numpy as np

from activity_recognition.simulation.video import Scene

DECIDING = ('greeting', 'help', 'request', 'chat')
"""Intents of sentences that name an activity; the others are unrelated talk."""


def empty_room(scene: Scene) -> np.ndarray:
    """Return the image of a room with its furniture and nobody in it, integers (H, W, 3)."""
    canvas = scene.background.copy()
    for piece in (scene.furniture.cupboard, scene.furniture.chair, scene.furniture.table):
        piece.paint(canvas)
    return scene._expose(canvas, 0.0).astype(int)
