"""A backbone that knows sounds: streaming equals the dense pass, nothing leaks across a hole."""

import dataclasses

import numpy as np
import pytest
import torch

from activity_recognition.encoder_config import SOUND_FEATURES, SOUND_PATCH_SAMPLES
from activity_recognition.inference.backends.choice import ONNX_FOLDER
from activity_recognition.inference.lanes import FrontEndSettings, front_end_type
from activity_recognition.inference.multi_stream import MultiStreamEngine
from activity_recognition.models.exporting import export_steps
from activity_recognition.types import AudioChunk, Modality, to_ns
from factories.answers import assert_equal, dense, streamed
from factories.backends import asked, by
from factories.matrix import ways
from factories.networks import HEARING, HEARING_ALONE, make_checkpoint, make_system
from factories.scenes import trace_of
from factories.streams import START_NS, Scene

pytestmark = [pytest.mark.real, pytest.mark.usefixtures('weights_folder')]

RATE_HZ = 16_000
FASTER = dataclasses.replace(HEARING, audio=dataclasses.replace(HEARING.audio, backbone_hop_s=0.16))
NETWORKS = pytest.mark.parametrize(
    'config', [HEARING, HEARING_ALONE, FASTER], ids=['beside', 'alone', 'faster']
)
SCENE = Scene(
    duration_s=5.0,
    frame_rate_hz=4.0,
    chunks=(1000, 317, 5000),
    sample_rate_hz=RATE_HZ,
    utterances=3,
    silences=((Modality.AUDIO, 2.1, 2.6), (Modality.VIDEO, 1.0, 2.0)),
)


@pytest.mark.parametrize('dtype', [torch.float64, torch.float32], ids=['float64', 'float32'])
@NETWORKS
def test_streaming_equals_the_dense_pass(config, dtype):
    checkpoint = make_checkpoint(config, dtype=dtype)
    for scene in (SCENE, dataclasses.replace(SCENE, seed=1, jumps=(2.5,))):
        trace = trace_of(scene)
        found, decisions = streamed(checkpoint, trace)
        assert_equal(found, dense(checkpoint, trace), 1e-10 if dtype is torch.float64 else 1e-5)
        assert len(decisions) > 10


@pytest.fixture(scope='module')
def exported(tmp_path_factory):
    """A network of sound alone, its steps exported beside it."""
    pytest.importorskip('onnxruntime')
    pytest.importorskip('onnxscript')
    made = make_checkpoint(dataclasses.replace(HEARING, modalities=('audio',)))
    made = dataclasses.replace(made, path=tmp_path_factory.mktemp('hearing'))
    export_steps(made.system, made.path / ONNX_FOLDER, checkpoint=made.id)
    return made


@pytest.mark.timeout(900)
@pytest.mark.parametrize(('backend', 'device'), ways(but_slow=True))
def test_any_backend_equals_the_dense_pass(exported, backend, device):
    trace = trace_of(SCENE, 4.0)
    found, decisions = asked(exported, trace, by(backend, device))
    assert len(decisions) > 10
    assert_equal(found, dense(exported, trace, device=device).on_host(), 1e-5)


@pytest.mark.parametrize('modalities', [HEARING_ALONE.modalities, ('audio',)])
def test_what_warms_up_completes_a_patch(modalities):
    """A compiled step, or an overflow in it, is not left for the first second of real sound."""
    engine = MultiStreamEngine(
        make_checkpoint(dataclasses.replace(HEARING_ALONE, modalities=modalities))
    )
    engine.join('robot')
    run, steps = engine.backend.run, []
    engine.backend.run = lambda step, *inputs: (steps.append(step), run(step, *inputs))[1]
    engine.warm_up()
    assert {'chunk', 'decision'} <= set(steps)


def front_end(config):
    return front_end_type(Modality.AUDIO)(FrontEndSettings(config=config))


