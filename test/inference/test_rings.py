"""Rings and the sound encoder's past: what the engine keeps of each stream."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from activity_recognition.inference.lanes.grid import ConvolutionPast
from activity_recognition.inference.lanes.lane import turns
from activity_recognition.inference.rings import KeyValueRing
from activity_recognition.models.attention import newest, visible
from activity_recognition.models.step_spec import VIEW_ROWS
from activity_recognition.types import NANOSECONDS, to_ns
from factories.networks import TINY, make_system
from factories.streams import START_NS

UNIT_NS = NANOSECONDS // 4
AUDIO = TINY.audio


@pytest.fixture(scope='module')
def exact_system():
    return make_system(TINY, dtype=torch.float64)


def ring_of(capacity=4, slots=1):
    return KeyValueRing(slots, capacity, (2, 3), like=torch.zeros(1))


def numbered(numbers):
    """Return rows (k, 2, 3) that hold their numbers."""
    return torch.tensor(list(numbers), dtype=torch.float32)[:, None, None].expand(-1, 2, 3)


def fill(ring, stamps_ns, slot=0):
    for number, stamp_ns in enumerate(stamps_ns):
        ring.append([slot], [(stamp_ns,)], numbered([number])[None])


def held(ring, slot=0):
    """Return the numbers that a slot holds, in order."""
    return ring.held(slot)[:, 0, 0].tolist()


def test_a_ring_keeps_the_newest_rows_in_order_of_arrival():
    ring = ring_of(capacity=4)
    for number in range(30):
        ring.append([0], [(number,)], numbered([number])[None])
        expected = list(range(max(0, number - 3), number + 1))
        assert held(ring) == expected
        assert ring.stamps_ns(0).tolist() == expected
        assert ring.filled == [len(expected)]


def test_a_row_is_kept_whole():
    ring = KeyValueRing(1, 2, (2, 3), like=torch.zeros(1, dtype=torch.float64))
    rows = torch.arange(12, dtype=torch.float64).reshape(2, 2, 3)
    ring.append([0], [(1, 2)], rows[None])
    assert ring.rows.dtype == torch.float64
    assert torch.equal(ring.held(0), rows)


def test_an_empty_ring_sees_nothing():
    window = ring_of().visible_window([0], [START_NS], 1.0)
    assert window.newest == [-1]
    assert not window.seen.any()
    assert window.present == [False]
    assert np.isnan(window.newest_age_s).all()


def test_clear_forgets_and_keeps_the_memory():
    ring = ring_of()
    fill(ring, range(6))
    memory = ring.rows.data_ptr()
    ring.clear(0)
    assert ring.filled == [0]
    assert held(ring) == []
    assert ring.visible_window([0], [5], 1.0).newest == [-1]
    assert ring.rows.data_ptr() == memory


def test_clearing_leaves_the_neighbours_and_no_number_that_masking_would_not_hide():
    ring = ring_of(slots=2)
    fill(ring, range(3), slot=0)
    ring.rows[1] = float('nan')
    ring.clear(1)
    assert held(ring, 0) == [0, 1, 2]
    assert ring.rows.isfinite().all()
    assert ring.visible_window([0, 1], [2, 2], 1.0).present == [True, False]


def test_growing_keeps_what_is_held():
    ring = ring_of()
    fill(ring, range(6))
    ring.grow(3)
    assert held(ring, 0) == [2, 3, 4, 5]
    fill(ring, range(2), slot=2)
    assert [held(ring, slot) for slot in range(3)] == [[2, 3, 4, 5], [], [0, 1]]
    assert ring.visible_window([1, 2], [1, 1], 1.0).present == [False, True]
    for number in range(6, 20):
        ring.append([0], [(number,)], numbered([number])[None])
    assert held(ring, 0) == [16, 17, 18, 19]


def test_one_slot_is_read_without_a_copy_and_several_with_one():
    ring = ring_of(slots=3)
    for slot in range(3):
        ring.append([slot], [(slot,)], numbered([slot])[None])
    memory = ring.rows.untyped_storage().data_ptr()
    alone, both = (
        ([1], ring.visible_window([1], [2], 1.0)),
        ([2, 0], ring.visible_window([2, 0], [2, 2], 1.0)),
    )
    one, several = ring.view(*alone), ring.view(*both)
    assert one.data_ptr() == ring.rows[1].data_ptr()
    assert several.untyped_storage().data_ptr() != memory
    assert one[0, 0, 0, 0] == 1
    assert several[:, 0, 0, 0].tolist() == [2, 0]
    ring.rows.fill_(7)
    assert one[0, 0, 0, 0] == 7
    assert several[:, 0, 0, 0].tolist() == [2, 0]


@given(st.lists(st.integers(0, 3), max_size=12))
def test_turns_keep_each_slots_order_and_take_one_of_each(slots):
    found = turns(slots)
    assert sorted(i for turn in found for i in turn) == list(range(len(slots)))
    for number, turn in enumerate(found):
        assert turn == sorted(turn)
        for position in turn:
            assert slots[:position].count(slots[position]) == number


runs = st.lists(st.lists(st.integers(0, 8), min_size=1, max_size=8), max_size=7)
"""Stamps of rows that are appended together, in units of a quarter of a second."""


@given(
    histories=st.lists(runs, min_size=1, max_size=3),
    t=st.integers(0, 10),
    capacity=st.integers(1, 5),
    most=st.none() | st.integers(0, 5),
    whole=st.booleans(),
)
@settings(max_examples=150)
def test_a_ring_sees_what_a_dense_pass_sees(histories, t, capacity, most, whole):
    """Same rows, same newest, whatever the order of stamps and however the rows arrived."""
    ring = ring_of(capacity, slots=len(histories))
    for slot, history in enumerate(histories):
        count = 0
        for stamps in history:
            rows = numbered(range(count, count + len(stamps)))
            stamps_ns = [START_NS + stamp * UNIT_NS for stamp in stamps]
            ring.append([slot], [stamps_ns], rows[None])
            count += len(stamps)
    slots = range(len(histories))
    t_ns = [START_NS + t * UNIT_NS] * len(histories)
    window = ring.visible_window(slots, t_ns, 1.0, most=most, whole=whole)
    width, room = window.seen.shape[1], 2 * capacity
    assert width == capacity if whole else width in (room, *range(VIEW_ROWS, room, VIEW_ROWS))
    views = ring.view(slots, window)
    assert views.shape == (len(histories), width, 2, 3)
    for slot, history in enumerate(histories):
        stamps = [stamp for run in history for stamp in run]
        tokens = torch.tensor([[START_NS + stamp * UNIT_NS for stamp in stamps]]).long()
        dense = visible(
            torch.tensor([[t_ns[slot]]]),
            torch.tensor([[len(stamps)]]),
            tokens,
            torch.arange(len(stamps)).unsqueeze(0),
            torch.ones_like(tokens, dtype=torch.bool),
            window_s=1.0,
            max_tokens=capacity if most is None else min(most, capacity),
        )
        found = views[slot, :, 0, 0].numpy()
        assert found[window.seen[slot]].tolist() == dense[0, 0].nonzero()[:, 0].tolist()
        assert window.present[slot] == dense.any()
        if window.present[slot]:
            assert window.seen[slot, window.newest[slot]]
            number = int(found[window.newest[slot]])
            assert number == newest(dense, tokens)[0, 0]
            assert window.newest_age_s[slot] == (t - stamps[number]) / 4
            ages_s = [(t - stamps[int(n)]) / 4 for n in found[window.seen[slot]]]
            assert window.age_s[slot][window.seen[slot]].tolist() == ages_s
        else:
            assert window.newest[slot] == -1


@given(capacity=st.integers(1, 80), count=st.integers(0, 200), back=st.integers(0, 90))
@settings(max_examples=100)
def test_a_view_is_no_wider_than_what_lies_in_the_window_needs(capacity, count, back):
    ring = KeyValueRing(1, capacity, (), like=torch.zeros(1))
    for number in range(count):
        ring.append([0], [(START_NS + number * UNIT_NS,)], torch.tensor([[float(number)]]))
    t_ns = START_NS + (count - 1) * UNIT_NS
    window = ring.visible_window([0], [t_ns], back / 4)
    seen, width = int(window.seen.sum()), window.seen.shape[1]
    assert seen == min(count, capacity, back + 1)
    assert width == 2 * capacity or (width % VIEW_ROWS == 0 and width - max(seen, 1) < VIEW_ROWS)
    assert width <= 2 * capacity


def test_of_equal_stamps_the_last_written_is_the_newest():
    ring = ring_of()
    fill(ring, [7, 9, 9, 8])
    window = ring.visible_window([0], [9], 1.0)
    assert ring.view([0], window)[0, window.newest[0], 0, 0] == 2


def test_a_part_of_a_view_is_that_of_its_streams():
    ring = ring_of(slots=3)
    for slot in range(3):
        fill(ring, range(slot + 1), slot=slot)
    whole = ring.visible_window([0, 1, 2], [2, 2, 2], 1.0)
    part = whole.select([0, 2])
    alone = ring.visible_window([0, 2], [2, 2], 1.0)
    for name in ('start', 'age_s', 'seen', 'newest', 'newest_age_s'):
        np.testing.assert_array_equal(getattr(part, name), getattr(alone, name))


def test_ages_are_good_to_a_nanosecond():
    ring = ring_of()
    fill(ring, [START_NS])
    window = ring.visible_window([0], [START_NS + to_ns(0.25) + 1], 1.0)
    assert window.newest_age_s == [0.250000001]


@given(data=st.data(), capacity=st.integers(1, 5), count=st.integers(1, 7))
@settings(max_examples=50)
def test_rows_of_many_streams_are_kept_as_those_of_each_alone(data, capacity, count):
    together, alone = ring_of(capacity, slots=4), ring_of(capacity, slots=4)
    for turn in range(6):
        slots = data.draw(st.lists(st.integers(0, 3), unique=True, min_size=1).map(sorted))
        stamps_ns = [[10 * turn + i for i in range(count)] for _ in slots]
        rows = torch.rand(len(slots), count, 2, 3)
        together.append(slots, stamps_ns, rows)
        for slot, stamps, row in zip(slots, stamps_ns, rows, strict=True):
            alone.append([slot], [stamps], row[None])
    for slot in range(4):
        assert torch.equal(together.held(slot), alone.held(slot))
        assert together.stamps_ns(slot).tolist() == alone.stamps_ns(slot).tolist()


@pytest.mark.parametrize('dtype', [torch.float32, torch.bfloat16])
@pytest.mark.parametrize('slots', [[1], [0, 2]])
def test_a_row_each_is_kept_as_a_run_of_one(slots, dtype):
    one, run = ring_of(2, slots=3), ring_of(2, slots=3)
    for turn in range(5):
        rows = torch.rand(len(slots), 2, 3).to(dtype)
        one.append_newest(slots, [turn] * len(slots), rows)
        run.append(slots, [(turn,)] * len(slots), rows[:, None])
    for slot in slots:
        assert torch.equal(one.held(slot), run.held(slot))
        assert one.stamps_ns(slot).tolist() == [3, 4]


@pytest.mark.parametrize('slots', [[1], [0, 2]])
def test_rows_in_half_precision_are_taken(slots):
    ring = ring_of(slots=3)
    ring.append(slots, [(7,)] * len(slots), torch.ones(len(slots), 1, 2, 3, dtype=torch.bfloat16))
    assert [held(ring, slot) for slot in slots] == [[1]] * len(slots)
    assert ring.rows.dtype is torch.float32


def test_of_a_crowd_the_newest_stay():
    ring = ring_of(capacity=2, slots=2)
    ring.append([0], [(1, 2, 3, 5)], numbered([1, 2, 3, 5])[None])
    ring.append([1], [(4,)], numbered([4])[None])
    assert [held(ring, slot) for slot in range(2)] == [[3, 5], [4]]
    assert ring.stamps_ns(0).tolist() == [3, 5]


def sound_blocks(count, seed, streams=1):
    generator = torch.Generator().manual_seed(seed)
    shape = (streams, count, AUDIO.columns_per_token, AUDIO.num_mels)
    return torch.randn(shape, dtype=torch.float64, generator=generator)


def hear(encoder, state, slots, blocks):
    """Let streams hear blocks (B, A, K, M) and return the tokens."""
    heard, after = encoder.advance(blocks, state.of(slots))
    state.store(slots, after)
    return heard


@given(before=st.integers(0, 9), hole=st.integers(1, 12), after=st.integers(1, 5))
@settings(max_examples=25)
def test_a_hole_that_passes_is_what_masked_blocks_leave(exact_system, before, hole, after):
    encoder, state = (
        exact_system.audio_encoder,
        ConvolutionPast(exact_system.audio_encoder, slots=2),
    )
    blocks = sound_blocks(before + hole + after, seed=before)
    mask = torch.ones(1, before + hole + after, dtype=torch.bool)
    mask[:, before : before + hole] = False
    neighbour = sound_blocks(3, seed=99)
    with torch.no_grad():
        dense = encoder(blocks, mask)
        hear(encoder, state, [1], neighbour)
        untouched = state.of([1]).clone()
        if before:
            hear(encoder, state, [0], blocks[:, :before])
        state.skip(0, hole)
        found = hear(encoder, state, [0], blocks[:, before + hole :])
    torch.testing.assert_close(found, dense[:, before + hole :], atol=1e-12, rtol=1e-12)
    assert torch.equal(state.of([1]), untouched)


@given(st.lists(st.sets(st.integers(0, 3), min_size=1), min_size=1, max_size=6))
@settings(max_examples=25)
def test_streams_that_hear_together_or_alone_hear_the_same(exact_system, groups):
    encoder, state = (
        exact_system.audio_encoder,
        ConvolutionPast(exact_system.audio_encoder, slots=4),
    )
    alone = [ConvolutionPast(encoder, slots=1) for _ in range(4)]
    with torch.no_grad():
        for number, group in enumerate(groups):
            slots = sorted(group, reverse=number % 2 == 1)
            blocks = sound_blocks(1 + number % 3, seed=number, streams=len(slots))
            together = hear(encoder, state, slots, blocks)
            for row, slot in enumerate(slots):
                expected = hear(encoder, alone[slot], [0], blocks[row : row + 1])
                torch.testing.assert_close(
                    together[row : row + 1], expected, atol=1e-12, rtol=1e-12
                )


@pytest.mark.parametrize('grow', [False, True])
def test_clearing_sound_leaves_the_neighbours(exact_system, grow):
    encoder, state = (
        exact_system.audio_encoder,
        ConvolutionPast(exact_system.audio_encoder, slots=2),
    )
    with torch.no_grad():
        hear(encoder, state, [0, 1], sound_blocks(9, seed=0, streams=2))
    before = state.of([1]).clone()
    if grow:
        state.grow(4)
    state.clear(0)
    assert not state.of([0]).any()
    assert before.any()
    assert torch.equal(state.of([1]), before)
    if grow:
        assert not state.of([2, 3]).any()
