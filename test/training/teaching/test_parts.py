"""The parts of a lesson: fits, folds, estimates, and what is kept."""

from __future__ import annotations

import dataclasses
import math
from itertools import groupby

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression

from activity_recognition.config import EngineConfig
from activity_recognition.inference.precision import choose_precision
from activity_recognition.models.rehearsal import DecisionFeatures
from activity_recognition.training.evaluation.predict import predict_segment
from activity_recognition.training.run.decision_features import clips_of, features_of
from activity_recognition.training.run.rehearsal import draw_clips
from activity_recognition.training.teaching.estimate import (
    estimate,
    to_record,
    warnings_of,
    wilson,
)
from activity_recognition.training.teaching.fitting import DECAY, fit_rows, fused_logits, weights_of
from activity_recognition.training.teaching.folds import TaughtClip, folds_of
from activity_recognition.training.teaching.growing import with_labels
from activity_recognition.training.teaching.left_out import LeftOut, calibrate, choose_handicap
from factories.batches import random_batch
from factories.networks import ATTENDING, TINY, make_system
from factories.segments import make_segment


def clip(label: str, recording: str, group: str = '', seconds: float = 2.0) -> TaughtClip:
    return TaughtClip(recording=recording, label=label, group=group, seconds=seconds)


class TestFitting:
    def test_all_rows_are_the_logistic_regression(self):
        rng = torch.Generator().manual_seed(0)
        inputs = torch.randn(80, 5, generator=rng)
        targets = (inputs[:, 0] + 0.5 * torch.randn(80, generator=rng) > 0).long()
        targets[inputs[:, 1] > 1] = 2
        layer = torch.nn.Linear(5, 3)
        fit_rows(layer, [0, 1, 2], inputs, targets, torch.ones(80))
        plain = LogisticRegression(C=1 / (DECAY * 80), tol=1e-8, max_iter=2000)
        plain.fit(inputs.numpy(), targets.numpy())
        wanted = plain.predict_proba(inputs.numpy())
        np.testing.assert_allclose(layer(inputs).softmax(-1).detach().numpy(), wanted, atol=0.01)

    def test_other_rows_stay_bit_for_bit(self):
        layer = torch.nn.Linear(4, 5)
        before = layer.weight.clone(), layer.bias.clone()
        inputs = torch.randn(30, 4)
        fit_rows(layer, [1, 4], inputs, torch.arange(30) % 5, torch.ones(30))
        kept = [0, 2, 3]
        assert torch.equal(layer.weight[kept], before[0][kept])
        assert torch.equal(layer.bias[kept], before[1][kept])
        assert not torch.equal(layer.weight[1], before[0][1])

    def test_a_class_is_found_beside_fixed_ones(self):
        inputs = torch.cat((torch.randn(20, 3) + 4, torch.randn(20, 3) - 4))
        targets = torch.tensor([0] * 20 + [2] * 20)
        layer = torch.nn.Linear(3, 3)
        fit_rows(layer, [2], inputs, targets, torch.ones(40))
        assert (layer(inputs).argmax(-1) == 2)[20:].all()
        assert not (layer(inputs).argmax(-1) == 2)[:20].any()

    def test_each_clip_counts_alike(self):
        rows = DecisionFeatures(
            states=torch.zeros(5, 1, 2),
            present=torch.ones(5, 1, dtype=torch.bool),
            features=torch.zeros(5, 0, 2),
            reliability=torch.ones(5, 1),
            targets=torch.tensor([0, 0, 0, 0, 1]),
            clips=torch.tensor([0, 0, 0, 1, 2]),
        )
        found = weights_of(rows, 2)
        assert found[:3].sum().item() == pytest.approx(found[3].item())
        # One clip of the second class, two of the first: the root of the inverse frequency.
        assert (found[4] / found[3]).item() == pytest.approx(math.sqrt(2))


