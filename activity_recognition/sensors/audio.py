"""audio_common_msgs of either family -> :class:`~activity_recognition.types.AudioChunk`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from activity_recognition.config import SyncConfig
from activity_recognition.errors import DecodeError, OutOfOrderError
from activity_recognition.modalities import Role
from activity_recognition.sensors.audio_format import (
    AudioFormat,
    format_from_info,
    format_from_portaudio,
    pcm_to_channels,
)
from activity_recognition.sensors.cdr import frame_id_of, header_stamp_ns
from activity_recognition.sensors.channel_selector import ChannelSelector
from activity_recognition.sensors.decoder_settings import (
    DecoderSettings,
    SignalHealth,
    TopicMessage,
)
from activity_recognition.sensors.resampler import StreamingResampler
from activity_recognition.sensors.sample_clock import SampleClock
from activity_recognition.types import NANOSECONDS, AudioChunk, seconds_between, to_ns

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from activity_recognition.sensors.cdr import Message

_SYNC = SyncConfig()


class AudioDecoder:
    """Turns the messages of one audio topic into an even stream of mono samples.

    Takes ros-drivers' AudioData and AudioDataStamped, whose meaning comes in a separate AudioInfo,
    and mgonzs13's AudioStamped, which carries its own. The state is the resampler's past, the
    sample clock, the format and the levels of the channels; after a hole, a jump or a change of
    format it begins again, and the chunk's stamp shows the gap. Only the levels outlast a hole.
    What admission would drop as late never reaches the state.
    """

    def __init__(
        self,
        *,
        sample_rate_hz: int,
        max_gap_s: float,
        reset_after_s: float = _SYNC.reset_after_s,
        fallback: AudioFormat | None = None,
        channels: str = 'mean',
    ) -> None:
        """Make a decoder that has decoded nothing.

        Args:
            sample_rate_hz: rate of the chunks, Hz.
            max_gap_s: residual of the sample clock above which samples count as missing, seconds.
            reset_after_s: ``sync.reset_after_s``: what is later than the newest chunk by less is
                refused, by more it is a time jump, seconds.
            fallback: format to assume until an AudioInfo arrives; None refuses audio until then.
            channels: which of several channels is used: ``mean``, ``auto``, an index as text, and
                more, see :meth:`ChannelSelector.parse`.

        Raises:
            ConfigError: when ``channels`` is none of these.
        """
        self._choice = ChannelSelector.parse(channels)
        self._sample_rate_hz = sample_rate_hz
        self._max_gap_s = max_gap_s
        self._reset_after_s = reset_after_s
        self._info_format: AudioFormat | DecodeError | None = fallback
        self._format: AudioFormat | None = None
        self._last_stamp_ns: int | None = None
        self._last_end_ns = 0
        self._newest_ns: int | None = None
        self._end_ns: int | None = None
        self._given_until_ns: int | None = None
        self._resampler = StreamingResampler(sample_rate_hz, sample_rate_hz)
        self._clock = SampleClock(sample_rate_hz, max_gap_s=max_gap_s)
        self._selector = ChannelSelector(self._choice, sample_rate_hz=sample_rate_hz)

    @classmethod
    def of(cls, settings: DecoderSettings) -> AudioDecoder:
        """Return a decoder of audio as a network takes it.

        Raises:
            ConfigError: when the choice of channels cannot be read.
        """
        return cls(
            sample_rate_hz=settings.model.audio.sample_rate_hz,
            max_gap_s=settings.model.audio.max_gap_s,
            reset_after_s=settings.reset_after_s,
            fallback=settings.audio_format,
            channels=settings.audio_channels,
        )

    @property
    def health(self) -> SignalHealth:
        """The rate that is declared, the one that is measured, and what ails the channel."""
        return SignalHealth(
            declared_rate_hz=self.declared_rate_hz,
            measured_rate_hz=self.measured_rate_hz,
            problem=self.channel_problem,
        )

    def decode_topic(self, message: TopicMessage) -> AudioChunk | None:
        """Return the samples that a message completes; None of an AudioInfo.

        Raises:
            DecodeError: as of :meth:`decode` and :meth:`set_info`.
            OutOfOrderError: as of :meth:`decode`.
        """
        if message.role is Role.AUDIO_INFO:
            self.set_info(message.content)
            return None
        return self.decode(message.content, message.arrival_ns)

    @property
    def channel_problem(self) -> str:
        """What is wrong with the channel or the mean that is used; empty where nothing is."""
        return self._selector.problem

    @property
    def declared_rate_hz(self) -> int | None:
        """Sample rate that goes with the newest message, Hz; None before the first."""
        return self._format.sample_rate_hz if self._format else None

    @property
    def measured_rate_hz(self) -> float | None:
        """Samples a second by the stamps of the messages; None while too few have come.

        It stays far from :attr:`declared_rate_hz` where the declared one is wrong, or where many
        messages are lost.
        """
        return self._clock.measured_rate_hz if self._format else None

    def set_info(self, info: Message) -> None:
        """Take an AudioInfo of ros-drivers' family; it holds for the messages after it.

        Raises:
            DecodeError: for a format that cannot be taken; so does every message after it.
        """
        try:
            self._info_format = format_from_info(info)
        except DecodeError as error:
            self._info_format = error
            raise

    def reset(self) -> None:
        """Forget the past audio; the format stays."""
        self._format = None
        self._last_stamp_ns = None
        self._last_end_ns = 0
        self._newest_ns = None
        self._end_ns = None
        self._given_until_ns = None

    def decode(self, message: Message, arrival_ns: int) -> AudioChunk | None:
        """Return the samples that a message completes; None when it completes none.

        A stamp of zero or none counts as no stamp: the arrival is then the end of the samples.

        Args:
            message: of either family.
            arrival_ns: when it could be known.

        Raises:
            DecodeError: for audio that cannot be decoded; the state stays as it was.
            OutOfOrderError: for audio that comes again or late; the state stays as it was, too.
        """
        data, audio_format = self._contents(message)
        samples_NC = pcm_to_channels(data, audio_format)
        self._selector.check(audio_format.channels)
        stamp_ns, frame_id = header_stamp_ns(message), frame_id_of(message)
        if not len(samples_NC):
            return None
        length_ns = len(samples_NC) * NANOSECONDS // audio_format.sample_rate_hz
        if stamp_ns is not None and self._is_set_back(stamp_ns, stamp_ns + length_ns):
            self.reset()
        if audio_format != self._format:
            self._begin(audio_format)
        self._last_stamp_ns = stamp_ns
        if stamp_ns is not None:
            self._last_end_ns = max(self._last_end_ns, stamp_ns + length_ns)
        start_ns, restarted = self._clock.advance(
            arrival_ns - length_ns if stamp_ns is None else stamp_ns,
            len(samples_NC),
            from_arrival=stamp_ns is None,
        )
        if restarted:
            self._resampler.reset()
            self._given_until_ns = self._end_ns if self._overlaps(start_ns) else None
        mono = self._selector.push(samples_NC)
        return self._chunk(mono, start_ns, arrival_ns, frame_id)

    def _contents(self, message: Message) -> tuple[NDArray[np.generic], AudioFormat]:
        """Return a message's samples and what they mean."""
        audio: Message = getattr(message, 'audio', message)
        if hasattr(audio, 'audio_data'):
            audio_format, field = format_from_portaudio(audio.info)
            return getattr(audio.audio_data, field), audio_format
        if isinstance(self._info_format, DecodeError):
            raise type(self._info_format)(str(self._info_format))
        if self._info_format is None:
            raise DecodeError(
                'audio info: no AudioInfo has arrived, so the bytes mean nothing; let the audio '
                'driver publish it (audio_capture does, latched, on audio_info), remap audio_info, '
                'or state the format in audio_sample_format and its neighbours'
            )
        return audio.data, self._info_format

    def _is_set_back(self, stamp_ns: int, end_ns: int) -> bool:
        """Return whether time was set back; refuse what only repeats or comes after its successor.

        The rule is that of admission, which would drop a late chunk: by then the sample clock and
        the resampler would have begun again for it, and for the good one after it once more.
        """
        last_ns = self._last_stamp_ns
        if last_ns is None:
            return False
        if stamp_ns > last_ns:
            late_s = seconds_between(self._last_end_ns, end_ns)
            overlap_s = seconds_between(self._last_end_ns, stamp_ns)
            if late_s < 0 or overlap_s <= self._max_gap_s:
                return False
            sentence = f'a chunk ends {late_s:.3f} s before the end of a longer one before it'
        else:
            newest_ns = last_ns if self._newest_ns is None else self._newest_ns
            late_s = seconds_between(newest_ns, stamp_ns)
            before_s = seconds_between(last_ns, stamp_ns)
            sentence = (
                f'a chunk stamped {before_s:.3f} s before the newest is a duplicate or came out of '
                'order'
            )
        if late_s >= self._reset_after_s:
            return True
        raise OutOfOrderError(
            f'audio order: {sentence}; if there are many, look for a second publisher on the topic',
            duplicate=stamp_ns == last_ns,
        )

    def _overlaps(self, time_ns: int) -> bool:
        """Return whether a time lies before the end of what was given, by more than jitter."""
        return self._end_ns is not None and self._end_ns - time_ns > to_ns(self._max_gap_s)

    def _begin(self, audio_format: AudioFormat) -> None:
        self._format = audio_format
        self._resampler = StreamingResampler(audio_format.sample_rate_hz, self._sample_rate_hz)
        self._clock = SampleClock(audio_format.sample_rate_hz, max_gap_s=self._max_gap_s)
        self._selector = ChannelSelector(self._choice, sample_rate_hz=audio_format.sample_rate_hz)

    def _chunk(
        self, mono: NDArray[np.float32], start_ns: int, arrival_ns: int, frame_id: str
    ) -> AudioChunk | None:
        """Resample, and stamp the first output by its distance from this message's first input."""
        resampler = self._resampler
        first_output, first_input = resampler.produced, resampler.consumed
        samples = np.clip(resampler.push(mono), -1.0, 1.0)
        if not len(samples):
            return None
        source_hz = self._format.sample_rate_hz if self._format else self._sample_rate_hz
        offset = first_output * source_hz - first_input * self._sample_rate_hz
        chunk = AudioChunk(
            stamp_ns=start_ns + offset * NANOSECONDS // (source_hz * self._sample_rate_hz),
            arrival_ns=arrival_ns,
            samples=samples,
            sample_rate_hz=self._sample_rate_hz,
            frame_id=frame_id,
        )
        chunk = self._without_given(chunk)
        self._newest_ns = chunk.stamp_ns
        self._end_ns = max(chunk.end_ns, self._given_until_ns or chunk.end_ns)
        return chunk

    def _without_given(self, chunk: AudioChunk) -> AudioChunk:
        """Return what is new in a chunk that overlaps those before, as windows that slide do.

        Of what holds nothing new a part is left, which admission counts as late.
        """
        if self._given_until_ns is None:
            return chunk
        given = -(-(self._given_until_ns - chunk.stamp_ns) * chunk.sample_rate_hz // NANOSECONDS)
        if given >= len(chunk.samples):
            return chunk.cut(max(0, len(chunk.samples) - chunk.sample_rate_hz), len(chunk.samples))
        self._given_until_ns = None
        return chunk.cut(max(given, 0), len(chunk.samples))
