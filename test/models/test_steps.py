"""The steps against the dense modules, in double precision, for several streams at once."""

import pytest
import torch

from activity_recognition.models.fusion import Memory
from activity_recognition.models.step_spec import VIEW_ROWS, viewed_rows
from activity_recognition.models.steps import Steps
from activity_recognition.types import MODALITIES, Modality, to_ns
from factories.networks import TINY, make_system
from factories.streams import START_NS

B, Q = 3, 4
WIDTH = TINY.hidden_dim
VARIANTS = torch.cat((torch.ones(1, 3), 1 - torch.eye(3))).bool()
"""(4, 3) which modalities a decision sees: all, then without each in turn."""


@pytest.fixture(scope='module')
def system():
    return make_system(TINY, dtype=torch.float64)


@pytest.fixture(scope='module')
def steps(system):
    return Steps(system).eval()


@pytest.fixture(autouse=True)
def _no_gradients():
    with torch.no_grad():
        yield


def drawn(*shape, seed=0):
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def images(*shape, seed=0):
    generator = torch.Generator().manual_seed(seed)
    size = TINY.video.input_size_px
    return torch.randint(0, 256, (*shape, size, size, 3), dtype=torch.uint8, generator=generator)


def assert_same(found, expected):
    torch.testing.assert_close(found, expected, atol=1e-12, rtol=1e-12)


def remembered(system, modality, tokens):
    """Return what the dense pass makes of tokens (B, N, D): key, value and token, (B, N, 3, D)."""
    key, value = system.cross_attention.project(modality, tokens)
    joined = [part.transpose(1, 2).flatten(2) for part in (key, value)]
    return torch.stack((*joined, tokens), dim=2)


def test_the_steps_have_the_weights_of_the_network_and_no_others(system, steps):
    known = {id(parameter) for parameter in system.parameters()}
    assert {id(parameter) for parameter in steps.parameters()} == known


def test_frames(system, steps):
    frames = images(B)
    together = system.video_encoder.encode_frames(frames[:, None], torch.ones(B, 1).bool())
    assert_same(steps.frame(frames), together[:, 0])


def test_looking_back(system, steps):
    """Frame by frame, with room that was never written and frames outside the window."""
    times_s = (0.0, 0.2, 0.5, 0.9, 1.05, 1.6, 1.7)
    frames = images(B, len(times_s))
    stamps = torch.tensor([[START_NS + to_ns(t * pace) for t in times_s] for pace in (1, 0.7, 1.3)])
    encoded = system.video_encoder(frames, stamps, torch.ones(B, len(times_s)).bool())
    expected = remembered(system, Modality.VIDEO, encoded)
    layers, room = TINY.video.temporal_depth, 9
    past = drawn(B, room, layers, 2, WIDTH, seed=1)
    for index in range(len(times_s)):
        age_ns = torch.full((B, room), to_ns(0.1))
        age_ns[:, :index] = stamps[:, index, None] - stamps[:, :index]
        seen = (age_ns <= to_ns(TINY.video.window_s)) & (torch.arange(room) < index)
        rows, own = steps.temporal_attention(
            steps.frame(frames[:, index]), past, age_ns.double() / 1e9, seen
        )
        assert rows.shape == (B, 3, WIDTH)
        assert own.shape == (B, layers, 2, WIDTH)
        assert_same(rows, expected[:, index])
        past[:, index] = own


@pytest.mark.parametrize('sizes', [(1, 1, 1, 1, 1, 1, 1), (3, 4), (1, 5, 1), (7,)])
def test_sound(system, steps, sizes):
    blocks = drawn(B, sum(sizes), TINY.audio.columns_per_token, TINY.audio.num_mels)
    heard = system.audio_encoder(blocks, torch.ones(B, sum(sizes)).bool())
    past, found = system.audio_encoder.new_past(B), []
    for part in blocks.split(list(sizes), 1):
        rows, after = steps.chunk(part, past)
        assert after.shape == past.shape
        found.append(rows)
        past = after
    assert_same(torch.cat(found, 1), remembered(system, Modality.AUDIO, heard))


