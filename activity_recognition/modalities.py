"""The modalities as data: whatever tells one from another outside its own modules.

What a modality's topics, queue, batch keys and settings are called and how it is admitted stands
here once; the rest of the package derives it. Code of its own has each modality in modules named
after it: a decoder in ``sensors``, an encoder in ``models.encoders``, a lane in
``inference.lanes``. Needs neither torch nor ROS.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from activity_recognition.config import ModelConfig
from activity_recognition.types import (
    MODALITIES,
    AudioChunk,
    Frame,
    Modality,
    Sample,
    Utterance,
)


class Role(str, Enum):
    """What a topic is to the recogniser."""

    IMAGE = 'image'
    AUDIO = 'audio'
    AUDIO_INFO = 'audio_info'
    TRANSCRIPT = 'transcript'

    def __str__(self) -> str:
        return self.value


class QueueUnit(Enum):
    """What limits the samples that wait for the engine."""

    SAMPLES = 'samples'
    SECONDS = 'seconds'


@dataclass(frozen=True, kw_only=True, slots=True)
class RoleSpec:
    """One topic of a modality."""

    role: Role
    message_types: tuple[str, ...]
    """Types it may have, ``pkg/msg/Type``, the preferred first."""
    type_setting: str = ''
    """Field of ``TopicsConfig`` that chooses one of the types; empty where there is no choice."""
    type_words: tuple[str, ...] = ()
    """What that field calls the first of the types; without these it holds the name of a type."""
    stand_in_types: tuple[str, ...] = ()
    """Those of the types that are found in a recording only where it has none of the others."""
    field_setting: str = ''
    """Field of ``TopicsConfig`` that names what is read of a message of any type; where it is set,
    every type is taken."""
    general_type: str = ''
    """That of the types which topics of any meaning have; taken where none of another type is."""
    name_words: tuple[str, ...] = ()
    """A topic of the general type has one of these in its name."""
    other_words: tuple[str, ...] = ()
    """A topic with one of these in its name is something else."""
    suffixes: tuple[tuple[str, str], ...] = ()
    """Type, and the suffix of the topic under which messages of that type come, too."""
    default_topic: str
    """Relative name that launch files give it."""
    description: str
    """For users, one sentence."""
    depth: int
    """Of the requested history."""
    reliable: bool
    """Requested, unless a publisher offers less."""
    latched: bool = False
    """Whether transient local durability is requested, likewise."""
    offered_depth: int
    """Of the history that a playing node offers, as drivers do."""
    pauses: bool = False
    """Whether it is usual that nothing comes, and that several publish by turns."""
    sample_per_message: bool = False
    """Whether a message holds one of the samples of a chunk."""
    is_large: bool = False
    """Whether a message may be too large for the transport that the middleware takes by default."""
    behind_limit_s: float | None = None
    """A stamp may lie so long before its arrival, seconds; None where it has no stamp."""
    max_bytes: int | None = None
    """Longest message that is deserialised; None leaves the limit to the decoder."""
    on_other_type: str = ''
    """What to do where another type is published."""
    on_empty: str = 'nothing was in them; check the driver'
    """What to say where messages come and no sample is in them."""
    on_missing: str = ''
    """What to say where it is missing and the modality's messages are refused for it."""

    def suffix(self, type_name: str) -> str:
        """Return what is appended to the name of a topic of this type; mostly nothing."""
        return dict(self.suffixes).get(type_name, '')

    def accepts(self, type_name: str) -> bool:
        """Return whether messages of this type may be taken, given the settings they need."""
        return bool(self.field_setting) or type_name in self.message_types


@dataclass(frozen=True, kw_only=True, slots=True)
class ArraySpec:
    """One array of a batch that a modality's encoder takes."""

    name: str
    """Key of the batch and of prepared recordings."""
    dtype: str
    """As NumPy and PyTorch call it; a floating type may be wider."""
    dims: int
    """Number of dimensions, batch and samples first."""
    stored: bool = True
    """Whether prepared recordings keep it; token ids follow from a tokenizer that training
    makes."""

    @property
    def is_images(self) -> bool:
        """Whether it holds images, (batch, samples, height, width, colours)."""
        return self.dtype == 'uint8' and self.dims == 5


