"""Transcripts of any type: known fields, named fields, and what is no text."""

import numpy as np
import pytest

from activity_recognition.errors import ConfigError, DecodeError
from activity_recognition.sensors import SensorDecoders, TypeRegistry
from activity_recognition.sensors.cdr import STAND_IN
from activity_recognition.sensors.transcript import UtteranceReader

SPEECH = 'hri_msgs/msg/LiveSpeech'
CANDIDATES = 'speech_recognition_msgs/msg/SpeechRecognitionCandidates'
NOTE = """\
std_msgs/Header header
house_msgs/Line[] lines
string[] tags
float32 score
================================================================================
MSG: house_msgs/Line
string words
int32 number
"""
REGISTRY = TypeRegistry(prefixes=())
RELEASES = {
    'nothing': 'std_msgs/Header header\nstring incremental\nstring final\nfloat64 confidence\n',
    'locale': (
        'std_msgs/Header header\nstring incremental\nstring final\nfloat64 confidence\n'
        'string locale\n'
    ),
    'language': (
        'std_msgs/Header header\nstring incremental\nstring final\nfloat64 confidence\n'
        'string language\n'
    ),
}
"""What hri_msgs/LiveSpeech ends with, by release, and its definition."""


def send(kind, **fields):
    return kind.deserialise(kind.serialise(kind.new(kind.name, **fields)))


