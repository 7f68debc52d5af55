"""Several channels to one: which is heard, from when on, and the same however the sound is cut."""

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from activity_recognition.bags import RecordingReader
from activity_recognition.channel_choice import ChannelChoice
from activity_recognition.errors import ConfigError, DecodeError
from activity_recognition.sensors import ChannelSelector, DecoderSettings, SensorDecoders
from activity_recognition.sensors.channel_selector import BLOCK_S, CHANGE_AFTER_BLOCKS
from activity_recognition.types import Modality

RATE = 16_000
BLOCK = int(RATE * BLOCK_S)


def noise(seconds=4.0, level=0.1, seed=0, rate_hz=RATE):
    values = np.random.default_rng(seed).normal(0, level, int(seconds * rate_hz))
    return values.clip(-1, 1).astype(np.float32)


def tone(frequency_hz, level=0.5, seconds=4.0, rate_hz=RATE):
    time_s = np.arange(int(seconds * rate_hz)) / rate_hz
    return (level * np.sin(2 * np.pi * frequency_hz * time_s)).astype(np.float32)


def speech(seconds=4.0, level=0.2, seed=1, rate_hz=RATE):
    """Return noise that swells and falls like syllables."""
    swell = np.abs(np.sin(2 * np.pi * 2.0 * np.arange(int(seconds * rate_hz)) / rate_hz))
    return (noise(seconds, level, seed, rate_hz) * swell).astype(np.float32)


def together(*channels):
    return np.stack(channels, axis=1)


def heard(samples_NC, choice='auto', rate_hz=RATE):
    return ChannelSelector(choice, sample_rate_hz=rate_hz).push(samples_NC)


def power(samples):
    return float(np.mean(np.square(samples, dtype=np.float64)))


@pytest.mark.parametrize(
    ('text', 'choice'),
    [
        ('mean', ChannelChoice(mode='mean')),
        (' Auto ', ChannelChoice(mode='auto')),
        ('0', ChannelChoice(mode='index', index=0)),
        ('63', ChannelChoice(mode='index', index=63)),
        ('auto-5', ChannelChoice(mode='auto', without=(5,))),
        ('mean-5-4-5', ChannelChoice(mode='mean', without=(4, 5))),
    ],
)
def test_what_the_setting_says(text, choice):
    assert ChannelSelector.parse(text) == choice


@pytest.mark.parametrize(
    'text',
    ['', 'left', '-1', '64', '1.0', 'auto-', 'auto-64', 'auto5', '5-auto', '0-1', '٣', '7' * 999],
)
def test_what_is_no_such_setting(text):
    with pytest.raises(ConfigError, match="'mean', 'auto', the index of a channel") as caught:
        ChannelSelector(text, sample_rate_hz=RATE)
    assert len(str(caught.value)) < 300


def test_an_index_is_that_channel_untouched():
    samples = together(noise(seed=1), noise(seed=2), noise(seed=3))
    np.testing.assert_array_equal(heard(samples, '1'), samples[:, 1])


def test_a_mean_without_a_channel():
    samples = together(noise(seed=1), noise(seed=2), tone(900))
    expected = (samples[:, 0] + samples[:, 1]) / np.float32(2)
    np.testing.assert_array_equal(heard(samples, 'mean-2'), expected)


def test_mono_is_what_it_is():
    samples = noise()
    for choice in ('mean', 'auto', '0', 'auto-1'):
        np.testing.assert_array_equal(heard(samples[:, None], choice), samples)


@pytest.mark.parametrize('choice', ['2', '63'])
def test_a_channel_that_does_not_come_is_refused(choice):
    with pytest.raises(DecodeError, match=rf'channel {choice} is asked for .* 2 channel\(s\) come'):
        heard(together(noise(), noise()), choice)


@pytest.mark.parametrize('choice', ['auto-0-1', 'mean-1-0', 'mean-0-1-2'])
def test_leaving_out_all_channels_is_refused(choice):
    with pytest.raises(DecodeError, match='leaves all of them out'):
        heard(together(noise(), noise()), choice)


def test_inverted_stereo_is_not_silence():
    left = speech()
    np.testing.assert_array_equal(heard(together(left, -left)), left)
    assert power(heard(together(left, -left), 'mean')) == 0


@pytest.mark.parametrize('live', [0, 1])
def test_stereo_with_a_dead_channel(live):
    sound, dead = speech(), np.zeros(4 * RATE, np.float32)
    got = heard(together(sound, dead) if live == 0 else together(dead, sound))
    begin = 0 if live == 0 else BLOCK // 16
    np.testing.assert_array_equal(got[begin:], sound[begin:])


def test_two_microphones_with_noise_of_their_own_the_louder_is_heard():
    words = speech(level=0.2)
    first, second = words * 0.5 + noise(level=0.01, seed=5), words + noise(level=0.01, seed=6)
    got = heard(together(first, second))
    np.testing.assert_array_equal(got[:BLOCK], first[:BLOCK])
    np.testing.assert_array_equal(got[BLOCK:], second[BLOCK:])


