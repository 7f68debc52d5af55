"""Recordings made by others: both storages, bare files, ROS 1, and damage."""

import shutil
import sqlite3
from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rosbags.typesys import get_types_from_msg

from activity_recognition.bags import RecordingReader, RecordingWriter, TopicNames
from activity_recognition.errors import RecordingError
from activity_recognition.sensors import AudioFormat, DecoderSettings, SensorDecoders
from activity_recognition.types import AudioChunk, Frame, Modality, Utterance

START_NS = 1_700_000_000_000_000_000
MS = 1_000_000
IMAGE = 'sensor_msgs/msg/Image'
FRAMES = 40
"""In each whole recording that is to be damaged."""


def counts(samples):
    kinds = [type(sample) for sample in samples]
    return {kind: kinds.count(kind) for kind in (Frame, AudioChunk, Utterance)}


@pytest.fixture
def records(ros2_bag):
    """Return a second of images and audio, the info in its middle, and a word."""
    sound = np.arange(-800, 800)
    found = [
        ('/cam', START_NS + k * 100 * MS, ros2_bag.image(START_NS + k * 100 * MS, k))
        for k in range(10)
    ]
    found += [
        ('/audio', START_NS + (k + 1) * 100 * MS, ros2_bag.audio(START_NS + k * 100 * MS, sound))
        for k in range(10)
    ]
    found.append(('/audio_info', START_NS + 450 * MS, ros2_bag.info()))
    found.append(('/transcript', START_NS + 700 * MS, ros2_bag.text('tea')))
    return sorted(found, key=lambda record: record[1])


@pytest.mark.parametrize('storage', ['mcap', 'sqlite3'])
def test_samples_in_order_of_arrival(write_bag, records, storage):
    with RecordingReader(write_bag(records, storage)) as reader:
        samples = list(reader.samples())
        assert (reader.start_ns, reader.end_ns) == (START_NS, START_NS + 1000 * MS)
        assert reader.duration_s == 1.0
        assert reader.drops.counts == {}
    assert counts(samples) == {Frame: 10, AudioChunk: 10, Utterance: 1}
    arrivals = [sample.arrival_ns for sample in samples]
    assert arrivals == sorted(arrivals)
    frames = [sample for sample in samples if isinstance(sample, Frame)]
    assert [int(frame.image[0, 0, 0]) for frame in frames] == list(range(10))
    assert [frame.stamp_ns for frame in frames] == [START_NS + k * 100 * MS for k in range(10)]


@pytest.mark.parametrize('storage', ['mcap', 'sqlite3'])
def test_the_bare_file_holds_the_same(write_bag, records, storage):
    folder = write_bag(records, storage)
    (file,) = [entry for entry in folder.iterdir() if entry.suffix in ('.mcap', '.db3')]
    with RecordingReader(folder) as whole:
        expected = [(r.topic, r.record_ns, bytes(r.cdr)) for r in whole.records()]
    with RecordingReader(file) as bare:
        assert [(r.topic, r.record_ns, bytes(r.cdr)) for r in bare.records()] == expected
    (folder / 'metadata.yaml').unlink()
    with RecordingReader(folder) as headless:
        assert len(list(headless.records())) == len(expected)


def test_the_node_would_decode_the_same(write_bag, records):
    with RecordingReader(write_bag(records)) as reader:
        samples = list(reader.samples())
        roles = reader.roles.roles()
        decoders = SensorDecoders(DecoderSettings(audio_format=AudioFormat()))
        live = [
            decoders.decode(roles[r.topic], r.type_name, r.cdr, r.record_ns)
            for r in reader.records(set(roles))
        ]
    live = [sample for sample in live if sample is not None]
    assert len(live) == len(samples)
    for ours, theirs in zip(samples, live, strict=True):
        assert (ours.stamp_ns, ours.arrival_ns) == (theirs.stamp_ns, theirs.arrival_ns)
        if isinstance(ours, Frame):
            np.testing.assert_array_equal(ours.image, theirs.image)


def test_it_may_be_iterated_again(write_bag, records):
    with RecordingReader(write_bag(records)) as reader:
        first = [sample.stamp_ns for sample in reader.samples()]
        half = reader.samples()
        next(half)
        assert [sample.stamp_ns for sample in reader.samples()] == first


def test_topics_tell_type_count_and_definition(write_bag, records):
    with RecordingReader(write_bag(records)) as reader:
        topics = {topic.name: topic for topic in reader.topics}
    assert list(topics) == ['/audio', '/audio_info', '/cam', '/transcript']
    assert (topics['/cam'].type_name, topics['/cam'].count) == (IMAGE, 10)
    assert 'string encoding' in topics['/cam'].definition


