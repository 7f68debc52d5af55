"""What is written is there whole or not at all, and nothing is left of what was not finished."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from activity_recognition.errors import OutputError
from activity_recognition.scratch import scratch_folder, writing

HOLD = """
import sys
from pathlib import Path
from activity_recognition.scratch import scratch_folder
with scratch_folder(Path(sys.argv[1]), '.part-') as folder:
    (folder / 'half').write_text('half')
    print(folder, flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def holder(tmp_path):
    process = subprocess.Popen(
        [sys.executable, '-c', HOLD, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert Path(process.stdout.readline().strip()).is_dir()
    yield process
    process.stdin.close()
    process.stdout.close()
    process.wait(timeout=60)


def test_a_folder_is_gone_at_the_end(tmp_path):
    place = tmp_path / 'new' / 'place'
    with scratch_folder(place, '.part-') as folder:
        (folder / 'sub').mkdir()
        assert folder.parent == place
    assert list(place.iterdir()) == []
    with pytest.raises(ValueError, match='mine'), scratch_folder(place, '.part-'):
        raise ValueError('mine')
    assert list(place.iterdir()) == []


def test_what_a_killed_process_left_is_removed(tmp_path, holder):
    holder.send_signal(signal.SIGKILL)
    holder.wait(timeout=60)
    assert len(list(tmp_path.iterdir())) == 1
    with scratch_folder(tmp_path, '.part-') as folder:
        assert list(tmp_path.iterdir()) == [folder]


def test_what_a_living_process_uses_and_what_others_made_stays(tmp_path, holder):
    (tmp_path / '.part-of-a-user').mkdir()
    (tmp_path / '.part-of-a-user' / 'precious').touch()
    (tmp_path / '.part-file').touch()
    before = set(tmp_path.iterdir())
    with scratch_folder(tmp_path, '.part-') as folder, scratch_folder(tmp_path, '.part-') as other:
        assert set(tmp_path.iterdir()) == {*before, folder, other}
    assert set(tmp_path.iterdir()) == before
    assert holder.poll() is None


def test_a_full_disk_is_an_error_that_names_the_path(tmp_path):
    state = tmp_path / 'x'
    said = rf'{state}: cannot write the state: No space left'
    with pytest.raises(OutputError, match=said), writing(state, 'the state'):
        Path('/dev/full').write_bytes(bytes(100))
    with (
        pytest.raises(OutputError, match=r'write it: .broken.; make'),
        writing(state, 'it', KeyError),
    ):
        raise KeyError('broken')


def test_a_folder_that_cannot_be_made_is_an_error(tmp_path):
    (tmp_path / 'file').touch()
    with (
        pytest.raises(OutputError, match='cannot write it'),
        writing(tmp_path / 'file', 'it'),
        scratch_folder(tmp_path / 'file'),
    ):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ['file']
