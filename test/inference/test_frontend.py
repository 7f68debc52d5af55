import dataclasses
import itertools
from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from activity_recognition.errors import ShapeError
from activity_recognition.inference.lanes import FrontEndSettings
from activity_recognition.inference.lanes.audio import AudioFrontEnd
from activity_recognition.inference.lanes.video import VideoFrontEnd
from activity_recognition.inference.resizing import resize_frame
from activity_recognition.inference.trace import segments
from activity_recognition.models.spectrogram import LogMelBlocks
from activity_recognition.types import NANOSECONDS, AudioChunk, Frame, Window, to_ns
from factories.networks import TINY
from factories.streams import START_NS, chunk, noise

AUDIO = TINY.audio
HOP, SPAN = 320, 496
"""Samples between blocks and under one, at 8 kHz."""
PCM = noise(np.random.default_rng(0), 16_000)


def frame_of(image):
    return Frame(stamp_ns=START_NS, arrival_ns=START_NS, image=image)


def picture(height, width):
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)


class TestFrames:
    @pytest.mark.parametrize('size', [(480, 640), (24, 40), (1, 1), (33, 31)])
    def test_any_size_becomes_the_networks(self, size):
        resized = resize_frame(frame_of(picture(*size)), 32)
        assert resized.shape == (32, 32, 3)
        assert resized.dtype == np.uint8

    def test_shrinking_averages_areas(self):
        image = picture(96, 128)
        areas = image.reshape(32, 3, 32, 4, 3).mean(axis=(1, 3))
        resized = resize_frame(frame_of(image), 32)
        assert np.abs(resized - areas).max() <= 0.5 + 1e-6

    def test_the_right_size_stays_as_it_is(self):
        image = picture(32, 32)
        np.testing.assert_array_equal(resize_frame(frame_of(image), 32), image)

    @pytest.mark.parametrize('size', [32, 40])
    def test_views_of_messages_can_be_taken(self, size):
        """Read-only bytes and reversed channels: torch must be able to share the result."""
        image = picture(size, size)
        expected = resize_frame(frame_of(image.copy()), 32)
        image.flags.writeable = False
        backwards = np.ascontiguousarray(image[..., ::-1])[..., ::-1]
        for view in (image, backwards):
            resized = resize_frame(frame_of(view), 32)
            np.testing.assert_array_equal(torch.from_numpy(resized).numpy(), expected)

    def test_robot_and_training_share_the_preprocessing(self):
        image = picture(60, 80)
        (live,) = VideoFrontEnd(FrontEndSettings(config=TINY)).prepare(frame_of(image))
        (segment,) = segments([Window(samples=(frame_of(image),))], TINY)
        np.testing.assert_array_equal(live.image, segment.arrays['frames'][0])

    @pytest.mark.parametrize(
        'image',
        [
            np.zeros((8, 8, 3), np.float32),
            np.zeros((8, 8), np.uint8),
            np.zeros((8, 8, 4), np.uint8),
            np.zeros((0, 8, 3), np.uint8),
            np.zeros((32, 32, 3), np.int64),
        ],
        ids=lambda image: f'{image.dtype}{image.shape}',
    )
    def test_other_arrays_are_refused(self, image):
        with pytest.raises(ShapeError, match=r'expected uint8 \(H, W, 3\), got .* decode it with'):
            resize_frame(frame_of(image), 32)


def audio_front_end(config, **settings):
    return AudioFrontEnd(
        FrontEndSettings(config=dataclasses.replace(TINY, audio=config), **settings)
    )


def push(front_end, part):
    front_end.check(part)
    return front_end.prepare(part)


def push_all(front_end, chunks):
    return [blocks for part in chunks for blocks in push(front_end, part)]


def joined(parts):
    """Return values, mask and stamps of all blocks."""
    return (
        np.concatenate([part.values for part in parts]),
        np.concatenate([part.mask for part in parts]),
        np.concatenate([part.stamps_ns for part in parts]),
    )


