"""Everybody's windows: who joins, who leaves, and that nobody ever gets another's history.

In the property test every true body has a level of its own, which it paints where it stands, so
that what a stream is given says whose it is. Trackers do what they do: ids swap, die, return and
jump, boxes are missed, and persons are given to other bodies.
"""

import dataclasses
import itertools
from collections import defaultdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from activity_recognition.keypoints.points import KeyPoints
from activity_recognition.persons import Box, Naming, PersonRegion, PersonRouter, Spoken
from activity_recognition.persons.crops import cut_out
from activity_recognition.persons.tracks import MOST_BODIES
from activity_recognition.types import DecisionTime, Frame, Utterance, Window, to_ns

PERIOD_NS = to_ns(1 / 30)
START_NS = to_ns(1_000.0)
WIDTH, HEIGHT = 1600, 120
PITCH, BODY_WIDTH = 400, 30
"""Bodies stand in lanes so far apart that an id which swaps lanes cannot have walked."""


def image_of(places):
    """Return an image with every body's level where it stands."""
    image = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    for level, x in places.items():
        image[20:100, x : x + BODY_WIDTH] = level
    return image


def region_of(body, x, index, **fields):
    stamp_ns = START_NS + index * PERIOD_NS
    box = Box(x, 20, x + BODY_WIDTH, 100)
    return PersonRegion(body=body, stamp_ns=stamp_ns, arrival_ns=stamp_ns, box=box, **fields)


def window_of(index, image=None, *, decides=True, said=(), reset=False):
    stamp_ns = START_NS + index * PERIOD_NS
    samples = list(said)
    if image is not None:
        samples.insert(0, Frame(stamp_ns=stamp_ns, arrival_ns=stamp_ns, image=image))
    decision = DecisionTime(stamp_ns, stamp_ns) if decides else None
    return Window(reset=reset, samples=tuple(samples), decision=decision)


def level_in(frame):
    """Return the level of the body that a frame's crop shows; its middle says whose it is."""
    part = cut_out(frame.image, frame.crop)
    middle = part.shape[0] // 2
    return int(part[middle, middle, 0])


class Room:
    """A router, and what it said."""

    def __init__(self, most=4):
        self.router = PersonRouter(most=most)
        self.index = 0
        self.subject_of, self.body_of = {}, {}
        self.levels = defaultdict(list)
        self.left = []

    def step(self, places=None, news=(), **options):
        """Take one image and what a tracker says of it; return what is routed."""
        for item in news:
            self.router.tell(item)
        image = None if places is None else image_of(places)
        routed = self.router.step(window_of(self.index, image, **options))
        self.index += 1
        self._check(routed)
        return routed

    def _check(self, routed):
        for track in routed.left:
            assert self.subject_of.pop(track.stream) == track.heard_as
            self.left.append(track.heard_as)
        for before, track in routed.renamed:
            assert self.subject_of[track.stream] == before != track.heard_as
            self.subject_of[track.stream] = track.heard_as
        for track in routed.joined:
            assert track.stream not in self.body_of, 'a name of a stream is used once'
            self.subject_of[track.stream] = track.heard_as
            self.body_of[track.stream] = track.body
        assert routed.windows.keys() <= self.subject_of.keys()
        assert len(set(self.subject_of.values())) == len(self.subject_of), 'one subject, one stream'
        assert sorted(self.subject_of.values()) == sorted(self.router.attendance.recognised)
        for stream, window in routed.windows.items():
            assert not window.reset
            for sample in window.samples:
                if isinstance(sample, Frame):
                    self.levels[stream].append(level_in(sample))

    def see(self, index, *bodies):
        """Return regions of bodies (id, x) in the image of an index."""
        return [region_of(body, x, index) for body, x in bodies]


def test_somebody_joins_with_a_region_is_cropped_and_decided_with_the_scene():
    room = Room()
    routed = room.step({7: 100}, room.see(0, ('b', 100)))
    assert [track.subject for track in routed.joined] == ['b']
    (window,) = routed.windows.values()
    assert window.decision == DecisionTime(START_NS, START_NS)
    assert [level_in(frame) for frame in window.samples] == [7]
    assert room.router.attendance.recognised == ('b',)