class TestFeatures:
    @pytest.mark.parametrize('config', [TINY, ATTENDING])
    def test_what_is_made_of_them_is_what_the_network_says(self, config):
        system, segment = make_system(config), make_segment(duration_s=6.0)
        clips = clips_of(segment)
        # Two spans of one label that touch are one clip.
        assert [clip.target for clip in clips] == [label for label, _ in groupby(segment.targets)]
        assert all(len(clip.rows) == 12 for clip in clips)
        precision = choose_precision(EngineConfig(device='cpu'))
        rows = features_of(system, segment, clips, precision)
        (everything,) = (tuple(system.modalities),)
        said = predict_segment(system, segment, [everything], precision)[everything].logits
        places = np.concatenate([clip.rows for clip in clips])
        torch.testing.assert_close(fused_logits(system, rows), said[places], atol=1e-4, rtol=1e-4)
        assert rows.targets.tolist() == segment.targets[places].tolist()

    def test_each_modality_alone_is_among_the_features(self):
        system, segment = make_system(ATTENDING), make_segment(duration_s=4.0)
        clips, precision = clips_of(segment), choose_precision(EngineConfig(device='cpu'))
        rows = features_of(system, segment, clips, precision)
        alone = (system.modalities[1],)
        said = predict_segment(system, segment, [alone], precision)[alone]
        places = np.concatenate([clip.rows for clip in clips])
        with torch.no_grad():
            found = system.classifier(rows.features[:, 2])
        torch.testing.assert_close(found, said.logits[places], atol=1e-4, rtol=1e-4)


class TestGrowing:
    @pytest.mark.parametrize('config', [TINY, ATTENDING])
    def test_what_is_said_of_old_labels_is_the_same_bit_for_bit(self, config):
        system = make_system(config)
        grown = with_labels(system, (*config.labels, 'dancing', 'jumping'))
        batch = random_batch(config)
        with torch.no_grad():
            before, after = system.forward_detailed(batch), grown.forward_detailed(batch)
        assert torch.equal(after.logits[..., :4], before.logits)
        for modality, logits in before.unimodal.items():
            assert torch.equal(after.unimodal[modality][..., :4], logits)

    def test_labels_may_be_left_out_and_begin_again(self):
        system = make_system()
        fewer = with_labels(system, ('typing', 'none'), fresh={'none'})
        head = system.unimodal_heads['video'].weight
        assert torch.equal(fewer.unimodal_heads['video'].weight[0], head[3])
        assert not fewer.unimodal_heads['video'].weight[1].any()


class TestFolds:
    def test_one_recording_of_each_label_at_a_time(self):
        clips = [clip(label, f'{label}_{n}') for label in 'ab' for n in range(3)]
        assert folds_of(clips) == [0, 1, 2, 0, 1, 2]

    def test_spans_of_a_recording_are_left_out_together(self):
        clips = [clip('a', 'one'), clip('b', 'one'), clip('a', 'two'), clip('b', 'two')]
        folds = folds_of(clips)
        assert folds[0] == folds[1]
        assert folds[2] == folds[3]
        assert folds[0] != folds[2]

    def test_people_are_left_out_where_every_label_has_several(self):
        clips = [
            clip(label, f'{label}{who}{n}', who) for label in 'ab' for who in 'xy' for n in '12'
        ]
        assert folds_of(clips) == [0, 0, 1, 1, 0, 0, 1, 1]

    def test_recordings_are_left_out_where_a_label_is_of_one_person(self):
        clips = [
            *(clip('a', f'a{who}', who) for who in 'xy'),
            clip('b', 'b1', 'x'),
            clip('b', 'b2', 'x'),
        ]
        assert folds_of(clips) == [0, 1, 0, 1]


