"""What media files say about themselves, and what is made of it."""

import subprocess
import sys
from collections import Counter
from fractions import Fraction
from itertools import pairwise
from types import SimpleNamespace

import av
import numpy as np
import pytest

from activity_recognition.bags import RecordingReader, import_clip
from activity_recognition.bags.imported import START_NS
from activity_recognition.errors import ConfigError, MissingExtraError, RecordingError
from activity_recognition.media import clip, decoding
from activity_recognition.media.clip import (
    UNREAD_END,
    UNREAD_PARTS,
    Clip,
)
from activity_recognition.media.decoding import DAMAGED_PACKETS, UNSUPPORTED_AUDIO
from activity_recognition.media.orientation import Orientation
from activity_recognition.media.packet_times import PacketTimes
from activity_recognition.types import AudioChunk, Frame
from factories.media import (
    Pictures,
    Tone,
    box_position,
    join,
    moving_box,
    quarters,
    set_display_matrix,
    set_edits,
    write_media,
    write_wav,
)

MS = 1_000_000


def pictures(path, **options):
    """Return a clip's pictures, and what was skipped."""
    source = Clip(path, **options)
    return list(source.frames(0)), source.skipped


def sound(path, **options):
    """Return a clip's sound, and what was skipped."""
    source = Clip(path, **options)
    return list(source.audio(0)), source.skipped


