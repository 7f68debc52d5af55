"""Written recordings: what goes in comes out, and nothing half is left behind."""

import sqlite3
from dataclasses import replace

import numpy as np
import pytest
from rosbags.highlevel import AnyReader

from activity_recognition.bags import (
    RecordingReader,
    RecordingWriter,
    find_recordings,
    labels_path,
    read_labels,
)
from activity_recognition.errors import RecordingError
from activity_recognition.types import AudioChunk, Frame, LabelSpan, Utterance

START_NS = 1_700_000_000_000_000_000
STRING, LIVE = 'std_msgs/msg/String', 'hri_msgs/msg/LiveSpeech'


def store(path, samples, labels=None, **options):
    with RecordingWriter(path, **options) as writer:
        if labels is not None:
            writer.set_labels(labels)
        for sample in samples:
            writer.write(sample)
    return path


def interrupted(samples, folder):
    already = find_recordings(folder)
    yield from samples[:3]
    assert find_recordings(folder) == already
    raise KeyboardInterrupt


def load(path):
    with RecordingReader(path) as reader:
        samples = list(reader.samples())
        assert reader.drops.counts == {}
    return samples


def of_kind(samples, kind):
    return [sample for sample in samples if isinstance(sample, kind)]


@pytest.mark.parametrize('transcript_type', [STRING, LIVE])
@pytest.mark.parametrize('image', ['raw', 'jpeg', 'png'])
@pytest.mark.parametrize('storage', ['mcap', 'sqlite3'])
def test_samples_come_back_as_they_were(tmp_path, scene, storage, image, transcript_type):
    path = tmp_path / 'made'
    given = scene()
    options = {'storage': storage, 'image': image, 'transcript_type': transcript_type}
    got = load(store(path, given, start_ns=START_NS, **options))
    assert len(list(path.glob('*.mcap' if storage == 'mcap' else '*.db3'))) == 1
    assert [type(sample) for sample in got] == [type(sample) for sample in given]
    for ours, theirs in zip(got, given, strict=True):
        assert ours.arrival_ns == theirs.arrival_ns
        if isinstance(theirs, Utterance):
            assert ours.text == theirs.text
            expected = (
                theirs
                if transcript_type == LIVE
                else replace(
                    theirs, stamp_ns=theirs.arrival_ns, confidence=None, locale='', frame_id=''
                )
            )
            assert ours == expected
            continue
        assert (ours.stamp_ns, ours.frame_id) == (theirs.stamp_ns, theirs.frame_id)
        if isinstance(theirs, Frame):
            off = np.abs(ours.image.astype(int) - theirs.image)
            assert off.max() <= (4 if image == 'jpeg' else 0)
        else:
            np.testing.assert_array_equal(ours.samples, theirs.samples)


def test_any_ros_tool_can_read_it(tmp_path, scene):
    path = store(tmp_path / 'made', scene(), start_ns=START_NS, transcript_type=LIVE)
    with AnyReader([path]) as reader:  # checks each definition against its type's hash
        types = {connection.topic: connection.msgtype for connection in reader.connections}
        assert types == {
            '/recording/start': 'builtin_interfaces/msg/Time',
            '/camera/image_raw': 'sensor_msgs/msg/Image',
            '/audio/audio_info': 'audio_common_msgs/msg/AudioInfo',
            '/audio/audio_stamped': 'audio_common_msgs/msg/AudioDataStamped',
            '/speech/transcript': LIVE,
        }
        for connection, _, raw in reader.messages():
            message = reader.deserialize(raw, connection.msgtype)
            if connection.topic == '/audio/audio_info':
                assert (message.channels, message.sample_rate) == (1, 16_000)
                assert (message.sample_format, message.coding_format) == ('S16LE', 'wave')
            if connection.topic == '/camera/image_raw':
                assert (message.encoding, message.step) == ('rgb8', 96)


def test_compressed_images_have_image_transports_name_and_format(tmp_path, scene):
    path = store(tmp_path / 'made', scene(), image='jpeg')
    with RecordingReader(path) as reader:
        assert reader.roles.image == '/camera/image_raw/compressed'
    with AnyReader([path]) as reader:
        images = [c for c in reader.connections if c.topic.endswith('compressed')]
        _, _, raw = next(iter(reader.messages(images)))
        message = reader.deserialize(raw, images[0].msgtype)
    assert message.format == 'rgb8; jpeg compressed bgr8'


@pytest.mark.parametrize('storage', ['mcap', 'sqlite3'])
def test_a_recording_starts_at_its_start_even_when_samples_come_later(tmp_path, scene, storage):
    late = [sample for sample in scene() if sample.arrival_ns > START_NS + 500_000_000]
    path = store(tmp_path / 'made', late, start_ns=START_NS, storage=storage)
    with RecordingReader(path) as reader:
        assert reader.start_ns == START_NS
        assert reader.end_ns == late[-1].arrival_ns
        assert reader.duration_s == pytest.approx((late[-1].arrival_ns - START_NS) / 1e9)
        first = next(iter(reader.records()))
        assert first.record_ns == START_NS


