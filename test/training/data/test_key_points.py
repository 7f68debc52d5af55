"""Training takes recordings of key points as any others: what the network sees is the figure."""

import numpy as np

from activity_recognition.bags import RecordingReader, import_key_points
from activity_recognition.config import SyncConfig
from activity_recognition.inference.resizing import resize_frame
from activity_recognition.keypoints import draw_figure
from activity_recognition.sensors.size import LEAST_SIDE_PX
from activity_recognition.training.data.preprocessing import preprocess_recording
from activity_recognition.types import Frame
from factories.bodies import SIZE_PX, STANDING, body
from factories.networks import TINY

COUNT = 6


def test_the_network_sees_the_figure(tmp_path):
    joints = np.tile(np.array(list(STANDING.values()), np.float32), (COUNT, 1, 1))
    joints[:, 9, 1] -= 10 * np.arange(COUNT)
    np.savez(
        tmp_path / 'a.npz',
        joints=joints,
        names='coco17',
        t_s=np.arange(COUNT) / 10,
        image_size=SIZE_PX,
    )
    recording = import_key_points(tmp_path / 'a.npz', tmp_path / 'bag').path
    side_px = TINY.video.input_size_px
    [segment] = preprocess_recording(recording, TINY, SyncConfig()).segments
    frames = segment.arrays['frames']
    assert frames.shape == (COUNT, side_px, side_px, 3)
    with RecordingReader(recording) as reader:
        decoded = [sample for sample in reader.samples() if isinstance(sample, Frame)]
    x, y = STANDING['left_wrist']
    for index, frame in enumerate(decoded):
        np.testing.assert_array_equal(frames[index], resize_frame(frame, side_px))
        moved = body(left_wrist=(x, y - 10 * index))
        np.testing.assert_array_equal(frame.image, draw_figure(moved, least_side_px=LEAST_SIDE_PX))
    assert (np.diff(frames.astype(int), axis=0) != 0).any(axis=(1, 2, 3)).all()
