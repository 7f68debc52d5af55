import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from activity_recognition.models.attention import (
    AGE_RESOLUTION_S,
    NUM_KNOTS,
    AgeBias,
    AgeEmbedding,
    FeedForward,
    age_knots,
    ages_s,
    attend,
    attend_once,
    head_places,
    newest,
    split_heads,
    visible,
)
from activity_recognition.types import to_ns
from factories.streams import START_NS

HORIZON_S = 4.0


def knot_age(index: int) -> float:
    """Return the age at which only one knot weighs."""
    scale = (NUM_KNOTS - 1) / math.log1p(HORIZON_S / AGE_RESOLUTION_S)
    return AGE_RESOLUTION_S * math.expm1(index / scale)


@given(age_s=st.floats(-1.0, 2 * HORIZON_S))
@settings(max_examples=50)
def test_an_age_lies_between_two_knots(age_s):
    weights = age_knots(torch.tensor([age_s], dtype=torch.float64), HORIZON_S)[0]
    assert weights.shape == (NUM_KNOTS,)
    assert weights.sum().item() == pytest.approx(1.0)
    assert (weights >= 0).all()
    there = weights.nonzero()[:, 0]
    assert there[-1] - there[0] <= 1


def test_knots_reach_from_now_to_the_horizon():
    ages = torch.tensor([knot_age(index) for index in range(NUM_KNOTS)], dtype=torch.float64)
    assert ages[-1].item() == pytest.approx(HORIZON_S)
    torch.testing.assert_close(age_knots(ages, HORIZON_S), torch.eye(NUM_KNOTS).double())


def test_ages_outside_the_horizon_count_as_its_ends():
    ages = torch.tensor([-3.0, 0.0, HORIZON_S, 100.0])
    weights = age_knots(ages, HORIZON_S)
    assert torch.equal(weights[0], weights[1])
    torch.testing.assert_close(weights[2], weights[3])


def test_several_horizons_at_once():
    ages = torch.rand(3, 2, dtype=torch.float64) * 5
    together = age_knots(ages, torch.tensor([2.0, 7.0]))
    torch.testing.assert_close(together[:, 0], age_knots(ages[:, 0], 2.0))
    torch.testing.assert_close(together[:, 1], age_knots(ages[:, 1], 7.0))


def test_ages_keep_their_bits_under_autocast():
    ages = torch.linspace(0.0, HORIZON_S, 1000)
    with torch.autocast('cpu', dtype=torch.bfloat16):
        weights = age_knots(ages, HORIZON_S)
    assert torch.equal(weights, age_knots(ages, HORIZON_S))


def test_the_callers_ages_stay_as_they_are():
    ages = torch.tensor([0.5, -0.5])
    age_knots(ages, HORIZON_S)
    assert ages.tolist() == [0.5, -0.5]


@pytest.mark.parametrize(('layer', 'width'), [(AgeBias, 3), (AgeEmbedding, 5)])
def test_functions_of_age_start_at_zero_and_learn(layer, width):
    function = layer(width, HORIZON_S)
    knots = age_knots(torch.rand(2, 4, 6) * HORIZON_S, HORIZON_S)
    value = function(knots)
    assert value.shape == (2, 4, 6, width)
    assert not value.any()
    value.sum().backward()
    assert function.table.grad.any()


def test_ages_are_exact_at_epoch_times():
    """Two frames 1 microsecond apart, which float32 seconds since 1970 could not tell apart."""
    query = torch.tensor([[START_NS + 1_000, START_NS + 2_000]])
    token = torch.tensor([[START_NS, START_NS + 1_000, START_NS + 5_000]])
    ages = ages_s(query, token, torch.float32)
    expected = [[[1e-6, 0.0, -4e-6], [2e-6, 1e-6, -3e-6]]]
    torch.testing.assert_close(ages, torch.tensor(expected), atol=1e-12, rtol=1e-6)


def seen(stamps_s, arrivals_s, t_s, arrival_s, *, mask=None, window_s=1.0, max_tokens=10):
    stamps, arrivals = (
        torch.tensor([[START_NS + to_ns(t) for t in times]]) for times in (stamps_s, arrivals_s)
    )
    token_mask = torch.ones_like(stamps, dtype=torch.bool) if mask is None else torch.tensor([mask])
    return visible(
        torch.tensor([[START_NS + to_ns(t_s)]]),
        torch.tensor([[START_NS + to_ns(arrival_s)]]),
        stamps,
        arrivals,
        token_mask,
        window_s=window_s,
        max_tokens=max_tokens,
    )[0, 0].tolist()