@pytest.mark.parametrize('place', [0, 1, 2])
def test_a_loudspeaker_beside_two_microphones_is_never_heard_however_loud(place):
    words = speech(level=0.05)
    channels = [words + noise(level=0.005, seed=7), words * 0.9 + noise(level=0.005, seed=8)]
    channels.insert(place, tone(700, level=0.9))
    got = heard(together(*channels))
    assert np.abs(np.corrcoef(got[BLOCK:], channels[place][BLOCK:])[0, 1]) < 0.1
    assert np.corrcoef(got[BLOCK:], words[BLOCK:])[0, 1] > 0.9


@pytest.mark.parametrize('level', [0.1, 0.5, 1.0])
def test_of_six_channels_the_last_is_what_the_robot_plays(level):
    silent = np.zeros(4 * RATE, np.float32)
    words, playback = tone(440), tone(2_000, level)
    array = together(words, silent, silent, silent, silent, playback)
    np.testing.assert_array_equal(heard(array), words)
    # Nor is it heard while nobody speaks.
    assert power(heard(together(silent, silent, silent, silent, silent, playback))) == 0


def test_channels_may_be_marked_by_the_setting():
    words, playback = tone(440, 0.01), tone(2_000, 0.9)
    array = together(playback, words)
    np.testing.assert_array_equal(heard(array, 'auto-0'), words)
    np.testing.assert_array_equal(heard(array, 'auto'), playback)


def test_an_array_whose_first_channel_comes_later():
    # ReSpeaker: 0 is processed and late, 1 to 4 are the microphones, 5 is played by the robot.
    words = speech()
    late = np.roll(words, 400) * 2
    microphones = [words + noise(level=0.01, seed=seed) for seed in range(4)]
    got = heard(together(late, *microphones, tone(600, 0.9)))
    assert np.corrcoef(got[BLOCK:], words[BLOCK:])[0, 1] > 0.9


