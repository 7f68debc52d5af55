"""What turns each modality's samples into tokens: one module per modality, named after it.

Each has a class :data:`ENCODER`, of the base :class:`~.encoder.Encoder`.
"""

from __future__ import annotations

from importlib import import_module

from activity_recognition.models.encoders.encoder import Encoder
from activity_recognition.types import Modality

__all__ = ['Encoder', 'encoder_type']


def encoder_type(modality: Modality) -> type[Encoder]:
    """Return the class of a modality's encoder."""
    found: type[Encoder] = import_module(f'{__name__}.{modality.value}').ENCODER
    return found
