"""Every fault of a folder of recordings is named, with its place, in one run."""

from __future__ import annotations

import dataclasses
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import Stores, get_types_from_msg, get_typestore

from activity_recognition.bags import RecordingWriter, labels_path
from activity_recognition.errors import RecordingError
from activity_recognition.recorded import RecordedConfig
from activity_recognition.simulation import SimulationConfig, simulate
from activity_recognition.training.data.inspection import Inspection, inspect
from activity_recognition.types import (
    MODALITIES,
    AudioChunk,
    Frame,
    LabelSpan,
    Modality,
    Utterance,
    seconds_between,
    to_ns,
)
from factories.mcap import STORE, ros2_channel, write_mcap

from ..conftest import write_simulation

START_NS = 1_700_000_000_000_000_000
AUDIO_TYPES = {
    'audio_common_msgs/msg/AudioData': 'uint8[] data',
    'audio_common_msgs/msg/AudioDataStamped': (
        'std_msgs/Header header\naudio_common_msgs/AudioData audio'
    ),
    'audio_common_msgs/msg/AudioInfo': (
        'uint8 channels\nuint32 sample_rate\nstring sample_format\nuint32 bitrate\n'
        'string coding_format'
    ),
}


def look(folder: Path, **options: object) -> Inspection:
    return inspect(folder, workers=1, **options)


def texts(found: Inspection) -> str:
    return '\n'.join(problem.text for problem in found.all_problems)


@pytest.fixture
def copies(recordings: Path, tmp_path: Path) -> Path:
    return shutil.copytree(recordings, tmp_path / 'data')


def test_good_recordings_have_their_labels_covered(recordings: Path):
    found = look(recordings)
    assert found.damaged == ()
    assert found.labels == ('greeting', 'none', 'typing', 'walking')
    for recording in found.recordings:
        assert recording.duration_s == pytest.approx(12.0, abs=0.5)
        assert set(recording.samples) == set(MODALITIES)
        assert sum(recording.label_s.values()) == pytest.approx(12.0)
        for label, length in recording.label_s.items():
            video_s = recording.covered_s[label, Modality.VIDEO]
            assert video_s == pytest.approx(length, abs=0.5)
            assert recording.covered_s[label, Modality.AUDIO] == pytest.approx(length, abs=0.5)


def test_all_faults_of_a_folder_are_named_at_once(copies: Path):
    labels_path(copies / 'recording_0').write_text(
        'start_s,end_s,label\n0,4,none\n3,5,walking\n6,5,typing\n8,13,\n11,20,none\n30,40,none\n',
        encoding='utf-8',
    )
    labels_path(copies / 'recording_1').unlink()
    [bag] = (copies / 'recording_2').glob('*.mcap')
    bag.write_bytes(bag.read_bytes()[:300])
    (copies / 'splits.csv').write_text('recording,split\nnowhere,train\n', encoding='utf-8')
    found = look(copies)
    assert len(found.damaged) == 3
    said = texts(found)
    for fault in (
        "labels.csv:3: 'walking' from 3.0 s overlaps 'none'",
        'labels.csv:4: expected 0 <= start_s < end_s, got 6.0 and 5.0',
        'labels.csv:5: the label is empty',
        "labels.csv:6: 'none' ends at 20 s, but the recording lasts",
        "labels.csv:7: 'none' ends at 40 s, but the recording lasts",
        'recording_1: expected labels in labels.csv, in labels.json (Label Studio), or on a topic',
        'recording_2',
        "splits.csv:2: there is no recording 'nowhere'",
    ):
        assert fault in said


def test_a_modality_that_is_missing_is_named_with_what_is_there(tmp_path: Path):
    write_simulation(tmp_path / 'blind', 1, modalities=(Modality.AUDIO, Modality.TEXT))
    found = look(tmp_path)
    assert found.damaged == ()
    assert re.search('blind: no video that can be read; its topics: .* with --image', texts(found))
    assert all(found.recordings[0].covered_s[label, Modality.VIDEO] == 0 for label in found.labels)


def test_a_modality_is_not_missed_where_the_settings_do_without_it(tmp_path: Path):
    write_simulation(tmp_path / 'whole', 1)
    assert 'no text' not in texts(look(tmp_path))
    found = look(tmp_path, recorded=RecordedConfig(transcript='none'))
    assert found.recordings[0].samples[Modality.VIDEO]
    assert Modality.TEXT not in found.recordings[0].samples
    assert 'no text' not in texts(found)


