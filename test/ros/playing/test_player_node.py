"""The player on real topics."""

import itertools
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

rclpy = pytest.importorskip('rclpy')

from rclpy.parameter import Parameter  # noqa: E402
from rosbags.rosbag1 import Writer as Rosbag1Writer  # noqa: E402
from rosbags.rosbag2 import StoragePlugin, Writer  # noqa: E402
from rosbags.typesys import Stores, get_types_from_msg, get_typestore  # noqa: E402
from std_srvs.srv import SetBool  # noqa: E402

from activity_recognition.arguments import defaults  # noqa: E402
from activity_recognition.bags import RecordingReader, RecordingWriter  # noqa: E402
from activity_recognition.errors import ConfigError, RecordingError  # noqa: E402
from activity_recognition.modalities import Role  # noqa: E402
from activity_recognition.ros.playing import player_node  # noqa: E402
from activity_recognition.ros.sources.recording_source import values_for_recognizer  # noqa: E402
from activity_recognition.startup import (  # noqa: E402
    REPLAY_ARGUMENTS,
    player_spec,
    recognizer_spec,
)
from activity_recognition.types import Frame, Utterance  # noqa: E402
from factories import two_of_each  # noqa: E402
from factories.mcap import McapChannel, ros2_channel, write_mcap  # noqa: E402
from factories.timing import PATIENCE_S, check_ends_in_time, seconds_of  # noqa: E402

pytestmark = [pytest.mark.ros, pytest.mark.filterwarnings("ignore:module 'sre_:DeprecationWarning")]

START_NS = 1_700_000_000_000_000_000
MS = 1_000_000
SENSORS = ('/image', '/audio', '/audio_info', '/transcript', '/activity_truth')


def records(path, topic):
    with RecordingReader(path) as reader:
        return [bytes(record.cdr) for record in reader.records({topic})]


def test_everything_is_published_in_order_with_stamps_moved_to_now(stage, recording, finish):
    ears = stage.listen(*SENSORS, '/diagnostics')
    before_ns = time.time_ns()
    player = stage.play(recording)
    statistics = finish(player)
    for topic, count in (('/image', 20), ('/audio', 9), ('/transcript', 2), ('/audio_info', 1)):
        ears.wait_count(topic, count)
        assert len(ears.heard[topic]) == count
    # All stamps are moved by one and the same distance, to the time of playing.
    stamps = ears.stamps('/image')
    shift_ns = stamps[0] - START_NS
    assert START_NS + shift_ns >= before_ns
    assert stamps == [START_NS + n * 100 * MS + shift_ns for n in range(20)]
    assert ears.stamps('/audio') == [START_NS + n * 200 * MS + shift_ns for n in range(9)]
    # Nothing comes before it would have come live: 10 ms after its stamp.
    for stamp, heard in zip(stamps, ears.heard['/image'], strict=True):
        assert heard.time_ns >= stamp + 10 * MS - 2 * MS
    # Nothing but the stamp differs from the recording.
    recorded = records(recording, '/camera/image_raw')
    assert [heard.cdr[12:] for heard in ears.heard['/image']] == [cdr[12:] for cdr in recorded]
    texts = [message.data for message in ears.read('/transcript')]
    assert texts == ['hello', 'good bye']
    assert statistics.state == 'finished'
    assert player.playback.published(Role.IMAGE) == 20
    ears.wait_for(lambda: ears.status('playback').get('state') == 'finished', 'the last account')
    account = ears.status('playback')
    assert [account[f'{role}.published'] for role in Role] == ['20', '9', '1', '2', '0']


def test_the_truth_is_published_when_it_begins(stage, recording, finish):
    ears = stage.listen('/activity_truth', '/image')
    finish(stage.play(recording))
    ears.wait_count('/activity_truth', 3)
    truth = ears.read('/activity_truth')
    assert [(message.label, message.status) for message in truth] == [
        ('walking', 0),
        ('none', 0),
        ('', 2),
    ]
    ears.wait_count('/image', 1)
    shift_ns = ears.stamps('/image')[0] - START_NS
    stamps = [stamp - shift_ns - START_NS for stamp in ears.stamps('/activity_truth')]
    assert stamps == [0, 800 * MS, 1500 * MS]


