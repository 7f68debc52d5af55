"""The audio decoder: both families, formats that change, holes, and stamps."""

import contextlib
import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from activity_recognition.config import SyncConfig
from activity_recognition.errors import DecodeError, OutOfOrderError, UnsupportedEncodingError
from activity_recognition.sensors import AudioDecoder, AudioFormat
from activity_recognition.sensors.resampler import filter_bank
from activity_recognition.streams import WindowSynchronizer
from activity_recognition.types import NANOSECONDS, AudioChunk, Modality, split_sample

RATE = 16_000
START_NS = 1_700_000_000_000_000_000


def decoder(**options):
    return AudioDecoder(sample_rate_hz=RATE, max_gap_s=0.2, **options)


def pcm(count, seed=0, channels=1):
    values = np.random.default_rng(seed).normal(0, 5_000, count * channels)
    return values.clip(-32768, 32767).astype('<i2')


@pytest.fixture(scope='module')
def stamped(ros_drivers, receive):
    """Make a received AudioDataStamped."""

    def make(samples, stamp_ns, frame_id='mic'):
        data = np.frombuffer(np.asarray(samples).tobytes(), np.uint8)
        audio = ros_drivers.make('audio_common_msgs/msg/AudioData', data=data)
        return receive(
            ros_drivers,
            ros_drivers.make(
                'audio_common_msgs/msg/AudioDataStamped', header=(stamp_ns, frame_id), audio=audio
            ),
        )

    return make


@pytest.fixture(scope='module')
def headerless(ros_drivers, receive):
    """Make a received AudioData."""

    def make(samples):
        data = np.frombuffer(np.asarray(samples).tobytes(), np.uint8)
        message = ros_drivers.make('audio_common_msgs/msg/AudioData', data=data)
        return receive(ros_drivers, message)

    return make


@pytest.fixture(scope='module')
def info(ros_drivers, receive):
    """Make a received AudioInfo of ros-drivers."""

    def make(rate=RATE, channels=1, sample_format='S16LE', coding='wave'):
        return receive(
            ros_drivers,
            ros_drivers.make(
                'audio_common_msgs/msg/AudioInfo',
                channels=channels,
                sample_rate=rate,
                sample_format=sample_format,
                bitrate=0,
                coding_format=coding,
            ),
        )

    return make


@pytest.fixture(scope='module')
def carried(portaudio, receive):
    """Make a received AudioStamped of mgonzs13, which carries its own info."""

    def make(field, samples, pa_format, rate=RATE, channels=1, stamp_ns=START_NS):
        arrays = {
            f'{name}_data': np.zeros(0, name)
            for name in ('float32', 'int32', 'int16', 'int8', 'uint8')
        }
        arrays[field] = samples
        audio = portaudio.make(
            'audio_common_msgs/msg/Audio',
            audio_data=portaudio.make('audio_common_msgs/msg/AudioData', **arrays),
            info=portaudio.make(
                'audio_common_msgs/msg/AudioInfo',
                format=pa_format,
                channels=channels,
                rate=rate,
                chunk=len(samples),
            ),
        )
        message = portaudio.make(
            'audio_common_msgs/msg/AudioStamped', header=(stamp_ns, 'mic'), audio=audio
        )
        return receive(portaudio, message)

    return make


def test_samples_stamp_arrival_and_frame(stamped, info):
    audio = decoder()
    audio.set_info(info())
    samples = pcm(320)
    chunk = audio.decode(stamped(samples, START_NS), START_NS + 25)
    np.testing.assert_array_equal(chunk.samples, samples / np.float32(32768))
    assert (chunk.stamp_ns, chunk.arrival_ns) == (START_NS, START_NS + 25)
    assert (chunk.sample_rate_hz, chunk.frame_id) == (RATE, 'mic')


