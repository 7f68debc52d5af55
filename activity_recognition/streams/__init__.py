"""Samples of all modalities in, windows and decision times out."""

from activity_recognition.streams.admission import DropReason, InputCounters
from activity_recognition.streams.recorded_windows import windows
from activity_recognition.streams.synchronizer import WindowSynchronizer

__all__ = ['DropReason', 'InputCounters', 'WindowSynchronizer', 'windows']
