"""Samples of three modalities in, windows and decision times out."""

from activity_recognition.streams.admission import DropReason, InputCounters
from activity_recognition.streams.synchronizer import WindowSynchronizer, windows

__all__ = ['DropReason', 'InputCounters', 'WindowSynchronizer', 'windows']
