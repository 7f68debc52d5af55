import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from activity_recognition.models.attention import newest, visible
from activity_recognition.models.state import AudioState, ModalityState, Rows, TokenRing, turns
from activity_recognition.types import NANOSECONDS, to_ns
from factories.streams import START_NS


def ring_of(capacity=4, layers=1, slots=1):
    return TokenRing.create(
        layers=layers, slots=slots, heads=2, capacity=capacity, head_dim=3, like=torch.zeros(1)
    )


def rows_of(*slots):
    return Rows.of(slots, torch.device('cpu'))


def fill(ring, stamps_ns, slot=0):
    for number, stamp_ns in enumerate(stamps_ns):
        place = ring.advance([slot], [stamp_ns])
        token = torch.full((1, 2, 3), float(number))
        ring.write(0, (torch.tensor([slot]), torch.tensor(place)), token, -token)


def held(ring, *slots):
    """Return the numbers that ``fill`` wrote, (n, used)."""
    rows = rows_of(*slots)
    return ring.view(0, rows, ring.used(rows))[0][:, 0, :, 0].numpy()


def test_a_ring_keeps_the_newest_tokens():
    ring = ring_of(capacity=4)
    fill(ring, range(6))
    keys, values = ring.view(0, rows_of(0), 4)
    assert sorted(keys[0, 0, :, 0].tolist()) == [2, 3, 4, 5]
    assert torch.equal(values, -keys)
    assert sorted(ring.stamps_ns[0].tolist()) == [2, 3, 4, 5]


def test_a_ring_that_is_not_full_shows_what_it_has():
    ring = ring_of(capacity=4)
    fill(ring, range(2))
    assert ring.used(rows_of(0)) == 2
    assert ring.view(0, rows_of(0), 2)[0].shape == (1, 2, 2, 3)


def test_an_empty_ring_sees_nothing():
    sight = ring_of().sight(rows_of(0), [START_NS], 1.0)
    assert sight.newest.tolist() == [-1]
    assert sight.age_s.shape == sight.seen.shape == (1, 0)
    assert np.isnan(sight.newest_age_s).all()


def test_clear_forgets_and_keeps_the_memory():
    ring = ring_of()
    fill(ring, range(6))
    memory = ring.keys.data_ptr()
    ring.clear(0)
    assert ring.filled.tolist() == [0]
    assert ring.sight(rows_of(0), [5], 1.0).newest.tolist() == [-1]
    assert ring.keys.data_ptr() == memory


def test_clearing_leaves_the_neighbours_and_no_number_that_masking_would_not_hide():
    ring = ring_of(slots=2)
    fill(ring, range(3), slot=0)
    fill(ring, [0], slot=1)
    ring.keys[:, 1] = float('nan')
    ring.clear(1)
    assert held(ring, 0, 1).tolist() == [[0, 1, 2], [0, 0, 0]]
    assert ring.sight(rows_of(0, 1), [2, 2], 1.0).present.tolist() == [True, False]


def test_growing_keeps_what_is_held():
    ring = ring_of(layers=2)
    fill(ring, range(6))
    ring.grow(3)
    assert sorted(held(ring, 0)[0]) == [2, 3, 4, 5]
    fill(ring, range(2), slot=2)
    assert held(ring, 0, 2)[1].tolist() == [0, 1, 0, 0]
    assert ring.sight(rows_of(1, 2), [1, 1], 1.0).newest.tolist() == [-1, 1]


def test_rows_that_are_neighbours_are_read_without_a_copy():
    ring = ring_of(slots=4)
    for slot in range(4):
        fill(ring, [slot], slot=slot)
    memory = ring.keys.untyped_storage().data_ptr()
    neighbours, apart = (ring.view(0, rows_of(*slots), 1)[0] for slots in ((1, 2), (1, 3)))
    assert neighbours.untyped_storage().data_ptr() == memory
    assert apart.untyped_storage().data_ptr() != memory
    ring.keys += torch.arange(4.0)[:, None, None, None]
    assert held(ring, 3, 0, 1)[:, 0].tolist() == [3, 0, 1]


