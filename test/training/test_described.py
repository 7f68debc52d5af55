"""Checkpoints from a description: usual ones, whose streaming equals their dense pass."""

import dataclasses

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings

from activity_recognition.activities import Activity
from activity_recognition.config_io import load_model_config
from activity_recognition.errors import ConfigError
from activity_recognition.front_ends.sound_labels import label_log_scores
from activity_recognition.front_ends.yamnet import PATCH_SAMPLES, Yamnet
from activity_recognition.inference import StreamingEngine
from activity_recognition.inference.backends.choice import ONNX_FOLDER
from activity_recognition.models.checkpoint import load_checkpoint
from activity_recognition.models.exporting import export_steps
from activity_recognition.models.prototypes import embed_sentences, fit_prototypes
from activity_recognition.training.described import describe, save_described
from activity_recognition.types import AudioChunk, Modality, Status, Utterance
from factories.answers import assert_equal, dense, streamed
from factories.backbones import save_text_backbone
from factories.backends import asked, by
from factories.networks import TEXTS
from factories.scenes import ANY_RATE, ANY_SCENE, deciding_trace_of, trace_of
from factories.streams import START_NS, Scene

ACTIVITIES = (
    Activity(label='none'),
    Activity(label='greeting', words=TEXTS[:2]),
    Activity(label='typing', words=TEXTS[2:4], sounds=(378, 379, 380)),
    Activity(label='talking', sounds=(0, 2)),
)
SCENE = Scene(
    duration_s=4.0,
    chunks=(1000, 317, 5000),
    sample_rate_hz=16_000,
    utterances=4,
    silences=((Modality.AUDIO, 2.1, 2.6),),
)


@pytest.fixture(scope='module')
def preset(tmp_path_factory):
    """The preset with a tiny text network in MiniLM's place."""
    folder = save_text_backbone(tmp_path_factory.mktemp('words'))
    config = load_model_config('described')
    text = dataclasses.replace(config.text, backbone=folder, max_length=16)
    return dataclasses.replace(config, hidden_dim=32, text=text)


@pytest.fixture(scope='module')
def words_alone(preset, tmp_path_factory):
    """A checkpoint of words alone."""
    activities = [dataclasses.replace(a, sounds=()) for a in ACTIVITIES[:3]]
    folder = tmp_path_factory.mktemp('described') / 'words'
    save_described(describe(activities, preset), folder, source='mine.yaml')
    return load_checkpoint(folder)


@pytest.fixture(scope='module')
def words_and_sounds(weights_of_module, preset, tmp_path_factory):
    """A checkpoint of both."""
    folder = tmp_path_factory.mktemp('described') / 'both'
    save_described(describe(ACTIVITIES, preset), folder, source='mine.yaml')
    return load_checkpoint(folder)


def test_what_is_not_described_is_no_modality(words_alone):
    assert words_alone.config.modalities == ('text',)
    assert words_alone.config.labels == ('none', 'greeting', 'typing')
    card = (words_alone.path / 'README.md').read_text()
    assert 'Nothing was learnt from recordings, and nothing was measured' in card
    assert 'mine.yaml' in card
    assert '- Sounds: none are described.' in card
    assert '| greeting | 2 | 0 |' in card


def test_the_same_description_gives_the_same_checkpoint(words_alone, preset, tmp_path):
    activities = [dataclasses.replace(a, sounds=()) for a in ACTIVITIES[:3]]
    save_described(describe(activities, preset), tmp_path / 'again', source='mine.yaml')
    assert load_checkpoint(tmp_path / 'again').id == words_alone.id


@pytest.mark.parametrize('dtype', [torch.float32, torch.float64], ids=['float32', 'float64'])
def test_words_alone_stream_as_the_dense_pass(words_alone, dtype):
    system = describe_again(words_alone, dtype)
    trace = trace_of(SCENE)
    found, _ = streamed(system, trace)
    assert found.present.any()
    assert_equal(found, dense(system, trace), 1e-10 if dtype is torch.float64 else 1e-5)


def describe_again(checkpoint, dtype):
    """The same checkpoint in another precision."""
    loaded = load_checkpoint(checkpoint.path)
    return dataclasses.replace(loaded, system=loaded.system.to(dtype))