def test_utterances(system, steps):
    """However much they are padded."""
    lengths, longest = torch.tensor([5, 2, 1]), TINY.text.max_length
    generator = torch.Generator().manual_seed(0)
    token_ids = torch.randint(0, TINY.text.vocab_size, (B, longest), generator=generator)
    there = torch.arange(longest) < lengths[:, None]
    read = system.text_encoder(token_ids.unsqueeze(1), there.unsqueeze(1))
    expected = remembered(system, Modality.TEXT, read)[:, 0]
    assert_same(steps.utterance(token_ids, there), expected)
    for row, length in enumerate(lengths.tolist()):
        alone = token_ids[row : row + 1, :length]
        assert_same(steps.utterance(alone, torch.ones_like(alone).bool()), expected[row : row + 1])


def memories_of(tokens, age_s, seen):
    """Return what a decision step takes of each modality, and the newest rows seen (B, Q, 3)."""
    newest, memories = [], []
    for modality in MODALITIES:
        ages = age_s[modality][:, None].masked_fill(~seen[modality], torch.inf)
        first = age_s[modality].shape[1] * torch.arange(B)[:, None]
        found = torch.where(seen[modality].any(-1), ages.argmin(-1) + first, -1)
        newest.append(found)
        memories += (tokens[modality], age_s[modality], seen[modality])
    return torch.stack(newest, -1), memories


@pytest.mark.parametrize('queries', [1, Q])
def test_decisions(system, steps, queries):
    """Several of each stream, that see different parts, or nothing of a modality."""
    counts = dict(zip(MODALITIES, (6, 9, 3), strict=True))
    tokens = {m: drawn(B, n, WIDTH, seed=n) for m, n in counts.items()}
    age_s = {m: drawn(B, n, seed=20 + n).abs() for m, n in counts.items()}
    seen = {
        m: (drawn(B, 1, n, seed=40 + n) > 0) & VARIANTS[:queries, index, None]
        for index, (m, n) in enumerate(counts.items())
    }
    seen[Modality.TEXT][1] = False
    rows = {m: remembered(system, m, tokens[m]) for m in MODALITIES}
    newest, memories = memories_of(rows, age_s, seen)
    found = steps.decision(newest, *memories)
    assert found.shape == (4, B, queries, TINY.num_activities)
    for stream in range(B):
        for query in range(queries):
            output = system.classify(
                {m: alone(system, m, tokens, age_s, seen, stream, query) for m in MODALITIES}
            )
            assert_same(found[0, stream, query], output.logits[0, 0])
            for index, modality in enumerate(MODALITIES):
                if seen[modality][stream, query].any():
                    expected = output.unimodal[modality][0, 0]
                    assert_same(found[1 + index, stream, query], expected)


def alone(system, modality, tokens, age_s, seen, stream, query):
    """Return the memory of one decision that holds nothing but what it sees."""
    mask = seen[modality][stream, query]
    kept = tokens[modality][stream, mask][None]
    ages = age_s[modality][stream, mask][None]
    keys, values = system.cross_attention.project(modality, kept)
    there = bool(mask.any())
    newest = int(ages.argmin()) if there else 0
    state = kept[:, newest : newest + 1] if there else torch.zeros(1, 1, WIDTH).double()
    return Memory(
        keys=keys,
        values=values,
        ages_s=ages[:, None],
        seen=torch.ones(1, 1, kept.shape[1]).bool(),
        state=state,
        state_age_s=ages[:, newest : newest + 1] if there else torch.zeros(1, 1).double(),
        present=torch.tensor([[there]]),
    )


def test_what_is_masked_cannot_change_a_decision(system, steps):
    tokens = {m: drawn(B, 5, 3, WIDTH, seed=i) for i, m in enumerate(MODALITIES)}
    age_s = {m: drawn(B, 5, seed=i).abs() for i, m in enumerate(MODALITIES)}
    seen = {m: torch.arange(5).expand(B, Q, 5) % 2 == 0 for m in MODALITIES}
    newest, memories = memories_of(tokens, age_s, seen)
    before = steps.decision(newest, *memories)
    for modality in MODALITIES:
        tokens[modality][:, 1::2] = 1e3
        age_s[modality][:, 1::2] = 1e9
    after = steps.decision(newest, *memories)
    assert torch.equal(after, before)


@pytest.mark.parametrize(
    ('needed', 'capacity', 'expected'),
    [(0, 40, VIEW_ROWS), (1, 40, 16), (16, 40, 16), (17, 40, 32), (40, 40, 48), (17, 9, 18)],
)
def test_a_view_is_a_multiple_or_all_there_is(needed, capacity, expected):
    assert viewed_rows(needed, capacity) == expected
