"""README and CONTRIBUTING say what the code does."""

from __future__ import annotations

import json
import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

from activity_recognition.bags import labels_path
from activity_recognition.entry import PIP_LINE, remedy
from activity_recognition.modalities import ROLE_SPEC
from activity_recognition.weights import register
from activity_recognition.weights.finding import FOLDER_VARIABLE
from factories.timing import PATIENCE_S

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / 'README.md').read_text(encoding='utf-8')
PROSE = ' '.join(README.split())
"""The same without its line breaks."""
NODE = (ROOT / 'docs' / 'node.md').read_text(encoding='utf-8')
CONTRIBUTING = (ROOT / 'CONTRIBUTING.md').read_text(encoding='utf-8')


def topics() -> dict[str, tuple[str, str]]:
    """The table of topics: type and quality of service by name."""
    table = NODE[NODE.index('| topic | type | QoS |') :].split('\n\n')[0]
    rows = [[cell.strip() for cell in row.split('|')[1:-1]] for row in table.splitlines()[2:]]
    return {name.strip('`'): (kind, qos) for name, kind, qos in rows}


def test_the_table_of_topics_tells_what_the_inputs_ask_for():
    told = topics()
    for role, spec in ROLE_SPEC.items():
        words = ['reliable' if spec.reliable else 'best effort']
        words += ['latched'] if spec.latched else []
        words += [f'depth {spec.depth}']
        assert told[str(role)][1] == ', '.join(words)


@pytest.mark.ros
@pytest.mark.filterwarnings("ignore:module 'sre_:DeprecationWarning")
def test_the_table_of_topics_tells_how_decisions_are_published():
    from activity_recognition.ros.qos import LIFESPAN_PERIODS

    assert LIFESPAN_PERIODS == 3
    expected = 'reliable, transient local, depth 1, lives three periods'
    assert topics()['→ `activity'][1] == expected


def test_labels_are_said_to_lie_where_they_are_looked_for(tmp_path):
    assert '`x.labels.csv`' in README
    assert labels_path(tmp_path / 'x.mcap') == tmp_path / 'x.labels.csv'
    assert labels_path(tmp_path) == tmp_path / 'labels.csv'


def test_the_variable_for_real_recordings_is_the_one_that_is_read(monkeypatch, tmp_path):
    (name,) = re.findall(r'`([A-Z_]+)` names', CONTRIBUTING)
    monkeypatch.setenv(name, str(tmp_path))
    shared = runpy.run_path(str(ROOT / 'test' / 'conftest.py'))
    assert shared['recordings_folder']() == tmp_path
    monkeypatch.delenv(name)
    assert shared['recordings_folder']() == ROOT.parent / 'shared' / 'data'


HIDDEN = """
import runpy, sys
sys.modules[sys.argv[1]] = None  # as if it were not installed
sys.argv = sys.argv[2:]
runpy.run_path(sys.argv[0], run_name='__main__')
"""


@pytest.mark.ros
@pytest.mark.parametrize(
    ('program', 'module', 'words'),
    [
        ('recognizer', 'rosbags', PIP_LINE),
        ('player', 'rosbags', PIP_LINE),
        ('simulator', 'cv2', PIP_LINE),
        ('recognizer', 'rclpy', 'source ROS 2'),
    ],
)
def test_a_missing_module_is_one_sentence(program, module, words):
    command = [sys.executable, '-c', HIDDEN, module, str(ROOT / 'scripts' / program)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=PATIENCE_S)
    assert done.returncode == 1
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr
    assert done.stderr.startswith(f'{program}: ')
    assert module.split('.')[0] in done.stderr
    assert words in done.stderr


