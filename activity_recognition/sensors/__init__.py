"""Inputs: message buffers -> Frame, AudioChunk, Utterance. NumPy and OpenCV; no torch, no ROS."""

from activity_recognition.sensors.audio import AudioDecoder, pieces_of
from activity_recognition.sensors.audio_format import AudioFormat
from activity_recognition.sensors.cdr import MessageType, TypeRegistry
from activity_recognition.sensors.channel_selector import ChannelSelector
from activity_recognition.sensors.decoders import Drops, Role, SensorDecoders
from activity_recognition.sensors.image import decode_image
from activity_recognition.sensors.transcript import TranscriptDecoder

__all__ = [
    'AudioDecoder',
    'AudioFormat',
    'ChannelSelector',
    'Drops',
    'MessageType',
    'Role',
    'SensorDecoders',
    'TranscriptDecoder',
    'TypeRegistry',
    'decode_image',
    'pieces_of',
]
