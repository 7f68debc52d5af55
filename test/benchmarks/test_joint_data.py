"""Data sets of joints become recordings of key points, drawn where the joints are."""

from __future__ import annotations

from pathlib import Path

import joint_data
import numpy as np
import pytest

from activity_recognition.bags import RecordingReader, load_labels
from activity_recognition.bags.imported import START_NS
from activity_recognition.keypoints.figure import LIMB_COLOURS
from activity_recognition.training.data.splits import read_splits
from activity_recognition.types import NANOSECONDS, Frame


def frames_of(recording: Path) -> list[Frame]:
    with RecordingReader(recording) as reader:
        found = [sample for sample in reader.samples() if isinstance(sample, Frame)]
        assert not reader.drops.total
    return found


def colour_at(frame: Frame, joint: str) -> tuple[int, ...]:
    points = frame.key_points
    scale = frame.image.shape[0] / points.height_px
    x, y = np.rint(points.joints_px[points.names.index(joint)] * scale).astype(int)
    return tuple(map(int, frame.image[y, x]))


class TestUtdMhad:
    @pytest.fixture
    def made_up(self, tmp_path: Path) -> Path:
        """Two recordings: one of 4 frames and 10 rows, one of 3 and 8."""
        folder = tmp_path / 'utd'
        folder.mkdir()
        (folder / 'recordings.csv').write_text(
            'recording,label,subject,trial,frames,imu_samples\n0,wave,1,1,4,10\n1,clap,2,3,3,8\n'
        )
        joints = np.random.default_rng(1).uniform(-0.5, 0.5, (7, 20, 3)).astype(np.float16)
        joints[..., 2] += 3
        np.savez(
            folder / 'recordings.npz',
            joints_m=joints,
            joint_offsets=[0, 4, 7],
            imu=np.arange(18 * 6, dtype=np.float32).reshape(18, 6),
            imu_offsets=[0, 10, 18],
        )
        return folder

    def test_made_up_recordings(self, made_up, tmp_path):
        out = tmp_path / 'recordings'
        assert joint_data.main(['utd_mhad', str(made_up), '--out', str(out)]) == 0
        names = ('000_wave_s1_t1', '001_clap_s2_t3')
        frames = frames_of(out / names[0])
        assert [frame.stamp_ns - START_NS for frame in frames] == [
            0, 60_000_000, 120_000_000, 180_000_000,
        ]  # fmt: skip
        with np.load(made_up / 'recordings.npz') as data:
            x, y, z = data['joints_m'][1, 3].astype(float)
        np.testing.assert_allclose(
            frames[1].key_points.joints_px[3],
            (320 - 525 * x / z, 240 - 525 * y / z),
            rtol=1e-5,
        )
        with RecordingReader(out / names[1]) as reader:
            assert {topic.name: topic.count for topic in reader.topics} == {
                '/camera/key_points': 3,
                '/imu/data': 8,
                '/recording/start': 1,
            }
        (span,) = load_labels(out / names[1])
        assert (span.label, span.start_s, span.end_s) == ('clap', 0.0, 0.14)
        splits = read_splits(out)
        assert {name: str(splits[out / name].split) for name in names} == {
            names[0]: 'train',
            names[1]: 'test',
        }

    @pytest.mark.real
    def test_the_first_recordings(self, real_recordings, tmp_path):
        clips = joint_data.utd_mhad(real_recordings / 'utd_mhad')
        for expected in ((76, 192, 3.82), (73, 187, 3.72), (74, 195, 3.88)):
            clip = next(clips)
            assert clip.label == 'draw_circle_counter_clockwise'
            recording = joint_data.write_recording(clip, tmp_path)
            frames = frames_of(recording)
            with RecordingReader(recording) as reader:
                counts = {topic.name: topic.count for topic in reader.topics}
                assert reader.start_ns == frames[0].stamp_ns == START_NS
            duration_s = (frames[-1].stamp_ns - START_NS) / NANOSECONDS
            assert (len(frames), counts['/imu/data'], duration_s) == expected
            self.check_drawn(frames)

    @staticmethod
    def check_drawn(frames: list[Frame]) -> None:
        """Whoever faces the camera has the right arm at the left; it draws, the left one hangs."""
        paths = {}
        for frame in frames:
            assert frame.image.shape == (320, 427, 3)
            points = frame.key_points
            places = dict(zip(points.names, points.joints_px, strict=True))
            assert places['right_shoulder'][0] < places['left_shoulder'][0]
            assert places['head'][1] < places['hip_centre'][1] < places['left_foot'][1] < 480
            for joint in ('left_wrist', 'right_wrist'):
                paths.setdefault(joint, []).append(places[joint])
            assert colour_at(frame, 'right_wrist') == LIMB_COLOURS['right']
        extent = {joint: np.ptp(path, axis=0).max() for joint, path in paths.items()}
        assert extent['right_wrist'] > 80
        assert extent['left_wrist'] < 20


class TestJhmdb:
    @pytest.mark.real
    def test_the_first_clip(self, real_recordings, tmp_path):
        clip = next(joint_data.jhmdb_joints(real_recordings / 'jhmdb_joints'))
        frames = frames_of(joint_data.write_recording(clip, tmp_path))
        assert (clip.name, len(frames)) == ('000_clap', 39)
        assert frames[-1].stamp_ns - START_NS == 38 * 40_000_000
        for frame in frames:
            assert frame.image.shape == (240, 320, 3)
            places = frame.key_points.joints_px
            assert (places > 0).all()
            assert (places < (320, 240)).all()

    def test_made_up_clips(self, tmp_path):
        folder = tmp_path / 'jhmdb'
        folder.mkdir()
        (folder / 'clips.csv').write_text(
            'clip,label,frames,split_1,split_2,split_3\n0,clap,3,test,train,train\n'
        )
        places = np.random.default_rng(2).uniform(-1, 0.9, (3, 15, 2)).astype(np.float16)
        np.savez(folder / 'clips.npz', joints_px=places, offsets=[0, 3])
        out = tmp_path / 'recordings'
        assert joint_data.main(['jhmdb_joints', str(folder), '--out', str(out)]) == 0
        frames = frames_of(out / '000_clap')
        np.testing.assert_allclose(
            frames[2].key_points.joints_px,
            places[2].astype(np.float32) * 120 + (160, 120),
            rtol=1e-5,
        )
        assert str(read_splits(out)[out / '000_clap'].split) == 'test'
