"""Nothing that nobody asked for decides about a recording: it is listed, and never looked into."""

import sqlite3
from pathlib import Path

import numpy as np
import pytest
import yaml

from activity_recognition.bags import RecordingReader, TopicNames, find_labels
from activity_recognition.errors import RecordingError
from activity_recognition.sensors import DecoderSettings
from activity_recognition.types import AudioChunk, Frame
from factories.mcap import McapChannel, ros2_channel, write_mcap

START_NS = 1_700_000_000_000_000_000
MS = 1_000_000
PROTOBUF = b'\n\xf9\x01\n\x1bfoxglove/Log.proto\xff\xfe\x80'
LATIN_1 = '# angle in °\nfloat64 angle\n'.encode('latin-1')
ODD = {
    'json': {'encoding': 'json', 'schema': ('foxglove.Log', 'jsonschema', b'{"type": "object"}')},
    'protobuf': {'encoding': 'protobuf', 'schema': ('foxglove.Log', 'protobuf', PROTOBUF)},
    'flatbuffer': {'encoding': 'flatbuffer', 'schema': ('Log', 'flatbuffer', b'\x80\x00')},
    'without schema': {'encoding': '', 'schema': None},
    'cdr without schema': {'encoding': 'cdr', 'schema': None},
    'schema of unknown encoding': {'schema': ('a_msgs/msg/A', 'someday', b'float64 a')},
    'service event': {'schema': ('a_msgs/srv/Ask_Event', 'ros2msg', b'')},
    'action feedback': {'schema': ('nav/action/Go_FeedbackMessage', 'ros2msg', b'')},
    'odd type': {'schema': ('::a b//\n', 'ros2msg', b'float64 a')},
    'type without a name': {'schema': ('', 'ros2msg', b'float64 a')},
    'unparsable definition': {'schema': ('a_msgs/msg/A', 'ros2msg', b'float64[[ a = \x00')},
    'definition that is no UTF-8': {'schema': ('a_msgs/msg/A', 'ros2msg', LATIN_1)},
    'image that is JSON': {'encoding': 'json', 'schema': ('sensor_msgs/msg/Image', 'json', b'{}')},
    'odd QoS': {'metadata': (('offered_qos_profiles', '- {history: 3}'),)},
    'QoS that is no YAML': {'metadata': (('offered_qos_profiles', ': ['),)},
}


def odd_channel(kind: str, topic: str = '/odd') -> McapChannel:
    settings = {'schema': ('std_msgs/msg/String', 'ros2msg', b'string data'), **ODD[kind]}
    return McapChannel(topic=topic, messages=((START_NS, b'{}'),), **settings)


@pytest.fixture
def camera(ros2_bag) -> McapChannel:
    times = [START_NS + k * 100 * MS for k in range(10)]
    return ros2_channel('/cam', [(t, ros2_bag.image(t, k)) for k, t in enumerate(times)])


def check_camera(path: Path, odd_topic: str = '/odd') -> None:
    with RecordingReader(path) as reader:
        assert odd_topic in {topic.name for topic in reader.topics}
        assert {topic.name: topic.count for topic in reader.topics}['/cam'] == 10
        frames = list(reader.samples())
        assert [int(frame.image[0, 0, 0]) for frame in frames] == list(range(10))
        assert [frame.stamp_ns for frame in frames] == [START_NS + k * 100 * MS for k in range(10)]
        assert (reader.start_ns, reader.end_ns) == (START_NS, START_NS + 900 * MS)
        assert reader.drops.counts == {}


@pytest.mark.parametrize('kind', ODD)
def test_an_mcap_is_read_whatever_another_channel_holds(tmp_path, camera, kind):
    check_camera(write_mcap(tmp_path / 'a.mcap', [odd_channel(kind), camera]))


@pytest.mark.parametrize('kind', ['json', 'protobuf', 'without schema', 'odd QoS'])
@pytest.mark.parametrize(
    'layout',
    [
        {'summary': False},
        {'summary': False, 'chunked': False},
        {'chunked': False},
        {'statistics': False},
        {'message_index': False},
        {'repeat_schemas': False},
        {'profile': ''},
        {'profile': 'x-somebody'},
    ],
    ids=str,
)
def test_so_it_is_however_the_file_is_laid_out(tmp_path, camera, kind, layout):
    check_camera(write_mcap(tmp_path / 'a.mcap', [odd_channel(kind), camera], **layout))


