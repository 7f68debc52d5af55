"""PCM sample formats: bytes -> float32 samples, and the messages that describe them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from activity_recognition.channel_choice import MAX_CHANNELS
from activity_recognition.config import TopicsConfig
from activity_recognition.errors import DecodeError, UnsupportedEncodingError, quoted

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from activity_recognition.sensors.cdr import Message

_SAMPLE_TYPES = {
    'U8': '|u1',
    'S8': '|i1',
    'S16LE': '<i2',
    'S16BE': '>i2',
    'S24LE': '',
    'S32LE': '<i4',
    'S32BE': '>i4',
    'F32LE': '<f4',
    'F32BE': '>f4',
    'F64LE': '<f8',
}
SAMPLE_FORMATS = tuple(_SAMPLE_TYPES)
"""Sample formats that can be decoded, named as GStreamer and audio_capture name them."""

_ASSUMED = TopicsConfig()
_PCM_CODINGS = ('', 'wave', 'wav', 'pcm', 'raw')
_MIN_RATE_HZ, _MAX_RATE_HZ = 1_000, 384_000
MAX_MESSAGE_S = 60.0
"""Most audio in one message, seconds."""
MAX_MESSAGE_GROUPS = 1 << 22
"""Most samples of each channel in one message: 87 s at 48 kHz, 11 s at 384 kHz."""
MAX_MESSAGE_VALUES = 1 << 25
"""Most samples of all channels in one message: 128 MiB as floats."""
_PORTAUDIO_FORMATS = {
    1: ('F32LE', 'float32_data'),
    2: ('S32LE', 'int32_data'),
    8: ('S16LE', 'int16_data'),
    16: ('S8', 'int8_data'),
    32: ('U8', 'uint8_data'),
}
"""PortAudio's PaSampleFormat -> (sample format, field of mgonzs13's AudioData that holds it)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class AudioFormat:
    """What PCM bytes mean; by default the rate and channels of ``topics.audio_*``, as S16LE."""

    sample_rate_hz: int = _ASSUMED.audio_sample_rate_hz
    channels: int = _ASSUMED.audio_num_channels
    sample_format: str = 'S16LE'
    """One of :data:`SAMPLE_FORMATS`; channels are interleaved."""

    def __post_init__(self) -> None:
        """Raise DecodeError for a description that no sound card has."""
        if not _MIN_RATE_HZ <= self.sample_rate_hz <= _MAX_RATE_HZ:
            raise DecodeError(
                f'audio format: the sample rate must lie in [{_MIN_RATE_HZ}, {_MAX_RATE_HZ}] Hz, '
                f'got {self.sample_rate_hz}'
            )
        if not 1 <= self.channels <= MAX_CHANNELS:
            raise DecodeError(
                f'audio format: channels must lie in [1, {MAX_CHANNELS}], got {self.channels}'
            )
        if self.sample_format not in _SAMPLE_TYPES:
            raise UnsupportedEncodingError(
                f'audio format: sample_format {quoted(self.sample_format)} cannot be taken; '
                f'expected one of {", ".join(SAMPLE_FORMATS)}; set sample_format to S16LE in the '
                'audio driver'
            )

    @property
    def bytes_per_sample(self) -> int:
        """Bytes of one sample of one channel."""
        name = _SAMPLE_TYPES[self.sample_format]
        return np.dtype(name).itemsize if name else 3


def format_from_info(info: Message) -> AudioFormat:
    """Return the format in an AudioInfo of ros-drivers' audio_common_msgs.

    Raises:
        UnsupportedEncodingError: for coded audio (audio_capture's own default is mp3).
        DecodeError: for a description that no sound card has.
    """
    coding = str(info.coding_format).strip()
    if coding.lower() not in _PCM_CODINGS:
        raise UnsupportedEncodingError(
            f"audio format: coding_format {quoted(coding)} is compressed; expected 'wave'; set "
            "the audio driver's parameters format to wave and sample_format to S16LE"
        )
    return AudioFormat(
        sample_rate_hz=int(info.sample_rate),
        channels=int(info.channels),
        sample_format=str(info.sample_format).strip().upper() or 'S16LE',
    )


