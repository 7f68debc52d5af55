"""A person is followed from image to image, and what is found depends on the images alone."""

import numpy as np
import pytest

from activity_recognition.config import VideoConfig
from activity_recognition.errors import CheckpointError, WeightsError
from activity_recognition.front_ends.blazepose import Person
from activity_recognition.front_ends.pose import PersonSearch, PersonTracker, make_tracker, views
from activity_recognition.front_ends.pose_network import Pose
from activity_recognition.front_ends.regions import Region
from activity_recognition.keypoints import SKELETONS
from activity_recognition.types import Crop
from activity_recognition.weights import identity
from activity_recognition.weights.finding import FOLDER_VARIABLE
from factories.bodies import STANDING

S = 1_000_000_000
NAMES = SKELETONS['coco17']


class Watching:
    """A network that finds a standing body, and keeps where it was told to look."""

    names = NAMES

    sees_whole_images = True

    def __init__(self, score: float = 0.9, next_region: Region | None = None) -> None:
        self.scores = np.full(17, score)
        self.next_region = next_region
        self.regions: list[Region] = []
        self.gains: list[float] = []

    def find(self, image, region, gain=1.0):
        self.regions.append(region)
        self.gains.append(gain)
        places = np.array([STANDING[name] for name in NAMES], float)
        return Pose(np.column_stack([places, self.scores]), self.next_region)


def image(level: int = 0, size: tuple[int, int] = (240, 320)) -> np.ndarray:
    return np.full((*size, 3), level, np.uint8)


WHOLE, CROP = Region(160, 120, 320), Region(100, 90, 80)


def test_key_points_of_an_image():
    points = PersonTracker(Watching()).find(image(), S)
    assert points.names == NAMES
    assert (points.width_px, points.height_px) == (320, 240)
    np.testing.assert_array_equal(points.joints_px, [STANDING[name] for name in NAMES])
    np.testing.assert_allclose(points.scores, 0.9)


def test_a_low_score_is_missing_and_too_few_joints_are_nobody():
    network = Watching()
    network.scores[:5] = 0.29
    points = PersonTracker(network).find(image(), S)
    assert np.isnan(points.joints_px[:5]).all()
    assert np.isfinite(points.joints_px[5:]).all()
    assert points.scores.tolist() == pytest.approx([0.0] * 5 + [0.9] * 12)
    network.scores[:] = 0.0
    network.scores[:3] = 0.9
    points = PersonTracker(network).find(image(), S)
    assert np.isnan(points.joints_px).all()
    assert not points.scores.any()


def test_it_looks_where_the_person_was_and_everywhere_at_first():
    network = Watching(next_region=CROP)
    tracker = PersonTracker(network)
    for index in range(3):
        tracker.find(image(index), S + index)
    assert network.regions == [WHOLE, CROP, CROP]
    network.next_region = None
    tracker.find(image(9), S + 9)
    tracker.find(image(10), S + 10)
    assert network.regions[3:] == [CROP, WHOLE]


@pytest.mark.parametrize('what', ['clear', 'silence', 'size'])
def test_it_looks_everywhere_again(what):
    network = Watching(next_region=CROP)
    tracker = PersonTracker(network)
    tracker.find(image(), S)
    if what == 'clear':
        tracker.clear()
    later = S + (1_000_000_001 if what == 'silence' else 1)
    tracker.find(image(1, (120, 160) if what == 'size' else (240, 320)), later)
    assert network.regions[1] == (Region(80, 60, 160) if what == 'size' else WHOLE)


def test_an_image_like_the_one_before_costs_nothing():
    network = Watching(next_region=CROP)
    tracker = PersonTracker(network)
    first = tracker.find(image(), S)
    assert tracker.find(image(), S + 1) is first
    assert len(network.regions) == 1
    changed = image()
    changed[37, 41, 1] = 1  # one colour of a pixel that is no sample
    tracker.find(changed, S + 2)
    assert network.regions == [WHOLE, CROP]
    tracker.clear()
    tracker.find(changed, S + 3)
    assert network.regions == [WHOLE, CROP, WHOLE]


