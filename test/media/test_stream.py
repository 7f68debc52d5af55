"""Live sources: everything on one clock, nothing that waits for ever, late ones left out."""

import threading
import time
from fractions import Fraction
from types import SimpleNamespace

import av
import cv2
import numpy as np
import pytest

from activity_recognition.errors import RecordingError
from activity_recognition.media.addresses import MediaSource, parse_source
from activity_recognition.media.clip import Clip
from activity_recognition.media.decoding import Skipped
from activity_recognition.media.pacing import Pacer
from activity_recognition.media.stream import LATE_PACKETS, MediaStream, _Reading
from activity_recognition.types import AudioChunk, Frame
from factories.clocks import NoWaiting
from factories.file_server import content, serving, stalling
from factories.media import Pictures, Tone, box_position, moving_box, write_media

MS = 1_000_000


def lavfi(graph: str) -> MediaSource:
    """A made-up camera."""
    return MediaSource(address=graph, shown='a camera', format='lavfi')


def collected(source: MediaSource, **options) -> list[Frame | AudioChunk]:
    return list(MediaStream(source, NoWaiting(), **options).samples())


def of(kind, samples):
    return [sample for sample in samples if isinstance(sample, kind)]


def test_a_camera_gives_its_frames_from_zero_on():
    found = collected(lavfi('testsrc=duration=2:rate=10:size=160x120'))
    assert [frame.stamp_ns for frame in found] == [index * 100 * MS for index in range(20)]
    assert {frame.image.shape for frame in found} == {(120, 160, 3)}


@pytest.mark.parametrize('name', ['clip.mp4', 'clip.mkv', 'clip.ts'])
def test_an_address_gives_the_samples_of_the_file(tmp_path, name):
    path = write_media(tmp_path / name, Pictures(count=50), Tone(seconds=2.0))
    with serving({f'/{name}': content(path.read_bytes())}) as server:
        stream = MediaStream(parse_source(f'{server.address}{name}'), NoWaiting())
        found = list(stream.samples())
    assert (stream.has_video, stream.has_audio) == (True, True)
    arrivals = [sample.arrival_ns for sample in found]
    assert arrivals == sorted(arrivals)
    clip = Clip(path)
    frames, expected = of(Frame, found), list(clip.frames(0))
    assert len(frames) == len(expected) == 50
    shift_ns = {a.stamp_ns - b.stamp_ns for a, b in zip(frames, expected, strict=True)}
    assert max(map(abs, shift_ns)) <= 25 * MS, 'by the start of the other track at most'
    assert max(shift_ns) - min(shift_ns) <= MS
    for one, other in zip(frames, expected, strict=True):
        assert np.array_equal(one.image, other.image)
    heard = np.concatenate([chunk.samples for chunk in of(AudioChunk, found)])
    whole = np.concatenate([chunk.samples for chunk in clip.audio(0)])
    assert len(heard) == pytest.approx(len(whole), abs=2_048)
    assert np.array_equal(heard[-40_000:], whole[-40_000:])


def test_samples_come_when_they_are_due():
    pacer = Pacer()
    for frame in MediaStream(lavfi('testsrc=duration=0.5:rate=20:size=64x48'), pacer).samples():
        assert pacer.now_ns() >= frame.arrival_ns


def test_a_stopped_clock_ends_it():
    pacer, got = Pacer(), []
    for frame in MediaStream(lavfi('testsrc=rate=20:size=64x48'), pacer).samples():
        got.append(frame)
        if len(got) == 3:
            pacer.stop()
    # Endless as it is; what was due then may still come.
    assert 3 <= len(got) < 200


def test_a_source_that_sets_its_clock_is_not_waited_for(tmp_path):
    """An hour ahead: its frames keep their times, and come at once."""
    path = tmp_path / 'clip.mkv'
    with av.open(str(path), 'w') as container:
        track = container.add_stream('libx264', rate=25, options={'tune': 'zerolatency'})
        track.width, track.height, track.pix_fmt = 160, 120, 'yuv420p'
        for index in range(20):
            frame = av.VideoFrame.from_ndarray(moving_box(index), format='rgb24')
            frame.pts, frame.time_base = index + 90_000 * (index >= 10), Fraction(1, 25)
            container.mux(track.encode(frame))
        container.mux(track.encode())
    with serving({'/clip.mkv': content(path.read_bytes())}) as server:
        stream = MediaStream(parse_source(f'{server.address}clip.mkv'), Pacer())
        began_s = time.monotonic()
        found = list(stream.samples())
    assert time.monotonic() - began_s < 1_800
    steps = np.diff([frame.stamp_ns for frame in found]) / 1e9
    assert len(found) == 20
    assert steps.max() == pytest.approx(3600.04, abs=0.01)


def multipart(images):
    """Answer with JPEG images one after the other, as cheap cameras do."""

    def answer(handler):
        handler.send_response(200)
        handler.send_header('Content-Type', 'multipart/x-mixed-replace; boundary=frame')
        handler.end_headers()
        for image in images:
            _, data = cv2.imencode('.jpg', image)
            head = f'--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(data)}\r\n\r\n'
            handler.wfile.write(head.encode() + data.tobytes() + b'\r\n')
            handler.wfile.flush()

    return answer


