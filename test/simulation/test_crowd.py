"""Several people: scripts, voices and places of their own, and a tracker with faults."""

import dataclasses
import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from activity_recognition.simulation import SimulationConfig, simulate
from activity_recognition.simulation.crowd import SUBJECTS
from activity_recognition.simulation.poses import Pose
from activity_recognition.simulation.script import plan_script, with_absences
from activity_recognition.types import Frame, Modality, modality_of, seconds_between


def config_of(**changes):
    usual = {'seed': 4, 'duration_s': 60.0, 'frame_rate_hz': 5.0, 'people': 3, 'width_px': 160}
    return SimulationConfig(**{**usual, 'height_px': 90, **changes})


@pytest.fixture(scope='module')
def crowd():
    return simulate(config_of())


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 2**40), duration_s=st.floats(0.5, 400))
def test_absences_lie_between_activities_and_leave_no_holes(seed, duration_s):
    config = SimulationConfig(seed=seed, duration_s=duration_s)
    segments = with_absences(plan_script(config), config, np.random.default_rng(seed))
    assert segments[0].start_s == 0
    assert segments[-1].end_s == duration_s
    assert [segment.index for segment in segments] == list(range(len(segments)))
    for before, after in itertools.pairwise(segments):
        assert before.end_s == after.start_s
        assert not (before.is_away and after.is_away)
    assert not segments[0].is_away
    if duration_s > 90:
        assert any(segment.is_away for segment in segments)
    assert all(segment.end_s > segment.start_s for segment in segments)


@pytest.mark.parametrize('people', [2, 3, 4])
def test_everybody_has_a_script_looks_and_a_voice_of_their_own(people):
    simulation = simulate(config_of(people=people))
    members = simulation.members
    assert [member.subject for member in members] == list(SUBJECTS[:people])
    assert {span.subject for span in simulation.labels} == set(SUBJECTS[:people])
    scripts = {tuple((s.end_s, s.label) for s in member.segments) for member in members}
    assert len(scripts) == people
    assert len({member.actor.looks for member in members}) == people
    pitches = sorted(member.acoustics.pitch_hz for member in members)
    assert all(after - before > 8 for before, after in itertools.pairwise(pitches))
    for number, motion in ((0, 'sit'), (1, 'reach')):
        for place, member in enumerate(members):
            used = motion in {segment.activity.motion for segment in member.segments}
            assert place == number or not used, 'one chair, and one cupboard'


def test_labels_of_a_person_have_holes_where_the_person_is_away(crowd):
    for member in crowd.members:
        away = [segment for segment in member.segments if segment.is_away]
        own = [span for span in crowd.labels if span.subject == member.subject]
        assert len(away) + len(own) == len(member.segments)
        assert all(span.end_s <= a.start_s or span.start_s >= a.end_s for span in own for a in away)
    assert any(segment.is_away for member in crowd.members for segment in member.segments)


def test_who_is_away_is_out_of_the_image_and_comes_back(crowd):
    for member in crowd.members:
        for away in (segment for segment in member.segments if segment.is_away):
            middle_s = (away.start_s + away.end_s) / 2
            box = crowd.scene.box_of(member.actor, middle_s)
            assert box.right < 0 or box.left > crowd.config.width_px
            assert not [item for item in member.transcripts if item.spoken.segment == away.index]
    last = [member.actor.choreography.pose(59.0) for member in crowd.members]
    assert all(np.isfinite(pose).all() for pose in last)


def test_who_is_nearer_hides_others(crowd):
    """Painted alone, the nearer one has the same pixels as before the others."""
    scene, time_s = crowd.scene, 3.0
    members = sorted(crowd.members, key=lambda m: m.actor.choreography.pose(time_s)[Pose.Z])
    nearest = members[0].actor
    chest = middle_of(scene.box_of(nearest, time_s))
    alone = dataclasses.replace(scene, looks=nearest.looks)
    picture = scene.render(crowd.choreography, time_s, crowd.others)
    expected = alone.render(nearest.choreography, time_s)
    assert np.array_equal(picture[chest], expected[chest])
    for member in members[1:]:
        seen = middle_of(scene.box_of(member.actor, time_s))
        assert not np.array_equal(picture[seen], expected[seen]), member.subject


def middle_of(box):
    x, y = box.centre
    return int(y), int(x)


