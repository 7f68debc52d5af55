"""A network that takes key points: what its features are a function of, and of what not."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from activity_recognition.config import VideoConfig
from activity_recognition.errors import ConfigError, ShapeError
from activity_recognition.keypoints import KeyPoints, joint_array
from activity_recognition.models.key_points import KeyPointMotion, OwnMeasures
from activity_recognition.models.motion import LONGEST, MotionState
from activity_recognition.models.steps import Steps
from activity_recognition.types import to_ns
from factories.batches import random_batch
from factories.bodies import STANDING, body
from factories.networks import KEYED, TINY, make_system

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

    def test_it_is_of_key_points(self):
        with pytest.raises(ConfigError, match=r'video\.body_size: expected video\.key_points'):
            dataclasses.replace(TINY.video, body_size=True)


class TestMeasures:
    def test_the_middle_is_between_the_hips_and_the_size_that_of_the_trunk(self):
        found = OwnMeasures(JOINTS)(numbers(body())[None])
        hips_px, neck_px = np.array([160, 130]), np.array([160, 70])
        middle = (hips_px + 0.5 - [160, 120]) / 320
        np.testing.assert_allclose(found.middle[0], middle, atol=1e-6)
        np.testing.assert_allclose(found.size[0], (hips_px - neck_px)[1] / 320, atol=1e-6)
        ankle = (np.array(STANDING['left_ankle']) - hips_px) / 60
        np.testing.assert_allclose(found.joints[0, JOINTS.index('left_ankle')], ankle, atol=1e-5)

    def test_without_hips_all_joints_say_where_it_is(self):
        found = OwnMeasures(JOINTS)(numbers(body(left_hip=None, right_hip=None))[None])
        there = [place for name, place in STANDING.items() if 'hip' not in name]
        middle = (np.mean(there, axis=0) + 0.5 - [160, 120]) / 320
        np.testing.assert_allclose(found.middle[0], middle, atol=1e-6)


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

    def test_padding_is_left_out_and_compared_with_nothing(self, motion):
        bodies = [standing(), standing(shift=(60, 0)), standing(3.0), standing(3.0)]
        alone = encode(motion, bodies[:2], (1.0, 1.3))
        padded = encode(motion, bodies, (1.0, 1.3, 0.0, 0.0), [True, True, False, False])
        torch.testing.assert_close(alone, padded)

    def test_a_stream_keeps_no_more_than_it_may_need(self, motion):
        state = MotionState()
        for index in range(100):
            motion.compared(standing()[None], [to_ns(index / 10)], [state])
        assert len(state.frames) == round(SPAN_S * LONGEST * 10) + 1


class TestNetwork:
    def test_every_weight_learns(self):
        video = make_system(KEYED).train().video_encoder
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
