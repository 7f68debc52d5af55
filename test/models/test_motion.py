"""Frames compared with earlier ones."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from activity_recognition.models.motion import LONGEST, MotionEncoder, MotionState
from activity_recognition.types import to_ns
from factories.networks import MOVING, TINY, make_system

SIDE = MOVING.video.input_size_px
SPAN_S = MOVING.video.motion_span_s


@pytest.fixture
def encoder() -> MotionEncoder:
    torch.manual_seed(0)
    return MotionEncoder(MOVING).double().eval()


def frames_of(*levels: int) -> torch.Tensor:
    """One recording of even grey frames, uint8 (1, T, S, S, 3)."""
    values = torch.tensor(levels, dtype=torch.uint8)[None, :, None, None, None]
    return values.expand(1, len(levels), SIDE, SIDE, 3).contiguous()


def encode(encoder, frames, times_s, mask=None):
    stamps = torch.tensor([[to_ns(t) for t in times_s]])
    there = (
        torch.ones(stamps.shape, dtype=torch.bool)
        if mask is None
        else torch.tensor([mask], dtype=torch.bool)
    )
    return encoder(frames, stamps, there)


def test_what_stands_still_is_like_nothing_to_compare_with(encoder):
    tokens = encode(encoder, frames_of(90, 90, 90), (0.0, 0.3, 0.6))
    torch.testing.assert_close(tokens, tokens[:1].expand(3, -1))


def test_a_change_is_seen_and_its_background_is_not(encoder):
    dark = encode(encoder, frames_of(40, 80), (0.0, 0.3))
    bright = encode(encoder, frames_of(140, 180), (0.0, 0.3))
    torch.testing.assert_close(dark, bright)
    assert not torch.allclose(dark[0], dark[1])


def test_the_camera_rate_does_not_matter(encoder):
    """A slow movement at two rates: each frame is compared with the one ``span`` before it."""
    slow = encode(encoder, frames_of(0, 20, 40), (0.0, 0.2, 0.4))
    fast = encode(encoder, frames_of(0, 10, 20, 30, 40), (0.0, 0.1, 0.2, 0.3, 0.4))
    torch.testing.assert_close(slow, fast[::2])


def test_nothing_moves_after_a_long_pause(encoder):
    pause_s = SPAN_S * LONGEST
    seen = encode(encoder, frames_of(0, 200), (0.0, pause_s))
    unseen = encode(encoder, frames_of(0, 200), (0.0, pause_s + 1e-3))
    assert not torch.allclose(seen[0], seen[1])
    torch.testing.assert_close(unseen[0], unseen[1])


def test_padding_is_left_out_and_compared_with_nothing(encoder):
    alone = encode(encoder, frames_of(0, 50), (1.0, 1.3))
    padded = encode(encoder, frames_of(0, 50, 255, 255), (1.0, 1.3, 0.0, 0.0), [1, 1, 0, 0])
    torch.testing.assert_close(alone, padded)


def test_a_stream_keeps_no_more_than_it_may_need(encoder):
    state = MotionState()
    for index in range(200):
        encoder.step(frames_of(index)[:, 0], [to_ns(index / 10)], [state])
    assert len(state.frames) == round(SPAN_S * LONGEST * 10) + 1
    state.clear()
    assert not state.frames


def test_every_weight_learns():
    system = make_system(MOVING).train()
    motion = system.video_encoder.motion
    assert motion is not None
    torch.manual_seed(0)
    frames = torch.randint(0, 256, (1, 4, SIDE, SIDE, 3), dtype=torch.uint8)
    stamps = torch.arange(4)[None] * to_ns(0.25)
    system.video_encoder(frames, stamps, torch.ones(1, 4, dtype=torch.bool)).pow(2).sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in motion.parameters())


def test_what_a_decision_may_depend_on_reaches_further_back():
    still, moving = (make_system(config).video_encoder for config in (TINY, MOVING))
    assert still.motion is None
    reach_s = moving.receptive_field_s - still.receptive_field_s
    assert reach_s == pytest.approx(SPAN_S * LONGEST)


def test_a_system_without_has_the_weights_that_it_had():
    without = dataclasses.replace(
        MOVING, video=dataclasses.replace(MOVING.video, motion_channels=())
    )
    assert not any('motion' in name for name in make_system(without).state_dict())
