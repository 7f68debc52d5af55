"""The encoder of inertial measurements: causal, cached, without a trace of what is masked."""

import pytest
import torch

from activity_recognition.inference.lanes.grid import ConvolutionPast
from activity_recognition.model_config import ImuConfig
from activity_recognition.models.encoders.imu import LARGEST, STANDARD_GRAVITY
from activity_recognition.types import Modality
from factories.inertial import with_imu
from factories.networks import make_system


@pytest.fixture(scope='module')
def encoder():
    return make_system(with_imu('imu'), dtype=torch.float64).encoders[Modality.IMU]


def blocks(count: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(2, count, 4, 6, generator=generator, dtype=torch.float64) * 5


def everything(found: torch.Tensor) -> torch.Tensor:
    return torch.ones(found.shape[:2], dtype=torch.bool)


@pytest.mark.parametrize('sizes', [(9,), (1,) * 9, (4, 1, 4), (2, 7)])
def test_in_steps_or_at_once(encoder, sizes):
    drawn = blocks(9)
    past, found = encoder.new_past(2), []
    with torch.no_grad():
        for part in drawn.split(list(sizes), 1):
            tokens, past = encoder.advance(part, past)
            found.append(tokens)
        wanted = encoder(drawn, everything(drawn))
    torch.testing.assert_close(torch.cat(found, 1), wanted, atol=1e-12, rtol=1e-12)


def test_it_looks_back_as_far_as_it_says_and_never_ahead(encoder):
    reach = encoder.config.imu.receptive_field_tokens
    drawn = blocks(reach + 4)
    changed = drawn.clone()
    changed[:, 2] += 1.0
    with torch.no_grad():
        one, other = (encoder(x, everything(x)) for x in (drawn, changed))
    differs = (one - other).abs().amax(dim=(0, 2)) > 1e-12
    assert not differs[:2].any()
    assert differs[2]
    assert not differs[2 + reach :].any()
    assert encoder.receptive_field_s <= reach * 0.08


@pytest.mark.parametrize('hole', [1, 2, 3, 20])
def test_a_hole_is_what_the_lane_lets_pass(encoder, hole):
    """Also where a convolution reads more columns back than one block has."""
    drawn = blocks(6 + hole)[:1]
    mask = torch.ones(1, 6 + hole, dtype=torch.bool)
    mask[:, 3 : 3 + hole] = False
    state = ConvolutionPast(encoder, 1)
    with torch.no_grad():
        _, after = encoder.advance(drawn[:, :3], state.of([0]))
        state.store([0], after)
        state.skip(0, hole)
        found, _ = encoder.advance(drawn[:, 3 + hole :], state.of([0]))
        wanted = encoder(drawn, mask)[:, 3 + hole :]
    torch.testing.assert_close(found, wanted, atol=1e-12, rtol=1e-12)


def test_what_is_masked_leaves_no_trace(encoder):
    one = blocks(8)
    other = one.clone()
    other[:, 3] = 1e6
    mask = everything(one)
    mask[:, 3] = False
    with torch.no_grad():
        torch.testing.assert_close(encoder(one, mask), encoder(other, mask))


def test_a_blow_is_cut_off(encoder):
    one = torch.full((1, 5, 4, 6), 1e3, dtype=torch.float64)
    with torch.no_grad():
        torch.testing.assert_close(encoder(one, everything(one)), encoder(2 * one, everything(one)))
    still = torch.full((1, 1, 4, 6), STANDARD_GRAVITY, dtype=torch.float64)
    assert encoder.columns_of(still)[0, :3].allclose(torch.tensor(1.0, dtype=torch.float64))
    assert LARGEST > 1


def test_every_parameter_has_a_gradient():
    system = make_system(with_imu('imu'))
    encoder = system.encoders[Modality.IMU]
    drawn = blocks(30).float()
    encoder(drawn, everything(drawn)).square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in encoder.parameters())


def test_the_window_binds():
    imu = ImuConfig()
    rate_hz = imu.sample_rate_hz / imu.samples_per_token
    assert rate_hz == 12.5
    assert imu.max_tokens > imu.window_s * rate_hz
