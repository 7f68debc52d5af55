"""Arrays of key points become recordings: what is in them, when, and what is refused."""

import re

import numpy as np
import pytest

from activity_recognition.bags import (
    KeyPointArrays,
    RecordingReader,
    import_key_points,
    read_labels,
)
from activity_recognition.bags.imported import START_NS
from activity_recognition.cli import main
from activity_recognition.errors import RecordingError
from activity_recognition.keypoints.figure import BACKGROUND, LIMB_COLOURS
from activity_recognition.sensors import TypeRegistry
from activity_recognition.types import NANOSECONDS, AudioChunk, Frame, Utterance
from factories.bodies import SIZE_PX, STANDING
from factories.media import write_wav

FRAMES = 40
CAMERA = np.array([[500.0, 0, 160], [0, 500, 120], [0, 0, 1]])


def fields(**changes):
    """Arrays of a body that raises its left hand for 2 s; None leaves one out."""
    joints = np.tile(np.array(list(STANDING.values()), np.float32), (FRAMES, 1, 1))
    joints[:, list(STANDING).index('left_wrist'), 1] -= np.arange(FRAMES)
    found = {
        'joints': joints,
        'names': 'coco17',
        't_s': np.arange(FRAMES) / 20,
        'image_size': SIZE_PX,
        **changes,
    }
    return {key: value for key, value in found.items() if value is not None}


def in_space():
    """The same body in metres, 2.5 m before the camera of CAMERA."""
    flat = fields()['joints']
    ahead = np.full((*flat.shape[:2], 1), 2.5)
    return np.concatenate([(flat - (160, 120)) * ahead / 500, ahead], axis=2)


def write(path, **changes):
    np.savez_compressed(path, **fields(**changes))
    return path


def samples_of(recording, kind):
    with RecordingReader(recording) as reader:
        found = [sample for sample in reader.samples() if isinstance(sample, kind)]
        assert not reader.drops.total
    return found