def test_nobody_joins_before_an_image_shows_them():
    room = Room()
    assert not room.step(None, room.see(0, ('b', 100))).joined
    room.index = 20
    assert not room.step({7: 100}).joined  # the region is too old by now
    assert room.router.attendance.unmatched == ('b',)
    assert room.step({7: 100}, room.see(21, ('b', 100))).joined


def test_nobody_is_nothing():
    room = Room()
    assert room.router.is_idle
    assert not room.step({7: 100}).windows


def test_an_image_without_a_region_soon_enough_is_not_shown():
    room = Room()
    room.step({7: 100}, room.see(0, ('b', 100)))
    frames = [
        len(window.samples) for _ in range(12) for window in room.step({7: 100}).windows.values()
    ]
    assert frames == [1] * 9 + [0] * 3
    assert room.router.attendance.unmatched == ('b',)


def test_gone_for_less_than_a_second_stays_and_for_more_begins_anew():
    room = Room()
    first = room.step({7: 100}, room.see(0, ('b', 100))).joined[0]
    for _ in range(28):
        assert not room.step({7: 100}).left
    assert not room.step({7: 100}, room.see(29, ('b', 100))).left
    routed = [room.step({7: 100}) for _ in range(31)]
    assert [track for r in routed for track in r.left] == [first]
    assert room.router.attendance.recognised == ()
    again = room.step({7: 100}, room.see(room.index, ('b', 100))).joined
    assert [track.subject for track in again] == ['b']
    assert again[0].stream != first.stream


def test_images_may_come_long_after_what_is_said_of_them():
    room, behind = Room(), 47  # 1.55 s
    for index in range(behind):
        room.router.tell(region_of('b', 100, index))
    joined = []
    for index in range(200):
        news = room.see(index + behind, ('b', 100))
        routed = room.step({7: 100}, news)
        assert not routed.left
        joined += routed.joined
    assert [track.subject for track in joined] == ['b']
    assert room.levels[joined[0].stream] == [7] * 200


def test_images_that_fall_behind_end_nobody():
    room = Room()
    told = 0
    for step in range(150):
        while told <= min(2 * step, step + 47):
            room.router.tell(region_of('b', 100, told))
            told += 1
        assert not room.step({7: 100}).left
    assert len(room.levels) == 1


def test_regions_of_another_clock_are_of_nobody():
    room = Room()
    room.step({7: 100}, room.see(0, ('b', 100)))
    room.step({7: 100}, room.see(300, ('b', 100)))
    assert room.router.attendance.recognised == ()
    assert not room.router.attendance.unmatched


def test_who_is_gone_leaves_while_no_image_comes():
    room = Room()
    room.step({7: 100}, room.see(0, ('b', 100)))
    left = [track for _ in range(32) for track in room.step().left]
    assert [track.subject for track in left] == ['b']


def test_a_time_jump_ends_everybody():
    room = Room()
    room.step({7: 100}, room.see(0, ('b', 100)))
    room.index = -300
    routed = room.step({7: 100}, room.see(-300, ('b', 100)), reset=True)
    assert len(routed.left) == len(routed.joined) == 1


def test_two_who_swap_ids_begin_anew():
    room = Room()
    for _ in range(3):
        room.step({1: 100, 2: 400}, room.see(room.index, ('a', 100), ('b', 400)))
    routed = room.step({1: 100, 2: 400}, room.see(room.index, ('b', 100), ('a', 400)))
    assert {t.subject for t in routed.left} == {t.subject for t in routed.joined} == {'a', 'b'}


