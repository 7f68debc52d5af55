"""Watching a file, an address or a camera: its answers are those of the imported recording."""

import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import av
import numpy as np
import pytest

from activity_recognition.bags import ClipReader, RecordingReader, import_clip
from activity_recognition.bags.imported import START_NS
from activity_recognition.bags.subtitles import read_subtitles
from activity_recognition.commands.display import Silence
from activity_recognition.commands.watch_feed import LiveFeed, WholeFeed, paced
from activity_recognition.commands.watch_run import LiveSamples, Watching
from activity_recognition.config import SmoothingConfig, SyncConfig
from activity_recognition.errors import RecordingError
from activity_recognition.inference import StreamingEngine
from activity_recognition.media.addresses import MediaSource, parse_source
from activity_recognition.media.pacing import Pacer
from activity_recognition.media.stream import MediaStream
from activity_recognition.models.checkpoint import save_checkpoint
from activity_recognition.types import Frame, Modality
from factories.clocks import NoWaiting
from factories.file_server import (
    content,
    dropping,
    in_turn,
    sending,
    serving,
    stalling,
)
from factories.media import Pictures, Tone, loudest_hz, sound_of, write_media, write_wav
from factories.networks import KEYED, TINY, make_system, tokenizer_for, with_modalities
from factories.pose import FINDING, made_up_pose, moving
from factories.timing import PATIENCE_S

MS = 1_000_000
WORDS = """1
00:00:00,100 --> 00:00:00,400
help me please

2
00:00:01,000 --> 00:00:01,200
hello robot
"""


def shown(index, size):
    """Return a picture in which something moves."""
    return moving(index, size[::-1])


@pytest.fixture
def clip(tmp_path) -> Path:
    """Two seconds of pictures and a tone, with words beside it."""
    pictures = Pictures(count=50, size=(128, 96), picture=shown)
    path = write_media(tmp_path / 'clip.mp4', pictures, Tone(seconds=2.0))
    (tmp_path / 'clip.srt').write_text(WORDS, encoding='utf-8')
    return path


@pytest.fixture
def checkpoint(tmp_path):
    """Write a checkpoint with lively random weights."""

    def write(config=TINY) -> Path:
        folder = tmp_path / 'checkpoint'
        save_checkpoint(folder, make_system(config, seed=1), tokenizer_for(config))
        return folder

    return write


def decided_on_import(engine, clip, folder, words) -> list:
    import_clip(clip, folder, transcript=words, image='raw')
    with RecordingReader.for_model(folder, engine.config) as reader:
        return list(engine.decisions(reader.samples()))


def assert_same(received, expected) -> None:
    """Compare answers with an engine's on the imported recording, which begins at START_NS."""
    assert [item.t_ns for item in received] == [item.t_ns - START_NS for item in expected]
    for one, other in zip(received, expected, strict=True):
        assert (one.status, one.label) == (other.status, other.label)
        assert one.confidence == pytest.approx(other.confidence, rel=1e-5, abs=1e-6)
        found = [(e.modality, e.present, e.label) for e in one.evidence]
        assert found == [(e.modality, e.present, e.label) for e in other.evidence]
        for mine, theirs in zip(one.evidence, other.evidence, strict=True):
            numbers = (mine.age_s, mine.confidence, mine.weight)
            assert np.allclose(
                numbers, (theirs.age_s, theirs.confidence, theirs.weight), 1e-5, 1e-6, True
            )


@pytest.mark.parametrize('finds', [False, True], ids=['pixels', 'key points'])
def test_its_answers_are_those_of_the_imported_recording(tmp_path, clip, checkpoint, finds):
    if finds:
        pytest.importorskip('ai_edge_litert')
    words = tmp_path / 'clip.srt'
    with made_up_pose(tmp_path) if finds else Silence():
        engine = StreamingEngine.load(checkpoint(FINDING if finds else TINY))
        reader = ClipReader(clip, engine.config, transcript=words)
        watching = Watching(engine, WholeFeed(reader.samples(), SyncConfig()), title='')
        watching.run(Silence(), every_decision=True)
        expected = decided_on_import(engine, clip, tmp_path / 'bag', words)
    received = watching.log.received()
    assert len(received) >= 20
    present = {e.modality for item in received for e in item.evidence if e.present}
    assert present == {Modality.VIDEO, Modality.AUDIO, Modality.TEXT}
    assert_same(received, expected)