class TestRecordings:
    def test_joints_are_kept_and_drawn_at_their_times(self, tmp_path):
        found = import_key_points(write(tmp_path / 'a.npz'), tmp_path / 'bag')
        assert (found.samples['video'], found.duration_s, found.seconds['audio']) == (
            FRAMES,
            1.95,
            0,
        )
        frames = samples_of(tmp_path / 'bag', Frame)
        assert [frame.stamp_ns - START_NS for frame in frames] == [
            index * 50_000_000 for index in range(FRAMES)
        ]
        x, y = STANDING['left_wrist']
        for index in (0, FRAMES - 1):
            frame = frames[index]
            assert frame.arrival_ns == frame.stamp_ns
            np.testing.assert_array_equal(
                frame.key_points.joints_px[9], (x, y - index), err_msg='left wrist'
            )
            assert tuple(frame.image[y - index, x]) == LIMB_COLOURS['left']
        assert tuple(frames[0].image[y - FRAMES, x]) == BACKGROUND
        assert (frames[0].key_points.scores == 1).all()

    def test_names_one_by_one_and_scores(self, tmp_path):
        scores = np.linspace(0, 1, FRAMES * 17).reshape(FRAMES, 17)
        path = write(tmp_path / 'a.npz', names=list(STANDING), scores=scores)
        import_key_points(path, tmp_path / 'bag')
        frames = samples_of(tmp_path / 'bag', Frame)
        assert frames[3].key_points.names == tuple(STANDING)
        np.testing.assert_allclose(frames[3].key_points.scores, scores[3], rtol=1e-6)
        assert np.isnan(frames[0].key_points.joints_px[0]).all(), 'without a score it is missing'

    def test_missing_joints_stay_missing(self, tmp_path):
        joints = fields()['joints']
        joints[5:, 9] = np.nan
        import_key_points(write(tmp_path / 'a.npz', joints=joints), tmp_path / 'bag')
        frames = samples_of(tmp_path / 'bag', Frame)
        assert [bool(frame.key_points.scores[9]) for frame in frames] == [True] * 5 + [False] * 35

    @pytest.mark.parametrize('kind', [np.float16, np.float32, np.float64, '>f8'])
    def test_space_is_projected(self, tmp_path, kind):
        path = write(tmp_path / 'a.npz', joints=in_space().astype(kind), camera=CAMERA)
        import_key_points(path, tmp_path / 'bag')
        frames = samples_of(tmp_path / 'bag', Frame)
        digits = 0.5 if kind is np.float16 else 1e-3
        for frame, places in zip(frames, fields()['joints'], strict=True):
            np.testing.assert_allclose(frame.key_points.joints_px, places, atol=digits)

    def test_another_frame_of_reference(self, tmp_path):
        """A Kinect's: x to its left, y up, z ahead; here 1 m above the origin."""
        pose = np.diag([-1.0, -1, 1, 1])
        pose[1, 3] = 1.0
        turned = (in_space() - pose[:3, 3]) @ pose[:3, :3]
        path = write(tmp_path / 'a.npz', joints=turned, camera=CAMERA, camera_pose=pose)
        arrays = KeyPointArrays.read(path)
        np.testing.assert_allclose(arrays.joints_px, fields()['joints'], atol=1e-3)

    def test_audio_words_and_labels_on_one_clock(self, tmp_path):
        arrays = write(tmp_path / 'a.npz')
        loud = np.zeros((32_000, 1), np.float32)
        loud[16_000:] = 0.5
        audio = write_wav(tmp_path / 'a.wav', loud, 16_000)
        (tmp_path / 'a.srt').write_text('1\n00:00:00,500 --> 00:00:01,250\nhands up\n')
        (tmp_path / 'a.csv').write_text('start_s,end_s,label\n0.25,1.75,raise_hand\n')
        found = import_key_points(
            arrays,
            tmp_path / 'bag',
            audio=audio,
            transcript=tmp_path / 'a.srt',
            labels=tmp_path / 'a.csv',
        )
        assert (found.samples['video'], found.samples['text'], found.labels) == (FRAMES, 1, 1)
        assert found.seconds['audio'] == pytest.approx(2.0)
        chunks = samples_of(tmp_path / 'bag', AudioChunk)
        late = [chunk for chunk in chunks if chunk.stamp_ns >= START_NS + NANOSECONDS]
        assert all(abs(chunk.samples).max() > 0.4 for chunk in late)
        assert all(abs(chunk.samples[:100]).max() < 0.1 for chunk in chunks if chunk not in late)
        (words,) = samples_of(tmp_path / 'bag', Utterance)
        assert (words.text, words.stamp_ns) == ('hands up', START_NS + 1_250_000_000)
        (span,) = read_labels(tmp_path / 'bag' / 'labels.csv')
        assert (span.start_s, span.end_s, span.label) == (0.25, 1.75, 'raise_hand')
        with RecordingReader(tmp_path / 'bag') as reader:
            assert reader.start_ns == START_NS

    def test_an_inertial_sensor_beside_them(self, tmp_path):
        values = np.tile([1.0, 0, -0.5, 180, -90, 0], (100, 1))
        path = write(
            tmp_path / 'a.npz',
            imu=values,
            imu_t_s=np.arange(100) / 50,
            imu_units=['g', 'deg/s'],
        )
        found = import_key_points(path, tmp_path / 'bag')
        assert found.messages == {'/imu/data': 100}
        messages = inertial_messages(tmp_path / 'bag')
        assert len(messages) == 100
        stamps = [m.header.stamp.sec * NANOSECONDS + m.header.stamp.nanosec for m in messages]
        assert stamps == [START_NS + index * 20_000_000 for index in range(100)]
        last = messages[-1]
        linear, angular = last.linear_acceleration, last.angular_velocity
        np.testing.assert_allclose([linear.x, linear.y, linear.z], [9.80665, 0, -9.80665 / 2])
        np.testing.assert_allclose([angular.x, angular.y, angular.z], [np.pi, -np.pi / 2, 0])
        assert last.orientation_covariance[0] == -1
        assert last.header.frame_id == 'imu'

    def test_units_as_ros_has_them(self, tmp_path):
        path = write(
            tmp_path / 'a.npz',
            imu=np.arange(12.0).reshape(2, 6),
            imu_t_s=[0, 0.02],
            imu_units=['m/s^2', 'rad/s'],
        )
        import_key_points(path, tmp_path / 'bag')
        _, last = inertial_messages(tmp_path / 'bag')
        assert last.linear_acceleration.x == 6
        assert last.angular_velocity.z == 11

    def test_the_same_arrays_give_the_same_recording(self, tmp_path):
        path = write(tmp_path / 'a.npz')
        for name in 'ab':
            (tmp_path / name).mkdir()
            import_key_points(path, tmp_path / name / 'bag')
        one, other = (next((tmp_path / name).rglob('*.mcap')).read_bytes() for name in 'ab')
        assert one == other

    def test_nothing_is_left_of_an_import_that_fails(self, tmp_path):
        path = write(tmp_path / 'a.npz')
        (tmp_path / 'a.csv').write_text('start_s,end_s,label\n5,6,late\n')
        with pytest.raises(
            RecordingError, match=r"'late' starts at 5.0 s, after the end of .*a.npz"
        ):
            import_key_points(path, tmp_path / 'bag', labels=tmp_path / 'a.csv')
        assert sorted(found.name for found in tmp_path.iterdir()) == ['a.csv', 'a.npz']