@pytest.mark.parametrize(
    ('field', 'pa_format', 'values', 'expected'),
    [
        ('float32_data', 1, np.array([0.5, -0.25], np.float32), [0.5, -0.25]),
        ('int32_data', 2, np.array([2**30, -(2**29)], np.int32), [0.5, -0.25]),
        ('int16_data', 8, np.array([2**14, -(2**13)], np.int16), [0.5, -0.25]),
        ('int8_data', 16, np.array([64, -32], np.int8), [0.5, -0.25]),
        ('uint8_data', 32, np.array([192, 96], np.uint8), [0.5, -0.25]),
    ],
)
def test_the_family_that_carries_its_info(carried, field, pa_format, values, expected):
    chunk = decoder().decode(carried(field, values, pa_format), 3)
    assert chunk.samples.tolist() == expected
    assert chunk.stamp_ns == START_NS
    stereo = decoder().decode(carried(field, values, pa_format, channels=2), 3)
    assert stereo.samples.tolist() == [0.125]


@pytest.mark.parametrize('pa_format', [0, 4, 7, -1])
def test_other_portaudio_formats_are_refused(carried, pa_format):
    with pytest.raises(UnsupportedEncodingError, match='format to 8'):
        decoder().decode(carried('int16_data', pcm(4), pa_format), 3)


def test_without_info_the_fallback_or_a_sentence(headerless):
    with pytest.raises(DecodeError, match='remap audio_info'):
        decoder().decode(headerless(pcm(320)), START_NS)
    chunk = decoder(fallback=AudioFormat(channels=2)).decode(headerless(pcm(320)), START_NS)
    assert len(chunk.samples) == 160


def test_coded_audio_is_refused_until_the_info_says_otherwise(stamped, info):
    audio = decoder(fallback=AudioFormat())
    for _ in range(2):
        with pytest.raises(UnsupportedEncodingError, match='format to wave'):
            audio.set_info(info(coding='mp3'))
        with pytest.raises(UnsupportedEncodingError, match='S16LE'):
            audio.decode(stamped(pcm(320), START_NS), START_NS)
    audio.set_info(info())
    assert audio.decode(stamped(pcm(320), START_NS), START_NS) is not None


def test_an_info_that_cannot_be_is_refused(info):
    with pytest.raises(DecodeError, match='channels'):
        decoder().set_info(info(channels=0))
    with pytest.raises(DecodeError, match='sample rate'):
        decoder().set_info(info(rate=4_000_000_000))


@pytest.mark.parametrize('fields', [{'coding': 'x' * 10**6}, {'sample_format': 'x' * 10**6}])
def test_what_an_info_says_is_quoted_in_part(info, fields):
    with pytest.raises(UnsupportedEncodingError, match=r'audio format: .* S16LE') as caught:
        decoder().set_info(info(**fields))
    assert len(str(caught.value)) < 400


def test_empty_messages_give_nothing(stamped):
    audio = decoder(fallback=AudioFormat())
    assert audio.decode(stamped(pcm(0), START_NS), START_NS) is None


@settings(max_examples=40)
@given(
    rate_hz=st.sampled_from([8_000, 11_025, 16_000, 22_050, 44_100, 48_000]),
    channels=st.integers(1, 3),
    cuts=st.lists(st.integers(0, 5_000), max_size=20),
)
def test_any_chunking_gives_the_same_samples_at_the_same_times(stamped, rate_hz, channels, cuts):
    samples = pcm(5_000, channels=channels).reshape(-1, channels)
    audio_format = AudioFormat(sample_rate_hz=rate_hz, channels=channels)
    whole = decoder(fallback=audio_format).decode(stamped(samples, START_NS), START_NS)

    audio = decoder(fallback=audio_format)
    chunks, taken = [], 0
    for piece in np.split(samples, sorted(set(cuts))):
        stamp_ns = START_NS + taken * NANOSECONDS // rate_hz
        taken += len(piece)
        chunk = audio.decode(stamped(piece, stamp_ns), START_NS)
        if chunk is not None:
            chunks.append(chunk)
    np.testing.assert_array_equal(np.concatenate([c.samples for c in chunks]), whole.samples)
    given_so_far = 0
    for chunk in chunks:
        due_ns = START_NS + given_so_far * NANOSECONDS // RATE
        assert abs(chunk.stamp_ns - due_ns) <= 2
        given_so_far += len(chunk.samples)


