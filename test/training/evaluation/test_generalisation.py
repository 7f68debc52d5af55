"""Known against new scenes: by hand, and of networks that are trained on coloured rooms."""

from __future__ import annotations

import csv
import dataclasses
import re
from pathlib import Path

import numpy as np
import pytest
import yaml

from activity_recognition.bags import RecordingWriter
from activity_recognition.cli import main
from activity_recognition.config_io import to_mapping
from activity_recognition.models.checkpoint import Checkpoint, load_checkpoint
from activity_recognition.training.config import TrainConfig
from activity_recognition.training.evaluation.bootstrap import Bootstrap
from activity_recognition.training.evaluation.generalisation import (
    count_heads,
    measure_generalisation,
    scene_bound,
)
from activity_recognition.training.evaluation.measuring import (
    Decided,
    Evaluation,
    EvaluationConfig,
    evaluate_checkpoint,
)
from activity_recognition.training.evaluation.report import render
from activity_recognition.training.evaluation.schema import METRICS, read_metrics
from activity_recognition.training.run.train import main_train
from activity_recognition.types import MODALITIES, Frame, LabelSpan, Utterance, to_ns
from factories.networks import TINY

from .conftest import START_NS, make_result

MADE_WITH = {'training': {'keys': {'train': ['a'], 'validation': []}}}


def decided(
    truth: int, own: dict[str, list[int]], *, group: str, seen: bool, absent: tuple[str, ...] = ()
) -> Decided:
    """Return a clip of three decisions, by what each head decided for."""
    gone = {name: [0, 1, 2] for name in absent}
    result = make_result([truth] * 3, [truth] * 3, own=own, absent=gone)
    return Decided(
        name=group,
        start_ns=START_NS,
        group=group,
        is_seen_scene=seen,
        own_counts=count_heads([result], MODALITIES, 3),
        spans=(),
        counts={},
        results=(result,),
        dropped=0,
    )


def test_a_recording_without_decisions_counts_nothing():
    counts = count_heads([], MODALITIES, 3)
    assert list(counts) == list(MODALITIES)
    assert not any(count[kind].any() for count in counts.values() for kind in count)


def measured(found: list[Decided], metrics: dict[str, object] = MADE_WITH) -> dict | None:
    bootstrap = Bootstrap.draw(
        len(found), resamples=200, seed=0, groups=[recording.group for recording in found]
    )
    return measure_generalisation(found, metrics, bootstrap)


RIGHT_THEN_WRONG = [
    decided(0, {'video': [0, 0, 0]}, group='red', seen=True),
    decided(1, {'video': [1, 1, 0]}, group='blue', seen=True),
    decided(0, {'video': [1, 1, 0]}, group='attic', seen=False),
    decided(1, {'video': [0, 0, 1]}, group='cellar', seen=False),
    decided(1, {'video': [0, 0, 0]}, group='cellar', seen=False),
]


def test_both_sides_are_counted_by_hand():
    found = measured(RIGHT_THEN_WRONG)
    assert found['groups'] == {'seen': 2, 'unseen': 2}
    video = found['own_heads']['video']
    assert video['seen'] == {'decisions': pytest.approx((1 + 2 / 3) / 2), 'clips': 1.0}
    assert video['unseen'] == {'decisions': pytest.approx((1 / 3 + 1 / 6) / 2), 'clips': 0.0}
    assert video['gap'] == pytest.approx(5 / 6 - 1 / 4)
    low, high = video['gap_interval']
    assert low <= video['gap'] <= high
    audio = found['own_heads']['audio']
    assert (audio['gap'], audio['unseen']['clips']) == (0.0, 1.0)


def test_who_is_scene_bound_is_named_with_all_numbers():
    (said,) = scene_bound(measured(RIGHT_THEN_WRONG), 3)
    assert said.startswith('video has overfitted to the scenes that it was trained on')
    assert '83.3 % (whole clips 100.0 %) in the 2 groups that were trained on' in said
    assert '25.0 % (whole clips 0.0 %) in 2 new groups' in said
    assert list(scene_bound(None, 3)) == []


def test_one_new_group_is_too_little_to_say_so():
    """It may be the one that is hard: without an interval nothing is said."""
    one = [RIGHT_THEN_WRONG[0], dataclasses.replace(RIGHT_THEN_WRONG[2], group='red')]
    assert measured(one)['own_heads']['video']['gap_interval'] is None
    assert list(scene_bound(measured(one), 3)) == []


def test_below_a_guess_there_is_nothing_to_lose():
    """Half right of two labels is a guess, however wrong it is elsewhere; of six it is not."""
    own = {
        'seen': {'decisions': 0.5, 'clips': 0.5},
        'unseen': {'decisions': 0.05, 'clips': 0.0},
        'gap': 0.45,
        'gap_interval': [0.2, 0.6],
    }
    found = {'groups': {'seen': 4, 'unseen': 4}, 'own_heads': {'audio': own}}
    assert list(scene_bound(found, 2)) == []
    (said,) = scene_bound(found, 6)
    assert said.startswith('audio has overfitted')