def test_named_topics_and_those_left_out(write_bag, records, ros2_bag):
    records += [('/second', START_NS + 50 * MS, ros2_bag.image(START_NS, 200))]
    path = write_bag(records)
    with RecordingReader(path) as reader:
        with pytest.raises(RecordingError, match=r'bag: several topics could be the image'):
            next(reader.samples())
        assert len(list(reader.records())) == len(records)
    names = TopicNames(image='/second', audio='', transcript='')
    with RecordingReader(path, names) as reader:
        assert counts(reader.samples()) == {Frame: 1, AudioChunk: 0, Utterance: 0}


def test_audio_without_any_info_needs_a_format(write_bag, records):
    path = write_bag([record for record in records if record[0] != '/audio_info'])
    with RecordingReader(path) as reader:
        assert counts(reader.samples())[AudioChunk] == 0
        assert reader.drops.counts == {'audio info': 10}
        assert 'audio_sample_format' in reader.drops.examples['audio info']
    assumed = DecoderSettings(audio_format=AudioFormat(sample_rate_hz=8_000))
    with RecordingReader(path, settings=assumed) as reader:
        assert counts(reader.samples())[AudioChunk] == 10


def test_a_whole_recording_in_one_message_is_heard_as_in_many(tmp_path, ros2_bag):
    sound = np.random.default_rng(3).normal(0, 3_000, 30 * 16_000).astype(int)
    info = [('/audio_info', START_NS, ros2_bag.info())]
    one = [('/audio', START_NS + 30_000 * MS, ros2_bag.audio(START_NS, sound))]
    many = [
        ('/audio', START_NS + (k + 1) * 100 * MS, ros2_bag.audio(START_NS + k * 100 * MS, part))
        for k, part in enumerate(np.split(sound, 300))
    ]
    with RecordingReader(ros2_bag.write(tmp_path / 'one', info + one, 'mcap')) as reader:
        pieces = list(reader.samples())
    with RecordingReader(ros2_bag.write(tmp_path / 'many', info + many, 'mcap')) as reader:
        chunks = list(reader.samples())
    assert len(pieces) == 30
    assert max(len(piece.samples) for piece in pieces) <= 16_000
    heard, expected = (np.concatenate([c.samples for c in found]) for found in (pieces, chunks))
    np.testing.assert_array_equal(heard, expected)


def test_coded_audio_is_counted_with_advice(write_bag, records, ros2_bag):
    kept = [record for record in records if record[0] != '/audio_info']
    with RecordingReader(
        write_bag([('/audio_info', START_NS, ros2_bag.info(coding='mp3')), *kept])
    ) as reader:
        assert counts(reader.samples()) == {Frame: 10, AudioChunk: 0, Utterance: 1}
        assert reader.drops.counts == {'audio format': 11}
        assert 'format to wave' in reader.drops.examples['audio format']


def test_damaged_messages_are_counted_and_the_rest_is_used(write_bag, records, ros2_bag):
    good = bytes(ros2_bag.store.serialize_cdr(ros2_bag.image(START_NS), IMAGE))
    records.insert(3, ('/cam', START_NS + 250 * MS, (IMAGE, good[:40])))
    records.append(('/transcript', START_NS + 1001 * MS, ros2_bag.text('')))
    with RecordingReader(write_bag(records)) as reader:
        assert counts(reader.samples()) == {Frame: 10, AudioChunk: 10, Utterance: 1}
        assert reader.drops.counts == {'broken buffer': 1}
        assert reader.health(Modality.TEXT).empty == 1


