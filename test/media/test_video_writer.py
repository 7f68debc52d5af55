"""A video that is written frame by frame is what was given, whole or not there."""

import av
import numpy as np
import pytest

from activity_recognition.errors import ConfigError, OutputError
from activity_recognition.media.video_writer import VideoWriter
from activity_recognition.types import AudioChunk
from factories.media import loudest_hz, moving_box, quarters, sound_of

MS = 1_000_000


def read(path):
    """Return a video's images, and their times, seconds."""
    with av.open(str(path)) as container:
        frames = list(container.decode(video=0))
    return [f.to_ndarray(format='rgb24') for f in frames], [float(f.time) for f in frames]


@pytest.mark.parametrize('suffix', ['.mp4', '.mkv', '.mov'])
def test_frames_come_back_at_their_times(tmp_path, suffix):
    path = tmp_path / f'seen{suffix}'
    times_ms = [0, 40, 80, 400, 1000, 1033]
    with VideoWriter(path) as writer:
        for index, time_ms in enumerate(times_ms):
            writer.write(moving_box(4 * index), 7_000 * MS + time_ms * MS)
    images, times_s = read(path)
    assert writer.count == len(images) == len(times_ms)
    assert times_s == pytest.approx([ms / 1000 for ms in times_ms], abs=0.002)
    for index, image in enumerate(images):
        assert np.abs(image.astype(int) - moving_box(4 * index)).mean() < 3
    assert [item.name for item in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize('size', [(161, 121), (160, 121), (3, 7)])
def test_an_odd_size_loses_a_pixel(tmp_path, size):
    with VideoWriter(tmp_path / 'odd.mp4') as writer:
        for index in range(3):
            writer.write(quarters(size), index * 40 * MS)
    [image, *others], _ = read(tmp_path / 'odd.mp4')
    assert image.shape == (size[1] - size[1] % 2, size[0] - size[0] % 2, 3)
    assert len(others) == 2


def test_frames_of_another_size_are_fitted(tmp_path):
    with VideoWriter(tmp_path / 'seen.mp4') as writer:
        writer.write(quarters((160, 120)), 0)
        writer.write(quarters((320, 240)), 40 * MS)
    images, _ = read(tmp_path / 'seen.mp4')
    assert [image.shape for image in images] == [(120, 160, 3)] * 2
    assert np.abs(images[0].astype(int) - images[1]).mean() < 6


def test_what_is_not_later_is_left_out(tmp_path):
    with VideoWriter(tmp_path / 'seen.mp4') as writer:
        for stamp_ns in (0, 40 * MS, 40 * MS, 20 * MS, 80 * MS):
            writer.write(quarters(), stamp_ns)
    assert read(tmp_path / 'seen.mp4')[1] == pytest.approx([0, 0.04, 0.08])


def test_without_a_frame_nothing_is_written(tmp_path):
    with VideoWriter(tmp_path / 'seen.mp4'):
        pass
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize('error', [KeyboardInterrupt, ValueError])
def test_an_end_in_the_middle_leaves_a_whole_video(tmp_path, error):
    def write():
        with VideoWriter(tmp_path / 'seen.mp4') as writer:
            for index in range(10):
                writer.write(quarters(), index * 40 * MS)
            raise error

    with pytest.raises(error):
        write()
    assert len(read(tmp_path / 'seen.mp4')[0]) == 10


def test_an_older_video_is_replaced_once_the_new_one_is_whole(tmp_path):
    path = tmp_path / 'seen.mp4'
    path.write_text('old')
    with VideoWriter(path) as writer:
        writer.write(quarters(), 0)
        assert path.read_text() == 'old'
    assert len(read(path)[0]) == 1


def test_a_full_disk_is_a_sentence_and_leaves_nothing(tmp_path, small_files):
    rng = np.random.default_rng(0)

    def write():
        with VideoWriter(tmp_path / 'seen.mp4') as writer:
            for index in range(300):
                noise = rng.integers(0, 256, (240, 320, 3), dtype=np.uint8)
                writer.write(noise, index * 40 * MS)

    with small_files, pytest.raises(OutputError, match=r'seen\.mp4: cannot write the video'):
        write()
    assert list(tmp_path.iterdir()) == []


def test_another_suffix_is_refused(tmp_path):
    with pytest.raises(ConfigError, match=r'\.mp4, \.mkv, \.mov.*\.txt'):
        VideoWriter(tmp_path / 'seen.txt')


def test_a_place_that_is_none_is_a_sentence(tmp_path):
    (tmp_path / 'file').touch()
    with pytest.raises(OutputError, match='cannot write the video'):
        VideoWriter(tmp_path / 'file' / 'seen.mp4')


def tone(start_s: float, seconds: float, frequency_hz: float, rate_hz: int = 16_000) -> AudioChunk:
    times_s = np.arange(round(seconds * rate_hz)) / rate_hz
    samples = 0.5 * np.sin(2 * np.pi * frequency_hz * times_s)
    stamp_ns = round(start_s * 1000) * MS
    return AudioChunk(
        stamp_ns=stamp_ns,
        arrival_ns=stamp_ns,
        samples=samples.astype(np.float32),
        sample_rate_hz=rate_hz,
    )


class TestSound:
    def written(self, path, chunks, *, frames=range(0, 4000, 40), **options):
        with VideoWriter(path, has_sound=True, **options) as writer:
            given = [(chunk.stamp_ns, chunk) for chunk in chunks]
            given += [(time_ms * MS, moving_box(time_ms // 40)) for time_ms in frames]
            for stamp_ns, item in sorted(given, key=lambda pair: pair[0]):
                if isinstance(item, AudioChunk):
                    writer.write_sound(item)
                else:
                    writer.write(item, stamp_ns)
        return sound_of(path)

    @pytest.mark.parametrize('suffix', ['.mp4', '.mkv', '.mov'])
    def test_it_is_heard_when_it_was_and_a_hole_is_silent(self, tmp_path, suffix):
        chunks = [tone(n / 4, 0.25, 440) for n in range(4)]
        chunks += [tone(2 + n / 4, 0.25, 1000) for n in range(8)]
        heard, rate_hz = self.written(tmp_path / f'seen{suffix}', chunks)
        assert len(heard) / rate_hz == pytest.approx(4.0, abs=0.05)

        def part(begin_s, end_s):
            return heard[round(begin_s * rate_hz) : round(end_s * rate_hz)]

        assert loudest_hz(part(0.1, 0.9), rate_hz) == pytest.approx(440, abs=3)
        assert np.abs(part(1.1, 1.9)).max() < 0.01
        assert loudest_hz(part(2.1, 3.9), rate_hz) == pytest.approx(1000, abs=3)
        assert np.abs(part(2.1, 3.9)).max() == pytest.approx(0.5, abs=0.1)

    def test_it_begins_with_the_first_frame(self, tmp_path):
        chunks = [tone(n / 4, 0.25, 440 if n < 4 else 1000) for n in range(8)]
        heard, rate_hz = self.written(tmp_path / 'a.mp4', chunks, frames=range(1000, 2000, 40))
        assert len(heard) / rate_hz == pytest.approx(1.0, abs=0.05)
        assert loudest_hz(heard[: rate_hz // 2], rate_hz) == pytest.approx(1000, abs=3)

    def test_what_comes_twice_is_heard_once(self, tmp_path):
        chunks = [tone(0, 2, 440), tone(1, 2, 440)]
        heard, rate_hz = self.written(tmp_path / 'a.mp4', chunks)
        assert len(heard) / rate_hz == pytest.approx(3.0, abs=0.05)

    def test_its_rate_may_change(self, tmp_path):
        chunks = [tone(0, 1, 440), tone(1, 1, 440, rate_hz=48_000), tone(2, 1, 440, rate_hz=8_000)]
        heard, rate_hz = self.written(tmp_path / 'a.mp4', chunks)
        assert len(heard) / rate_hz == pytest.approx(3.0, abs=0.05)
        for second in range(3):
            inside = heard[round((second + 0.2) * rate_hz) : round((second + 0.8) * rate_hz)]
            assert loudest_hz(inside, rate_hz) == pytest.approx(440, abs=3)

    def test_without_a_track_it_is_left_out(self, tmp_path):
        with VideoWriter(tmp_path / 'a.mp4') as writer:
            writer.write_sound(tone(0, 1, 440))
            writer.write(moving_box(0), 0)
        with av.open(str(tmp_path / 'a.mp4')) as container:
            assert not container.streams.audio
