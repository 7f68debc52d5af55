"""Operations counted by arithmetic, against cases by hand and against what torch counts."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from activity_recognition.config import EngineConfig
from activity_recognition.config_io import load_model_config
from activity_recognition.errors import ConfigError
from activity_recognition.inference import StreamingEngine
from activity_recognition.models.operations import (
    decision_work,
    ring_bytes,
    sample_work,
    weight_count,
)
from activity_recognition.models.system import ActivityRecognitionSystem
from activity_recognition.models.work import Work, total
from activity_recognition.types import (
    AudioChunk,
    DecisionTime,
    Frame,
    InertialChunk,
    Modality,
    Utterance,
    Window,
    to_ns,
)
from factories.bodies import body
from factories.lanes import rings_of
from factories.networks import (
    ATTENDING,
    DETAILED,
    KEYED,
    MOVING,
    MOVING_ALONE,
    TEXTS,
    TINY,
    WRAPPING,
    make_checkpoint,
    with_modalities,
)

START_NS = to_ns(1_700_000_000.0)
CONFIGS = {
    'tiny': TINY,
    'rings wrap': WRAPPING,
    'motion': MOVING,
    'motion alone': MOVING_ALONE,
    'key points': KEYED,
    'key points in detail': DETAILED,
}


def counted(step) -> int:
    """What torch counts of a step, attention included: its plain kernel is made of products."""
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        step()
    return counter.get_total_flops()


class Stream:
    """An engine with a clock; every sample is new."""

    def __init__(self, config, *, evidence_every=0):
        self.config = config
        self.checkpoint = make_checkpoint(config)
        self.engine = StreamingEngine(
            self.checkpoint,
            engine=EngineConfig(device='cpu', backend='torch', evidence_every=evidence_every),
        )
        self.now_ns = START_NS
        self.heard_ns = START_NS

    def frame(self):
        size = self.config.video.input_size_px
        self.now_ns += to_ns(0.04)
        image = np.full((size, size, 3), 90, np.uint8)
        self.see(
            Frame(stamp_ns=self.now_ns, arrival_ns=self.now_ns, image=image, key_points=body())
        )

    def sound(self, count):
        rate_hz = self.config.audio.sample_rate_hz
        chunk = AudioChunk(
            stamp_ns=self.heard_ns,
            arrival_ns=self.now_ns,
            samples=np.zeros(count, np.float32),
            sample_rate_hz=rate_hz,
        )
        self.heard_ns = chunk.end_ns
        self.see(chunk)

    def utterance(self, text):
        self.see(Utterance(stamp_ns=self.now_ns, arrival_ns=self.now_ns, text=text))

    def decision(self):
        moment = DecisionTime(t_ns=self.now_ns, arrival_ns=self.now_ns)
        return self.engine.apply(Window(decision=moment))

    def see(self, sample):
        self.engine.apply(Window(samples=(sample,)))


def test_a_frame_by_hand():
    # 32 px: two convolutions of stride 2, 4 x 4 patches of width 16, one block, two over time.
    stem = 16 * 16 * 3 * 8 * 9 + 8 * 8 * 8 * 8 * 9 + 16 * 8 * 16 * 4
    block = 17 * (3 + 1 + 4 + 4) * 16 * 16
    read = 16 * 16 * 16 + (16 + 16 * 16) * 16
    # 23 frames before it fit into a view of 32, of which each of two heads reads whole keys.
    over_time = 2 * (12 * 16 * 16 + 12 * 2 * 32)
    parts = sample_work(TINY, Modality.VIDEO)
    assert parts['frame encoder'].products == 2 * (stem + block + read)
    assert parts['frame encoder'].attention == 4 * 17 * 17 * 16
    assert parts['temporal blocks'].products == 2 * over_time
    assert parts['temporal blocks'].attention == 2 * 2 * 4 * 32 * 16
    assert parts['temporal blocks'].cache_bytes == 4 * 2 * 2 * 32 * 16
    assert parts['keys and values'].products == 2 * 16 * 32
    assert parts['keys and values'].weight_bytes == 4 * (16 * 32 + 32)


def test_a_decision_by_hand():
    # Three questions of two heads to 32 + 32 + 8 rows of width 16, which hold 24 + 26 + 4 tokens
    # and what is masked; a view of utterances is all their room. Four activities.
    ages = 12 * 3 * 2 * 72
    products = 3 * 12 * 16 + 3 * 10 * 16 * 16
    parts = decision_work(TINY)
    assert parts['fusion'].products == 2 * (ages + products)
    assert parts['fusion'].attention == 2 * 4 * 3 * 72 * 16
    assert parts['classifiers'].products == 2 * (3 * 16 * 4 + 48 * 4)
    classifiers = 3 * (16 * 4 + 4) + 48 * 4 + 4
    experts = 3 * (16 + 12 + 1)
    assert parts['classifiers'].weight_bytes == 4 * (classifiers + experts)
    by_attention = decision_work(ATTENDING)
    assert by_attention['classifiers'].weight_bytes == 4 * classifiers
    assert total(by_attention).operations == total(parts).operations
    four = decision_work(TINY, ablated=True)
    assert total(four).operations == 4 * total(parts).operations - 3 * 2 * ages
    assert total(four).read_bytes == total(parts).read_bytes


@pytest.mark.parametrize('config', CONFIGS.values(), ids=CONFIGS)
def test_torch_counts_the_same_for_a_frame(config):
    stream = Stream(config)
    for held in range(1, config.video.max_tokens + 3):
        work = total(sample_work(config, Modality.VIDEO, held=min(held, config.video.max_tokens)))
        assert counted(stream.frame) == work.operations
    assert work == total(sample_work(config, Modality.VIDEO))


@pytest.mark.parametrize('config', [TINY, load_model_config('nano')], ids=['tiny', 'nano'])
@pytest.mark.parametrize('tokens', [1, 3])
def test_torch_counts_the_same_for_sound_apart_from_its_spectrogram(config, tokens):
    stream, audio = Stream(config), config.audio
    stream.sound(audio.fft_samples)  # what the first block needs beside its hops
    parts = sample_work(config, Modality.AUDIO, length=tokens)
    spectrogram = parts.pop('spectrogram')
    hops = tokens * audio.columns_per_token * audio.hop_samples
    assert counted(lambda: stream.sound(hops)) == total(parts).operations
    assert spectrogram.fourier > 0
    assert spectrogram.products > 0


@pytest.mark.parametrize('tokens', [1, 3])
def test_torch_counts_the_same_for_inertial_measurements(tokens):
    config = with_modalities('imu')
    stream, imu = Stream(config), config.imu
    chunk = InertialChunk(
        stamp_ns=START_NS,
        arrival_ns=START_NS,
        samples=np.ones((tokens * imu.samples_per_token, 6), np.float32),
        sample_rate_hz=imu.sample_rate_hz,
    )
    work = total(sample_work(config, Modality.IMU, length=tokens))
    assert counted(lambda: stream.see(chunk)) == work.operations
    assert work.weight_bytes < 4 * weight_count(config)


@pytest.mark.parametrize('text', TEXTS)
def test_torch_counts_the_same_for_an_utterance(text):
    stream = Stream(TINY)
    tokens = len(stream.checkpoint.tokenizer.encode(text))
    work = total(sample_work(TINY, Modality.TEXT, length=tokens))
    assert counted(lambda: stream.utterance(text)) == work.operations


@pytest.mark.parametrize('ablated', [False, True])
@pytest.mark.parametrize('config', [TINY, WRAPPING], ids=['tiny', 'rings wrap'])
def test_torch_counts_the_same_for_a_decision(config, ablated):
    stream = Stream(config, evidence_every=int(ablated))
    hops = config.audio.columns_per_token * config.audio.hop_samples
    for _ in range(4):
        stream.frame()
    stream.sound(config.audio.fft_samples + hops)
    stream.utterance(TEXTS[0])
    held = {Modality.VIDEO: 4, Modality.AUDIO: 1, Modality.TEXT: 1}
    work = total(decision_work(config, held=held, ablated=ablated))
    assert counted(stream.decision) == work.operations


@settings(max_examples=10)
@given(
    size=st.sampled_from([32, 48, 64]),
    width=st.sampled_from([8, 24]),
    depth=st.integers(1, 2),
    mels=st.integers(8, 19),
    channels=st.tuples(st.integers(1, 5), st.integers(1, 5)),
    dilations=st.lists(st.integers(1, 4), min_size=1, max_size=3).map(tuple),
)
def test_torch_counts_the_same_for_any_shape(size, width, depth, mels, channels, dilations):
    config = dataclasses.replace(
        TINY,
        video=dataclasses.replace(
            TINY.video, input_size_px=size, width=width, spatial_depth=depth, temporal_depth=depth
        ),
        audio=dataclasses.replace(
            TINY.audio, num_mels=mels, channels=channels, dilations=dilations
        ),
    )
    stream = Stream(config)
    assert counted(stream.frame) == total(sample_work(config, Modality.VIDEO, held=1)).operations
    stream.sound(config.audio.fft_samples)
    parts = sample_work(config, Modality.AUDIO)
    spectrogram = parts.pop('spectrogram')
    bins = config.audio.fft_samples // 2 + 1
    assert spectrogram.products == 2 * config.audio.columns_per_token * bins * mels
    hops = config.audio.columns_per_token * config.audio.hop_samples
    assert counted(lambda: stream.sound(hops)) == total(parts).operations


@pytest.mark.parametrize(
    'preset', ['nano', 'small', 'base', 'sound', 'clips', 'joints', 'joints_detailed']
)
def test_parts_have_all_weights_between_them(preset):
    config = load_model_config(preset)
    tokens = config.text.max_length
    parts = [
        *sample_work(config, Modality.VIDEO).values(),
        sample_work(config, Modality.AUDIO)['audio encoder'],
        sample_work(config, Modality.AUDIO)['keys and values'],
        *sample_work(config, Modality.TEXT, length=tokens).values(),
        *decision_work(config).values(),
    ]
    unread = 4 * (config.text.vocab_size - tokens) * config.text.width
    assert sum(part.weight_bytes for part in parts) + unread == 4 * weight_count(config)


def test_the_skeleton_has_the_weights_of_the_network():
    system = ActivityRecognitionSystem(TINY)
    assert weight_count(TINY) == sum(parameter.numel() for parameter in system.parameters())


def test_the_memory_of_a_stream_by_hand():
    config = EngineConfig(device='cpu', backend='torch')
    past_ring, *rings = rings_of(StreamingEngine(make_checkpoint(TINY), engine=config))
    past = past_ring.rows.nbytes
    # Two blocks, keys and values, room for twice 24 frames.
    assert past == 4 * 2 * 2 * 2 * 24 * 16
    memories = sum(ring.rows.nbytes for ring in rings)
    assert memories == 4 * 3 * 2 * (24 + 26 + 4) * 16
    assert ring_bytes(TINY) == past + memories


def test_work_adds_up():
    one = Work(products=1, attention=2, fourier=3, weight_bytes=4, cache_bytes=5)
    assert (one + one).operations == 12
    assert (one + one).read_bytes == 18
    assert total({}) == Work()


def test_a_backbone_is_not_counted_but_said_so():
    video = dataclasses.replace(TINY, video=dataclasses.replace(TINY.video, backbone='somewhere'))
    text = dataclasses.replace(TINY, text=dataclasses.replace(TINY.text, backbone='minilm'))
    with pytest.raises(ConfigError, match="got the backbone 'somewhere'; measure it"):
        sample_work(video, Modality.VIDEO)
    with pytest.raises(ConfigError, match="got the backbone 'minilm'; measure it"):
        sample_work(text, Modality.TEXT, length=3)


def test_torch_alone_leaves_attention_out():
    """The reason why attention is counted here; when this fails, torch has learnt to."""
    query = torch.zeros(1, 2, 3, 4)
    with FlopCounterMode(display=False) as counter:
        torch.nn.functional.scaled_dot_product_attention(query, query, query)
    assert counter.get_total_flops() == 0