def test_a_rate_shortens_time_and_the_distances_of_stamps(stage, recording, finish):
    ears = stage.listen('/image')
    player = stage.play(recording, playback__rate=4.0)
    finish(player)
    ears.wait_count('/image', 20)
    steps = [b - a for a, b in itertools.pairwise(ears.stamps('/image'))]
    assert all(abs(step - 25 * MS) <= 1 for step in steps)
    heard = [item.time_ns for item in ears.heard['/image']]
    assert heard[-1] >= ears.stamps('/image')[-1]


def test_offset_and_duration_cut_a_stretch_with_what_was_latched_before(stage, recording, finish):
    ears = stage.listen(*SENSORS)
    finish(stage.play(recording, offset_s=0.6, duration_s=0.5))
    ears.wait_count('/audio_info', 1)
    ears.wait_count('/activity_truth', 3)
    assert [message.data[0] for message in ears.read('/image')] == [6, 7, 8, 9, 10]
    assert [message.data for message in ears.read('/transcript')] == ['hello']
    truth = ears.read('/activity_truth')
    assert [message.label for message in truth] == ['walking', 'none', '']
    stamps = ears.stamps('/activity_truth')
    assert [stamp - stamps[0] for stamp in stamps] == [0, 200 * MS, 500 * MS]


def test_a_loop_goes_on_in_time(stage, recording):
    ears = stage.listen('/image')
    player = stage.play(recording, playback__loop=True, offset_s=1.6, playback__rate=2.0)
    ears.wait_count('/image', 10)
    values = [message.data[0] for message in ears.read('/image')][:10]
    assert values[:4] == values[4:8] == [16, 17, 18, 19]
    stamps = ears.stamps('/image')
    assert stamps == sorted(set(stamps))
    assert player.playback.statistics.rounds >= 2
    assert not player.playback.finished.done()


def test_with_the_clock_stamps_stay_and_a_loop_jumps_back(stage, recording):
    ears = stage.listen('/image', '/clock')
    stage.play(recording, playback__loop=True, playback__clock=True, offset_s=1.7)
    ears.wait_count('/image', 7)
    original = [START_NS + n * 100 * MS for n in (17, 18, 19)]
    assert ears.stamps('/image')[:7] == [*original, *original, original[0]]
    times = [nanoseconds(message.clock) for message in ears.read('/clock')]
    assert min(times) >= START_NS + 1700 * MS
    assert max(times) <= START_NS + 2200 * MS
    assert len(times) > 10
    backward = [b - a for a, b in itertools.pairwise(times) if b < a]
    assert len(backward) == 2
    assert all(step < -100 * MS for step in backward)


def nanoseconds(stamp):
    return stamp.sec * 1_000_000_000 + stamp.nanosec


def test_original_stamps_without_a_clock(stage, recording, finish):
    ears = stage.listen('/image', '/clock')
    finish(stage.play(recording, playback__stamps='original', duration_s=0.3))
    ears.wait_count('/image', 3)
    assert ears.stamps('/image') == [START_NS + n * 100 * MS for n in range(3)]
    assert ears.heard['/clock'] == []


def test_topics_are_remapped_and_namespaced(stage, recording, finish):
    ears = stage.listen(
        **{
            '/robot/camera/raw': ('sensor_msgs/msg/Image', stage_qos()),
            '/robot/audio': ('audio_common_msgs/msg/AudioDataStamped', stage_qos()),
        }
    )
    arguments = ['-r', '__ns:=/robot', '-r', 'image:=camera/raw']
    finish(stage.play(recording, *arguments, duration_s=0.5, playback__wait_for_subscribers_s=0.5))
    ears.wait_count('/robot/camera/raw', 5)
    ears.wait_count('/robot/audio', 2)


def stage_qos():
    return rclpy.qos.qos_profile_sensor_data


def call_pause(stage, value):
    client = stage.node.create_client(SetBool, '/player/pause')
    assert client.wait_for_service(30.0)
    return client.call(SetBool.Request(data=value), timeout_sec=PATIENCE_S)