@pytest.mark.parametrize('rate_hz', [8_000, 44_100, 48_000])
def test_the_resamplers_delay_is_not_in_the_stamps(stamped, rate_hz):
    # A click at a known time must come out at that time.
    audio = decoder(fallback=AudioFormat(sample_rate_hz=rate_hz))
    clicks = np.zeros(rate_hz, '<i2')
    clicks[rate_hz // 2] = 30_000
    peak_ns = None
    for index, piece in enumerate(np.split(clicks, 50)):
        chunk = audio.decode(stamped(piece, START_NS + index * 20_000_000), START_NS)
        if chunk is not None and np.abs(chunk.samples).max() > 0.1:
            peak_ns = chunk.stamp_ns + int(chunk.samples.argmax()) * NANOSECONDS // RATE
    assert peak_ns == pytest.approx(START_NS + NANOSECONDS // 2, abs=NANOSECONDS // RATE)


def test_a_hole_shows_in_the_stamps_and_nothing_before_it_leaks_over(stamped):
    audio = decoder(fallback=AudioFormat(sample_rate_hz=48_000))
    for index in range(10):
        audio.decode(stamped(pcm(960, seed=index), START_NS + index * 20_000_000), START_NS)
    after_ns = START_NS + 10 * 20_000_000 + 500_000_000
    late = audio.decode(stamped(pcm(960, seed=99), after_ns), START_NS)
    assert late.stamp_ns == after_ns
    fresh = decoder(fallback=AudioFormat(sample_rate_hz=48_000))
    same = fresh.decode(stamped(pcm(960, seed=99), after_ns), START_NS)
    np.testing.assert_array_equal(late.samples, same.samples)


def test_time_may_jump_back(stamped):
    audio = decoder(fallback=AudioFormat())
    audio.decode(stamped(pcm(320), START_NS), START_NS)
    earlier = START_NS - 60 * NANOSECONDS
    assert audio.decode(stamped(pcm(320), earlier), START_NS).stamp_ns == earlier


@pytest.mark.parametrize('rate_hz', [16_000, 48_000])
@pytest.mark.parametrize('back_ms', [0, 20, 150, 300, 999])
def test_duplicates_and_late_chunks_are_refused_and_harm_nothing(stamped, rate_hz, back_ms):
    late_format = AudioFormat(sample_rate_hz=rate_hz)
    audio, clean = decoder(fallback=late_format), decoder(fallback=late_format)
    for index in range(60):
        stamp_ns = START_NS + index * 20_000_000
        message = stamped(pcm(rate_hz // 50, seed=index), stamp_ns)
        got, expected = audio.decode(message, START_NS), clean.decode(message, START_NS)
        np.testing.assert_array_equal(got.samples, expected.samples)
        assert got.stamp_ns == expected.stamp_ns
        late = stamped(pcm(rate_hz // 50), stamp_ns - back_ms * 1_000_000)
        with pytest.raises(OutOfOrderError, match='audio order') as caught:
            audio.decode(late, START_NS)
        assert caught.value.duplicate == (back_ms == 0)


@settings(max_examples=100)
@given(
    steps=st.lists(st.one_of(st.just(1), st.integers(-4, 4), st.integers(-75, 75)), max_size=60),
    rate_hz=st.sampled_from([16_000, 44_100]),
    reset_after_s=st.sampled_from([0.05, 0.3, 1.0]),
)
def test_what_the_decoder_gives_is_what_admission_takes(stamped, steps, rate_hz, reset_after_s):
    audio = decoder(fallback=AudioFormat(sample_rate_hz=rate_hz), reset_after_s=reset_after_s)
    synchronizer = WindowSynchronizer(SyncConfig(reset_after_s=reset_after_s))
    stamp_ns = START_NS
    for index, step in enumerate(steps):
        stamp_ns += step * 20_000_000
        message = stamped(pcm(rate_hz // 50, seed=index), stamp_ns)
        with contextlib.suppress(OutOfOrderError):
            synchronizer.push(audio.decode(message, START_NS + index))
    counters = synchronizer.counters[Modality.AUDIO]
    assert counters.received == counters.admitted


def test_refused_audio_leaves_the_stream_as_it_was(stamped, carried, info):
    audio, clean = decoder(), decoder()
    for one in (audio, clean):
        one.set_info(info(rate=48_000, sample_format='F32LE'))
    for index in range(6):
        values = np.random.default_rng(index).normal(0, 0.1, 960).astype('<f4')
        stamp_ns = START_NS + index * 20_000_000
        broken = values.copy()
        broken[7] = np.nan
        with pytest.raises(DecodeError, match='NaN'):
            audio.decode(stamped(broken, stamp_ns), START_NS)
        with pytest.raises(DecodeError, match='no multiple'):
            audio.decode(stamped(np.zeros(7, np.uint8), stamp_ns), START_NS)
        got = audio.decode(stamped(values, stamp_ns), START_NS)
        expected = clean.decode(stamped(values, stamp_ns), START_NS)
        np.testing.assert_array_equal(got.samples, expected.samples)
        assert got.stamp_ns == expected.stamp_ns


def test_a_change_of_format_begins_anew(stamped, info):
    audio = decoder()
    audio.set_info(info(rate=48_000))
    audio.decode(stamped(pcm(960), START_NS), START_NS)
    audio.set_info(info(rate=8_000, channels=2))
    stamp_ns = START_NS + 20_000_000
    got = audio.decode(stamped(pcm(320, seed=3), stamp_ns), START_NS)
    fresh = decoder(fallback=AudioFormat(sample_rate_hz=8_000, channels=2))
    expected = fresh.decode(stamped(pcm(320, seed=3), stamp_ns), START_NS)
    assert got.stamp_ns == stamp_ns
    np.testing.assert_array_equal(got.samples, expected.samples)
    audio.set_info(info(rate=8_000, channels=2))
    follows = audio.decode(stamped(pcm(320), stamp_ns + 20_000_000), START_NS)
    assert follows.stamp_ns == pytest.approx(got.end_ns, abs=2)


def test_headerless_audio_ends_at_its_arrival(headerless):
    audio = decoder(fallback=AudioFormat())
    chunk = audio.decode(headerless(pcm(1_600)), START_NS)
    assert (chunk.stamp_ns, chunk.end_ns) == (START_NS - 100_000_000, START_NS)


def test_a_stamp_of_zero_is_no_stamp(stamped):
    chunk = decoder(fallback=AudioFormat()).decode(stamped(pcm(1_600), 0), START_NS)
    assert chunk.stamp_ns == START_NS - 100_000_000


def test_jitter_of_arrivals_is_smoothed(headerless):
    audio = decoder(fallback=AudioFormat())
    delays = np.random.default_rng(0).exponential(0.015, 1_500)
    stamps = []
    for index, delay in enumerate(delays):
        arrival_ns = START_NS + (index + 1) * 20_000_000 + int(delay * NANOSECONDS)
        stamps.append(audio.decode(headerless(pcm(320)), arrival_ns).stamp_ns)
    steps_ns = np.diff(stamps) - 20_000_000
    assert np.abs(steps_ns).max() < 500_000


def test_reset_forgets_the_clock_and_keeps_the_format(stamped, info):
    audio = decoder()
    audio.set_info(info(rate=48_000))
    audio.decode(stamped(pcm(960), START_NS), START_NS)
    audio.reset()
    again = audio.decode(stamped(pcm(960), START_NS), START_NS)
    assert again.stamp_ns == START_NS
    assert 280 < len(again.samples) < 320


@pytest.mark.parametrize(
    ('declared_hz', 'true_hz'), [(48_000, 16_000), (16_000, 48_000), (44_100, 48_000)]
)
def test_declared_and_measured_rate_are_told_apart(stamped, info, declared_hz, true_hz):
    audio = decoder()
    assert (audio.declared_rate_hz, audio.measured_rate_hz) == (None, None)
    audio.set_info(info(rate=declared_hz))
    synchronizer = WindowSynchronizer(SyncConfig())
    for index in range(600):
        message = stamped(pcm(true_hz // 50), START_NS + index * 20_000_000)
        admit(audio, synchronizer, message, START_NS + index)
    assert audio.declared_rate_hz == declared_hz
    assert audio.measured_rate_hz == pytest.approx(true_hz)
    assert synchronizer.resets == 0


@pytest.mark.parametrize(
    ('choice', 'words'),
    [('mean', 'dB quieter than channel 0'), ('2', 'channel 2 is silent'), ('0', ''), ('auto', '')],
)
def test_the_channel_that_is_used(stamped, choice, words):
    samples = pcm(16_000)
    silent = np.zeros_like(samples)
    array = np.stack([samples, -samples, silent], axis=1)
    audio = decoder(fallback=AudioFormat(channels=3), channels=choice)
    chunk = audio.decode(stamped(array, START_NS), START_NS)
    expected = {'mean': silent, '2': silent}.get(choice, samples)
    np.testing.assert_array_equal(chunk.samples, expected / np.float32(32768))
    assert words in audio.channel_problem
    assert bool(words) == bool(audio.channel_problem)
    assert audio._selector.chosen == {'mean': None, '2': 2}.get(choice, 0)


def test_a_channel_that_does_not_come_is_refused_and_harms_nothing(stamped, info):
    audio, clean = (decoder(channels='1') for _ in range(2))
    for one in (audio, clean):
        one.set_info(info(rate=48_000, channels=2))
    for index in range(5):
        stamp_ns = START_NS + index * 20_000_000
        message = stamped(pcm(960, seed=index, channels=2), stamp_ns)
        audio.set_info(info(rate=48_000, channels=1))
        with pytest.raises(DecodeError, match=r'audio channels: channel 1 .* 1 channel\(s\) come'):
            audio.decode(message, START_NS)
        audio.set_info(info(rate=48_000, channels=2))
        got, expected = audio.decode(message, START_NS), clean.decode(message, START_NS)
        np.testing.assert_array_equal(got.samples, expected.samples)
        assert got.stamp_ns == expected.stamp_ns


@settings(max_examples=20)
@given(
    choice=st.sampled_from(['auto', 'auto-0', '1', 'mean']),
    cuts=st.lists(st.integers(0, 40_000), max_size=20),
    gap_ms=st.sampled_from([0, 500]),
)
def test_any_chunking_of_an_array_gives_the_same_samples(stamped, choice, cuts, gap_ms):
    # 5 s at 8 kHz, the first microphone dead, the second fading; perhaps with a hole at 2.5 s,
    # which what is known of the channels outlasts.
    samples = pcm(40_000, channels=3).reshape(-1, 3)
    samples[:, 1] = (samples[:, 2] * np.linspace(1, 0, 40_000)).astype('<i2')
    samples[:, 0] = 0
    audio_format = AudioFormat(sample_rate_hz=8_000, channels=3)

    def run(cuts):
        audio, chunks = decoder(fallback=audio_format, channels=choice), []
        edges = [0, *sorted({*cuts, 20_000, 40_000})]
        for begin, end in itertools.pairwise(edges):
            stamp_ns = START_NS + begin * 125_000 + (gap_ms * 1_000_000 if begin >= 20_000 else 0)
            chunk = audio.decode(stamped(samples[begin:end], stamp_ns), START_NS)
            if chunk is not None:
                chunks.append(chunk.samples)
        return np.concatenate(chunks), audio._selector.chosen

    whole, chosen = run([])
    parts, also_chosen = run(cuts)
    np.testing.assert_array_equal(parts, whole)
    assert also_chosen == chosen


def chunk_of(samples, rate_hz=RATE):
    return AudioChunk(
        stamp_ns=START_NS, arrival_ns=START_NS + 5, samples=samples, sample_rate_hz=rate_hz
    )


@pytest.mark.parametrize(('count', 'number'), [(1, 1), (RATE, 1), (RATE + 1, 2), (60 * RATE, 60)])
def test_long_chunks_are_split_into_seconds(count, number):
    samples = np.arange(count, dtype=np.float32)
    got = split_sample(chunk_of(samples))
    assert len(got) == number
    np.testing.assert_array_equal(np.concatenate([piece.samples for piece in got]), samples)
    lengths = [len(piece.samples) for piece in got]
    assert max(lengths) - min(lengths) <= 1
    assert max(lengths) <= RATE
    for before, after in itertools.pairwise(got):
        assert abs(after.stamp_ns - before.end_ns) <= 1
    assert {piece.arrival_ns for piece in got} == {START_NS + 5}


@pytest.mark.parametrize(
    ('channels', 'sample_format', 'rate_hz', 'seconds', 'most'),
    [
        (1, 'U8', 16_000, 60, '60.0 s at most'),
        (1, 'U8', 384_000, 10.9, '10.9 s at most'),
        (64, 'S8', 16_000, 32.7, '32.8 s at most'),
    ],
)
def test_a_message_holds_no_more_than_can_be_decoded_at_once(
    stamped, channels, sample_format, rate_hz, seconds, most
):
    audio_format = AudioFormat(
        sample_rate_hz=rate_hz, channels=channels, sample_format=sample_format
    )
    audio = decoder(fallback=audio_format, channels='0')
    groups = int(seconds * rate_hz)
    longer = np.zeros((groups + rate_hz // 5) * channels, np.uint8)
    with pytest.raises(DecodeError, match=f'audio length: one message holds .* {most}'):
        audio.decode(stamped(longer, START_NS), START_NS)
    if rate_hz == RATE:
        whole = audio.decode(stamped(longer[: groups * channels], START_NS), START_NS)
        assert len(whole.samples) == groups


def admit(audio, synchronizer, message, arrival_ns):
    """Do as the node does; return the samples that are admitted."""
    try:
        chunk = audio.decode(message, arrival_ns)
    except OutOfOrderError:
        return []
    parts = split_sample(chunk) if chunk is not None else ()
    return [part for part in parts if synchronizer.push(part)]


@pytest.mark.parametrize('rate_hz', [16_000, 44_100])
def test_sound_goes_on_after_a_long_message(stamped, rate_hz):
    audio = decoder(fallback=AudioFormat(sample_rate_hz=rate_hz))
    synchronizer = WindowSynchronizer(SyncConfig(queue_audio_s=100.0))
    samples = pcm(40 * rate_hz)
    expected = decoder(fallback=AudioFormat(sample_rate_hz=rate_hz)).decode(
        stamped(samples, START_NS), START_NS
    )
    long, short = samples[: 30 * rate_hz], np.split(samples[30 * rate_hz :], 500)
    got = admit(audio, synchronizer, stamped(long, START_NS), START_NS)
    for index, piece in enumerate(short):
        stamp_ns = START_NS + 30 * NANOSECONDS + index * 20_000_000
        got += admit(audio, synchronizer, stamped(piece, stamp_ns), START_NS + index)
    np.testing.assert_array_equal(np.concatenate([c.samples for c in got]), expected.samples)
    counters = synchronizer.counters[Modality.AUDIO]
    assert (counters.admitted, synchronizer.resets) == (counters.received, 0)


@pytest.mark.parametrize(('length_s', 'hop_s'), [(2, 1), (3, 1), (10, 1), (2.5, 0.5), (0.5, 0.1)])
def test_windows_that_slide_are_heard_once(stamped, length_s, hop_s):
    audio = decoder(fallback=AudioFormat())
    synchronizer = WindowSynchronizer(SyncConfig())
    samples = pcm(20 * RATE)
    got = []
    for index in range(int((20 - length_s) / hop_s) + 1):
        begin = round(index * hop_s * RATE)
        message = stamped(
            samples[begin : begin + int(length_s * RATE)], START_NS + begin * NANOSECONDS // RATE
        )
        got += admit(audio, synchronizer, message, START_NS + index)
    heard = np.concatenate([piece.samples for piece in got])
    np.testing.assert_array_equal(heard, (samples / np.float32(32768))[: len(heard)])
    assert len(heard) == 20 * RATE
    assert synchronizer.resets == 0


def test_a_long_message_that_comes_twice_is_a_duplicate(stamped):
    audio = decoder(fallback=AudioFormat())
    message = stamped(pcm(20 * RATE), START_NS)
    audio.decode(message, START_NS)
    with pytest.raises(OutOfOrderError) as caught:
        audio.decode(message, START_NS)
    assert caught.value.duplicate


def test_a_long_message_that_reaches_into_the_future_costs_one_time_jump(stamped):
    audio = decoder(fallback=AudioFormat())
    synchronizer = WindowSynchronizer(SyncConfig(queue_audio_s=100.0))
    admit(audio, synchronizer, stamped(pcm(50 * RATE), START_NS), START_NS)
    for index in range(1, 200):
        message = stamped(pcm(320), START_NS + index * 20_000_000)
        assert len(admit(audio, synchronizer, message, START_NS + index)) == 1
    assert synchronizer.resets == 1


@pytest.mark.parametrize(('begin_s', 'end_s'), [(0.5, 0.52), (0.5, 3.9), (3.0, 4.0), (0.5, 4.0)])
def test_what_lies_within_a_chunk_just_before_it_is_refused(stamped, begin_s, end_s):
    audio = decoder(fallback=AudioFormat(), reset_after_s=5.0)
    audio.decode(stamped(pcm(4 * RATE), START_NS), START_NS)
    inner = pcm(round((end_s - begin_s) * RATE))
    with pytest.raises(
        OutOfOrderError, match=rf'ends {4 - end_s:.3f} s before the end of a longer'
    ):
        audio.decode(stamped(inner, START_NS + int(begin_s * NANOSECONDS)), START_NS)


def test_a_format_that_changes_with_each_message_costs_no_new_filter(stamped, info):
    audio = decoder()
    before = filter_bank.cache_info().misses
    for index in range(40):
        audio.set_info(info(rate=(383_999, 16_000, 47_999)[index % 3]))
        audio.decode(stamped(pcm(320), START_NS + index * 20_000_000), START_NS)
    assert filter_bank.cache_info().misses - before <= 2


@settings(max_examples=150)
@given(
    steps=st.lists(
        st.tuples(
            st.integers(1, 150),
            st.sampled_from([1, 1, 1, 10, 60, 120, 200]),
            st.sampled_from([0, 1, 9, 11, 45]),
        ),
        max_size=25,
    ),
    rate_hz=st.sampled_from([16_000, 44_100]),
)
def test_stamps_that_rise_and_ends_that_do_not_fall_far_cause_no_time_jump(stamped, steps, rate_hz):
    audio = decoder(fallback=AudioFormat(sample_rate_hz=rate_hz))
    synchronizer = WindowSynchronizer(SyncConfig(queue_audio_s=600.0))
    stamp = newest_end = 0
    for index, (step, least, spare) in enumerate(steps):
        stamp += step
        # Ends may fall by less than the second that makes a time jump.
        length = max(least, newest_end - stamp - spare)
        newest_end = max(newest_end, stamp + length)
        message = stamped(pcm(length * rate_hz // 50), START_NS + stamp * 20_000_000)
        admit(audio, synchronizer, message, START_NS + index)
    assert synchronizer.resets == 0
