"""One stream of an active recogniser: its topics, its synchroniser, and where its windows wait."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from activity_recognition.errors import ConfigError, DecodeError
from activity_recognition.modalities import modalities_of
from activity_recognition.ros.recognizing.filters import SynchronizerFilter
from activity_recognition.ros.recognizing.input_log import InputLog
from activity_recognition.ros.recognizing.inputs import Inputs
from activity_recognition.sensors import AudioFormat, DecoderSettings, SensorDecoders
from activity_recognition.streams import WindowSynchronizer

if TYPE_CHECKING:
    from rclpy.lifecycle import LifecycleNode

    from activity_recognition.config import ModelConfig, RecognizerConfig, TopicsConfig


class StreamInputs:
    """Inputs of one stream, decoded and synchronised."""

    def __init__(
        self, node: LifecycleNode, config: RecognizerConfig, model: ModelConfig, stream: str
    ) -> None:
        """Create the chain; nothing is subscribed to before ``inputs.look``.

        Args:
            node: subscribes.
            config: of the node.
            model: of the network.
            stream: name that begins the topics; empty where there is but one.
        """
        self.synchronizer = WindowSynchronizer(config.sync)
        self.filter = SynchronizerFilter(self.synchronizer)
        self.inputs = Inputs(
            node,
            config.topics,
            modalities=modalities_of(model),
            stream=stream,
            decoders=SensorDecoders(
                DecoderSettings(
                    model=model,
                    reset_after_s=config.sync.reset_after_s,
                    audio_format=audio_format(config.topics),
                    audio_channels=config.topics.audio_channels,
                    transcript_field=config.topics.transcript_field,
                    transcript_incremental=config.topics.transcript_incremental,
                )
            ),
            synchronizer=self.synchronizer,
        )
        self.filter.connectInput(*self.inputs.decoders)
        self.log = InputLog(node.get_logger(), now_s=time.monotonic())


def audio_format(topics: TopicsConfig) -> AudioFormat | None:
    """Return the format to assume until an AudioInfo arrives; None to refuse audio until then.

    Raises:
        ConfigError: when the settings describe one that cannot be decoded.
    """
    if not topics.audio_sample_format:
        return None
    try:
        return AudioFormat(
            sample_rate_hz=topics.audio_sample_rate_hz,
            channels=topics.audio_num_channels,
            sample_format=topics.audio_sample_format,
        )
    except DecodeError as error:
        raise ConfigError(f'topics.audio_sample_format and its neighbours: {error}') from error