def test_at_the_pace_of_the_clock_they_are_the_same(tmp_path, clip, checkpoint):
    """Less those that a slow machine gives up, so nothing is smoothed."""
    words, alone = tmp_path / 'clip.srt', SmoothingConfig(window_size=1, hysteresis=0, min_hold_s=0)
    engine = StreamingEngine.load(checkpoint(), smoothing=alone)
    reader, pacer = ClipReader(clip, engine.config, transcript=words), Pacer()
    patient = SyncConfig(queue_frames=256, queue_audio_s=60.0)
    with LiveFeed(lambda: paced(reader.samples(), pacer), pacer, patient) as feed:
        watching = Watching(engine, feed, title='')
        watching.run(Silence(), every_decision=True)
    offline = {
        item.t_ns - START_NS: item
        for item in decided_on_import(engine, clip, tmp_path / 'bag', words)
    }
    received = watching.log.received()
    assert received[-1].t_ns == max(offline), 'the newest is never given up'
    assert {item.t_ns for item in received} <= set(offline)
    for one, other in ((item, offline[item.t_ns]) for item in received):
        assert one.label == other.label
        assert one.confidence == pytest.approx(other.confidence, rel=1e-5)
        assert one.latency_s >= 0


class Slow:
    """An engine that takes its time: it works on when the test lets it."""

    def __init__(self, engine):
        self.engine = engine
        self.config, self.labels, self.modalities = engine.config, engine.labels, engine.modalities
        self.entered, self.let_go = threading.Event(), threading.Event()

    def apply(self, window):
        self.entered.set()
        assert self.let_go.wait(PATIENCE_S)
        return self.engine.apply(window)


def frames_at(times_ms):
    image = np.zeros((48, 64, 3), np.uint8)
    return [Frame(stamp_ns=t * MS, arrival_ns=t * MS, image=image) for t in times_ms]