def test_labels_that_one_side_lacks_do_not_count():
    """In the new scene there is only the label 0; the other is answered wrongly in known ones."""
    found = measured(
        [
            decided(0, {'video': [0, 0, 0]}, group='red', seen=True),
            decided(1, {'video': [0, 0, 0]}, group='blue', seen=True),
            decided(0, {'video': [0, 0, 0]}, group='attic', seen=False),
        ]
    )
    assert found['own_heads']['video']['gap'] == 0.0


def test_a_modality_that_is_absent_is_not_wrong():
    found = measured(
        [
            decided(0, {}, group='red', seen=True),
            decided(0, {'video': [0, 0, 0]}, group='attic', seen=False),
            decided(0, {'video': [1, 1, 1]}, group='dark', seen=False, absent=('video',)),
        ]
    )
    assert found['own_heads']['video']['unseen'] == {'decisions': 1.0, 'clips': 1.0}
    nowhere = [
        decided(0, {}, group='red', seen=True),
        decided(0, {}, group='attic', seen=False, absent=('video',)),
    ]
    assert 'video' not in measured(nowhere)['own_heads']


def test_the_run_stands_in_for_known_scenes_that_were_not_measured():
    new = RIGHT_THEN_WRONG[2:]
    heads = {'video': {'training': {'balanced_accuracy': 0.9, 'loss': 0.1}}}
    found = measured(new, {**MADE_WITH, 'validation': {'own_heads': heads}})
    assert list(found['own_heads']) == ['video'], 'of the others the run says nothing'
    video = found['own_heads']['video']
    assert video['seen'] == {'decisions': 0.9, 'clips': None}
    assert video['gap'] == pytest.approx(0.65)
    (said,) = scene_bound(found, 3)
    assert '90.0 % on recordings that it was trained on' in said


@pytest.mark.parametrize(
    'metrics',
    [
        {},
        MADE_WITH,
        {**MADE_WITH, 'validation': None},
        {**MADE_WITH, 'validation': {'own_heads': {'video': {'training': 3}}}},
        {**MADE_WITH, 'validation': {'own_heads': {'video': {'training': {}}}}},
    ],
)
def test_what_nobody_knows_is_not_said(metrics: dict[str, object]):
    assert measured(RIGHT_THEN_WRONG[2:], metrics) is None
    assert measured(RIGHT_THEN_WRONG[:2], metrics) is None, 'all is known'


# --- trained ------------------------------------------------------------------------------------

RATE_HZ, LENGTH_S = 5, 3.0
COLOURS = {'waving': (190, 60, 50), 'reading': (50, 70, 190)}
WORDS = {'waving': 'hello robot', 'reading': 'what a book'}
OTHER = {'waving': 'reading', 'reading': 'waving'}


def write_clip(path: Path, label: str, colour: tuple[int, int, int], seed: int) -> None:
    """Somebody does something in a room of one colour, and says what belongs to it."""
    rng = np.random.default_rng(seed)
    with RecordingWriter(path, start_ns=START_NS, image='jpeg') as writer:
        writer.set_labels([LabelSpan(start_s=0.0, end_s=LENGTH_S, label=label)])
        # Heard from the middle on, so that there is sight alone and both.
        said_ns = START_NS + to_ns(LENGTH_S / 2)
        utterance = Utterance(stamp_ns=said_ns, arrival_ns=said_ns, text=WORDS[label])
        frames = []
        for number in range(int(LENGTH_S * RATE_HZ)):
            t_ns = START_NS + to_ns(number / RATE_HZ)
            wall = np.array(colour) + rng.integers(-15, 15, (32, 32, 3))
            image = np.clip(wall, 0, 255).astype(np.uint8)
            frames.append(Frame(stamp_ns=t_ns, arrival_ns=t_ns, image=image))
        for sample in sorted([*frames, utterance], key=lambda one: one.arrival_ns):
            writer.write(sample)


def write_rooms(folder: Path, *, bound: bool) -> Path:
    """Four rooms to train on, two to validate with, four to test on.

    Args:
        folder: of the recordings.
        bound: whether new rooms have the colours of the other label; else the label's own.
    """
    rows = []
    rooms = [('train', n) for n in range(4)] + [('validation', n) for n in range(2)]
    rooms += [('test', n) for n in range(4)]
    for split, number in rooms:
        label = list(COLOURS)[number % 2]
        colour = COLOURS[OTHER[label] if bound and split != 'train' else label]
        for take in range(2):
            name = f'{split}_{number}_{take}'
            write_clip(folder / name, label, colour, seed=len(rows))
            rows.append((name, split, f'{split} room {number}'))
    with (folder / 'splits.csv').open('w', newline='', encoding='utf-8') as file:
        csv.writer(file).writerows([('recording', 'split', 'group'), *rows])
    return folder


