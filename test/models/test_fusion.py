import dataclasses

import pytest
import torch

from activity_recognition.modalities import modalities_of
from activity_recognition.models.fusion import CrossModalAttention, Memory
from activity_recognition.models.system import batch_keys
from activity_recognition.types import MODALITIES, Modality
from factories.networks import TINY
from factories.streams import START_NS

WIDTH, HEADS = TINY.hidden_dim, TINY.num_heads
WINDOWS_S = {Modality.VIDEO: 1.0, Modality.AUDIO: 1.0, Modality.TEXT: 5.0}
TOKENS = {Modality.VIDEO: 4, Modality.AUDIO: 6, Modality.TEXT: 2}


@pytest.fixture
def fusion():
    torch.manual_seed(0)
    layer = CrossModalAttention(WIDTH, HEADS, windows_s=WINDOWS_S).double().eval()
    with torch.no_grad():
        for name, parameter in layer.named_parameters():
            if name.endswith('table'):
                parameter.normal_()
    return layer


def memory_of(modality, present=True, queries=3, seed=0):
    generator = torch.Generator().manual_seed(seed + MODALITIES.index(modality))
    count = TOKENS[modality]

    def draw(*shape):
        return torch.randn(shape, dtype=torch.float64, generator=generator)

    return Memory(
        keys=draw(1, HEADS, count, WIDTH // HEADS),
        values=draw(1, HEADS, count, WIDTH // HEADS),
        ages_s=draw(1, queries, count).abs(),
        seen=torch.full((1, queries, count), present),
        state=draw(1, queries, WIDTH),
        state_age_s=draw(1, queries).abs(),
        present=torch.full((1, queries), present),
    )


def memories_of(*present, seed=0):
    return {m: memory_of(m, m in present, seed=seed) for m in MODALITIES}


@pytest.mark.parametrize('present', [(), *((m,) for m in MODALITIES), MODALITIES])
def test_shapes_with_none_to_three_modalities(fusion, present):
    fused, states, *_ = fusion(memories_of(*present))
    assert fused.shape == (1, 3, 3 * WIDTH)
    assert [state.shape for state in states] == [(1, 3, WIDTH)] * 3
    assert fused.isfinite().all()


def test_without_tokens_at_all(fusion):
    empty = {
        m: dataclasses.replace(
            memory,
            keys=memory.keys[:, :, :0],
            values=memory.values[:, :, :0],
            ages_s=memory.ages_s[..., :0],
            seen=memory.seen[..., :0],
        )
        for m, memory in memories_of().items()
    }
    torch.testing.assert_close(fusion(empty)[0], fusion(memories_of())[0], atol=1e-12, rtol=0)


@pytest.mark.parametrize('absent', MODALITIES)
def test_an_absent_modality_cannot_change_the_answer(fusion, absent):
    present = [m for m in MODALITIES if m is not absent]
    memories = memories_of(*present)
    before, *_ = fusion(memories)
    other = memory_of(absent, present=False, seed=7)
    after, states, *_ = fusion({**memories, absent: other})
    assert torch.equal(after, before)
    learned = fusion.layers(absent).absent.expand(1, 3, WIDTH)
    assert torch.equal(states[MODALITIES.index(absent)], learned)


@pytest.mark.parametrize('modality', MODALITIES)
def test_a_modality_asks_the_others_and_not_itself(fusion, modality):
    """Its own keys and values change what the others see, and nothing of its own third."""
    memories = memories_of(*MODALITIES)
    before = fusion(memories)[0].chunk(3, dim=-1)
    memory = memories[modality]
    other = dataclasses.replace(memory, keys=memory.keys + 1.0, values=memory.values.flip(-1))
    after = fusion({**memories, modality: other})[0].chunk(3, dim=-1)
    same = [torch.equal(a, b) for a, b in zip(after, before, strict=True)]
    assert same == [m is modality for m in MODALITIES]


def test_a_token_out_of_sight_cannot_change_the_answer(fusion):
    memories = memories_of(*MODALITIES)
    video = memories[Modality.VIDEO]
    video.seen[:, 1, 2] = False
    before, *_ = fusion(memories)
    video.keys[:, :, 2] += 1.0
    video.values[:, :, 2] += 1.0
    after, *_ = fusion(memories)
    torch.testing.assert_close(after[:, 1], before[:, 1], atol=1e-13, rtol=0)
    assert not torch.allclose(after[:, 0], before[:, 0])


@pytest.mark.parametrize('modality', MODALITIES)
def test_the_age_of_the_newest_state_counts(fusion, modality):
    memories = memories_of(*MODALITIES)
    before, *_ = fusion(memories)
    memory = memories[modality]
    older = dataclasses.replace(memory, state_age_s=memory.state_age_s + 0.3)
    assert not torch.allclose(fusion({**memories, modality: older})[0], before)


def test_queries_do_not_mix(fusion):
    memories = memories_of(*MODALITIES)
    together, *_ = fusion(memories)
    for query in range(3):
        part = slice(query, query + 1)
        alone = {
            m: dataclasses.replace(
                memory,
                ages_s=memory.ages_s[:, part],
                seen=memory.seen[:, part],
                state=memory.state[:, part],
                state_age_s=memory.state_age_s[:, part],
                present=memory.present[:, part],
            )
            for m, memory in memories.items()
        }
        torch.testing.assert_close(together[:, part], fusion(alone)[0], atol=1e-12, rtol=0)


def test_gradients_reach_every_parameter(fusion):
    """All but one modality present at a time: the learned queries of absence get theirs, too."""
    for absent in (None, *MODALITIES):
        present = [m for m in MODALITIES if m is not absent]
        memories = memories_of(*present)
        for modality in MODALITIES:
            tokens = torch.randn(1, TOKENS[modality], WIDTH, dtype=torch.float64)
            keys, values = fusion.project(modality, tokens)
            memories[modality] = dataclasses.replace(memories[modality], keys=keys, values=values)
        fusion(memories)[0].pow(3).sum().backward()
    without = [name for name, p in fusion.named_parameters() if p.grad is None or not p.grad.any()]
    assert without == []


def test_stamps_of_a_batch_are_integers():
    keys = batch_keys(modalities_of(TINY))
    times = [key for key in keys if key.endswith(('stamps', 'arrivals'))]
    assert len(times) == 8
    assert {keys[key][0] for key in times} == {torch.int64}
    assert torch.tensor(START_NS).dtype == torch.int64
