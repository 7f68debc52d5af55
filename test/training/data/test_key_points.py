"""Training takes recordings of key points: as figures for networks of pixels, else as numbers."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from activity_recognition.bags import RecordingReader, import_key_points
from activity_recognition.config import SyncConfig
from activity_recognition.errors import RecordingError
from activity_recognition.inference.resizing import resize_frame
from activity_recognition.keypoints import draw_figure, joint_array
from activity_recognition.sensors.size import LEAST_SIDE_PX
from activity_recognition.training.augmentation_config import AugmentationConfig
from activity_recognition.training.config import TrainConfig
from activity_recognition.training.data.cache import preprocessing
from activity_recognition.training.data.crops import CropPlan, cut_crop
from activity_recognition.training.data.preprocessing import preprocess_recording
from activity_recognition.training.data.segments import LabelledSegment
from activity_recognition.training.data.targets import LabelTrack
from activity_recognition.training.preview.canvas import COLUMNS, FRAME_PX
from activity_recognition.training.preview.strips import preview
from activity_recognition.training.sharding.samples import from_samples, to_samples
from activity_recognition.types import Frame, LabelSpan, to_ns
from factories.bodies import SIZE_PX, STANDING, body
from factories.networks import KEYED, TINY, tokenizer_for

COUNT = 6
JOINTS = KEYED.video.joints


@pytest.fixture
def recording(tmp_path) -> Path:
    """Somebody raises the left hand, ten frames a second."""
    joints = np.tile(np.array(list(STANDING.values()), np.float32), (COUNT, 1, 1))
    joints[:, 9, 1] -= 10 * np.arange(COUNT)
    np.savez(
        tmp_path / 'a.npz',
        joints=joints,
        names='coco17',
        t_s=np.arange(COUNT) / 10,
        image_size=SIZE_PX,
    )
    return import_key_points(tmp_path / 'a.npz', tmp_path / 'bag').path


def moved(index: int):
    x, y = STANDING['left_wrist']
    return body(left_wrist=(x, y - 10 * index))


def test_the_network_sees_the_figure(recording):
    side_px = TINY.video.input_size_px
    [segment] = preprocess_recording(recording, TINY, SyncConfig()).segments
    frames = segment.arrays['frames']
    assert frames.shape == (COUNT, side_px, side_px, 3)
    with RecordingReader(recording) as reader:
        decoded = [sample for sample in reader.samples() if isinstance(sample, Frame)]
    for index, frame in enumerate(decoded):
        np.testing.assert_array_equal(frames[index], resize_frame(frame, side_px))
        expected = draw_figure(moved(index), least_side_px=LEAST_SIDE_PX)
        np.testing.assert_array_equal(frame.image, expected)
    assert (np.diff(frames.astype(int), axis=0) != 0).any(axis=(1, 2, 3)).all()


def test_a_network_of_key_points_takes_the_numbers(recording):
    [segment] = preprocess_recording(recording, KEYED, SyncConfig()).segments
    frames = segment.arrays['frames']
    assert frames.dtype == np.float32
    expected = [joint_array(moved(index), JOINTS) for index in range(COUNT)]
    np.testing.assert_allclose(frames, expected, atol=1e-6)


def test_images_are_not_taken_for_key_points(recordings):
    """All frames of a recording with images are left out, counted."""
    arrays = preprocess_recording(recordings / 'recording_0', KEYED, SyncConfig())
    assert all(len(part.arrays['frames']) == 0 for part in arrays.segments)
    assert arrays.dropped == 96
    with RecordingReader.for_model(recordings / 'recording_0', KEYED) as reader:
        list(reader.samples())
        assert reader.drops.counts == {'image without key points': 96}
        [example] = reader.drops.examples.values()
    assert 'activity_recognition/msg/KeyPoints' in example
    assert 'got sensor_msgs/msg/CompressedImage; remap image' in example
    without = dataclasses.replace(KEYED, modalities=('video',))
    with pytest.raises(RecordingError, match='expected samples, found none'):
        preprocess_recording(recordings / 'recording_0', without, SyncConfig())


def test_shards_keep_them_as_numbers(recording):
    arrays = preprocess_recording(recording, KEYED, SyncConfig())
    samples = list(to_samples('a', 'a', arrays, ()))
    assert all('frames.npy' in sample and 'frames.png' not in sample for sample in samples)
    [again] = from_samples(samples, wide=False).segments
    for name, value in arrays.segments[0].arrays.items():
        np.testing.assert_array_equal(again.arrays[name], value)


def test_other_joints_are_other_arrays():
    other = dataclasses.replace(
        KEYED, video=dataclasses.replace(KEYED.video, key_points=('kinect20',))
    )
    found = [preprocessing(config, SyncConfig()) for config in (TINY, KEYED, other)]
    assert 'key_points' not in found[0]
    assert found[1]['key_points'] == list(JOINTS)
    assert found[2]['key_points'] != found[1]['key_points']


@pytest.fixture
def crop(recording):
    [segment] = preprocess_recording(recording, KEYED, SyncConfig()).segments
    start_ns = int(segment.arrays['frame_stamps'][0])
    spans = [LabelSpan(start_s=0.0, end_s=2.0, label=KEYED.labels[1])]
    labelled = LabelledSegment(
        arrays=segment.arrays,
        texts=(),
        labels=LabelTrack.from_spans(spans, KEYED.labels, start_ns),
    ).tokenised(tokenizer_for(KEYED))
    plan = CropPlan(segment=0, start_ns=start_ns, end_ns=start_ns + to_ns(2.0), key=(0,))
    recipe = TrainConfig(
        crop_s=2.0, frame_rate_hz=20.0, augmentation=AugmentationConfig(margin=0.25)
    )
    assert recipe.wide_px(KEYED) == 0
    return cut_crop(labelled, plan, recipe, KEYED)


def test_crops_have_no_margin(crop):
    assert crop['frames'].shape[1:] == (len(JOINTS), 3)
    assert len(crop['frames']) > 1


def test_a_preview_draws_the_figure(crop):
    picture = preview(crop, KEYED.labels, tokenizer_for(KEYED), joints=JOINTS)
    row = picture[18 : 18 + FRAME_PX]
    # Colours of a figure on its background, not black as where no frame is.
    lit = [
        len(np.unique(row[:, c * FRAME_PX : (c + 1) * FRAME_PX].reshape(-1, 3), axis=0)) > 20
        for c in range(COLUMNS)
    ]
    assert sum(lit) >= len(crop['frames']) // 2
