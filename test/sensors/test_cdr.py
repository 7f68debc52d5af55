"""Buffers in, messages out: definitions, families that clash, and hostile bytes."""

import resource
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from activity_recognition.errors import DecodeError, UnsupportedEncodingError
from activity_recognition.sensors import TypeRegistry, cdr
from activity_recognition.sensors.cdr import MessageType, full_type_name

IMAGE = 'sensor_msgs/msg/Image'


def field_names(kind: MessageType) -> tuple[str, ...]:
    """Names of a message's own fields, in order."""
    return tuple(name for name, _ in kind.store.fielddefs[kind.name][1])


@pytest.fixture
def registry():
    return TypeRegistry(prefixes=())


@pytest.fixture
def image_buffer(image_cdr):
    pixels = np.arange(4 * 18, dtype=np.uint8).reshape(4, 18)
    return image_cdr('rgb8', pixels, 6, 4)


def test_both_byte_orders_give_the_same_message(registry, publisher):
    message = publisher.make(
        'sensor_msgs/msg/CompressedImage',
        header=(5, 'é'),
        format='png',
        data=np.arange(9, dtype=np.uint8),
    )
    for little_endian in (True, False):
        cdr = publisher.cdr(message, little_endian=little_endian)
        got = registry.deserialise(cdr, 'sensor_msgs/CompressedImage')
        assert (got.header.frame_id, got.format) == ('é', 'png')
        assert got.data.tolist() == list(range(9))


def test_arrays_are_views_of_the_buffer(registry, image_buffer):
    data = registry.deserialise(image_buffer, IMAGE).data
    assert np.shares_memory(data, np.frombuffer(image_buffer, np.uint8))


@pytest.mark.parametrize('name', ['', 'Image', 'a/b/c', 'a/msg/b/c', 'a/msg/b c'])
def test_a_name_that_is_no_type_is_refused(name):
    with pytest.raises(DecodeError, match='message type'):
        full_type_name(name)


@pytest.mark.parametrize('kind', ['msg', 'srv', 'action'])
def test_types_of_services_and_actions_have_full_names_too(kind):
    assert full_type_name(f'nav2_msgs/{kind}/Go_Event') == f'nav2_msgs/{kind}/Go_Event'
    assert full_type_name('nav2_msgs/Go_Event') == 'nav2_msgs/msg/Go_Event'


def test_an_unknown_type_says_how_to_make_it_known(registry):
    with pytest.raises(DecodeError, match='AMENT_PREFIX_PATH') as caught:
        registry.deserialise(b'\0\1\0\0', 'house_msgs/msg/Kettle')
    assert 'house_msgs' in str(caught.value)


def test_definitions_come_from_the_index_of_installed_packages(tmp_path: Path, monkeypatch):
    folder = tmp_path / 'share' / 'house_msgs' / 'msg'
    folder.mkdir(parents=True)
    (folder / 'Kettle.msg').write_text('std_msgs/Header header\nLid[] lids\n')
    (folder / 'Lid.msg').write_text('string colour\n')
    monkeypatch.setenv('AMENT_PREFIX_PATH', f'/nowhere:{tmp_path}')
    kind = TypeRegistry().resolve('house_msgs/Kettle')
    assert field_names(kind) == ('header', 'lids')
    lid = kind.new('house_msgs/msg/Lid', colour='blue')
    stamp = kind.new('builtin_interfaces/msg/Time', sec=1, nanosec=2)
    header = kind.new('std_msgs/msg/Header', stamp=stamp, frame_id='hob')
    cdr = kind.serialise(kind.new(kind.name, header=header, lids=[lid, lid]))
    assert [lid.colour for lid in kind.deserialise(cdr).lids] == ['blue', 'blue']


def test_an_embedded_definition_goes_before_the_index(registry):
    text = 'string words\n' + '=' * 80 + '\nMSG: other/Unused\nint8 x\n'
    assert field_names(registry.resolve('whisper_msgs/msg/Transcription'))[0] == 'text'
    kind = registry.resolve('whisper_msgs/msg/Transcription', text)
    assert field_names(kind) == ('words',)


def test_embedded_idl_is_read(registry):
    text = (
        '=' * 80
        + '\nIDL: house_msgs/msg/Lid\n'
        + 'module house_msgs { module msg { struct Lid { string colour; }; }; };\n'
    )
    assert field_names(registry.resolve('house_msgs/msg/Lid', text)) == ('colour',)


@pytest.mark.parametrize('text', ['strin words', 'house_msgs/Missing lid', '{'])
def test_a_broken_definition_is_a_decode_error(registry, text):
    with pytest.raises(DecodeError):
        registry.resolve('house_msgs/msg/Kettle', text)