@pytest.mark.ros
@pytest.mark.filterwarnings("ignore:module 'sre_:DeprecationWarning")
def test_a_node_that_lacks_torch_says_so_when_it_is_configured():
    script = """
import sys
sys.modules['torch'] = None
import rclpy
from activity_recognition.ros.recognizing.recognizer_node import RecognizerNode
rclpy.init()
node = RecognizerNode()
node.trigger_configure()
print(node.failure)
"""
    command = [sys.executable, '-c', script]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=PATIENCE_S)
    assert done.stdout.startswith('the Python package torch is not installed'), done.stderr
    assert PIP_LINE in done.stdout


def test_the_command_line_names_what_it_lacks(tmp_path):
    script = ROOT / 'scripts' / 'activity-recognition'
    words = ['import', 'clip.mp4', '--out', str(tmp_path / 'out')]
    command = [sys.executable, '-c', HIDDEN, 'rosbags', str(script), *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith('activity-recognition: the Python package rosbags ')
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr


def test_the_line_that_is_named_is_the_one_in_the_readme():
    assert PIP_LINE in README
    assert PIP_LINE in remedy('torch')
    assert 'install/setup.sh' in remedy('activity_recognition.msg')
    lock = PIP_LINE.split()[-1]
    assert (ROOT / lock).is_file()


PAGES = sorted(path for path in (ROOT / 'docs').rglob('*.md') if path.parent.name != 'benchmarks')
BENCHMARK = re.compile(r'(?P<before>[^`\n]*)\bbenchmarks/(?P<script>\w+\.py)(?P<words> [^`\n]*)?')


@pytest.mark.parametrize('page', PAGES, ids=lambda path: path.stem)
def test_commands_that_run_a_benchmark_run_as_they_are_written(page):
    """Scripts import each other, which tools/run alone keeps them from."""
    for line in page.read_text(encoding='utf-8').splitlines():
        code = re.findall(r'`([^`]+)`', line) if '`' in line else [line]
        for found in filter(None, map(BENCHMARK.fullmatch, code)):
            assert (ROOT / 'benchmarks' / found['script']).is_file()
            if found['words'] or 'python' in found['before']:
                assert found['before'].strip() == 'tools/run env -u PYTHONSAFEPATH python', line


def test_the_performance_page_says_what_the_record_says(capsys):
    from activity_recognition import cli

    page = (ROOT / 'docs' / 'performance.md').read_text(encoding='utf-8')
    (name,) = set(re.findall(r'benchmarks/(cost_model_[\w.-]+\.json)', page))
    record = ROOT / 'docs' / 'benchmarks' / name
    cli.main(['bench', '--from', str(record), '--markdown'])
    said = capsys.readouterr().out.strip()
    shown = page.partition('<!-- bench -->')[2].partition('<!-- /bench -->')[0].strip()
    assert shown == said, (
        f'put what `activity-recognition bench --from {record.relative_to(ROOT)} --markdown` '
        'prints between the marks in docs/performance.md'
    )


LAUNCH_LOG = (ROOT / 'docs' / 'ros2_launch.md').read_text(encoding='utf-8')


@pytest.mark.ros
@pytest.mark.filterwarnings("ignore:module 'sre_:DeprecationWarning")
def test_the_log_of_a_launch_lists_the_parameters_of_today():
    """Those of the logged run, and those that the page may say have come since."""
    pytest.importorskip('rclpy')
    from activity_recognition.config import RecognizerConfig
    from activity_recognition.ros.parameters import config_fields

    logged = LAUNCH_LOG.partition('$ ros2 param list /recognizer\n')[2].partition('\n\n')[0]
    since = re.search(r'it has the parameters (.*), which are not in the list below', LAUNCH_LOG)
    listed = {name for name in logged.split() if not name.startswith('qos_overrides.')}
    new = set(re.findall(r'`([\w.]+)`', since[1])) if since else set()
    of_every_node = {'autostart', 'start_type_description_service', 'use_sim_time'}
    assert not listed & new
    assert (listed | new) - of_every_node == set(config_fields(RecognizerConfig))


def test_the_log_of_a_launch_names_the_shipped_checkpoint():
    """Wherever a node says which one it has; and labels are those of the logged run."""
    from activity_recognition.checkpoint_folder import shipped_checkpoint
    from activity_recognition.models.checkpoint import load_checkpoint

    shipped = load_checkpoint(shipped_checkpoint('nano'))
    said = re.findall(r'checkpoint (\w+) with (\d+) activities', LAUNCH_LOG)
    assert set(said) == {(shipped.id, str(len(shipped.config.labels)))}
    assert f'\ncheckpoint_id: {shipped.id}\n' in LAUNCH_LOG
    labels = LAUNCH_LOG.partition('\nlabels:\n')[2].partition('checkpoint_id')[0]
    assert tuple(line.removeprefix('- ') for line in labels.split('\n') if line) == (
        shipped.config.labels
    )


EVALUATION = ROOT / 'docs' / 'evaluation'


def test_the_report_in_the_documents_is_of_the_shipped_checkpoint(capsys):
    from activity_recognition import cli
    from activity_recognition.checkpoint_folder import shipped_checkpoint
    from activity_recognition.models.checkpoint import load_checkpoint
    from activity_recognition.training.evaluation.schema import read_metrics

    metrics = read_metrics(EVALUATION)
    shipped = load_checkpoint(shipped_checkpoint('nano'))
    assert metrics['checkpoint']['id'] == shipped.id, (
        'docs/evaluation is of another checkpoint: measure the shipped one as its README says'
    )
    known = shipped.metrics['training']['keys']
    assert metrics['data']['num_training_recordings'] == sum(map(len, known.values()))
    assert metrics['data']['trained_on'] == metrics['data']['validated_with'] == 0
    page = (EVALUATION / 'README.md').read_text(encoding='utf-8')
    assert shipped.id in page
    assert cli.main(['evaluate', '--out', str(EVALUATION), '--gate']) == 0
    said = capsys.readouterr().out.rstrip()
    assert '\n'.join(line.rstrip() for line in said.splitlines()) in page


def test_the_table_of_modalities_says_what_the_report_says():
    from activity_recognition.training.evaluation.schema import read_metrics

    metrics = read_metrics(EVALUATION)
    intervals = metrics['confidence_intervals']['combinations']
    page = (EVALUATION / 'README.md').read_text(encoding='utf-8')
    rows = [line for line in page.splitlines() if re.match(r'\| (video|audio|text)', line)]
    assert len(rows) == len(metrics['combinations']) == 7
    for row, (name, found) in zip(rows, reversed(metrics['combinations'].items()), strict=True):
        cells = [cell.strip() for cell in row.split('|')[1:-1]]
        assert cells[0] == name.replace('+', ' + ')
        for cell, key in zip(
            cells[1:4], ('balanced_accuracy', 'accuracy', 'macro_f1'), strict=True
        ):
            low, high = intervals[name][key]
            assert cell == f'{found[key] * 100:.1f} ({low * 100:.1f}–{high * 100:.1f})'
        assert cells[4] == f'{found["smoothed"]["macro_f1"] * 100:.1f}'


def test_the_report_in_the_documents_names_no_folder_of_a_machine():
    for path in EVALUATION.glob('*.*'):
        if path.suffix in ('.json', '.html', '.md'):
            text = path.read_text(encoding='utf-8')
            assert not re.search(r'(?<![\w.<])/(home|work|tmp|root|Users)/', text), path.name


NOT_OUR_WORDS = re.compile(
    r'\b(anew|afresh|by heart|dearer|dearest|the network eats|encoders eat|nobody late|beliefs?'
    r'|word pieces|held against|sees and hears|take_in|sound_files)\b',
    re.IGNORECASE,
)
"""Where a plain word is meant: again, overfit, more expensive, network inputs, probabilities,
subword tokens, compared with."""


def test_prose_uses_plain_words():
    folders = (
        'activity_recognition',
        'training',
        'tools',
        'benchmarks',
        'docs',
        'config',
        'deploy',
    )
    files = [path for folder in folders for path in (ROOT / folder).rglob('*')]
    files += [*ROOT.glob('*.md'), ROOT / 'Makefile', ROOT / 'CHANGELOG.rst']
    kinds = {'.py', '.md', '.yaml', '.rst', ''}
    found = [
        f'{path.relative_to(ROOT)}: {hit[0]}'
        for path in files
        if path.is_file() and path.suffix in kinds
        for hit in NOT_OUR_WORDS.finditer(path.read_text(encoding='utf-8'))
        if path.parent != ROOT / 'docs' / 'benchmarks'
    ]
    assert found == []


@pytest.mark.parametrize(
    'name',
    [
        *('deployment', 'performance', 'evaluation/README', 'architecture', 'node', 'extending'),
        *('data', 'weights', 'pretrained_encoders'),
    ],
)
def test_pages_link_what_exists(name):
    path = ROOT / 'docs' / f'{name}.md'
    links = re.findall(r'\]\(([^)#]+)\)', path.read_text(encoding='utf-8'))
    local = [link for link in links if '://' not in link]
    assert local
    assert [link for link in local if not (path.parent / link).exists()] == []


def test_the_table_of_weights_is_that_of_the_register():
    page = (ROOT / 'docs' / 'weights.md').read_text(encoding='utf-8')
    table = page[page.index('| name | what |') :].split('\n\n')[0]
    rows = [[cell.strip() for cell in row.split('|')[1:-1]] for row in table.splitlines()[2:]]
    told = {name.strip('`'): (size, licence, kind) for name, _, size, licence, _, kind in rows}
    assert told == {
        name: (
            f'{entry.size_bytes / 1e6:.1f}',
            entry.licence,
            'package' if entry.sources[0].package else 'address',
        )
        for name, entry in register().items()
    }
    assert f'environment variable `{FOLDER_VARIABLE}`' in page


ARCHITECTURE = (ROOT / 'docs' / 'architecture.md').read_text(encoding='utf-8')


def python_files() -> list[Path]:
    return [
        path
        for folder in ('activity_recognition', 'training')
        for path in ROOT.glob(f'{folder}/**/*.py')
    ]


def test_the_table_of_where_to_change_what_names_what_is_there():
    """Each row links files, and what it names after a link stands in that file."""
    table = ARCHITECTURE.partition('## Where to change what')[2]
    rows = [line for line in table.splitlines() if line.startswith('| ')][1:]
    assert len(rows) >= 14
    for row in rows:
        parts = re.split(r'\]\(\.\./([^)]+)\)', row)[1:]
        assert parts, row
        for path, words in zip(parts[::2], parts[1::2], strict=True):
            named = re.match(r',((?: `\w+`,?)+)', words)
            text = (ROOT / path).read_text(encoding='utf-8') if named else ''
            assert (ROOT / path).exists(), path
            for name in re.findall(r'`(\w+)`', named[1]) if named else ():
                assert re.search(rf'(^|class |def )\s*{name}\b', text, re.MULTILINE), (path, name)


def rows_of_where_to_change_what() -> list[str]:
    table = ARCHITECTURE.partition('## Where to change what')[2]
    return [line for line in table.splitlines() if line.startswith('| ')][1:]


@pytest.mark.parametrize('row', rows_of_where_to_change_what())
def test_all_that_a_row_names_stands_in_the_files_that_it_links(row):
    places = [ROOT / path for path in re.findall(r'\]\(\.\./([^)#]+)\)', row)]
    files = [f for p in places for f in ([p] if p.is_file() else sorted(p.rglob('*.*')))]
    text = '\n'.join(f.read_text(encoding='utf-8') for f in files if f.suffix in ('.py', '.yaml'))
    names = set(re.findall(r'`([A-Za-z_]\w*)`', row.rpartition('|')[0]))
    assert {name for name in names if not re.search(rf'\b{name}\b', text)} == set()


@pytest.mark.parametrize(
    'question',
    [
        'colour order',
        'default window',
        'label is smoothed',
        'name of its ONNX file',
        'ROS parameter',
    ],
)
def test_a_row_answers_the_question_of_a_newcomer(question):
    rows = [row for row in rows_of_where_to_change_what() if question in row.split('|')[1]]
    assert len(rows) == 1


def test_the_row_on_windows_names_the_settings_of_every_modality():
    from activity_recognition.config import ModelConfig
    from activity_recognition.modalities import SPECS

    (row,) = (row for row in rows_of_where_to_change_what() if 'default window' in row)
    for spec in SPECS:
        assert f'`{type(getattr(ModelConfig(), spec.name)).__name__}`' in row


def test_the_diagrams_name_classes_and_modules_that_are_there():
    diagrams = ''.join(re.findall(r'```mermaid\n(.*?)```', ARCHITECTURE, re.DOTALL)).replace(
        '<br/>', ' '
    )
    assert diagrams.count('flowchart') == 2
    files = python_files()
    defined = {
        name
        for path in files
        for name in re.findall(r'^class (\w+)', path.read_text(encoding='utf-8'), re.MULTILINE)
    }
    named = set(re.findall(r'\b(?:[A-Z][a-z]+){2,}\b|(?<=\[")[A-Z]\w+', diagrams))
    assert len(named) > 10
    of_messages = {path.stem for path in (ROOT / 'msg').iterdir()}
    assert named - defined - of_messages == set()
    for place in re.findall(r'\b[\w/]+/(?:\w+\.py)?', diagrams):
        assert any(f'/{place}' in str(path) for path in files), place


def test_the_table_of_layers_names_every_folder_and_room():
    folders = {
        path.name
        for parent in ('activity_recognition', 'activity_recognition/ros', 'training')
        for path in (ROOT / parent).iterdir()
        if (path / '__init__.py').exists()
    }
    missing = {name for name in folders if f'`{name}/`' not in ARCHITECTURE}
    assert missing == set()


def test_the_page_on_modalities_names_the_modules_that_each_has():
    """Every file with a place for a name is there for all modalities, with what the page says."""
    from activity_recognition.modalities import SPECS

    page = (ROOT / 'docs' / 'extending.md').read_text(encoding='utf-8')
    rows = re.findall(r'^\| \d+ \| `([\w/<>.]+)` \| `?([\w<>]*)', page, re.MULTILINE)
    assert len(rows) == 10
    of_each = [(path, name) for path, name in rows if '<' in path]
    assert len(of_each) == 6
    for path, name in of_each:
        for spec in SPECS:
            role = spec.role.value
            file = path.replace('<name>', spec.name).replace('<role>', role)
            parent = ROOT if file.startswith('training/') else ROOT / 'activity_recognition'
            text = (parent / file).read_text(encoding='utf-8')
            wanted = name.replace('<Role>', role.title())
            assert re.search(rf'^(class |def )?{wanted}\b', text, re.MULTILINE), (file, wanted)
    for path, _ in rows:
        assert '<' in path or (ROOT / 'activity_recognition' / path).is_file(), path


def shipped_accuracy() -> dict[str, str]:
    """Percentages of the shipped checkpoint's report that README names, by what they are."""
    from activity_recognition.training.evaluation.schema import read_metrics

    combinations = read_metrics(EVALUATION)['combinations']
    balanced = {
        name: f'{found["balanced_accuracy"] * 100:.1f}' for name, found in combinations.items()
    }
    whole = combinations['video+audio+text']
    return {
        'all': balanced['video+audio+text'],
        'without text': balanced['video+audio'],
        'without video': balanced['audio+text'],
        'without audio': balanced['video+text'],
        'none': f'{whole["per_class"]["none"]["recall"] * 100:.0f}',
    }


def recorded_accuracy(theme: str) -> dict[str, list[str]]:
    """Mean accuracies in the record that README links, by row; the last of those alike."""
    (name,) = re.findall(rf'docs/benchmarks/({theme}_[\w.-]+)\.md', README)
    record = json.loads((ROOT / 'docs' / 'benchmarks' / f'{name}.json').read_text(encoding='utf-8'))
    return {
        row[0]: row[table['columns'].index('mean')]
        for table in record['tables']
        if 'mean' in table['columns']
        for row in table['rows']
    } | {'notes': ' '.join(record['notes'])}


def recorded_sounds() -> tuple[str, str]:
    """Mean accuracies over seeds and folds: of networks behind YAMNet, and of a linear probe."""
    (name,) = re.findall(r'docs/benchmarks/(yamnet_esc10_[\w.-]+)\.md', README)
    record = json.loads((ROOT / 'docs' / 'benchmarks' / f'{name}.json').read_text(encoding='utf-8'))
    goals = {goal['name']: goal['value'] for goal in record['goals']}
    network = goals['mean accuracy over seeds and folds, %']
    return f'{network:.1f}', f'{network - goals["network − linear probe, points"]:.1f}'


def recorded_descriptions() -> tuple[str, str]:
    """What descriptions alone reach: right sounds of ESC-10, and requests by two sentences each."""
    (name,) = re.findall(r'docs/benchmarks/(zero_recordings_[\w.-]+)\.md', README)
    record = json.loads((ROOT / 'docs' / 'benchmarks' / f'{name}.json').read_text(encoding='utf-8'))
    rows = {
        row[0]: dict(zip(t['columns'], row, strict=True))
        for t in record['tables']
        for row in t['rows']
    }
    return rows['checkpoint']['mean'], rows['checkpoint, 2 sentences']['mean']


def recorded_actions() -> tuple[dict[str, str], str]:
    """Mean accuracies of one network by what it is shown, and that of the data set's authors."""
    (name,) = re.findall(r'docs/benchmarks/(utd_mhad_(?!cameras)[\w.-]+)\.md', README)
    record = json.loads((ROOT / 'docs' / 'benchmarks' / f'{name}.json').read_text(encoding='utf-8'))
    first, published = record['tables'][0], record['tables'][-1]
    means = {row[0]: row[first['columns'].index('mean')] for row in first['rows']}
    shown = {way: means[f'{way}, one network of both'] for way in ('both', 'joints', 'imu')}
    (authors,) = (row for row in published['rows'] if row[0].startswith('Chen'))
    return shown, authors[published['columns'].index('both')]


def recorded_views() -> list[str]:
    """Mean accuracies of a network and of a regression, seen by random cameras."""
    (name,) = re.findall(r'docs/benchmarks/(utd_mhad_cameras_[\w.-]+)\.md', README)
    record = json.loads((ROOT / 'docs' / 'benchmarks' / f'{name}.json').read_text(encoding='utf-8'))
    rows = [row for row in record['tables'][0]['rows'] if row[0] == 'random camera']
    return [row[-1] for row in rows]


def recorded_lessons() -> list[str]:
    """What is right of what was taught, and of what was known, after lessons and before."""
    (name,) = re.findall(r'docs/benchmarks/(teach_[\w.-]+)\.md', README)
    record = json.loads((ROOT / 'docs' / 'benchmarks' / f'{name}.json').read_text(encoding='utf-8'))
    means = {row[0]: row[-1] for row in record['tables'][0]['rows']}
    return [
        means[f'{what}, %']
        for what in (
            'taught, clips of unseen people right',
            'known before, after the lesson',
            'known before, before the lesson',
        )
    ]


def recorded_joints() -> list[str]:
    """Mean accuracies of networks on JHMDB, joints as marked and as detected, and regressions'."""
    (name,) = re.findall(r'docs/benchmarks/(jhmdb_[\w.-]+)\.md', README)
    record = json.loads((ROOT / 'docs' / 'benchmarks' / f'{name}.json').read_text(encoding='utf-8'))
    goals = {goal['name']: goal['value'] for goal in record['goals']}
    networks = [goals[f'joints {kind}, mean %'] for kind in ('as marked', 'as detected')]
    above = [
        goals[f'joints {kind}: network − logistic regression, points']
        for kind in ('as marked', 'as detected')
    ]
    plain = [network - more for network, more in zip(networks, above, strict=True)]
    return [f'{value:.1f}' for value in (*networks, *plain)]


def test_every_accuracy_in_the_readme_is_in_a_record():
    shipped = shipped_accuracy()
    sounds, clips = recorded_accuracy('esc10'), recorded_accuracy('fights')
    actions, authors = recorded_actions()
    heard, probed = recorded_sounds()
    marked, detected, plain, plain_detected = recorded_joints()
    described, requests = recorded_descriptions()
    taught, kept, known = recorded_lessons()
    anywhere, plain_anywhere = recorded_views()
    sentences = [
        f'reaches {shipped["all"]} % balanced accuracy per decision',
        f'{shipped["without text"]} % without text',
        f'{shipped["without video"]} % without video',
        f'{shipped["without audio"]} % without audio',
        f'it finds {shipped["none"]} % of that',
        f"[{sounds['sound']} % of ESC-10's sounds]",
        f"it is [{heard} % of ESC-10's sounds]",
        f'three seeds, where a linear probe on the same embeddings has {probed} %',
        f'without any recording, it is [{described} % of them]',
        f'and {requests} % of requests in other words than the two sentences',
        f'{clips["pictures"]} % by video and {clips["what each has"]} % with what each clip has',
        f'a network of key points and an inertial sensor knows {actions["both"]} %; '
        f'{actions["joints"]} % by the key points and {actions["imu"]} % by the sensor alone',
        f'Its authors have {authors} % by depth images and the sensor',
        f'it is {anywhere} % (a logistic regression on whole clips {plain_anywhere} %)',
        f'[{taught} % of them]',
        f'and {kept} % of the other seventeen, of which it knew {known} % before',
        f'it knows {marked} % with joints as people marked them and {detected} % with those',
        f'a logistic regression on whole clips {plain} % and {plain_detected} %',
    ]
    for sentence in sentences:
        assert sentence in PROSE
    of_others = re.search(r'random forest ([\d.]+) %, listeners ([\d.]+) %', PROSE)
    other_seed = re.search(r'with another seed ([\d.]+) % and ([\d.]+) %', PROSE)
    for number in of_others.groups():
        assert f'{number} %' in sounds['notes']
    decision = (ROOT / 'docs' / 'adr' / '0018-motion-from-differences.md').read_text('utf-8')
    for number in other_seed.groups():
        assert number in decision
    pinned = re.findall(r'([\d.]+) %', ' '.join([*sentences, of_others[0], other_seed[0]]))
    assert sorted(re.findall(r'([\d.]+) %', PROSE)) == sorted(pinned), 'a number without a record'


def test_the_log_of_a_launch_has_every_launch_file_killed_in_every_state():
    """Each with its exit status, and nothing left of it."""
    rows = re.findall(
        r'^\| (\w+)\.launch\.py \| (\w+) \| ([\w ]+) \| (SIG\w+) \| .* \| (\d) \| (\d) \|$',
        LAUNCH_LOG,
        re.MULTILINE,
    )
    tried = {row[:4]: row[4:] for row in rows}
    for name in ('activity_recognition', 'replay'):
        for state in ('unconfigured', 'configuring', 'inactive', 'active'):
            assert tried[name, 'recognizer', state, 'SIGKILL'] == ('1', '0')
            assert tried[name, 'recognizer', state, 'SIGTERM'] == ('0', '0')
    for number in ('SIGKILL', 'SIGTERM'):
        assert tried['replay', 'player', 'playing', number] == ('1', '0')
        for process, state in (('simulate', 'drawing'), ('player', 'playing')):
            assert tried['demo', process, state, number] == ('1', '0')
