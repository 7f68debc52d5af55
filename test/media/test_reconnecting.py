"""Live sources that go away are connected again; a camera may have a microphone of its own."""

import threading

import numpy as np
import pytest

from activity_recognition.errors import RecordingError
from activity_recognition.media.addresses import MediaSource, microphone_source, parse_source
from activity_recognition.media.pacing import Pacer
from activity_recognition.media.reconnecting import Backoff
from activity_recognition.media.stream import MediaStream
from activity_recognition.media.together import CameraWithMicrophone
from activity_recognition.types import AudioChunk, Frame
from factories.clocks import NoWaiting
from factories.file_server import content, dropping, in_turn, refusing, sending, serving
from factories.media import Pictures, Tone, write_media

S = 1_000_000_000


def live_bytes(tmp_path, count=25):
    """Return a transport stream with images and sound, which says nothing of its length."""
    tracks = (Pictures(count=count), Tone(seconds=count / 25))
    return write_media(tmp_path / 'live.ts', *tracks).read_bytes()


def read(server, **options):
    said: list[str] = []
    stream = MediaStream(
        parse_source(f'{server.address}live'), NoWaiting(), on_lost=said.append, **options
    )
    return stream, said, stream.samples()


class TestAnAddress:
    def test_one_that_ends_is_connected_again_and_its_time_goes_on(self, tmp_path):
        sent = sending(live_bytes(tmp_path))
        with serving({'/live': in_turn(sent, sent, refusing(503))}) as server:
            stream, said, samples = read(server, reconnect_s=20.0)
            found = list(samples)
        frames = [sample for sample in found if isinstance(sample, Frame)]
        assert len(frames) == 50
        steps_s = np.diff([frame.stamp_ns for frame in frames]) / S
        assert steps_s.min() > 0
        assert np.sort(steps_s)[:-1].max() == pytest.approx(0.04, abs=0.002)
        assert 0.5 <= steps_s.max() < 1.5, 'the first wait, and what the tracks lie apart'
        assert sum(isinstance(sample, AudioChunk) for sample in found) > 2
        assert stream.interruptions == len(said) == 2
        assert said[0].endswith('/live: it ended; trying to connect again')

    def test_one_that_drops_is_connected_again(self, tmp_path):
        whole = live_bytes(tmp_path)
        part = dropping(whole[: len(whole) * 2 // 3])
        with serving({'/live': in_turn(part, sending(whole), part)}) as server:
            stream, said, samples = read(server, reconnect_s=20.0)
            count = 0
            for sample in samples:
                count += isinstance(sample, Frame)
                if count > 45:
                    break
            samples.close()
        assert stream.interruptions == len(said) >= 1
        assert 'connection' in said[0].lower()

    def test_it_is_given_up_at_last_with_what_was_wrong_first(self, tmp_path):
        whole = live_bytes(tmp_path)
        with serving({'/live': sending(whole)}) as server:
            pacer, said = NoWaiting(), []
            stream = MediaStream(
                parse_source(f'{server.address}live'), pacer, reconnect_s=9.0, on_lost=said.append
            )
            samples = stream.samples()
            first = next(samples)
        began_ns = first.arrival_ns
        list(samples)
        assert stream.interruptions == 1
        assert (pacer.now_ns() - began_ns) / S == pytest.approx(1.0 + 9.0, abs=0.5)

    def test_a_short_file_without_a_length_is_not_begun_for_ever(self, tmp_path):
        pacer = NoWaiting()
        with serving({'/live': sending(live_bytes(tmp_path))}) as server:
            stream = MediaStream(parse_source(f'{server.address}live'), pacer, reconnect_s=9.0)
            assert sum(isinstance(sample, Frame) for sample in stream.samples()) >= 50
        assert 2 <= stream.interruptions <= 9
        assert pacer.now_ns() / S < 20

    def test_without_patience_it_ends_as_it_always_did(self, tmp_path):
        with serving({'/live': sending(live_bytes(tmp_path))}) as server:
            stream, said, samples = read(server)
            assert sum(isinstance(sample, Frame) for sample in samples) == 25
        assert (stream.interruptions, said) == (0, [])

    def test_a_file_that_a_server_hands_out_has_an_end(self, tmp_path):
        path = write_media(tmp_path / 'clip.mkv', Pictures(count=25))
        with serving({'/live': content(path.read_bytes())}) as server:
            stream, said, samples = read(server, reconnect_s=20.0)
            assert sum(1 for _ in samples) == 25
        assert (stream.interruptions, said) == (0, [])

    def test_one_that_never_began_is_refused_at_once(self):
        with serving({'/live': refusing(503)}) as server:
            stream, said, samples = read(server, reconnect_s=20.0)
            with pytest.raises(RecordingError, match='5XX Server Error'):
                list(samples)
        assert (stream.interruptions, said) == (0, [])

    def test_what_its_reader_refuses_is_no_loss(self, tmp_path):
        def refuse():
            raise RecordingError('not this')

        with serving({'/live': sending(live_bytes(tmp_path))}) as server:
            stream = MediaStream(
                parse_source(f'{server.address}live'), NoWaiting(), reconnect_s=20.0
            )
            with pytest.raises(RecordingError, match='not this'):
                list(stream.samples(refuse))


def test_a_stopped_clock_ends_the_waiting():
    pacer = Pacer()
    pacer.resume()
    backoff = Backoff(pacer, 3600.0)
    answers = [backoff.wait()]
    thread = threading.Thread(target=lambda: answers.append(backoff.wait()))
    thread.start()
    pacer.stop()
    thread.join(60)
    assert answers == [True, False]


def test_attempts_become_rare_and_end_together_with_the_patience():
    pacer = NoWaiting()
    backoff, at_s = Backoff(pacer, 20.0), []
    while backoff.wait():
        at_s.append(pacer.now_ns() / S)
    assert at_s == [0.5, 1.5, 3.5, 7.5, 15.5, 20.0]
    backoff.reset()
    assert backoff.wait()


def test_attempts_that_take_long_are_part_of_the_patience():
    pacer = NoWaiting()
    backoff, at_s = Backoff(pacer, 12.0), []
    while backoff.wait():
        at_s.append(pacer.now_ns() / S)
        pacer.set(pacer.now_ns() + 5 * S)
    assert at_s == [0.5, 6.5, 12.0]


def test_a_microphone_that_is_not_there_is_called_that():
    stream = MediaStream(microphone_source('hw:97,0'), NoWaiting())
    with pytest.raises(RecordingError, match='hw:97,0: it cannot be opened or read: there is none'):
        list(stream.samples())


class TestCameraWithMicrophone:
    def made_up(self, graph: str, shown: str) -> MediaSource:
        return MediaSource(address=graph, shown=shown, format='lavfi')

    def together(self, camera: str, microphone: str, pacer: Pacer) -> CameraWithMicrophone:
        return CameraWithMicrophone(
            MediaStream(self.made_up(camera, 'the camera'), pacer, kinds=['video']),
            MediaStream(self.made_up(microphone, 'the microphone'), pacer, kinds=['audio']),
        )

    def test_both_are_on_one_clock(self):
        pacer = Pacer()
        both = self.together(
            'testsrc=rate=20:size=64x48:duration=1', 'sine=frequency=440:duration=5', pacer
        )
        opened, found, late_ns = threading.Event(), [], []
        for sample in both.samples(opened.set):
            assert opened.is_set()
            found.append(sample)
            late_ns.append(pacer.now_ns() - sample.arrival_ns)
        assert (both.has_video, both.has_audio) == (True, True)
        frames = [sample for sample in found if isinstance(sample, Frame)]
        assert len(frames) == 20, 'the end of one is the end of both'
        heard = [sample for sample in found if isinstance(sample, AudioChunk)]
        assert heard
        assert min(late_ns) >= 0

    def test_one_that_cannot_be_opened_is_named(self):
        both = self.together('testsrc=rate=20:size=64x48', 'no_such_filter', Pacer())
        with pytest.raises(RecordingError, match='the microphone'):
            list(both.samples())

    def test_what_the_network_cannot_take_is_refused(self):
        def refuse():
            raise RecordingError('takes key points')

        both = self.together('testsrc=rate=20:size=64x48', 'sine=frequency=440', Pacer())
        with pytest.raises(RecordingError, match='takes key points'):
            list(both.samples(refuse))

    def test_a_microphone_goes_by_its_name_in_alsa(self):
        assert microphone_source('hw:1,0').format == 'alsa'
        assert microphone_source('hw:1,0').shown == 'the microphone hw:1,0'
        for name in ('', ' ', 'http://camera/x'):
            with pytest.raises(RecordingError, match='arecord -L'):
                microphone_source(name)