def end_of_block(index, start=0):
    """Return when a block's last sample has been taken, in exact arithmetic."""
    return START_NS + int(Fraction((start + SPAN + index * HOP) * NANOSECONDS, 8000))


class TestGrid:
    def test_blocks_are_those_of_the_whole_sound(self):
        whole = LogMelBlocks(AUDIO)(PCM)
        values, mask, stamps_ns = joined(push_all(audio_front_end(AUDIO), [chunk(PCM, 0, 16_000)]))
        np.testing.assert_array_equal(values, whole)
        assert mask.all()
        assert stamps_ns.tolist() == [end_of_block(index) for index in range(len(whole))]

    @given(lengths=st.lists(st.integers(0, 3000), min_size=1, max_size=20))
    @settings(max_examples=20)
    def test_any_chunking_gives_the_same_blocks(self, lengths):
        cuts = [0, *np.cumsum(lengths).clip(max=16_000).tolist(), 16_000]
        chunks = [chunk(PCM, *pair) for pair in itertools.pairwise(cuts)]
        whole = joined(push_all(audio_front_end(AUDIO), [chunk(PCM, 0, 16_000)]))
        found = joined(push_all(audio_front_end(AUDIO), chunks))
        np.testing.assert_allclose(found[0], whole[0], atol=1e-5, rtol=1e-5)
        np.testing.assert_array_equal(found[1], whole[1])
        np.testing.assert_array_equal(found[2], whole[2])

    def test_stamps_are_good_to_a_microsecond_at_odd_rates(self):
        """At 44.1 kHz no sample falls on a whole nanosecond, and chunk stamps are rounded."""
        config = dataclasses.replace(AUDIO, sample_rate_hz=44_100)
        front_end = audio_front_end(config)
        transform = LogMelBlocks(config)
        pcm = noise(np.random.default_rng(1), 44_100)
        chunks = [
            AudioChunk(
                stamp_ns=START_NS + start * NANOSECONDS // 44_100,
                arrival_ns=START_NS,
                samples=pcm[start : start + 441],
                sample_rate_hz=44_100,
            )
            for start in range(0, 44_100, 441)
        ]
        _, _, stamps_ns = joined(push_all(front_end, chunks))
        for index, stamp_ns in enumerate(stamps_ns.tolist()):
            samples = transform.block_span + index * transform.block_hop
            exact = START_NS + Fraction(samples * NANOSECONDS, 44_100)
            assert abs(stamp_ns - exact) < 1000

    def test_blocks_arrive_with_the_chunk_that_completes_them(self):
        front_end = audio_front_end(AUDIO)
        assert push(front_end, chunk(PCM, 0, SPAN - 1)) == []
        (blocks,) = push(front_end, chunk(PCM, SPAN - 1, SPAN + HOP))
        assert len(blocks.mask) == 2
        assert blocks.arrival_ns == START_NS + (SPAN + HOP) * NANOSECONDS // 8000

    def test_drift_does_not_put_blocks_out_of_order(self):
        """A clock that is pulled back by 50 ms, less than a hole, makes no token older."""
        front_end = audio_front_end(AUDIO)
        parts = push(front_end, chunk(PCM, 0, 4000))
        late = chunk(PCM, 4000, 8000, start_ns=START_NS - to_ns(0.05))
        _, mask, stamps_ns = joined([*parts, *push(front_end, late)])
        assert mask.all()
        assert (np.diff(stamps_ns) >= 0).all()

    def test_clear_forgets_the_grid(self):
        front_end = audio_front_end(AUDIO)
        first = joined(push_all(front_end, [chunk(PCM, 0, 4000)]))
        push(front_end, chunk(PCM, 4000, 4111))
        front_end.clear()
        again = joined(push_all(front_end, [chunk(PCM, 0, 4000)]))
        np.testing.assert_array_equal(first[0], again[0])
        np.testing.assert_array_equal(first[2], again[2])


