import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from activity_recognition.models.attention import newest, visible
from activity_recognition.models.state import AudioState, ModalityState, TokenRing
from activity_recognition.types import NANOSECONDS, to_ns
from factories.streams import START_NS


def ring_of(capacity=4, layers=1):
    return TokenRing.create(
        layers=layers, heads=2, capacity=capacity, head_dim=3, like=torch.zeros(1)
    )


def fill(ring, stamps_ns):
    for number, stamp_ns in enumerate(stamps_ns):
        slot = ring.advance(stamp_ns)
        token = torch.full((1, 2, 1, 3), float(number))
        ring.write(0, slot, token, -token)


def test_a_ring_keeps_the_newest_tokens():
    ring = ring_of(capacity=4)
    fill(ring, range(6))
    keys, values = ring.view(0)
    assert sorted(keys[0, 0, :, 0].tolist()) == [2, 3, 4, 5]
    assert torch.equal(values, -keys)
    assert sorted(ring.stamps_ns.tolist()) == [2, 3, 4, 5]


def test_a_ring_that_is_not_full_shows_what_it_has():
    ring = ring_of(capacity=4)
    fill(ring, range(2))
    assert ring.filled == 2
    assert ring.view(0)[0].shape == (1, 2, 2, 3)


def test_an_empty_ring_sees_nothing():
    sight = ring_of().sight(START_NS, 1.0)
    assert sight.newest == -1
    assert len(sight.age_s) == len(sight.seen) == 0
    assert np.isnan(sight.newest_age_s)


def test_clear_forgets_and_keeps_the_memory():
    ring = ring_of()
    fill(ring, range(6))
    memory = ring.keys.data_ptr()
    ring.clear()
    assert ring.filled == 0
    assert ring.sight(5, 1.0).newest == -1
    assert ring.keys.data_ptr() == memory


@given(
    stamps=st.lists(st.integers(0, 8), min_size=1, max_size=12),
    t=st.integers(0, 10),
    capacity=st.integers(1, 5),
)
@settings(max_examples=50)
def test_a_ring_sees_what_a_dense_pass_sees(stamps, t, capacity):
    """Same tokens, same newest, whatever the order of stamps and however often it wrapped."""
    unit = NANOSECONDS // 4
    stamps_ns = [START_NS + stamp * unit for stamp in stamps]
    ring = ring_of(capacity)
    fill(ring, stamps_ns)
    sight = ring.sight(START_NS + t * unit, 1.0)
    found = ring.view(0)[0][0, 0, :, 0].numpy()

    order = torch.arange(len(stamps)).unsqueeze(0)
    tokens = torch.tensor([stamps_ns])
    dense = visible(
        torch.tensor([[START_NS + t * unit]]),
        torch.tensor([[len(stamps)]]),
        tokens,
        order,
        torch.ones_like(tokens, dtype=torch.bool),
        window_s=1.0,
        max_tokens=capacity,
    )
    assert sorted(found[sight.seen]) == dense[0, 0].nonzero()[:, 0].tolist()
    if sight.newest >= 0:
        assert found[sight.newest] == newest(dense, tokens)[0, 0]
    np.testing.assert_allclose(sight.age_s, [(t - stamps[int(i)]) / 4 for i in found], atol=1e-12)


def test_ages_are_good_to_a_nanosecond():
    ring = ring_of()
    fill(ring, [START_NS])
    assert ring.sight(START_NS + to_ns(0.25) + 1, 1.0).newest_age_s == 0.250000001


def test_a_modality_remembers_state_beside_key_and_value():
    state = ModalityState(ring=ring_of(capacity=2), tokens=torch.zeros(1, 2, 5))
    for number in range(3):
        token = torch.full((1, 1, 5), float(number))
        key = torch.full((1, 2, 1, 3), float(number))
        state.append(token, key, key, number)
    keys, _ = state.ring.view(0)
    assert torch.equal(state.tokens[0, :, 0], keys[0, 0, :, 0])
    state.clear()
    assert state.ring.filled == 0


def test_clearing_sound_does_not_touch_what_others_hold():
    past = torch.ones(1, 2, 3)
    state = AudioState(columns=[past], tokens=[past])
    state.clear()
    assert past.all()
    assert not state.columns[0].any()
    assert not state.tokens[0].any()