def test_a_token_is_seen_inside_the_window_with_both_ends():
    assert seen([0.0, 1.0, 1.5, 2.0, 2.1], [0, 1, 2, 3, 4], 2.0, 9.0) == [
        False,
        True,
        True,
        True,
        False,
    ]


def test_a_token_is_seen_from_its_arrival_on():
    assert seen([0.1, 0.2, 0.3], [1.0, 2.0, 3.0], 0.5, 2.0) == [True, True, False]


def test_a_masked_token_is_not_seen_and_takes_no_place():
    stamps = [0.1, 0.2, 0.3]
    assert seen(stamps, stamps, 0.5, 1.0, mask=[True, False, True], max_tokens=2) == [
        True,
        False,
        True,
    ]


def test_only_the_last_to_arrive_are_kept_even_outside_the_window():
    """A ring forgets by arrival: a late, old utterance pushes out a newer one."""
    assert seen([1.0, 1.1, 0.0], [1, 2, 3], 1.5, 9.0, max_tokens=2) == [False, True, False]


def test_newest_is_the_latest_stamp_and_of_equals_the_last():
    stamps = torch.tensor([[5, 9, 9, 3, 20]])
    rows = torch.tensor(
        [[[1, 1, 1, 1, 0], [1, 1, 0, 1, 0], [0, 0, 0, 1, 0], [0, 0, 0, 0, 0]]], dtype=torch.bool
    )
    assert newest(rows, stamps).tolist() == [[2, 1, 3, 0]]


def test_attend_weighs_by_product_and_bias():
    torch.manual_seed(0)
    query, key, value = torch.randn(3, 2, 4, 7, 8, dtype=torch.float64).unbind()
    bias = torch.randn(2, 7, 7, 4, dtype=torch.float64)
    mask = torch.rand(2, 7, 7) < 0.5
    mask[..., 0] = True
    score = query @ key.transpose(-1, -2) / math.sqrt(8) + bias.permute(0, 3, 1, 2)
    weight = score.masked_fill(~mask.unsqueeze(1), -math.inf).softmax(-1)
    expected = (weight @ value).transpose(1, 2).reshape(2, 7, 32)
    torch.testing.assert_close(attend(query, key, value, bias, mask), expected)


def test_one_query_by_itself_is_answered_like_many():
    torch.manual_seed(0)
    streams, rows, heads, width = 3, 7, 4, 16
    query, key, value = torch.randn(3, streams, width, dtype=torch.float64)
    keys, values = torch.randn(2, streams, rows, width, dtype=torch.float64)
    seen = torch.rand(streams, rows) < 0.5
    seen[0] = False
    bias = torch.randn(streams, heads, rows, dtype=torch.float64)
    once = attend_once(
        query,
        keys,
        values,
        bias.masked_fill(~seen.unsqueeze(1), -torch.inf),
        head_places(heads, width),
        always=(key, value),
    )
    held = [
        split_heads(torch.cat((old, own.unsqueeze(1)), 1), heads)
        for old, own in ((keys, key), (values, value))
    ]
    wanted = attend(
        split_heads(query.unsqueeze(1), heads),
        *held,
        torch.nn.functional.pad(bias, (0, 1)).transpose(1, 2).unsqueeze(1),
        torch.nn.functional.pad(seen, (0, 1), value=True).unsqueeze(1),
    )
    torch.testing.assert_close(once, wanted.squeeze(1))


def test_a_masked_token_cannot_change_attention():
    torch.manual_seed(0)
    query, key, value = torch.randn(3, 1, 2, 5, 4).unbind()
    bias, mask = torch.zeros(1, 5, 5, 2), torch.ones(1, 5, 5, dtype=torch.bool)
    mask[..., 3] = False
    before = attend(query, key, value, bias, mask)
    key[:, :, 3], value[:, :, 3] = 1e4, -1e4
    assert torch.equal(attend(query, key, value, bias, mask), before)


def test_heads_are_split_and_joined():
    x = torch.arange(24.0).reshape(1, 2, 12)
    heads = split_heads(x, 3)
    assert heads.shape == (1, 3, 2, 4)
    np.testing.assert_array_equal(heads.transpose(1, 2).flatten(2), x)


def test_feed_forward_reaches_every_parameter():
    layer = FeedForward(8, 0.0)
    layer(torch.randn(2, 8)).square().sum().backward()
    assert all(parameter.grad.any() for parameter in layer.parameters())
