"""What README's first screen shows is real: the message, and the lines of Python."""

import re
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import av
import pytest
import yaml

from factories.media import Pictures, Tone, write_media
from factories.timing import PATIENCE_S

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / 'README.md').read_text(encoding='utf-8')
COLUMNS = 100


def block(language, words):
    """Return the one block of a language that holds some words."""
    (found,) = [b for b in re.findall(rf'```{language}\n(.*?)```', README, re.S) if words in b]
    return found


def message():
    """Return the message that README shows, as `ros2 topic echo` prints it."""
    shown = block('console', 'ros2 topic echo --once /activity')
    return yaml.safe_load(shown.split('\n', 1)[1])


def test_the_snippet_recognises_a_video_file_word_for_word(tmp_path):
    snippet = block('python', 'ClipReader')
    assert len([line for line in snippet.splitlines() if line.strip()]) <= 8
    write_media(tmp_path / 'clip.mp4', Pictures(count=50), Tone(seconds=2.0))
    script = tmp_path / 'recognise.py'
    # As on a machine without ROS.
    script.write_text(f"import sys\nsys.modules['rclpy'] = None\n{snippet}", encoding='utf-8')
    done = subprocess.run(
        [sys.executable, script.name],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_S,
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) == pytest.approx(20, abs=1)
    rows = [re.fullmatch(r' +(\d+\.\d) s  (\w+)  (\d\.\d\d)', line) for line in lines]
    assert all(rows), done.stdout
    assert float(rows[0][1]) == 0.0
    assert float(rows[-1][1]) == pytest.approx(1.9, abs=0.1)
    assert {row[2] for row in rows} <= {*shipped_labels(), 'UNKNOWN', 'NO_DATA'}
    assert rows[-1][2] != 'NO_DATA'


def test_the_snippet_takes_a_file_without_picture_and_one_without_sound(tmp_path):
    from activity_recognition.bags import ClipReader
    from activity_recognition.inference import StreamingEngine
    from activity_recognition.types import Modality

    engine = StreamingEngine.load()
    files = {
        Modality.AUDIO: write_media(tmp_path / 'clip.wav', Tone(codec='pcm_s16le', seconds=1.0)),
        Modality.VIDEO: write_media(tmp_path / 'clip.mp4', Pictures(count=25)),
    }
    for modality, path in files.items():
        decisions = list(engine.decisions(ClipReader(path, engine.config).samples()))
        assert decisions
        present = {e.modality for e in decisions[-1].evidence if e.present}
        assert present == {modality}


def shipped_config():
    from activity_recognition.checkpoint_folder import shipped_checkpoint
    from activity_recognition.models.checkpoint import load_checkpoint

    return load_checkpoint(shipped_checkpoint('nano')).config


def shipped_labels():
    return shipped_config().labels


@pytest.mark.ros
def test_the_message_has_the_fields_of_the_message_in_their_order():
    from activity_recognition.msg import ActivityScore, ActivityStamped, ModalityEvidence

    shown = message()
    assert list(shown) == list(ActivityStamped.get_fields_and_field_types())
    for score in shown['scores']:
        assert list(score) == list(ActivityScore.get_fields_and_field_types())
    for evidence in shown['evidence']:
        assert list(evidence) == list(ModalityEvidence.get_fields_and_field_types())


def test_the_message_can_be_of_the_shipped_checkpoint():
    shown, labels = message(), shipped_labels()
    assert shown['status'] == 0
    assert labels[shown['class_id']] == shown['label'] == shown['scores'][0]['label']
    assert shown['confidence'] == shown['scores'][0]['probability']
    (left_out,) = re.findall(r'# (\d+) more scores', README)
    assert len(shown['scores']) + int(left_out) == len(labels)
    assert [e['modality'] for e in shown['evidence']] == list(shipped_config().modalities)
    for evidence in shown['evidence']:
        assert evidence['label'] in labels
        assert 0 < evidence['confidence'] < shown['confidence']
    stamp, start, since = (
        Fraction(time['sec']) + Fraction(time['nanosec'], 10**9)
        for time in (shown['header']['stamp'], shown['window_start'], shown['stable_since'])
    )
    assert start < since < stamp
    assert shown['processing_s'] < shown['latency_s']


def test_pictures_are_there_and_described():
    found = re.findall(r'<img [^>]*src="([^"]+)"\s+alt="([^"]+)"', README)
    assert found
    for path, words in found:
        with av.open(str(ROOT / path)) as picture:
            assert picture.streams.video[0].width >= 600
        assert len(words) > 20


@pytest.mark.parametrize(
    'name',
    ['README.md', 'CONTRIBUTING.md', 'docs/architecture.md', 'docs/node.md', 'docs/extending.md'],
)
def test_no_line_is_longer_than_a_screen(name):
    text = (ROOT / name).read_text(encoding='utf-8')
    # Rows of tables and paths cannot be broken.
    long = [
        line
        for line in text.splitlines()
        if len(line) > COLUMNS and not line.startswith('|') and ' ' in line[:COLUMNS].strip()
    ]
    assert long == []


def test_every_link_leads_somewhere():
    for target in re.findall(r'\]\(([^)]+)\)', README):
        path, _, anchor = target.partition('#')
        assert '://' in path or (ROOT / path).exists(), target
        if not path:
            headings = re.findall(r'^#+ (.*)$', README, re.M)
            assert anchor in {heading.lower().replace(' ', '-') for heading in headings}, target
