"""The pose networks on real videos: who is found, in the dark as well, and whether they agree."""

from functools import cache
from pathlib import Path

import av
import numpy as np
import pytest

from activity_recognition.config import VideoConfig
from activity_recognition.errors import WeightsError
from activity_recognition.front_ends.blazepose import BlazePoseDetector
from activity_recognition.front_ends.pose import make_tracker
from activity_recognition.front_ends.regions import Region
from activity_recognition.weights import find_weights

pytest.importorskip('ai_edge_litert')

pytestmark = pytest.mark.real

SECOND = 1_000_000_000
SIGNS = ('sign_again', 'sign_book', 'sign_eat', 'sign_milk', 'sign_sorry')
TORSO = ('left_shoulder', 'right_shoulder', 'left_hip', 'right_hip')


@pytest.fixture
def people(real_recordings, weights_folder) -> Path:
    """Folder of videos with people before a camera."""
    folder = real_recordings / 'people'
    if not folder.is_dir():
        pytest.skip(f'no videos at {folder}')
    return folder


@cache
def images(path: Path, every: int, most: int) -> list[np.ndarray]:
    found = []
    with av.open(str(path)) as video:
        for index, frame in enumerate(video.decode(video=0)):
            if not index % every:
                found.append(frame.to_ndarray(format='rgb24'))
            if len(found) == most:
                break
    return found


def signing(folder: Path) -> list[list[np.ndarray]]:
    return [images(folder / f'{name}.mkv', 4, 10) for name in SIGNS]


def passing_by(folder: Path) -> list[np.ndarray]:
    """One image in two seconds."""
    return images(folder / 'passers_by.mp4', 20, 70)


def found_in(frames, **settings) -> np.ndarray:
    """Return x, y and score of the joints, (T, J, 3); the first 17 are COCO's."""
    tracker = make_tracker(VideoConfig(**{'backbone': 'movenet', **settings}))
    for name in VideoConfig(**{'backbone': 'movenet', **settings}).backbone_weights:
        assert find_weights(name).is_file()
    # Half a second apart: nobody is forgotten.
    points = [tracker.find(image, index * SECOND // 2) for index, image in enumerate(frames)]
    return np.stack([np.column_stack([p.joints_px, p.scores]) for p in points])


def with_blazepose() -> None:
    try:
        find_weights('blazepose_landmarks_full')
        find_weights('blazepose_detector')
    except WeightsError as error:
        pytest.skip(str(error))


def share_found(points: np.ndarray) -> float:
    return float((points[..., 2] > 0).any(axis=1).mean())


def darkened(frames, light: float) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    noisy = [image * light + rng.normal(0, 1, image.shape) for image in frames]
    return [np.clip(np.round(image), 0, 255).astype(np.uint8) for image in noisy]


def test_who_stands_before_the_camera_is_found_and_nobody_else(people):
    points = [found_in(frames) for frames in signing(people)]
    assert np.mean([share_found(clip) for clip in points]) >= 0.98
    for clip in points:
        # What the camera sees of them: face, shoulders, arms.
        assert (clip[:, :9, 2] > 0).mean() >= 0.95
        assert (clip[:, 13:, 2] > 0).mean() <= 0.15
    found = (found_in(passing_by(people))[..., 2] > 0).any(axis=1)
    # Six people for 10 to 25 s each, in 139 s; at first, and between them, nobody is there.
    assert not found[:4].any()
    assert 0.5 <= found.mean() <= 0.85
    assert np.count_nonzero(np.diff(found.astype(int)) == 1) >= 4


def test_the_crop_makes_joints_surer(people):
    """Who is followed fills the network's image; without, it sees the whole of a wide one."""
    frames = passing_by(people)
    followed = found_in(frames)
    tracker = make_tracker(VideoConfig(backbone='movenet'))
    alone = []
    for image in frames:
        tracker.clear()
        alone.append(tracker.find(image, 0).scores)
    both = (followed[..., 2] > 0).any(axis=1) & (np.stack(alone) > 0).any(axis=1)
    assert both.sum() >= 30
    assert followed[both, :, 2].mean() > np.stack(alone)[both].mean()


@pytest.mark.parametrize(('light', 'least'), [(0.08, 0.9), (0.04, 0.85)])
def test_people_are_found_in_the_dark(people, light, least):
    """Images of a mean level of 10 and of 5 out of 255."""
    clips = [darkened(frames, light) for frames in signing(people)]
    bright = [found_in(frames) for frames in signing(people)]
    as_it_is = [found_in(frames, exposure='none') for frames in clips]
    brightened = [found_in(frames) for frames in clips]
    shares = [joints_found(found, bright) for found in (as_it_is, brightened)]
    assert shares[1] >= least
    assert shares[1] >= shares[0] + 0.05


def joints_found(found: list[np.ndarray], expected: list[np.ndarray]) -> float:
    """Share of the expected joints that are found within a tenth of the body's height."""
    right, wanted = 0, 0
    for clip, truth in zip(found, expected, strict=True):
        seen = truth[..., 2] > 0
        height = np.ptp(truth[seen][:, 1])
        far = np.hypot(*np.moveaxis(clip[..., :2] - truth[..., :2], -1, 0))
        right += int(((far < height / 10) & seen).sum())  # NaN is no number below
        wanted += int(seen.sum())
    return right / wanted


def test_movenet_and_blazepose_agree(people):
    """Two networks that share neither weights nor training find the same joints."""
    with_blazepose()
    clips = [*signing(people), passing_by(people)]
    ours = np.concatenate([found_in(frames) for frames in clips])
    theirs = np.concatenate([found_in(frames, backbone='blazepose') for frames in clips])[:, :17]
    both = (ours[..., 2] > 0) & (theirs[..., 2] > 0)
    assert both.sum() >= 500
    places = theirs[:, 5:7, :2].mean(axis=1), theirs[:, 11:13, :2].mean(axis=1)
    torso_px = np.hypot(*(places[0] - places[1]).T)[:, None]
    apart = np.hypot(*np.moveaxis(ours[..., :2] - theirs[..., :2], -1, 0)) / torso_px
    known = both & np.isfinite(apart)
    assert np.median(apart[known]) <= 0.08
    assert apart[known].mean() <= 0.11
    there = (ours[..., 2] > 0).any(axis=1), (theirs[..., 2] > 0).any(axis=1)
    assert (there[0] == there[1]).mean() >= 0.9


def test_a_detector_finds_who_is_small(people):
    """In a corner of a wide image, of which one part after the other is searched."""
    with_blazepose()
    [person] = images(people / 'passers_by.mp4', 400, 3)[1:2]
    small = person[::3, ::3]
    wide = np.full((3 * small.shape[0], 8 * small.shape[1], 3), 120, np.uint8)
    wide[-small.shape[0] :, : small.shape[1]] = small
    frames = []
    for index in range(45):
        frames.append(wide.copy())
        frames[-1][0, 0] = index  # no image is like the one before
    assert BlazePoseDetector().find(wide, Region.whole(wide)) is None
    found = found_in(frames, backbone='blazepose')
    assert share_found(found[:1]) == 0.0
    assert share_found(found[-5:]) == 1.0
    # In the lower left corner, where the small image was put.
    assert np.nanmax(found[-1, :, 0]) < small.shape[1]
    assert np.nanmin(found[-1, :, 1]) > wide.shape[0] - small.shape[0]