def test_the_sound_is_the_sum_of_what_everybody_makes(crowd):
    samples = [s for s in crowd.samples() if modality_of(s) == Modality.AUDIO]
    assert sum(len(s.samples) for s in samples) == crowd.config.sample_count
    mixed = np.concatenate([s.samples for s in samples])
    parts = [np.concatenate(list(member.sound.blocks())) for member in crowd.members]
    assert all(part.any() for part in parts)
    np.testing.assert_allclose(mixed, np.clip(np.sum(parts, axis=0), -1, 1), atol=1e-6)


def test_words_carry_the_voice(crowd):
    said = list(crowd.said())
    everything = {s.text for s in crowd.samples() if modality_of(s) == Modality.TEXT}
    assert {utterance.text for _, utterance in said} <= everything
    intents = {
        member.subject: [s for s in member.segments if s.activity.intent]
        for member in crowd.members
    }
    assert {subject for subject, _ in said} >= {s for s, spoken in intents.items() if spoken}
    arrivals = [utterance.arrival_ns for _, utterance in said]
    assert arrivals == sorted(arrivals)
    assert not [
        item for member in crowd.members for item in member.own_words if item.spoken.from_radio
    ]


def test_the_same_seed_gives_the_same_crowd():
    first, second = (simulate(config_of(duration_s=6.0)) for _ in range(2))
    assert list(first.sightings()) == list(second.sightings())
    one, other = (
        [s.image for s in sim.samples() if isinstance(s, Frame)] for sim in (first, second)
    )
    assert all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


# The tracker


def true_boxes(simulation, sighting):
    time_s = seconds_between(sighting.stamp_ns, simulation.config.start_ns)
    return {m.subject: simulation.scene.box_of(m.actor, time_s) for m in simulation.members}


def subject_of(region, boxes):
    """Return whose region it is, by where it is."""

    def far(name):
        inside = (
            max(boxes[name].left, 0),
            boxes[name].top,
            min(boxes[name].right, 160),
            boxes[name].bottom,
        )
        return sum(abs(a - b) for a, b in zip(region.box, inside, strict=True))

    return min(boxes, key=far)


def test_a_faultless_tracker_follows_everybody_under_one_id_while_in_sight():
    simulation = simulate(config_of(missed_regions=0.0, id_swaps=0.0))
    owners = {}
    for sighting in simulation.sightings():
        frame_ns = sighting.stamp_ns
        assert sighting.arrival_ns > frame_ns
        assert len({region.body for region in sighting.regions}) == len(sighting.regions)
        for person, body in sighting.bodies.items():
            if body:
                assert owners.setdefault(body, person) == person, 'a body is one person'
    assert set(owners.values()) == set(SUBJECTS[:3])
    # Who left and came back is another body.
    assert len(owners) > 3


def test_regions_and_images_have_the_same_stamps(crowd):
    frames = [s.stamp_ns for s in crowd.samples() if isinstance(s, Frame)]
    assert [s.stamp_ns for s in crowd.sightings()] == frames


def test_misses_are_the_share_that_is_asked_for():
    counts = {}
    for share in (0.0, 0.25, 1.0):
        simulation = simulate(config_of(missed_regions=share, id_swaps=0.0))
        counts[share] = sum(len(s.regions) for s in simulation.sightings())
    assert counts[1.0] == 0
    assert counts[0.25] / counts[0.0] == pytest.approx(0.75, abs=0.06)


def test_swapped_ids_pass_to_the_other_person_and_are_noticed_later():
    """Where every encounter swaps, bodies change their owners; names follow within two seconds."""
    simulation = simulate(config_of(missed_regions=0.0, id_swaps=1.0))
    owners, late_s, wrong_since = {}, [], {}
    for sighting in simulation.sightings():
        boxes = true_boxes(simulation, sighting)
        now_s = seconds_between(sighting.stamp_ns, simulation.config.start_ns)
        for region in sighting.regions:
            owners.setdefault(region.body, set()).add(subject_of(region, boxes))
        body_of = {subject_of(r, boxes): r.body for r in sighting.regions}
        for person, body in body_of.items():
            if sighting.bodies[person] in ('', body):
                wrong_since.pop(person, None)
            else:
                late_s.append(now_s - wrong_since.setdefault(person, now_s))
    assert any(len(names) > 1 for names in owners.values())
    assert late_s, 'somebody had the body of another one for a while'


@pytest.mark.parametrize(
    'wrong', [{'people': 0}, {'people': 5}, {'missed_regions': 1.5}, {'id_swaps': -0.1}]
)
def test_values_out_of_range_are_refused(wrong):
    from activity_recognition.errors import ConfigError

    [name] = wrong
    with pytest.raises(ConfigError, match=name):
        config_of(**wrong)