def test_a_pause_holds_everything_and_moves_later_stamps(stage, recording, finish):
    ears = stage.listen('/image', '/diagnostics')
    player = stage.play(recording, playback__start_paused=True)
    ears.wait_for(lambda: ears.status('playback').get('state') == 'paused', 'the pause')
    assert call_pause(ears, True).success
    assert ears.heard['/image'] == []
    assert call_pause(ears, False).message.startswith('playing')
    ears.wait_count('/image', 5)
    reply = call_pause(ears, True)
    assert reply.message.startswith('paused')
    position_s = player.playback.position_s
    assert call_pause(ears, True).message == reply.message
    assert player.playback.position_s == position_s
    assert call_pause(ears, False).success
    finish(player)
    ears.wait_count('/image', 20)
    steps = [b - a for a, b in itertools.pairwise(ears.stamps('/image'))]
    assert len([step for step in steps if abs(step - 100 * MS) > MS]) == 1
    assert max(steps) > 100 * MS
    reply = call_pause(ears, True)
    assert (reply.success, reply.message) == (False, 'nothing plays: finished')


def test_waiting_for_subscribers_has_an_end(stage, recording, finish):
    statistics = finish(
        stage.play(recording, playback__wait_for_subscribers_s=0.05, duration_s=0.2)
    )
    assert statistics.published['/camera/image_raw'] == 2


@pytest.fixture
def mixed_recording(tmp_path):
    """A recording with a type nobody has, one that is defined otherwise here, and a text."""
    path = tmp_path / 'mixed'
    store = get_typestore(Stores.ROS2_JAZZY)
    store.register(get_types_from_msg('int32 value\n', 'unheard_of_msgs/msg/Thing'))
    store.register(get_types_from_msg('float64 seconds\n', 'rosgraph_msgs/msg/Clock2'))
    other = get_typestore(Stores.EMPTY)
    other.register(get_types_from_msg('float64 data\n', 'std_msgs/msg/Bool'))
    with Writer(path, version=9, storage_plugin=StoragePlugin.MCAP) as writer:
        for topic, types, name, fields in (
            ('/notes', store, 'std_msgs/msg/String', {'data': 'first'}),
            ('/things', store, 'unheard_of_msgs/msg/Thing', {'value': 3}),
            ('/switch', other, 'std_msgs/msg/Bool', {'data': 1.5}),
        ):
            connection = writer.add_connection(topic, name, typestore=types)
            message = types.types[name](**fields)
            for n in range(3):
                time_ns = START_NS + n * 10 * MS
                writer.write(connection, time_ns, types.serialize_cdr(message, name))
    return path


def test_types_that_cannot_be_published_are_left_out_and_counted(stage, mixed_recording, finish):
    text = ('std_msgs/msg/String', rclpy.qos.QoSProfile(depth=10))
    ears = stage.listen('/diagnostics', **{'/notes': text})
    player = stage.play(mixed_recording, all_topics=True, playback__wait_for_subscribers_s=0.0)
    finish(player)
    ears.wait_for(lambda: ears.status('playback').get('state') == 'finished', 'the last account')
    account = ears.status('playback')
    assert 'unheard_of_msgs/msg/Thing is not installed here' in account['left_out./things']
    assert 'another definition' in account['left_out./switch']
    assert '2 topics left out' in player.playback.summary()
    assert dict(player.playback.statistics.published) == {'/notes': 3}


def test_without_anything_to_recognise_other_topics_must_be_asked_for(mixed_recording, stage):
    with pytest.raises(RecordingError, match='no topic that can be used'):
        stage.play(mixed_recording)


def test_a_ros1_bag_plays(stage, tmp_path, finish):
    path = tmp_path / 'old.bag'
    store = get_typestore(Stores.ROS1_NOETIC)
    with Rosbag1Writer(path) as writer:
        connection = writer.add_connection('/speech', 'std_msgs/msg/String', typestore=store)
        for n, word in enumerate(('one', 'two')):
            message = store.types['std_msgs/msg/String'](data=word)
            raw = store.serialize_ros1(message, 'std_msgs/msg/String')
            writer.write(connection, START_NS + n * 10 * MS, raw)
    ears = stage.listen('/transcript')
    finish(stage.play(path))
    ears.wait_count('/transcript', 2)
    assert [message.data for message in ears.read('/transcript')] == ['one', 'two']


