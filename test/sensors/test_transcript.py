"""Transcripts of any type: known fields, named fields, and what is no text."""

import numpy as np
import pytest

from activity_recognition.errors import ConfigError, DecodeError
from activity_recognition.sensors import TranscriptDecoder, TypeRegistry

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
    decoder = TranscriptDecoder('std_msgs/String')
    utterance = decoder.decode(send(REGISTRY.resolve('std_msgs/msg/String'), data=' Hallo \n'), 5)
    assert (utterance.text, utterance.stamp_ns, utterance.arrival_ns) == ('Hallo', 5, 5)
    assert (utterance.confidence, utterance.locale) == (None, '')


def test_live_speech_gives_stamp_confidence_and_locale():
    utterance = TranscriptDecoder(SPEECH).decode(live_speech('set the table'), 8_000_000_000)
    assert utterance.text == 'set the table'
    assert (utterance.stamp_ns, utterance.arrival_ns) == (7_000_000_009, 8_000_000_000)
    assert (utterance.confidence, utterance.locale) == (0.75, 'en-GB')
    assert utterance.frame_id == 'mic'


def test_a_zero_stamp_is_no_stamp():
    assert TranscriptDecoder(SPEECH).decode(live_speech('hi', stamp_ns=0), 42).stamp_ns == 42


@pytest.mark.parametrize('value', [0.0, -1.0, 1.5, float('nan'), float('inf')])
def test_a_confidence_that_is_none_is_none(value):
    assert TranscriptDecoder(SPEECH).decode(live_speech('hi', value), 1).confidence is None


def test_incremental_results_are_counted_and_passed_over():
    decoder = TranscriptDecoder(SPEECH)
    assert decoder.decode(live_speech('', incremental='set the'), 1) is None
    assert decoder.decode(live_speech(' \t', incremental='set the'), 1) is None
    assert decoder.empty == 2
    assert (
        TranscriptDecoder(SPEECH, 'incremental')
        .decode(live_speech('', incremental='set the'), 1)
        .text
        == 'set the'
    )


def test_whisper_transcriptions():
    kind = REGISTRY.resolve('whisper_msgs/msg/Transcription')
    message = send(kind, text='yes', audio_time=1.5, transcription_time=0.2)
    assert TranscriptDecoder(kind.name).decode(message, 6).text == 'yes'


def test_the_first_of_several_candidates():
    kind = REGISTRY.resolve(CANDIDATES, 'string[] transcript\nfloat32[] confidence\n')
    confidence = np.array([0.5, 0.25], np.float32)
    message = send(kind, transcript=['wash', 'watch'], confidence=confidence)
    utterance = TranscriptDecoder(CANDIDATES).decode(message, 6)
    assert (utterance.text, utterance.confidence) == ('wash', 0.5)
    nothing = send(kind, transcript=[], confidence=np.zeros(0, np.float32))
    assert TranscriptDecoder(CANDIDATES).decode(nothing, 6) is None


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
    utterance = TranscriptDecoder('house_msgs/msg/Note', field).decode(message, 9)
    assert (utterance.text, utterance.stamp_ns, utterance.frame_id) == (text, 7_000_000_009, 'mic')


@pytest.mark.parametrize('field', ['lines.0.words', 'lines.7.words', 'tags', 'tags.3'])
def test_an_empty_list_is_an_empty_text(field):
    decoder = TranscriptDecoder('house_msgs/msg/Note', field)
    assert decoder.decode(note(words=()), 9) is None
    assert decoder.empty == 1


def test_a_missing_field_names_the_fields_and_the_nearest():
    with pytest.raises(DecodeError, match="header, lines, tags, score; did you mean 'lines'"):
        TranscriptDecoder('house_msgs/msg/Note', 'lnes.words').decode(note(), 1)
    with pytest.raises(DecodeError, match='words, number'):
        TranscriptDecoder('house_msgs/msg/Note', 'lines.0.text').decode(note(), 1)
    with pytest.raises(DecodeError, match='no fields'):
        TranscriptDecoder('house_msgs/msg/Note', 'lines.words.more').decode(note(), 1)


@pytest.mark.parametrize('field', ['score', 'lines', 'lines.0.number', 'header', '__class__'])
def test_a_field_that_is_no_text_is_refused(field):
    with pytest.raises(DecodeError, match='transcript field'):
        TranscriptDecoder('house_msgs/msg/Note', field).decode(note(), 1)


def test_an_unknown_type_needs_a_field():
    with pytest.raises(ConfigError, match=r'topics\.transcript_field'):
        TranscriptDecoder('house_msgs/msg/Note')
    with pytest.raises(DecodeError, match='message type'):
        TranscriptDecoder('Note', 'words')


def test_a_text_beyond_measure_is_refused():
    kind = REGISTRY.resolve('std_msgs/msg/String')
    with pytest.raises(DecodeError, match='20000 characters'):
        TranscriptDecoder(kind.name).decode(send(kind, data='x' * 20_000), 1)