@dataclasses.dataclass(frozen=True, kw_only=True)
class Trained:
    data: Path
    cache: Path
    checkpoint: Checkpoint

    def evaluated(self, **changes: object) -> Evaluation:
        config = EvaluationConfig(cost_decisions=0, resamples=200, num_workers=1, **changes)
        return evaluate_checkpoint(self.checkpoint, self.data, cache=self.cache, config=config)


def train_in_rooms(folder: Path, *, bound: bool) -> Trained:
    data = write_rooms(folder / 'data', bound=bound)
    model = dataclasses.replace(TINY, modalities=('video', 'text'))
    (folder / 'preset.yaml').write_text(yaml.safe_dump(to_mapping(model)), encoding='utf-8')
    config = TrainConfig(
        preset=str(folder / 'preset.yaml'),
        epochs=12,
        batch_size=4,
        crop_s=LENGTH_S,
        frame_rate_hz=5.0,
        learning_rate=5e-3,
        average_decay=0.9,
        unimodal_weight=1.0,
        validate_every=4,
        device='cpu',
        num_threads=1,
        num_workers=1,
    )
    result = main_train(config, data, folder / 'run', cache=folder / 'cache')
    return Trained(data=data, cache=folder / 'cache', checkpoint=load_checkpoint(result.checkpoint))


@pytest.fixture(scope='module')
def bound(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    return train_in_rooms(tmp_path_factory.mktemp('bound'), bound=True)


@pytest.fixture(scope='module')
def unbound(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    return train_in_rooms(tmp_path_factory.mktemp('unbound'), bound=False)


def test_a_modality_that_sees_only_the_room_is_named(bound: Trained):
    """Of new rooms alone: what the run found in training stands for the known ones."""
    evaluation = bound.evaluated()
    found = evaluation.metrics['generalisation']
    assert found['groups'] == {'seen': 0, 'unseen': 4}
    (said,) = scene_bound(found, 2)
    assert said.startswith('video has overfitted to the scenes')
    assert 'on recordings that it was trained on' in said
    assert found['own_heads']['text']['unseen']['clips'] == 1.0
    html = render(evaluation, [])
    assert html.index('video has overfitted to the scenes') < html.index('Acceptance')
    assert 'Known and new scenes' in html
    tiles = html[: html.index('Acceptance')]
    assert re.search(r'<b>[0-9.]+ %</b><span>of whole clips, balanced', tiles)
    assert 'changes for each of the truth' not in tiles, 'rooms have one label each'


def test_known_rooms_that_are_measured_count_themselves(bound: Trained):
    """One folder without splits: half of the known rooms, and the new ones."""
    (bound.data / 'splits.csv').rename(bound.data / 'kept')
    try:
        table = list(csv.reader((bound.data / 'kept').read_text(encoding='utf-8').splitlines()))
        with (bound.data / 'splits.csv').open('w', newline='', encoding='utf-8') as file:
            rows = [(name, 'test', group) for name, _, group in table[1:]]
            csv.writer(file).writerows([table[0], *rows])
        found = bound.evaluated(split='test').metrics['generalisation']
    finally:
        (bound.data / 'kept').replace(bound.data / 'splits.csv')
    assert found['groups'] == {'seen': 4, 'unseen': 6}
    (said,) = scene_bound(found, 2)
    assert 'video' in said
    assert '(whole clips 100.0 %) in the 4 groups that were trained on' in said


def test_known_rooms_alone_are_not_compared(bound: Trained):
    assert bound.evaluated(split='train').metrics['generalisation'] is None


def test_a_modality_that_knows_new_rooms_is_not_named(unbound: Trained):
    found = unbound.evaluated().metrics['generalisation']
    assert found['own_heads']['video']['unseen']['clips'] == 1.0
    assert list(scene_bound(found, 2)) == []


def test_the_command_says_so(bound: Trained, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    words = ['--checkpoint', bound.checkpoint.path, '--data', bound.data, '--cache', bound.cache]
    words += ['--out', tmp_path / 'report', '--timed', '0', '--jobs', '1', '--device', 'cpu']
    assert main(['evaluate', *map(str, words)]) == 0
    said = ' '.join(capsys.readouterr().err.split())
    assert 'video has overfitted to the scenes that it was trained on' in said
    assert 'text has overfitted' not in said
    metrics = read_metrics(tmp_path / 'report')
    assert metrics['generalisation']['own_heads']['video']['gap'] >= 0.3
    assert (tmp_path / 'report' / METRICS).is_file()
    assert metrics['curves']['epochs'] == [4, 8, 12]
