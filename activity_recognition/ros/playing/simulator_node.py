"""The node ``simulator``: a simulated scene as live topics, drawn while it plays."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from heapq import merge
from typing import Any, NoReturn

from activity_recognition.bags.messages import IMAGE_FORMATS, MessageMaker
from activity_recognition.errors import ConfigError
from activity_recognition.modalities import SAMPLE_ROLES, SPEC, Role
from activity_recognition.ros.playing.playback import Playback
from activity_recognition.ros.playing.playback_config import SceneConfig, SimulatorConfig
from activity_recognition.ros.playing.playback_process import (
    PlayingNode,
    end_process,
    play_until_finished,
)
from activity_recognition.ros.sources.playback_source import truth_messages, truth_topic
from activity_recognition.ros.sources.read_ahead import TimedMessage
from activity_recognition.ros.startup_parameters import read_once
from activity_recognition.ros.topic_spec import sensor_topic
from activity_recognition.simulation import SimulationConfig, simulate
from activity_recognition.types import ALL_MODALITIES, Modality, Sample, to_ns

_TRANSCRIPT_TYPE = 'std_msgs/msg/String'


class SimulationSource:
    """Draws scenes and plays them; every round is a scene of its own."""

    def __init__(self, config: SceneConfig) -> None:
        """Prepare the scene of ``config.seed``.

        Raises:
            ConfigError: for a modality or image format that does not exist.
        """
        if config.image not in IMAGE_FORMATS:
            raise ConfigError(
                f'scene.image must be one of {", ".join(IMAGE_FORMATS)}, got {config.image!r}'
            )
        unknown = [name for name in config.modalities if name not in ALL_MODALITIES]
        if unknown or not config.modalities:
            raise ConfigError(
                f'scene.modalities must come from {", ".join(ALL_MODALITIES)}, '
                f'got {list(config.modalities)}'
            )
        self._config = SimulationConfig(
            seed=config.seed,
            duration_s=config.duration_s,
            difficulty=config.difficulty,
            frame_rate_hz=config.frame_rate_hz,
            width_px=config.width_px,
            height_px=config.height_px,
            modalities=tuple(Modality(name) for name in config.modalities),
        )
        self._maker = MessageMaker(config.image, 95, _TRANSCRIPT_TYPE)
        self.left_out: dict[str, str] = {}
        roles = [(role, self._maker.type_of(role)) for role in self._roles()]
        self.topics = (
            truth_topic(),
            *(sensor_topic(role.value, role, name) for role, name in roles),
        )
        self.begin_ns = self._config.start_ns
        self.end_ns = self.begin_ns + to_ns(self._config.duration_s)

    @property
    def name(self) -> str:
        """The scene in words."""
        return f'the simulated scene of seed {self._config.seed}'

    @property
    def unreadable(self) -> int:
        """None: what is drawn can be published."""
        return 0

    def latched(self) -> list[TimedMessage]:
        """Return what says what the messages mean, such as the format of the audio."""
        roles = [role for role in self._roles() if role not in SAMPLE_ROLES]
        made = {role: self._maker.description(role, self._config.sample_rate_hz) for role in roles}
        return [TimedMessage(self.begin_ns, role.value, item.cdr) for role, item in made.items()]

    def messages(self) -> Iterator[TimedMessage]:
        """Yield the scene's messages, drawing and synthesising as they are asked for."""
        scene = simulate(self._config)
        truth = truth_messages(
            scene.labels, start_ns=self.begin_ns, begin_ns=self.begin_ns, end_ns=self.end_ns
        )
        samples = (message for sample in scene.samples() for message in self._messages_of(sample))
        return merge(truth, samples, key=lambda message: message.time_ns)

    def advance(self) -> None:
        """Go on to the next seed."""
        self._config = dataclasses.replace(self._config, seed=self._config.seed + 1)

    def close(self) -> None:
        """Nothing is open."""

    def _roles(self) -> Iterator[Role]:
        for modality in self._config.modalities:
            yield from (spec.role for spec in SPEC[modality].roles)

    def _messages_of(self, sample: Sample) -> Iterator[TimedMessage]:
        role = SPEC[sample.modality].role.value
        for message in self._maker.messages(sample):
            yield TimedMessage(sample.arrival_ns, role, message.cdr)


class SimulatorNode(PlayingNode):
    """Shows a simulated scene on the topics of :class:`PlayerNode`."""

    def __init__(self, **options: Any) -> None:
        """Read the parameters and prepare the scene.

        Args:
            options: passed on to rclpy's Node.

        Raises:
            ConfigError: when a parameter is wrong.
        """
        super().__init__('simulator', **options)
        config = read_once(self, SimulatorConfig)
        self.playback = Playback(self, SimulationSource(config.scene), config.playback)


def main(args: list[str] | None = None) -> int:
    """Play until the end or Ctrl-C; return the exit status."""
    return play_until_finished(SimulatorNode, args)


def program() -> NoReturn:
    """Be the executable: run the node, then end at once."""
    end_process(main())


if __name__ == '__main__':
    program()
