"""Media files written on the spot, with whatever container, codec and lies a test needs."""

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

BOX = 16
"""Side of the white box in the pictures of :func:`moving_box`."""


def moving_box(index: int, size: tuple[int, int] = (160, 120)) -> np.ndarray:
    """Return a dark picture with a box that moves two pixels a picture, (H, W, 3)."""
    image = np.full((size[1], size[0], 3), 30, np.uint8)
    image[40 : 40 + BOX, 2 * index : 2 * index + BOX] = 240
    return image


def box_position(image: np.ndarray) -> float:
    """Return which picture of :func:`moving_box` this is."""
    columns = np.nonzero(image[40 : 40 + BOX, :, 1].mean(axis=0) > 135)[0]
    return float(columns.mean() - (BOX - 1) / 2) / 2


def quarters(size: tuple[int, int] = (160, 120)) -> np.ndarray:
    """Return a picture with red, green, blue and white quarters, by rows."""
    width, height = size
    image = np.zeros((height, width, 3), np.uint8)
    image[: height // 2, : width // 2] = (220, 30, 30)
    image[: height // 2, width // 2 :] = (30, 220, 30)
    image[height // 2 :, : width // 2] = (30, 30, 220)
    image[height // 2 :, width // 2 :] = (220, 220, 220)
    return image


@dataclass(frozen=True, kw_only=True)
class Pictures:
    """A video track to write."""

    codec: str = 'libx264'
    count: int = 25
    fps: int = 25
    size: tuple[int, int] = (160, 120)
    pixel_format: str = 'yuv420p'
    options: tuple[tuple[str, str], ...] = ()
    start_s: Fraction | int = 0
    default: bool | None = None
    picture: Callable[[int, tuple[int, int]], np.ndarray] = moving_box

    def packets(self, container: Any) -> list[Any]:
        track = container.add_stream(self.codec, rate=self.fps)
        track.width, track.height = self.size
        track.pix_fmt = self.pixel_format
        track.options = dict(self.options)
        if self.default is not None:
            track.disposition = av.stream.Disposition.default if self.default else 0
        packets = []
        for index in range(self.count):
            frame = av.VideoFrame.from_ndarray(self.picture(index, self.size), format='rgb24')
            frame = frame.reformat(format=self.pixel_format)
            frame.pts, frame.time_base = index + int(self.start_s * self.fps), Fraction(1, self.fps)
            packets += track.encode(frame)
        return [*packets, *track.encode()]


@dataclass(frozen=True, kw_only=True)
class Tone:
    """A sound track to write: half of full scale."""

    codec: str = 'aac'
    seconds: float = 1.0
    rate_hz: int = 48_000
    layout: str = 'mono'
    hz: float = 440.0
    start_s: Fraction | int = 0
    default: bool | None = None

    def packets(self, container: Any) -> list[Any]:
        track = container.add_stream(self.codec, rate=self.rate_hz, layout=self.layout)
        if self.default is not None:
            track.disposition = av.stream.Disposition.default if self.default else 0
        time_s = np.arange(int(self.seconds * self.rate_hz)) / self.rate_hz
        wave = (0.5 * np.sin(2 * np.pi * self.hz * time_s)).astype(np.float32)
        channels = {'mono': 1, 'stereo': 2}[self.layout]
        block = av.AudioFrame.from_ndarray(
            np.tile(wave, (channels, 1)), format='fltp', layout=self.layout
        )
        block.sample_rate, block.time_base = self.rate_hz, Fraction(1, self.rate_hz)
        block.pts = int(self.start_s * self.rate_hz)
        split = av.AudioResampler(
            format=track.format.name,
            layout=self.layout,
            rate=self.rate_hz,
            frame_size=track.codec_context.frame_size or 1024,
        )
        parts = [*split.resample(block), *split.resample(None)]
        return [packet for part in [*parts, None] for packet in track.encode(part)]


def write_media(path: Path, *tracks: Pictures | Tone, **options: str) -> Path:
    """Write a media file of the container that the suffix names; options are the muxer's."""
    kind = {'.aac': 'adts'}.get(path.suffix)
    with av.open(str(path), 'w', format=kind, options=options) as container:
        packets = [packet for track in tracks for packet in track.packets(container)]
        timed = [packet for packet in packets if packet.dts is not None]
        for packet in sorted(timed, key=lambda packet: packet.dts * packet.time_base):
            container.mux(packet)
    return path


def join(path: Path, *parts: Path) -> Path:
    """Write files behind each other, byte by byte."""
    path.write_bytes(b''.join(part.read_bytes() for part in parts))
    return path


def write_wav(
    path: Path, samples_NC: np.ndarray, rate_hz: int = 48_000, *, mask: int | None = None
) -> Path:
    """Write 16-bit samples of any number of channels, with a channel mask where one is given."""
    channels = samples_NC.shape[1]
    kind = 1 if mask is None else 0xFFFE
    header = struct.pack(
        '<HHIIHH', kind, channels, rate_hz, rate_hz * channels * 2, channels * 2, 16
    )
    if mask is not None:
        pcm = b'\x01\0\0\0\0\0\x10\0\x80\0\0\xaa\0\x38\x9b\x71'
        header += struct.pack('<HHI', 22, 16, mask) + pcm
    data = np.rint(samples_NC * 32768).astype('<i2').tobytes()
    chunks = b'WAVEfmt ' + struct.pack('<I', len(header)) + header
    chunks += b'data' + struct.pack('<I', len(data)) + data
    path.write_bytes(b'RIFF' + struct.pack('<I', len(chunks)) + chunks)
    return path


def set_display_matrix(path: Path, abcd: Sequence[int]) -> Path:
    """Write a display matrix into the first track header of an MP4 file, as a phone does."""
    a, b, c, d = (value << 16 for value in abcd)
    data = bytearray(path.read_bytes())
    begin = data.index(b'tkhd') + 4 + 40
    data[begin : begin + 36] = struct.pack('>9i', a, b, 0, c, d, 0, 0, 0, 1 << 30)
    path.write_bytes(data)
    return path


def set_edits(path: Path, edits: Sequence[tuple[float, float]]) -> Path:
    """Write an edit list into the first track of an MP4 file whose index comes last.

    Args:
        path: the file.
        edits: start and duration of what is shown, seconds of the track's pictures.
    """
    data = path.read_bytes()
    (movie_scale,) = struct.unpack_from('>I', data, data.index(b'mvhd') + 16)
    (media_scale,) = struct.unpack_from('>I', data, data.index(b'mdhd') + 16)
    begin = data.index(b'elst') - 4
    (size,) = struct.unpack_from('>I', data, begin)
    (first,) = struct.unpack_from('>i', data, begin + 20)
    entries = b''.join(
        struct.pack(
            '>IiI', round(length * movie_scale), first + round(start * media_scale), 1 << 16
        )
        for start, length in edits
    )
    box = struct.pack('>I4sII', 16 + len(entries), b'elst', 0, len(edits)) + entries
    changed = bytearray(data[:begin] + box + data[begin + size :])
    for parent in (b'edts', b'trak', b'moov'):
        at = changed.index(parent) - 4
        (old,) = struct.unpack_from('>I', changed, at)
        struct.pack_into('>I', changed, at, old + len(box) - size)
    path.write_bytes(changed)
    return path


def sound_of(path: Path) -> tuple[np.ndarray, int]:
    """Return the first channel of a file's sound, and its rate, Hz."""
    with av.open(str(path)) as container:
        rate_hz = container.streams.audio[0].rate
        blocks = [frame.to_ndarray()[0] for frame in container.decode(audio=0)]
    return np.concatenate(blocks), rate_hz


def loudest_hz(samples: np.ndarray, rate_hz: int) -> float:
    """Return the frequency of the strongest tone."""
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return float(spectrum.argmax() * rate_hz / len(samples))
