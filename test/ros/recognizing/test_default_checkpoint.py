"""A node of which nobody says the checkpoint says which one it took, and what that one knows."""

import shutil

import pytest

pytest.importorskip('rclpy')

from activity_recognition import checkpoint_folder

pytestmark = [pytest.mark.ros, pytest.mark.filterwarnings("ignore:module 'sre_:DeprecationWarning")]

SIMULATED = 'knows drawn (simulated) people only'


def test_it_warns_in_the_log_and_in_diagnostics(world, tmp_path, monkeypatch):
    from rcl_interfaces.msg import Log

    shutil.copytree(world.checkpoint, tmp_path / 'nano')
    monkeypatch.setattr(checkpoint_folder, 'SHIPPED', tmp_path)
    logged, diagnoses = world.hear('/rosout', Log, latched=True), world.diagnoses()
    world.recognize(checkpoint='')
    world.spin_until(lambda: diagnoses.says('engine', SIMULATED))
    assert diagnoses.status('engine').level == b'\x01'
    world.spin_until(lambda: any(SIMULATED in line.msg for line in logged))
    [line] = [line for line in logged if SIMULATED in line.msg]
    level = Log.WARN
    assert line.level == (int.from_bytes(level, 'little') if isinstance(level, bytes) else level)


def test_it_says_nothing_of_one_that_was_named(world, tmp_path, monkeypatch):
    shutil.copytree(world.checkpoint, tmp_path / 'nano')
    monkeypatch.setattr(checkpoint_folder, 'SHIPPED', tmp_path)
    diagnoses = world.diagnoses()
    node = world.recognize(checkpoint='nano')
    world.spin_until(lambda: diagnoses.status('engine'))
    assert not diagnoses.says('engine', SIMULATED)
    assert node.failure is None
