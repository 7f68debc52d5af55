"""A clip gives the samples, and decisions, of the recording that an import makes of it."""

from dataclasses import replace

import numpy as np
import pytest

from activity_recognition.bags import ClipReader, RecordingReader, import_clip
from activity_recognition.bags.imported import START_NS
from activity_recognition.config import ModelConfig, VideoConfig
from activity_recognition.errors import RecordingError
from activity_recognition.types import AudioChunk, Frame, Utterance
from factories.media import Pictures, Tone, write_media

WORDS = """1
00:00:00,100 --> 00:00:00,900
put the kettle on

2
00:00:01,000 --> 00:00:01,400
thank you
"""
MODEL = ModelConfig(video=VideoConfig(input_size_px=64))


def clip(folder, name='clip.mp4', **sound):
    """Write two seconds of pictures and a tone, and their transcript."""
    path = write_media(folder / name, Pictures(count=50), Tone(seconds=2.0, **sound))
    (folder / 'clip.srt').write_text(WORDS, encoding='utf-8')
    return path


def values(sample):
    """Return everything of a sample but its times."""
    if isinstance(sample, Frame):
        return sample.image.tolist()
    if isinstance(sample, AudioChunk):
        return sample.sample_rate_hz, sample.samples.tolist()
    return sample.text


@pytest.mark.parametrize('rate_hz', [16_000, 44_100])
def test_the_samples_are_those_of_the_imported_recording(tmp_path, rate_hz):
    path, words = clip(tmp_path, rate_hz=rate_hz), tmp_path / 'clip.srt'
    import_clip(path, tmp_path / 'bag', transcript=words, image='raw')
    with RecordingReader.for_model(tmp_path / 'bag', MODEL) as reader:
        expected = list(reader.samples())
    clip_reader = ClipReader(path, MODEL, transcript=words)
    found = list(clip_reader.samples(START_NS))
    assert {type(sample) for sample in found} == {Frame, AudioChunk, Utterance}
    assert [(type(s), s.stamp_ns, s.arrival_ns) for s in found] == [
        (type(s), s.stamp_ns, s.arrival_ns) for s in expected
    ]
    assert [values(s) for s in found] == [values(s) for s in expected]
    assert clip_reader.drops.total == 0
    assert not clip_reader.skipped


def test_times_are_from_the_clips_start_and_it_may_be_read_again(tmp_path):
    reader = ClipReader(clip(tmp_path), MODEL, transcript=tmp_path / 'clip.srt')
    shifted = [replace(s, stamp_ns=s.stamp_ns - START_NS) for s in reader.samples(START_NS)]
    found = list(reader.samples())
    assert [s.stamp_ns for s in found] == [s.stamp_ns for s in shifted]
    assert [values(s) for s in found] == [values(s) for s in shifted]
    frames = [s.stamp_ns for s in found if isinstance(s, Frame)]
    assert frames == [index * 40_000_000 for index in range(50)]
    texts = [(s.text, s.stamp_ns, s.arrival_ns) for s in found if isinstance(s, Utterance)]
    assert texts == [
        ('put the kettle on', 900_000_000, 1_400_000_000),
        ('thank you', 1_400_000_000, 1_900_000_000),
    ]


def test_audio_comes_at_the_networks_rate_and_level(tmp_path):
    path = write_media(tmp_path / 'tone.wav', Tone(codec='pcm_s16le', rate_hz=44_100, hz=1000))
    chunks = list(ClipReader(path, MODEL).samples())
    assert {chunk.sample_rate_hz for chunk in chunks} == {MODEL.audio.sample_rate_hz}
    wave = np.concatenate([chunk.samples for chunk in chunks])
    assert len(wave) / 16_000 == pytest.approx(1.0, abs=0.01)
    spectrum = np.abs(np.fft.rfft(wave))
    assert spectrum.argmax() * 16_000 / len(wave) == pytest.approx(1000, abs=2)
    assert np.abs(wave[1000:-1000]).max() == pytest.approx(0.5, abs=0.01)


def test_large_pictures_come_reduced_as_from_a_topic(tmp_path):
    path = write_media(tmp_path / 'large.mp4', Pictures(count=3, size=(1280, 960)))
    import_clip(path, tmp_path / 'bag', image='raw')
    with RecordingReader.for_model(tmp_path / 'bag', MODEL) as reader:
        expected = {sample.image.shape for sample in reader.samples()}
    found = {sample.image.shape for sample in ClipReader(path, MODEL).samples()}
    assert found == expected
    assert all(height < 960 for height, _, _ in found)


def test_what_cannot_be_read_is_refused_at_once(tmp_path):
    with pytest.raises(RecordingError, match='no such file'):
        ClipReader(tmp_path / 'missing.mp4', MODEL)
    (tmp_path / 'broken.srt').write_text('1\n00:00:02,000 --> 00:00:01,000\nno\n')
    with pytest.raises(RecordingError, match=r'broken\.srt:2'):
        ClipReader(clip(tmp_path), MODEL, transcript=tmp_path / 'broken.srt')