def test_a_ros1_bag_with_headers_plays(stage, tmp_path, finish):
    path = tmp_path / 'old.bag'
    store = get_typestore(Stores.ROS1_NOETIC)
    own = 'std_msgs/Header header\nstring text'
    store.register(get_types_from_msg(own, 'my_asr/msg/Result'))
    header, stamp, image, result = (
        store.types[name]
        for name in (
            'std_msgs/msg/Header',
            'builtin_interfaces/msg/Time',
            'sensor_msgs/msg/CompressedImage',
            'my_asr/msg/Result',
        )
    )
    with Rosbag1Writer(path) as writer:
        seen, said = (
            writer.add_connection(topic, kind.__msgtype__, typestore=store)
            for topic, kind in (('/cam/compressed', image), ('/asr', result))
        )
        for n in range(3):
            time_ns = START_NS + n * 10 * MS
            head = header(seq=n + 7, stamp=stamp(*divmod(time_ns, 10**9)), frame_id='eye')
            picture = image(header=head, format='jpeg', data=np.full(5, n, np.uint8))
            for connection, message in (
                (seen, picture),
                (said, result(header=head, text=f'word {n}')),
            ):
                raw = store.serialize_ros1(message, message.__msgtype__)
                writer.write(connection, time_ns, raw)
    kind = ('sensor_msgs/msg/CompressedImage', stage_qos())
    ears = stage.listen('/transcript', **{'/cam/compressed': kind})
    told = {'recorded__transcript': '/asr', 'recorded__transcript_field': 'text'}
    player = stage.play(path, '-r', 'image:=/cam', **told)
    finish(player)
    ears.wait_count('/cam/compressed', 3)
    ears.wait_count('/transcript', 3)
    assert [m.data.tolist() for m in ears.read('/cam/compressed')] == [[n] * 5 for n in range(3)]
    assert {m.header.frame_id for m in ears.read('/cam/compressed')} == {'eye'}
    assert [m.data for m in ears.read('/transcript')] == ['word 0', 'word 1', 'word 2']
    assert 'left out' not in player.playback.summary()


def test_transcripts_of_a_type_not_installed_are_played_as_texts(
    stage, tmp_path, finish, monkeypatch
):
    path = tmp_path / 'speech'
    # As where hri_msgs is neither of the distribution nor built.
    monkeypatch.setitem(sys.modules, 'hri_msgs', None)
    for name in [name for name in sys.modules if name.startswith('hri_msgs.')]:
        monkeypatch.delitem(sys.modules, name)
    with RecordingWriter(path, transcript_type='hri_msgs/msg/LiveSpeech') as writer:
        for n, text in enumerate(('one', '  ', 'three')):
            time_ns = START_NS + n * 10 * MS
            writer.write(Utterance(stamp_ns=time_ns, arrival_ns=time_ns, text=text))
    ears = stage.listen('/transcript')
    player = stage.play(path)
    finish(player)
    ears.wait_count('/transcript', 2)
    assert [message.data for message in ears.read('/transcript')] == ['one', 'three']
    assert 'left out' not in player.playback.summary()


def test_compressed_images_go_where_image_transport_puts_them(stage, tmp_path, finish):

    path = tmp_path / 'jpeg'
    with RecordingWriter(path, image='jpeg') as writer:
        for n in range(3):
            time_ns = START_NS + n * 50 * MS
            image = np.zeros((32, 32, 3), np.uint8)
            writer.write(Frame(stamp_ns=time_ns, arrival_ns=time_ns, image=image))
    kind = ('sensor_msgs/msg/CompressedImage', stage_qos())
    ears = stage.listen(**{'/cam/compressed': kind})
    finish(stage.play(path, '-r', 'image:=/cam'))
    ears.wait_count('/cam/compressed', 3)


@pytest.mark.parametrize(
    ('parameters', 'error', 'words'),
    [
        ({'bag': ''}, RecordingError, 'set the parameter bag'),
        ({'bag': '/nowhere'}, RecordingError, 'no such recording'),
        ({'offset_s': 99.0}, RecordingError, 'offset_s must be below'),
        ({'playback__stamps': 'past'}, ConfigError, 'stamps must be one of'),
        ({'playback__rate': 0.0}, ConfigError, 'playback.rate'),
        ({'playback__speed': 2.0}, ConfigError, 'did you mean'),
    ],
)
def test_wrong_settings_are_refused_in_words(stage, recording, parameters, error, words):
    with pytest.raises(error, match=words):
        stage.play(**{'bag': str(recording), **parameters})


def test_settings_do_not_change_while_it_plays(stage, recording):
    player = stage.play(recording, playback__start_paused=True)
    result = player.set_parameters([Parameter('playback.rate', value=2.0)])[0]
    assert not result.successful
    assert result.reason == 'playback.rate is read when the node starts; restart it to change it'