@pytest.mark.parametrize('name', ['', 'no slash', '/a b', '/ä\n', '/' + 'x' * 5000])
def test_a_topic_may_have_any_name(tmp_path, camera, name):
    check_camera(write_mcap(tmp_path / 'a.mcap', [odd_channel('json', name), camera]), name)


def test_a_topic_of_two_types_gives_what_can_be_taken(tmp_path, camera, ros2_bag):
    other = ros2_channel('/cam', [(START_NS + 50 * MS, ros2_bag.text('a word'))])
    path = write_mcap(tmp_path / 'a.mcap', [other, camera])
    with RecordingReader(path) as reader:
        assert [(topic.name, topic.type_name, topic.count) for topic in reader.topics] == [
            ('/cam', 'sensor_msgs/msg/Image', 10),
            ('/cam', 'std_msgs/msg/String', 1),
        ]
        assert len(list(reader.samples())) == 10
        assert reader.drops.counts == {'image topic type': 1}


def test_a_transcript_of_two_types_gives_the_texts_that_are_known(tmp_path, camera, ros2_bag):
    number = ros2_bag.make('std_msgs/msg/Int32', data=7)
    channels = [
        ros2_channel('/speech', [(START_NS, number)]),
        ros2_channel('/speech', [(START_NS + MS, ros2_bag.text('tea'))]),
    ]
    with RecordingReader(write_mcap(tmp_path / 'a.mcap', [camera, *channels])) as reader:
        texts = [sample.text for sample in reader.samples() if not isinstance(sample, Frame)]
        assert texts == ['tea']
        assert reader.drops.total == 1


@pytest.mark.parametrize('kind', ['action', 'srv'])
def test_what_an_action_or_a_service_says_can_be_asked_for(tmp_path, camera, ros2_bag, kind):
    text = ros2_bag.text('on my way')
    feedback = ros2_channel(
        '/go',
        [(START_NS + MS, text)],
        schema=(f'nav_msgs/{kind}/Go_FeedbackMessage', 'ros2msg', b'string data'),
    )
    path = write_mcap(tmp_path / 'a.mcap', [camera, feedback])
    names = TopicNames(transcript='/go')
    with RecordingReader(path, names, DecoderSettings(transcript_field='data')) as reader:
        texts = [sample.text for sample in reader.samples() if not isinstance(sample, Frame)]
        assert (texts, reader.drops.counts) == (['on my way'], {})


def test_two_definitions_of_a_type_are_each_read_by_their_own(tmp_path, camera, ros2_bag):
    times = [START_NS + 450 * MS]
    broken = ros2_channel(
        '/cam',
        [(t, ros2_bag.image(t, 99)) for t in times],
        schema=('sensor_msgs/msg/Image', 'ros2msg', b'float64[[ nothing'),
    )
    with RecordingReader(write_mcap(tmp_path / 'a.mcap', [camera, broken])) as reader:
        assert [int(frame.image[0, 0, 0]) for frame in reader.samples()] == list(range(10))
        assert reader.drops.counts == {'message definition': 1}


def test_a_file_with_nothing_of_ros_lists_what_it_has(tmp_path):
    path = write_mcap(tmp_path / 'a.mcap', [odd_channel('json')], profile='')
    with (
        RecordingReader(path) as reader,
        pytest.raises(RecordingError, match=r'found /odd \(foxglove\.Log, json, 1\)'),
    ):
        next(reader.samples())


@pytest.mark.parametrize(
    ('kind', 'told'),
    [
        ('json', r"image topic '/odd' cannot be read: .* got foxglove\.Log, json, 1"),
        ('protobuf', r"image topic '/odd' cannot be read: .* got foxglove\.Log, protobuf, 1"),
        ('without schema', r"'/odd' cannot be read: .* without a type, of unknown encoding, 1"),
        ('cdr without schema', r"'/odd' cannot be read: .* got without a type, 1"),
        ('image that is JSON', r"'/odd' cannot be read: .* got sensor_msgs/msg/Image, json, 1"),
        ('service event', r"'/odd' cannot be taken: .* got a_msgs/srv/Ask_Event"),
    ],
)
def test_what_was_asked_for_and_cannot_be_read_is_named(tmp_path, camera, kind, told):
    path = write_mcap(tmp_path / 'a.mcap', [odd_channel(kind), camera])
    names = TopicNames(image='/odd')
    with RecordingReader(path, names) as reader, pytest.raises(RecordingError, match=told):
        next(reader.samples())