def sound(seed, seconds):
    rng = np.random.default_rng(seed)
    loudness = np.repeat(rng.uniform(0.01, 0.3, int(20 * seconds)), RATE_HZ // 20)
    return (rng.standard_normal(len(loudness)) * loudness).clip(-1, 1).astype(np.float32)


def fed(front, samples, size, *, start_s=0.0):
    """Return what a front end makes of samples in chunks of a size."""
    prepared = []
    for first in range(0, len(samples), size):
        part = samples[first : first + size]
        stamp_ns = START_NS + to_ns(start_s) + first * 1_000_000_000 // RATE_HZ
        prepared += front.prepare(
            AudioChunk(
                stamp_ns=stamp_ns,
                arrival_ns=stamp_ns + len(part) * 1_000_000_000 // RATE_HZ,
                samples=part,
                sample_rate_hz=RATE_HZ,
            )
        )
    return prepared


def embeddings_of(config, prepared):
    return front_end(config).arrays(prepared)['sound_embeddings']


@NETWORKS
def test_embeddings_do_not_depend_on_how_sound_is_cut_up(config):
    samples = sound(0, 4.0)
    whole = embeddings_of(config, fed(front_end(config), samples, len(samples)))
    for size in (160, 1024, 7001):
        np.testing.assert_array_equal(
            embeddings_of(config, fed(front_end(config), samples, size)), whole
        )
    assert whole.dtype == np.float16
    assert whole[:, :SOUND_FEATURES].any()


def test_a_block_has_the_newest_patch_that_ended_with_it():
    samples = sound(0, 4.0)
    alone = embeddings_of(HEARING_ALONE, fed(front_end(HEARING_ALONE), samples, 1000))
    beside = embeddings_of(HEARING, fed(front_end(HEARING), samples, 1000))
    hop, block, span = 7680, 640, 992
    assert len(alone) == 1 + (len(samples) - SOUND_PATCH_SAMPLES) // hop
    assert (alone[:, -1] == 1).all()
    for index, row in enumerate(beside):
        end = index * block + span
        whole = (end - SOUND_PATCH_SAMPLES) // hop
        expected = alone[whole] if whole >= 0 else np.zeros_like(row)
        np.testing.assert_array_equal(row, expected)


def test_a_token_of_a_patch_is_stamped_when_the_patch_has_ended():
    prepared = fed(front_end(HEARING_ALONE), sound(0, 4.0), 1000)
    arrays = front_end(HEARING_ALONE).arrays(prepared)
    ends = SOUND_PATCH_SAMPLES + 7680 * np.arange(len(arrays['spectrogram_stamps']))
    expected = START_NS + ends * 1_000_000_000 // RATE_HZ
    assert np.abs(arrays['spectrogram_stamps'] - expected).max() < 1000
    assert (arrays['spectrogram_arrivals'] >= arrays['spectrogram_stamps'] - 1000).all()


@NETWORKS
def test_no_patch_spans_a_hole(config):
    before, after = sound(1, 1.7), sound(2, 2.5)
    front = front_end(config)
    fed(front, before, 1000)
    found = fed(front, after, 1000, start_s=3.0)
    holes = [part for part in found if not part.whole]
    rest = [part for part in found if part.whole]
    assert len(holes) == 1
    assert not any(array.any() for array in holes[0].arrays)
    fresh = fed(front_end(config), after, 1000, start_s=3.0)
    np.testing.assert_array_equal(embeddings_of(config, rest), embeddings_of(config, fresh))


@NETWORKS
def test_nothing_is_left_after_a_reset(config):
    front = front_end(config)
    fed(front, sound(1, 1.7), 1000)
    front.clear()
    again = fed(front, sound(2, 2.5), 1000)
    fresh = fed(front_end(config), sound(2, 2.5), 1000)
    np.testing.assert_array_equal(embeddings_of(config, again), embeddings_of(config, fresh))


def test_streams_share_the_network_and_nothing_else():
    one, other = front_end(HEARING), front_end(HEARING)
    first, second = sound(1, 2.0), sound(2, 2.0)
    mixed = ([], [])
    for start in range(0, len(first), 1000):
        for front, samples, found in ((one, first, mixed[0]), (other, second, mixed[1])):
            part = samples[start : start + 1000]
            found.extend(fed(front, part, 1000, start_s=start / RATE_HZ))
    for samples, found in zip((first, second), mixed, strict=True):
        np.testing.assert_array_equal(
            embeddings_of(HEARING, found),
            embeddings_of(HEARING, fed(front_end(HEARING), samples, 1000)),
        )


@NETWORKS
def test_a_token_has_heard_no_further_back_than_it_says(config):
    """And nearly so far: patches come only so often."""
    encoder = make_system(config, dtype=torch.float64).audio_encoder
    samples = sound(0, 6.0)
    changed, at = samples.copy(), 2 * RATE_HZ
    changed[at : at + 200] = 0.9

    def tokens(pcm):
        arrays = front_end(config).arrays(fed(front_end(config), pcm, 1000))
        batch = {name: torch.from_numpy(value)[None] for name, value in arrays.items()}
        with torch.no_grad():
            return encoder.encode(batch)[0], arrays['spectrogram_stamps']

    (one, stamps), (other, _) = tokens(samples), tokens(changed)
    reached = stamps[(one != other).any(-1).numpy()]
    oldest_s = (reached.max() - START_NS) / 1e9 - at / RATE_HZ
    assert (reached.min() - START_NS) / 1e9 >= at / RATE_HZ
    assert oldest_s <= encoder.receptive_field_s + 1e-6
    assert oldest_s >= encoder.receptive_field_s - config.audio.backbone_hop_s - 0.1