def test_an_error_is_one_sentence_and_an_exit_status(capfd):
    assert player_node.main(['--ros-args', '-p', 'bag:=/nowhere']) == 1
    assert capfd.readouterr().err.splitlines() == ['/nowhere: no such recording']


@pytest.mark.parametrize(
    ('kind', 'status'), [(signal.SIGINT, 0), (signal.SIGTERM, 128 + signal.SIGTERM)]
)
def test_a_signal_ends_the_process_within_two_seconds(stage, recording, kind, status):
    ears = stage.listen('/image')
    command = [sys.executable, '-m', 'activity_recognition.ros.playing.player_node', '--ros-args']
    command += ['-p', f'bag:={recording}', '-p', 'playback.loop:=true']
    environment = {**os.environ, 'ROS_DOMAIN_ID': str(stage.context.get_domain_id())}

    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as node:
        ears.wait_count('/image', 3)
        node.send_signal(kind)
        took_s = seconds_of(lambda: node.wait(PATIENCE_S))
        errors = node.stderr.read()
    # A recording that was cut short has not been played.
    assert node.returncode == status, errors
    assert 'Traceback' not in errors
    check_ends_in_time(took_s)


def test_the_topics_that_are_named_are_played(stage, tmp_path, finish):
    path = two_of_each.write(tmp_path / 'two_of_each')
    ears = stage.listen(
        '/image', '/transcript', **{'/audio': ('audio_common_msgs/msg/AudioData', stage_qos())}
    )
    with pytest.raises(RecordingError, match='several topics could be the image'):
        stage.play(path)
    settings = {f'recorded__{name}': value for name, value in two_of_each.ALL.items()}
    finish(stage.play(path, **{**settings, 'recorded__image': '/right/image'}))
    ears.wait_count('/image', 20)
    ears.wait_count('/audio', 20)
    ears.wait_count('/transcript', 1)
    assert {message.data[0] for message in ears.read('/image')} == {200}
    assert {bytes(message.data[:2]) for message in ears.read('/audio')} == {b'\0\x20'}
    # Its own type is not installed here: its text is played.
    assert [message.data for message in ears.read('/transcript')] == ['put it down']


def test_topics_that_cannot_be_published_are_left_out_of_all(stage, tmp_path, finish):
    time_ns, store = START_NS, get_typestore(Stores.ROS2_JAZZY)
    channels = [
        ros2_channel(name, [(time_ns, store.types['std_msgs/msg/String'](data=name))])
        for name in ('/speech', '/a b', '//', '/1')
    ]
    json = McapChannel(topic='/log', messages=((time_ns, b'{}'),), encoding='json')
    event = McapChannel(
        topic='/event', messages=((time_ns, b''),), schema=('a_msgs/srv/Ask_Event', 'ros2msg', b'')
    )
    path = write_mcap(tmp_path / 'a.mcap', [*channels, json, event])
    ears = stage.listen('/transcript')
    player = stage.play(path, all_topics=True)
    finish(player)
    ears.wait_count('/transcript', 1)
    assert [message.data for message in ears.read('/transcript')] == ['/speech']
    assert '5 topics left out' in player.playback.summary()


def test_a_recogniser_is_not_told_the_field_of_what_is_played_as_text(tmp_path):
    path = two_of_each.write(tmp_path / 'two_of_each')
    values = {**defaults(REPLAY_ARGUMENTS), 'bag': str(path), **two_of_each.ALL}
    told = recognizer_spec(values_for_recognizer(values), use_sim_time=True).parameters
    assert 'topics.transcript_field' not in told
    assert told['topics.audio_sample_format'] == 'S16LE'
    assert player_spec(values).parameters['recorded.transcript_field'] == 'line.words'


def test_topics_of_other_types_under_the_same_name_are_left_alone(stage, tmp_path, finish):
    path = tmp_path / 'mixed'
    store = get_typestore(Stores.ROS2_JAZZY)
    with Writer(path, version=9, storage_plugin=StoragePlugin.MCAP) as writer:
        for name, data in (('std_msgs/msg/Int32', 7), ('std_msgs/msg/String', 'tea')):
            connection = writer.add_connection('/speech', name, typestore=store)
            message = store.types[name](data=data)
            writer.write(connection, START_NS, store.serialize_cdr(message, name))
    ears = stage.listen('/transcript')
    finish(stage.play(path))
    ears.wait_count('/transcript', 1)
    assert [message.data for message in ears.read('/transcript')] == ['tea']