@pytest.mark.parametrize(
    ('name', 'told'),
    [
        (
            'cam',
            r"image topic 'cam' holds no messages; did you mean '/cam'\? the recording has /cam",
        ),
        ('/somewhere/else', r"'/somewhere/else' holds no messages; the recording has /cam"),
        ('/' + 'x' * 9000, r"'/x{50,}'… holds no messages; the recording has /cam"),
    ],
)
def test_what_was_asked_for_and_is_not_there_is_named(tmp_path, camera, name, told):
    path = write_mcap(tmp_path / 'a.mcap', [camera])
    names = TopicNames(image=name)
    with RecordingReader(path, names) as reader, pytest.raises(RecordingError, match=told):
        next(reader.samples())


def test_an_mcap_of_ros1_messages_is_read(tmp_path, ros1_bag):
    times = [START_NS + k * 100 * MS for k in range(3)]
    kind = 'sensor_msgs/msg/Image'
    images = [
        ros1_bag.make(
            kind, header=t, height=1, width=1, encoding='rgb8', is_bigendian=0, step=3,
            data=np.array([k, 2, 3], np.uint8),
        )
        for k, t in enumerate(times)
    ]  # fmt: skip
    text, _ = ros1_bag.store.generate_msgdef(kind, ros_version=1)
    channel = McapChannel(
        topic='/cam',
        messages=tuple(
            (t, bytes(ros1_bag.store.serialize_ros1(image, kind)))
            for t, image in zip(times, images, strict=True)
        ),
        encoding='ros1',
        schema=('sensor_msgs/Image', 'ros1msg', text.encode()),
    )
    with RecordingReader(write_mcap(tmp_path / 'a.mcap', [channel], profile='ros1')) as reader:
        assert [(f.stamp_ns, int(f.image[0, 0, 0])) for f in reader.samples()] == [
            (t, k) for k, t in enumerate(times)
        ]


@pytest.fixture
def records(ros2_bag):
    times = [START_NS + k * 100 * MS for k in range(10)]
    return [
        ('/odd', START_NS, ros2_bag.text('x')),
        *(('/cam', t, ros2_bag.image(t, k)) for k, t in enumerate(times)),
    ]


@pytest.mark.parametrize(
    'change',
    [
        "UPDATE topics SET type = 'a_msgs/srv/Ask_Event' WHERE name = '/odd'",
        "UPDATE topics SET type = '' WHERE name = '/odd'",
        "UPDATE topics SET serialization_format = 'json' WHERE name = '/odd'",
        "UPDATE topics SET offered_qos_profiles = '- {depth: x}' WHERE name = '/odd'",
        "UPDATE topics SET offered_qos_profiles = ': [' WHERE name = '/odd'",
        "UPDATE topics SET type = CAST(x'ff8081' AS TEXT) WHERE name = '/odd'",
        "UPDATE message_definitions SET encoding = 'unknown' WHERE topic_type LIKE '%String'",
        "UPDATE message_definitions SET encoded_message_definition = '[[' WHERE "
        "topic_type LIKE '%String'",
        'UPDATE messages SET data = NULL WHERE topic_id IN (SELECT id FROM topics WHERE '
        "name = '/odd')",
        'DROP TABLE message_definitions',
    ],
)
@pytest.mark.parametrize('bare', [True, False])
def test_a_database_is_read_whatever_another_topic_holds(write_bag, records, change, bare):
    folder = write_bag(records, 'sqlite3')
    (file,) = folder.glob('*.db3')
    database = sqlite3.connect(file)
    if 'NULL' in change:
        database.execute('PRAGMA writable_schema = ON')
        database.execute("UPDATE sqlite_schema SET sql = replace(sql, ' BLOB NOT NULL', ' BLOB')")
        database.commit()
        database.close()
        database = sqlite3.connect(file)
    database.execute(change)
    database.commit()
    database.close()
    check_camera(file if bare else folder)


