"""Video files -> the samples that a node would get from them, without ROS and without a bag."""

from __future__ import annotations

from heapq import merge
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING

from activity_recognition.bags.messages import MessageMaker
from activity_recognition.bags.subtitles import as_utterances, read_subtitles
from activity_recognition.errors import DecodeError
from activity_recognition.media.clip import Clip
from activity_recognition.modalities import SPEC, Role
from activity_recognition.sensors.decoder_settings import DecoderSettings
from activity_recognition.sensors.decoders import Drops, SensorDecoders
from activity_recognition.types import split_sample

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from activity_recognition.bags.messages import OutgoingMessage
    from activity_recognition.config import ModelConfig
    from activity_recognition.types import Sample


class ClipReader:
    """A video or audio file as the recording that ``import_clip`` would make of it.

    Samples take the same way, through messages and the node's decoders, so the decisions are those
    of the imported recording with raw images.
    """

    def __init__(
        self,
        path: str | Path | Clip,
        model: ModelConfig,
        *,
        transcript: str | Path | None = None,
        audio_channels: str = 'mean',
    ) -> None:
        """Look at the file, and read its transcript.

        Args:
            path: any file FFmpeg reads, or one that was looked at.
            model: of the network that takes the samples: its sample rate and image size.
            transcript: ``.srt`` or ``.vtt`` file.
            audio_channels: ``mean``, ``auto`` or the index of a channel.

        Raises:
            RecordingError: for a file that cannot be used, naming it, and where it is text its
                line.
            ConfigError: for another ``audio_channels`` than these.
            MissingExtraError: without PyAV.
        """
        if not isinstance(path, Clip):
            path = Clip(path, audio_channels=audio_channels)
        self._clip = path
        self._cues = read_subtitles(transcript) if transcript is not None else ()
        self._model = model
        self.drops = Drops()
        """What the latest iteration decoded from the file and could not use."""

    @property
    def skipped(self) -> Mapping[str, int]:
        """What could not be decoded from the file so far: how many of each kind."""
        return self._clip.skipped

    def samples(self, start_ns: int = 0) -> Iterator[Sample]:
        """Yield the samples in order of arrival.

        Args:
            start_ns: stamp of the clip's start.

        Raises:
            RecordingError: when the file cannot be read on.
        """
        self.drops = Drops()
        clip, cues = self._clip, self._cues
        tracks: tuple[Iterator[Sample], ...] = (
            clip.frames(start_ns),
            clip.audio(start_ns),
            as_utterances(cues, start_ns),
        )
        decode = NodeDecoding(self._model)
        for sample in merge(*tracks, key=attrgetter('arrival_ns')):
            try:
                decoded = decode(sample)
            except DecodeError as error:
                self.drops.add(error)
                continue
            if decoded is not None:
                yield from split_sample(decoded)


class NodeDecoding:
    """A sample as the node's decoders give it: audio resampled, large images reduced."""

    def __init__(self, model: ModelConfig) -> None:
        """Begin a stream of samples.

        Args:
            model: of the network that takes them.
        """
        self._messages = MessageMaker('raw', 100, 'hri_msgs/msg/LiveSpeech')
        self._decoders = SensorDecoders(DecoderSettings(model=model))
        self._rates_hz: dict[str, int] = {}

    def __call__(self, sample: Sample) -> Sample | None:
        """Return the sample as the network takes it; None where it gives none.

        Raises:
            DecodeError: it cannot be taken.
        """
        spec, arrival_ns = SPEC[sample.modality], sample.arrival_ns
        if (rate_hz := getattr(sample, 'sample_rate_hz', 0)) != self._rates_hz.get(spec.name, 0):
            self._rates_hz[spec.name] = rate_hz
            for item in spec.roles[1:]:
                description = self._messages.description(item.role, rate_hz)
                self._decode(item.role, description, arrival_ns)
        return self._decode(spec.role, self._messages.message(sample), arrival_ns)

    def _decode(self, role: Role, message: OutgoingMessage, arrival_ns: int) -> Sample | None:
        return self._decoders.decode(role, message.kind.name, message.cdr, arrival_ns)
