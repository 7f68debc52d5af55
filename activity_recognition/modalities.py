"""The modalities as data: whatever distinguishes them outside their own modules.

What a modality's topics, queue, batch keys and settings are called and how it is admitted stands
here once; the rest of the package derives it. Code of its own has each modality in modules named
after it: a decoder in ``sensors``, an encoder in ``models.encoders``, a lane in
``inference.lanes``. Needs neither torch nor ROS.
"""

from __future__ import annotations

from activity_recognition.modality_spec import (
    ArraySpec,
    ModalitySpec,
    OtherForm,
    QueueSpec,
    QueueUnit,
    RoleSpec,
)
from activity_recognition.model_config import ModelConfig
from activity_recognition.types import (
    MODALITIES,
    AudioChunk,
    Frame,
    InertialChunk,
    Modality,
    Role,
    Utterance,
)

__all__ = [
    'DECISION_KEYS',
    'DEFAULT_MODALITIES',
    'MODALITY_OF_ROLE',
    'ROLE_SPEC',
    'SAMPLE_ROLES',
    'SPEC',
    'SPECS',
    'ArraySpec',
    'ModalitySpec',
    'QueueSpec',
    'QueueUnit',
    'Role',
    'RoleSpec',
    'modalities_of',
]


_KEY_POINTS = ('activity_recognition/msg/KeyPoints', 'hri_msgs/msg/Skeleton2D')
"""The key points of a body, in the place of its image."""

