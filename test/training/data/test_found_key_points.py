"""Key points found in a recording's images are kept: training never looks at the images again."""

import dataclasses

import numpy as np
import pytest

from activity_recognition.bags import RecordingReader
from activity_recognition.config import SyncConfig
from activity_recognition.errors import WeightsError
from activity_recognition.front_ends import litert
from activity_recognition.models.pretrained import with_backbones
from activity_recognition.training.augmentation.video import augment
from activity_recognition.training.augmentation_config import AugmentationConfig
from activity_recognition.training.config import TrainConfig
from activity_recognition.training.data.cache import (
    Preparation,
    cache_recording,
    for_modalities,
    preprocessing,
    recording_key,
)
from activity_recognition.training.data.preprocessing import preprocess_recording
from activity_recognition.training.sharding.samples import from_samples, to_samples
from activity_recognition.types import Frame
from activity_recognition.weights import identity
from factories.networks import TINY
from factories.pose import FINDING, FINDING_AND_MOVING, made_up_pose

pytest.importorskip('ai_edge_litert')


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp('pose')


@pytest.fixture
def pose(folder):
    with made_up_pose(folder) as path:
        yield path


def test_key_points_are_kept_in_place_of_images(recordings, pose):
    arrays = preprocess_recording(recordings / 'recording_0', FINDING, SyncConfig())
    [segment] = arrays.segments
    frames = segment.arrays['frames']
    assert arrays.dropped == 0
    assert frames.shape == (96, 17, 3)
    assert frames.dtype == np.float32
    assert (frames[..., 2] > 0).any(axis=1).all()
    # They move as the images do.
    assert (np.diff(frames, axis=0) != 0).any()
    samples = list(to_samples('a', 'a', arrays, ()))
    assert all('frames.npy' in sample and 'frames.png' not in sample for sample in samples)
    [again] = from_samples(samples, wide=False).segments
    np.testing.assert_array_equal(again.arrays['frames'], frames)
    assert TrainConfig().wide_px(FINDING) == 0


def test_images_are_kept_beside_key_points_where_what_moves_is_seen(recordings, pose, tmp_path):
    arrays = preprocess_recording(recordings / 'recording_0', FINDING_AND_MOVING, SyncConfig())
    [segment] = arrays.segments
    side = FINDING_AND_MOVING.video.input_size_px
    assert segment.arrays['frames'].shape == (96, 17, 3)
    assert segment.arrays['images'].shape == (96, side, side, 3)
    samples = list(to_samples('a', 'a', arrays, ()))
    [again] = from_samples(samples, wide=False).segments
    for name in ('frames', 'images'):
        np.testing.assert_array_equal(again.arrays[name], segment.arrays[name])
    changed = augment(
        {name: segment.arrays[name][:8] for name in ('frames', 'images')},
        AugmentationConfig(),
        FINDING_AND_MOVING,
        np.random.default_rng(0),
    )
    assert changed['images'].shape == (8, side, side, 3)
    assert changed['frames'].shape == (8, 17, 3)


def test_a_cached_recording_needs_no_weights(recordings, pose, tmp_path, monkeypatch):
    work = Preparation(
        recording=recordings / 'recording_1', cache=tmp_path, model=FINDING, sync=SyncConfig()
    )
    first = cache_recording(work)

    def gone(name: str) -> None:
        raise WeightsError(f'{name} is gone')

    monkeypatch.setattr(litert, 'find_weights', gone)
    second = cache_recording(work)
    assert second == first
    assert not isinstance(second, str)
    # Not a fault of the recording, which would be left out.
    with pytest.raises(WeightsError, match='movenet_lightning is gone'):
        cache_recording(dataclasses.replace(work, recording=recordings / 'recording_2'))


@pytest.mark.parametrize(
    'changes',
    [
        {'person_search_frames': 8},
        {'exposure': 'none'},
        {'motion_memory_s': 1.0},
        {'backbone': ''},
        {'backbone': 'blazepose'},
    ],
    ids=str,
)
def test_the_key_depends_on_what_finds_them(recordings, changes):
    other = dataclasses.replace(FINDING, video=dataclasses.replace(FINDING.video, **changes))
    keys = [
        recording_key(recordings / 'recording_0', model, SyncConfig()) for model in (FINDING, other)
    ]
    assert keys[0] != keys[1]


def test_the_key_depends_on_the_weights(recordings, monkeypatch):
    found = preprocessing(FINDING, SyncConfig())
    assert found['key_point_finder']['weights'] == [identity('movenet_lightning')]
    assert 'key_point_finder' not in preprocessing(TINY, SyncConfig())
    assert 'key_point_finder' not in for_modalities(found, ('audio', 'text'))
    before = recording_key(recordings / 'recording_0', FINDING, SyncConfig())
    monkeypatch.setattr('activity_recognition.front_ends.pose.identity', lambda name: 'another')
    assert recording_key(recordings / 'recording_0', FINDING, SyncConfig()) != before


def test_a_checkpoint_names_the_network_by_its_hash():
    video = with_backbones(FINDING).video
    assert video.backbone_sha256 == (identity('movenet_lightning'),)
    searching = dataclasses.replace(FINDING.video, person_search_frames=4)
    video = with_backbones(dataclasses.replace(FINDING, video=searching)).video
    assert video.backbone_sha256 == (identity('movenet_lightning'), identity('blazepose_detector'))


def test_images_are_decoded_large_enough_for_a_crop(recordings):
    """And are taken before key points of a recording with both, as on the robot."""
    with RecordingReader.for_model(recordings / 'recording_0', FINDING) as reader:
        frames = [sample for sample in reader.samples() if isinstance(sample, Frame)]
    assert len(frames) == 96
    assert all(frame.key_points is None for frame in frames)
    assert FINDING.video.least_side_px == 384
    assert TINY.video.least_side_px == TINY.video.input_size_px