class TestNames:
    def test_a_body_that_gets_its_first_name_goes_on(self):
        room = Room()
        track = room.step({7: 100}, room.see(0, ('b', 100))).joined[0]
        routed = room.step({7: 100}, [Naming(person='p', body='b')])
        assert routed.renamed == [('b', track)]
        assert not routed.left
        assert track.subject == 'p'

    def test_a_person_who_jumps_to_another_body_begins_anew_there(self):
        room = Room()
        bodies = room.see(0, ('b', 100), ('c', 400))
        room.step({1: 100, 2: 400}, [*bodies, Naming(person='p', body='b')])
        routed = room.step({1: 100, 2: 400}, [Naming(person='p', body='c')])
        assert sorted(track.subject for track in routed.left) == ['c', 'p']
        assert sorted(track.subject for track in routed.joined) == ['b', 'p']
        assert next(t.body for t in routed.joined if t.subject == 'p') == 'c'

    def test_a_body_that_is_given_to_another_person_begins_anew(self):
        room = Room()
        room.step({1: 100}, [*room.see(0, ('b', 100)), Naming(person='p', body='b')])
        routed = room.step({1: 100}, [Naming(person='q', body='b')])
        assert [track.subject for track in routed.left] == ['p']
        assert [track.subject for track in routed.joined] == ['q']

    def test_who_gets_a_name_and_leaves_in_one_step_ends_as_who_it_was(self):
        room = Room()
        room.step({1: 100}, room.see(0, ('b', 100)))
        room.index += 60
        routed = room.step({1: 100}, [Naming(person='p', body='b')])
        assert [track.heard_as for track in routed.left] == ['b']
        assert not routed.renamed

    def test_a_name_that_is_taken_back_at_once_ends_who_it_was(self):
        room = Room()
        room.step({1: 100}, room.see(0, ('b', 100)))
        room.router.tell(Naming(person='p', body='b'))
        room.step()
        routed = room.step({1: 100}, [Naming(person='p', body='')])
        assert [track.heard_as for track in routed.left] == ['p']
        assert [track.subject for track in routed.joined] == ['b']

    def test_a_person_called_as_its_body_is_nobody_else(self):
        room = Room()
        room.step({1: 100}, room.see(0, ('b', 100)))
        routed = room.step({1: 100}, [Naming(person='b', body='b')])
        assert not routed.renamed
        assert not routed.left

    def test_a_body_with_the_id_of_another_bodys_person_has_a_subject_of_its_own(self):
        room = Room()
        bodies = (('a', 100), ('b', 500))
        room.step({1: 100, 2: 500}, room.see(0, *bodies))
        named = Naming(person='b', body='a')
        routed = room.step({1: 100, 2: 500}, [named, *room.see(1, *bodies)])
        renamed = {before: track.heard_as for before, track in routed.renamed}
        assert renamed == {'a': 'b', 'b': 'body_b'}
        assert not routed.left
        unnamed = Naming(person='b', body='')
        room.step({1: 100, 2: 500}, [unnamed, *room.see(2, *bodies)])
        assert sorted(room.router.attendance.recognised) == ['a', 'b']

    def test_of_two_names_in_one_step_nobody_heard_the_first(self):
        room = Room()
        room.step({1: 100}, room.see(0, ('b', 100)))
        names = [Naming(person=person, body='b') for person in 'pq']
        routed = room.step({1: 100}, names)
        assert [track.heard_as for track in routed.left] == ['b']
        assert [track.subject for track in routed.joined] == ['q']

    def test_a_name_before_its_body_counts(self):
        room = Room()
        room.step({1: 100}, [Naming(person='p', body='b')])
        assert room.step({1: 100}, room.see(1, ('b', 100))).joined[0].subject == 'p'

    def test_a_person_without_a_body_is_its_body_again(self):
        room = Room()
        room.step({1: 100}, [*room.see(0, ('b', 100)), Naming(person='p', body='b')])
        routed = room.step({1: 100}, [Naming(person='p', body='')])
        assert [track.subject for track in routed.joined] == ['b']


class TestFloods:
    def test_a_name_is_kept_while_no_image_comes(self):
        room = Room()
        room.router.tell(Naming(person='ann', body='x'))
        for index in range(3000):
            for news in room.see(index, ('x', 100), ('y', 500)):
                room.router.tell(news)
        room.index = 2999
        routed = room.step({1: 100, 2: 500})
        assert {track.subject for track in routed.joined} == {'ann', 'y'}
        assert room.router.attendance.overflowed == 6000 - 4096

    def test_the_newest_name_counts_and_stays_after_an_error(self):
        room = Room()
        for body in ('b', ''):
            room.router.tell(Naming(person='p', body=body))
        room.router.tell(Naming(person='q', body='b'))
        assert room.router.end() == []
        assert not room.router.is_idle
        assert room.step({1: 100}, room.see(0, ('b', 100))).joined[0].subject == 'q'

    def test_a_voice_that_is_lost_again_is_not_had(self):
        room = Room()
        for has_voice in (True, False):
            room.router.tell(Naming(person='p', body='b', has_voice=has_voice))
        (track,) = room.step({1: 100}, room.see(0, ('b', 100))).joined
        assert not track.has_voice

    def test_more_names_than_there_can_be_are_bounded(self):
        room = Room()
        for number in range(5000):
            room.router.tell(Naming(person=f'p{number}', body=f'b{number}'))
        room.step({1: 100}, room.see(0, ('b4999', 100), ('b0', 500)))
        assert room.router.attendance.overflowed == 5000 - 4096
        assert set(room.router.attendance.recognised) == {'p4999', 'b0'}

    def test_more_bodies_than_are_followed_are_told(self):
        room = Room()
        bodies = [(f'b{number}', number) for number in range(MOST_BODIES + 7)]
        room.step({1: 100}, room.see(0, *bodies))
        assert room.router.attendance.not_followed == 7
        assert len(room.router.attendance.recognised) == 4


