import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from factories.networks import TINY, make_system
from factories.stepping import listen_through

AUDIO = TINY.audio
COUNT = 24


def blocks_of(count=COUNT, seed=0, rows=1):
    generator = torch.Generator().manual_seed(seed)
    shape = (rows, count, AUDIO.columns_per_token, AUDIO.num_mels)
    return torch.randn(shape, dtype=torch.float64, generator=generator)


def everything(blocks):
    return torch.ones(blocks.shape[:2], dtype=torch.bool)


def test_one_token_per_block(exact_system):
    blocks = blocks_of(rows=3)
    tokens = exact_system.audio_encoder(blocks, everything(blocks))
    assert tokens.shape == (3, COUNT, TINY.hidden_dim)


@given(sizes=st.lists(st.integers(1, 9), min_size=1, max_size=8), holes=st.sets(st.integers(0, 30)))
@settings(max_examples=15)
def test_any_steps_equal_one_pass(exact_system, sizes, holes):
    encoder = exact_system.audio_encoder
    blocks = blocks_of(sum(sizes))
    mask = everything(blocks)
    mask[:, [hole for hole in holes if hole < sum(sizes)]] = False
    with torch.no_grad():
        dense = encoder(blocks, mask)
    streamed = listen_through(encoder, blocks, mask, sizes)
    torch.testing.assert_close(streamed[mask], dense[mask], atol=1e-12, rtol=1e-12)


@given(sizes=st.lists(st.integers(1, 9), min_size=1, max_size=8))
@settings(max_examples=15)
def test_without_a_mask_nothing_is_masked(exact_system, sizes):
    encoder = exact_system.audio_encoder
    blocks = blocks_of(sum(sizes), rows=2)
    with torch.no_grad():
        dense = encoder(blocks, everything(blocks))
    streamed = listen_through(encoder, blocks, None, sizes)
    torch.testing.assert_close(streamed, dense, atol=1e-12, rtol=1e-12)


def test_advancing_leaves_the_past_as_it_was(exact_system):
    encoder = exact_system.audio_encoder
    with torch.no_grad():
        _, past = encoder.advance(blocks_of(5), encoder.new_past())
        before = past.clone()
        encoder.advance(blocks_of(3, seed=1), past)
    assert before.any()
    assert torch.equal(past, before)


def test_a_token_depends_on_the_past_within_reach(exact_system):
    encoder = exact_system.audio_encoder
    reach = AUDIO.receptive_field_tokens
    blocks = blocks_of()
    before = encoder(blocks, everything(blocks))
    changed = blocks.clone()
    changed[:, 5] += 3.0
    moved = (encoder(changed, everything(blocks)) - before).abs().amax((0, 2)) > 1e-12
    assert moved.nonzero()[:, 0].tolist() == list(range(5, 5 + reach))


def test_a_masked_block_cannot_change_its_neighbours(exact_system):
    encoder = exact_system.audio_encoder
    blocks, mask = blocks_of(), everything(blocks_of())
    mask[:, 6:9] = False
    before = encoder(blocks, mask)
    changed = blocks.clone()
    changed[:, 6:9] = 100.0
    assert torch.equal(encoder(changed, mask)[mask], before[mask])


def test_a_hole_is_not_silence(exact_system):
    encoder = exact_system.audio_encoder
    blocks = blocks_of()
    blocks[:, 6:9] = 0.0
    mask = everything(blocks)
    heard = encoder(blocks, mask)
    mask[:, 6:9] = False
    assert not torch.allclose(encoder(blocks, mask)[:, 9], heard[:, 9])


def test_a_long_hole_forgets_everything(exact_system):
    encoder = exact_system.audio_encoder
    reach = AUDIO.receptive_field_tokens
    blocks, after = blocks_of(reach + 4), blocks_of(6, seed=1)
    together = torch.cat((blocks, after), dim=1)
    mask = everything(together)
    mask[:, 4 : reach + 4] = False
    fresh = encoder(after, everything(after))
    torch.testing.assert_close(encoder(together, mask)[:, reach + 4 :], fresh, atol=1e-13, rtol=0)


def test_rows_of_a_batch_do_not_mix(exact_system):
    encoder = exact_system.audio_encoder
    blocks = blocks_of(rows=3)
    together = encoder(blocks, everything(blocks))
    for row in range(3):
        alone = encoder(blocks[row : row + 1], everything(blocks[:1]))
        torch.testing.assert_close(together[row : row + 1], alone, atol=1e-12, rtol=1e-12)


def test_gradients_reach_every_parameter():
    encoder = make_system(TINY, dtype=torch.float64).audio_encoder
    blocks = blocks_of()
    encoder(blocks, everything(blocks)).pow(3).sum().backward()
    without = [name for name, p in encoder.named_parameters() if p.grad is None or not p.grad.any()]
    assert without == []


def test_the_reach_in_seconds_is_that_of_the_samples():
    """(2 + 2 * (1 + 2)) blocks of 4 columns, one column less, and what the last column covers."""
    encoder = make_system(TINY).audio_encoder
    columns = 4 * 8 - 1
    assert encoder.receptive_field_s == pytest.approx(((columns - 1) * 80 + 256) / 8000)


def test_bfloat16_stays_close():
    encoder = make_system(TINY).audio_encoder
    blocks = blocks_of().float()
    with torch.no_grad():
        exact = encoder(blocks, everything(blocks))
        with torch.autocast('cpu', dtype=torch.bfloat16):
            rough = encoder(blocks, everything(blocks))
    assert (rough - exact).abs().max() < 0.1
    assert (rough - exact).abs().mean() < 0.02
