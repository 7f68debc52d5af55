"""How topics of a recording become the network's inputs: the settings of a node, offline.

The same settings are options of the commands, keys of a training recipe (``recorded:``), columns of
``splits.csv`` and parameters of the player; what is left open, the one before decides.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from activity_recognition.channel_choice import ChannelChoice
from activity_recognition.config import TopicsConfig
from activity_recognition.config_io import to_mapping
from activity_recognition.errors import ConfigError, quoted
from activity_recognition.modalities import (
    DEFAULT_MODALITIES,
    ROLE_SPEC,
    SPECS,
    ModalitySpec,
    RoleSpec,
)
from activity_recognition.settings import Ranged, setting

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from activity_recognition.sensors.audio_format import AudioFormat

Setting = str | int | bool
_WORDS = {'true': True, '1': True, 'false': False, '0': False}
AUTO, NONE = 'auto', 'none'
"""Words for a topic found by its type, and for doing without."""
ROLES = tuple(role.value for role in ROLE_SPEC)
"""Settings that name a topic."""
_LIVE = {item.name: item for item in dataclasses.fields(TopicsConfig)}


def _as_live(name: str) -> Any:
    """Declare a setting with the default and the range that it has in ``topics`` of the node."""
    item = _LIVE[name]
    return setting(
        item.default,
        low=item.metadata.get('low'),
        high=item.metadata.get('high'),
        advice=item.metadata.get('advice', ''),
    )


def _is_usual(modality: ModalitySpec) -> bool:
    return modality.modality in DEFAULT_MODALITIES


def _topic_of(spec: RoleSpec) -> tuple[str, type, Any]:
    """Declare the setting that names the topic of a role."""
    usual = any(spec in modality.roles for modality in SPECS if _is_usual(modality))
    words = 'auto or empty finds it by its type, none does without'
    if not usual:
        words = (
            'auto finds it by its type, none does without, and empty leaves it to the checkpoint'
        )
    text = f'{spec.description[:-1]}; {words}.'
    return spec.role.value, str, setting('', description=text)


_TopicSettings: Any = dataclasses.make_dataclass(
    '_TopicSettings',
    [_topic_of(spec) for spec in ROLE_SPEC.values()],
    frozen=True,
    kw_only=True,
    slots=True,
)


@dataclass(frozen=True, kw_only=True, slots=True)
class RecordedConfig(_TopicSettings, Ranged):  # type: ignore[misc]
    """Which topics of a recording are used, one setting per role, and what they mean."""

    transcript_field: str = _as_live('transcript_field')
    """Field of the transcript that holds the text, dotted; empty for the known field of a known
    type."""
    transcript_incremental: bool = _as_live('transcript_incremental')
    """Whether partial results of ``hri_msgs/LiveSpeech`` are utterances, too."""
    audio_channels: str = _as_live('audio_channels')
    """Which of several channels is used: their ``mean``, the channel with an index, or ``auto`` for
    the loudest of those that agree; ``auto-5`` and ``mean-5`` leave channel 5 out."""
    audio_sample_format: str = _as_live('audio_sample_format')
    """Sample format to assume for audio without AudioInfo, for example S16LE; empty refuses it."""
    audio_sample_rate_hz: int = _as_live('audio_sample_rate_hz')
    """Sample rate to assume with the sample format, Hz."""
    audio_num_channels: int = _as_live('audio_num_channels')
    """Number of channels to assume with the sample format."""

    def __post_init__(self) -> None:
        """Check the sample format and the choice of channels."""
        Ranged.__post_init__(self)
        ChannelChoice.parse(self.audio_channels)
        if self.audio_sample_format:
            # Imported here, because the command line has no time for it.
            from activity_recognition.sensors.audio_format import SAMPLE_FORMATS

            if self.audio_sample_format not in SAMPLE_FORMATS:
                raise ConfigError(
                    f'audio_sample_format must be one of {", ".join(SAMPLE_FORMATS)}, or empty, '
                    f'got {quoted(self.audio_sample_format)}'
                )

    @property
    def audio_format(self) -> AudioFormat | None:
        """The format to assume for audio; None assumes nothing."""
        if not self.audio_sample_format:
            return None
        from activity_recognition.sensors.audio_format import AudioFormat

        return AudioFormat(
            sample_format=self.audio_sample_format,
            sample_rate_hz=self.audio_sample_rate_hz,
            channels=self.audio_num_channels,
        )

    @property
    def overrides(self) -> dict[str, Any]:
        """What differs from the defaults, by name."""
        default = to_mapping(RecordedConfig())
        return {name: value for name, value in to_mapping(self).items() if value != default[name]}

    def without_others(self, modalities: Iterable[str]) -> RecordedConfig:
        """Return the settings that do without the topics of all but some modalities."""
        others = [spec for spec in SPECS if spec.name not in set(modalities)]
        return self.with_overrides({item.role.value: NONE for s in others for item in s.roles})

    @property
    def digest(self) -> str:
        """Sixteen hexadecimal digits that distinguish readings of a recording; empty by default."""
        content = json.dumps(self.overrides, sort_keys=True).encode()
        return hashlib.blake2b(content, digest_size=8).hexdigest() if self.overrides else ''

    def for_player(self, modalities: Iterable[str]) -> RecordedConfig:
        """Return the settings of a player that plays to a checkpoint: what it takes, and no more.

        Args:
            modalities: names of those that the checkpoint takes. Topics that these settings name
                are played in any case.
        """
        taken = set(modalities)
        chosen = {
            item.role.value: AUTO if spec.name in taken else NONE
            for spec in SPECS
            if (spec.name in taken) != _is_usual(spec)
            for item in spec.roles
            if not getattr(self, item.role.value)
        }
        return self.with_overrides(chosen)

    def with_overrides(self, values: Mapping[str, Any]) -> RecordedConfig:
        """Return these settings with others in their place.

        Raises:
            ConfigError: a value lies outside its range.
        """
        return dataclasses.replace(self, **values)


DEFAULTS = RecordedConfig()
SETTINGS: Mapping[str, type[str] | type[int] | type[bool]] = {
    name: type(value) for name, value in to_mapping(DEFAULTS).items()
}
"""Names of the settings and the types of their values."""


def read_setting(name: str, text: str) -> Setting:
    """Return a setting written as text.

    Args:
        name: of the setting, a field of :class:`RecordedConfig`.
        text: its value.

    Raises:
        ConfigError: when it is no number, or neither true nor false, where one is expected, or out
            of range.
    """
    value: Setting = text
    if SETTINGS[name] is bool:
        if text.lower() not in _WORDS:
            raise ConfigError(f'{name}: expected true or false, got {quoted(text)}')
        value = _WORDS[text.lower()]
    elif SETTINGS[name] is int:
        try:
            value = int(text)
        except ValueError:
            raise ConfigError(f'{name}: expected a whole number, got {quoted(text)}') from None
    DEFAULTS.with_overrides({name: value})
    return value