def test_a_ros1_bag_gives_samples_and_ros2_records(ros1_bag):
    sound = np.arange(-800, 800).astype('<i2').view(np.uint8)
    records = [
        (
            '/audio_info',
            START_NS,
            ros1_bag.make(
                'audio_common_msgs/msg/AudioInfo',
                channels=1,
                sample_rate=16_000,
                sample_format='S16LE',
                bitrate=0,
                coding_format='wave',
            ),
        )
    ]
    for k in range(5):
        stamp_ns = START_NS + k * 100 * MS
        records.append(
            (
                '/cam',
                stamp_ns + 5 * MS,
                ros1_bag.make(
                    IMAGE,
                    header=stamp_ns,
                    height=2,
                    width=3,
                    encoding='bgr8',
                    is_bigendian=0,
                    step=9,
                    data=np.tile(np.array([1, 2, 3], np.uint8), 6),
                ),
            )
        )
        audio = ros1_bag.make('audio_common_msgs/msg/AudioData', data=sound)
        records.append(('/mic', stamp_ns + 100 * MS, audio))
    records.append(
        ('/speech', START_NS + 600 * MS, ros1_bag.make('std_msgs/msg/String', data='tea'))
    )
    records.sort(key=lambda record: record[1])
    with RecordingReader(ros1_bag.write(records)) as reader:
        samples = list(reader.samples())
        assert reader.drops.counts == {}
        assert counts(samples) == {Frame: 5, AudioChunk: 5, Utterance: 1}
        frames = [sample for sample in samples if isinstance(sample, Frame)]
        assert frames[0].image[0, 0].tolist() == [3, 2, 1]
        assert [frame.stamp_ns for frame in frames] == [START_NS + k * 100 * MS for k in range(5)]
        assert frames[0].frame_id == 'eye'
        chunks = [sample for sample in samples if isinstance(sample, AudioChunk)]
        assert chunks[0].stamp_ns == START_NS
        assert chunks[1].samples[0] == np.float32(-800 / 32768)
        latched = {topic.name for topic in reader.topics if topic.latched}
        assert latched == {'/audio_info'}
        live = SensorDecoders()
        image = next(record for record in reader.records() if record.topic == '/cam')
        frame = live.decode('image', image.type_name, image.cdr, image.record_ns)
        np.testing.assert_array_equal(frame.image, frames[0].image)
        assert (reader.start_ns, reader.end_ns) == (START_NS, START_NS + 600 * MS)


LIVE_SPEECH = 'std_msgs/Header header\nstring incremental\nstring final\nfloat64 confidence\n'


def live_speech(bag, last_field):
    """Have a bag write LiveSpeech that ends with a field, or with none; return a message."""
    name = 'hri_msgs/msg/LiveSpeech'
    text = LIVE_SPEECH + (f'string {last_field}\n' if last_field else '')
    bag.store.register(get_types_from_msg(text, name))
    fields = {last_field: 'fr-FR'} if last_field else {}
    words = {'incremental': 'some te', 'final': 'some tea', 'confidence': 0.5}
    return bag.make(name, header=START_NS, **words, **fields)


@pytest.mark.parametrize('last_field', ['', 'locale', 'language'])
@pytest.mark.parametrize('kind', ['mcap', 'sqlite3', 'undefined', 'ros1'])
def test_live_speech_of_every_release_is_read(write_bag, ros1_bag, ros2_bag, kind, last_field):
    bag = ros1_bag if kind == 'ros1' else ros2_bag
    records = [('/humans/voices/v1/speech', START_NS + 5, live_speech(bag, last_field))]
    if kind == 'ros1':
        path = ros1_bag.write(records)
    else:
        path = write_bag(records, 'mcap' if kind == 'mcap' else 'sqlite3')
    if kind == 'undefined':
        forget_definitions(path)
    with RecordingReader(path) as reader:
        [utterance] = reader.samples()
        assert reader.drops.counts == {}
    assert (utterance.text, utterance.stamp_ns) == ('some tea', START_NS)
    assert utterance.confidence == 0.5
    assert utterance.locale == ('fr-FR' if last_field else '')


def forget_definitions(folder):
    (file,) = folder.glob('*.db3')
    connection = sqlite3.connect(file)
    connection.execute('DELETE FROM message_definitions')
    connection.commit()
    connection.close()


def test_old_sqlite_bags_without_definitions_are_read(write_bag, records):
    folder = write_bag(records, 'sqlite3')
    forget_definitions(folder)
    with RecordingReader(folder) as reader:
        assert counts(reader.samples()) == {Frame: 10, AudioChunk: 10, Utterance: 1}
        assert {topic.definition for topic in reader.topics} == {''}


def test_what_is_no_recording_is_named(tmp_path):
    (tmp_path / 'empty').mkdir()
    (tmp_path / 'clip.mp4').touch()
    for name, reason in (
        ('nowhere', 'no such recording'),
        ('empty', r'expected metadata\.yaml'),
        ('clip.mp4', 'activity-recognition import'),
    ):
        with pytest.raises(RecordingError, match=rf'{name}: .*{reason}'):
            RecordingReader(tmp_path / name)


def test_an_empty_recording_is_refused(ros2_bag, tmp_path):
    with pytest.raises(RecordingError, match='holds no messages'):
        RecordingReader(ros2_bag.write(tmp_path / 'bag', []))


def test_a_closed_recording_says_so(write_bag, records):
    with RecordingReader(write_bag(records)) as reader:
        pass
    reader.close()
    with pytest.raises(RecordingError, match='is closed'):
        next(reader.samples())


def test_metadata_that_is_no_yaml_is_named(write_bag, records):
    path = write_bag(records)
    (path / 'metadata.yaml').write_text('rosbag2_bagfile_information: [')
    with pytest.raises(RecordingError, match=rf'{path}: cannot read'):
        RecordingReader(path)