def stamps_ms(samples):
    return [sample.stamp_ns // MS for sample in samples]


def gaps_ms(chunks):
    """Return the time between the end of a chunk and the next."""
    return [(b.stamp_ns - a.end_ns) / MS for a, b in pairwise(chunks)]


def seconds(chunks):
    return sum(len(chunk.samples) / chunk.sample_rate_hz for chunk in chunks)


# Sound of any number of channels.


def levels(channels, rate_hz=48_000):
    """Return a tenth of a second in which channel n stays at (n + 1) / 128."""
    return np.tile(np.arange(1, channels + 1) / 128, (rate_hz // 10, 1))


@pytest.mark.parametrize('mask', [None, 0, 0x3F])
@pytest.mark.parametrize('channels', [1, 2, 3, 6, 7, 8, 9, 11, 16, 24, 33, 64])
def test_any_number_of_channels_comes_in(tmp_path, channels, mask):
    path = write_wav(tmp_path / 'many.wav', levels(channels), mask=mask)
    chunks, skipped = sound(path)
    assert skipped == {}
    mono = np.concatenate([chunk.samples for chunk in chunks])
    assert mono.shape == (4800,)
    np.testing.assert_allclose(mono, (channels + 1) / 2 / 128, atol=1e-6)
    last, _ = sound(path, audio_channels=str(channels - 1))
    np.testing.assert_allclose(last[-1].samples, channels / 128, atol=1e-6)


def test_a_channel_is_chosen_for_the_recording(tmp_path):
    rate_hz = 16_000
    time_s = np.arange(rate_hz * 2) / rate_hz
    heard = np.zeros((len(time_s), 8))
    heard[:, 3] = 0.25 * np.sin(2 * np.pi * 300 * time_s)
    path = write_wav(tmp_path / 'array.wav', heard, rate_hz)
    for choice, expected in {'mean': 0.25 / 8, '3': 0.25, '0': 0.0, 'auto': 0.25}.items():
        imported = import_clip(path, tmp_path / choice, audio_channels=choice)
        assert imported.seconds['audio'] == pytest.approx(2.0, abs=1e-3)
        with RecordingReader(imported.path) as reader:
            samples = np.concatenate([chunk.samples for chunk in reader.samples()])
        assert np.abs(samples[rate_hz:]).max() == pytest.approx(expected, abs=1e-3)


def test_channels_that_are_not_there_are_refused(tmp_path):
    path = write_wav(tmp_path / 'two.wav', levels(2))
    with pytest.raises(RecordingError, match=r'two\.wav: audio channels: channel 2 is asked for'):
        sound(path, audio_channels='2')
    with pytest.raises(ConfigError, match="expected 'mean'"):
        Clip(path, audio_channels='left')


@pytest.mark.parametrize(
    ('channels', 'rate_hz'), [(65, 48_000), (255, 48_000), (1, 500), (2, 768_000)]
)
def test_sound_that_recordings_cannot_hold_is_refused(tmp_path, channels, rate_hz):
    path = write_wav(tmp_path / 'odd.wav', np.zeros((4800, channels)), rate_hz)
    sentence = (
        r'odd\.wav: nothing in it .*audio blocks that recordings cannot hold: \d+\); the first: '
        rf'.* 1000 to 384000 Hz and at most 64 channels, got {rate_hz} Hz and {channels} channel'
    )
    with pytest.raises(RecordingError, match=sentence):
        import_clip(path, tmp_path / 'out')


def test_sound_that_cannot_be_taken_does_not_cost_the_pictures(tmp_path):
    path = write_media(tmp_path / 'clip.mkv', Pictures(), Tone(codec='pcm_s16le', rate_hz=500))
    imported = import_clip(path, tmp_path / 'out')
    assert (imported.samples['video'], imported.seconds['audio']) == (25, 0)
    assert set(imported.skipped) == {UNSUPPORTED_AUDIO}


def test_numbers_that_are_none_become_silence(tmp_path):
    path = tmp_path / 'float.wav'
    samples = np.full((1, 4800), 0.25, np.float32)
    samples[0, 100:200] = np.nan
    with av.open(str(path), 'w') as container:
        track = container.add_stream('pcm_f32le', rate=48_000, layout='mono')
        block = av.AudioFrame.from_ndarray(samples, format='flt', layout='mono')
        block.sample_rate = 48_000
        container.mux([*track.encode(block), *track.encode()])
    (chunk, *_), _ = sound(path)
    assert chunk.samples[50] == 0.25
    assert not chunk.samples[100:200].any()


@pytest.mark.real
def test_eight_channels_of_a_real_file(shared_case, tmp_path):
    imported = import_clip(shared_case('wav_8_channels') / 'eight.wav', tmp_path / 'out')
    assert (imported.seconds['audio'], imported.skipped) == (pytest.approx(0.2), {})
    assert imported.duration_s == pytest.approx(0.2, abs=1e-6)


# The order and the times of pictures.

B_FRAMES = {
    'h264': Pictures(count=60, options=(('bf', '2'),)),
    'h264 pyramid': Pictures(
        count=60,
        options=(('bf', '8'), ('b_strategy', '0'), ('x264-params', 'b-pyramid=normal:ref=6')),
    ),
    'mpeg4': Pictures(codec='mpeg4', count=60, options=(('bf', '2'), ('qscale', '3'))),
    'none': Pictures(count=60, codec='mpeg4'),
}


@pytest.mark.parametrize('suffix', ['.avi', '.mp4', '.mkv', '.ts'])
@pytest.mark.parametrize('kind', B_FRAMES)
def test_pictures_coded_from_later_ones_come_in_order(tmp_path, kind, suffix):
    frames, skipped = pictures(write_media(tmp_path / f'clip{suffix}', B_FRAMES[kind]))
    assert skipped == {}
    assert [round(box_position(frame.image)) for frame in frames] == list(range(60))
    assert stamps_ms(frames) == [40 * index for index in range(60)]


def packed(payloads):
    """Store pictures the way DivX did: a B-frame in the packet of the P-frame before it."""
    coded = iter(payloads)
    first = next(coded)
    # Decoders look for this text behind the header of the sequence.
    at = first.index(b'\0\0\1\xb6')
    yield first[:at] + b'\0\0\1\xb2DivX503b1393p\0' + first[at:]
    for later in coded:
        between = next(coded, None)
        if between is None:
            yield later
            return
        yield later + between
        yield b'\0\0\1\xb6\x50\0\0'  # "not coded"


def noisy_box(index, size):
    """Return a picture whose code fills some bytes: a decoder passes over the shortest ones."""
    noise = np.random.default_rng(index).integers(0, 15, (*size[::-1], 3), np.uint8)
    return moving_box(index, size) - noise


def test_pictures_packed_in_pairs_come_in_order(tmp_path):
    source = write_media(
        tmp_path / 'plain.m4v',
        Pictures(
            codec='mpeg4',
            count=41,
            fps=50,
            options=(('bf', '1'), ('b_strategy', '0'), ('qscale', '3'), ('g', '100')),
            picture=noisy_box,
        ),
    )
    with av.open(str(source)) as container:
        coded = [bytes(packet) for packet in container.demux(video=0) if packet.size]
    assert len(coded) == 41
    # I P B P B ...: the kind of a picture is in the two bits behind its start code.
    kinds = [payload[payload.index(b'\0\0\1\xb6') + 4] >> 6 for payload in coded]
    assert kinds == [0, *[1, 2] * 20]
    path = tmp_path / 'packed.avi'
    with av.open(str(path), 'w') as container:
        track = container.add_stream('mpeg4', rate=50)
        track.width, track.height, track.pix_fmt = 160, 120, 'yuv420p'
        for index, payload in enumerate(packed(coded)):
            packet = av.Packet(payload)
            packet.stream, packet.time_base = track, Fraction(1, 50)
            packet.pts = packet.dts = index
            packet.is_keyframe = index == 0
            container.mux(packet)
    frames, _ = pictures(path)
    assert [round(box_position(frame.image)) for frame in frames] == list(range(41))
    assert stamps_ms(frames) == [20 * index for index in range(41)]


@pytest.mark.real
def test_b_frames_of_a_real_avi(shared_case, tmp_path):
    imported = import_clip(shared_case('h264_b_frames_avi') / 'h264b.avi', tmp_path / 'out')
    assert (imported.samples['video'], imported.skipped) == (75, {})
    with RecordingReader(imported.path) as reader:
        frames = [sample for sample in reader.samples() if isinstance(sample, Frame)]
    stamps = [frame.stamp_ns - START_NS for frame in frames]
    assert stamps == [index * 40 * MS for index in range(75)]
    usual = np.median([frame.image for frame in frames], axis=0)
    for index, frame in enumerate(frames):
        moved = np.abs(frame.image - usual).max(axis=-1) > 60
        assert np.nonzero(moved)[1].mean() == pytest.approx(9.5 + 4 * index, abs=1)


@pytest.mark.parametrize('suffix', ['.mkv', '.ts'])
def test_sound_that_begins_later_stays_later(tmp_path, suffix):
    path = write_media(tmp_path / f'late{suffix}', Pictures(), Tone(codec='mp2', start_s=8))
    chunks, skipped = sound(path)
    assert skipped == {}
    assert chunks[0].stamp_ns / MS == pytest.approx(8_000, abs=25)
    frames, _ = pictures(path)
    assert stamps_ms(frames)[-1] == 960


@pytest.mark.parametrize(
    ('edits', 'shown'),
    [
        ([(0, 1), (2.4, 1.2)], [*range(25), *range(60, 90)]),
        ([(2.4, 1.2), (0, 1)], [*range(60, 90), *range(25)]),
        ([(1.2, 2)], [*range(30, 80)]),
    ],
)
def test_what_an_edit_list_leaves_out_is_left_out(tmp_path, edits, shown):
    # Without B-frames: of those behind a cut FFmpeg leaves some out.
    options = (('g', '25'), ('bf', '0'))
    path = write_media(tmp_path / 'cut.mp4', Pictures(count=100, size=(240, 120), options=options))
    frames, skipped = pictures(set_edits(path, edits))
    assert skipped == {}
    assert [round(box_position(frame.image)) for frame in frames] == shown
    assert stamps_ms(frames) == [40 * index for index in range(len(shown))]


@pytest.mark.parametrize('rate', [(0, 1), (1, 0), (1, 1_000_000), (2**31, 1)])
def test_a_frame_rate_that_cannot_be_ends(tmp_path, rate):
    path = write_media(tmp_path / 'clip.avi', B_FRAMES['none'])
    data = bytearray(path.read_bytes())
    begin = data.index(b'vids') + 20
    scale, per = rate
    data[begin : begin + 8] = scale.to_bytes(4, 'little') + per.to_bytes(4, 'little')
    path.write_bytes(data)
    try:
        frames, _ = pictures(path)
    except RecordingError:
        return
    stamps = [frame.stamp_ns for frame in frames]
    assert 1 <= len(stamps) <= 60
    assert all(a < b for a, b in pairwise(stamps))


# Files joined byte by byte, and clocks that start again.


# Of a Matroska file FFmpeg reads the first two segments.
@pytest.mark.parametrize(
    ('suffix', 'parts', 'times'),
    [
        ('.ts', (Pictures(count=50, options=(('bf', '2'),)), Tone(seconds=2.0)), 4),
        ('.mkv', (Pictures(count=50, options=(('bf', '2'),)), Tone(seconds=2.0)), 2),
        ('.webm', (Pictures(count=50, codec='libvpx'), Tone(seconds=2.0, codec='libopus')), 2),
    ],
)
def test_joined_files_go_on(tmp_path, suffix, parts, times):
    part = write_media(tmp_path / f'part{suffix}', *parts)
    path = join(tmp_path / f'joined{suffix}', *[part] * times)
    frames, skipped = pictures(path)
    assert skipped == {}
    assert [round(box_position(frame.image)) for frame in frames] == [*range(50)] * times
    steps = np.diff([frame.stamp_ns / MS for frame in frames])
    assert steps.min() > 30
    assert steps.max() < 100
    assert frames[-1].stamp_ns / MS == pytest.approx(times * 2_000, abs=times * 50)
    chunks, _ = sound(path)
    assert seconds(chunks) == pytest.approx(times * 2.0, abs=times * 0.04)
    assert -30 < min(gaps_ms(chunks)) <= max(gaps_ms(chunks)) < 50


def test_a_third_matroska_file_is_missed_in_words(tmp_path):
    part = write_media(tmp_path / 'part.mkv', Pictures(count=50), Tone(codec='mp2', seconds=2.0))
    imported = import_clip(join(tmp_path / 'joined.mkv', part, part, part), tmp_path / 'out')
    assert (imported.samples['video'], imported.skipped) == (100, {UNREAD_PARTS: 1})


def test_a_matroska_file_without_a_packet_is_not_said_to_be_joined(tmp_path, monkeypatch):
    path = write_media(tmp_path / 'clip.mkv', Pictures(count=5))
    monkeypatch.setattr(clip, 'placed_packets', lambda container: iter(()))
    assert pictures(path) == ([], {})


@pytest.mark.parametrize(('suffix', 'codec'), [('.mp3', 'libmp3lame'), ('.aac', 'aac')])
def test_joined_sound_goes_on(tmp_path, suffix, codec):
    part = write_media(tmp_path / f'part{suffix}', Tone(codec=codec, seconds=2.0))
    imported = import_clip(join(tmp_path / f'joined{suffix}', part, part), tmp_path / 'out')
    assert imported.seconds['audio'] == pytest.approx(4.0, abs=0.08)
    assert imported.duration_s == pytest.approx(4.0, abs=0.1)


@pytest.mark.parametrize('starts', [(0, 3600), (3600, 0), (0, 90_000, 7)])
def test_a_broadcast_whose_clock_changes_goes_on(tmp_path, starts):
    parts = [
        write_media(
            tmp_path / f'{start}.ts',
            Pictures(count=50, start_s=start),
            Tone(codec='mp2', seconds=2.0, start_s=start),
        )
        for start in starts
    ]
    imported = import_clip(join(tmp_path / 'joined.ts', *parts), tmp_path / 'out')
    assert (imported.samples['video'], imported.skipped) == (50 * len(starts), {})
    assert imported.duration_s == pytest.approx(2 * len(starts), abs=0.1 * len(starts))


def test_the_clock_of_a_broadcast_may_pass_its_end(tmp_path):
    start_s = Fraction(2**33, 90_000) - 3
    path = write_media(
        tmp_path / 'wrap.ts',
        Pictures(count=70, start_s=start_s),
        Tone(codec='mp2', seconds=2.8, start_s=start_s),
        mpegts_copyts='1',
    )
    frames, skipped = pictures(path)
    assert skipped == {}
    assert len(frames) == 70
    assert set(np.round(np.diff([frame.stamp_ns for frame in frames]) / MS)) == {40}


class Packets:
    """Packets in milliseconds, as a container gives them."""

    def __init__(self, name='matroska', flags=0):
        self.times = PacketTimes(SimpleNamespace(format=SimpleNamespace(name=name, flags=flags)))

    def place(self, dts, pts=None, track=0, duration=40, discard=False, following=()):
        packet = SimpleNamespace(
            dts=dts,
            pts=dts if pts is None else pts,
            duration=duration,
            is_discard=discard,
            time_base=Fraction(1, 1000),
            stream=SimpleNamespace(index=track),
        )
        self.times.place(packet, following)
        return packet.dts if packet.dts is not None else packet.pts


def placed(packets, *times):
    return [packets.place(time) for time in times]


def test_times_in_order_are_left_alone():
    times = [0, 40, 80, 5_000, 90_000, 90_030]
    assert placed(Packets(), *times) == times


def test_times_that_start_again_go_on_more_than_once():
    once = [0, 100, 200, 300]
    expected = [0, 100, 200, 300, 340, 440, 540, 640, 680]
    assert placed(Packets(), *once, *once, 0) == expected


def test_one_wild_time_costs_no_other():
    assert placed(Packets(), 1_000, 1_040, 3, 1_080, 1_120)[3:] == [1_080, 1_120]
    broadcast = Packets('mpegts', 0x0200)
    assert placed(broadcast, 1_000, 1_040, 900_000, 1_080, 1_120)[3:] == [1_080, 1_120]


def test_only_a_broadcast_closes_gaps():
    assert placed(Packets(), 0, 60_000) == [0, 60_000]
    assert placed(Packets('mpegts', 0x0200), 0, 9_000, 60_000) == [0, 9_000, 9_040]


def test_a_pause_of_one_track_is_none_of_the_other():
    broadcast = Packets('mpegts', 0x0200)
    assert broadcast.place(0, track=1) == 0
    assert placed(broadcast, *range(0, 30_000, 1_000)) == [*range(0, 30_000, 1_000)]
    assert broadcast.place(29_500, track=1) == 29_500


def test_tracks_that_start_again_stay_together():
    packets = Packets()
    for time in (0, 400, 800):
        packets.place(time)
        packets.place(time + 10, track=1)
    assert packets.place(0) == 850
    assert packets.place(10, track=1) == 860
    assert packets.place(400) == 1_250


def test_tracks_start_again_where_the_first_of_them_does():
    packets = Packets()
    for time in (0, 400, 800):
        packets.place(time - 80, time)  # decoded before it is shown
        packets.place(time, track=1)
    later = SimpleNamespace(
        dts=30,
        pts=30,
        time_base=Fraction(1, 1000),
        is_discard=False,
        stream=SimpleNamespace(index=1),
    )
    far = SimpleNamespace(**{**vars(later), 'pts': -9_000, 'stream': SimpleNamespace(index=2)})
    assert packets.place(-80, 60, following=[later, far]) == 840 - 30 - 80
    assert packets.place(30, track=1) == 840


def test_pictures_out_of_order_are_no_new_start():
    packets = Packets()
    assert [packets.place(None, time) for time in (0, 120, 40, 80, 240)] == [0, 120, 40, 80, 240]


def test_an_avi_has_times_of_decoding_alone():
    packets = Packets('avi')
    packet = SimpleNamespace(
        dts=3,
        pts=9,
        duration=1,
        is_discard=False,
        time_base=Fraction(1, 25),
        stream=SimpleNamespace(index=0),
    )
    packets.times.place(packet)
    assert (packet.dts, packet.pts) == (3, 3)


def test_times_of_decoding_alone_start_again_too():
    packets = Packets()
    placed_ms = []
    for dts in (0, 300, 600, 0, 300):
        packet = SimpleNamespace(
            dts=dts,
            pts=None,
            duration=40,
            is_discard=False,
            time_base=Fraction(1, 1000),
            stream=SimpleNamespace(index=0),
        )
        packets.times.place(packet)
        placed_ms.append(packet.dts)
    assert placed_ms == [0, 300, 600, 640, 940]


def test_packets_without_times_are_left_alone():
    packets = Packets()
    assert packets.place(None, None) is None


# How pictures are shown.

ORIENTATIONS = {
    # (a, b, c, d): colours of the corners as shown, by rows
    (1, 0, 0, 1): 'RGBW',
    (-1, 0, 0, 1): 'GRWB',
    (1, 0, 0, -1): 'BWRG',
    (-1, 0, 0, -1): 'WBGR',
    (0, 1, 1, 0): 'RBGW',
    (0, 1, -1, 0): 'BRWG',
    (0, -1, 1, 0): 'GWRB',
    (0, -1, -1, 0): 'WGBR',
}
COLOURS = {'R': (220, 30, 30), 'G': (30, 220, 30), 'B': (30, 30, 220), 'W': (220, 220, 220)}


def corners(image, inset=8):
    """Return the names of the colours in the corners, by rows."""
    names = ''
    for row in (inset, -inset):
        for column in (inset, -inset):
            distances = {
                name: np.abs(image[row, column].astype(int) - colour).max()
                for name, colour in COLOURS.items()
            }
            name = min(distances, key=distances.get)
            assert distances[name] < 25
            names += name
    return names


@pytest.mark.parametrize('abcd', ORIENTATIONS)
def test_pictures_are_turned_and_mirrored_as_the_file_says(tmp_path, abcd):
    still = Pictures(count=3, picture=lambda index, size: quarters(size))
    path = set_display_matrix(write_media(tmp_path / 'phone.mp4', still), abcd)
    frames, _ = pictures(path)
    assert corners(frames[0].image) == ORIENTATIONS[abcd]
    assert frames[0].image.shape == ((120, 160, 3) if abcd[0] else (160, 120, 3))
    assert frames[0].image.flags.c_contiguous


@pytest.mark.parametrize('words', [[0] * 9, [1 << 16] * 8, []])
def test_a_matrix_that_turns_nothing_is_none(words):
    assert Orientation.of_matrix(np.array(words, np.int32).tobytes()) == Orientation()


@pytest.mark.real
@pytest.mark.parametrize(('name', 'expected'), [('mirror.mp4', 'GRWB'), ('mirror90.mp4', 'RBGW')])
def test_mirrored_pictures_of_a_phone(shared_case, tmp_path, name, expected):
    imported = import_clip(shared_case('mirrored') / name, tmp_path / 'out', image='png')
    assert (imported.samples['video'], imported.skipped) == (75, {})
    with RecordingReader(imported.path) as reader:
        frames = [sample for sample in reader.samples() if isinstance(sample, Frame)]
    assert corners(frames[0].image) == expected
    assert corners(frames[-1].image) == expected
    assert frames[0].image.shape == ((240, 320, 3) if name == 'mirror.mp4' else (320, 240, 3))


@pytest.mark.parametrize(
    ('suffix', 'codec', 'pixel_format', 'tolerance'),
    [
        ('.mov', 'png', 'rgb24', 0),
        ('.mov', 'png', 'rgba', 0),
        ('.mkv', 'ffv1', 'bgr0', 0),
        ('.mkv', 'ffv1', 'yuva444p', 4),
        ('.mkv', 'ffv1', 'yuv420p10le', 4),
        ('.mkv', 'ffv1', 'gbrp16le', 1),
        ('.avi', 'mjpeg', 'yuvj420p', 8),
        ('.mp4', 'libx265', 'yuv420p', 12),
    ],
)
def test_colours_survive_any_pixel_format(tmp_path, suffix, codec, pixel_format, tolerance):
    still = Pictures(
        codec=codec,
        pixel_format=pixel_format,
        count=3,
        options=(('x265-params', 'log-level=none:crf=5'), ('qscale', '2'))[:1]
        if codec == 'libx265'
        else (),
        picture=lambda index, size: quarters(size),
    )
    frames, skipped = pictures(write_media(tmp_path / f'clip{suffix}', still))
    assert (len(frames), skipped) == (3, {})
    inner = frames[0].image[8:50, 8:70].reshape(-1, 3).mean(axis=0)
    np.testing.assert_allclose(inner, COLOURS['R'], atol=tolerance)


def test_grey_pictures_become_rgb(tmp_path):
    frames, _ = pictures(
        write_media(tmp_path / 'clip.mkv', Pictures(codec='ffv1', pixel_format='gray', count=2))
    )
    assert frames[0].image.shape == (120, 160, 3)
    assert np.ptp(frames[0].image.astype(int), axis=2).max() == 0


# Several tracks, and tracks that are none.


def test_the_default_track_is_taken_where_it_is_not_the_first(tmp_path):
    path = write_media(
        tmp_path / 'two.mkv',
        Pictures(count=20, size=(64, 48), default=False),
        Pictures(count=30, default=True),
        Tone(codec='pcm_s16le', hz=300, default=False),
        Tone(codec='pcm_s16le', hz=1_000, default=True),
    )
    frames, _ = pictures(path)
    assert (len(frames), frames[0].image.shape) == (30, (120, 160, 3))
    chunks, _ = sound(path)
    samples = np.concatenate([chunk.samples for chunk in chunks])
    assert np.abs(np.fft.rfft(samples)).argmax() * 48_000 / len(samples) == pytest.approx(1_000)


def test_a_cover_picture_is_no_video(tmp_path):
    path = tmp_path / 'song.mp4'
    cover = Pictures(codec='png', pixel_format='rgb24', count=1)
    with av.open(str(path), 'w') as container:
        packets = cover.packets(container)
        container.streams.video[0].disposition = av.stream.Disposition.attached_pic
        packets += Tone().packets(container)
        for packet in sorted(packets, key=lambda packet: packet.dts * packet.time_base):
            container.mux(packet)
    imported = import_clip(path, tmp_path / 'out')
    assert imported.samples['video'] == 0
    assert imported.seconds['audio'] == pytest.approx(1.0, abs=0.05)


# What changes inside a file.


def test_sound_keeps_one_rate(tmp_path):
    low = write_media(tmp_path / 'low.mp3', Tone(codec='libmp3lame', rate_hz=32_000, seconds=1.5))
    high = write_media(
        tmp_path / 'high.mp3', Tone(codec='libmp3lame', layout='stereo', seconds=1.5)
    )
    chunks, _ = sound(join(tmp_path / 'both.mp3', low, high))
    (rate_hz,) = {chunk.sample_rate_hz for chunk in chunks}
    assert rate_hz in (32_000, 48_000)
    assert seconds(chunks) == pytest.approx(3.0, abs=0.1)
    assert chunks[-1].end_ns / MS == pytest.approx(3_000, abs=150)
    for part in (chunks[5:25], chunks[-25:-5]):
        samples = np.concatenate([chunk.samples for chunk in part])
        assert np.abs(samples).max() == pytest.approx(0.5, abs=0.03)
        peak = np.abs(np.fft.rfft(samples * np.hanning(len(samples)))).argmax()
        assert peak * rate_hz / len(samples) == pytest.approx(440, abs=3)


@pytest.mark.real
def test_a_rate_change_of_a_real_file(shared_case, tmp_path):
    imported = import_clip(shared_case('rate_change') / 'rate_change.mp3', tmp_path / 'out')
    assert imported.seconds['audio'] == pytest.approx(2.05, abs=0.01)
    assert imported.duration_s == pytest.approx(2.08, abs=0.01)
    assert imported.skipped == {DAMAGED_PACKETS: 1}  # where the files were joined
    with RecordingReader(imported.path) as reader:
        chunks = [sample for sample in reader.samples() if isinstance(sample, AudioChunk)]
        assert reader.drops.counts == {}
    assert all(gap > -25 for gap in gaps_ms(chunks))


def test_pictures_may_change_their_size(tmp_path):
    parts = [
        write_media(tmp_path / f'{width}.ts', Pictures(size=(width, height)))
        for width, height in ((160, 120), (320, 240))
    ]
    imported = import_clip(join(tmp_path / 'both.ts', *parts), tmp_path / 'out')
    assert (imported.samples['video'], imported.skipped) == (50, {})
    with RecordingReader(imported.path) as reader:
        shapes = Counter(sample.image.shape for sample in reader.samples())
    assert shapes == {(120, 160, 3): 25, (240, 320, 3): 25}


# What is damaged, and what is only said to be.


@pytest.mark.parametrize('suffix', ['.ts', '.mp4', '.mkv', '.flv', '.mov'])
def test_of_an_intact_file_nothing_is_skipped(tmp_path, suffix):
    path = write_media(
        tmp_path / f'whole{suffix}', Pictures(count=50, options=(('bf', '2'),)), Tone(seconds=2.0)
    )
    imported = import_clip(path, tmp_path / 'out')
    assert (imported.samples['video'], imported.skipped) == (50, {})
    assert imported.seconds['audio'] == pytest.approx(2.0, abs=0.05)


@pytest.mark.parametrize(('suffix', 'codec'), [('.mp3', 'libmp3lame'), ('.aac', 'aac')])
def test_of_intact_sound_nothing_is_skipped(tmp_path, suffix, codec):
    chunks, skipped = sound(write_media(tmp_path / f'whole{suffix}', Tone(codec=codec)))
    assert skipped == {}
    assert chunks[0].stamp_ns == 0
    assert seconds(chunks) == pytest.approx(1.0, abs=0.05)


def test_a_file_that_ends_early_gives_what_it_has(tmp_path):
    path = write_media(tmp_path / 'cut.mkv', Pictures(count=50), Tone(seconds=2.0))
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 6 // 10])
    imported = import_clip(path, tmp_path / 'out')
    assert 15 < imported.samples['video'] < 45
    assert set(imported.skipped) <= {DAMAGED_PACKETS, UNREAD_END}


def test_where_reading_fails_what_was_held_back_is_given(tmp_path, monkeypatch):
    path = write_media(tmp_path / 'clip.mkv', Pictures(count=50, options=(('bf', '2'),)))
    whole = clip.placed_packets

    def failing(container):
        for count, packet in enumerate(whole(container)):
            if count == 30:
                raise av.error.OSError(5, 'Input/output error')
            yield packet

    monkeypatch.setattr(clip, 'placed_packets', failing)
    frames, skipped = pictures(path)
    assert len(frames) == 30
    assert skipped == {UNREAD_END: 1}


def test_larger_pictures_than_are_taken_are_not_decoded(tmp_path, monkeypatch):
    path = write_media(tmp_path / 'large.mp4', Pictures(count=5, size=(320, 240)))
    monkeypatch.setattr(decoding, 'MAX_PIXELS', 320 * 240 - 1)
    with pytest.raises(RecordingError, match=r'nothing in it .* \(damaged packets: \d+\)'):
        import_clip(path, tmp_path / 'out')
    monkeypatch.setattr(decoding, 'MAX_PIXELS', 320 * 240)
    assert import_clip(path, tmp_path / 'out').samples['video'] == 5


# PyAV is there for clips alone.

QUIET = ('bags', 'training', 'training.run.train', 'simulation', 'inference', 'cli', 'sensors')


@pytest.mark.parametrize('package', QUIET)
def test_nothing_but_clips_loads_the_codecs(package):
    code = (
        f'import importlib, sys; importlib.import_module("activity_recognition.{package}"); '
        'sys.exit("av" in sys.modules)'
    )
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, '')


@pytest.mark.ros
def test_the_node_does_not_load_the_codecs():
    code = (
        'import sys; import activity_recognition.ros.recognizing.recognizer_node; '
        'import activity_recognition.ros.playing.player_node; sys.exit("av" in sys.modules)'
    )
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_without_pyav_an_import_says_what_is_missing(tmp_path, monkeypatch):
    path = write_wav(tmp_path / 'one.wav', levels(1))
    monkeypatch.setitem(sys.modules, 'av', None)
    with pytest.raises(MissingExtraError, match='read by PyAV: the Python package av is not'):
        import_clip(path, tmp_path / 'out')
    assert not (tmp_path / 'out').exists()