SPECS: tuple[ModalitySpec, ...] = (
    ModalitySpec(
        modality=Modality.VIDEO,
        sample_type=Frame,
        sample_noun='frame',
        content='image',
        roles=(
            RoleSpec(
                role=Role.IMAGE,
                message_types=(
                    'sensor_msgs/msg/Image',
                    'sensor_msgs/msg/CompressedImage',
                    *_KEY_POINTS,
                ),
                stand_in_types=_KEY_POINTS,
                type_setting='image_transport',
                type_words=('raw', 'compressed'),
                other_words=('depth',),
                # Where image_transport publishes them.
                suffixes=(('sensor_msgs/msg/CompressedImage', '/compressed'),),
                default_topic='camera/image_raw',
                description='Topic of the camera, sensor_msgs/Image or CompressedImage; or of the '
                'key points of a body, activity_recognition/KeyPoints or hri_msgs/Skeleton2D.',
                # Dropping happens, counted, in our ring; a depth of 1 would lose frames unseen
                # inside DDS.
                depth=5,
                reliable=False,
                offered_depth=5,
                is_large=True,
                behind_limit_s=1.0,
                on_other_type="set topics.image_transport to '' or remap image",
            ),
        ),
        queue=QueueSpec(
            setting='queue_frames',
            unit=QueueUnit.SAMPLES,
            default=8,
            longest=1000,
            description='Frames that may wait for the engine; the oldest is dropped and counted.',
        ),
        rate_setting='max_frame_rate_hz',
        triggers_decisions=True,
        longest_gap_s=1.0,
        usual_delay_s=(-0.25, 2.0),
        prefix='frame',
        arrays=(
            ArraySpec(
                name='frames',
                dtype='uint8',
                dims=5,
                other_form=OtherForm(setting='key_points', dtype='float32', dims=4),
            ),
            ArraySpec(name='images', dtype='uint8', dims=5, needs='takes_both'),
        ),
    ),
    ModalitySpec(
        modality=Modality.AUDIO,
        sample_type=AudioChunk,
        sample_noun='chunk',
        content='samples',
        roles=(
            RoleSpec(
                role=Role.AUDIO,
                message_types=(
                    'audio_common_msgs/msg/AudioDataStamped',
                    'audio_common_msgs/msg/AudioStamped',
                    'audio_common_msgs/msg/AudioData',
                ),
                type_setting='audio_type',
                default_topic='audio/audio_stamped',
                description='Topic of the microphone, of either package audio_common_msgs.',
                # A lost chunk is a hole in the audio.
                depth=100,
                reliable=True,
                offered_depth=50,
                # Chunks are stamped when they begin, and published when they end.
                behind_limit_s=2.0,
                on_other_type="set topics.audio_type to '' or remap audio",
            ),
            RoleSpec(
                role=Role.AUDIO_INFO,
                message_types=('audio_common_msgs/msg/AudioInfo',),
                default_topic='audio/audio_info',
                description='Topic that says what format the audio has.',
                depth=1,
                reliable=True,
                latched=True,
                offered_depth=1,
                on_other_type='remap audio_info',
                on_missing='audio arrives, but nothing says in what format, so it is refused; let '
                'the audio driver publish its AudioInfo, remap audio_info, or set '
                'topics.audio_sample_format, audio_sample_rate_hz and audio_num_channels',
            ),
        ),
        queue=QueueSpec(
            setting='queue_audio_s',
            unit=QueueUnit.SECONDS,
            default=8.0,
            longest=600.0,
            description='Seconds of audio that may wait for the engine.',
        ),
        has_holes=True,
        longest_gap_s=0.5,
        # A stamp says when a chunk began.
        usual_delay_s=(-0.25, 2.0),
        prefix='spectrogram',
        arrays=(
            ArraySpec(name='spectrograms', dtype='float32', dims=4, needs='channels'),
            ArraySpec(name='sound_embeddings', dtype='float16', dims=3, needs='backbone'),
        ),
    ),
    ModalitySpec(
        modality=Modality.TEXT,
        sample_type=Utterance,
        sample_noun='utterance',
        content='text',
        roles=(
            RoleSpec(
                role=Role.TRANSCRIPT,
                message_types=(
                    'std_msgs/msg/String',
                    'hri_msgs/msg/LiveSpeech',
                    'whisper_msgs/msg/Transcription',
                    'speech_recognition_msgs/msg/SpeechRecognitionCandidates',
                ),
                type_setting='transcript_type',
                field_setting='transcript_field',
                general_type='std_msgs/msg/String',
                name_words=('transcript', 'speech', 'utterance', 'asr', 'stt', 'whisper', 'spoken'),
                default_topic='speech/transcript',
                description='Topic of recognised speech, any message type with a text.',
                depth=20,
                reliable=True,
                offered_depth=10,
                pauses=True,
                # Words are stamped when they were begun, and recognised long after they have ended.
                behind_limit_s=60.0,
                # Unlike images and audio, text is parsed element by element.
                max_bytes=1 << 20,
                on_other_type='set topics.transcript_type and topics.transcript_field to read it',
                on_empty='none had words: partial results are left out unless '
                'topics.transcript_incremental is set, and topics.transcript_field names the field '
                'that is read',
            ),
        ),
        queue=QueueSpec(
            setting='queue_utterances',
            unit=QueueUnit.SAMPLES,
            default=64,
            longest=10_000,
            description='Utterances that may wait for the engine.',
        ),
        may_be_late=True,
        # A speech recogniser takes its time.
        usual_delay_s=(-1.0, 60.0),
        prefix='transcript',
        arrays=(
            ArraySpec(name='transcript_tokens', dtype='int64', dims=3, stored=False),
            ArraySpec(name='transcript_token_mask', dtype='bool', dims=3, stored=False),
        ),
    ),
    ModalitySpec(
        modality=Modality.IMU,
        sample_type=InertialChunk,
        sample_noun='chunk',
        content='samples',
        roles=(
            RoleSpec(
                role=Role.IMU,
                message_types=('sensor_msgs/msg/Imu',),
                default_topic='imu/data',
                description='Topic of an inertial sensor that the person carries, sensor_msgs/Imu.',
                # A second of a fast sensor; drivers offer best effort, which is then taken.
                depth=100,
                reliable=True,
                offered_depth=50,
                sample_per_message=True,
                behind_limit_s=1.0,
                on_other_type='remap imu',
                on_empty='too few came for a chunk; check the driver',
            ),
        ),
        queue=QueueSpec(
            setting='queue_imu_s',
            unit=QueueUnit.SECONDS,
            default=8.0,
            longest=600.0,
            description='Seconds of inertial measurements that may wait for the engine.',
        ),
        has_holes=True,
        longest_gap_s=0.5,
        # Some samples are collected first, and stamped as the first of them is.
        usual_delay_s=(-0.25, 1.0),
        prefix='inertial',
        arrays=(ArraySpec(name='inertial_blocks', dtype='float32', dims=4),),
        table='table of an inertial sensor, .csv: t_s,ax,ay,az,gx,gy,gz',
    ),
)
"""All modalities, in the order of every array, message and table."""

SPEC: dict[Modality, ModalitySpec] = {spec.modality: spec for spec in SPECS}
"""The same by modality."""
ROLE_SPEC: dict[Role, RoleSpec] = {item.role: item for spec in SPECS for item in spec.roles}
"""All topics by role."""
DECISION_KEYS = ('decision_stamps', 'decision_arrivals')
"""Keys of the decisions in a batch and in prepared recordings."""
DEFAULT_MODALITIES = MODALITIES
"""Those of models, shards and reports that do not say which they have."""
MODALITY_OF_ROLE: dict[Role, Modality] = {
    item.role: spec.modality for spec in SPECS for item in spec.roles
}
"""Which modality a topic belongs to."""
SAMPLE_ROLES: dict[Role, Modality] = {spec.role: spec.modality for spec in SPECS}
"""Topics whose messages become samples; those of the others only say what these mean."""


def modalities_of(config: ModelConfig) -> tuple[Modality, ...]:
    """Return the modalities that a network takes in, in the order of :data:`SPECS`."""
    return tuple(Modality(name) for name in config.modalities)
