"""The simulator on real topics."""

import os
import signal
import subprocess
import sys

import pytest

rclpy = pytest.importorskip('rclpy')

from activity_recognition.errors import ConfigError  # noqa: E402
from activity_recognition.modalities import Role  # noqa: E402
from activity_recognition.simulation import SimulationConfig, simulate  # noqa: E402
from factories.timing import PATIENCE_S, check_ends_in_time, seconds_of  # noqa: E402

pytestmark = [pytest.mark.ros, pytest.mark.filterwarnings("ignore:module 'sre_:DeprecationWarning")]

SENSORS = ('/image', '/audio', '/audio_info', '/transcript', '/activity_truth')
MS = 1_000_000


def test_a_scene_is_published_as_it_is_drawn(stage, finish):
    ears = stage.listen(*SENSORS)
    node = stage.simulate(
        scene__seed=4, scene__duration_s=3.0, scene__width_px=64, scene__height_px=48
    )
    finish(node)
    scene = simulate(SimulationConfig(seed=4, duration_s=3.0, width_px=64, height_px=48))
    expected = list(scene.samples())
    frames = [sample for sample in expected if hasattr(sample, 'image')]
    ears.wait_count('/image', len(frames))
    ears.wait_count('/audio_info', 1)
    ears.wait_count('/activity_truth', len(scene.labels) + 1)
    images = ears.read('/image')
    for message, frame in zip(images, frames, strict=True):
        assert (message.width, message.height, message.encoding) == (64, 48, 'rgb8')
        assert message.data.tobytes() == frame.image.tobytes()
    stamps = ears.stamps('/image')
    shift_ns = stamps[0] - frames[0].stamp_ns
    assert stamps == [frame.stamp_ns + shift_ns for frame in frames]
    assert [message.label for message in ears.read('/activity_truth')] == [
        *(span.label for span in scene.labels),
        '',
    ]
    assert node.playback.published(Role.AUDIO) == len(
        [sample for sample in expected if hasattr(sample, 'samples')]
    )


def test_with_loop_the_next_scene_has_another_seed_and_later_stamps(stage):
    ears = stage.listen('/image')
    node = stage.simulate(
        scene__duration_s=1.0,
        scene__width_px=32,
        scene__height_px=32,
        scene__frame_rate_hz=4.0,
        scene__modalities=['video'],
        playback__loop=True,
    )
    ears.wait_count('/image', 8)
    images = [message.data.tobytes() for message in ears.read('/image')]
    assert images[:4] != images[4:8]
    stamps = ears.stamps('/image')
    assert stamps == sorted(set(stamps))
    assert node.playback.published(Role.AUDIO) == 0


@pytest.mark.parametrize(
    ('parameters', 'words'),
    [
        ({'scene__image': 'gif'}, 'scene.image must be one of raw'),
        ({'scene__modalities': ['video', 'smell']}, 'scene.modalities must come from video'),
        ({'scene__sed': 3}, 'scene.seed'),
    ],
)
def test_wrong_settings_are_refused_in_words(stage, parameters, words):
    with pytest.raises(ConfigError, match=words):
        stage.simulate(**parameters)


def test_ctrl_c_ends_the_process_within_two_seconds(stage):
    ears = stage.listen('/image')
    command = [sys.executable, '-m', 'activity_recognition.ros.playing.simulator_node']
    environment = {**os.environ, 'ROS_DOMAIN_ID': str(stage.context.get_domain_id())}

    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as node:
        ears.wait_count('/image', 2)
        node.send_signal(signal.SIGINT)
        took_s = seconds_of(lambda: node.wait(PATIENCE_S))
        errors = node.stderr.read()
    assert node.returncode == 0, errors
    assert 'Traceback' not in errors
    check_ends_in_time(took_s)
