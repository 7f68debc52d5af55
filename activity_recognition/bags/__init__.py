"""Recordings: reading, writing, labels, and importing ordinary videos; all through rosbags."""

from activity_recognition.bags.advice import unread_files
from activity_recognition.bags.clip_reader import ClipReader
from activity_recognition.bags.imported import ImportedRecording
from activity_recognition.bags.importer import import_clip
from activity_recognition.bags.keypoint_arrays import KeyPointArrays, import_key_points
from activity_recognition.bags.label_sources import find_labels, label_files, load_labels
from activity_recognition.bags.labels import (
    LabelScan,
    find_recordings,
    is_recording,
    labels_path,
    read_label_tracks,
    read_labels,
    scan_labels,
    write_labels,
)
from activity_recognition.bags.person_messages import PersonTopicsWriter
from activity_recognition.bags.reader import RawRecord, RecordingReader
from activity_recognition.bags.topics import Topic, TopicNames
from activity_recognition.bags.writer import RecordingWriter

__all__ = [
    'ClipReader',
    'ImportedRecording',
    'KeyPointArrays',
    'LabelScan',
    'PersonTopicsWriter',
    'RawRecord',
    'RecordingReader',
    'RecordingWriter',
    'Topic',
    'TopicNames',
    'find_labels',
    'find_recordings',
    'import_clip',
    'import_key_points',
    'is_recording',
    'label_files',
    'labels_path',
    'load_labels',
    'read_label_tracks',
    'read_labels',
    'scan_labels',
    'unread_files',
    'write_labels',
]
