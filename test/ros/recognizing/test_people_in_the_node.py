"""The people of an active node, told where they are by hand: no tracker's messages are needed."""

from __future__ import annotations

import dataclasses

import pytest

pytest.importorskip('rclpy')

from std_msgs.msg import String

from activity_recognition.config import PeopleConfig, RecognizerConfig
from activity_recognition.errors import ConfigError
from activity_recognition.persons import Box, Naming, PersonRegion
from activity_recognition.persons.tracks import MOST_BODIES
from activity_recognition.ros.qos import activities_profile
from activity_recognition.ros.recognizing import person_sources, person_topics
from activity_recognition.ros.recognizing.people import recognises_people
from activity_recognition.sensors.cdr import TypeRegistry
from factories.networks import KEYED, TINY

pytestmark = [pytest.mark.ros, pytest.mark.filterwarnings("ignore:module 'sre_:DeprecationWarning")]

PLACES = {'a': 5, 'b': 40}


@pytest.fixture
def crowd(world):
    """A recogniser with a camera, and two people in its images."""
    return Crowd(world)


class Crowd:
    def __init__(self, world):
        from activity_recognition.msg import ActivityStamped

        self.world, self.here = world, ['a', 'b']
        self.said = world.hear('activities', ActivityStamped)
        self.node = world.recognize(people__source='detections')
        camera = world.camera()
        world.every(0.05, camera, self._image)

    @property
    def people(self):
        return self.node._session.active.people

    def _image(self):
        stamp_ns = self.world.now_ns()
        session = self.node._session
        if session is not None and session.active is not None:
            for body in self.here:
                self.tell(region(body, stamp_ns))
        return self.world.image(stamp_ns)

    def tell(self, news):
        self.people.tell(news)

    def of(self, subject):
        return [message for message in self.said if message.subject_id == subject]

    def until_seen(self, *subjects):
        """Wait until new messages come about some people that saw them."""
        before = len(self.said)
        self.world.spin_until(
            lambda: set(subjects) <= {m.subject_id for m in self.said[before:] if sees(m)}
        )

    def until_last_is_no_data(self, subject):
        self.world.spin_until(
            lambda: self.of(subject)[-1].status == self.of(subject)[-1].STATUS_NO_DATA
        )

    @property
    def streams(self):
        return self.node._session.engine.streams


def region(body, stamp_ns):
    left = PLACES[body]
    return PersonRegion(
        body=body, stamp_ns=stamp_ns, arrival_ns=stamp_ns, box=Box(left, 8, left + 15, 40)
    )


def sees(message):
    return any(item.modality == 'video' and item.present for item in message.evidence)


def test_the_end_of_recognising_is_no_data_of_everybody_and_the_engine_is_left_as_it_was(crowd):
    crowd.until_seen('a', 'b')
    world, node = crowd.world, crowd.node
    world.there(node.trigger_deactivate)
    for subject in 'ab':
        crowd.until_last_is_no_data(subject)
    assert crowd.streams == ('',)
    world.there(node.trigger_activate)
    crowd.until_seen('a', 'b')
    world.there(node.trigger_deactivate)
    world.there(node.trigger_cleanup)
    assert world.node.count_publishers(f'{world.namespace}/activities') == 0


def test_a_new_name_ends_the_old_one(crowd):
    crowd.until_seen('a', 'b')
    crowd.tell(Naming(person='ann', body='a'))
    crowd.until_seen('ann', 'b')
    crowd.until_last_is_no_data('a')
    assert {message.header.frame_id for message in crowd.of('ann')} == {'camera'}


def test_processing_is_that_of_the_same_decision_or_not_told(crowd, monkeypatch):
    crowd.until_seen('a', 'b')
    assert any(message.processing_s > 0 for message in crowd.of('a'))
    results = crowd.node._session.publishers[''].results
    monkeypatch.setattr(
        type(results), '_entry', property(lambda self: (1, 0.0), lambda *_: None), raising=False
    )
    before = len(crowd.said)
    crowd.world.spin_until(lambda: len(crowd.said) > before + 10)
    assert {message.processing_s for message in crowd.said[before + 4 :]} == {0.0}