def inertial_messages(recording):
    types = TypeRegistry(prefixes=())
    with RecordingReader(recording) as reader:
        return [
            types.deserialise(record.cdr, record.type_name)
            for record in reader.records({'/imu/data'})
        ]


class TestCommand:
    def test_import(self, tmp_path, capsys):
        path = write(tmp_path / 'a.npz')
        audio = write_wav(tmp_path / 'a.wav', np.zeros((16_000, 1), np.float32), 16_000)
        out = tmp_path / 'bag'
        command = ['import', str(path), '--audio', str(audio), '--out', str(out), '--quiet']
        assert main(command) == 0
        assert capsys.readouterr().out == (
            f'{out}: 1.95 s, 40 frames, 1.00 s of audio, 0 utterances, 0 labels\n'
        )

    @pytest.mark.parametrize(
        ('options', 'words'),
        [
            (['a.npz', '--image', 'png'], '--image and --max-height are for images'),
            (['a.npz', '--max-height', '10'], '--image and --max-height are for images'),
            (['a.mp4', '--audio', 'a.wav'], '--audio goes with key points'),
        ],
    )
    def test_options_of_the_other_kind(self, tmp_path, capsys, options, words):
        assert main(['import', *options, '--out', str(tmp_path / 'bag')]) == 2
        assert words in capsys.readouterr().err


INERTIAL = {
    'imu': np.zeros((3, 6)),
    'imu_t_s': np.arange(3.0),
    'imu_units': ['g', 'deg/s'],
}
SPACE = {'joints': in_space(), 'camera': CAMERA}


