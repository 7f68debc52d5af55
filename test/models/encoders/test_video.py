import dataclasses

import pytest
import torch

from activity_recognition.models.frame_encoders import PatchStem
from activity_recognition.types import to_ns
from factories.networks import TINY, make_system
from factories.stepping import look_through, new_past
from factories.streams import START_NS

SECOND = to_ns(1.0)


def frames_at(times_s, seed=0):
    """Return random frames (1, T, S, S, 3) and their stamps (1, T)."""
    generator = torch.Generator().manual_seed(seed)
    shape = (1, len(times_s), 32, 32, 3)
    frames = torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator)
    return frames, torch.tensor([[START_NS + to_ns(t) for t in times_s]])


def everything(stamps):
    return torch.ones_like(stamps, dtype=torch.bool)


TIMES = [0.0, 0.1, 0.25, 0.3, 0.9, 1.0, 1.05, 2.6, 2.7]


def test_one_token_per_frame(exact_system):
    frames, stamps = frames_at(TIMES)
    tokens = exact_system.video_encoder(frames, stamps, everything(stamps))
    assert tokens.shape == (1, len(TIMES), TINY.hidden_dim)
    assert tokens.isfinite().all()


def test_the_stem_halves_the_image_per_layer():
    stem = PatchStem(TINY.video)
    assert stem(torch.zeros(2, 3, 32, 32)).shape == (2, TINY.video.width, 4, 4)


@pytest.mark.parametrize('whole', [False, True], ids=['a view', 'whole rings'])
@pytest.mark.parametrize('max_tokens', [24, 3, 1])
@pytest.mark.parametrize('depth', [0, 1, 2])
def test_steps_equal_one_pass(depth, max_tokens, whole):
    video = dataclasses.replace(TINY.video, temporal_depth=depth, max_tokens=max_tokens)
    system = make_system(dataclasses.replace(TINY, video=video), dtype=torch.float64)
    frames, stamps = frames_at(TIMES)
    encoder = system.video_encoder
    dense = encoder(frames, stamps, everything(stamps))
    stepped = look_through(encoder, frames, stamps, whole=whole)
    torch.testing.assert_close(stepped, dense, atol=1e-12, rtol=1e-12)


def test_streams_that_look_back_together_do_not_mix(exact_system):
    """Each its own frames and stamps."""
    encoder = exact_system.video_encoder
    parts = [frames_at([t * pace for t in TIMES], seed) for seed, pace in ((1, 1.0), (2, 0.3))]
    frames, stamps = (torch.cat(tensors) for tensors in zip(*parts, strict=True))
    together = look_through(encoder, frames, stamps)
    dense = encoder(frames, stamps, everything(stamps))
    torch.testing.assert_close(together, dense, atol=1e-12, rtol=1e-12)


def test_a_token_depends_on_the_past_alone(exact_system):
    encoder = exact_system.video_encoder
    frames, stamps = frames_at(TIMES)
    before = encoder(frames, stamps, everything(stamps))
    frames[:, 5:] = 255 - frames[:, 5:]
    after = encoder(frames, stamps, everything(stamps))
    torch.testing.assert_close(after[:, :5], before[:, :5], atol=1e-13, rtol=0)
    assert not torch.allclose(after[:, 5], before[:, 5])


def test_a_frame_out_of_reach_leaves_no_trace(exact_system):
    """Two layers that look back 1 s each reach 2 s; the frame at 0.5 s is 2.1 s before the last."""
    encoder = exact_system.video_encoder
    assert encoder.receptive_field_s == 2.0
    frames, stamps = frames_at([0.5, 0.6, 1.6, 2.6])
    before = encoder(frames, stamps, everything(stamps))
    frames[:, 0] = 255 - frames[:, 0]
    after = encoder(frames, stamps, everything(stamps))
    torch.testing.assert_close(after[:, -1], before[:, -1], atol=1e-13, rtol=0)
    frames[:, 1] = 255 - frames[:, 1]
    further = encoder(frames, stamps, everything(stamps))
    assert (further[:, -1] - before[:, -1]).abs().max() > 1e-9


def test_position_is_age_and_nothing_else(exact_system):
    """The same frames at another epoch give the same tokens: no absolute time, no counting."""
    encoder = exact_system.video_encoder
    frames, stamps = frames_at(TIMES)
    before = encoder(frames, stamps, everything(stamps))
    after = encoder(frames, stamps - START_NS, everything(stamps))
    torch.testing.assert_close(after, before, atol=1e-13, rtol=0)


def test_stretched_time_is_another_input(exact_system):
    encoder = exact_system.video_encoder
    frames, stamps = frames_at(TIMES)
    before = encoder(frames, stamps, everything(stamps))
    stretched = START_NS + (stamps - START_NS) * 2
    assert not torch.allclose(encoder(frames, stretched, everything(stamps)), before)


def test_a_masked_frame_equals_a_lost_one(exact_system):
    """A lost frame shifts no age: the others are as far apart as they were."""
    encoder = exact_system.video_encoder
    frames, stamps = frames_at(TIMES)
    mask = everything(stamps)
    mask[:, [1, 4]] = False
    kept = mask[0].nonzero()[:, 0]
    masked = encoder(frames, stamps, mask)[:, kept]
    lost = encoder(frames[:, kept], stamps[:, kept], mask[:, kept])
    torch.testing.assert_close(masked, lost, atol=1e-13, rtol=0)


def test_blind_rows_stay_finite(exact_system):
    frames, stamps = frames_at(TIMES)
    tokens = exact_system.video_encoder(frames, stamps, ~everything(stamps))
    assert tokens.isfinite().all()


def test_a_cleared_past_is_a_new_one(exact_system):
    encoder = exact_system.video_encoder
    frames, stamps = frames_at(TIMES)
    ring = new_past(encoder)
    first = look_through(encoder, frames, stamps, ring)
    ring.clear(0)
    assert torch.equal(look_through(encoder, frames, stamps, ring), first)


def test_gradients_reach_every_parameter():
    encoder = make_system(TINY, dtype=torch.float64).video_encoder
    frames, stamps = frames_at(TIMES)
    encoder(frames, stamps, everything(stamps)).pow(3).sum().backward()
    without = [name for name, p in encoder.named_parameters() if p.grad is None or not p.grad.any()]
    assert without == []


def test_bfloat16_stays_close():
    encoder = make_system(TINY).video_encoder
    frames, stamps = frames_at(TIMES)
    with torch.no_grad():
        exact = encoder(frames, stamps, everything(stamps))
        with torch.autocast('cpu', dtype=torch.bfloat16):
            rough = encoder(frames, stamps, everything(stamps))
    assert (rough - exact).abs().max() < 0.1
    assert (rough - exact).abs().mean() < 0.02