def test_a_constant_voltage_is_neither_sound_nor_agreement():
    words = speech(level=0.02)
    offset = np.full(4 * RATE, 0.5, np.float32)
    got = heard(together(offset, words))
    np.testing.assert_array_equal(got[BLOCK // 16 :], words[BLOCK // 16 :])


def test_who_walks_from_one_microphone_to_the_other_is_followed_once():
    words = speech(seconds=40)
    near = np.linspace(1.0, 0.1, 40 * RATE, dtype=np.float32)
    first = words * near + noise(40, 0.003, 11)
    second = words * near[::-1] + noise(40, 0.003, 12)
    selector = ChannelSelector('auto', sample_rate_hz=RATE)
    chosen = []
    for block in np.split(together(first, second), 80):
        chosen.append(selector.chosen)
        selector.push(block)
    assert chosen[1] == 0
    assert chosen[-1] == 1
    assert np.count_nonzero(np.diff(chosen[1:])) == 1


def test_equally_loud_channels_are_not_taken_in_turns():
    words = speech(seconds=30)
    rng = np.random.default_rng(3)
    gains = 10 ** (rng.uniform(-2, 2, (60, 2)) / 20)
    array = np.repeat(gains, BLOCK, axis=0).astype(np.float32) * words[:, None]
    np.testing.assert_array_equal(heard(array)[BLOCK:], array[BLOCK:, 0])


def test_a_microphone_that_dies_is_left_after_three_seconds():
    words = speech(seconds=12)
    first = words.copy()
    first[4 * RATE :] = 0
    got = heard(together(first, words * 0.9))
    np.testing.assert_array_equal(got[: 4 * RATE], words[: 4 * RATE])
    np.testing.assert_array_equal(got[7 * RATE :], (words * np.float32(0.9))[7 * RATE :])


def test_a_change_waits_for_blocks_that_agree_on_it():
    words = speech(seconds=10)
    playback = noise(seconds=10, level=0.5, seed=9)
    lone = noise(seconds=10, level=0.1, seed=10)
    # The second and the third channel begin to agree at 2 s.
    third = np.where(np.arange(10 * RATE) < 2 * RATE, lone, words).astype(np.float32)
    selector = ChannelSelector('auto', sample_rate_hz=RATE)
    chosen = []
    for block in np.split(together(playback, words, third), 20):
        selector.push(block)
        chosen.append(selector.chosen)
    assert chosen[0] == 0
    first_change = next(index for index, channel in enumerate(chosen) if channel != 0)
    assert first_change >= 4 + CHANGE_AFTER_BLOCKS - 1
    assert set(chosen[first_change:]) == {1}


@settings(max_examples=40)
@given(
    choice=st.sampled_from(['auto', 'mean', '1', 'auto-0', 'mean-2']),
    channels=st.integers(2, 6),
    rate_hz=st.sampled_from([1_000, 1_111, 8_000]),
    seed=st.integers(0, 50),
    cuts=st.lists(st.integers(0, 30_000), max_size=30),
)
def test_any_cutting_gives_the_same_samples_and_the_same_choice(
    choice, channels, rate_hz, seed, cuts
):
    if choice.endswith('2') and channels == 2:
        channels = 3
    rng = np.random.default_rng(seed)
    gains = np.repeat(rng.choice([0, 0.1, 1], (30, channels)), 1_000, axis=0)
    common = rng.normal(0, 0.2, (30_000, 1)) * rng.choice([-1, 0, 1], channels)
    samples = (gains * (common + rng.normal(0, 0.05, (30_000, channels)))).astype(np.float32)
    whole, pieces = (ChannelSelector(choice, sample_rate_hz=rate_hz) for _ in range(2))
    expected = whole.push(samples)
    got = [pieces.push(piece) for piece in np.split(samples, sorted(cuts))]
    np.testing.assert_array_equal(np.concatenate(got), expected)
    assert (pieces.chosen, pieces.problem) == (whole.chosen, whole.problem)


def test_reset_forgets_what_was_heard():
    selector = ChannelSelector('auto', sample_rate_hz=RATE)
    samples = together(speech(level=0.05), speech(level=0.5))
    first = selector.push(samples)
    assert selector.chosen == 1
    selector.reset()
    np.testing.assert_array_equal(selector.push(samples), first)


def test_another_number_of_channels_begins_anew():
    selector = ChannelSelector('auto', sample_rate_hz=RATE)
    selector.push(together(np.zeros(RATE, np.float32), noise(1)))
    assert selector.chosen == 1
    three = together(noise(1, seed=1), noise(1, seed=2), noise(1, seed=3))
    np.testing.assert_array_equal(selector.push(three)[:BLOCK], three[:BLOCK, 0])


@pytest.mark.parametrize(
    ('channels', 'choice', 'sentence'),
    [
        ((1, -1), 'mean', 'the mean of 2 channels is .* dB quieter than channel 0: they cancel'),
        ((0, 0, 1, 0, 0, 0), 'mean', 'mean of 6 channels is 16 dB quieter than channel 2'),
        ((1, 0), '1', "channel 1 is silent and channel 0 is not; set audio_channels to '0' if"),
        ((0, 0, 0, 0, 0, 1), 'auto', 'the microphones are silent and channel 5 is not'),
        ((1, 0, 0, 0, 0, 1), 'auto', '$'),
        ((1, -1), 'auto', '$'),
        ((1, 0), 'mean', '$'),
        ((1, 0.8), 'mean', '$'),
        ((1, 0), '0', '$'),
        ((0, 0), 'mean', '$'),
        ((0.005, -0.005), 'mean', '$'),
    ],
)
def test_a_choice_that_loses_the_sound_is_a_problem_in_words(channels, choice, sentence):
    words = speech(level=0.1)
    selector = ChannelSelector(choice, sample_rate_hz=RATE)
    selector.push(together(*(np.float32(gain) * words for gain in channels)))
    assert re.match(
        f'(audio channels: )?(.*){sentence}' if sentence != '$' else '$', selector.problem
    )


def test_the_sums_stay_exact_at_the_highest_rate_and_full_scale():
    count = 384_000 // 2
    loud = np.where(np.arange(count) % 2, 1, -1).astype(np.float32)
    array = together(loud, -loud)
    selector = ChannelSelector('auto', sample_rate_hz=384_000)
    selector.push(array[:-1])
    products = selector._state.block.products
    assert products[0, 0] == (count - 1) * 2**34
    assert products[0, 0] + 1 != products[0, 0]


@pytest.mark.real
@pytest.mark.parametrize(
    ('choice', 'words', 'playback'), [('0', 1.0, 0), ('mean', 1 / 6, 1 / 6), ('auto', 1.0, 0)]
)
def test_an_array_of_six_channels_from_a_recording(shared_case, choice, words, playback):
    # 440 Hz of speech on channel 0, 2 kHz from the robot's loudspeaker on channel 5, each at 0.5.
    decoders = SensorDecoders(DecoderSettings(audio_channels=choice))
    chunks = []
    with RecordingReader(shared_case('six_channels') / 'six') as reader:
        roles = reader.roles.roles()
        for record in reader.records():
            sample = decoders.decode(
                roles[record.topic], record.type_name, record.cdr, record.record_ns
            )
            if sample is not None:
                chunks.append(sample)
    heard = np.concatenate([chunk.samples for chunk in chunks])
    spectrum = np.abs(np.fft.rfft(heard)) / len(heard) * 2
    step_hz = RATE / len(heard)
    assert len(heard) == 8_000
    assert spectrum[round(440 / step_hz)] == pytest.approx(0.5 * words, abs=0.002)
    assert spectrum[round(2_000 / step_hz)] == pytest.approx(0.5 * playback, abs=0.002)
    quieter = 'mean of 6 channels is 13 dB quieter than channel 0' if choice == 'mean' else ''
    assert quieter in decoders.health(Modality.AUDIO).problem
