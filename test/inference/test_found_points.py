"""Key points that are found before the engine are those that it would have found."""

from dataclasses import replace

import numpy as np
import pytest

from activity_recognition.config import SyncConfig
from activity_recognition.inference import StreamingEngine
from activity_recognition.inference.found_points import PointsFinder
from activity_recognition.streams import windows
from activity_recognition.types import Crop, Frame
from factories.networks import TINY, make_checkpoint
from factories.pose import FINDING, FINDING_AND_MOVING, made_up_pose, scene_of_images
from factories.streams import Scene

SCENE = Scene(seed=3, duration_s=4.0, frame_rate_hz=8.0, jumps=(2.2,))


def trace(crop=None):
    found = scene_of_images(SCENE, key_points_every=7)
    if crop is not None:
        found = [replace(s, crop=crop) if isinstance(s, Frame) else s for s in found]
    return list(windows(found, SyncConfig()))


@pytest.mark.parametrize('crop', [None, Crop(-4, 6, 40)], ids=['scene', 'person'])
def test_the_engine_decides_as_without_it(tmp_path, crop):
    pytest.importorskip('ai_edge_litert')
    with made_up_pose(tmp_path):
        alone, helped = (StreamingEngine(make_checkpoint(FINDING)) for _ in range(2))
        finder, found = PointsFinder(FINDING), 0
        given = trace(crop)
        assert sum(window.reset for window in given) == 1
        for window in given:
            completed = finder.complete(window)
            expected, decision = alone.apply(window), helped.apply(completed)
            assert (expected is None) == (decision is None)
            if expected is not None:
                assert np.array_equal(expected.logits, decision.logits)
            frames = [sample for sample in completed.samples if isinstance(sample, Frame)]
            assert all(frame.key_points is not None for frame in frames)
            found += len(frames)
    assert found >= 25


def test_a_person_is_found_in_the_crop_and_not_in_the_whole_image(tmp_path):
    pytest.importorskip('ai_edge_litert')
    with made_up_pose(tmp_path):
        points = []
        for crop in (None, Crop(-4, 6, 40)):
            finder = PointsFinder(FINDING)
            frames = [s for w in trace(crop) for s in finder.complete(w).samples]
            frames = [frame for frame in frames if isinstance(frame, Frame)]
            points.append(frames[1].key_points)
    assert not np.array_equal(points[0].joints_px, points[1].joints_px, equal_nan=True)


def test_a_network_that_takes_images_too_finds_them_itself(tmp_path):
    pytest.importorskip('ai_edge_litert')
    with made_up_pose(tmp_path):
        engine, finder = (
            StreamingEngine(make_checkpoint(FINDING_AND_MOVING)),
            PointsFinder(FINDING_AND_MOVING),
        )
        seen = list(windows(scene_of_images(SCENE), SyncConfig()))
        decisions = [engine.apply(finder.complete(window)) for window in seen]
    assert sum(decision is not None for decision in decisions) >= 20


def test_without_a_front_end_that_finds_them_windows_stay_as_they_are():
    finder = PointsFinder(TINY)
    for window in trace():
        assert finder.complete(window) is window
