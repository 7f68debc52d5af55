"""Counts of work against what paper and pencil give."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from work import Work, attention_flops, count_work, occupied_bytes

FLOAT = 4
"""Bytes."""


@pytest.fixture(autouse=True)
def _inference():
    with torch.inference_mode():
        yield


def test_a_linear_layer_reads_its_input_and_weights_once():
    layer, x = nn.Linear(8, 16), torch.rand(3, 8)
    work = count_work(lambda: layer(x))
    assert work.flops == 2 * 3 * 8 * 16
    assert work.bytes == FLOAT * (3 * 8 + 8 * 16 + 16)


def test_a_convolution_counts_each_tap_of_each_output():
    layer, x = nn.Conv2d(3, 4, 3, stride=2, padding=1, bias=False), torch.rand(1, 3, 8, 8)
    work = count_work(lambda: layer(x))
    assert work.flops == 2 * (4 * 4 * 4) * (3 * 3 * 3)
    assert work.bytes == FLOAT * (3 * 8 * 8 + 4 * 3 * 3 * 3)


@pytest.mark.parametrize('masked', [False, True])
def test_attention_on_a_cpu_is_two_products(masked):
    batch, heads, queries, tokens, width = 2, 4, 5, 7, 8
    query = torch.rand(batch, heads, queries, width)
    key, value = torch.rand(2, batch, heads, tokens, width)
    mask = torch.zeros(batch, 1, queries, tokens) if masked else None
    work = count_work(lambda: F.scaled_dot_product_attention(query, key, value, attn_mask=mask))
    scores = 2 * batch * heads * queries * tokens * width
    assert work.flops == 2 * scores
    read = query.numel() + key.numel() + value.numel() + (0 if mask is None else mask.numel())
    assert work.bytes == FLOAT * read


def test_attention_counts_values_of_another_width():
    assert attention_flops((1, 1, 2, 3), (1, 1, 5, 3), (1, 1, 5, 7)) == 2 * 2 * 5 * (3 + 7)


def test_what_an_operator_made_costs_no_memory():
    x = torch.rand(10)
    assert count_work(lambda: (x * 2 + 1).exp() - x).bytes == FLOAT * 10


def test_a_view_reads_what_is_used_of_it():
    ring = torch.rand(100, 4)
    assert count_work(ring[:10].sum).bytes == FLOAT * 40


def test_every_step_reads_again_and_the_mean_is_told():
    x = torch.rand(10)
    assert count_work(x.exp, 5) == count_work(x.exp) == Work(flops=0, bytes=FLOAT * 10)


def test_an_expanded_tensor_lies_on_its_own_bytes():
    assert occupied_bytes(torch.rand(1, 6).expand(50, 6)) == FLOAT * 6
    assert occupied_bytes(torch.rand(3, 6)) == FLOAT * 18
    assert occupied_bytes(torch.rand(0, 6)) == 0


def test_the_roofline_is_the_longer_of_both_times():
    work = Work(flops=100.0, bytes=10.0)
    assert work.least_s(flops_per_s=50.0, bytes_per_s=10.0) == 2.0
    assert work.least_s(flops_per_s=50.0, bytes_per_s=2.0) == 5.0