def test_an_image_by_another_definition_is_refused(registry):
    with pytest.raises(DecodeError, match='needs'):
        registry.resolve(IMAGE, 'string height\nuint8[] data\n')


def test_both_families_of_audio_common_msgs_are_read_side_by_side(registry, ros_drivers, portaudio):
    streamed = ros_drivers.make(
        'audio_common_msgs/msg/AudioDataStamped',
        header=(7, 'mic'),
        audio=ros_drivers.make('audio_common_msgs/msg/AudioData', data=np.ones(4, np.uint8)),
    )
    empty = {f'{name}_data': np.zeros(0, name) for name in ('float32', 'int32', 'int8', 'uint8')}
    carried = portaudio.make(
        'audio_common_msgs/msg/AudioStamped',
        header=(7, 'mic'),
        audio=portaudio.make(
            'audio_common_msgs/msg/Audio',
            audio_data=portaudio.make(
                'audio_common_msgs/msg/AudioData', int16_data=np.array([1, -2], np.int16), **empty
            ),
            info=portaudio.make(
                'audio_common_msgs/msg/AudioInfo', format=8, channels=2, rate=48000, chunk=1
            ),
        ),
    )
    for _ in range(2):
        got = registry.deserialise(ros_drivers.cdr(streamed), streamed.__msgtype__)
        assert got.audio.data.tolist() == [1, 1, 1, 1]
        got = registry.deserialise(portaudio.cdr(carried), carried.__msgtype__)
        assert (got.audio.audio_data.int16_data.tolist(), got.audio.info.rate) == ([1, -2], 48000)


@pytest.mark.parametrize('size', range(0, 60, 7))
def test_a_truncated_buffer_is_a_decode_error(registry, image_buffer, size):
    with pytest.raises(DecodeError, match=f'{size} bytes'):
        registry.deserialise(image_buffer[:size], IMAGE)


def test_a_length_of_four_gigabytes_allocates_nothing(registry, publisher):
    message = publisher.make(
        'sensor_msgs/msg/CompressedImage', header=(1, ''), format='', data=np.zeros(0, np.uint8)
    )
    cdr = bytearray(publisher.cdr(message))
    cdr[-4:] = b'\xff\xff\xff\xff'
    kind = registry.resolve(message.__msgtype__)
    tracemalloc.start()
    try:
        with pytest.raises(DecodeError):
            kind.deserialise(bytes(cdr))
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()


def test_a_ros1_record_loses_its_header_counter(registry):
    text = (
        'Header header\nstring text\n'
        + '=' * 80
        + '\nMSG: std_msgs/Header\nuint32 seq\ntime stamp\nstring frame_id\n'
    )
    kind = registry.resolve('house_msgs/msg/Note', text, ros1=True)
    raw = b''.join(
        [
            (99).to_bytes(4, 'little'),
            (12).to_bytes(4, 'little'),
            (34).to_bytes(4, 'little'),
            (3).to_bytes(4, 'little') + b'map',
            (5).to_bytes(4, 'little') + b'hello',
        ]
    )
    message = kind.deserialise(kind.from_ros1(raw))
    assert (message.header.stamp.sec, message.header.stamp.nanosec) == (12, 34)
    assert (message.header.frame_id, message.text) == ('map', 'hello')
    with pytest.raises(DecodeError, match='ROS 1'):
        kind.from_ros1(raw[:-2])


TYPES = (
    IMAGE,
    'sensor_msgs/msg/CompressedImage',
    'audio_common_msgs/msg/AudioDataStamped',
    'audio_common_msgs/msg/AudioStamped',
    'audio_common_msgs/msg/AudioInfo',
    'hri_msgs/msg/LiveSpeech',
    'std_msgs/msg/String',
)


@settings(max_examples=50)
@given(name=st.sampled_from(TYPES), cdr=st.binary(max_size=200), encapsulated=st.booleans())
def test_random_bytes_give_a_message_or_a_decode_error(name, cdr, encapsulated):
    kind = TypeRegistry(prefixes=()).resolve(name)
    try:
        message = kind.deserialise(b'\0\1\0\0' + cdr if encapsulated else cdr)
    except DecodeError as error:
        reason = str(error)
    else:
        reason = ''
        assert all(hasattr(message, field) for field in field_names(kind))
    assert not reason or 'bytes' in reason


@settings(max_examples=50)
@given(text=st.text(st.characters(codec='utf-8', exclude_characters='\0'), max_size=50))
def test_a_text_is_read_as_it_was_sent_whatever_follows(registry_of_texts, text):
    """What follows is padding, as some middlewares add it: decoding is reached, and ends there."""
    kind = registry_of_texts
    for padding in (b'', b'\0', b'\0\0\0'):
        cdr = bytes(kind.serialise(kind.new(kind.name, data=text))) + padding
        assert kind.deserialise(cdr).data == text
        with pytest.raises(DecodeError, match='bytes'):
            kind.deserialise(cdr[:7])