def test_an_error_about_people_costs_them_alone(crowd, monkeypatch):
    crowd.until_seen('a', 'b')
    heard = crowd.world.activities()
    diagnoses = crowd.world.diagnoses()

    def fail(window):
        raise RuntimeError('a fault of the router')

    monkeypatch.setattr(crowd.people._router, 'step', fail)
    for subject in 'ab':
        crowd.until_last_is_no_data(subject)
    before = len(heard)
    crowd.world.spin_until(lambda: sum(sees(message) for message in heard[before:]) > 5)
    assert crowd.streams == ('',)
    crowd.world.spin_until(lambda: diagnoses.says('engine', 'a fault of the router'))
    monkeypatch.undo()
    crowd.until_seen('a', 'b')


def test_a_time_jump_ends_everybody(crowd):
    crowd.until_seen('a')
    tracks = set(crowd.streams)
    crowd.world.there(crowd.node._session.active._reset)
    crowd.until_seen('a', 'b')
    crowd.world.spin_until(lambda: not tracks & set(crowd.streams) - {''})


def test_a_node_that_nobody_tells_of_people_has_no_topic_of_theirs(world):
    node = world.recognize()
    camera = world.camera()
    heard = world.activities()
    world.every(0.05, camera, world.image)
    world.spin_until(lambda: sum(sees(message) for message in heard) > 10)
    assert world.node.count_publishers(f'{world.namespace}/activities') == 0
    names = {name for name, _ in node.get_topic_names_and_types()}
    assert not any('/humans/' in name or name.endswith('detections') for name in names)
    assert node._session.active.people.report() is None


class Source:
    """Something that says where people are, or does not."""

    topic = 'there'

    def __init__(self, node, config, *, registry, tell):
        self.counts = person_topics.TopicCounts()
        self.offered, self.looked, self.closed = False, 0, 0

    def is_offered(self):
        return self.offered

    def look(self):
        self.looked += 1

    def close(self):
        self.closed += 1


class TestSources:
    """Which of several is listened to."""

    @pytest.fixture
    def inputs(self, monkeypatch):
        monkeypatch.setattr(person_sources, 'SOURCES', {'humans': Source, 'detections': Source})

        def make(source='auto'):
            config = PeopleConfig(source=source)
            return person_sources.PersonInputs(None, config, registry=None, tell=None)

        return make

    def test_the_first_that_is_published_is_taken_and_stays(self, inputs):
        found = inputs()
        humans, detections = found._sources.values()
        assert (found.look(), found.chosen) == (False, '')
        assert humans.looked == detections.looked == 0
        detections.offered = True
        assert (found.look(), found.chosen) == (True, 'detections')
        humans.offered = True
        assert (found.look(), found.chosen) == (False, 'detections')

    def test_another_is_taken_when_it_ends(self, inputs):
        found = inputs()
        humans, detections = found._sources.values()
        humans.offered = detections.offered = True
        assert (found.look(), found.chosen) == (True, 'humans')
        humans.offered = detections.offered = False
        assert (found.look(), found.chosen) == (False, 'humans')
        assert humans.closed == 0
        detections.offered = True
        assert (found.look(), found.chosen) == (True, 'detections')
        assert (humans.closed, detections.looked) == (1, 1)

    def test_the_one_that_is_asked_for_is_waited_for(self, inputs):
        found = inputs('humans')
        assert (found.look(), found.chosen) == (True, 'humans')
        assert list(found._sources) == ['humans']


class Topic:
    """A topic of an id, of which one that is closed is open no more."""

    open = 0

    def __init__(self):
        Topic.open += 1

    def look(self):
        pass

    def close(self):
        Topic.open -= 1


class TestIds:
    @pytest.fixture
    def ids(self, monkeypatch):
        monkeypatch.setattr(Topic, 'open', 0)
        now = iter(range(10_000))
        monkeypatch.setattr(person_sources.time, 'monotonic', lambda: next(now) / 100)
        self.refused = []
        return person_sources._Ids(lambda name: [Topic()], self.refused.append)

    def test_a_flood_of_ids_opens_no_more_topics_than_people_are_followed(self, ids):
        for turn in range(20):
            ids.note([f'b{turn}_{number}' for number in range(256)])
            assert Topic.open == MOST_BODIES
        assert len(self.refused) == 20 * 256 - MOST_BODIES
        assert 'too many ids at once' in str(self.refused[0])

    def test_who_is_gone_makes_room(self, ids):
        ids.note([f'b{number}' for number in range(MOST_BODIES)])
        for _ in range(300):
            ids.note(['late'])
        assert Topic.open == MOST_BODIES
        gone = ids.look()
        assert len(gone) == MOST_BODIES
        ids.note(['late'])
        assert Topic.open == 1


