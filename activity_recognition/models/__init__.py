"""The network and its checkpoint."""

from activity_recognition.models.checkpoint import (
    Checkpoint,
    default_checkpoint,
    load_checkpoint,
    save_checkpoint,
)
from activity_recognition.models.smoothing import ActivitySmoothing
from activity_recognition.models.system import ActivityRecognitionSystem, ModelOutput

__all__ = [
    'ActivityRecognitionSystem',
    'ActivitySmoothing',
    'Checkpoint',
    'ModelOutput',
    'default_checkpoint',
    'load_checkpoint',
    'save_checkpoint',
]
