"""Replayed with options, a recording is recognised as it is read offline, over real topics."""

from __future__ import annotations

import json

import pytest

pytest.importorskip('rclpy')

from activity_recognition.cli import main
from activity_recognition.models.checkpoint import save_checkpoint
from factories import two_of_each
from factories.networks import TINY, make_system, tokenizer_for

pytestmark = [
    pytest.mark.ros,
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:module 'sre_:DeprecationWarning"),
]


def test_the_node_admits_what_the_options_name(tmp_path):
    path = two_of_each.write(tmp_path / 'recordings' / 'two_of_each', seconds=4, stamped=True)
    checkpoint, out = tmp_path / 'checkpoint', tmp_path / 'report'
    save_checkpoint(checkpoint, make_system(TINY), tokenizer_for(TINY))
    options = [
        word
        for name, value in {**two_of_each.ALL, 'image': '/right/image'}.items()
        for word in ('--' + name.replace('_', '-'), str(value))
    ]
    words = ('evaluate', '--checkpoint', checkpoint, '--data', path, '--out', out, '--live')
    quick = ('--timed', 0, '--resamples', 10, '--jobs', 1, '--device', 'cpu', '--quiet')
    assert main([str(word) for word in (*words, *quick, *options)]) == 0
    live = json.loads((out / 'metrics.json').read_text(encoding='utf-8'))['live']
    # Every sample that the node admitted is one that the recording gives, read in the same way.
    assert live['missing'] == 0, live
    assert live['unequal'] == 0
    assert live['compared'] == live['decisions'] > 10
    assert live['samples']['video']['recorded'] == 40
    assert live['samples']['audio']['recorded'] == 40
    assert live['samples']['text'] == {'recorded': 1, 'received': 1, 'lost': 0, 'dropped': {}}
    assert live['samples']['video']['received'] > 20
    assert live['samples']['audio']['received'] == 40
