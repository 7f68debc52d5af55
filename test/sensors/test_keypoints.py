"""Messages with key points, as publishers serialise them."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from activity_recognition.config import ModelConfig, VideoConfig
from activity_recognition.errors import DecodeError
from activity_recognition.keypoints import SKELETONS, draw_figure
from activity_recognition.sensors import SensorDecoders, TypeRegistry
from activity_recognition.sensors.decoder_settings import DecoderSettings
from activity_recognition.sensors.definitions import KNOWN_DEFINITIONS
from factories.bodies import SIZE_PX, STANDING, body
from factories.networks import KEYED
from factories.publishing import STAMP_NS, Publisher

KEY_POINTS, SKELETON = 'activity_recognition/msg/KeyPoints', 'hri_msgs/msg/Skeleton2D'
POINT = 'hri_msgs/msg/NormalizedPointOfInterest2D'
TRACKER = Publisher(
    'activity_recognition',
    {
        'KeyPoints': (
            'std_msgs/Header header\nuint32 width\nuint32 height\nstring[] names\n'
            'float32[] x\nfloat32[] y\nfloat32[] scores'
        )
    },
)
HRI = Publisher(
    'hri_msgs',
    {
        'NormalizedPointOfInterest2D': 'float32 x\nfloat32 y\nfloat32 c',
        'Skeleton2D': (
            'std_msgs/Header header\nuint8 NOSE=0\nuint8 NECK=1\n'
            'hri_msgs/NormalizedPointOfInterest2D[] skeleton'
        ),
    },
)


def key_points(**changes):
    fields = {
        'header': (STAMP_NS, 'camera'),
        'width': SIZE_PX[0],
        'height': SIZE_PX[1],
        'names': list(STANDING),
        'x': np.array([place[0] for place in STANDING.values()], np.float32),
        'y': np.array([place[1] for place in STANDING.values()], np.float32),
        'scores': np.zeros(0, np.float32),
    }
    return TRACKER.cdr(TRACKER.make(KEY_POINTS, **(fields | changes)))


def skeleton(points, header=(STAMP_NS, 'body')):
    found = [HRI.make(POINT, x=x, y=y, c=c) for x, y, c in points]
    return HRI.cdr(HRI.make(SKELETON, header=header, skeleton=found))


def decode(type_name, cdr, **options):
    settings = DecoderSettings(**options)
    decoders = SensorDecoders(settings, types=TypeRegistry(prefixes=()))
    return decoders.decode('image', type_name, cdr, 9)


class TestKeyPoints:
    def test_the_numbers_are_handed_on_and_drawn(self):
        scores = np.linspace(0.1, 1, len(STANDING)).astype(np.float32)
        frame = decode(KEY_POINTS, key_points(scores=scores))
        assert (frame.stamp_ns, frame.arrival_ns, frame.frame_id) == (STAMP_NS, 9, 'camera')
        points = frame.key_points
        assert points.names == tuple(STANDING)
        assert (points.width_px, points.height_px) == SIZE_PX
        np.testing.assert_array_equal(points.joints_px, list(STANDING.values()))
        np.testing.assert_array_equal(points.scores, scores)
        np.testing.assert_array_equal(frame.image, draw_figure(body(), least_side_px=320))

    def test_without_a_stamp_it_is_the_arrival(self):
        assert decode(KEY_POINTS, key_points(header=(0, ''))).stamp_ns == 9

    def test_missing_ones(self):
        scores = np.ones(len(STANDING), np.float32)
        scores[0] = 0
        x = np.array([place[0] for place in STANDING.values()], np.float32)
        x[1] = np.nan
        points = decode(KEY_POINTS, key_points(scores=scores, x=x)).key_points
        assert np.isnan(points.joints_px[:2]).all()
        assert np.isfinite(points.joints_px[2:]).all()
        np.testing.assert_array_equal(points.scores[:3], [0, 0, 1])

    def test_a_large_image_is_drawn_small_and_keeps_its_numbers(self):
        frame = decode(KEY_POINTS, key_points(width=1920, height=1080))
        assert frame.image.shape == (320, 569, 3)
        assert frame.key_points.width_px == 1920
        np.testing.assert_array_equal(frame.key_points.joints_px, list(STANDING.values()))
        larger = decode(KEY_POINTS, key_points(width=1920, height=1080), least_side_px=512)
        assert larger.image.shape[0] == 512

    def test_where_nobody_looks_a_network_of_key_points_gets_a_small_drawing(self):
        large = key_points(width=1920, height=1080)
        unseen = decode(KEY_POINTS, large, model=KEYED, is_watched=False)
        seen = decode(KEY_POINTS, large, model=KEYED)
        of_pixels = decode(KEY_POINTS, large, is_watched=False)
        assert [f.image.shape[0] for f in (unseen, seen, of_pixels)] == [16, 320, 320]
        for frame in (unseen, of_pixels):
            np.testing.assert_array_equal(frame.key_points.joints_px, seen.key_points.joints_px)

    @pytest.mark.parametrize(
        ('changes', 'reason'),
        [
            ({'width': 0}, 'key point image size: expected sides of 1 to 65535 pixels, got 0 x'),
            ({'height': 2**32 - 1}, 'key point image size: .* got 320 x 4294967295'),
            ({'names': []}, 'key point names: expected 1 to 512 key points, got 0'),
            ({'names': ['a'] * 17}, "key point names: expected each name once, got 'a'"),
            ({'names': ['a']}, 'key point number: .* 1 names, got 17 x, 17 y and 0 scores'),
            ({'x': np.zeros(3, np.float32)}, 'key point number: .* got 3 x, 17 y'),
            ({'y': np.zeros(0, np.float32)}, 'key point number: .* got 17 x, 0 y'),
            ({'scores': np.ones(3, np.float32)}, 'key point number: .* and 3 scores'),
        ],
    )
    def test_what_contradicts_itself_is_refused(self, changes, reason):
        with pytest.raises(DecodeError, match=reason):
            decode(KEY_POINTS, key_points(**changes))


class TestSkeleton:
    def test_rep_155(self):
        points = [(0.5, 0.1, 0.9)] * 18
        points[4] = (0.25, 0.75, 0.5)
        points[7] = (0.0, 0.0, 0.0)
        frame = decode(SKELETON, skeleton(points))
        assert (frame.stamp_ns, frame.frame_id) == (STAMP_NS, 'body')
        assert frame.image.shape == (320, 320, 3)
        found = frame.key_points
        assert found.names == SKELETONS['rep155']
        assert found.names[4] == 'right_wrist'
        np.testing.assert_array_equal(found.joints_px[4], [80, 240])
        assert found.scores[4] == 0.5
        assert np.isnan(found.joints_px[7]).all()
        assert found.scores[7] == 0

    def test_a_body_that_is_lost_has_no_points(self):
        frame = decode(SKELETON, skeleton([]))
        assert not frame.key_points.scores.any()
        assert (frame.image == frame.image[0, 0]).all()

    def test_another_number_is_refused(self):
        with pytest.raises(DecodeError, match=r'skeleton length: expected 18 points .* got 17'):
            decode(SKELETON, skeleton([(0.5, 0.5, 1.0)] * 17))


@given(st.data())
def test_damaged_messages_are_frames_or_decode_errors(data):
    type_name = data.draw(st.sampled_from((KEY_POINTS, SKELETON)))
    cdr = bytearray(key_points() if type_name == KEY_POINTS else skeleton([(0.5, 0.5, 0.5)] * 18))
    for _ in range(data.draw(st.integers(1, 8))):
        cdr[data.draw(st.integers(4, len(cdr) - 1))] = data.draw(st.integers(0, 255))
    end = data.draw(st.sampled_from((len(cdr), len(cdr) // 2)))
    try:
        frame = decode(type_name, bytes(cdr[:end]))
    except DecodeError:
        return
    assert frame.image.dtype == np.uint8
    assert max(frame.image.shape[:2]) <= 1280
    scores = frame.key_points.scores
    assert ((scores >= 0) & (scores <= 1)).all()
    assert (np.isfinite(frame.key_points.joints_px).all(axis=1) == (scores > 0)).all()


def test_the_definition_for_recordings_is_the_one_that_is_installed():
    """A recording is written with a text of our own, and a node takes the generated message."""
    from test_packaging import fields_of

    text = KNOWN_DEFINITIONS[KEY_POINTS][KEY_POINTS]
    known = dict(reversed(line.split(' ')) for line in text.splitlines())
    wire = {'float32[]': 'sequence<float>', 'string[]': 'sequence<string>'}
    installed = fields_of('KeyPoints')
    assert list(installed.items()) == [(name, wire.get(kind, kind)) for name, kind in known.items()]


@pytest.mark.parametrize('type_name', [KEY_POINTS, SKELETON])
def test_a_network_that_takes_images_too_is_given_none_without_one(type_name):
    video = VideoConfig(backbone='movenet', motion_memory_s=1.0)
    message = key_points() if type_name == KEY_POINTS else skeleton([(0.5, 0.5, 1.0)] * 18)
    with pytest.raises(DecodeError, match=r'key points without an image: .* remap image'):
        decode(type_name, message, model=ModelConfig(video=video))
    alone = replace(video, motion_memory_s=0.0)
    assert decode(type_name, message, model=ModelConfig(video=alone))
