"""Settings of the nodes that play: what the player and the simulator have in common, and apart."""

from __future__ import annotations

from dataclasses import dataclass

from activity_recognition.errors import ConfigError, quoted
from activity_recognition.recorded import DEFAULTS, RecordedConfig
from activity_recognition.settings import Ranged, setting
from activity_recognition.types import MODALITIES

STAMP_MODES = ('auto', 'now', 'original')


@dataclass(frozen=True, kw_only=True, slots=True)
class PlaybackConfig(Ranged):
    """When messages are published and what their stamps say."""

    rate: float = setting(1.0, low=0.01, high=100.0)
    """Seconds played per second. Audio keeps its sample rate: with another rate than 1 play with
    ``clock`` and let the recogniser use sim time."""
    loop: bool = False
    """Begin again at the end."""
    clock: bool = False
    """Publish the recording's time on /clock, for nodes with use_sim_time."""
    clock_rate_hz: float = setting(100.0, low=1.0, high=1000.0)
    """How often /clock is published; besides, it is before every message."""
    stamps: str = 'auto'
    """``now`` moves stamps so that the recording happens while it is played, ``original`` leaves
    them, ``auto`` is ``original`` with ``clock`` and ``now`` without."""
    wait_for_subscribers_s: float = setting(0.0, low=0.0, high=3600.0)
    """Wait at most this long until each topic with samples has a subscriber; 0 begins at once."""
    start_paused: bool = False
    """Begin when the service ``~/pause`` is called with ``data: false``."""
    exit_at_end: bool = True
    """End the process after the last message; else the node stays for its statistics."""

    def __post_init__(self) -> None:
        """Check the name of the stamp mode."""
        Ranged.__post_init__(self)
        if self.stamps not in STAMP_MODES:
            raise ConfigError(
                f'stamps must be one of {", ".join(STAMP_MODES)}, got {quoted(self.stamps)}'
            )

    @property
    def keeps_stamps(self) -> bool:
        """Whether messages keep the stamps they have."""
        return self.stamps == 'original' or (self.stamps == 'auto' and self.clock)


@dataclass(frozen=True, kw_only=True, slots=True)
class PlayerConfig(Ranged):
    """The node ``player``; its ROS parameters are exactly these fields, dotted."""

    bag: str = ''
    """The recording: a rosbag2 folder, or a .mcap, .db3 or ROS 1 .bag file."""
    offset_s: float = setting(0.0, low=0.0, high=1e9)
    """Begin this far into the recording, seconds."""
    duration_s: float = setting(0.0, low=0.0, high=1e9)
    """Play at most this much of it, seconds; 0 plays to the end."""
    all_topics: bool = False
    """Publish the recording's other topics too, under their own names."""
    recorded: RecordedConfig = DEFAULTS
    """Which topics of the recording are played, and what they mean."""
    playback: PlaybackConfig = PlaybackConfig()


@dataclass(frozen=True, kw_only=True, slots=True)
class SceneConfig(Ranged):
    """What the simulator shows; the fields mean what they mean in a simulated recording."""

    seed: int = setting(0, low=0, high=2**31 - 1)
    """Decides everything that is drawn; with ``loop`` the next scene takes the next seed."""
    duration_s: float = setting(60.0, low=1.0, high=86_400.0)
    """Length of a scene, seconds."""
    difficulty: float = setting(0.5, low=0.0, high=1.0)
    """Camera noise, occlusion, background sound and recogniser errors, from 0 (clean) to 1."""
    frame_rate_hz: float = setting(15.0, low=0.1, high=240.0)
    width_px: int = setting(192, low=32, high=4096)
    height_px: int = setting(144, low=32, high=4096)
    image: str = 'raw'
    """``raw``, ``jpeg`` or ``png``."""
    modalities: tuple[str, ...] = tuple(map(str, MODALITIES))
    """What is published."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SimulatorConfig(Ranged):
    """The node ``simulator``; its ROS parameters are exactly these fields, dotted."""

    scene: SceneConfig = SceneConfig()
    playback: PlaybackConfig = PlaybackConfig()
