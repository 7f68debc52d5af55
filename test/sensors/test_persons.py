"""Who is where, as trackers say, in the types' published definitions."""

import numpy as np
import pytest

from activity_recognition.errors import DecodeError
from activity_recognition.persons import Box
from activity_recognition.sensors import Drops
from activity_recognition.sensors.cdr import TypeRegistry
from activity_recognition.sensors.persons import (
    BODY_REGION_TYPE,
    IDS_TYPE,
    MAX_ID,
    MAX_PEOPLE,
    VISION_TYPE,
    YOLO_TYPE,
    decode_body_region,
    decode_detections,
    decode_id,
    decode_ids,
)

TYPES = TypeRegistry(prefixes=())
ARRIVAL_NS = 12_500_000_000
STAMP = (12, 250_000_000)
STAMP_NS = 12_250_000_000
CLASSES = ('person', 'human', '0')


def header(kind, stamp=STAMP):
    time = kind.new('builtin_interfaces/msg/Time', sec=stamp[0], nanosec=stamp[1])
    return kind.new('std_msgs/msg/Header', stamp=time, frame_id='camera')


def again(kind, message):
    """Return a message as it arrives."""
    return kind.deserialise(bytes(kind.serialise(message)))


def vision(*given, stamp=STAMP):
    """Return a Detection2DArray of (id, class and score pairs, x, y, width, height)."""
    kind = TYPES.resolve(VISION_TYPE)

    def new(name, **fields):
        return kind.new(f'vision_msgs/msg/{name}', **fields)

    zero = kind.new('geometry_msgs/msg/Point', x=0.0, y=0.0, z=0.0)
    turn = kind.new('geometry_msgs/msg/Quaternion', x=0.0, y=0.0, z=0.0, w=1.0)
    pose = kind.new('geometry_msgs/msg/Pose', position=zero, orientation=turn)
    pose = kind.new('geometry_msgs/msg/PoseWithCovariance', pose=pose, covariance=np.zeros(36))
    detections = []
    for body, classes, x, y, width, height in given:
        results = [
            new(
                'ObjectHypothesisWithPose',
                hypothesis=new('ObjectHypothesis', class_id=name, score=score),
                pose=pose,
            )
            for name, score in classes
        ]
        centre = new('Pose2D', position=new('Point2D', x=x, y=y), theta=0.0)
        box = new('BoundingBox2D', center=centre, size_x=width, size_y=height)
        detections.append(
            new('Detection2D', header=header(kind), results=results, bbox=box, id=body)
        )
    return again(kind, new('Detection2DArray', header=header(kind, stamp), detections=detections))


def yolo(*given):
    """Return a DetectionArray of (id, class, x, y, width, height), with masks and key points."""
    kind = TYPES.resolve(YOLO_TYPE)

    def new(name, **fields):
        return kind.new(f'yolo_msgs/msg/{name}', **fields)

    def point(x, y):
        return new('Point2D', x=x, y=y)

    zero = kind.new('geometry_msgs/msg/Point', x=0.0, y=0.0, z=0.0)
    turn = kind.new('geometry_msgs/msg/Quaternion', x=0.0, y=0.0, z=0.0, w=1.0)
    pose = kind.new('geometry_msgs/msg/Pose', position=zero, orientation=turn)
    size = kind.new('geometry_msgs/msg/Vector3', x=0.0, y=0.0, z=0.0)
    detections = []
    for body, name, x, y, width, height in given:
        bbox = new(
            'BoundingBox2D',
            center=new('Pose2D', position=point(x, y), theta=0.0),
            size=new('Vector2', x=width, y=height),
        )
        detections.append(
            new(
                'Detection',
                class_id=0,
                class_name=name,
                score=0.9,
                id=body,
                bbox=bbox,
                bbox3d=new('BoundingBox3D', center=pose, size=size, frame_id=''),
                mask=new('Mask', height=2, width=2, data=[point(1.0, 1.0)]),
                keypoints=new(
                    'KeyPoint2DArray',
                    data=[new('KeyPoint2D', id=1, point=point(3.0, 4.0), score=1.0)],
                ),
                keypoints3d=new(
                    'KeyPoint3DArray',
                    data=[new('KeyPoint3D', id=1, point=zero, score=1.0)],
                    frame_id='camera',
                ),
            )
        )
    return again(kind, new('DetectionArray', header=header(kind), detections=detections))


def decoded(message):
    """Return the regions in a message, the reasons of what was refused, and other classes."""
    drops, others = Drops(), []
    found = decode_detections(
        message, ARRIVAL_NS, classes=CLASSES, refuse=drops.add, other=others.append
    )
    return found, dict(drops.counts) | {f'a {name}': others.count(name) for name in others}