class TestRefusals:
    @pytest.mark.parametrize(
        ('changes', 'reason'),
        [
            ({'joints': None}, 'expected the arrays joints, names, t_s, image_size; joints is'),
            ({'image_size': None, 't_s': None}, 't_s, image_size is missing'),
            ({'score': np.ones((FRAMES, 17))}, "unknown array 'score'; did you mean scores?"),
            ({'joints': np.zeros((FRAMES, 17, 4))}, 'joints: expected numbers of shape'),
            ({'joints': np.zeros((0, 17, 2))}, 'joints: expected numbers of shape'),
            ({'joints': np.zeros(3)}, r'shape \(any, any, 2\), got float64 \(3,\)'),
            ({'joints': np.array([[['a', 'b']]])}, 'joints: expected numbers of shape'),
            ({'joints': np.full((FRAMES, 17, 2), np.inf)}, "joints: 'nose' of frame 0 is infinite"),
            ({'joints': np.full((FRAMES, 17, 2), np.nan)}, 'none lies in view of the camera'),
            ({'joints': fields()['joints'] / 320}, 'expected pixels, but all joints lie within'),
            ({'names': 'kinect'}, "or one of coco17, rep155, kinect20, jhmdb15, got 'kinect'"),
            ({'names': 'kinect20'}, 'kinect20 has 20 joints, but joints has 17'),
            ({'names': list('abc')}, r'names: expected text of shape \(17\)'),
            ({'names': np.arange(17)}, r'names: expected text of shape \(17\)'),
            ({'names': ['a'] * 17}, "names: expected each name once, got 'a'"),
            ({'t_s': np.arange(3.0)}, r't_s: expected numbers of shape \(40\)'),
            ({'t_s': np.zeros(FRAMES)}, 't_s: expected growing times, got 0.0 s at 1 after 0.0 s'),
            ({'t_s': np.arange(FRAMES) - 1.0}, 't_s: .* got -1.0 at 0; subtract the time'),
            ({'t_s': np.arange(FRAMES) + 1.7e9}, 't_s: .* got 1700000000.0 at 0; subtract'),
            ({'t_s': np.full(FRAMES, np.nan)}, 't_s: .* got nan at 0'),
            ({'scores': np.ones((FRAMES, 3))}, r'scores: expected numbers of shape \(40, 17\)'),
            ({'scores': np.full((FRAMES, 17), 2)}, r'scores: .* \[0, 1\], got 2.0 in frame 0'),
            ({'image_size': [320]}, r'image_size: expected numbers of shape \(2\)'),
            ({'image_size': [320.5, 240]}, 'image_size: expected width and height in whole pixels'),
            ({'image_size': [0, 240]}, 'image_size: expected width and height'),
            ({'image_size': [np.nan, 240]}, 'image_size: expected width and height'),
            ({'image_size': [1e30, 240]}, 'image_size: expected width and height'),
            ({'camera': CAMERA}, 'camera: joints in pixels need no camera'),
            ({**SPACE, 'camera': None}, 'expected the array camera'),
            ({**SPACE, 'camera': np.eye(4)}, r'camera: expected numbers of shape \(3, 3\)'),
            ({**SPACE, 'camera': -CAMERA}, r'camera: expected \[\[fx, 0, cx\]'),
            ({**SPACE, 'camera_pose': np.diag([1.0, -1, 1, 1])}, 'without mirroring'),
            (
                {**SPACE, 'camera_pose': np.zeros((4, 4))},
                'camera_pose: expected a turn and a shift',
            ),
            ({**SPACE, 'camera_pose': np.diag([-1.0, 1, -1, 1])}, 'none lies in view'),
            ({**SPACE, 'joints': in_space() * 1000}, 'expected metres, .* divide millimetres'),
            ({**INERTIAL, 'imu_units': None}, 'imu, imu_t_s, imu_units together, imu_units is'),
            ({**INERTIAL, 'imu': np.zeros((3, 3))}, r'imu: expected numbers of shape \(any, 6\)'),
            ({**INERTIAL, 'imu': np.full((3, 6), np.nan)}, 'imu: row 0 is not finite'),
            ({**INERTIAL, 'imu_units': ['g', 'rpm']}, r"or deg/s, got \['g', 'rpm'\]"),
            ({**INERTIAL, 'imu_t_s': np.zeros(3)}, 'imu_t_s: expected growing times'),
        ],
    )
    def test_arrays_that_cannot_be_used(self, tmp_path, changes, reason):
        path = write(tmp_path / 'a.npz', **changes)
        with pytest.raises(RecordingError, match=reason) as refused:
            KeyPointArrays.read(path)
        assert str(refused.value).startswith(str(path))
        assert not re.search(r'[\n\x1b]', str(refused.value))

    def test_audio_without_audio(self, tmp_path):
        from factories.media import Pictures, write_media

        silent = write_media(tmp_path / 'a.mp4', Pictures())
        with pytest.raises(RecordingError, match=r'a\.mp4: has no audio'):
            import_key_points(write(tmp_path / 'a.npz'), tmp_path / 'bag', audio=silent)