def format_from_portaudio(info: Message) -> tuple[AudioFormat, str]:
    """Return the format in an AudioInfo of mgonzs13's audio_common_msgs and the field of its data.

    Raises:
        UnsupportedEncodingError: for a PortAudio format without a field for it.
        DecodeError: for a description that no sound card has.
    """
    try:
        name, field = _PORTAUDIO_FORMATS[int(info.format)]
    except KeyError:
        known = ', '.join(f'{key} ({value[0]})' for key, value in _PORTAUDIO_FORMATS.items())
        raise UnsupportedEncodingError(
            f'audio format: PortAudio format {int(info.format)} cannot be taken; expected one of '
            f'{known}; set format to 8 in the audio driver'
        ) from None
    return (
        AudioFormat(sample_rate_hz=int(info.rate), channels=int(info.channels), sample_format=name),
        field,
    )


def pcm_to_channels(data: NDArray[np.generic], audio_format: AudioFormat) -> NDArray[np.float32]:
    """Return interleaved PCM as samples of each channel, (N, channels), full scale being 1.

    Every sample is computed on its own, so cutting the same PCM elsewhere changes nothing. Floats
    may lie beyond full scale.

    Args:
        data: contiguous samples, as bytes or as their own number type, (N x channels,).
        audio_format: what they mean.

    Raises:
        DecodeError: for a part of a sample or of a channel group, for NaN or infinite samples, and
            for more of them than may be decoded at once.
    """
    size = audio_format.bytes_per_sample * audio_format.channels
    if data.nbytes % size:
        raise DecodeError(
            f'audio data length: {data.nbytes} bytes are no multiple of {size} '
            f'({audio_format.channels} channels of {audio_format.sample_format}); '
            'AudioInfo and data disagree or the message is cut short'
        )
    _check_length(data.nbytes // size, audio_format)
    samples = _to_float(data, audio_format.sample_format)
    if not np.isfinite(samples).all():
        raise DecodeError(
            f'audio samples: {np.count_nonzero(~np.isfinite(samples))} of {samples.size} '
            'are NaN or infinite'
        )
    return samples.reshape(-1, audio_format.channels)


def _check_length(groups: int, audio_format: AudioFormat) -> None:
    """Refuse a message that holds more audio than may be decoded at once."""
    rate_hz, channels = audio_format.sample_rate_hz, audio_format.channels
    most = min(int(MAX_MESSAGE_S * rate_hz), MAX_MESSAGE_GROUPS, MAX_MESSAGE_VALUES // channels)
    if groups > most:
        raise DecodeError(
            f'audio length: one message holds {groups / rate_hz:.1f} s of {channels} channel(s) at '
            f'{rate_hz} Hz; expected {most / rate_hz:.1f} s at most; publish audio in messages of '
            'a second or less, or see whether AudioInfo is right'
        )


def _to_float(data: NDArray[np.generic], sample_format: str) -> NDArray[np.float32]:
    """Return samples of any format as float32 with full scale 1, still interleaved."""
    raw = np.ascontiguousarray(data).view(np.uint8)
    if sample_format == 'S24LE':
        wide = np.zeros((raw.size // 3, 4), np.uint8)
        wide[:, 1:] = raw.reshape(-1, 3)
        return _scaled(wide.reshape(-1).view('<i4'), 2**31)
    values = raw.view(_SAMPLE_TYPES[sample_format])
    if values.dtype.kind == 'f':
        with np.errstate(over='ignore', invalid='ignore'):
            samples: NDArray[np.float32] = values.astype(np.float32)
        return samples
    if sample_format == 'U8':
        return _scaled(values.astype(np.int16) - 128, 2**7)
    return _scaled(values, 2 ** (8 * values.itemsize - 1))


def _scaled(values: NDArray[np.signedinteger[Any]], full_scale: int) -> NDArray[np.float32]:
    samples: NDArray[np.float32] = values.astype(np.float32)
    samples /= np.float32(full_scale)
    return samples