def header(kind, stamp_ns=7_000_000_009, frame_id='mic'):
    stamp = kind.new('builtin_interfaces/msg/Time', sec=stamp_ns // 10**9, nanosec=stamp_ns % 10**9)
    return kind.new('std_msgs/msg/Header', stamp=stamp, frame_id=frame_id)


def live_speech(final, confidence=0.75, incremental='', stamp_ns=7_000_000_009):
    kind = REGISTRY.resolve(SPEECH)
    return send(
        kind,
        header=header(kind, stamp_ns),
        incremental=incremental,
        final=final,
        confidence=confidence,
        locale='en-GB',
    )


def note(words=('hello',), tags=()):
    kind = REGISTRY.resolve('house_msgs/msg/Note', NOTE)
    lines = [kind.new('house_msgs/msg/Line', words=text, number=3) for text in words]
    return send(kind, header=header(kind), lines=lines, tags=list(tags), score=0.5)


def test_a_string_takes_its_arrival_as_stamp():
    decoder = UtteranceReader('std_msgs/String')
    utterance = decoder.decode(send(REGISTRY.resolve('std_msgs/msg/String'), data=' Hallo \n'), 5)
    assert (utterance.text, utterance.stamp_ns, utterance.arrival_ns) == ('Hallo', 5, 5)
    assert (utterance.confidence, utterance.locale) == (None, '')


def test_live_speech_gives_stamp_confidence_and_locale():
    utterance = UtteranceReader(SPEECH).decode(live_speech('set the table'), 8_000_000_000)
    assert utterance.text == 'set the table'
    assert (utterance.stamp_ns, utterance.arrival_ns) == (7_000_000_009, 8_000_000_000)
    assert (utterance.confidence, utterance.locale) == (0.75, 'en-GB')
    assert utterance.frame_id == 'mic'


def test_a_zero_stamp_is_no_stamp():
    assert UtteranceReader(SPEECH).decode(live_speech('hi', stamp_ns=0), 42).stamp_ns == 42


@pytest.mark.parametrize('value', [0.0, -1.0, 1.5, float('nan'), float('inf')])
def test_a_confidence_that_is_none_is_none(value):
    assert UtteranceReader(SPEECH).decode(live_speech('hi', value), 1).confidence is None


def test_incremental_results_are_counted_and_passed_over():
    decoder = UtteranceReader(SPEECH)
    assert decoder.decode(live_speech('', incremental='set the'), 1) is None
    assert decoder.decode(live_speech(' \t', incremental='set the'), 1) is None
    assert decoder.empty == 2
    assert (
        UtteranceReader(SPEECH, 'incremental')
        .decode(live_speech('', incremental='set the'), 1)
        .text
        == 'set the'
    )


def test_whisper_transcriptions():
    kind = REGISTRY.resolve('whisper_msgs/msg/Transcription')
    message = send(kind, text='yes', audio_time=1.5, transcription_time=0.2)
    assert UtteranceReader(kind.name).decode(message, 6).text == 'yes'


def test_the_first_of_several_candidates():
    kind = REGISTRY.resolve(CANDIDATES, 'string[] transcript\nfloat32[] confidence\n')
    confidence = np.array([0.5, 0.25], np.float32)
    message = send(kind, transcript=['wash', 'watch'], confidence=confidence)
    utterance = UtteranceReader(CANDIDATES).decode(message, 6)
    assert (utterance.text, utterance.confidence) == ('wash', 0.5)
    nothing = send(kind, transcript=[], confidence=np.zeros(0, np.float32))
    assert UtteranceReader(CANDIDATES).decode(nothing, 6) is None


@pytest.mark.parametrize(
    ('field', 'text'),
    [
        ('lines.0.words', 'one'),
        ('lines.1.words', 'two'),
        ('lines.words', 'one'),
        ('tags', 'red'),
        ('tags.1', 'blue'),
    ],
)
def test_a_named_field_of_an_unknown_type(field, text):
    message = note(('one', 'two'), ('red', 'blue'))
    utterance = UtteranceReader('house_msgs/msg/Note', field).decode(message, 9)
    assert (utterance.text, utterance.stamp_ns, utterance.frame_id) == (text, 7_000_000_009, 'mic')


@pytest.mark.parametrize('field', ['lines.0.words', 'lines.7.words', 'tags', 'tags.3'])
def test_an_empty_list_is_an_empty_text(field):
    decoder = UtteranceReader('house_msgs/msg/Note', field)
    assert decoder.decode(note(words=()), 9) is None
    assert decoder.empty == 1


def test_a_missing_field_names_the_fields_and_the_nearest():
    with pytest.raises(DecodeError, match="header, lines, tags, score; did you mean 'lines'"):
        UtteranceReader('house_msgs/msg/Note', 'lnes.words').decode(note(), 1)
    with pytest.raises(DecodeError, match='words, number'):
        UtteranceReader('house_msgs/msg/Note', 'lines.0.text').decode(note(), 1)
    with pytest.raises(DecodeError, match='no fields'):
        UtteranceReader('house_msgs/msg/Note', 'lines.words.more').decode(note(), 1)


def test_a_message_of_many_fields_is_named_by_some():
    kind = REGISTRY.resolve('house_msgs/msg/Wide', ''.join(f'int8 f{n}\n' for n in range(40)))
    message = send(kind, **{f'f{n}': 1 for n in range(40)})
    with pytest.raises(DecodeError, match=r'the message has f0, f1, .*, f19, …') as caught:
        UtteranceReader(kind.name, 'words').decode(message, 1)
    assert 'f20' not in str(caught.value)


@pytest.mark.parametrize('field', ['score', 'lines', 'lines.0.number', 'header', '__class__'])
def test_a_field_that_is_no_text_is_refused(field):
    with pytest.raises(DecodeError, match='transcript field'):
        UtteranceReader('house_msgs/msg/Note', field).decode(note(), 1)


def test_an_unknown_type_needs_a_field():
    with pytest.raises(ConfigError, match=r'topics\.transcript_field'):
        UtteranceReader('house_msgs/msg/Note')
    with pytest.raises(DecodeError, match='message type'):
        UtteranceReader('Note', 'words')


def test_a_text_beyond_measure_is_refused():
    kind = REGISTRY.resolve('std_msgs/msg/String')
    with pytest.raises(DecodeError, match='20000 characters'):
        UtteranceReader(kind.name).decode(send(kind, data='x' * 20_000), 1)


def released_speech(release, final='set the table', incremental='', stamp_ns=7_000_000_009):
    """Return the type and the buffer of a LiveSpeech as a release defines it."""
    kind = REGISTRY.resolve(SPEECH, RELEASES[release])
    fields = {'incremental': incremental, 'final': final, 'confidence': 0.75}
    if release != 'nothing':
        fields[release] = 'de-AT'
    return kind, bytes(kind.serialise(kind.new(SPEECH, header=header(kind, stamp_ns), **fields)))


@pytest.mark.parametrize('field', ['', 'final', 'incremental'])
@pytest.mark.parametrize('release', RELEASES)
def test_live_speech_of_every_release(release, field):
    kind, cdr = released_speech(release, incremental='set the ta')
    utterance = UtteranceReader(SPEECH, field).decode(kind.deserialise(cdr), 8_000_000_000)
    assert utterance.text == ('set the ta' if field == 'incremental' else 'set the table')
    assert (utterance.stamp_ns, utterance.frame_id) == (7_000_000_009, 'mic')
    assert utterance.confidence == 0.75
    assert utterance.locale == ('' if release == 'nothing' else 'de-AT')


@pytest.mark.parametrize('release', RELEASES)
def test_live_speech_of_every_release_without_its_definition(release):
    _, cdr = released_speech(release)
    utterance = SensorDecoders(types=TypeRegistry(prefixes=())).decode('transcript', SPEECH, cdr, 9)
    assert (utterance.text, utterance.confidence) == ('set the table', 0.75)
    assert utterance.locale == ('' if release == 'nothing' else 'de-AT')
    with pytest.raises(DecodeError, match='broken buffer: 20 bytes are no hri_msgs'):
        TypeRegistry(prefixes=()).deserialise(cdr[:20], SPEECH)


@pytest.mark.parametrize('release', RELEASES)
def test_live_speech_of_the_release_that_is_installed(release, tmp_path):
    folder = tmp_path / 'share' / 'hri_msgs' / 'msg'
    folder.mkdir(parents=True)
    (folder / 'LiveSpeech.msg').write_text(RELEASES[release], encoding='utf-8')
    types = TypeRegistry(prefixes=[tmp_path])
    assert types.resolve(SPEECH).other_release is None
    _, cdr = released_speech(release)
    utterance = SensorDecoders(types=types).decode('transcript', SPEECH, cdr, 9)
    assert utterance.text == 'set the table'
    if release != 'nothing':
        with pytest.raises(DecodeError, match='of another definition of that type'):
            types.deserialise(released_speech('nothing')[1], SPEECH)


def test_a_stand_in_that_is_installed_says_nothing_about_the_release(tmp_path):
    folder = tmp_path / 'share' / 'hri_msgs' / 'msg'
    folder.mkdir(parents=True)
    text = f'{STAND_IN} of ours.\n{RELEASES["locale"]}'
    (folder / 'LiveSpeech.msg').write_text(text, encoding='utf-8')
    types = TypeRegistry(prefixes=[tmp_path])
    for release in RELEASES:
        message = types.deserialise(released_speech(release)[1], SPEECH)
        assert message.final == 'set the table'


def test_a_known_type_may_lack_everything_but_the_text():
    kind = REGISTRY.resolve(SPEECH, 'string final\nstring confidence\nfloat32[] locale\n')
    message = send(kind, final='tea', confidence='high', locale=np.ones(2, np.float32))
    utterance = UtteranceReader(SPEECH).decode(message, 9)
    assert (utterance.text, utterance.confidence, utterance.locale) == ('tea', None, '')
    kind = REGISTRY.resolve(SPEECH, 'string words\n')
    with pytest.raises(DecodeError, match=r"'final' .* has words; set transcript_field$"):
        UtteranceReader(SPEECH).decode(send(kind, words='tea'), 9)
    assert UtteranceReader(SPEECH, 'words').decode(send(kind, words='tea'), 9).text == 'tea'


@pytest.mark.parametrize('release', RELEASES)
def test_partial_results_are_utterances_where_they_are_asked_for(release):
    decoder = UtteranceReader(SPEECH, incremental=True)

    def say(seconds, incremental='', final=''):
        kind, cdr = released_speech(release, final, incremental, round(seconds * 10**9))
        utterance = decoder.decode(kind.deserialise(cdr), 1)
        return utterance and (utterance.text, utterance.stamp_ns / 10**9)

    assert say(1.0) is None
    assert say(2.0, 'set') == ('set', 2.0)
    assert say(2.3, 'set the') is None  # too soon
    assert say(2.5, 'set') is None  # nothing new
    assert say(2.6, 'set the ta') == ('set the ta', 2.6)
    assert say(2.8, 'set the table', 'set the table') == ('set the table', 2.8)
    assert say(2.9, 'and') == ('and', 2.9)  # of the next utterance
    assert say(1.0, 'and so') == ('and so', 1.0)  # time was set back
    assert decoder.empty == 3


def test_partial_results_of_other_types_do_not_exist():
    kind = REGISTRY.resolve('std_msgs/msg/String')
    decoder = UtteranceReader(kind.name, incremental=True)
    assert decoder.decode(send(kind, data='tea'), 5).text == 'tea'
    assert decoder.decode(send(kind, data=''), 6) is None