class TestHoles:
    @pytest.mark.parametrize('missing_s', [0.21, 0.3, 0.5])
    def test_a_hole_is_masked_for_the_time_that_is_missing(self, missing_s):
        front_end = audio_front_end(dataclasses.replace(AUDIO, dilations=(1, 2, 4, 8)))
        before = joined(push(front_end, chunk(PCM, 0, 4000)))
        start = 4000 + int(missing_s * 8000)
        hole, after = push(front_end, chunk(PCM, start, start + 4000))
        assert not hole.mask.any()
        assert not hole.values.any()
        assert after.mask.all()
        # From one block to the next over the hole: as far on the grid as in time, or one less.
        real_s = (int(after.stamps_ns[0]) - int(before[2][-1])) / NANOSECONDS
        grid_s = (len(hole.mask) + 1) * HOP / 8000
        assert real_s <= grid_s <= real_s + HOP / 8000 + 1e-9

    def test_the_grid_is_anchored_anew_after_a_hole(self):
        front_end = audio_front_end(AUDIO)
        push(front_end, chunk(PCM, 0, 4001))
        _, after = push(front_end, chunk(PCM, 8000, 12_000))
        fresh = LogMelBlocks(AUDIO)(PCM[8000:12_000])
        np.testing.assert_array_equal(after.values, fresh)
        assert after.stamps_ns[0] == end_of_block(0, start=8000)

    def test_a_hole_is_no_longer_than_the_network_remembers(self):
        front_end = audio_front_end(AUDIO)
        push(front_end, chunk(PCM, 0, 4000))
        hole, _ = push(front_end, chunk(PCM, 0, 4000, start_ns=START_NS + to_ns(3600.0)))
        assert len(hole.mask) == AUDIO.receptive_field_tokens

    def test_a_small_residual_is_no_hole(self):
        front_end = audio_front_end(AUDIO)
        push(front_end, chunk(PCM, 0, 4000))
        blocks = push(front_end, chunk(PCM, 4000, 8000, start_ns=START_NS + to_ns(0.19)))
        assert [part.mask.all() for part in blocks] == [True]

    def test_an_overlap_breaks_the_grid_as_well(self):
        front_end = audio_front_end(AUDIO)
        push(front_end, chunk(PCM, 0, 4000))
        hole, after = push(front_end, chunk(PCM, 4000, 8000, start_ns=START_NS - to_ns(0.3)))
        assert not hole.mask.any()
        assert after.mask.all()
        assert after.stamps_ns[0] >= START_NS + 4000 * NANOSECONDS // 8000 - to_ns(0.05)


class TestWrongAudio:
    @pytest.mark.parametrize(
        ('change', 'message'),
        [
            ({'sample_rate_hz': 16_000}, 'mono float32 at 8000 Hz, got float32 .* at 16000 Hz'),
            ({'samples': PCM[:100].astype(np.float64)}, 'got float64'),
            ({'samples': (PCM[:100] * 32767).astype(np.int16)}, 'got int16'),
            ({'samples': np.zeros((100, 2), np.float32)}, r'got float32 \(100, 2\)'),
            ({'samples': np.array([0.0, np.nan], np.float32)}, 'got NaN or infinity'),
            ({'samples': np.array([0.0, np.inf], np.float32)}, 'got NaN or infinity'),
        ],
    )
    def test_it_is_refused_and_leaves_no_trace(self, change, message):
        front_end = audio_front_end(AUDIO)
        first = push(front_end, chunk(PCM, 0, 4000))
        with pytest.raises(ShapeError, match=f'{message}.*decode it with'):
            push(front_end, dataclasses.replace(chunk(PCM, 4000, 5000), **change))
        rest = push(front_end, chunk(PCM, 4000, 8000))
        whole = joined(push_all(audio_front_end(AUDIO), [chunk(PCM, 0, 8000)]))
        found = joined([*first, *rest])
        np.testing.assert_allclose(found[0], whole[0], atol=1e-5, rtol=1e-5)


def test_the_dtype_of_the_spectrogram_is_the_networks():
    (blocks,) = push(audio_front_end(AUDIO, dtype=np.float64), chunk(PCM, 0, 4000))
    assert blocks.values.dtype == np.float64
