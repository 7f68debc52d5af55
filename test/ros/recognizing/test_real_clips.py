"""Real clips, played to the live node: evidence names exactly the modalities that each clip has."""

from __future__ import annotations

import csv
import signal
import subprocess
import sys

import pytest

from factories.timing import PATIENCE_S

pytest.importorskip('rclpy')

pytestmark = [
    pytest.mark.ros,
    pytest.mark.real,
    pytest.mark.filterwarnings("ignore:module 'sre_:DeprecationWarning"),
]


@pytest.fixture
def play(world):
    """Play a recording to the world's topics from a process of its own, again and again."""
    processes = []

    def begin(recording) -> None:
        command = [
            sys.executable,
            '-m',
            'activity_recognition.ros.playing.player_node',
            '--ros-args',
        ]
        command += ['-r', f'__ns:={world.namespace}', '-p', f'bag:={recording}']
        command += ['-p', 'playback.loop:=true']
        processes.append(subprocess.Popen(command, stdout=subprocess.DEVNULL))

    yield begin
    for process in processes:
        process.send_signal(signal.SIGINT)
    for process in processes:
        process.wait(timeout=PATIENCE_S)


@pytest.mark.parametrize(
    ('audio', 'expected'),
    [('audible', {'video', 'audio'}), ('silent', {'video', 'audio'}), ('none', {'video'})],
)
def test_evidence_names_what_a_clip_has(
    world, seen, play, real_recordings, tmp_path, audio, expected
):
    from activity_recognition.bags import import_clip

    with (real_recordings / 'fights' / 'clips.csv').open(encoding='utf-8') as file:
        row = next(row for row in csv.DictReader(file) if row['audio'] == audio)
    clip = real_recordings / 'fights' / 'clips' / f'{row["clip"]}.mp4'
    imported = import_clip(clip, tmp_path / row['clip'])
    world.recognize()
    activities = world.activities()
    play(imported.path)
    world.spin_until(lambda: activities and seen(activities[-1]) == expected)
    watched = len(activities)
    world.spin_until(lambda: len(activities) > watched + 10)
    named = set().union(*(seen(message) for message in activities))
    assert named == expected
