"""Names, projection and drawing of key points."""

import numpy as np
import pytest

from activity_recognition.keypoints import (
    SKELETONS,
    KeyPoints,
    PinholeCamera,
    canonical_name,
    draw_figure,
    name_fault,
)
from activity_recognition.keypoints.figure import (
    BACKGROUND,
    HEAD,
    LIMB_COLOURS,
    OTHER,
    TRUNK,
    canvas_size,
)
from factories.bodies import STANDING, body

LEFT, RIGHT = LIMB_COLOURS['left'], LIMB_COLOURS['right']


def shaded(colour):
    """What legs are drawn in."""
    return tuple(round(0.8 * channel) for channel in colour)


class TestNames:
    @pytest.mark.parametrize(
        ('name', 'known'),
        [
            ('left_wrist', 'left_wrist'),
            ('LEFT_WRIST', 'left_wrist'),
            ('WRIST_L', 'left_wrist'),
            ('LWrist', 'left_wrist'),
            ('kneeRight', 'right_knee'),
            ('r ankle', 'right_ankle'),
            ('Nose', 'nose'),
            ('HipCenter', 'hip_centre'),
            ('MidHip', 'hip_centre'),
            ('PELVIS', 'hip_centre'),
            ('shoulder_center', 'neck'),
            ('LBigToe', 'left_foot'),
            ('face', 'head'),
            ('left_nose', None),
            ('shoulder', None),
            ('tail', None),
            ('', None),
            ('17', None),
        ],
    )
    def test_spellings(self, name, known):
        assert canonical_name(name) == known

    @pytest.mark.parametrize(
        ('skeleton', 'number'), [('coco17', 17), ('rep155', 18), ('kinect20', 20), ('jhmdb15', 15)]
    )
    def test_skeletons_have_known_joints_once_each(self, skeleton, number):
        names = SKELETONS[skeleton]
        assert len(names) == len({canonical_name(name) for name in names} - {None}) == number
        assert name_fault(names) is None

    def test_order_of_the_two_published_most(self):
        assert SKELETONS['coco17'][:3] == ('nose', 'left_eye', 'right_eye')
        assert SKELETONS['coco17'][9:11] == ('left_wrist', 'right_wrist')
        # hri_msgs/Skeleton2D: RIGHT_WRIST=4, LEFT_WRIST=7, RIGHT_ANKLE=10, LEFT_EYE=14
        assert [SKELETONS['rep155'][place] for place in (4, 7, 10, 14)] == [
            'right_wrist',
            'left_wrist',
            'right_ankle',
            'left_eye',
        ]

    @pytest.mark.parametrize(
        ('names', 'fault'),
        [
            ([], '1 to 512 key points, got 0'),
            (['a'] * 513, 'got 513'),
            (['a', 'b', 'a'], "each name once, got 'a'"),
            ([' '], 'names of 1 to 64'),
            (['x' * 65], 'names of 1 to 64'),
            (['a\nb'], 'names of 1 to 64'),
            (['\x1b[2J'], 'names of 1 to 64'),
        ],
    )
    def test_names_that_cannot_be(self, names, fault):
        assert fault in name_fault(names)


class TestKeyPoints:
    def test_what_has_no_place_or_no_score_is_missing(self):
        points = KeyPoints.of(
            ('a', 'b', 'c', 'd', 'e'),
            [[1, 2], [np.nan, 2], [1, np.inf], [3, 4], [5, 6]],
            [2.0, 1.0, 1.0, 0.0, np.nan],
            (64, 48),
        )
        assert points.joints_px.dtype == points.scores.dtype == np.float32
        np.testing.assert_array_equal(points.joints_px, [[1, 2]] + [[np.nan, np.nan]] * 4)
        np.testing.assert_array_equal(points.scores, [1, 0, 0, 0, 0])

    def test_without_scores_all_that_have_a_place_are_sure(self):
        points = KeyPoints.of(('a', 'b'), [[1, 2], [np.nan, 2]], None, (64, 48))
        np.testing.assert_array_equal(points.scores, [1, 0])