class TestDetections:
    """Of trackers of any kind."""

    def test_vision_msgs(self):
        found, refused = decoded(
            vision(
                ('7', [('person', 0.9)], 100.0, 80.0, 40.0, 120.0),
                ('8', [], 300.0, 80.0, 40.0, 100.0),
                ('9', [('dog', 0.2), ('0', 0.7)], 30.0, 40.0, 10.0, 20.0),
            )
        )
        assert [region.body for region in found] == ['7', '8', '9']
        assert found[0].box == Box(80, 20, 120, 140)
        assert not found[0].is_normalised
        assert found[0].frame_id == ''
        assert {(r.stamp_ns, r.arrival_ns) for r in found} == {(STAMP_NS, ARRIVAL_NS)}
        assert {region.camera for region in found} == {'camera'}
        assert refused == {}

    def test_yolo_msgs(self):
        found, refused = decoded(
            yolo(('3', 'person', 100.0, 80.0, 40.0, 120.0), ('4', 'chair', 9.0, 9.0, 2.0, 2.0))
        )
        assert [(region.body, region.box) for region in found] == [('3', Box(80, 20, 120, 140))]
        assert found[0].camera == 'camera'
        assert refused == {'a chair': 1}

    @pytest.mark.parametrize(
        ('detection', 'reason'),
        [
            (('', [('person', 1.0)], 1.0, 1.0, 2.0, 2.0), 'detection without an id'),
            (('x' * (MAX_ID + 1), [], 1.0, 1.0, 2.0, 2.0), 'id too long'),
            (('1', [], 1.0, 1.0, 0.0, 2.0), 'region without an area'),
            (('1', [], 1.0, 1.0, -3.0, 2.0), 'region without an area'),
            (('1', [], float('nan'), 1.0, 1.0, 2.0), 'region without an area'),
            (('1', [], 1.0, 1.0, float('inf'), 2.0), 'region without an area'),
            (
                ('1', [('person', 0.2), ('cat', 0.3)], 1.0, 1.0, 2.0, 2.0),
                'a cat',
            ),
        ],
    )
    def test_one_of_no_use_costs_nobody_else(self, detection, reason):
        good = ('2', [('Person', 0.5)], 10.0, 10.0, 4.0, 4.0)
        found, refused = decoded(vision(detection, good))
        assert [region.body for region in found] == ['2']
        assert refused == {reason: 1}

    def test_without_a_stamp_it_is_of_its_arrival(self):
        found, _ = decoded(vision(('1', [], 9.0, 9.0, 2.0, 2.0), stamp=(0, 0)))
        assert found[0].stamp_ns == ARRIVAL_NS

    def test_more_than_are_looked_at_are_told(self):
        crowd = [(f'b{n}', [], 9.0, 9.0, 2.0, 2.0) for n in range(MAX_PEOPLE + 3)]
        found, refused = decoded(vision(*crowd))
        assert len(found) == MAX_PEOPLE
        assert refused == {'too many detections in one message': 1}

    def test_nobody(self):
        assert decoded(vision()) == ([], {})


def body_region(*edges):
    kind = TYPES.resolve(BODY_REGION_TYPE)
    names = dict(zip(('xmin', 'ymin', 'xmax', 'ymax'), edges, strict=True))
    return again(kind, kind.new(BODY_REGION_TYPE, header=header(kind), c=0.5, **names))


class TestRep155:
    def test_a_region_is_in_shares_of_the_image(self):
        region = decode_body_region(body_region(0.25, 0.5, 0.75, 1.0), 'b1', ARRIVAL_NS)
        assert region.box == Box(0.25, 0.5, 0.75, 1.0)
        assert region.is_normalised
        assert (region.body, region.frame_id, region.camera) == ('b1', 'body_b1', 'camera')
        assert region.stamp_ns == STAMP_NS

    def test_a_region_without_an_area_is_refused(self):
        with pytest.raises(DecodeError, match=r'region without an area: .* 0\.5, 0\.5, 0\.5, 1'):
            decode_body_region(body_region(0.5, 0.5, 0.5, 1.0), 'b1', ARRIVAL_NS)

    def test_ids_that_can_be_topics_are_taken(self):
        kind, drops = TYPES.resolve(IDS_TYPE), Drops()
        given = ['b1', 'anon_x', '', '1b', 'a/b', 'a b', 'x' * 65]
        message = again(kind, kind.new(IDS_TYPE, header=header(kind), ids=given))
        assert decode_ids(message, refuse=drops.add) == ['b1', 'anon_x']
        assert dict(drops.counts) == {'id that is no part of a topic': 5}

    def test_more_ids_than_are_looked_at_are_told(self):
        kind, drops = TYPES.resolve(IDS_TYPE), Drops()
        ids = [f'b{number}' for number in range(MAX_PEOPLE + 1)]
        message = again(kind, kind.new(IDS_TYPE, header=header(kind), ids=ids))
        assert decode_ids(message, refuse=drops.add) == ids[:-1]
        assert dict(drops.counts) == {'too many ids in one message': 1}

    @pytest.mark.parametrize(('text', 'expected'), [('b1', 'b1'), ('', ''), ('/x', '')])
    def test_the_id_of_a_body(self, text, expected):
        kind, drops = TYPES.resolve('std_msgs/msg/String'), Drops()
        message = kind.new('std_msgs/msg/String', data=text)
        assert decode_id(again(kind, message), refuse=drops.add) == expected
        assert drops.total == (text == '/x')
