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

_BODY_REGION = """\
std_msgs/Header header
float32 xmin
float32 ymin
float32 xmax
float32 ymax
float32 c
"""

_VISION = {
    'Detection2DArray': 'std_msgs/Header header\nvision_msgs/Detection2D[] detections\n',
    'Detection2D': (
        'std_msgs/Header header\nvision_msgs/ObjectHypothesisWithPose[] results\n'
        'vision_msgs/BoundingBox2D bbox\nstring id\n'
    ),
    'ObjectHypothesisWithPose': (
        'vision_msgs/ObjectHypothesis hypothesis\ngeometry_msgs/PoseWithCovariance pose\n'
    ),
    'ObjectHypothesis': 'string class_id\nfloat64 score\n',
    'BoundingBox2D': 'vision_msgs/Pose2D center\nfloat64 size_x\nfloat64 size_y\n',
    'Pose2D': 'vision_msgs/Point2D position\nfloat64 theta\n',
    'Point2D': 'float64 x\nfloat64 y\n',
}

_YOLO = {
    'DetectionArray': 'std_msgs/Header header\nyolo_msgs/Detection[] detections\n',
    'Detection': (
        'int32 class_id\nstring class_name\nfloat64 score\nstring id\n'
        'yolo_msgs/BoundingBox2D bbox\nyolo_msgs/BoundingBox3D bbox3d\nyolo_msgs/Mask mask\n'
        'yolo_msgs/KeyPoint2DArray keypoints\nyolo_msgs/KeyPoint3DArray keypoints3d\n'
    ),
    'BoundingBox2D': 'yolo_msgs/Pose2D center\nyolo_msgs/Vector2 size\n',
    'BoundingBox3D': 'geometry_msgs/Pose center\ngeometry_msgs/Vector3 size\nstring frame_id\n',
    'Pose2D': 'yolo_msgs/Point2D position\nfloat64 theta\n',
    'Point2D': 'float64 x\nfloat64 y\n',
    'Vector2': 'float64 x\nfloat64 y\n',
    'Mask': 'int32 height\nint32 width\nyolo_msgs/Point2D[] data\n',
    'KeyPoint2D': 'int32 id\nyolo_msgs/Point2D point\nfloat64 score\n',
    'KeyPoint2DArray': 'yolo_msgs/KeyPoint2D[] data\n',
    'KeyPoint3D': 'int32 id\ngeometry_msgs/Point point\nfloat64 score\n',
    'KeyPoint3DArray': 'yolo_msgs/KeyPoint3D[] data\nstring frame_id\n',
}


def _of_package(package: str, definitions: dict[str, str]) -> dict[str, str]:
    return {f'{package}/msg/{name}': text for name, text in definitions.items()}


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
    'hri_msgs/msg/IdsList': {'hri_msgs/msg/IdsList': 'std_msgs/Header header\nstring[] ids\n'},
    'hri_msgs/msg/NormalizedRegionOfInterest2D': {
        'hri_msgs/msg/NormalizedRegionOfInterest2D': _BODY_REGION
    },
    'vision_msgs/msg/Detection2DArray': _of_package('vision_msgs', _VISION),
    'yolo_msgs/msg/DetectionArray': _of_package('yolo_msgs', _YOLO),
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