def test_the_audio_info_lies_at_the_start_and_is_latched(tmp_path, scene):
    late_sound = [sample for sample in scene() if not isinstance(sample, AudioChunk)]
    late_sound += of_kind(scene(), AudioChunk)[-1:]
    path = store(tmp_path / 'made', late_sound, start_ns=START_NS)
    with RecordingReader(path) as reader:
        infos = list(reader.records({'/audio/audio_info'}))
        latched = {topic.name for topic in reader.topics if topic.latched}
    assert [record.record_ns for record in infos] == [START_NS]
    assert latched == {'/audio/audio_info'}


@pytest.mark.parametrize('kind', [Frame, AudioChunk, Utterance])
def test_absent_modalities_leave_no_topic(tmp_path, scene, kind):
    path = store(tmp_path / 'made', of_kind(scene(), kind), start_ns=START_NS)
    with RecordingReader(path) as reader:
        names = reader.roles
        assert {type(sample) for sample in reader.samples()} == {kind}
    present = {Frame: names.image, AudioChunk: names.audio, Utterance: names.transcript}
    assert [bool(name) for name in present.values()] == [kind is other for other in present]


def test_labels_go_into_the_folder(tmp_path, scene):
    spans = (LabelSpan(start_s=0, end_s=0.5, label='none'),)
    store(tmp_path / 'made', scene(), labels=spans)
    assert read_labels(labels_path(tmp_path / 'made'))[0].label == 'none'


def test_wrong_labels_leave_no_recording(tmp_path, scene):
    twice = [LabelSpan(start_s=0, end_s=0.5, label=name) for name in 'ab']
    with pytest.raises(RecordingError, match='overlaps'):
        store(tmp_path / 'made', scene(), labels=twice)
    assert list(tmp_path.iterdir()) == []


def test_loud_samples_are_limited_not_wrapped(tmp_path):
    values = np.array([1.0, -1.0, 1.5, -1.5, 0.0], np.float32)
    chunk = AudioChunk(
        stamp_ns=START_NS, arrival_ns=START_NS, samples=values, sample_rate_hz=16_000
    )
    (got,) = load(store(tmp_path / 'made', [chunk]))
    top = 32767 / 32768
    assert got.samples.tolist() == [top, -1.0, top, -1.0, 0.0]


def test_an_interrupted_writing_leaves_nothing(tmp_path, scene):
    with pytest.raises(KeyboardInterrupt):
        store(tmp_path / 'made', interrupted(scene(), tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_nothing_written_is_an_error(tmp_path):
    with (
        pytest.raises(RecordingError, match='nothing was written'),
        RecordingWriter(tmp_path / 'x'),
    ):
        pass
    assert list(tmp_path.iterdir()) == []


def test_an_existing_recording_is_replaced_only_when_told(tmp_path, scene):
    path = store(tmp_path / 'made', scene()[:1])
    with pytest.raises(RecordingError, match='exists already'):
        RecordingWriter(path)
    with pytest.raises(KeyboardInterrupt):
        store(path, interrupted(scene(), tmp_path), overwrite=True)
    assert len(load(path)) == 1
    assert len(load(store(path, scene()[:5], overwrite=True))) == 5
    assert [entry.name for entry in tmp_path.iterdir()] == ['made']


def test_what_is_no_recording_is_never_replaced(tmp_path, scene):
    (tmp_path / 'thesis').mkdir()
    (tmp_path / 'thesis' / 'chapter1.tex').touch()
    with pytest.raises(RecordingError, match='is not a recording'):
        RecordingWriter(tmp_path / 'thesis', overwrite=True)
    (tmp_path / 'file').touch()
    with pytest.raises(RecordingError, match='is not a recording'):
        RecordingWriter(tmp_path / 'file', overwrite=True)


@pytest.mark.parametrize(
    'options',
    [
        {'storage': 'hdf5'},
        {'image': 'gif'},
        {'transcript_type': 'std_msgs/msg/Int8'},
        {'jpeg_quality': 0},
        {'jpeg_quality': 101},
    ],
)
def test_unknown_options_name_the_known_ones(tmp_path, options):
    (name,) = options
    with pytest.raises(RecordingError, match=name):
        RecordingWriter(tmp_path / 'made', **options)


def test_a_sample_before_the_start_and_a_new_rate_are_refused(tmp_path, scene):
    chunk = of_kind(scene(), AudioChunk)[0]
    with RecordingWriter(tmp_path / 'made', start_ns=START_NS) as writer:
        writer.write(chunk)
        with pytest.raises(RecordingError, match='before the start'):
            writer.write(replace(chunk, arrival_ns=START_NS - 1))
        with pytest.raises(RecordingError, match='from 16000 to 8000 Hz'):
            writer.write(replace(chunk, sample_rate_hz=8_000))


def test_writing_outside_the_block_is_refused(tmp_path, scene):
    writer = RecordingWriter(tmp_path / 'made')
    with pytest.raises(RecordingError, match='with block'):
        writer.write(scene()[0])


def test_the_definitions_are_in_sqlite_bags_too(tmp_path, scene):
    path = store(tmp_path / 'made', scene(), storage='sqlite3')
    (file,) = path.glob('*.db3')
    connection = sqlite3.connect(file)
    try:
        rows = connection.execute('SELECT topic_type FROM message_definitions').fetchall()
    finally:
        connection.close()
    assert ('audio_common_msgs/msg/AudioDataStamped',) in rows
