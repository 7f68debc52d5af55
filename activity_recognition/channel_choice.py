"""What a user says about the channels of audio: the setting ``audio_channels``, taken apart."""

from __future__ import annotations

import re
from dataclasses import dataclass

from activity_recognition.errors import ConfigError, quoted

MAX_CHANNELS = 64
"""Most channels of one audio stream."""

_CHOICE = re.compile(r'(?P<mode>mean|auto)(?P<without>(-\d{1,2})*)|(?P<index>\d{1,2})', re.ASCII)


@dataclass(frozen=True, kw_only=True, slots=True)
class ChannelChoice:
    """Which channels become the mono signal."""

    mode: str
    """``mean``, ``auto`` or ``index``."""
    index: int = 0
    """The channel, with ``index``; the first is 0."""
    without: tuple[int, ...] = ()
    """Channels that ``mean`` and ``auto`` leave out, as those with the robot's own loudspeaker."""

    @classmethod
    def parse(cls, text: str) -> ChannelChoice:
        """Read the setting: ``mean``, ``auto``, an index, or ``auto-5`` for all channels but 5.

        Args:
            text: what the user wrote; several channels may be left out, ``mean-4-5``.

        Raises:
            ConfigError: when it is none of these.
        """
        found = _CHOICE.fullmatch(text.strip().lower())
        without = [int(word) for word in (found['without'] or '').split('-')[1:]] if found else []
        index = int(found['index'] or 0) if found else 0
        if found is None or max(index, *without, 0) >= MAX_CHANNELS:
            raise ConfigError(
                "audio_channels: expected 'mean', 'auto', the index of a channel from 0 to "
                f"{MAX_CHANNELS - 1} such as '0', or 'auto-5' or 'mean-5' to leave channel 5 out, "
                f'got {quoted(text)}'
            )
        return cls(mode=found['mode'] or 'index', index=index, without=tuple(sorted(set(without))))