@dataclass(frozen=True, kw_only=True, slots=True)
class ModalitySpec:
    """One modality."""

    modality: Modality
    sample_type: type[Sample]
    sample_noun: str
    """What one sample is called in sentences."""
    content: str
    """Field of a sample with what was sensed."""
    roles: tuple[RoleSpec, ...]
    """Its topics, the one with the samples first."""
    queue_unit: QueueUnit
    queue_setting: str
    """Field of ``SyncConfig`` with the length of its queue."""
    rate_setting: str = ''
    """Field of ``SyncConfig`` with the rate above which its samples are left out; empty for none.
    Its messages begin with a Header, whose stamp is read before they are decoded."""
    triggers_decisions: bool = False
    """Whether a decision is due when a sample enters a new cell of the decision grid."""
    may_be_late: bool = False
    """Whether samples older than the newest are admitted, and none is a time jump."""
    has_holes: bool = False
    """Whether its samples lie on a grid, on which what is missing is there, masked."""
    longest_gap_s: float | None = None
    """Silence worth telling of a sensor that delivers all the time; None where it has pauses."""
    usual_delay_s: tuple[float, float]
    """Least and greatest delay from stamp to record time on one clock, seconds."""
    prefix: str
    """How the batch keys of its stamps, arrivals and mask begin."""
    arrays: tuple[ArraySpec, ...]
    """What its encoder takes, beside stamps and mask."""

    @property
    def name(self) -> str:
        """The modality's name, also of its settings in ``ModelConfig``."""
        return self.modality.value

    @property
    def stamps_key(self) -> str:
        """Batch key of its stamps."""
        return f'{self.prefix}_stamps'

    @property
    def arrivals_key(self) -> str:
        """Batch key of its arrivals."""
        return f'{self.prefix}_arrivals'

    @property
    def mask_key(self) -> str:
        """Batch key of its mask."""
        return f'{self.prefix}_mask'

    @property
    def time_keys(self) -> tuple[str, str, str]:
        """Batch keys of stamps, arrivals and mask."""
        return self.stamps_key, self.arrivals_key, self.mask_key

    @property
    def stored_keys(self) -> tuple[str, ...]:
        """Keys of the times that prepared recordings keep; a mask where there may be holes."""
        return self.time_keys if self.has_holes else self.time_keys[:2]

    @property
    def stored_arrays(self) -> tuple[ArraySpec, ...]:
        """Its arrays that prepared recordings keep."""
        return tuple(array for array in self.arrays if array.stored)

    @property
    def role(self) -> Role:
        """The topic with its samples."""
        return self.roles[0].role


_KEY_POINTS = ('activity_recognition/msg/KeyPoints', 'hri_msgs/msg/Skeleton2D')
"""The key points of a body, in the place of its picture."""

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
        queue_unit=QueueUnit.SAMPLES,
        queue_setting='queue_frames',
        rate_setting='max_frame_rate_hz',
        triggers_decisions=True,
        longest_gap_s=1.0,
        usual_delay_s=(-0.25, 2.0),
        prefix='frame',
        arrays=(ArraySpec(name='frames', dtype='uint8', dims=5),),
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
        queue_unit=QueueUnit.SECONDS,
        queue_setting='queue_audio_s',
        has_holes=True,
        longest_gap_s=0.5,
        # A stamp tells when a chunk began.
        usual_delay_s=(-0.25, 2.0),
        prefix='spectrogram',
        arrays=(ArraySpec(name='spectrograms', dtype='float32', dims=4),),
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
                # Unlike images and audio, text is taken apart piece by piece.
                max_bytes=1 << 20,
                on_other_type='set topics.transcript_type and topics.transcript_field to read it',
                on_empty='none had words: partial results are left out unless '
                'topics.transcript_incremental is set, and topics.transcript_field names the field '
                'that is read',
            ),
        ),
        queue_unit=QueueUnit.SAMPLES,
        queue_setting='queue_utterances',
        may_be_late=True,
        # A speech recogniser takes its time.
        usual_delay_s=(-1.0, 60.0),
        prefix='transcript',
        arrays=(
            ArraySpec(name='transcript_tokens', dtype='int64', dims=3, stored=False),
            ArraySpec(name='transcript_token_mask', dtype='bool', dims=3, stored=False),
        ),
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