def test_an_engine_compares_what_is_said_with_what_was_written(words_alone):
    """By the cosines of sentence embeddings, which its logits are."""
    checkpoint = describe_again(words_alone, torch.float32)
    sentences = TEXTS[:4]
    encoder, tokenizer = checkpoint.system.text_encoder, checkpoint.tokenizer
    written = embed_sentences(encoder, tokenizer, sentences)
    prototypes = fit_prototypes(written, [1, 1, 2, 2], 3)
    engine = StreamingEngine(checkpoint)
    for text, row in zip(sentences, written, strict=True):
        said = [
            Utterance(stamp_ns=at_ns, arrival_ns=at_ns, text=text)
            for at_ns in (START_NS, START_NS + 500_000_000)
        ]
        decisions = [d for d in engine.decisions(said) if d.status is not Status.NO_DATA]
        assert decisions
        cosines = np.where(prototypes.spoken, prototypes.means @ row, prototypes.other)
        expected = prototypes.sharpness * cosines
        for decision in decisions:
            found = decision.logits - decision.logits.mean()
            np.testing.assert_allclose(found, expected - expected.mean(), atol=2e-4)


@pytest.mark.real
@pytest.mark.parametrize('dtype', [torch.float64, torch.float32], ids=['float64', 'float32'])
@given(scene=ANY_SCENE, rate_hz=ANY_RATE)
@settings(max_examples=6, suppress_health_check=list(HealthCheck))
def test_any_scene_streams_as_the_dense_pass(words_and_sounds, dtype, scene, rate_hz):
    scene = dataclasses.replace(scene, sample_rate_hz=16_000, duration_s=scene.duration_s + 1.0)
    trace = deciding_trace_of(scene, rate_hz)
    checkpoint = describe_again(words_and_sounds, dtype)
    found, _ = streamed(checkpoint, trace)
    assert_equal(found, dense(checkpoint, trace), 1e-10 if dtype is torch.float64 else 1e-5)


@pytest.mark.real
@pytest.mark.timeout(900)
def test_an_export_gives_the_same(words_and_sounds):
    pytest.importorskip('onnxruntime')
    pytest.importorskip('onnxscript')
    made = describe_again(words_and_sounds, torch.float32)
    export_steps(made.system, made.path / ONNX_FOLDER, checkpoint=made.id)
    trace = trace_of(SCENE, 4.0)
    found, decisions = asked(made, trace, by('onnxruntime'))
    assert len(decisions) > 10
    assert found.present.any(axis=0).all()
    assert_equal(found, dense(made, trace), 1e-5)


@pytest.mark.real
def test_sound_is_what_the_frozen_network_scores(words_and_sounds):
    """The logits of the audio's own head are the log-scores of its sounds, to 8 bits."""
    rng = np.random.default_rng(0)
    loudness = np.repeat(rng.uniform(0.01, 0.4, 20), PATCH_SAMPLES // 20)
    patches = [(rng.standard_normal(PATCH_SAMPLES) * loudness).clip(-1, 1).astype(np.float32)]
    patches.append(np.sin(np.arange(PATCH_SAMPLES) * 0.05).astype(np.float32))
    system, known = describe_again(words_and_sounds, torch.float32).system, Yamnet()
    heard = [known.hear(patch) for patch in patches]
    members = {a.label: dict.fromkeys(a.sounds, '') for a in ACTIVITIES if a.sounds}
    for one in heard:
        embedding = np.append(one.embedding, np.float16(1)).astype(np.float32)
        with torch.no_grad():
            given = torch.from_numpy(embedding)
            found = system.audio_encoder.embed.classes.log_scores(given).numpy()
        expected = label_log_scores(one.scores, list(members), members)
        np.testing.assert_allclose(np.exp(found[2:]), np.exp(expected), atol=0.05)


@pytest.mark.real
def test_somebody_talking(words_and_sounds, weights_folder):
    """The sound of the network's authors, twice in a row."""
    sound = np.fromfile(weights_folder / 'yamnet_test_audio.bin', '<i2').astype(np.float32) / 32768
    engine = StreamingEngine(describe_again(words_and_sounds, torch.float32))
    chunks = [
        AudioChunk(
            stamp_ns=START_NS + 100_000_000 * index,
            arrival_ns=START_NS + 100_000_000 * (index + 1),
            samples=np.concatenate((sound, sound))[1600 * index : 1600 * (index + 1)],
            sample_rate_hz=16_000,
        )
        for index in range(19)
    ]
    decisions = [d for d in engine.decisions(chunks) if d.status is not Status.NO_DATA]
    assert len(decisions) > 5
    labels = words_and_sounds.config.labels
    assert {labels[int(d.logits.argmax())] for d in decisions} == {'talking'}


@pytest.mark.parametrize(
    'changes',
    [
        {'fusion': 'attention'},
        {'modalities': ('audio',)},
        {'modalities': ('video', 'audio', 'text')},
    ],
)
def test_another_preset_is_refused(preset, changes):
    with pytest.raises(ConfigError, match='expected a preset of audio and text alone, with fusion'):
        describe(ACTIVITIES, dataclasses.replace(preset, **changes))