class Silent:
    """A topic on which nothing comes."""

    def __init__(self, node, topic, *args, **options):
        self.topic = topic

    def open_at_once(self):
        pass

    def close(self):
        pass


def test_a_voice_that_goes_is_taken_back(world, monkeypatch):
    monkeypatch.setattr(person_sources, 'PersonTopic', Silent)
    told = []
    humans = person_sources.Humans(
        world.node, PeopleConfig(), registry=TypeRegistry(), tell=told.append
    )
    humans._take_body('ann', String(data='a'), 0)
    for voice in ('v1', 'v2', '', ''):
        humans._take_voice('ann', String(data=voice), 0)
    assert [(naming.body, naming.has_voice) for naming in told] == [
        ('a', False),
        ('a', True),
        ('a', True),
        ('a', False),
    ]


def test_a_subscription_that_fails_is_not_tried_at_every_look(world, monkeypatch):
    tried = []

    def missing(type_name):
        tried.append(type_name)
        raise ConfigError('install the package of std_msgs')

    monkeypatch.setattr(person_topics, 'message_class', missing)
    counts = person_topics.TopicCounts()
    topic = person_topics.PersonTopic(
        world.node,
        f'{world.namespace}/who',
        ('std_msgs/msg/String',),
        registry=TypeRegistry(),
        counts=counts,
        take=lambda *_: None,
    )
    world.node.create_publisher(String, f'{world.namespace}/who', 10)
    world.spin_until(topic.offered)
    for _ in range(20):
        topic.look()
    assert tried == ['std_msgs/msg/String']
    assert 'install the package' in counts.problems[topic.topic]
    topic._retry_s = 0.0
    topic.look()
    assert len(tried) == 2


def test_a_topic_that_tells_of_nobody_is_no_reason_to_advertise(world, monkeypatch):
    monkeypatch.setattr(person_sources, 'SOURCES', {'detections': Source})
    monkeypatch.setattr(Source, 'is_offered', lambda self: True)
    node = world.recognize()
    people = node._session.active.people
    camera, heard = world.camera(), world.activities()
    world.every(0.05, camera, world.image)
    world.spin_until(lambda: people._inputs.chosen and sum(map(sees, heard)) > 5)
    assert world.node.count_publishers(f'{world.namespace}/activities') == 0
    assert not people.report().is_wanted
    people.tell(region('a', world.now_ns()))
    world.spin_until(lambda: world.node.count_publishers(f'{world.namespace}/activities') == 1)
    assert people.report().is_wanted


def test_everybody_has_room_for_some_decisions():
    profile = activities_profile(3)
    assert (profile.depth, profile.reliability.name) == (12, 'RELIABLE')
    assert profile.durability.name == 'VOLATILE'


class TestSettings:
    @pytest.mark.parametrize('others', [{'streams': ('a', 'b')}, {'trace': 'file'}])
    def test_people_are_told_apart_in_one_stream_without_a_trace(self, others):
        assert RecognizerConfig(**others).people_source == 'none'
        with pytest.raises(ConfigError, match=r'people\.source: expected none together with'):
            RecognizerConfig(people=PeopleConfig(source='humans'), **others)

    def test_a_source_has_a_name(self):
        with pytest.raises(ConfigError, match=r"people\.source must be one of 'auto', 'humans'"):
            PeopleConfig(source='human')

    @pytest.mark.parametrize('name', ['', '/', 'a b', '/1st', 'a//b', '~/x', '/humans/<id>'])
    def test_topics_begin_with_what_a_topic_may_be_called(self, name):
        with pytest.raises(ConfigError, match=r'people\.humans: expected the beginning of a topic'):
            PeopleConfig(humans=name)
        for good in ('/humans', 'humans', '/robot_1/humans/'):
            assert PeopleConfig(humans=good).humans == good

    def test_networks_that_see_no_images_tell_nobody_apart(self):
        deaf_and_blind = dataclasses.replace(TINY, modalities=('audio', 'text'))
        asked = RecognizerConfig(people=PeopleConfig(source='detections'))
        assert recognises_people(RecognizerConfig(), TINY)
        assert recognises_people(asked, TINY)
        for model in (deaf_and_blind, KEYED):
            assert not recognises_people(RecognizerConfig(), model)
            with pytest.raises(ConfigError, match='needs a checkpoint that sees images'):
                recognises_people(asked, model)