@pytest.fixture(scope='module')
def intact_bags(tmp_path_factory):
    """Return whole recordings of both storages, to be damaged."""
    folder = tmp_path_factory.mktemp('whole')
    files = []
    for storage in ('mcap', 'sqlite3'):
        with RecordingWriter(folder / storage, storage=storage) as writer:
            for k in range(FRAMES):
                image = np.full((16, 16, 3), k, np.uint8)
                stamp_ns = START_NS + k * 100 * MS
                writer.write(Frame(stamp_ns=stamp_ns, arrival_ns=stamp_ns, image=image))
        files += [entry for entry in (folder / storage).iterdir() if entry.suffix != '.yaml']
    return files


def read_all(path):
    """Return the grey levels of a recording's frames, and what the reader refused it with."""
    levels = []
    try:
        with RecordingReader(path) as reader:
            levels += [int(sample.image[0, 0, 0]) for sample in reader.samples()]
    except RecordingError as error:
        return levels, error
    return levels, None


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    which=st.integers(0, 1),
    kept=st.floats(0, 1),
    flips=st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), max_size=5),
)
def test_a_damaged_file_is_read_as_far_as_it_is_whole_or_refused_by_name(
    tmp_path, intact_bags, which, kept, flips
):
    whole = intact_bags[which]
    damaged = tmp_path / f'damaged{whole.suffix}'
    data = bytearray(whole.read_bytes())
    for place, value in flips:
        data[int(place * (len(data) - 1))] = value
    data = data[: int(kept * len(data))]
    damaged.write_bytes(data)
    levels, error = read_all(damaged)
    if bytes(data) == whole.read_bytes():
        assert (levels, error) == (list(range(FRAMES)), None)
    if error is None:
        assert levels, 'a recording without samples is no recording'
    else:
        assert str(damaged) in str(error)
    # A flip may change what an image shows or how records are sorted, never make more of them.
    assert len(levels) <= FRAMES


@pytest.mark.parametrize('which', [0, 1])
def test_a_recording_that_lost_its_end_is_refused(tmp_path, intact_bags, which):
    whole = intact_bags[which]
    cut = tmp_path / f'cut{whole.suffix}'
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    levels, error = read_all(cut)
    assert str(cut) in str(error)
    assert levels == list(range(len(levels))), 'what came before the damage is in order'


@pytest.mark.parametrize('which', [0, 1])
def test_the_recordings_that_are_damaged_were_whole(intact_bags, which):
    assert read_all(intact_bags[which]) == (list(range(FRAMES)), None)


def test_a_recording_cut_short_says_what_to_do(intact_bags, tmp_path):
    cut = tmp_path / 'cut.mcap'
    cut.write_bytes(intact_bags[0].read_bytes()[:-200])
    with pytest.raises(
        RecordingError, match=r'cut\.mcap: cannot read .*`mcap recover cut\.mcap -o'
    ):
        RecordingReader(cut)


@pytest.mark.parametrize(
    ('storage', 'mode'),
    [('mcap', 'storage'), ('mcap', 'message'), ('sqlite3', 'message'), ('sqlite3', 'file')],
)
def test_compressed_recordings_are_read(ros2_bag, tmp_path, records, storage, mode):
    path = ros2_bag.write(tmp_path / 'bag', records, storage, compression=mode)
    with RecordingReader(path) as reader:
        assert counts(reader.samples()) == {Frame: 10, AudioChunk: 10, Utterance: 1}


def test_a_split_recording_is_read_as_one(ros2_bag, tmp_path):
    parts = []
    for part in range(2):
        records = [
            ('/cam', START_NS + (part * 5 + k) * 100 * MS, ros2_bag.image(START_NS, part * 5 + k))
            for k in range(5)
        ]
        parts.append(ros2_bag.write(tmp_path / f'part{part}', records))
    joined = tmp_path / 'joined'
    joined.mkdir()
    for part in parts:
        (file,) = part.glob('*.mcap')
        shutil.copy(file, joined / file.name)
    metadata = yaml.safe_load((parts[0] / 'metadata.yaml').read_text())
    information = metadata['rosbag2_bagfile_information']
    information['relative_file_paths'] = ['part0.mcap', 'part1.mcap']
    information['message_count'] = 10
    information['topics_with_message_count'][0]['message_count'] = 10
    information['duration']['nanoseconds'] = 900 * MS
    Path(joined / 'metadata.yaml').write_text(yaml.safe_dump(metadata))
    with RecordingReader(joined) as reader:
        values = [int(sample.image[0, 0, 0]) for sample in reader.samples()]
        assert reader.duration_s == 0.9
    assert values == list(range(10))
