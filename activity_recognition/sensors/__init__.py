"""Inputs: message buffers -> Frame, AudioChunk, Utterance. NumPy and OpenCV; no torch, no ROS."""

from activity_recognition.modalities import Role
from activity_recognition.sensors.audio import AudioDecoder
from activity_recognition.sensors.audio_format import AudioFormat
from activity_recognition.sensors.cdr import MessageType, TypeRegistry
from activity_recognition.sensors.channel_selector import ChannelSelector
from activity_recognition.sensors.decoder_settings import DecoderSettings, SignalHealth
from activity_recognition.sensors.decoders import Drops, SensorDecoders
from activity_recognition.sensors.image import ImageDecoder, decode_image
from activity_recognition.sensors.transcript import TranscriptDecoder

__all__ = [
    'AudioDecoder',
    'AudioFormat',
    'ChannelSelector',
    'DecoderSettings',
    'Drops',
    'ImageDecoder',
    'MessageType',
    'Role',
    'SensorDecoders',
    'SignalHealth',
    'TranscriptDecoder',
    'TypeRegistry',
    'decode_image',
]
