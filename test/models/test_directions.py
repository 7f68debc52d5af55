"""How much moves, and whether one way or all ways."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from activity_recognition.models.directions import (
    AT_ONCE,
    CELLS,
    DIRECTIONS,
    DirectionState,
    MotionDirections,
)
from activity_recognition.models.motion import FULL_SCALE, grey_levels
from activity_recognition.types import to_ns
from factories.networks import MOVING_ALONE, TINY, make_system

SIDE = 64
"""Of the frames here; cells of 4 px."""
SPAN_S, MEMORY_S = MOVING_ALONE.video.motion_span_s, MOVING_ALONE.video.motion_memory_s
HOW_MUCH, MEAN, GREATEST, WEIGHTED, STRONGEST = range(5)
RIGHT, DOWN, LEFT, UP = (1, 0), (0, 1), (-1, 0), (0, -1)


@pytest.fixture
def encoder() -> MotionDirections:
    return make_encoder()


def make_encoder() -> MotionDirections:
    torch.manual_seed(0)
    return MotionDirections(MOVING_ALONE).double().eval()


def surface(seed: int = 0) -> torch.Tensor:
    """Uneven grey, without seam where it is wrapped round, uint8 (S, S, 3)."""
    noise = torch.rand(1, 1, SIDE, SIDE, generator=torch.Generator().manual_seed(seed))
    for _ in range(3):
        noise = F.avg_pool2d(F.pad(noise, (2, 2, 2, 2), mode='circular'), 5, stride=1)
    scaled = (noise - noise.min()) / (noise.max() - noise.min()) * 200
    return scaled[0, 0].to(torch.uint8)[..., None].expand(-1, -1, 3)


def moving(ways, *, pixels: int = 1) -> torch.Tensor:
    """One recording (1, T, S, S, 3) of a surface that moves one way after another."""
    frames = [surface()]
    for right, down in ways:
        frames.append(frames[-1].roll((down * pixels, right * pixels), dims=(0, 1)))
    return torch.stack(frames)[None].contiguous()


def times(count: int, every_s: float = SPAN_S) -> torch.Tensor:
    return torch.tensor([[to_ns(index * every_s) for index in range(count)]])


def dense(encoder, frames, stamps_ns, mask=None):
    there = torch.ones(stamps_ns.shape, dtype=torch.bool) if mask is None else mask
    return encoder(frames, stamps_ns, there)


def steps(encoder, frames, stamps_ns):
    state = DirectionState()
    tokens = [
        encoder.step(frames[:, index], [int(stamp_ns)], [state])
        for index, stamp_ns in enumerate(stamps_ns[0])
    ]
    return torch.cat(tokens)


def numbers_of(encoder, frames) -> torch.Tensor:
    """The five numbers after all frames of a recording, none forgotten."""
    greys = grey_levels(frames[0], torch.float64)
    return encoder.numbers(encoder.votes(greys[1:], greys[:-1]).mean(0))


@pytest.mark.parametrize(
    ('way', 'direction'),
    [(RIGHT, 0), ((1, 1), 1), (DOWN, 2), ((-1, 1), 3), (LEFT, 4), (UP, 6), ((1, -1), 7)],
)
def test_what_moves_votes_for_its_direction(encoder, way, direction):
    greys = grey_levels(moving([way])[0], torch.float64)
    votes = encoder.votes(greys[1:], greys[:1])[0, :, 1:-1, 1:-1]
    most = votes[:DIRECTIONS].sum((-2, -1))
    assert most.argmax() == direction
    assert most[direction] > 0.6 * most.sum()


def test_votes_share_out_how_much_changed(encoder):
    frames = torch.randint(0, 256, (1, 2, SIDE, SIDE, 3), dtype=torch.uint8)
    greys = grey_levels(frames[0], torch.float64)
    votes = encoder.votes(greys[1:], greys[:1])[0]
    changed = F.adaptive_avg_pool2d((greys[1:] - greys[:1]).abs(), CELLS)[0]
    torch.testing.assert_close(votes[DIRECTIONS], changed)
    torch.testing.assert_close(votes[:DIRECTIONS].sum(0), changed)


def test_disorder_tells_one_way_from_all_ways(encoder):
    """As much changes, and each pair of frames moves as steadily; only what comes after differs."""
    steady = numbers_of(encoder, moving([RIGHT] * 8))
    shaken = numbers_of(encoder, moving([RIGHT, DOWN, LEFT, UP] * 2))
    assert shaken[HOW_MUCH] == pytest.approx(steady[HOW_MUCH].item(), rel=0.15)
    for number in (MEAN, GREATEST, WEIGHTED, STRONGEST):
        assert shaken[number] > steady[number] + 0.15


def test_how_much_is_the_logarithm_of_the_strongest_place(encoder):
    frames = torch.full((1, 2, SIDE, SIDE, 3), 90, dtype=torch.uint8)
    frames[0, 1, : SIDE // 8, SIDE // 8 : SIDE // 4] += 30
    frames[0, 1, -1, -1] += 90
    assert numbers_of(encoder, frames)[HOW_MUCH] == pytest.approx(math.log1p(30))


def test_the_place_does_not_matter(encoder):
    frames = torch.full((1, 3, SIDE, SIDE, 3), 90, dtype=torch.uint8)
    frames[0, 1, 8:16, 8:16] = surface()[8:16, 8:16]
    frames[0, 2, 9:17, 8:16] = surface()[8:16, 8:16]
    moved = frames.roll((16, 32), dims=(2, 3))
    torch.testing.assert_close(numbers_of(encoder, frames), numbers_of(encoder, moved))


def test_stillness_is_ordered(encoder):
    still = numbers_of(encoder, surface().expand(1, 3, -1, -1, -1))
    torch.testing.assert_close(still, torch.zeros(5, dtype=torch.float64))


@settings(deadline=None, max_examples=30)
@given(
    seed=st.integers(0, 2**20),
    gaps_s=st.lists(st.sampled_from((0.03, 0.07, 0.1, 0.25, 0.45, 0.6)), min_size=1, max_size=12),
    at_once=st.sampled_from((1, 3, AT_ONCE)),
)
def test_a_stream_reads_what_a_dense_pass_reads(seed, gaps_s, at_once):
    encoder = make_encoder()
    generator = torch.Generator().manual_seed(seed)
    stamps = torch.tensor([[0, *(to_ns(gap_s) for gap_s in gaps_s)]]).cumsum(1)
    frames = torch.randint(
        0, 256, (1, stamps.shape[1], SIDE, SIDE, 3), dtype=torch.uint8, generator=generator
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr('activity_recognition.models.directions.AT_ONCE', at_once)
        whole = dense(encoder, frames, stamps)
    torch.testing.assert_close(steps(encoder, frames, stamps), whole, rtol=0.0, atol=1e-10)


def test_forgets_what_is_older_than_the_memory(encoder):
    moved = torch.cat((moving([RIGHT] * 3), surface().expand(1, 9, -1, -1, -1)), dim=1)
    tokens = dense(encoder, moved, times(13))
    assert not torch.allclose(tokens[3], tokens[0])
    torch.testing.assert_close(tokens[-1], tokens[0])


def test_later_frames_change_nothing_before(encoder):
    frames = moving([RIGHT, DOWN, LEFT, UP])
    other = frames.clone()
    other[0, 3:] = 255 - other[0, 3:]
    one, two = (dense(encoder, x, times(5)) for x in (frames, other))
    assert torch.equal(one[:3], two[:3])
    assert not torch.allclose(one[3], two[3])


def test_padding_is_left_out(encoder):
    frames = torch.cat((moving([RIGHT, DOWN]), moving([UP, UP])))
    stamps = times(3).repeat(2, 1)
    stamps[1, 1:] = 0
    mask = torch.tensor([[True, True, True], [True, False, False]])
    tokens = dense(encoder, frames, stamps, mask)
    alone = dense(encoder, frames[:1], stamps[:1])
    torch.testing.assert_close(tokens, torch.cat((alone, alone[:1])))


def test_no_frames_are_no_tokens(encoder):
    nothing = torch.zeros(2, 0, SIDE, SIDE, 3, dtype=torch.uint8)
    tokens = dense(encoder, nothing, torch.zeros(2, 0, dtype=torch.int64))
    assert tokens.shape == (0, MOVING_ALONE.hidden_dim)


def test_a_stream_keeps_no_more_than_its_memory(encoder):
    state = DirectionState()
    for index in range(40):
        encoder.step(moving([])[:, 0], [to_ns(index * SPAN_S)], [state])
    assert len(state.votes) == round(MEMORY_S / SPAN_S) + 1
    state.clear()
    assert not state.votes
    assert not state.frames


def test_sixteen_bits_lose_no_gradients(encoder):
    frames = moving([RIGHT, DOWN, RIGHT])
    half = make_encoder().half()
    torch.testing.assert_close(
        dense(half, frames, times(4)).double(),
        dense(encoder, frames, times(4)),
        rtol=0.01,
        atol=0.02,
    )


def test_autocast_leaves_directions_and_memory_alone(encoder):
    single = make_encoder().float()
    frames = moving([RIGHT, DOWN, RIGHT, UP])
    index, found = single.earlier(times(5), torch.ones(1, 5, dtype=torch.bool))

    def averaged():
        greys = grey_levels(frames[0], torch.float32)
        votes = single.votes(greys, greys[index[0]])[None]
        return single._averaged(votes, times(5), found, 5)

    exact = averaged()
    with torch.autocast('cpu', torch.bfloat16):
        assert torch.equal(averaged(), exact)


def test_what_is_forgotten_leaves_a_dense_pass(encoder, monkeypatch):
    """Memory does not grow with a recording, even beside one that has ended."""
    monkeypatch.setattr('activity_recognition.models.directions.AT_ONCE', 4)
    lengths: list[int] = []
    average = encoder._averaged
    monkeypatch.setattr(
        encoder,
        '_averaged',
        lambda votes, *rest: lengths.append(votes.shape[1]) or average(votes, *rest),
    )
    stamps = times(40).repeat(2, 1)
    mask = torch.ones(2, 40, dtype=torch.bool)
    mask[1, 3:] = False
    stamps[1, 3:] = 0
    dense(encoder, moving([]).expand(2, 40, -1, -1, -1), stamps, mask)
    assert max(lengths) <= round(MEMORY_S / SPAN_S) + 4


def test_its_weights_learn():
    video = make_system(MOVING_ALONE).train().video_encoder
    assert video.directions is not None
    side = MOVING_ALONE.video.input_size_px
    frames = moving([RIGHT, DOWN, LEFT])[:, :, :side, :side]
    video(frames, times(4), torch.ones(1, 4, dtype=torch.bool)).pow(2).sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in video.directions.parameters())


def test_what_a_decision_may_depend_on_reaches_further_back():
    still, remembering = (make_system(config).video_encoder for config in (TINY, MOVING_ALONE))
    assert still.directions is None
    reach_s = remembering.receptive_field_s - still.receptive_field_s
    assert reach_s == pytest.approx(MEMORY_S + 4 * SPAN_S)


def test_without_appearance_what_stands_still_is_not_seen():
    video = make_system(MOVING_ALONE).video_encoder
    side = MOVING_ALONE.video.input_size_px
    mask = torch.ones(1, 4, dtype=torch.bool)
    dark, bright = (
        video(torch.full((1, 4, side, side, 3), level, dtype=torch.uint8), times(4), mask)
        for level in (20, 200)
    )
    torch.testing.assert_close(dark, bright)
    assert not any('frame_encoder' in name for name in video.state_dict())


def test_levels_are_those_of_the_other_encoder():
    white = grey_levels(torch.full((1, 2, 2, 3), 255, dtype=torch.uint8), torch.float64)
    torch.testing.assert_close(white, torch.full_like(white, 127.5 / FULL_SCALE))
