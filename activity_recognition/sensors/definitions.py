"""Message definitions that a machine may lack and a topic may still carry.

They follow the released packages, so buffers of these types can be read where
the packages are not installed. What a recording embeds, and what the machine's own index holds,
comes before them (:class:`activity_recognition.sensors.cdr.TypeRegistry`).
"""

from __future__ import annotations

_AUDIO_DATA = 'uint8[] data\n'

_AUDIO_DATA_STAMPED = 'std_msgs/Header header\naudio_common_msgs/AudioData audio\n'

_AUDIO_INFO = """\
uint8 channels
uint32 sample_rate
string sample_format
uint32 bitrate
string coding_format
"""

_AUDIO_STAMPED_PORTAUDIO = 'std_msgs/Header header\naudio_common_msgs/Audio audio\n'

_AUDIO_PORTAUDIO = """\
audio_common_msgs/AudioData audio_data
audio_common_msgs/AudioInfo info
"""

_AUDIO_DATA_PORTAUDIO = """\
float32[] float32_data
int32[] int32_data
int16[] int16_data
int8[] int8_data
uint8[] uint8_data
"""

_AUDIO_INFO_PORTAUDIO = 'int32 format\nint32 channels\nint32 rate\nint32 chunk\n'

_LIVE_SPEECH_WITHOUT_LANGUAGE = """\
std_msgs/Header header
string incremental
string final
float64 confidence
"""

_LIVE_SPEECH = f'{_LIVE_SPEECH_WITHOUT_LANGUAGE}string locale\n'

_WHISPER_TRANSCRIPTION = 'string text\nfloat32 audio_time\nfloat32 transcription_time\n'

_KEY_POINTS = """\
std_msgs/Header header
uint32 width
uint32 height
string[] names
float32[] x
float32[] y
float32[] scores
"""

_SKELETON = {
    'hri_msgs/msg/NormalizedPointOfInterest2D': 'float32 x\nfloat32 y\nfloat32 c\n',
    'hri_msgs/msg/Skeleton2D': (
        'std_msgs/Header header\nhri_msgs/NormalizedPointOfInterest2D[] skeleton\n'
    ),
}

_STREAMED_AUDIO = {
    'audio_common_msgs/msg/AudioData': _AUDIO_DATA,
    'audio_common_msgs/msg/AudioDataStamped': _AUDIO_DATA_STAMPED,
    'audio_common_msgs/msg/AudioInfo': _AUDIO_INFO,
}

_PORTAUDIO = {
    'audio_common_msgs/msg/Audio': _AUDIO_PORTAUDIO,
    'audio_common_msgs/msg/AudioData': _AUDIO_DATA_PORTAUDIO,
    'audio_common_msgs/msg/AudioInfo': _AUDIO_INFO_PORTAUDIO,
    'audio_common_msgs/msg/AudioStamped': _AUDIO_STAMPED_PORTAUDIO,
}

KNOWN_DEFINITIONS: dict[str, dict[str, str]] = {
    'audio_common_msgs/msg/AudioData': _STREAMED_AUDIO,
    'audio_common_msgs/msg/AudioDataStamped': _STREAMED_AUDIO,
    'audio_common_msgs/msg/AudioInfo': _STREAMED_AUDIO,
    'audio_common_msgs/msg/Audio': _PORTAUDIO,
    'audio_common_msgs/msg/AudioStamped': _PORTAUDIO,
    'activity_recognition/msg/KeyPoints': {'activity_recognition/msg/KeyPoints': _KEY_POINTS},
    'hri_msgs/msg/LiveSpeech': {'hri_msgs/msg/LiveSpeech': _LIVE_SPEECH},
    'hri_msgs/msg/Skeleton2D': _SKELETON,
    'whisper_msgs/msg/Transcription': {'whisper_msgs/msg/Transcription': _WHISPER_TRANSCRIPTION},
}
"""Type of a topic -> the definitions it is closed over.

Two packages are called ``audio_common_msgs`` and disagree on ``AudioData`` and ``AudioInfo``
(ros-drivers and mgonzs13); a topic's type says which of the two it comes from.
"""

OTHER_RELEASES = {
    'hri_msgs/msg/LiveSpeech': _LIVE_SPEECH_WITHOUT_LANGUAGE,
}
"""Type of a topic -> its definition in another release, for messages that come without theirs and
that those of :data:`KNOWN_DEFINITIONS` do not fit.

``LiveSpeech`` ends with ``locale``, with ``language``, which travels alike, or with neither.
"""

FIXED_TYPES = frozenset(
    {
        'sensor_msgs/msg/Image',
        'sensor_msgs/msg/CompressedImage',
        'activity_recognition/msg/KeyPoints',
        'hri_msgs/msg/Skeleton2D',
        *_STREAMED_AUDIO,
        'audio_common_msgs/msg/AudioStamped',
    }
)
"""Types whose fields the decoders rely on: no other definition of them is taken."""