class TestCamera:
    MATRIX = np.array([[500.0, 0, 320], [0, 400, 240], [0, 0, 1]])

    def test_a_place_ahead(self):
        camera = PinholeCamera(matrix=self.MATRIX, pose=np.eye(4))
        seen = camera.project(np.array([[[0.0, 0, 2], [0.4, 0.3, 2], [0.4, 0.3, 4]]]))
        np.testing.assert_allclose(seen, [[[320, 240], [420, 300], [370, 270]]])
        assert seen.dtype == np.float32

    def test_behind_it_and_missing_there_is_none(self):
        camera = PinholeCamera(matrix=self.MATRIX, pose=np.eye(4))
        places = np.array([[0, 0, -1.0], [0, 0, 0], [np.nan, 0, 2], [0, 0, np.nan]])
        assert np.isnan(camera.project(places)).all()

    def test_the_pose_goes_before(self):
        # A world with x ahead, y left and z up, the camera 1 m up.
        pose = np.array([[0, -1, 0, 0], [0, 0, -1, 1.0], [1, 0, 0, 0], [0, 0, 0, 1]])
        camera = PinholeCamera(matrix=self.MATRIX, pose=pose)
        np.testing.assert_allclose(
            camera.project(np.array([[2.0, 0.4, 1.3]])), [[320 - 100, 240 - 60]]
        )


class TestFigure:
    def test_each_part_is_where_its_joints_are(self):
        picture = draw_figure(body(), least_side_px=320)
        assert picture.shape == (240, 320, 3)
        assert picture.dtype == np.uint8
        for names, colour in (
            (('left_shoulder', 'left_elbow'), LEFT),
            (('right_elbow', 'right_wrist'), RIGHT),
            (('left_hip', 'left_knee'), shaded(LEFT)),
            (('right_knee', 'right_ankle'), shaded(RIGHT)),
            (('left_shoulder', 'right_hip'), TRUNK),
        ):
            x, y = np.mean([STANDING[name] for name in names], axis=0).round().astype(int)
            assert tuple(picture[y, x]) == colour, names
        ears = np.mean([STANDING['left_ear'], STANDING['right_ear']], axis=0)
        x, y = (ears - (0, 7)).astype(int)
        assert tuple(picture[y, x]) == HEAD
        assert tuple(picture[5, 5]) == BACKGROUND

    def test_a_limb_without_its_end_is_shorter_and_one_without_its_middle_is_straight(self):
        x, y = STANDING['left_wrist']
        assert tuple(draw_figure(body(), least_side_px=320)[y, x]) == LEFT
        short = draw_figure(body(left_wrist=None), least_side_px=320)
        assert tuple(short[y, x]) == BACKGROUND
        straight = draw_figure(body(left_elbow=None), least_side_px=320)
        ends = [STANDING['left_shoulder'], STANDING['left_wrist']]
        x, y = np.mean(ends, axis=0).astype(int)
        assert tuple(straight[y, x]) == LEFT

    def test_nobody_is_the_background(self):
        nobody = body(**dict.fromkeys(STANDING))
        assert (draw_figure(nobody, least_side_px=320) == BACKGROUND).all()

    def test_a_joint_by_another_name_is_a_dot(self):
        points = KeyPoints.of(('tail',), [[20.0, 30.0]], None, (64, 48))
        picture = draw_figure(points, least_side_px=320)
        assert tuple(picture[30, 20]) == OTHER
        assert (picture[:20] == BACKGROUND).all()

    def test_it_is_drawn_smaller_for_a_large_image(self):
        large = KeyPoints.of(
            tuple(STANDING), np.array(list(STANDING.values())) * 4.0, None, (1280, 960)
        )
        picture = draw_figure(large, least_side_px=240)
        same = draw_figure(body(), least_side_px=320)
        assert picture.shape == same.shape
        assert np.abs(picture.astype(int) - same).mean() < 1

    @pytest.mark.parametrize(
        ('size', 'drawn'),
        [
            ((640, 480), (427, 320)),
            ((320, 240), (320, 240)),
            ((1, 1), (1, 1)),
            ((65535, 65535), (320, 320)),
            ((65535, 1), (1280, 1)),
            ((1, 65535), (1, 1280)),
        ],
    )
    def test_the_size_is_bounded(self, size, drawn):
        assert canvas_size(*size, 320) == drawn

    def test_any_place_can_be_drawn(self):
        chance = np.random.default_rng(1)
        for scale in (1.0, 1e3, 1e6, 1e38):
            for size in ((1, 1), (3, 200), (640, 480), (65535, 2)):
                places = chance.normal(size=(17, 2)) * scale
                points = KeyPoints.of(SKELETONS['coco17'], places, None, size)
                picture = draw_figure(points, least_side_px=64)
                assert picture.shape[:2] == canvas_size(*size, 64)[::-1]

    @pytest.mark.parametrize('skeleton', SKELETONS)
    def test_all_skeletons_show_both_sides(self, skeleton):
        chance = np.random.default_rng(2)
        places = chance.uniform(20, 300, (len(SKELETONS[skeleton]), 2))
        picture = draw_figure(
            KeyPoints.of(SKELETONS[skeleton], places, None, (320, 320)), least_side_px=320
        )
        for colour in (LEFT, RIGHT, HEAD):
            assert (picture == colour).all(axis=2).any()
