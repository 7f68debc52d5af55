"""Who is there, in a recording: the topics of REP 155, as trackers publish them."""

import pytest

from activity_recognition.bags import PersonTopicsWriter, RecordingReader, RecordingWriter
from activity_recognition.bags.messages import OutgoingMessage
from activity_recognition.persons import Box, PersonRegion, Sighting
from activity_recognition.sensors.cdr import TypeRegistry
from activity_recognition.sensors.definitions import KNOWN_DEFINITIONS
from activity_recognition.sensors.persons import decode_body_region, decode_ids
from activity_recognition.sensors.transcript import UtteranceReader
from activity_recognition.types import Utterance

START_NS = 1_700_000_000_000_000_000
MS = 1_000_000
SPEECH = 'hri_msgs/msg/LiveSpeech'


def sighting(number, regions, bodies):
    stamp_ns = START_NS + number * 100 * MS
    return Sighting(
        stamp_ns=stamp_ns,
        arrival_ns=stamp_ns + 30 * MS,
        camera='camera',
        regions=tuple(
            PersonRegion(body=body, stamp_ns=stamp_ns, arrival_ns=stamp_ns + 30 * MS, box=box)
            for body, box in regions.items()
        ),
        bodies=bodies,
    )


@pytest.fixture
def written(tmp_path):
    path = tmp_path / 'people'
    said = Utterance(
        stamp_ns=START_NS + 250 * MS,
        arrival_ns=START_NS + 400 * MS,
        start_ns=START_NS,
        text='hello',
        confidence=0.75,
        locale='en',
        frame_id='microphone',
    )
    with RecordingWriter(path, start_ns=START_NS) as writer:
        people = PersonTopicsWriter(writer, width_px=200, height_px=100)
        people.write(sighting(0, {'b1': Box(20, 10, 60, 90)}, {'ann': '', 'ben': ''}))
        people.write(sighting(1, {'b1': Box(20, 10, 60, 90)}, {'ann': 'b1', 'ben': ''}))
        people.write(sighting(2, {}, {'ann': 'b1', 'ben': ''}))
        people.write(sighting(3, {}, {'ann': '', 'ben': ''}))
        people.write_speech('ann', said)
    return path


def messages(path, topic):
    """Return a topic, and arrivals and messages by the definition in the recording."""
    with RecordingReader(path) as reader:
        [found] = [item for item in reader.topics if item.name == topic]
        assert found.definition
        kind = TypeRegistry(prefixes=()).resolve(found.type_name, found.definition)
        records = [(r.record_ns, kind.deserialise(r.cdr)) for r in reader.records({topic})]
    return found, records


def test_bodies_are_told_of_with_every_image_and_regions_in_shares_of_it(written):
    topic, lists = messages(written, '/humans/bodies/tracked')
    found = [decode_ids(message, refuse=pytest.fail) for _, message in lists]
    assert found == [['b1'], ['b1'], [], []]
    assert not topic.latched
    _, regions = messages(written, '/humans/bodies/b1/roi')
    assert len(regions) == 2
    arrival_ns, message = regions[0]
    region = decode_body_region(message, 'b1', arrival_ns)
    assert (arrival_ns, region.stamp_ns, region.camera) == (START_NS + 30 * MS, START_NS, 'camera')
    assert region.is_normalised
    assert tuple(region.box) == pytest.approx((0.1, 0.1, 0.3, 0.9))


def test_names_are_latched_and_written_when_they_change(written):
    topic, names = messages(written, '/humans/persons/ann/body_id')
    assert topic.latched
    assert [message.data for _, message in names] == ['b1', '']
    topic, lists = messages(written, '/humans/persons/tracked')
    assert topic.latched
    assert [list(message.ids) for _, message in lists] == [[], ['ann'], []]
    with RecordingReader(written) as reader:
        assert not [topic for topic in reader.topics if '/ben/' in topic.name]


def test_what_somebody_says_is_on_the_topic_of_their_voice(written):
    _, [(_, voice), *_] = messages(written, '/humans/persons/ann/voice_id')
    _, [(arrival_ns, message)] = messages(written, f'/humans/voices/{voice.data}/speech')
    utterance = UtteranceReader(SPEECH).decode(message, arrival_ns)
    assert (utterance.text, utterance.stamp_ns) == ('hello', START_NS + 250 * MS)
    assert utterance.arrival_ns == START_NS + 400 * MS
    assert utterance.confidence == 0.75


@pytest.mark.parametrize('last', ['', 'string language\n', 'string locale\n'])
def test_speech_is_written_with_the_definition_of_the_release_that_is_installed(
    tmp_path, monkeypatch, last
):
    definition = KNOWN_DEFINITIONS[SPEECH][SPEECH].replace('string locale\n', last)
    folder = tmp_path / 'share' / 'hri_msgs' / 'msg'
    folder.mkdir(parents=True)
    (folder / 'LiveSpeech.msg').write_text(definition)
    monkeypatch.setenv('AMENT_PREFIX_PATH', str(tmp_path))
    path = tmp_path / 'people'
    with RecordingWriter(path, start_ns=START_NS) as writer:
        people = PersonTopicsWriter(writer, width_px=200, height_px=100)
        people.write_speech('ann', Utterance(stamp_ns=START_NS, arrival_ns=START_NS, text='hello'))
    topic, [(_, message)] = messages(path, '/humans/voices/voice_ann/speech')
    assert message.final == 'hello'
    assert ('locale' in topic.definition, 'language' in topic.definition) == (
        'locale' in last,
        'language' in last,
    )


def test_the_transcript_of_the_scene_goes_before_what_single_voices_say(written, tmp_path):
    with RecordingReader(written) as reader:
        assert reader.roles.transcript == '/humans/voices/voice_ann/speech'
    path = tmp_path / 'both'
    said = Utterance(stamp_ns=START_NS, arrival_ns=START_NS, text='hello')
    with RecordingWriter(path, start_ns=START_NS) as writer:
        people = PersonTopicsWriter(writer, width_px=200, height_px=100)
        for person in ('ann', 'ben'):
            people.write_speech(person, said)
        writer.write(said)
    with RecordingReader(path) as reader:
        assert reader.roles.transcript == '/speech/transcript'


def test_a_message_may_be_latched(tmp_path):
    kind = TypeRegistry(prefixes=()).resolve('std_msgs/msg/String')
    message = OutgoingMessage(kind, kind.serialise(kind.new(kind.name, data='a')))
    with RecordingWriter(tmp_path / 'bag', start_ns=START_NS) as writer:
        writer.write_message('/latched', message, START_NS, latched=True)
        writer.write_message('/other', message, START_NS)
    with RecordingReader(tmp_path / 'bag') as reader:
        latched = {topic.name: topic.latched for topic in reader.topics}
    assert latched['/latched']
    assert not latched['/other']
