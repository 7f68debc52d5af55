"""Recordings: reading, writing, labels, and importing ordinary videos; all through rosbags."""

from activity_recognition.bags.importer import ImportedClip, import_clip
from activity_recognition.bags.labels import (
    find_recordings,
    labels_path,
    read_labels,
    write_labels,
)
from activity_recognition.bags.reader import RawRecord, RecordingReader
from activity_recognition.bags.topics import Topic, TopicNames
from activity_recognition.bags.writer import RecordingWriter

__all__ = [
    'ImportedClip',
    'RawRecord',
    'RecordingReader',
    'RecordingWriter',
    'Topic',
    'TopicNames',
    'find_recordings',
    'import_clip',
    'labels_path',
    'read_labels',
    'write_labels',
]