class TestEstimate:
    CLIPS = [clip('waving', f'w{n}') for n in range(10)] + [
        clip('clapping', f'c{n}') for n in range(4)
    ]
    ANSWERS = ['waving'] * 7 + ['clapping'] * 3 + ['clapping'] * 4

    def test_counts_and_confusions_in_words(self):
        found = estimate(self.CLIPS, self.ANSWERS, [True] * 14)
        assert (found.right, found.asked) == (11, 14)
        assert found.confusions() == ['waving is taken for clapping in 3 of 10']
        assert '11 of 14 taught clips right (79 %, 95 % interval 52 to 92 %)' in found.headline()
        assert 'of other people it says nothing' in found.headline()

    def test_what_to_record(self):
        found = estimate(self.CLIPS, self.ANSWERS, [True] * 14)
        assert to_record(found) == [
            'clapping: 4 recordings only; record 1 more at least, of other people',
            'waving: 7 of 10 right; record more of it, and of clapping beside it, where they '
            'differ the most',
        ]

    def test_nothing_is_claimed_of_what_could_not_be_asked(self):
        found = estimate([clip('a', 'one')], ['b'], [False])
        assert found.asked == 0
        assert 'is not known' in found.headline()

    @pytest.mark.parametrize(
        ('right', 'asked', 'low', 'high'),
        # Wilson's interval as in Brown, Cai and DasGupta 2001.
        [(10, 10, 0.7225, 1.0), (0, 10, 0.0, 0.2775), (5, 10, 0.2366, 0.7634), (0, 0, 0.0, 1.0)],
    )
    def test_intervals(self, right, asked, low, high):
        assert wilson(right, asked) == pytest.approx((low, high), abs=1e-4)

    def test_doubts(self):
        clips = [
            *(clip('a', 'one') for _ in range(2)),
            *(clip('b', f'b{n}', 'Ada') for n in range(3)),
            *(clip('c', f'c{n}', seconds=30.0 if n == 2 else 2.0) for n in range(5)),
        ]
        found = list(warnings_of(clips))
        assert len(found) == 3
        assert found[0].startswith('all of a is from one recording, one')
        assert found[1].startswith('all of b is of one person or place, Ada')
        assert found[2] == (
            'c2 of c: 30.0 s, where others last 2.0 s: is it one activity from end to end?'
        )


def left_out(logits: list[list[float]], truth: list[int]) -> LeftOut:
    count = len(truth)
    rows = DecisionFeatures(
        states=torch.zeros(count, 1, 2),
        present=torch.ones(count, 1, dtype=torch.bool),
        features=torch.zeros(count, 0, 2),
        reliability=torch.ones(count, 1),
        targets=torch.tensor(truth),
        clips=torch.arange(count),
    )
    return LeftOut(logits=torch.tensor(logits), rows=rows, is_asked=np.ones(count, np.bool_))


class TestHandicap:
    def test_as_much_is_taken_off_as_costs_one_in_twenty(self):
        """Of forty clips, one each is right by 0.1, by 0.2, and so on."""
        found = left_out([[0.0, 0.1 * (n + 1)] for n in range(40)], [1] * 40)
        # Two may be lost, so those right by 0.1 and 0.2: less than 0.3, in quarters.
        assert choose_handicap(found, [1], [1] * 40) == 0.25

    def test_of_few_clips_none_may_be_lost(self):
        found = left_out([[0.0, 0.6 + n] for n in range(10)], [1] * 10)
        assert choose_handicap(found, [1], [1] * 10) == 0.5

    def test_where_none_is_right_nothing_is_taken(self):
        found = left_out([[1.0, 0.0]] * 3, [1] * 3)
        assert choose_handicap(found, [1], [1] * 3) == 0.0

    def test_temperature_follows_the_answers(self):
        wrong = left_out([[4.0, 0.0]] * 5 + [[0.0, 4.0]] * 5, [0, 0, 0, 1, 1] * 2)
        assert calibrate(wrong, 1.0) > 3
        unasked = dataclasses.replace(wrong, is_asked=np.zeros(10, np.bool_))
        assert calibrate(unasked, 1.7) == 1.7


def test_clips_are_kept_in_turn():
    targets = [0] * 50 + [1] * 3 + [2]
    chosen = [targets[place] for place in draw_clips(targets, 9, seed=0)]
    assert [chosen.count(label) for label in range(3)] == [5, 3, 1]
    assert draw_clips(targets, 9, seed=0) == draw_clips(targets, 9, seed=0)
    assert draw_clips(targets, 9, seed=0) != draw_clips(targets, 9, seed=1)
