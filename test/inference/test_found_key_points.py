"""Key points found in images: streaming equals dense; recorded ones are the same input."""

import dataclasses

import numpy as np
import pytest
import torch

from activity_recognition.config import SyncConfig
from activity_recognition.errors import ShapeError
from activity_recognition.inference.engine import StreamingEngine
from activity_recognition.inference.frame_inputs import FoundJoints, frame_input
from activity_recognition.inference.lanes.lane import FrontEndSettings
from activity_recognition.inference.lanes.video import VideoFrontEnd
from activity_recognition.inference.trace import segments
from activity_recognition.streams import windows
from activity_recognition.types import Frame, Modality
from factories.answers import assert_equal, dense, streamed
from factories.networks import make_checkpoint
from factories.pose import FINDING, FINDING_AND_MOVING, made_up_pose, moving, scene_of_images
from factories.streams import START_NS, Scene

pytest.importorskip('ai_edge_litert')

SCENE = Scene(
    seed=5,
    duration_s=6.0,
    frame_rate_hz=8.0,
    lost_frames=0.2,
    silences=((Modality.VIDEO, 2.0, 3.4),),
    jumps=(4.2,),
)


@pytest.fixture(autouse=True, scope='module')
def pose(tmp_path_factory):
    with made_up_pose(tmp_path_factory.mktemp('pose')) as path:
        yield path


def trace(**kwargs):
    return list(windows(scene_of_images(SCENE, **kwargs), SyncConfig()))


@pytest.mark.parametrize(('dtype', 'tolerance'), [(torch.float64, 1e-10), (torch.float32, 1e-5)])
@pytest.mark.parametrize(
    ('config', 'key_points_every'),
    [(FINDING, 0), (FINDING, 5), (FINDING_AND_MOVING, 0)],
    ids=['found', 'some given', 'images beside'],
)
def test_streaming_equals_dense(dtype, tolerance, config, key_points_every):
    checkpoint = make_checkpoint(config, dtype=dtype)
    found_trace = trace(key_points_every=key_points_every)
    assert sum(window.reset for window in found_trace) == 1
    found, _ = streamed(checkpoint, found_trace)
    assert_equal(found, dense(checkpoint, found_trace), tolerance)
    assert found.present[:, 0].any()


def test_what_moves_in_the_images_is_added_to_the_key_points():
    """Whether a person is found or not: the two tokens are summed."""
    system = make_checkpoint(FINDING_AND_MOVING).system
    part = segments(trace(), FINDING_AND_MOVING)[0]
    images = part.arrays['images']
    side = FINDING_AND_MOVING.video.input_size_px
    assert images.shape == (*part.arrays['frames'].shape[:1], side, side, 3)
    assert images.dtype == np.uint8
    encoder = system.video_encoder
    assert encoder.directions is not None
    batch = {
        name: torch.from_numpy(part.arrays[name]).unsqueeze(0)
        for name in ('frames', 'frame_stamps', 'images')
    }
    mask = torch.ones(1, len(images), dtype=torch.bool)
    given = batch['frames'], batch['frame_stamps'], mask
    assert not torch.equal(encoder(*given, batch['images']), encoder(*given, batch['images'] * 0))


def test_a_network_of_both_refuses_key_points_without_an_image():
    front_end = VideoFrontEnd(FrontEndSettings(config=FINDING_AND_MOVING))
    frame = next(
        sample
        for window in trace(key_points_every=1)
        for sample in window.samples
        if isinstance(sample, Frame)
    )
    with pytest.raises(ShapeError, match='expected an image, in which this network finds key poi'):
        front_end.check(frame)
    front_end.check(dataclasses.replace(frame, key_points=None))


def test_the_crop_follows_and_is_forgotten_at_a_reset():
    front_end = VideoFrontEnd(FrontEndSettings(config=FINDING))
    frames = [
        Frame(stamp_ns=START_NS + i, arrival_ns=START_NS + i, image=moving(i)) for i in range(8)
    ]

    def prepared(*, alone: bool = False):
        found = []
        for frame in frames:
            if alone:
                front_end.clear()
            found.append(front_end.prepare(frame)[0].image)
        return np.array(found)

    first = prepared()
    front_end.clear()
    np.testing.assert_array_equal(prepared(), first)
    by_themselves = prepared(alone=True)
    np.testing.assert_array_equal(by_themselves[0], first[0])
    # It is no function of single images: somebody was followed.
    assert (by_themselves[1:] != first[1:]).any()


def test_recorded_key_points_give_what_found_ones_give():
    checkpoint = make_checkpoint(FINDING)
    with_images = trace()
    (part, _) = segments(with_images, FINDING)
    assert part.arrays['frames'].dtype == np.float32
    assert part.arrays['frames'].shape[1:] == (17, 3)
    tracker = FoundJoints(FINDING.video)._tracker
    recorded = []
    for window in with_images:
        if window.reset:
            tracker.clear()
        recorded.append(
            window._replace(
                samples=tuple(
                    dataclasses.replace(s, key_points=tracker.find(s.image, s.stamp_ns))
                    if isinstance(s, Frame)
                    else s
                    for s in window.samples
                ),
            )
        )
    blind = dataclasses.replace(FINDING, video=dataclasses.replace(FINDING.video, backbone=''))
    assert blind.video.key_points == ('coco17',)
    answers, _ = streamed(checkpoint, with_images)
    of_recorded, _ = streamed(dataclasses.replace(checkpoint, config=blind), recorded)
    assert_equal(of_recorded, answers, 0.0)


def test_an_image_is_taken_and_checked():
    taken = frame_input(FINDING.video)
    taken.check(Frame(stamp_ns=1, arrival_ns=1, image=moving(0)))
    with pytest.raises(ShapeError, match=r'expected uint8 \(H, W, 3\)'):
        taken.check(Frame(stamp_ns=1, arrival_ns=1, image=np.zeros((4, 4), np.uint8)))


def test_it_warms_up():
    engine = StreamingEngine(make_checkpoint(FINDING))
    engine.warm_up()