class TestWords:
    def said(self, text, index):
        stamp_ns = START_NS + index * PERIOD_NS
        return Utterance(stamp_ns=stamp_ns, arrival_ns=stamp_ns, text=text)

    def test_words_go_to_the_person_who_has_the_voice(self):
        room = Room()
        names = [
            Naming(person=p, body=b, has_voice=v)
            for p, b, v in (('p', 'b', True), ('q', 'c', False))
        ]
        routed = room.step({1: 100, 2: 400}, [*names, *room.see(0, ('b', 100), ('c', 400))])
        assert {t.subject: t.has_voice for t in routed.joined} == {'p': True, 'q': False}
        words = [
            Spoken('p', self.said('hello', 1)),
            Spoken('q', self.said('no', 1)),
            Spoken('r', self.said('?', 1)),
        ]
        routed = room.step({1: 100, 2: 400}, words)
        texts = {
            room.subject_of[name]: [s.text for s in window.samples if isinstance(s, Utterance)]
            for name, window in routed.windows.items()
        }
        assert texts == {'p': ['hello'], 'q': []}

    def test_words_wait_for_a_decision_that_may_know_them(self):
        room = Room()
        room.step(
            {1: 100}, [Naming(person='p', body='b', has_voice=True), *room.see(0, ('b', 100))]
        )
        later = room.step({1: 100}, [Spoken('p', self.said('hello', 2))])
        assert [len(window.samples) for window in later.windows.values()] == [1]
        assert [len(w.samples) for w in room.step({1: 100}).windows.values()] == [2]

    def words_of(self, room, routed):
        return {
            room.subject_of[name]: [s.text for s in window.samples if isinstance(s, Utterance)]
            for name, window in routed.windows.items()
        }

    def test_visitors_without_end_are_heard_each(self):
        room = Room()
        for number in range(300):
            person, body, at = f'p{number}', f'b{number}', room.index
            naming = Naming(person=person, body=body, has_voice=True)
            room.step({1: 100}, [naming, *room.see(at, (body, 100))])
            routed = room.step({1: 100}, [Spoken(person, self.said('hello', at + 1))])
            assert self.words_of(room, routed) == {person: ['hello']}, number
            room.router.tell(Naming(person=person, body=''))
            room.index += 60

    def test_who_stays_keeps_name_and_words_while_hundreds_pass(self):
        room = Room()
        owner = Naming(person='owner', body='o', has_voice=True)
        room.step({1: 100}, [owner, *room.see(0, ('o', 100))])
        for number in range(600):
            visitor = Naming(person=f'p{number}', body=f'b{number}')
            said = Spoken('owner', self.said('hello', room.index))
            routed = room.step({1: 100}, [visitor, said, *room.see(room.index, ('o', 100))])
            assert self.words_of(room, routed) == {'owner': ['hello']}, number

    def test_a_body_has_one_name_however_many_were_told(self):
        room = Room()
        room.step({1: 100}, [*room.see(0, ('x0', 100)), Naming(person='p0', body='x0')])
        for number in range(1, 400):
            room.router.tell(Naming(person=f'p{number}', body=f'y{number}'))
        room.step({1: 100}, room.see(1, ('x0', 100)))
        news = [*room.see(2, ('x0', 100), ('x1', 500)), Naming(person='p0', body='x1')]
        room.step({1: 100, 2: 500}, news)
        assert sorted(room.router.attendance.recognised) == ['p0', 'x0']

    def test_who_loses_its_voice_hears_with_the_scene_again(self):
        room = Room()
        named = Naming(person='p', body='b', has_voice=True)
        first = room.step({1: 100}, [named, *room.see(0, ('b', 100))]).joined[0]
        routed = room.step({1: 100}, [dataclasses.replace(named, has_voice=False)])
        assert routed.left == [first]
        assert [(t.subject, t.has_voice) for t in routed.joined] == [('p', False)]
        assert not room.step({1: 100}, [dataclasses.replace(named, has_voice=False)]).left
        assert room.step({1: 100}, [named]).voiced[0].subject == 'p'

    def test_what_is_said_while_somebody_is_left_out_is_not_kept(self):
        room = Room(most=1)
        small = Naming(person='small', body='b', has_voice=True)
        for index in range(100):
            large = dataclasses.replace(region_of('c', 500, index), box=Box(500, 0, 530, 120))
            said = Spoken('small', self.said(str(index), index))
            room.step({1: 100, 2: 500}, [small, large, *room.see(index, ('b', 100)), said])
        assert room.router.attendance.left_out == ('small',)
        routed = room.step({1: 100}, room.see(room.index, ('b', 100)))
        while not routed.joined:
            routed = room.step({1: 100}, room.see(room.index, ('b', 100)))
        assert self.words_of(room, routed) == {'small': []}
        said = Spoken('small', self.said('now', room.index))
        routed = room.step({1: 100}, [said, *room.see(room.index, ('b', 100))])
        assert [s for window in routed.windows.values() for s in window.samples][1:] == [
            said.utterance
        ]

    def test_a_voice_that_is_found_later_is_said(self):
        room = Room()
        room.step({1: 100}, [Naming(person='p', body='b'), *room.see(0, ('b', 100))])
        routed = room.step({1: 100}, [Naming(person='p', body='b', has_voice=True)])
        assert [track.subject for track in routed.voiced] == ['p']


