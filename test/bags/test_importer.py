"""Clips encoded on the spot: tracks, times, rotation, sizes, transcripts and labels."""

import struct
from fractions import Fraction

import av
import numpy as np
import pytest

from activity_recognition.bags import RecordingReader, import_clip, labels_path, read_labels
from activity_recognition.bags.imported import START_NS
from activity_recognition.config import AudioConfig, ModelConfig
from activity_recognition.errors import RecordingError
from activity_recognition.sensors import DecoderSettings
from activity_recognition.types import AudioChunk, Frame, Utterance

MS = 1_000_000


def halves(width=64, height=48):
    """Return a picture whose quarters are told apart by colour."""
    image = np.zeros((height, width, 3), np.uint8)
    image[: height // 2, : width // 2] = (220, 30, 30)
    image[: height // 2, width // 2 :] = (30, 220, 30)
    image[height // 2 :, : width // 2] = (30, 30, 220)
    image[height // 2 :, width // 2 :] = (220, 220, 220)
    return image


def encode(
    path,
    *,
    seconds=1.0,
    fps=10,
    size=(64, 48),
    rate_hz=0,
    layout='mono',
    times_ms=None,
    video=True,
    codec='libx264',
    audio_codec='aac',
    tone_hz=1_000,
):
    """Write a clip with a still picture and a tone."""
    with av.open(str(path), 'w') as container:
        if video:
            track = container.add_stream(codec, rate=fps)
            track.width, track.height = size
            track.pix_fmt = 'rgb24' if codec == 'png' else 'yuv420p'
            track.options = {'crf': '5'} if codec == 'libx264' else {}
            if times_ms is not None:
                track.time_base = track.codec_context.time_base = Fraction(1, 1000)
        if rate_hz:
            sound = container.add_stream(audio_codec, rate=rate_hz, layout=layout)
        if video:
            for index in range(int(seconds * fps) if times_ms is None else len(times_ms)):
                picture = av.VideoFrame.from_ndarray(halves(*size), format='rgb24')
                if times_ms is not None:
                    picture.pts, picture.time_base = times_ms[index], Fraction(1, 1000)
                container.mux(track.encode(picture))
            container.mux(track.encode())
        if rate_hz:
            channels = {'mono': 1, 'stereo': 2}[layout]
            time_s = np.arange(int(seconds * rate_hz)) / rate_hz
            wave = (0.5 * np.sin(2 * np.pi * tone_hz * time_s)).astype(np.float32)
            block = av.AudioFrame.from_ndarray(
                np.tile(wave, (channels, 1)), format='fltp', layout=layout
            )
            block.sample_rate, block.pts = rate_hz, 0
            split = av.AudioResampler(
                format=sound.format.name,
                layout=layout,
                rate=rate_hz,
                frame_size=sound.codec_context.frame_size or 1024,
            )
            for part in [*split.resample(block), *split.resample(None)]:
                container.mux(sound.encode(part))
            container.mux(sound.encode())
    return path


@pytest.fixture
def clip(tmp_path):
    def make(name='clip.mp4', **options):
        return encode(tmp_path / name, **options)

    return make


def load(imported, **audio):
    settings = DecoderSettings(model=ModelConfig(audio=AudioConfig(**audio)))
    with RecordingReader(imported.path, settings=settings) as reader:
        samples = list(reader.samples())
        assert reader.drops.counts == {}
        assert reader.start_ns == START_NS
    return {
        kind: [sample for sample in samples if isinstance(sample, kind)]
        for kind in (Frame, AudioChunk, Utterance)
    }


def test_picture_and_sound_of_a_clip(clip, tmp_path):
    imported = import_clip(clip(rate_hz=44_100, layout='stereo'), tmp_path / 'out')
    assert (imported.samples['video'], imported.samples['text'], imported.labels) == (10, 0, 0)
    assert imported.seconds['audio'] == pytest.approx(1.0, abs=0.06)
    got = load(imported)
    stamps = [frame.stamp_ns - START_NS for frame in got[Frame]]
    assert stamps == [index * 100 * MS for index in range(10)]
    assert all(frame.arrival_ns == frame.stamp_ns for frame in got[Frame])
    np.testing.assert_allclose(got[Frame][3].image[12, 16], (220, 30, 30), atol=12)
    np.testing.assert_allclose(got[Frame][3].image[36, 16], (30, 30, 220), atol=12)
    assert got[Frame][0].image.shape == (48, 64, 3)
    for chunk in got[AudioChunk]:
        assert chunk.arrival_ns >= chunk.end_ns - 2 * MS
    sound = np.concatenate([chunk.samples for chunk in got[AudioChunk]])
    spectrum = np.abs(np.fft.rfft(sound * np.hanning(len(sound))))
    peak_hz = spectrum.argmax() * 16_000 / len(sound)
    assert peak_hz == pytest.approx(1_000, abs=3)
    assert np.abs(sound[2_000:12_000]).max() == pytest.approx(0.5, abs=0.03)


def test_the_sounds_own_rate_is_kept(clip, tmp_path):
    imported = import_clip(clip(rate_hz=22_050), tmp_path / 'out')
    (chunk, *_) = load(imported, sample_rate_hz=22_050)[AudioChunk]
    assert len(chunk.samples) in (1_024, 1_152)


@pytest.mark.parametrize(
    ('options', 'present'),
    [
        ({}, Frame),
        ({'video': False, 'rate_hz': 16_000, 'name': 'sound.m4a'}, AudioChunk),
        (
            {'video': False, 'rate_hz': 8_000, 'name': 'sound.wav', 'audio_codec': 'pcm_s16le'},
            AudioChunk,
        ),
    ],
)
def test_a_track_that_is_absent_stays_absent(clip, tmp_path, options, present):
    got = load(import_clip(clip(**options), tmp_path / 'out'))
    assert [kind for kind, samples in got.items() if samples] == [present]


def test_pcm_comes_through_exactly(clip, tmp_path):
    options = {'video': False, 'rate_hz': 16_000, 'name': 'a.wav', 'audio_codec': 'pcm_s16le'}
    got = load(import_clip(clip(**options, seconds=0.5), tmp_path / 'out'))
    sound = np.concatenate([chunk.samples for chunk in got[AudioChunk]])
    time_s = np.arange(8_000) / 16_000
    np.testing.assert_allclose(sound, 0.5 * np.sin(2 * np.pi * 1_000 * time_s), atol=1e-4)
    assert got[AudioChunk][0].stamp_ns == START_NS


def test_a_variable_frame_rate_is_kept(clip, tmp_path):
    times_ms = [0, 40, 100, 380, 420, 1_000]
    got = load(import_clip(clip('clip.mkv', times_ms=times_ms), tmp_path / 'out'))
    assert [(frame.stamp_ns - START_NS) // MS for frame in got[Frame]] == times_ms


@pytest.mark.parametrize('name', ['clip.mkv', 'clip.mp4'])
def test_time_counts_from_the_clips_first_picture(clip, tmp_path, name):
    times_ms = [5_000, 5_100, 5_200]
    got = load(import_clip(clip(name, times_ms=times_ms), tmp_path / 'out'))
    assert [(frame.stamp_ns - START_NS) // MS for frame in got[Frame]] == [0, 100, 200]


def turn(path, degrees):
    """Write a rotation into an mp4's track header, as a phone does."""
    cosine, sine = {90: (0, 1), 180: (-1, 0), 270: (0, -1)}[degrees]
    one, unit = 1 << 16, 1 << 30
    matrix = struct.pack(
        '>9i', cosine * one, sine * one, 0, -sine * one, cosine * one, 0, 0, 0, unit
    )
    data = bytearray(path.read_bytes())
    start = data.index(b'tkhd') + 4 + 40
    data[start : start + 36] = matrix
    path.write_bytes(data)
    return path


@pytest.mark.parametrize(
    ('degrees', 'corner', 'shape'),
    [
        (90, (30, 30, 220), (64, 48, 3)),
        (180, (220, 220, 220), (48, 64, 3)),
        (270, (30, 220, 30), (64, 48, 3)),
    ],
)
def test_pictures_are_turned_upright(clip, tmp_path, degrees, corner, shape):
    # A display matrix turns clockwise: after 90 degrees the lower left corner is the upper left.
    got = load(import_clip(turn(clip(), degrees), tmp_path / 'out', image='png'))
    assert got[Frame][0].image.shape == shape
    np.testing.assert_allclose(got[Frame][0].image[6, 6], corner, atol=12)


@pytest.mark.parametrize(
    ('max_height', 'shape'), [(24, (24, 32, 3)), (48, (48, 64, 3)), (999, (48, 64, 3))]
)
def test_high_pictures_may_be_shrunk(clip, tmp_path, max_height, shape):
    got = load(import_clip(clip(), tmp_path / 'out', max_height=max_height))
    assert got[Frame][0].image.shape == shape
    np.testing.assert_allclose(got[Frame][0].image[3, 3], (220, 30, 30), atol=14)


def test_a_transcript_arrives_after_it_was_spoken(clip, tmp_path):
    talk = tmp_path / 'talk.srt'
    talk.write_text(
        '1\n00:00:00,100 --> 00:00:00,400\n<i>tea</i>\n\n2\n00:00:00,500 --> 00:00:00,900\nplease\n'
    )
    imported = import_clip(clip(), tmp_path / 'out', transcript=talk, speech_delay_s=0.25)
    assert imported.samples['text'] == 2
    first, second = load(imported)[Utterance]
    assert (first.text, second.text) == ('tea', 'please')
    assert (first.stamp_ns - START_NS, first.arrival_ns - START_NS) == (400 * MS, 650 * MS)
    assert (second.stamp_ns - START_NS, second.arrival_ns - START_NS) == (900 * MS, 1_150 * MS)


def test_labels_are_checked_and_copied(clip, tmp_path):
    labels = tmp_path / 'given.csv'
    labels.write_text('start_s,end_s,label\n0.5,1,wave\n0,0.5,none\n')
    imported = import_clip(clip(), tmp_path / 'out', labels=labels)
    assert imported.labels == 2
    assert [span.label for span in read_labels(labels_path(imported.path))] == ['none', 'wave']


@pytest.mark.parametrize('kind', ['labels', 'transcript'])
def test_texts_of_a_longer_clip_are_refused(clip, tmp_path, kind):
    path = tmp_path / ('x.csv' if kind == 'labels' else 'x.vtt')
    path.write_text(
        'start_s,end_s,label\n0,1,none\n90,91,wave\n'
        if kind == 'labels'
        else 'WEBVTT\n\n01:30.000 --> 01:31.000\nbye\n'
    )
    with pytest.raises(RecordingError, match=r'starts at 90\.0 s, after the end of .*clip\.mp4'):
        import_clip(clip(), tmp_path / 'out', **{kind: path})
    assert not (tmp_path / 'out').exists()


def test_the_same_clip_gives_the_same_recording(clip, tmp_path):
    source = clip(rate_hz=16_000)
    contents = []
    for name in ('one', 'two'):
        with RecordingReader(import_clip(source, tmp_path / name).path) as reader:
            contents.append([(r.topic, r.record_ns, bytes(r.cdr)) for r in reader.records()])
    assert contents[0] == contents[1]


def test_time_that_goes_back_and_channels_that_change_are_survived(clip, tmp_path):
    parts = [
        clip(f'{layout}.ts', video=False, rate_hz=48_000, layout=layout)
        for layout in ('mono', 'stereo')
    ]
    (tmp_path / 'both.ts').write_bytes(b''.join(part.read_bytes() for part in parts))
    imported = import_clip(tmp_path / 'both.ts', tmp_path / 'out')
    assert (imported.skipped, imported.seconds['audio']) == ({}, pytest.approx(2.0, abs=0.1))
    stamps = [chunk.stamp_ns for chunk in load(imported)[AudioChunk]]
    assert stamps == sorted(stamps)


def test_progress_is_told_in_seconds(clip, tmp_path):
    seen = []
    import_clip(clip(rate_hz=16_000), tmp_path / 'out', progress=seen.append)
    assert seen == sorted(seen)
    assert seen[-1] == pytest.approx(1.0, abs=0.1)


def test_a_damaged_middle_is_skipped_and_counted(clip, tmp_path):
    source = clip('clip.mov', codec='png')
    data = bytearray(source.read_bytes())
    picture = -1
    for _ in range(5):
        picture = data.index(b'IHDR', picture + 1)
    data[picture : picture + 20] = bytes(20)
    source.write_bytes(data)
    imported = import_clip(source, tmp_path / 'out')
    assert (imported.samples['video'], imported.skipped) == (9, {'damaged packets': 1})
    stamps_ms = [(frame.stamp_ns - START_NS) // MS for frame in load(imported)[Frame]]
    assert stamps_ms == [0, 100, 200, 300, 500, 600, 700, 800, 900]


def test_what_is_no_clip_is_refused(tmp_path, clip):
    with pytest.raises(RecordingError, match=r'nothing\.mp4: no such file'):
        import_clip(tmp_path / 'nothing.mp4', tmp_path / 'out')
    with pytest.raises(RecordingError, match=f'{tmp_path.name}: a folder; expected a video'):
        import_clip(tmp_path, tmp_path / 'out')
    (tmp_path / 'noise.mp4').write_bytes(np.random.default_rng(0).bytes(5_000))
    with pytest.raises(RecordingError, match=r'noise\.mp4: cannot read'):
        import_clip(tmp_path / 'noise.mp4', tmp_path / 'out')
    cut = clip()
    cut.write_bytes(cut.read_bytes()[:700])
    with pytest.raises(RecordingError, match=r'clip\.mp4: cannot read'):
        import_clip(cut, tmp_path / 'out')
    with pytest.raises(RecordingError, match='must not be negative'):
        import_clip(clip('good.mp4'), tmp_path / 'out', speech_delay_s=-1)
    assert not (tmp_path / 'out').exists()


def test_only_subtitles_in_a_file_are_no_clip(tmp_path):
    with av.open(str(tmp_path / 'talk.srt'), 'w') as container:
        container.add_stream('srt')
    (tmp_path / 'talk.srt').write_text('1\n00:00:01,000 --> 00:00:02,000\nhello\n')
    with pytest.raises(RecordingError, match=r'neither a video nor an audio track .* cut short'):
        import_clip(tmp_path / 'talk.srt', tmp_path / 'out')