def test_images_without_times_have_that_of_their_receipt():
    images = [moving_box(4 * index) for index in range(12)]
    pacer = Pacer()
    with serving({'/video': multipart(images)}) as server:
        stream = MediaStream(parse_source(f'{server.address}video'), pacer)
        found = list(stream.samples())
    assert [round(box_position(frame.image)) for frame in found] == [4 * n for n in range(12)]
    stamps = [frame.stamp_ns for frame in found]
    assert stamps == sorted(set(stamps))
    # Sent as fast as it goes; at the 25 Hz that FFmpeg would make up they would take 440 ms.
    assert stamps[-1] <= pacer.now_ns()


class TestRefused:
    def test_nobody_answers(self):
        with serving({}) as server:
            address = server.address
        with pytest.raises(RecordingError, match=r'127\.0\.0\.1.*cannot open or read it: Connecti'):
            collected(parse_source(f'{address}x.mp4'))

    def test_it_is_not_there_and_the_password_is_not_shown(self):
        with serving({}) as server:
            address = server.address.replace('//', '//me:s3cret@') + 'x.mp4?key=s3cret'
            with pytest.raises(RecordingError, match='404') as caught:
                collected(parse_source(address))
        assert 's3cret' not in str(caught.value)
        assert caught.value.__cause__ is None
        assert '/x.mp4' in str(caught.value)

    def test_nothing_comes(self):
        with (
            serving({'/x.mp4': stalling(b'', 10_000)}) as server,
            pytest.raises(RecordingError, match=r'nothing came for 0\.5 s'),
        ):
            collected(parse_source(f'{server.address}x.mp4'), timeout_s=0.5)

    def test_it_stops_in_the_middle(self, tmp_path):
        path = write_media(tmp_path / 'clip.mkv', Pictures(count=50), Tone(seconds=2.0))
        data, got = path.read_bytes(), []
        with serving({'/x.mkv': stalling(data[: len(data) // 2], len(data))}) as server:
            source = parse_source(f'{server.address}x.mkv')
            stream = MediaStream(source, NoWaiting(), timeout_s=1.0)
            with pytest.raises(RecordingError, match='nothing came for 1 s'):
                got.extend(stream.samples())

    def test_it_is_no_video(self):
        with (
            serving({'/x': content(b'<html>nothing here</html>' * 100)}) as server,
            pytest.raises(RecordingError, match='no video or audio'),
        ):
            collected(parse_source(f'{server.address}x'))

    def test_a_playlist_cannot_name_files_of_this_machine(self, tmp_path):
        path = write_media(tmp_path / 'secret.ts', Pictures(count=25))
        listed = f'#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nfile://{path}\n#EXT-X-ENDLIST\n'
        with (
            serving({'/live.m3u8': content(listed.encode())}) as server,
            pytest.raises(RecordingError),
        ):
            collected(parse_source(f'{server.address}live.m3u8'))

    @pytest.mark.parametrize(
        ('number', 'sentence'),
        [
            (16, 'the camera is busy'),
            (25, 'it is no camera'),
            (13, 'may not be opened: join the group'),
            (5, 'Input/output error'),
        ],
    )
    def test_a_camera(self, monkeypatch, number, sentence):
        def fail(*args, **options):
            raise av.error.classes.get(number, av.error.OSError)(number, 'Input/output error')

        monkeypatch.setattr(av, 'open', fail)
        source = MediaSource(address='/dev/video0', shown='/dev/video0', format='v4l2')
        with pytest.raises(RecordingError, match=f'/dev/video0: .*{sentence}'):
            collected(source)

    def test_it_has_no_track_that_can_be_decoded(self, tmp_path):
        path = write_media(tmp_path / 'clip.mp4', Pictures(count=5))
        source = MediaSource(address=str(path), shown='it')
        stream = MediaStream(source, NoWaiting())
        opened = threading.Event()
        assert len(list(stream.samples(opened.set))) == 5
        assert opened.is_set()
        assert not stream.has_audio


class Late:
    """A pacer of which the test says what time it is."""

    def __init__(self):
        self.now = 0

    def now_ns(self):
        return self.now

    def set(self, now_ns):
        self.now = now_ns


def packet(time_s, *, key=True, track=0):
    stream = SimpleNamespace(index=track)
    ticks, base = int(time_s * 1000), Fraction(1, 1000)
    return SimpleNamespace(pts=ticks, dts=ticks, time_base=base, is_keyframe=key, stream=stream)


class TestLateness:
    @pytest.fixture
    def reading(self):
        self.clock, self.skipped = Late(), Skipped()
        reading = _Reading(self.clock, self.skipped)

        def wants(now_s, time_s, **more):
            self.clock.now = int(now_s * 1e9)
            return reading.wants(packet(time_s, **more))

        assert wants(0, 100)  # times begin with the first
        return wants

    def test_what_is_in_time_is_decoded(self, reading):
        assert all(reading(n / 10 + 0.9, 100 + n / 10, key=False) for n in range(50))
        assert not self.skipped

    def test_what_is_late_is_left_out_up_to_a_frame_that_needs_no_other(self, reading):
        assert not reading(5.0, 101.0)
        assert not reading(5.1, 103.0, key=False)
        assert not reading(5.2, 105.0, key=False), 'in time again, but of one that was left out'
        assert reading(5.2, 105.0, track=1), 'the other track was not late'
        assert reading(5.3, 105.2)
        assert reading(5.4, 105.3, key=False)
        assert self.skipped == {LATE_PACKETS: 3}

    def test_a_source_that_stays_late_is_taken_as_it_comes(self, reading):
        assert not reading(5.0, 101.0)
        assert not reading(6.0, 102.0)
        assert reading(7.1, 103.0), 'what is left out does not help'
        assert self.clock.now == int(3.0 * 1e9)
        assert reading(3.1, 103.1, key=False)