def test_more_people_than_places_are_left_out_and_told():
    room = Room(most=2)
    sizes = {'a': 10, 'b': 20, 'c': 30}

    def news(index):
        return [
            dataclasses.replace(region_of(body, 100, index), box=Box(100, 0, 110, 50 + size))
            for body, size in sizes.items()
        ]

    room.step({1: 100}, news(0))
    assert set(room.router.attendance.recognised) == {'b', 'c'}
    assert room.router.attendance.left_out == ('a',)
    sizes['a'] = 100
    routed = room.step({1: 100}, news(1))
    assert [track.subject for track in routed.left] == ['b']
    assert [track.subject for track in routed.joined] == ['a']
    assert room.router.attendance.left_out == ('b',)


def test_a_slow_machine_shows_each_image_to_some_in_turn():
    room = Room(most=4)
    room.router.note_cost(1, 0.02)
    bodies = [(f'b{n}', 150 * n) for n in range(4)]
    shown = defaultdict(int)
    for index in range(40):
        routed = room.step({n + 1: 150 * n for n in range(4)}, room.see(index, *bodies))
        assert routed.num_frames == 2
        assert len(routed.windows) == 4
        for name, window in routed.windows.items():
            shown[name] += len(window.samples)
    assert set(shown.values()) == {20}
    assert room.router.attendance.places == 2


def test_of_images_that_wait_the_newest_is_shown():
    room = Room()
    frames = [window_of(index, image_of({index + 1: 100})).samples[0] for index in range(3)]
    for news in room.see(0, ('b', 100)):
        room.router.tell(news)
    (window,) = room.router.step(Window(samples=tuple(frames))).windows.values()
    assert [level_in(frame) for frame in window.samples] == [3]


class Tracker:
    """Says of true bodies where they are, under ids that it mixes up."""

    def __init__(self, num_bodies):
        self.id_of = {level: f'b{level}' for level in range(1, num_bodies + 1)}
        self.next_id = itertools.count(100)

    def act(self, act, first, second):
        ids = self.id_of
        if act == 'swap':
            ids[first], ids[second] = ids[second], ids[first]
        elif act == 'die':
            ids[first] = None
        elif act == 'return':
            ids[first] = f'b{first}'
            for other in ids:
                if other != first and ids[other] == ids[first]:
                    ids[other] = None
        elif act == 'jump':
            ids[second], ids[first] = ids[first], None
        elif act == 'new':
            ids[first] = f'b{next(self.next_id)}'

    def regions(self, places, index, missed):
        return [
            region_of(body, places[level], index)
            for level, body in self.id_of.items()
            if body is not None and level not in missed
        ]


