"""A release of hri_msgs that is built here, published by another process: its definition counts."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip('rclpy')

pytestmark = [
    pytest.mark.ros,
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:module 'sre_:DeprecationWarning"),
]

TEMPLATE = Path(__file__).resolve().parents[3] / 'interfaces' / 'audio_common_msgs'
OLD_RELEASE = 'std_msgs/Header header\nstring incremental\nstring final\nfloat64 confidence\n'
SPEAK = """
import sys
import rclpy
from hri_msgs.msg import LiveSpeech
namespace, incremental, final = sys.argv[1:]
rclpy.init(args=[])
node = rclpy.create_node('speaker', namespace=namespace)
publisher = node.create_publisher(LiveSpeech, 'transcript', 10)
def speak():
    message = LiveSpeech(incremental=incremental, final=final, confidence=0.5)
    message.header.stamp = node.get_clock().now().to_msg()
    publisher.publish(message)
node.create_timer(0.2, speak)
rclpy.spin(node)
"""


@pytest.fixture(scope='module')
def with_hri_msgs(tmp_path_factory):
    """Build hri_msgs as it was before it had a locale; return the environment that has it."""
    if shutil.which('cmake') is None:
        pytest.skip('no cmake: hri_msgs cannot be built')
    source, prefix = tmp_path_factory.mktemp('source'), tmp_path_factory.mktemp('installed')
    for name in ('CMakeLists.txt', 'package.xml'):
        text = (
            (TEMPLATE / name).read_text(encoding='utf-8').replace('audio_common_msgs', 'hri_msgs')
        )
        text = re.sub(r'(\s+"msg/\w+\.msg")+', ' msg/LiveSpeech.msg', text)
        (source / name).write_text(text, encoding='utf-8')
    (source / 'msg').mkdir()
    (source / 'msg' / 'LiveSpeech.msg').write_text(OLD_RELEASE, encoding='utf-8')
    build = source / 'build'
    options = ['-DBUILD_TESTING=OFF', f'-DPython3_EXECUTABLE={sys.executable}']
    for arguments in (
        ['-S', source, '-B', build, f'-DCMAKE_INSTALL_PREFIX={prefix}', *options],
        ['--build', build],
        ['--install', build],
    ):
        done = subprocess.run(['cmake', *arguments], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout[-2_000:] + done.stderr[-2_000:]
    [modules] = prefix.glob('lib/python3*/site-packages')
    added = {'AMENT_PREFIX_PATH': prefix, 'PYTHONPATH': modules, 'LD_LIBRARY_PATH': prefix / 'lib'}
    paths = {
        name: os.pathsep.join(filter(None, [str(path), os.environ.get(name, '')]))
        for name, path in added.items()
    }
    return {**os.environ, **paths}


@pytest.mark.parametrize(
    ('incremental', 'final', 'options'),
    [
        ('', 'hello robot', []),
        ('hello ro', '', ['-p', 'topics.transcript_incremental:=true']),
        ('hello ro', '', ['-p', 'topics.transcript_field:=incremental']),
    ],
)
def test_live_speech_without_a_locale_is_heard(
    world, checkpoint, with_hri_msgs, seen, incremental, final, options
):
    activities = world.activities()
    recognizer = [sys.executable, '-m', 'activity_recognition.ros.recognizing.recognizer_node']
    recognizer += ['--ros-args', '-r', f'__ns:={world.namespace}', '-p', 'autostart:=true']
    recognizer += ['-p', f'checkpoint:={checkpoint}', '-p', 'engine.device:=cpu', *options]
    speaker = [sys.executable, '-c', SPEAK, world.namespace, incremental, final]
    processes = [subprocess.Popen(c, env=with_hri_msgs) for c in (recognizer, speaker)]
    try:
        world.spin_until(lambda: any(seen(m) == {'text'} for m in activities))
    finally:
        for process in processes:
            process.kill()
            process.wait()