@pytest.mark.parametrize(
    ('key', 'value'),
    [
        ('type', 'a_msgs/srv/Ask_Event'),
        ('serialization_format', 'json'),
        ('offered_qos_profiles', ': ['),
        ('offered_qos_profiles', [{'history': 'x'}]),
        ('name', ''),
        ('type', None),
    ],
)
@pytest.mark.parametrize('storage', ['mcap', 'sqlite3'])
def test_a_folder_is_read_whatever_its_metadata_say_of_another_topic(
    write_bag, records, storage, key, value
):
    folder = write_bag(records, storage)
    content = yaml.safe_load((folder / 'metadata.yaml').read_text())
    entries = content['rosbag2_bagfile_information']['topics_with_message_count']
    (entry,) = [item for item in entries if item['topic_metadata']['name'] == '/odd']
    entry['topic_metadata'][key] = value
    (folder / 'metadata.yaml').write_text(yaml.safe_dump(content))
    check_camera(folder)


@pytest.mark.parametrize(
    ('before', 'after'),
    [
        (b'string data', b'string \xb0ata'),
        (b'string data', b'string[data'),
        (b'type=std_msgs/String', b'type=std_msgs/Str*ng'),
        (b'topic=/odd', b'topic=/\xb0dd'),
        (b'latching=0', b'latching=x'),
    ],
)
def test_a_ros1_bag_is_read_whatever_another_topic_holds(ros1_bag, before, after):
    records = [('/odd', START_NS, ros1_bag.make('std_msgs/msg/String', data='x'))]
    for k in range(10):
        stamp_ns = START_NS + k * 100 * MS
        image = ros1_bag.make(
            'sensor_msgs/msg/Image', header=stamp_ns, height=1, width=1, encoding='rgb8',
            is_bigendian=0, step=3, data=np.array([k, 2, 3], np.uint8),
        )  # fmt: skip
        records.append(('/cam', stamp_ns, image))
    path = ros1_bag.write(records)
    content = path.read_bytes()
    assert before in content
    path.write_bytes(content.replace(before, after))
    topic = '/\N{REPLACEMENT CHARACTER}dd' if before == b'topic=/odd' else '/odd'
    check_camera(path, topic)


def test_files_that_share_time_are_merged(ros2_bag, tmp_path):
    parts = [
        ros2_bag.write(
            tmp_path / f'part{part}',
            [
                ('/cam', START_NS + k * 100 * MS, ros2_bag.image(START_NS + k * 100 * MS, k))
                for k in range(part, 10, 2)
            ],
        )
        for part in range(2)
    ]
    joined = tmp_path / 'joined'
    joined.mkdir()
    for part in parts:
        (file,) = part.glob('*.mcap')
        file.rename(joined / file.name)
    content = yaml.safe_load((parts[0] / 'metadata.yaml').read_text())
    information = content['rosbag2_bagfile_information']
    information['relative_file_paths'] = ['part1.mcap', 'part0.mcap']
    information['duration']['nanoseconds'] = 900 * MS
    (joined / 'metadata.yaml').write_text(yaml.safe_dump(content))
    with RecordingReader(joined) as reader:
        assert [int(sample.image[0, 0, 0]) for sample in reader.samples()] == list(range(10))


def test_what_is_wrong_with_the_labels_of_one_recording_is_a_sentence(tmp_path):
    path = write_mcap(tmp_path / 'a.mcap', [odd_channel('json', '/activity_label')])
    assert 'found none of them' in find_labels(path).problems[0]
    path.write_bytes(path.read_bytes()[:-20])
    assert 'cannot read this recording' in find_labels(path).problems[0]


@pytest.mark.real
@pytest.mark.parametrize(
    ('name', 'file', 'frames', 'chunks', 'odd'),
    [
        ('service_event', 'act.db3', 6, 10, '/navigate_to_pose/_action/feedback'),
        ('mcap_json_channel', 'mixed_json.mcap', 20, 0, '/log'),
        ('mcap_schemaless', 'noschema.mcap', 20, 0, '/raw'),
    ],
)
def test_recordings_of_robots_with_other_topics(shared_case, name, file, frames, chunks, odd):
    with RecordingReader(shared_case(name) / file) as reader:
        kinds = [type(sample) for sample in reader.samples()]
        assert (kinds.count(Frame), kinds.count(AudioChunk)) == (frames, chunks)
        assert reader.drops.counts == {}
        assert odd in {topic.name for topic in reader.topics}