@given(st.lists(st.integers(0, 3), max_size=12))
def test_turns_keep_each_slots_order_and_take_one_of_each(slots):
    found = turns(slots)
    assert sorted(i for turn in found for i in turn) == list(range(len(slots)))
    for number, turn in enumerate(found):
        assert turn == sorted(turn)
        for position in turn:
            assert slots[:position].count(slots[position]) == number


histories = st.lists(st.integers(0, 8), min_size=1, max_size=12)


@given(
    histories=st.lists(histories, min_size=1, max_size=3),
    t=st.integers(0, 10),
    capacity=st.integers(1, 5),
)
@settings(max_examples=50)
def test_a_ring_sees_what_a_dense_pass_sees(histories, t, capacity):
    """Same tokens, same newest, whatever the order of stamps and however often it wrapped."""
    unit = NANOSECONDS // 4
    ring = ring_of(capacity, slots=len(histories))
    for slot, stamps in enumerate(histories):
        fill(ring, [START_NS + stamp * unit for stamp in stamps], slot=slot)
    slots = range(len(histories))
    sight = ring.sight(rows_of(*slots), [START_NS + t * unit] * len(histories), 1.0)
    for slot, stamps in enumerate(histories):
        found = held(ring, *slots)[slot]
        tokens = torch.tensor([[START_NS + stamp * unit for stamp in stamps]])
        dense = visible(
            torch.tensor([[START_NS + t * unit]]),
            torch.tensor([[len(stamps)]]),
            tokens,
            torch.arange(len(stamps)).unsqueeze(0),
            torch.ones_like(tokens, dtype=torch.bool),
            window_s=1.0,
            max_tokens=capacity,
        )
        assert sorted(found[sight.seen[slot]]) == dense[0, 0].nonzero()[:, 0].tolist()
        assert sight.present[slot] == dense.any()
        if sight.present[slot]:
            assert found[sight.newest[slot]] == newest(dense, tokens)[0, 0]
            age_s = (t - stamps[int(found[sight.newest[slot]])]) / 4
            np.testing.assert_allclose(sight.newest_age_s[slot], age_s, atol=1e-12)


def test_ages_are_good_to_a_nanosecond():
    ring = ring_of()
    fill(ring, [START_NS])
    sight = ring.sight(rows_of(0), [START_NS + to_ns(0.25) + 1], 1.0)
    assert sight.newest_age_s.tolist() == [0.250000001]


def appended(numbers, slots):
    """Return a state of two slots and two places each that was given numbered tokens at once."""
    state = ModalityState(ring=ring_of(capacity=2, slots=2), tokens=torch.zeros(2, 2, 5))
    values = torch.tensor(numbers, dtype=torch.float32)
    keys = values[:, None, None].expand(-1, 2, 3)
    state.append(slots, numbers, values[:, None].expand(-1, 5), keys, keys)
    return state


def test_a_modality_remembers_state_beside_key_and_value():
    state = appended([1, 2, 3], [0, 1, 0])
    keys, _ = state.ring.view(0, rows_of(0, 1), 2)
    assert torch.equal(state.tokens[..., 0], keys[:, 0, :, 0])
    assert state.tokens[..., 0].tolist() == [[1, 3], [2, 0]]
    state.clear(0)
    assert state.ring.filled.tolist() == [0, 1]


def test_of_a_crowd_the_newest_stay():
    state = appended([1, 2, 3, 4, 5], [0, 0, 0, 1, 0])
    assert state.tokens[..., 0].tolist() == [[3, 5], [4, 0]]
    assert state.ring.stamps_ns.tolist() == [[3, 5], [4, 0]]
    assert held(state.ring, 0, 1).tolist() == [[3, 5], [4, 0]]


def test_clearing_sound_leaves_the_neighbours():
    state = AudioState(columns=[torch.ones(2, 2, 3)], tokens=[torch.ones(2, 2, 3)])
    state.clear(0)
    for past in (*state.columns, *state.tokens):
        assert not past[0].any()
        assert past[1].all()
