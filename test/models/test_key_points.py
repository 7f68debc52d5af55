"""A network that takes key points: what its features are a function of, and of what not."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from activity_recognition.config import VideoConfig
from activity_recognition.errors import ConfigError, ShapeError
from activity_recognition.keypoints import KeyPoints, joint_array
from activity_recognition.models.attention import AgeBias, age_knots
from activity_recognition.models.encoders.video import VideoTransformer
from activity_recognition.models.key_points import (
    JointDistances,
    KeyPointMotion,
    OwnMeasures,
)
from activity_recognition.models.motion import LONGEST, MotionState
from activity_recognition.models.steps import Steps
from activity_recognition.types import to_ns
from factories.batches import random_batch
from factories.bodies import STANDING, body
from factories.networks import DETAILED, KEYED, TINY, make_system

JOINTS = KEYED.video.joints
SPAN_S = KEYED.video.motion_span_s


@pytest.fixture
def motion() -> KeyPointMotion:
    torch.manual_seed(0)
    return KeyPointMotion(KEYED).double().eval()


@pytest.fixture
def posture():
    return make_system(KEYED, dtype=torch.float64).video_encoder.frame_encoder


def numbers(points: KeyPoints) -> torch.Tensor:
    return torch.from_numpy(joint_array(points, JOINTS))


def standing(scale: float = 1.0, shift: tuple[float, float] = (0, 0), **changes) -> torch.Tensor:
    places = {name: np.array(place) * scale + shift for name, place in STANDING.items()}
    places |= {name: np.array(place) * scale + shift for name, place in changes.items()}
    return numbers(KeyPoints.of(tuple(places), list(places.values()), None, (1280, 960)))


def encode(motion, bodies, times_s, mask=None):
    stamps = torch.tensor([[to_ns(t) for t in times_s]])
    there = torch.ones(stamps.shape, dtype=torch.bool) if mask is None else torch.tensor([mask])
    return motion(torch.stack(bodies)[None], stamps, there)


class TestPosture:
    def test_it_does_not_depend_on_place_and_distance(self, posture):
        tokens = posture(torch.stack([standing(), standing(2.0), standing(0.5, (300, 200))]))
        torch.testing.assert_close(tokens, tokens[:1].expand(3, -1), atol=1e-5, rtol=1e-5)

    def test_an_arm_changes_it(self, posture):
        tokens = posture(torch.stack([standing(), standing(left_wrist=(240, 20))]))
        assert (tokens[0] - tokens[1]).abs().max() > 1e-2

    def test_what_a_missing_joint_would_be_does_not_count(self, posture):
        points = standing()
        points[9, 2] = 0.0
        elsewhere = points.clone()
        elsewhere[9, :2] = 3.0
        tokens = posture(torch.stack([points, elsewhere]))
        torch.testing.assert_close(tokens[0], tokens[1])

    def test_nobody_and_one_joint_have_tokens(self, posture):
        points = torch.zeros(2, len(JOINTS), 3)
        points[1, 3] = torch.tensor([0.2, -0.1, 1.0])
        tokens = posture(points)
        assert tokens.isfinite().all()
        assert (tokens[0] - tokens[1]).abs().max() > 1e-4


SIZED = dataclasses.replace(KEYED, video=dataclasses.replace(KEYED.video, body_size=True))


class TestSize:
    @pytest.fixture
    def sized(self):
        return make_system(SIZED, dtype=torch.float64).video_encoder.frame_encoder

    @pytest.mark.parametrize('other', [standing(2.0), standing(1.0, (300, 200))], ids=str)
    def test_distance_and_place_change_it(self, sized, other):
        tokens = sized(torch.stack([standing(), other]))
        assert (tokens[0] - tokens[1]).abs().max() > 1e-2

    def test_nobody_is_nowhere(self, sized):
        points = torch.zeros(2, len(JOINTS), 3)
        points[1, :, :2] = 0.3  # without a score
        tokens = sized(points)
        assert tokens.isfinite().all()
        torch.testing.assert_close(tokens[0], tokens[1])

    def test_every_weight_has_a_gradient(self, sized):
        sized(torch.stack([standing(), standing(2.0)])).square().sum().backward()
        assert all(weight.grad.abs().sum() > 0 for weight in sized.parameters())

    @pytest.mark.parametrize('name', ['body_size', 'joint_distances', 'slow_motion'])
    def test_it_is_of_key_points(self, name):
        with pytest.raises(ConfigError, match=rf'video\.{name}: expected video\.key_points'):
            dataclasses.replace(TINY.video, **{name: True})


class TestDistances:
    @pytest.fixture
    def distances(self):
        measures, seen = OwnMeasures(JOINTS), JointDistances(len(JOINTS))
        return lambda *points: seen(measures(torch.stack(points).double())).squeeze(-1)

    def test_they_are_those_between_any_two_joints_by_the_trunk(self, distances):
        (found,) = distances(standing())
        names = list(JOINTS)
        pairs = [(a, b) for place, a in enumerate(names) for b in names[place + 1 :]]
        there = [pair for pair in pairs if set(pair) <= set(STANDING)]
        by_trunk = {
            pair: np.linalg.norm(np.subtract(STANDING[pair[0]], STANDING[pair[1]]))
            for pair in there
        }
        shown = {pair: float(found[pairs.index(pair)]) for pair in there}
        one, other = ('left_shoulder', 'left_ankle'), ('left_hip', 'right_knee')
        assert shown[one] / shown[other] == pytest.approx(by_trunk[one] / by_trunk[other], rel=1e-3)
        assert all((found[pairs.index(pair)] == 0) == (pair not in there) for pair in pairs)

    def test_a_mirror_and_a_turn_in_the_image_leave_them(self, distances):
        turned = standing()
        turned[:, :2] = turned[:, [1, 0]]
        found, other = distances(standing(), turned)
        torch.testing.assert_close(found, other, atol=1e-6, rtol=1e-5)


class TestMeasures:
    def test_the_middle_is_between_the_hips_and_the_size_that_of_the_trunk(self):
        found = OwnMeasures(JOINTS)(numbers(body())[None])
        hips_px, neck_px = np.array([160, 130]), np.array([160, 70])
        middle = (hips_px + 0.5 - [160, 120]) / 320
        np.testing.assert_allclose(found.middle[0, 0], middle, atol=1e-6)
        np.testing.assert_allclose(found.size[0], (hips_px - neck_px)[1] / 320, atol=1e-6)
        ankle = (np.array(STANDING['left_ankle']) - hips_px) / 60
        np.testing.assert_allclose(found.joints[0, JOINTS.index('left_ankle')], ankle, atol=1e-5)

    def test_without_hips_all_joints_say_where_it_is(self):
        found = OwnMeasures(JOINTS)(numbers(body(left_hip=None, right_hip=None))[None])
        there = [place for name, place in STANDING.items() if 'hip' not in name]
        middle = (np.mean(there, axis=0) + 0.5 - [160, 120]) / 320
        np.testing.assert_allclose(found.middle[0, 0], middle, atol=1e-6)


class TestMotion:
    def test_who_stands_still_is_like_nobody_to_compare_with(self, motion):
        tokens = encode(motion, [standing()] * 3, (0.0, 0.3, 0.6))
        torch.testing.assert_close(tokens, tokens[:1].expand(3, -1))

    def test_a_body_that_moves_as_a_whole_is_seen(self, motion):
        still = encode(motion, [standing()] * 2, (0.0, 0.3))
        walked = encode(motion, [standing(), standing(shift=(80, 0))], (0.0, 0.3))
        nearer = encode(motion, [standing(), standing(1.3)], (0.0, 0.3))
        for moved in (walked, nearer):
            assert (moved[1] - still[1]).abs().max() > 1e-2

    def test_the_rate_does_not_matter(self, motion):
        """A steady walk, later than the longest comparison reaches back."""

        def walk(rate_hz):
            times = [index / rate_hz for index in range(2 * rate_hz + 1)]
            return encode(motion, [standing(shift=(100 * t, 0)) for t in times], times)[-1]

        torch.testing.assert_close(walk(10), walk(30), atol=1e-4, rtol=1e-4)

    def test_nobody_moves_after_a_long_pause(self, motion):
        pause_s = SPAN_S * LONGEST
        bodies = [standing(), standing(left_wrist=(240, 20), shift=(50, 0))]
        seen = encode(motion, bodies, (0.0, pause_s))
        unseen = encode(motion, bodies, (0.0, pause_s + 1e-3))
        assert not torch.allclose(seen[0], seen[1])
        torch.testing.assert_close(unseen[0], unseen[1])

    def test_a_joint_that_appears_does_not_move(self, motion):
        hidden = standing()
        hidden[9] = 0.0
        tokens = encode(motion, [hidden, standing()], (0.0, 0.3))
        torch.testing.assert_close(tokens[0], tokens[1], atol=1e-5, rtol=1e-5)

    def test_what_happened_before_the_frame_compared_with_is_seen_with_slow_motion(self):
        raised = standing(left_wrist=(240, 20))
        for config, is_seen in ((KEYED, False), (DETAILED, True)):
            torch.manual_seed(0)
            motion = KeyPointMotion(config).double().eval()
            # The wrist rose before the frame compared with.
            rose = encode(motion, [standing(), raised, raised], (0.0, 0.3, 0.6))[-1]
            stayed = encode(motion, [raised] * 3, (0.0, 0.3, 0.6))[-1]
            assert (not torch.allclose(rose, stayed, atol=1e-4)) == is_seen

    def test_padding_is_left_out_and_compared_with_nothing(self, motion):
        bodies = [standing(), standing(shift=(60, 0)), standing(3.0), standing(3.0)]
        alone = encode(motion, bodies[:2], (1.0, 1.3))
        padded = encode(motion, bodies, (1.0, 1.3, 0.0, 0.0), [True, True, False, False])
        torch.testing.assert_close(alone, padded)

    def test_a_stream_keeps_no_more_than_it_may_need(self, motion):
        state = MotionState()
        for index in range(100):
            motion.compared([standing().numpy()], [to_ns(index / 10)], [state])
        assert len(state.frames) == round(SPAN_S * LONGEST * 10) + 1


class TestNetwork:
    @pytest.mark.parametrize('config', [KEYED, DETAILED], ids=['usual', 'detailed'])
    def test_every_weight_learns(self, config):
        video = make_system(config).train().video_encoder
        frames = torch.stack([standing(shift=(20 * i, 5 * i)) for i in range(4)])[None]
        stamps = torch.arange(4)[None] * to_ns(0.25)
        video(frames, stamps, torch.ones(1, 4, dtype=torch.bool)).pow(2).sum().backward()
        for part in (video.frame_encoder, video.motion):
            assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in part.parameters())

    def test_pixels_are_refused_and_the_other_way_round(self):
        images, points = random_batch(TINY), random_batch(KEYED)
        with pytest.raises(ShapeError, match=r"'frames'.*float32 with 4 dim.*got torch.uint8"):
            make_system(KEYED)(images)
        with pytest.raises(ShapeError, match=r"'frames'.*uint8 with 5 dim.*got torch.float32"):
            make_system(TINY)(points)
        assert make_system(KEYED)(points).isfinite().all()

    def test_what_a_decision_may_depend_on_reaches_further_back(self):
        pixels, keyed = (make_system(config).video_encoder for config in (TINY, KEYED))
        reach_s = keyed.receptive_field_s - pixels.receptive_field_s
        assert reach_s == pytest.approx(SPAN_S * LONGEST)


class TestHeadsByAge:
    def test_each_head_begins_at_an_age_of_its_own_and_the_last_one_at_all(self):
        bias = AgeBias(5, 4.0)
        assert not bias.table.any()
        bias.part_ages()
        ages_s = torch.arange(0, 100) / 100
        begun = bias(age_knots(ages_s, 4.0)).softmax(0)
        nearest = [float(ages_s[head.argmax()]) for head in begun.unbind(-1)[:4]]
        # The knots between which a function is linear are coarser than the ages.
        assert nearest == pytest.approx([0.0, 0.05, 0.08, 0.13], abs=0.035)
        assert nearest == sorted(nearest)
        assert all(head.max() > 2 * head.median() for head in begun.unbind(-1)[:4])
        torch.testing.assert_close(begun[:, 4], torch.full((100,), 0.01))

    @pytest.mark.parametrize('heads', [1, 2])
    def test_few_heads_have_it_too(self, heads):
        bias = AgeBias(heads, 4.0)
        bias.part_ages()
        assert not bias.table[:, -1].any()
        assert bool(bias.table[:, 0].any()) == (heads == 2)

    def test_a_network_begins_so_where_it_is_said(self):
        aged = dataclasses.replace(KEYED.video, heads_by_age=True)
        usual, parted = (
            VideoTransformer(dataclasses.replace(KEYED, video=video))
            for video in (KEYED.video, aged)
        )
        assert all(not block.age_bias.table.any() for block in usual.blocks)
        assert all(block.age_bias.table.any() for block in parted.blocks)


class TestSettings:
    @pytest.mark.parametrize(
        ('changes', 'fault'),
        [
            ({'key_points': ('nose',)}, 'at least 2 joints, or one of coco17'),
            ({'key_points': ('coco18',)}, "or one of coco17, .* got \\['coco18'\\]"),
            ({'key_points': ('neck', 'thorax')}, "each name once, got 'neck' several times"),
            ({'key_points': ('a', 'b\x1b')}, 'without control characters'),
            ({'backbone': 'x'}, 'video.backbone: expected the default with video.key_points'),
            ({'motion_channels': (4,)}, 'video.motion_channels: expected the default'),
            ({'motion_memory_s': 1.0}, 'video.motion_memory_s: expected the default'),
            (
                {'backbone': 'movenet', 'motion_memory_s': 1.0, 'motion_channels': (4,)},
                'video.motion_channels: expected the default',
            ),
        ],
    )
    def test_what_cannot_be_is_refused(self, changes, fault):
        with pytest.raises(ConfigError, match=fault):
            VideoConfig(**{'key_points': ('coco17',), **changes})

    def test_names_are_those_of_this_package(self):
        video = dataclasses.replace(TINY.video, key_points=('LWrist', 'pelvis', 'tail'))
        assert video.joints == ('left_wrist', 'hip_centre', 'tail')


@pytest.mark.parametrize(
    ('config', 'names'),
    [(KEYED, ['key_points', 'earlier', 'oldest', 'earlier_age_s']), (TINY, ['images'])],
)
def test_the_inputs_of_the_frame_step_are_named_by_what_they_are(config, names):
    (first, second, *_) = Steps(make_system(config)).specs
    assert [entry.name for entry in first.inputs] == names
    assert second.inputs[0].name == 'tokens'
