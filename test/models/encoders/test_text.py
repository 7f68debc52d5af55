import torch

from factories.networks import TINY, make_system

LENGTH = TINY.text.max_length


def utterances(count=3, rows=1, seed=0):
    generator = torch.Generator().manual_seed(seed)
    shape = (rows, count, LENGTH)
    ids = torch.randint(1, TINY.text.vocab_size, shape, generator=generator)
    return ids, torch.ones(shape, dtype=torch.bool)


def test_one_token_per_utterance(exact_system):
    tokens = exact_system.text_encoder(*utterances(count=3, rows=2))
    assert tokens.shape == (2, 3, TINY.hidden_dim)


def test_no_utterance_gives_no_token(exact_system):
    tokens = exact_system.text_encoder(*utterances(count=0))
    assert tokens.shape == (1, 0, TINY.hidden_dim)
    assert tokens.dtype == torch.float64


def test_padding_changes_nothing(exact_system):
    """The engine encodes an utterance at its own length, a batch at the longest one's."""
    ids, mask = utterances(count=1)
    mask[..., 5:] = False
    padded = exact_system.text_encoder(ids.masked_fill(~mask, 0), mask)
    bare = exact_system.text_encoder(ids[..., :5], mask[..., :5])
    torch.testing.assert_close(padded, bare, atol=1e-12, rtol=1e-12)
    garbage = exact_system.text_encoder(ids, mask)
    torch.testing.assert_close(padded, garbage, atol=1e-12, rtol=1e-12)


def test_utterances_do_not_mix(exact_system):
    ids, mask = utterances(count=4)
    together = exact_system.text_encoder(ids, mask)
    for index in range(4):
        part = slice(index, index + 1)
        alone = exact_system.text_encoder(ids[:, part], mask[:, part])
        torch.testing.assert_close(together[:, part], alone, atol=1e-12, rtol=1e-12)


def test_the_order_of_words_counts(exact_system):
    ids, mask = utterances(count=1)
    forwards = exact_system.text_encoder(ids, mask)
    assert not torch.allclose(exact_system.text_encoder(ids.flip(-1), mask), forwards)


def test_a_row_of_padding_stays_finite(exact_system):
    ids, mask = utterances(count=2)
    assert exact_system.text_encoder(ids * 0, ~mask).isfinite().all()


def test_gradients_reach_every_parameter():
    encoder = make_system(TINY, dtype=torch.float64).text_encoder
    encoder(*utterances()).pow(3).sum().backward()
    without = [
        name
        for name, p in encoder.named_parameters()
        # What is added to every key alike cancels in the softmax.
        if not name.endswith('key.bias') and (p.grad is None or not p.grad.any())
    ]
    assert without == []


def test_bfloat16_stays_close():
    encoder = make_system(TINY).text_encoder
    with torch.no_grad():
        exact = encoder(*utterances())
        with torch.autocast('cpu', dtype=torch.bfloat16):
            rough = encoder(*utterances())
    assert (rough - exact).abs().max() < 0.1
    assert (rough - exact).abs().mean() < 0.02