def test_what_is_too_much_is_dropped_oldest_first_and_counted(checkpoint):
    engine = Slow(StreamingEngine.load(checkpoint()))
    sent, pacer = threading.Event(), Pacer(clock=lambda: 0)

    def samples():
        pacer.resume()
        yield from frames_at([0])
        assert engine.entered.wait(PATIENCE_S)
        for frame in frames_at(range(100, 3100, 50)):
            pacer.set(frame.arrival_ns)
            yield frame
        sent.set()
        assert engine.let_go.wait(PATIENCE_S)

    feed = LiveFeed(samples, pacer, SyncConfig(queue_frames=8))
    watching = Watching(engine, feed, title='')
    release = threading.Thread(target=lambda: sent.wait(PATIENCE_S) and engine.let_go.set())
    release.start()
    with feed:
        watching.run(Silence(), every_decision=True)
    release.join(PATIENCE_S)
    # The first, then at once the newest of all: nothing in between holds it up.
    assert [item.t_ns // MS for item in watching.log.received()] == [0, 3000]
    assert feed.dropped == {'video samples': 52, 'decisions': 29}
    account = feed.frames
    assert (account['published'], account['used'], account['dropped']) == (61, 9, {'overload': 52})
    assert account['unaccounted'] == 0


def test_while_a_camera_is_silent_decisions_go_on_half_a_second_behind():
    pacer, heard = Pacer(clock=lambda: 0), threading.Event()

    def samples():
        pacer.resume()
        yield from frames_at([0, 100])
        pacer.set(2_700 * MS)
        assert heard.wait(PATIENCE_S)

    newest = 0
    with LiveFeed(samples, pacer, SyncConfig(), may_fall_silent=True) as feed:
        for window in feed.windows():
            if window is not None and window.decision is not None:
                newest = window.decision.t_ns // MS
            if newest > 100:
                # 150 ms after the last frame, then ten a second, up to 2200 ms.
                assert newest == 2150
                heard.set()
    assert newest == 2150


def test_a_file_that_is_read_late_is_not_silent():
    pacer = Pacer(clock=lambda: 0)

    def samples():
        pacer.resume()
        yield from frames_at([0, 100])
        pacer.set(2_700 * MS)
        yield from frames_at([500])

    with LiveFeed(samples, pacer, SyncConfig()) as feed:
        windows = [window for window in feed.windows() if window is not None]
    # Between 100 and 500 ms there is none, which the recording would say as well.
    assert windows[-1].decision.t_ns == 500 * MS
    skipped = feed.dropped.get('decisions', 0)
    assert sum(window.decision is not None for window in windows) + skipped == 6


def test_what_ends_a_source_ends_the_run_in_its_words(checkpoint):
    engine = StreamingEngine.load(checkpoint())

    def samples():
        yield from frames_at([0, 100])
        raise RecordingError('the cable was pulled')

    feed = LiveFeed(samples, Pacer(), SyncConfig())
    watching = Watching(engine, feed, title='')
    with feed, pytest.raises(RecordingError, match='the cable was pulled'):
        watching.run(Silence(), every_decision=True)
    assert watching.log.received(), 'what came before is known'


def test_a_live_source_is_watched_with_its_words(tmp_path, clip, checkpoint):
    engine = StreamingEngine.load(checkpoint())
    with serving({'/clip.mp4': content(clip.read_bytes())}) as server:
        pacer = NoWaiting()
        stream = MediaStream(parse_source(f'{server.address}clip.mp4'), pacer)
        samples = LiveSamples(stream, engine, read_subtitles(tmp_path / 'clip.srt'))
        with LiveFeed(samples, pacer, SyncConfig()) as feed:
            watching = Watching(engine, feed, title='')
            watching.run(Silence(), every_decision=True)
    assert samples.contents.has == ('video', 'audio', 'text')
    last = watching.log.received()[-1]
    assert [item.present for item in last.evidence] == [True, True, True]


class TestCommand:
    def test_a_page_and_a_video_are_written(self, command, tmp_path, clip, checkpoint):
        page, video = tmp_path / 'seen' / 'page.html', tmp_path / 'seen' / 'clip.mp4'
        status, out, err = command(
            *('watch', clip, '--checkpoint', checkpoint(), '--transcript', tmp_path / 'clip.srt'),
            *('--out', page, '--overlay', video),
        )
        assert (status, err) == (0, '')
        assert f'page: {page}' in out
        assert f'video: {video}' in out
        assert re.search(r'clip\.mp4: 20 answers over 1\.9 s, in \d', out)
        text = page.read_text(encoding='utf-8')
        assert 'Recognised from video and audio and text' in text
        assert 'truth' not in text.replace('Truth', '')
        with av.open(str(video)) as container:
            frames = list(container.decode(video=0))
        assert len(frames) == 50
        assert [float(f.time) for f in frames] == pytest.approx([n / 25 for n in range(50)])
        heard, rate_hz = sound_of(video)
        assert len(heard) / rate_hz == pytest.approx(2.0, abs=0.05)
        assert loudest_hz(heard[rate_hz // 2 : -rate_hz // 2], rate_hz) == pytest.approx(440, abs=3)
        assert (frames[0].width, frames[0].height) == (640, 480)
        assert frames[0].to_ndarray(format='rgb24')[:40].max() > 200, 'something is written'

    def test_at_the_pace_of_the_clock(self, command, clip, checkpoint):
        began_s = time.monotonic()
        status, out, _ = command('watch', clip, '--checkpoint', checkpoint(), '--realtime')
        assert status == 0
        assert time.monotonic() - began_s >= 1.9
        assert re.search(r'clip\.mp4: \d+ answers over 1\.\d s', out)
        assert ' ms ' in out, 'how late an answer comes'

    def test_lines_say_what_changes(self, command, clip, checkpoint):
        status, out, _ = command('watch', clip, '--checkpoint', checkpoint())
        assert status == 0
        assert re.match(r' +0\.0 s  decision ', out)
        assert 'nan' not in out

    def test_what_is_not_there_is_said(self, command, tmp_path, checkpoint):
        path = write_media(tmp_path / 'silent.mp4', Pictures(count=25))
        _, _, err = command('watch', path, '--checkpoint', checkpoint())
        assert err.splitlines() == [
            f'watch: {path} has no audio, so the answers come without it',
            f'watch: {path} has no text, so the answers come without it; give a file of '
            'subtitles with --transcript',
        ]

    def test_sound_alone_is_enough_for_who_hears(self, command, tmp_path, checkpoint):
        path = write_wav(tmp_path / 'tone.wav', np.zeros((32_000, 1)), 16_000)
        status, out, err = command('watch', path, '--checkpoint', checkpoint())
        assert status == 0
        assert 'answers over' in out
        assert 'has no video' in err
        blind = checkpoint(with_modalities('audio', 'text'))
        _, _, err = command('watch', path, '--checkpoint', blind)
        assert 'has no video' not in err

    def test_without_anything_for_the_network_it_is_refused(self, command, tmp_path, checkpoint):
        path = write_wav(tmp_path / 'tone.wav', np.zeros((32_000, 1)), 16_000)
        status, _, err = command(
            'watch', path, '--checkpoint', checkpoint(with_modalities('video'))
        )
        assert status == 1
        assert 'tone.wav: has audio, and the checkpoint takes video; name another' in err

    def test_a_network_of_a_trackers_key_points_says_so(self, command, clip, checkpoint):
        status, _, err = command('watch', clip, '--checkpoint', checkpoint(KEYED))
        assert status == 0
        assert 'takes key points of a tracker, not images' in err

    @pytest.mark.parametrize(
        ('text', 'sentence'),
        [
            ('missing.mp4', 'no such file; expected a video or audio file, a camera such as'),
            ('/dev/video123', 'no such camera; there are:'),
            ('concat:a|b', 'no such file'),
            ('file:///etc/passwd', 'expected an address that begins with'),
        ],
    )
    def test_what_cannot_be_watched_is_a_sentence(self, command, text, sentence):
        status, _, err = command('watch', text)
        assert status == 1
        assert sentence in err
        assert len(err.splitlines()) == 1

    @pytest.mark.parametrize('damage', ['empty', 'text', 'cut'])
    def test_a_damaged_file_is_a_sentence(self, command, clip, checkpoint, damage):
        data = clip.read_bytes()
        clip.write_bytes({'empty': b'', 'text': b'hello ' * 999, 'cut': data[:-900]}[damage])
        status, _, err = command('watch', clip, '--checkpoint', checkpoint())
        assert status == 1
        assert re.search(r'clip\.mp4: cannot read this as a video or audio file', err)
        assert ('it is empty' in err) == (damage == 'empty')
        assert 'Errno' not in err

    def test_an_output_that_would_replace_the_source_is_refused(self, command, clip, checkpoint):
        before = clip.read_bytes()
        status, _, err = command('watch', clip, '--overlay', clip)
        assert status == 2
        assert 'is the file that is watched' in err
        assert clip.read_bytes() == before

    def test_a_video_of_a_kind_that_is_not_written_is_refused_at_once(self, command, clip):
        status, _, err = command('watch', clip, '--overlay', 'seen.gif')
        assert status == 2
        assert "ends in .mp4, .mkv, .mov, got '.gif'" in err

    def test_a_full_disk_is_a_sentence(self, command, clip, tmp_path, checkpoint, small_files):
        video, folder = tmp_path / 'out' / 'seen.mkv', checkpoint()
        with small_files:
            status, _, err = command('watch', clip, '--checkpoint', folder, '--overlay', video)
        assert status == 1
        assert 'seen.mkv: cannot write the video' in err
        assert list(video.parent.iterdir()) == []

    def test_a_password_is_never_shown(self, command, tmp_path, checkpoint):
        with serving({}) as server:
            address = server.address.replace('//', '//me:s3cret@') + 'x.mp4?key=s3cret'
            page = tmp_path / 'page.html'
            status, out, err = command(
                'watch', address, '--checkpoint', checkpoint(), '--out', page
            )
        assert status == 1
        assert '127.0.0.1' in err
        assert 's3cret' not in out + err
        assert not page.exists()

    def test_an_address_is_watched_and_its_password_is_not_on_the_page(
        self, command, tmp_path, clip, checkpoint
    ):
        page = tmp_path / 'page.html'
        with serving({'/clip.mp4?key=s3cret': content(clip.read_bytes())}) as server:
            address = server.address.replace('//', '//me:s3cret@') + 'clip.mp4?key=s3cret'
            status, out, err = command(
                'watch', address, '--checkpoint', checkpoint(), '--out', page
            )
        assert status == 0
        assert 's3cret' not in out + err + page.read_text(encoding='utf-8')
        assert 'clip.mp4' in out

    def test_a_camera_is_watched(self, command, monkeypatch, checkpoint, tmp_path):
        made_up = MediaSource(
            address='testsrc=duration=1:rate=10:size=64x48', shown='/dev/video0', format='lavfi'
        )
        monkeypatch.setattr('activity_recognition.media.addresses.parse_source', lambda _: made_up)
        video = tmp_path / 'seen.mp4'
        status, out, err = command(
            *('watch', '/dev/video0', '--checkpoint', checkpoint(), '--overlay', video),
            *('--reconnect-s', '0'),
        )
        assert status == 0
        assert '/dev/video0 has no audio' in err
        assert re.search(r'/dev/video0: \d+ answers', out)
        assert video.is_file()

    def test_a_live_address_that_drops_is_connected_again_which_is_said(
        self, command, tmp_path, checkpoint
    ):
        live = write_media(tmp_path / 'live.ts', Pictures(count=25)).read_bytes()
        # What has a length at last is not tried again, however slow the machine was until then.
        whole = write_media(tmp_path / 'whole.mkv', Pictures(count=25)).read_bytes()
        answers = in_turn(sending(live), dropping(live), content(whole))
        with serving({'/live': answers}) as server:
            status, out, err = command(
                *('watch', f'{server.address}live', '--checkpoint', checkpoint()),
                *('--reconnect-s', '300'),
            )
            asked = len(server.asked)
        assert status == 0
        assert asked >= 3
        assert 'live: it ended; trying to connect again' in err
        assert 'live: interrupted 2 times' in out
        assert re.search(r'live: \d+ answers', out)

    def test_a_microphone_beside_a_file_is_refused(self, command, clip):
        status, _, err = command('watch', clip, '--microphone', 'default')
        assert status == 2
        assert 'leave it out to hear the sound of the file' in err

    def test_patience_is_a_number_of_seconds(self, command, clip):
        status, _, err = command('watch', clip, '--reconnect-s', '-1')
        assert status == 2
        assert '--reconnect-s: expected seconds from 0 up, got -1' in err


@pytest.mark.parametrize(
    ('number', 'expected'), [(signal.SIGINT, 0), (signal.SIGTERM, 143)], ids=['Ctrl-C', 'SIGTERM']
)
def test_an_end_in_the_middle_finishes_page_and_video(
    start, tmp_path, clip, checkpoint, number, expected
):
    """The server sends the beginning and then nothing: it would go on waiting."""
    data = write_media(
        tmp_path / 'clip.mkv', Pictures(count=150, size=(128, 96), picture=shown)
    ).read_bytes()
    page, video = tmp_path / 'page.html', tmp_path / 'seen.mp4'
    with serving({'/clip.mkv': stalling(data[: len(data) * 3 // 4], len(data))}) as server:
        process = start(
            *('watch', f'{server.address}clip.mkv', '--checkpoint', checkpoint()),
            *('--out', page, '--overlay', video),
        )
        for line in process.stdout:
            if 'decision' in line:
                break
        else:
            pytest.fail(process.stderr.read())
        process.send_signal(number)
        out, err = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == expected, err
    assert f'page: {page}' in out
    assert 'answers over' in out
    assert '<svg' in page.read_text(encoding='utf-8')
    with av.open(str(video)) as container:
        assert sum(1 for _ in container.decode(video=0)) >= 1


WITHOUT_ROS = """
import sys
sys.modules.update(dict.fromkeys(sys.argv[1].split(',')))
from activity_recognition.cli import main
sys.exit(main(sys.argv[2:]))
"""


def test_it_needs_no_ros(clip, checkpoint):
    blocked = 'rclpy,sensor_msgs,std_msgs,activity_recognition.msg,activity_recognition.ros'
    done = subprocess.run(
        [
            *(sys.executable, '-W', 'ignore', '-c', WITHOUT_ROS, blocked),
            *('watch', str(clip), '--checkpoint', str(checkpoint())),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert '20 answers' in done.stdout


@pytest.mark.real
class TestRealPeople:
    @pytest.fixture
    def people(self, real_recordings, weights_folder) -> Path:
        pytest.importorskip('ai_edge_litert')
        return real_recordings / 'people'

    def test_the_joints_of_who_signs_are_drawn(self, command, tmp_path, people, checkpoint):
        """Compared with the video drawn by a network that finds none."""
        drawn = []
        for config in (FINDING, TINY):
            video = tmp_path / f'{len(drawn)}.mp4'
            status, _, err = command(
                *('watch', people / 'sign_eat.mkv', '--checkpoint', checkpoint(config)),
                *('--overlay', video, '--quiet'),
            )
            assert status == 0, err
            with av.open(str(video)) as container:
                drawn.append([f.to_ndarray(format='rgb24') for f in container.decode(video=0)])
        with_joints, without = drawn
        assert len(with_joints) == len(without) >= 40
        for one, other in zip(with_joints[5:], without[5:], strict=True):
            # Right of the scores, above the evidence: where the person stands.
            apart = np.abs(one[60:430, 200:].astype(int) - other[60:430, 200:]).max(axis=2) > 60
            assert apart.sum() >= 400

    def test_the_answers_are_those_of_the_imported_recording(self, tmp_path, people, checkpoint):
        engine = StreamingEngine.load(checkpoint(FINDING))
        clip = people / 'sign_walk.mkv'
        reader = ClipReader(clip, engine.config)
        watching = Watching(engine, WholeFeed(reader.samples(), SyncConfig()), title='')
        watching.run(Silence(), every_decision=True)
        expected = decided_on_import(engine, clip, tmp_path / 'bag', None)
        assert len(expected) >= 10
        assert_same(watching.log.received(), expected)