@pytest.fixture(scope='module')
def registry_of_texts():
    return TypeRegistry(prefixes=()).resolve('std_msgs/msg/String')


def parts(first, **others):
    """Return a definition with the types of package ``house_msgs`` that it refers to."""
    return first + ''.join(f'{"=" * 80}\nMSG: house_msgs/{k}\n{v}' for k, v in others.items())


CHAIN = parts('T0 x\n', **{f'T{k}': f'T{k + 1} x\n' for k in range(40)}, T40='int8 x\n')
IDL = 'module house_msgs {{ module msg {{ const long X = {}; struct Kettle {{ long y; }}; }}; }};'
EXPENSIVE = {
    'strings': ('string[1000000] words\n', 'at most 2048'),
    'messages': (parts('Lid[3000] lids\n', Lid='string colour\n'), 'at most 2048'),
    'nested': (
        parts('A[100] x\n', A='B[100] x\n', B='C[100] x\n', C='int8 x\nint8 y\n'),
        'more than 65536 values',
    ),
    'pairs': (
        parts(
            'A x\nA y\n',
            **{chr(65 + k): f'{chr(66 + k)} x\n{chr(66 + k)} y\n' for k in range(20)},
            U='int8 x\n',
        ),
        'more than 65536 values',
    ),
    'itself': ('Kettle inner\n', 'Kettle contains itself'),
    'sequence of itself': ('Kettle[] inner\n', 'Kettle contains itself'),
    'a ring': (parts('Lid lid\n', Lid='Kettle[] on\n'), 'contains itself'),
    'depth': (CHAIN, 'more than 32 types inside each other'),
    'fields': (''.join(f'int8 f{k}\n' for k in range(5000)), 'at most 4096'),
    'constants': (''.join(f'int8 F{k}=1\n' for k in range(5000)), 'at most 4096'),
    'numbers': (f'uint8[{10**30}] data\n', 'expected 1 to'),
    'no numbers': ('uint8[0] data\nint8 x\n', 'expected 1 to'),
    'text': ('#' + 'x' * 300_000 + '\nint8 x\n', 'at most 262144'),
    'lines': ('int8 x\n' + '\n' * 200_000, 'steps to read'),
    'brackets': (IDL.format('((((((1))))))'), 'steps to read'),
    'shift': (IDL.format('1 << 99999999999'), "constant with '<<'"),
    'product': (IDL.format('999999 * 999999'), r"constant with '\*'"),
}


@pytest.mark.parametrize('name', EXPENSIVE)
def test_a_definition_does_not_decide_what_reading_costs(registry, name):
    text, reason = EXPENSIVE[name]
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for _ in range(2):
        with pytest.raises(UnsupportedEncodingError, match=rf'house_msgs/msg/Kettle.*{reason}'):
            registry.resolve('house_msgs/msg/Kettle', text)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 64 * 1024


def test_what_is_wrong_with_a_definition_is_found_once(registry, monkeypatch):
    asked = []

    def parse(text, name):
        asked.append(name)
        raise ValueError('x' * 10_000)

    monkeypatch.setattr(cdr, 'parse_msg', parse)
    messages = set()
    for _ in range(3):
        with pytest.raises(DecodeError, match=r'house_msgs/msg/Spoon is no use: x+…$') as caught:
            registry.resolve('house_msgs/msg/Spoon', 'int8 depth\n')
        messages.add(str(caught.value))
    assert len(asked) == 1
    assert max(map(len, messages)) < 400


def test_definitions_within_the_bounds_are_read(registry):
    text = parts(
        'uint8[8388608] pixels\nfloat64[36] covariance\nLid[64] lids\nstring[16] names\n',
        Lid='string colour\nint8[4] edges\n',
    )
    kind = registry.resolve('house_msgs/msg/Kettle', text)
    assert field_names(kind) == ('pixels', 'covariance', 'lids', 'names')
    with pytest.raises(DecodeError, match='100 bytes are no house_msgs'):
        kind.deserialise(b'\0\1\0\0' + bytes(96))


def test_messages_without_bytes_make_no_objects(registry):
    text = parts('Nothing[] much\n', Nothing='')
    with pytest.raises(UnsupportedEncodingError, match='messages without bytes'):
        registry.resolve('house_msgs/msg/Kettle', text, ros1=True)
    assert field_names(registry.resolve('house_msgs/msg/Kettle', text)) == ('much',)


def test_a_large_message_of_many_objects_is_refused(registry):
    kind = registry.resolve('house_msgs/msg/Kettle', 'string[] words\n')
    with pytest.raises(UnsupportedEncodingError, match='message too large'):
        kind.deserialise(bytes(8 * 1024 * 1024 + 1))