def test_where_a_topic_was_found_nobody_is_asked_to_name_it(tmp_path: Path):
    write_simulation(tmp_path / 'whole', 1)
    found = look(tmp_path, recorded=RecordedConfig(audio_channels='7', transcript='none'))
    (note,) = [p.text for p in found.all_problems if 'no audio that can be read' in p.text]
    assert '--audio' not in note
    assert 'channel 7 is asked for by audio_channels' in texts(found)


@pytest.mark.parametrize('name', ['cut.mcap', 'cut.db3', 'cut.bag'])
def test_a_recording_that_cannot_be_opened_is_one_error(copies: Path, name: str):
    (copies / name).write_bytes(b'')
    said = [p.text for p in look(copies).all_problems if name in p.text]
    assert len(said) == 1
    assert said[0].startswith(f'{copies / name}: cannot read this recording')


@pytest.mark.parametrize(
    ('stamp_s', 'note'),
    [
        (lambda _: 0, '29 of 30 frames are left out: 29 have the stamp of the one before, 0 an'),
        (lambda k: k // 2, '15 of 30 frames are left out: 15 have the stamp of the one before'),
        (lambda k: k - 4.0 * (k % 2), '15 of 30 frames are left out: 0 have .*, 15 an earlier'),
        (lambda k: k, ''),
    ],
    ids=['frozen', 'twice', 'two cameras', 'good'],
)
def test_pictures_that_are_left_out_for_their_stamps_are_counted(tmp_path: Path, stamp_s, note):
    with RecordingWriter(tmp_path / 'r') as writer:
        for k in range(30):
            writer.write(
                Frame(
                    stamp_ns=START_NS + to_ns(stamp_s(k) / 10),
                    arrival_ns=START_NS + to_ns(k / 10),
                    image=np.zeros((4, 6, 3), np.uint8),
                    frame_id='eye',
                )
            )
    said = [p.text for p in look(tmp_path).all_problems if 'frames are left out' in p.text]
    assert len(said) == bool(note)
    assert all(re.search(note, text) for text in said), said


def test_many_recordings_without_a_modality_make_one_note(tmp_path: Path):
    for seed in range(4):
        write_simulation(tmp_path / f'take_{seed}', seed, modalities=(Modality.VIDEO,))
    write_simulation(tmp_path / 'whole', 5)
    said = [p.text for p in look(tmp_path).all_problems if 'no audio' in p.text]
    assert len(said) == 1
    assert said[0].startswith(f'{tmp_path}/take_0, {tmp_path}/take_1, {tmp_path}/take_2, …: no')
    assert 'no audio that can be read in 4 of 5 recordings; the topics of the first: /' in said[0]


def test_of_a_robot_with_many_topics_some_are_named(tmp_path: Path):
    text = STORE.types['std_msgs/msg/String']
    odd = [ros2_channel(f'/{"x" * 300}/{k}', [(S + k, text(data='a'))]) for k in range(300)]
    write_mcap(tmp_path / 'r.mcap', odd)
    recorded = RecordedConfig(transcript=f'/{"x" * 300}/7')
    (note,) = [
        p.text for p in look(tmp_path, recorded=recorded).all_problems if 'no video' in p.text
    ]
    assert len(note) < 6_000
    assert note.endswith(', …; if one of them has it, name it with --image')


def test_unknown_and_rare_labels_are_named(copies: Path):
    shutil.rmtree(copies / 'recording_2')
    said = texts(look(copies, known=('none', 'walking', 'greeting')))
    assert "expected a label of greeting, none, walking, got 'typing'" in said
    assert "the label 'walking' is in 2 usable recordings only" in said


def test_silent_sensors_and_clock_jumps_are_named(tmp_path: Path):
    config = SimulationConfig(
        seed=2, duration_s=16, frame_rate_hz=8, width_px=64, height_px=48, sample_rate_hz=8000
    )
    simulation = simulate(config)
    jump_ns = config.start_ns + to_ns(12.0)

    def seconds(frame: Frame) -> float:
        return seconds_between(frame.stamp_ns, config.start_ns)

    def put_back(frame: Frame) -> Frame:
        return dataclasses.replace(frame, stamp_ns=frame.stamp_ns - to_ns(6.0))

    with RecordingWriter(tmp_path / 'holes', start_ns=config.start_ns, image='jpeg') as writer:
        writer.set_labels(simulation.labels)
        for sample in simulation.samples():
            late = isinstance(sample, Frame) and sample.arrival_ns > jump_ns
            if not (isinstance(sample, Frame) and 4.0 < seconds(sample) < 7.0):
                writer.write(put_back(sample) if late else sample)
    said = texts(look(tmp_path))
    assert 'no video for 3.' in said
    assert 's, from 4.00 s on' in said
    assert 'the clock jumps 1' in said


def test_a_sensor_that_begins_late_or_ends_early_is_named(tmp_path: Path):
    config = SimulationConfig(
        seed=2, duration_s=12, frame_rate_hz=8, width_px=64, height_px=48, sample_rate_hz=8000
    )
    simulation = simulate(config)
    with RecordingWriter(tmp_path / 'short', start_ns=config.start_ns, image='jpeg') as writer:
        writer.set_labels(simulation.labels)
        for sample in simulation.samples():
            second = seconds_between(sample.stamp_ns, config.start_ns)
            kept = {Frame: second < 7.0, AudioChunk: second > 3.0}
            if kept.get(type(sample), True):
                writer.write(sample)
    said = texts(look(tmp_path))
    assert 'short: no audio for the first 3.' in said
    assert re.search(r'short: no video for the last [45]\.', said)
    assert 'video for the first' not in said
    assert 'audio for the last' not in said


def write_array(path: Path, channels: np.ndarray, *, chunk_s: float = 0.1) -> None:
    """Write 16 kHz S16LE of several channels, (N, C), the stamps ``chunk_s`` apart."""
    store = get_typestore(Stores.ROS2_JAZZY)
    for name, text in AUDIO_TYPES.items():
        store.register(get_types_from_msg(text, name))
    kinds = store.types
    with Writer(path, version=9, storage_plugin=StoragePlugin.MCAP) as writer:
        info, stamped = 'audio_common_msgs/msg/AudioInfo', 'audio_common_msgs/msg/AudioDataStamped'
        about = writer.add_connection('/audio_info', info, typestore=store)
        sound = writer.add_connection('/audio', stamped, typestore=store)
        fields = {'sample_rate': 16_000, 'sample_format': 'S16LE', 'coding_format': 'wave'}
        message = kinds[info](channels=channels.shape[1], bitrate=0, **fields)
        writer.write(about, START_NS, store.serialize_cdr(message, info))
        for index, part in enumerate(np.split(channels, len(channels) // 1_600)):
            stamp_ns = START_NS + round(index * chunk_s * 10**9)
            stamp = kinds['builtin_interfaces/msg/Time'](*divmod(stamp_ns, 10**9))
            data = np.round(part * 32_767).astype('<i2').reshape(-1).view(np.uint8)
            message = kinds[stamped](
                header=kinds['std_msgs/msg/Header'](stamp, 'mic'),
                audio=kinds['audio_common_msgs/msg/AudioData'](data),
            )
            writer.write(sound, stamp_ns, store.serialize_cdr(message, stamped))
    labels_path(path).write_text('start_s,end_s,label\n0,5,walking\n', encoding='utf-8')


@pytest.mark.parametrize(
    ('gains', 'sentence'),
    [
        ((1, -1), 'the mean of 2 channels is .* dB quieter than channel 0: they cancel each other'),
        ((0, 0, 0, 1, 0, 0), 'the mean of 6 channels is 16 dB quieter than channel 3'),
        ((1, 0.9), ''),
    ],
)
def test_sound_that_is_lost_in_the_mean_of_its_channels_is_named(
    tmp_path: Path, gains: tuple[float, ...], sentence: str
):
    loud = np.random.default_rng(4).normal(0, 0.1, 80_000).clip(-1, 1)
    loud[40_000:] = 0  # what comes last does not hide what came before
    write_array(tmp_path / 'array', loud[:, None] * gains)
    said = texts(look(tmp_path))
    assert bool(re.search(f'array: audio channels: {sentence}', said)) == bool(sentence)
    assert ('audio channels' in said) == bool(sentence)


@pytest.mark.parametrize(('chunk_s', 'named'), [(0.1, False), (0.2, True), (0.05, True)])
def test_a_rate_that_the_stamps_contradict_is_named(tmp_path: Path, chunk_s: float, named: bool):
    write_array(tmp_path / 'array', np.zeros((96_000, 1)), chunk_s=chunk_s)
    said = texts(look(tmp_path))
    sentence = f'16000 samples a second are declared, but by their stamps {1_600 / chunk_s:.0f} '
    assert (sentence in said) == named
    assert ('are declared' in said) == named


def test_coverage_is_at_most_whole_though_time_was_set_back(tmp_path: Path):
    config = SimulationConfig(
        seed=2, duration_s=12, frame_rate_hz=8, width_px=64, height_px=48, sample_rate_hz=8000
    )
    simulation = simulate(config)
    with RecordingWriter(tmp_path / 'back', start_ns=config.start_ns, image='jpeg') as writer:
        writer.set_labels(simulation.labels)
        for sample in simulation.samples():
            late = isinstance(sample, Frame) and sample.arrival_ns > config.start_ns + to_ns(8.0)
            back_ns = to_ns(6.0) if late else 0
            writer.write(dataclasses.replace(sample, stamp_ns=sample.stamp_ns - back_ns))
    (found,) = look(tmp_path).recordings
    for (label, _), covered_s in found.covered_s.items():
        assert covered_s <= found.label_s[label] + 1e-6


def test_an_empty_folder_is_an_error(tmp_path: Path):
    with pytest.raises(RecordingError, match=r'expected recordings below it .* found none'):
        look(tmp_path)
    with pytest.raises(RecordingError, match='no such folder'):
        look(tmp_path / 'nowhere')


S = 10**9


def clocked(path: Path, *, video_s=0.03, audio_s=0.12, text_s=1.0, drift=0.0, seconds=20) -> Path:
    """Write frames and chunks whose stamps lie so much before their record times."""
    begin_ns = 1_700_000_000 * S
    samples: list = []
    for k in range(seconds * 10):
        arrival_ns = begin_ns + k * S // 10
        stamp_ns = arrival_ns - to_ns(video_s + drift * k / 10)
        image = np.full((16, 16, 3), k % 250, np.uint8)
        samples.append(Frame(stamp_ns=stamp_ns, arrival_ns=arrival_ns, image=image))
        samples.append(
            AudioChunk(
                stamp_ns=arrival_ns - to_ns(audio_s),
                arrival_ns=arrival_ns,
                samples=np.zeros(1600, np.float32),
                sample_rate_hz=16_000,
            )
        )
    stamp_ns = begin_ns + 5 * S - to_ns(text_s)
    samples.append(Utterance(stamp_ns=stamp_ns, arrival_ns=begin_ns + 5 * S, text='tea'))
    with RecordingWriter(path, transcript_type='hri_msgs/msg/LiveSpeech') as writer:
        for sample in sorted(samples, key=lambda sample: sample.arrival_ns):
            writer.write(sample)
        writer.set_labels([LabelSpan(start_s=0, end_s=seconds - 1, label='none')])
    return path


def clock_notes(path: Path) -> list[str]:
    said = texts(look(path)).splitlines()
    return [text for text in said if re.search('another clock|different clocks|drifts', text)]


@pytest.mark.parametrize(
    ('options', 'notes'),
    [
        ({}, []),
        ({'video_s': 0.0, 'audio_s': 0.0, 'text_s': 0.0}, []),
        ({'video_s': 0.4, 'audio_s': 0.1, 'text_s': 20}, []),
        (
            {'video_s': 1_699_999_900},
            ['video is stamped by another clock .* 1699999900.00 s before .* --use-sim-time'],
        ),
        ({'video_s': 3600}, ['video is stamped by another clock .* 3600.00 s before .*chrony']),
        ({'audio_s': -7.5}, ['audio is stamped by another clock .* 7.50 s after the record times']),
        ({'text_s': -40}, ['text is stamped by another clock .* 40.00 s after']),
        ({'text_s': 300}, ['text is stamped by another clock .* 300.00 s before']),
        ({'audio_s': 1.5}, ['audio and video seem to be stamped by different clocks: .* 1.47 s']),
        ({'video_s': 1.2}, ['video and audio seem to be stamped by different clocks: .* 1.08 s']),
        ({'drift': 0.02}, ['video drifts: its stamps fall behind .* by 0.30 s, 1.20 s a minute']),
        ({'drift': -0.01}, ['video drifts: its stamps run ahead .* by 0.15 s, 0.60 s a minute']),
    ],
)
def test_a_sensor_on_another_clock_is_named(tmp_path: Path, options, notes):
    said = clock_notes(clocked(tmp_path / 'r', **options))
    assert len(said) == len(notes), said
    for text, pattern in zip(said, notes, strict=True):
        assert re.search(pattern, text), text


@pytest.mark.real
def test_the_shared_recording_of_a_camera_on_simulated_time(shared_case):
    (note,) = clock_notes(shared_case('camera_clock'))
    assert 'video is stamped by another clock than the recording' in note
    assert '1699999900.00 s before the record times' in note
    assert 'they begin at 100.0 s, as simulated time does' in note


def test_what_is_passed_over_is_named(copies: Path):
    [bag] = (copies / 'recording_2').glob('*.mcap')
    shutil.copy(bag, copies / 'day.mcap.zst')
    assert 'day.mcap.zst: not read: a compressed file' in texts(look(copies))
    shutil.copytree(copies / 'recording_2', copies / 'split' / 'x')
    (copies / 'only').mkdir()
    shutil.move(copies / 'day.mcap.zst', copies / 'only')
    with pytest.raises(RecordingError, match=r'found .*zstd -d day\.mcap\.zst'):
        look(copies / 'only')


def test_a_definition_that_is_too_expensive_costs_its_own_recording_alone(copies: Path):
    word = ros2_channel('/speech', [(S, STORE.types['std_msgs/msg/String'](data='tea'))])
    schema = 'speech_msgs/msg/Transcript', 'ros2msg', b'string[1000000] text\n'
    write_mcap(copies / 'dear.mcap', [dataclasses.replace(word, schema=schema)])
    (copies / 'dear.labels.csv').write_text('start_s,end_s,label\n0,0.5,none\n')
    found = look(copies)
    assert [r.recording.name for r in found.damaged] == ['dear.mcap']


def write_lit(path: Path, level: int) -> None:
    """Record two seconds of a room at about a brightness, with its label."""
    noise = np.random.default_rng(level).integers(-9, 10, (20, 48, 64, 3))
    with RecordingWriter(path) as writer:
        for number, image in enumerate(np.clip(level + noise, 0, 255).astype(np.uint8)):
            stamp_ns = START_NS + to_ns(number / 10)
            writer.write(Frame(stamp_ns=stamp_ns, arrival_ns=stamp_ns, image=image))
    labels_path(path).write_text('start_s,end_s,label\n0,1.9,none\n', encoding='utf-8')


def test_dark_and_dazzled_recordings_are_named_with_their_brightness(tmp_path: Path):
    for level in (0, 20, 36, 60, 120, 180, 240):
        write_lit(tmp_path / f'lit_{level:03}', level)
    dark, bright = [text for text in texts(look(tmp_path)).splitlines() if 'brightness' in text]
    first = ', '.join(f'{tmp_path}/lit_{level:03}' for level in (0, 20, 36))
    assert dark.startswith(f'{first}: the images are dark in 3 of 7 recordings')
    assert re.search(r'their median brightness is \d to 36 of 255', dark)
    assert 'record with more light or a longer exposure' in dark
    assert bright.startswith(f'{tmp_path}/lit_240: the images are too bright')
    assert 'their median brightness is 240 of 255' in bright


@pytest.mark.real
def test_clips_of_surveillance_cameras_are_not_called_dark(real_recordings: Path):
    from activity_recognition.bags import ClipReader
    from activity_recognition.config import ModelConfig
    from activity_recognition.training.data.light_findings import (
        LightWatch,
        too_little_and_too_much_light,
    )

    for name in ('fi074', 'fi146', 'nofi147'):  # the darkest of 300
        clip, watch = real_recordings / 'fights' / 'clips' / f'{name}.mp4', LightWatch()
        for sample in ClipReader(clip, ModelConfig()).samples():
            watch.add(sample)
        level = watch.brightness
        assert not list(too_little_and_too_much_light({clip: level}, {clip: ('fight',)}))
