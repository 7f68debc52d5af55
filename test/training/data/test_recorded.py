"""What a node is told of its topics can be told of recordings: options, recipes, tables."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from rosbags.rosbag2 import StoragePlugin, Writer

from activity_recognition.bags import RecordingReader
from activity_recognition.config import SyncConfig
from activity_recognition.errors import ConfigError, RecordingError
from activity_recognition.recorded import DEFAULTS, SETTINGS, RecordedConfig, read_setting
from activity_recognition.training.data.dataset import load_dataset
from activity_recognition.training.data.inspection import inspect
from activity_recognition.training.data.source import Preparing
from activity_recognition.training.data.store import Store
from activity_recognition.training.sharding.manifest import read_manifest
from activity_recognition.training.sharding.opening import open_source
from activity_recognition.training.sharding.writing import prepare_shards
from activity_recognition.types import AudioChunk, Frame, Modality, Utterance
from factories.networks import TINY
from factories.two_of_each import ALL, MS, START_NS, STORE, image, write_three


@pytest.fixture
def recordings(tmp_path: Path) -> Path:
    return write_three(tmp_path / 'recordings')


def table(folder: Path, *rows: str, columns: str = ','.join(SETTINGS)) -> None:
    lines = [f'recording,split,{columns}', *rows]
    (folder / 'splits.csv').write_text('\n'.join(lines) + '\n')


def load(folder: Path | str, cache: Path, **settings):
    recorded = DEFAULTS.with_overrides(settings)
    how = Preparing(model=TINY, sync=SyncConfig(), cache=cache, recorded=recorded)
    return load_dataset(open_source(folder, how), validation_fraction=0.0, seed=0)


def shades(dataset) -> list[int]:
    found = []
    for recording in sorted(dataset.training, key=lambda r: r.recording):
        (segment,) = recording.segments(dataset.labels)
        assert len(np.unique(segment.arrays['frames'])) == 1
        found.append(int(segment.arrays['frames'][0, 0, 0, 0]))
    return found


def test_everything_that_a_node_is_told_can_be_told_of_a_recording(recordings):
    with RecordingReader.of(recordings / 'r0', DEFAULTS.with_overrides(ALL)) as reader:
        samples = list(reader.samples())
        assert reader.drops.counts == {}
    frames = [sample for sample in samples if isinstance(sample, Frame)]
    chunks = [sample for sample in samples if isinstance(sample, AudioChunk)]
    (words,) = [sample for sample in samples if isinstance(sample, Utterance)]
    assert [int(frame.image[0, 0, 0]) for frame in frames] == [10] * 20
    assert sum(len(chunk.samples) for chunk in chunks) == pytest.approx(2.0 * 16_000, abs=200)
    assert np.median(np.concatenate([c.samples for c in chunks])) == pytest.approx(0.25, abs=0.01)
    assert (words.text, words.stamp_ns) == ('put it down', START_NS + 500 * MS)
    assert words.arrival_ns == START_NS + 900 * MS


@pytest.mark.parametrize(
    ('given', 'missing'),
    [({}, 'image'), ({'image': '/left/image'}, 'audio')],
)
def test_what_has_to_be_named_says_where(recordings, given, missing):
    settings = DEFAULTS.with_overrides(given)
    with (
        RecordingReader.of(recordings / 'r0', settings) as reader,
        pytest.raises(RecordingError, match=f'several topics could be the {missing}: ') as caught,
    ):
        next(reader.samples())
    for place in (f'--{missing},', f'column {missing} of splits.csv', f'recorded.{missing} in'):
        assert place in str(caught.value)


def test_a_transcript_of_an_unknown_type_has_its_field_named(recordings):
    settings = DEFAULTS.with_overrides({**ALL, 'transcript_field': ''})
    with (
        RecordingReader.of(recordings / 'r0', settings) as reader,
        pytest.raises(RecordingError, match=r'house_msgs/msg/Note .* --transcript-field, the '),
    ):
        next(reader.samples())


@pytest.mark.parametrize('role', ['image', 'audio', 'transcript'])
def test_the_word_none_does_without(recordings, role):
    settings = DEFAULTS.with_overrides({**ALL, role: 'none'})
    with RecordingReader.of(recordings / 'r0', settings) as reader:
        kinds = {type(sample) for sample in reader.samples()}
    left_out = {'image': Frame, 'audio': AudioChunk, 'transcript': Utterance}[role]
    assert kinds == {Frame, AudioChunk, Utterance} - {left_out}


@pytest.mark.parametrize(
    ('name', 'text', 'told'),
    [
        (
            'audio_sample_rate_hz',
            'fast',
            "audio_sample_rate_hz: expected a whole number, got 'fast'",
        ),
        ('audio_sample_rate_hz', '5', r'audio_sample_rate_hz must lie in \[1000, 384000\]'),
        ('transcript_incremental', 'maybe', "expected true or false, got 'maybe'"),
        ('audio_num_channels', '0', 'audio_num_channels must lie in'),
        ('audio_sample_format', 'mp3', "audio_sample_format must be one of U8, .* got 'mp3'"),
        ('audio_channels', 'left', "audio_channels: expected 'mean'"),
    ],
)
def test_a_value_that_cannot_be_is_refused(name, text, told):
    with pytest.raises(ConfigError, match=told):
        read_setting(name, text)


def test_the_table_goes_before_the_option_and_leaves_open_what_it_does_not_say(
    recordings, tmp_path
):
    table(recordings, 'r1,,/right/image', columns='image')
    assert shades(load(recordings, tmp_path / 'cache', **ALL)) == [10, 200, 12]


def test_a_table_may_say_everything_for_one_recording(recordings, tmp_path):
    row = ','.join(str(ALL.get(name, '')) for name in SETTINGS)
    table(recordings, f'r1,,{row}')
    dataset = load(recordings, tmp_path / 'cache')
    assert shades(dataset) == [11]
    assert dataset.training[0].texts == (('put it down',),)
    assert [reason.partition(':')[0] for reason in dataset.skipped] == [
        str(recordings / 'r0'),
        str(recordings / 'r2'),
    ]


def test_a_row_that_cannot_be_is_named_with_its_line(recordings, tmp_path):
    table(recordings, 'r0,,', 'r1,,fast', columns='audio_sample_rate_hz')
    with pytest.raises(RecordingError, match=r'splits\.csv:3: audio_sample_rate_hz: expected'):
        load(recordings, tmp_path / 'cache')


def test_one_bad_recording_leaves_the_others(recordings, tmp_path):
    table(recordings, 'r1,,/nowhere', columns='image')
    dataset = load(recordings, tmp_path / 'cache', **ALL)
    assert shades(dataset) == [10, 12]
    (reason,) = dataset.skipped
    assert "r1: image topic '/nowhere' holds no messages" in reason


def test_a_cache_of_other_topics_is_not_taken(recordings, tmp_path):
    cache = tmp_path / 'cache'
    left = load(recordings, cache, **ALL)
    right = load(recordings, cache, **{**ALL, 'image': '/right/image'})
    assert (shades(left), shades(right)) == ([10, 11, 12], [200, 200, 200])
    # It is the same recording all the same: its copies stay together, whatever was read of them.
    assert [r.key for r in left.training] == [r.key for r in right.training]
    assert {r.identity for r in left.training}.isdisjoint(r.identity for r in right.training)
    for recording in load(recordings, cache, **ALL).training:
        assert recording.folder in {r.folder for r in left.training}


def test_what_is_found_by_itself_keeps_its_key_and_its_place(recordings, tmp_path):
    shutil.rmtree(recordings / 'r1')
    path = recordings / 'r1'
    with Writer(path, version=9, storage_plugin=StoragePlugin.MCAP) as writer:
        kind = 'sensor_msgs/msg/Image'
        connection = writer.add_connection('/cam', kind, typestore=STORE)
        for k in range(5):
            t = START_NS + k * 100 * MS
            writer.write(connection, t, STORE.serialize_cdr(image(t, 50), kind))
    (path / 'labels.csv').write_text('start_s,end_s,label\n0,1,wave\n')
    (recording,) = load(recordings, tmp_path / 'cache').training
    assert recording.identity == recording.key == recording.folder.name


def test_shards_hold_what_was_asked_for_and_say_so(recordings, tmp_path):
    table(recordings, 'r1,,/right/image', columns='image')
    recorded = DEFAULTS.with_overrides(ALL)
    out = tmp_path / 'shards'
    prepare_shards(recordings, out, model=TINY, sync=SyncConfig(), recorded=recorded, workers=1)
    manifest = read_manifest(Store(out))
    assert manifest.recorded == recorded
    assert {r.name: r.recorded.image for r in manifest.recordings} == {
        'r0': '/left/image',
        'r1': '/right/image',
        'r2': '/left/image',
    }
    cache = tmp_path / 'cache'
    assert shades(load(out, cache)) == [10, 200, 12]
    direct = {r.key: r.folder.name for r in load(recordings, tmp_path / 'other', **ALL).training}
    assert {r.key: r.folder.name for r in load(out, cache, **ALL).training} == direct
    with pytest.raises(RecordingError, match="prepared with image = '/left/image' where '/cam' is"):
        load(out, cache, image='/cam')
    # Prepared again for other topics, nothing is kept of what has the same content.
    again = prepare_shards(
        recordings,
        out,
        model=TINY,
        sync=SyncConfig(),
        recorded=recorded.with_overrides({'image': '/right/image'}),
        workers=1,
    )
    assert again.kept == 1
    assert shades(load(out, tmp_path / 'third')) == [200, 200, 200]


def test_check_reads_as_it_is_told(recordings):
    found = inspect(recordings, workers=1)
    assert len(found.damaged) == 3
    table(recordings, 'r1,,none', columns='image')
    found = inspect(recordings, workers=1, recorded=DEFAULTS.with_overrides(ALL))
    assert not found.damaged
    counts = {r.recording.name: dict(r.samples) for r in found.recordings}
    assert counts['r0'][Modality.VIDEO] == counts['r2'][Modality.VIDEO] == 20
    assert Modality.VIDEO not in counts['r1']
    assert {name: c[Modality.TEXT] for name, c in counts.items()} == {'r0': 1, 'r1': 1, 'r2': 1}


def test_every_setting_has_its_words():
    assert {name: type(value) for name, value in vars_of(DEFAULTS).items()} == dict(SETTINGS)


def vars_of(recorded: RecordedConfig) -> dict[str, object]:
    return {name: getattr(recorded, name) for name in SETTINGS}


SINE = 0.3535
"""Level of a sine of half of full scale."""
CASES = [
    ('two_cameras', 'r', {'image': '/camera/image_raw/compressed'}, (6, 10, [])),
    ('two_cameras', 'r', {'image': '/camera/infra1/image_rect_raw/compressed'}, (6, 10, [])),
    (
        'two_voices',
        'twovoices',
        {'transcript': '/humans/voices/a1b2/speech'},
        (20, 0, [('hi', 1000)]),
    ),
    (
        'two_voices',
        'twovoices',
        {'transcript': '/humans/voices/c3d4/speech'},
        (20, 0, [('hi', 1000)]),
    ),
    ('respeaker_topics', 'r', {'audio': '/audio/channel0'}, (6, 6, [])),
    ('respeaker_topics', 'r', {'audio': '/audio/audio'}, (6, 6, [])),
    (
        'respeaker_topics',
        'r',
        {'audio': '/audio/channel5', 'audio_info': 'none', 'audio_sample_format': 'S16LE'},
        (6, 6, []),
    ),
    (
        'partial_final',
        'r',
        {'transcript': '/speech_to_text/final'},
        (20, 40, [('hello robot', 900)]),
    ),
    (
        'partial_final',
        'r',
        {'transcript': '/speech_to_text/partial'},
        (20, 40, [('hel', 300), ('hello', 600)]),
    ),
]


@pytest.mark.real
@pytest.mark.parametrize(('name', 'folder', 'given', 'expected'), CASES)
def test_recordings_of_robots_with_several_sensors(
    shared_case, tmp_path, name, folder, given, expected
):
    path = shared_case(name) / folder
    with RecordingReader.of(path, DEFAULTS.with_overrides(given)) as reader:
        samples = list(reader.samples())
        assert reader.drops.counts == {}
        assert reader.start_ns == START_NS
    frames = [sample for sample in samples if isinstance(sample, Frame)]
    chunks = [sample for sample in samples if isinstance(sample, AudioChunk)]
    texts = [
        (sample.text, (sample.stamp_ns - START_NS) // MS)
        for sample in samples
        if isinstance(sample, Utterance)
    ]
    assert (len(frames), len(chunks), texts) == expected
    assert [frame.stamp_ns for frame in frames] == [
        START_NS + k * 100 * MS for k in range(len(frames))
    ]
    assert all(np.abs(frame.image.mean((0, 1)) - [127, 122, 127]).max() < 1 for frame in frames)
    if chunks:
        sound = np.concatenate([chunk.samples for chunk in chunks])
        assert len(sound) == 800 * len(chunks)
        assert np.sqrt(np.mean(sound**2)) == pytest.approx(SINE, abs=1e-3)
    check_one_of_two(path, given, tmp_path)


def check_one_of_two(path: Path, given: dict[str, str], tmp_path: Path) -> None:
    """Name the topics of one of two copies in a table: that one can be used, the other cannot."""
    for copy in ('told', 'untold'):
        shutil.copytree(path, tmp_path / copy)
    found = inspect(tmp_path, workers=1)
    asked = f'name the one to use with --{next(iter(given))}, the column {next(iter(given))} of'
    assert [asked in problem.text for problem in found.all_problems if problem.fatal] == [True] * 2
    table(tmp_path, ','.join(['told', '', *given.values()]), columns=','.join(given))
    found = inspect(tmp_path, workers=1)
    assert [recording.recording.name for recording in found.damaged] == ['untold']