def test_what_is_still_for_long_is_not_silence():
    network = Watching(next_region=CROP)
    tracker = PersonTracker(network)
    for index in range(20):
        tracker.find(image(), S + index * S // 5)
    tracker.find(image(1), 5 * S)
    assert network.regions == [WHOLE, CROP]


def test_dark_images_are_brightened():
    network = Watching()
    tracker = PersonTracker(network)
    for index, level in enumerate((53, 200, 10, 0)):
        tracker.find(image(level), S + index)
    assert network.gains == [2.0, 1.0, 4.0, 4.0]
    PersonTracker(network, brightens=False).find(image(10), S)
    assert network.gains[-1] == 1.0


class Detecting:
    """A detector that finds somebody in a view."""

    def __init__(self, view: int | None) -> None:
        self.view = view
        self.seen: list[int] = []

    def find(self, image, region, gain):
        self.seen.append(views(image).index(region))
        return Person(0.9, CROP) if self.seen[-1] == self.view else None


def test_a_person_is_looked_for_in_all_views_by_turns():
    detector, network = Detecting(2), Watching()
    network.sees_whole_images = False
    tracker = PersonTracker(network, PersonSearch(detector, 3))
    found = [tracker.find(image(level), S + level) for level in range(7)]
    assert detector.seen == [0, 1, 2]
    assert network.regions == [CROP]
    assert [bool(points.scores.any()) for points in found] == [False] * 6 + [True]


def test_who_is_followed_is_not_looked_for():
    detector, network = Detecting(0), Watching(next_region=WHOLE)
    tracker = PersonTracker(network, PersonSearch(detector, 1))
    for level in range(4):
        tracker.find(image(level), S + level)
    assert detector.seen == [0]
    assert network.regions == [CROP, WHOLE, WHOLE, WHOLE]
    # Who is lost is looked for in the whole of the next image.
    network.next_region, detector.view = None, None
    for level in range(4, 8):
        tracker.find(image(level), S + level)
    assert detector.seen == [0, 0, 1, 2]


def test_an_upright_network_looks_everywhere_between_searches():
    detector, network = Detecting(None), Watching()
    tracker = PersonTracker(network, PersonSearch(detector, 2))
    for level in range(4):
        tracker.find(image(level), S + level)
    assert detector.seen == [0, 1]
    assert network.regions == [WHOLE] * 4


def test_views_cover_an_image():
    found = views(image(0, (90, 200)))
    assert found[0] == Region(100, 45, 200)
    for side in {view.side for view in found[1:]}:
        covered = np.zeros((90, 200), bool)
        for view in found:
            if view.side == side:
                left, top = round(view.x - side / 2), round(view.y - side / 2)
                assert left >= 0
                assert top >= 0
                covered[top : top + round(side), left : left + round(side)] = True
        assert covered.all()
    assert len(found) == 1 + 4 + 2 * 6


def test_without_weights_the_command_is_named(monkeypatch, tmp_path):
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path))
    with pytest.raises(WeightsError, match='activity-recognition weights fetch movenet_lightning'):
        make_tracker(VideoConfig(backbone='movenet'))


@pytest.mark.parametrize(
    ('settings', 'weights'),
    [
        ({'backbone': 'movenet'}, ('movenet_lightning',)),
        (
            {'backbone': 'movenet', 'person_search_frames': 8},
            ('movenet_lightning', 'blazepose_detector'),
        ),
        ({'backbone': 'blazepose'}, ('blazepose_landmarks_full', 'blazepose_detector')),
        ({}, ()),
        ({'backbone': 'facebook/dinov2-small', 'person_search_frames': 8}, ()),
    ],
)
def test_weights_of_a_backbone(settings, weights):
    assert VideoConfig(**settings).backbone_weights == weights


def test_a_checkpoint_of_another_network_is_refused():
    other = ('0' * 64,)
    with pytest.raises(CheckpointError) as caught:
        make_tracker(VideoConfig(backbone='movenet', backbone_sha256=other))
    assert '0' * 64 in str(caught.value)
    assert identity('movenet_lightning') in str(caught.value)


AROUND = Crop(60, 50, 80)
"""The square of which :data:`CROP` is the region."""


class TestInACrop:
    """Somebody else knows where the person is."""

    def test_the_person_is_sought_in_the_crop_alone(self):
        detector, network = Detecting(2), Watching()
        tracker = PersonTracker(network, PersonSearch(detector, 1))
        tracker.find(image(1), S, AROUND)
        assert detector.seen == []
        assert network.regions == [CROP]

    @pytest.mark.parametrize(
        ('following', 'expected'),
        [
            (Region(104, 88, 70), Region(104, 88, 70)),
            (Region(130, 90, 80), CROP),
            (Region(100, 90, 30), CROP),
            (Region(100, 90, 170), CROP),
            (None, CROP),
        ],
    )
    def test_who_is_followed_must_not_leave_it(self, following, expected):
        network = Watching()
        network.next_region = following
        tracker = PersonTracker(network)
        for level in range(2):
            tracker.find(image(level), S + level, AROUND)
        assert network.regions == [CROP, expected]

    def test_an_image_like_the_one_before_is_looked_at_in_another_crop(self):
        network = Watching()
        network.next_region = None
        tracker = PersonTracker(network)
        for crop in (AROUND, AROUND, Crop(0, 0, 80)):
            tracker.find(image(1), S, crop)
        assert network.regions == [CROP, Region(40, 40, 80)]