LEVELS = st.integers(1, 4)
ACTS = st.tuples(
    st.integers(1, 45),
    st.sampled_from(['swap', 'die', 'return', 'jump', 'new', 'name', 'unname', 'nothing']),
    LEVELS,
    LEVELS,
    st.sets(LEVELS, max_size=2),
)


@given(st.lists(ACTS, min_size=1, max_size=12), st.integers(1, 4), st.booleans())
@settings(max_examples=150, deadline=None)
def test_no_stream_ever_shows_two_people(acts, most, is_slow):
    """Nor has a subject a stream that began with somebody else under that name."""
    room, tracker = Room(most=most), Tracker(4)
    if is_slow:
        room.router.note_cost(1, 0.03)
    lanes = dict(zip(range(1, 5), range(4), strict=True))
    for steps, act, first, second, missed in acts:
        news = []
        if act == 'name' and tracker.id_of[second]:
            news = [Naming(person=f'p{first}', body=tracker.id_of[second])]
        elif act == 'unname':
            news = [Naming(person=f'p{first}', body='')]
        else:
            tracker.act(act, first, second)
        for step in range(steps):
            # They walk to and fro in their lanes.
            places = {
                level: PITCH * lane + abs((room.index + 9 * lane) % 120 - 60)
                for level, lane in lanes.items()
            }
            seen = tracker.regions(places, room.index, missed if step % 3 else ())
            room.step(places, [*news, *seen])
            news = []
    for stream, levels in room.levels.items():
        assert len(set(levels)) == 1, f'{stream} of {room.body_of[stream]} shows {set(levels)}'
        assert levels[0] != 0


class TestWhoseImages:
    """A region is a part of the images of one camera, and of no drawing."""

    def shown(self, room, **fields):
        frame = dataclasses.replace(window_of(0, image_of({7: 100})).samples[0], **fields)
        return room.router.step(Window(samples=(frame,)))

    @pytest.mark.parametrize(
        ('images', 'regions', 'is_theirs'),
        [
            ('front', 'rear', False),
            ('front', 'front', True),
            ('front', '/front', True),
            ('front', '', True),
            ('', 'rear', True),
        ],
    )
    def test_regions_of_another_camera_are_nobody_here(self, images, regions, is_theirs):
        room = Room()
        for _ in range(2):
            room.router.tell(region_of('b', 100, 0, camera=regions))
            routed = self.shown(room, frame_id=images)
            there = room.router.attendance
            assert there.recognised == (('b',) if is_theirs else ())
        assert len(routed.windows) == (1 if is_theirs else 0)
        assert there.other_cameras == ({} if is_theirs else {'rear': 2})
        assert (there.camera, there.has_own_regions) == (images, is_theirs)

    def test_what_is_told_before_the_first_image_is_judged_by_it(self):
        room = Room()
        room.router.tell(region_of('b', 100, 0, camera='rear'))
        room.router.step(window_of(0))
        assert not self.shown(room, frame_id='front').joined
        assert not room.router.attendance.has_own_regions

    def test_two_cameras_with_the_same_ids_do_not_end_each_others_tracks(self):
        room = Room()
        self.shown(room, frame_id='front')
        room.router.tell(region_of('1', 100, 0, camera='front'))
        room.router.tell(region_of('1', 900, 0, camera='rear'))
        first = self.shown(room, frame_id='front')
        room.router.tell(region_of('1', 100, 0, camera='front'))
        room.router.tell(region_of('1', 900, 0, camera='rear'))
        second = self.shown(room, frame_id='front')
        assert [track.subject for track in first.joined] == ['1']
        assert not second.left

    def test_nobody_is_a_part_of_a_drawing_of_key_points(self):
        room = Room()
        points = KeyPoints.of(('nose', 'left_hip'), np.ones((2, 2)), None, (WIDTH, HEIGHT))
        for body, x in (('a', 100), ('b', 900)):
            room.router.tell(region_of(body, x, 0))
        assert not self.shown(room, key_points=points).windows
        assert room.router.attendance.is_drawn
        assert {t.subject for t in self.shown(room).joined} == {'a', 'b'}
        assert not room.router.attendance.is_drawn
