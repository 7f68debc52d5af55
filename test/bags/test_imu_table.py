"""Tables of an inertial sensor beside a clip or key points."""

import numpy as np
import pytest

from activity_recognition.bags import RecordingReader, RecordingWriter, import_key_points
from activity_recognition.bags.imu_arrays import TOPIC, InertialArrays
from activity_recognition.bags.tables import read_tables
from activity_recognition.bags.writer import topic_of
from activity_recognition.config import ModelConfig
from activity_recognition.errors import RecordingError
from activity_recognition.modalities import ROLE_SPEC
from activity_recognition.recorded import RecordedConfig
from activity_recognition.types import InertialChunk, Role

HEADER = 't_s,ax,ay,az,gx,gy,gz'
MODEL = ModelConfig(modalities=('imu',))


def table(tmp_path, text: str):
    path = tmp_path / 'worn.csv'
    path.write_text(text, encoding='utf-8')
    return path


def test_units_of_the_header(tmp_path):
    found = InertialArrays.read(
        table(tmp_path, 't_s,ax [g],ay [g],az (m/s²),gx [deg/s],gy [rad/s],gz\n0.5,1,2,3,180,1,2\n')
    )
    np.testing.assert_allclose(
        found.values, [[9.80665, 2 * 9.80665, 3.0, np.pi, 1.0, 2.0]], rtol=1e-12
    )
    assert found.stamps_ns.tolist() == [500_000_000]


def test_columns_in_any_order_and_blank_lines(tmp_path):
    found = InertialArrays.read(table(tmp_path, 'gx,gy,gz,t_s,ax,ay,az\n\n4,5,6,0,1,2,3\n\n'))
    assert found.values.tolist() == [[1, 2, 3, 4, 5, 6]]


@pytest.mark.parametrize(
    ('text', 'words'),
    [
        ('', r'worn\.csv:1: expected the header t_s,ax'),
        ('t_s,ax,ay\n0,1,2\n', r'worn\.csv:1: expected the header .*got .t_s,ax,ay.'),
        (f'{HEADER}\n', r'worn\.csv:1: expected measurements'),
        ('t_s,ax [lb],ay,az,gx,gy,gz\n', r'worn\.csv:1: ax: expected m/s\^2 or g, got .lb.'),
        (f'{HEADER}\n0,1,2,3,4,5,6\n1,1,2,3,4,5\n', r'worn\.csv:3: expected 7 values, got 6'),
        (f'{HEADER}\n0,1,2,3,4,5,nan\n', r'worn\.csv:2: gz: expected a finite number, got .nan.'),
        (f'{HEADER}\n0,1,x,3,4,5,6\n', r'worn\.csv:2: ay: expected a finite number, got .x.'),
        (f'{HEADER}\n1,1,2,3,4,5,6\n1,1,2,3,4,5,6\n', r'worn\.csv:3: t_s: .*got 1.0 after 1.0'),
        (f'{HEADER}\n-1,1,2,3,4,5,6\n', r'worn\.csv:2: t_s: expected seconds from the start'),
        (f'{HEADER}\n1700000000,1,2,3,4,5,6\n', r'worn\.csv:2: t_s: .*got 1700000000'),
    ],
)
def test_what_is_wrong_is_said_with_its_line(tmp_path, text, words):
    with pytest.raises(RecordingError, match=words):
        InertialArrays.read(table(tmp_path, text))


def test_key_points_with_a_table_beside_them(tmp_path):
    from activity_recognition.commands.import_clip import add_arguments, run

    rows = '\n'.join(f'{i / 100},0,0,9.81,0.1,0,{i / 100}' for i in range(300))
    worn = table(tmp_path, f'{HEADER}\n{rows}\n')
    np.savez(
        tmp_path / 'joints.npz',
        joints=np.random.default_rng(0).uniform(10, 90, (30, 2, 2)),
        names=np.array(['nose', 'neck']),
        t_s=np.arange(30) / 10,
        image_size=np.array([100, 100]),
    )
    import argparse

    parser = argparse.ArgumentParser()
    add_arguments(parser)
    out = tmp_path / 'out'
    asked = [str(tmp_path / 'joints.npz'), '--imu', str(worn), '--out', str(out), '--quiet']
    assert run(parser.parse_args(asked)) == 0
    with RecordingReader.for_model(out, MODEL) as reader:
        chunks = list(reader.samples())
    found = np.concatenate([chunk.samples for chunk in chunks])
    assert len(found) == 148
    np.testing.assert_allclose(found[:, 2], 9.81, rtol=1e-6)
    np.testing.assert_allclose(found[:, 5], 0.01 + 0.02 * np.arange(148), atol=1e-5)


def test_the_topic_of_an_import_is_that_of_recordings():
    assert TOPIC == topic_of(Role.IMU) == f'/{ROLE_SPEC[Role.IMU].default_topic}'


@pytest.fixture
def two_sensors(tmp_path):
    """A recording with a sensor at each wrist."""
    rows = '\n'.join(f'{i / 100},0,0,9.81,0,0,0' for i in range(200))
    measured = InertialArrays.read(table(tmp_path, f'{HEADER}\n{rows}\n'))
    with RecordingWriter(tmp_path / 'two', start_ns=10**18) as writer:
        for message in measured.messages(10**18):
            for side in ('left', 'right'):
                writer.write_message(f'/{side}/imu', message.message, message.arrival_ns)
    return tmp_path / 'two'


def test_of_several_sensors_one_is_named(two_sensors):
    wanted = RecordedConfig(imu='/left/imu')
    with RecordingReader.for_model(two_sensors, MODEL, recorded=wanted) as reader:
        assert all(isinstance(sample, InertialChunk) for sample in reader.samples())
        assert reader.roles.imu == '/left/imu'


def test_else_the_candidates_are_listed(two_sensors):
    with (
        RecordingReader.for_model(two_sensors, MODEL) as reader,
        pytest.raises(RecordingError, match=r'imu: /left/imu .*/right/imu .*--imu'),
    ):
        _ = reader.roles


def test_a_network_without_it_does_not_mind(two_sensors):
    with RecordingReader.for_model(two_sensors, ModelConfig()) as reader:
        assert reader._wanted.imu == ''


def test_a_table_beside_arrays_of_the_same_sensor_is_refused(tmp_path):
    joints = tmp_path / 'joints.npz'
    np.savez(
        joints,
        joints=np.full((2, 2, 2), [[10.0, 20.0], [90.0, 80.0]]),
        names=np.array(['nose', 'neck']),
        t_s=np.arange(2) / 10,
        image_size=np.array([100, 100]),
        imu=np.zeros((2, 6)),
        imu_t_s=np.arange(2) / 10,
        imu_units=np.array(['g', 'deg/s']),
    )
    worn = table(tmp_path, f'{HEADER}\n0,1,2,3,4,5,6\n')
    with pytest.raises(RecordingError, match='has arrays of imu; leave the table of imu out'):
        import_key_points(joints, tmp_path / 'out', tables={'imu': worn})
    found = import_key_points(joints, tmp_path / 'out')
    assert found.messages == {TOPIC: 2}
    assert found.describe().endswith(f'0 labels, 2 messages of {TOPIC}')


def test_tables_are_of_modalities_that_have_such_a_format(tmp_path):
    with pytest.raises(RecordingError, match="expected tables of imu, got one of 'audio'"):
        read_tables({'audio': tmp_path / 'a.csv'})
