"""The commands that make recordings, and what train refuses."""

import signal
import time
import wave
from contextlib import suppress

import av
import numpy as np
import pytest

from activity_recognition.bags import (
    RecordingReader,
    labels_path,
    read_label_tracks,
    read_labels,
)
from activity_recognition.commands.recipes import recipe
from activity_recognition.config_io import shipped_file
from activity_recognition.errors import ConfigError
from activity_recognition.training import pool
from activity_recognition.types import Frame
from factories.media import Pictures, write_media, write_wav
from factories.timing import PATIENCE_S, check_ends_in_time, seconds_of

SMALL = ('--width', 48, '--height', 32, '--fps', 5, '--quiet')


def frames(path):
    with RecordingReader(path) as reader:
        return [sample for sample in reader.samples() if isinstance(sample, Frame)]


def test_simulate_writes_what_it_is_asked_for(command, tmp_path):
    out = tmp_path / 'one'
    words = ('--seed', 3, '--seconds', 2, '--out', out, '--storage', 'sqlite3')
    assert command('simulate', *words, *SMALL) == (0, '', '')
    written = frames(out)
    assert len(written) == 10
    assert written[0].image.shape == (32, 48, 3)
    assert read_labels(labels_path(out))[-1].end_s == pytest.approx(2.0)
    assert list(out.glob('*.db3'))


def test_the_same_seed_writes_the_same_frames_and_another_does_not(command, tmp_path):
    for name, seed in (('a', 5), ('b', 5), ('c', 6)):
        command('simulate', '--seed', seed, '--seconds', 1, '--out', tmp_path / name, *SMALL)
    first, again, other = (
        [frame.image.tobytes() for frame in frames(tmp_path / name)] for name in 'abc'
    )
    assert first == again
    assert first != other


def test_a_modality_can_be_left_out(command, tmp_path):
    out = tmp_path / 'deaf'
    words = ('--seconds', 1, '--out', out, '--without', 'audio', '--without', 'text')
    assert command('simulate', *words, *SMALL)[0] == 0
    with RecordingReader(out) as reader:
        assert {topic.name for topic in reader.topics} == {'/camera/image_raw', '/recording/start'}


def test_several_are_written_in_parallel_under_their_seeds(command, tmp_path):
    out = tmp_path / 'many'
    words = ('--seed', 8, '--count', 2, '--jobs', 2, '--seconds', 1, '--out', out)
    assert command('simulate', *words, *SMALL)[0] == 0
    assert sorted(path.name for path in out.iterdir()) == ['seed_8', 'seed_9']
    command('simulate', '--seed', 9, '--seconds', 1, '--out', tmp_path / 'nine', *SMALL)
    ninth = [frame.image.tobytes() for frame in frames(out / 'seed_9')]
    assert ninth == [frame.image.tobytes() for frame in frames(tmp_path / 'nine')]


def test_several_people_are_written_with_who_is_there(command, tmp_path):
    out = tmp_path / 'crowd'
    words = ('--seconds', 2, '--people', 2, '--missed-regions', 0, '--id-swaps', 0, '--out', out)
    assert command('simulate', *words, '--fps', 5, '--quiet')[0] == 0
    assert frames(out)[0].image.shape == (180, 320, 3)
    assert list(read_label_tracks(labels_path(out))) == ['ann', 'ben']
    with RecordingReader(out) as reader:
        counts = {topic.name: topic.count for topic in reader.topics}
        arrivals = [record.record_ns for record in reader.records()]
    assert counts['/humans/bodies/tracked'] == counts['/camera/image_raw'] == 10
    assert counts['/humans/bodies/b1/roi'] > 0
    assert arrivals == sorted(arrivals)
    # What looks at labels of one person says so, and the files stay as they are.
    status, printed, err = command('check', out)
    assert status == 1
    assert 'expected the labels of one person, got those of ann, ben' in printed + err


def test_one_person_is_written_as_without_the_option(command, tmp_path):
    for name, added in (('a', ()), ('b', ('--people', 1, '--id-swaps', 1))):
        out = tmp_path / name / 'same'
        words = ('--seed', 3, '--seconds', 2, '--out', out, *added)
        assert command('simulate', *words, *SMALL)[0] == 0
    contents = [
        {path.name: path.read_bytes() for path in (tmp_path / name / 'same').iterdir()}
        for name in 'ab'
    ]
    assert contents[0] == contents[1]
    assert contents[0]['labels.csv'].startswith(b'start_s,end_s,label\n')


@pytest.mark.parametrize(
    ('words', 'status', 'sentence'),
    [
        (('--seconds', 0), 2, 'duration_s must lie in'),
        (('--people', 5), 2, 'people must lie in [1, 4], got 5'),
        (('--difficulty', 3), 2, 'difficulty must lie in'),
        (('--count', 0), 2, '--count must be at least 1'),
        (tuple(w for m in ('video', 'audio', 'text') for w in ('--without', m)), 2, 'keep one'),
    ],
)
def test_simulate_refuses_in_words(command, tmp_path, words, status, sentence):
    found, _, err = command('simulate', '--out', tmp_path / 'x', *words)
    assert found == status
    assert sentence in err
    assert err.count('\n') == 1
    assert not (tmp_path / 'x').exists()


def test_an_existing_recording_is_replaced_only_on_demand(command, tmp_path):
    out = tmp_path / 'one'
    words = ('--seconds', 1, '--out', out, *SMALL)
    assert command('simulate', *words)[0] == 0
    status, _, err = command('simulate', *words)
    assert status == 1
    assert str(out) in err
    assert command('simulate', *words, '--overwrite')[0] == 0


def holds_data(folder) -> bool:
    """Tell whether a recording below a folder has begun to be written; its own may be renamed."""
    with suppress(FileNotFoundError):
        return any(path.stat().st_size for path in folder.rglob('*.mcap'))
    return False


def test_ctrl_c_leaves_no_half_recording(start, tmp_path):
    out = tmp_path / 'long'

    process = start('simulate', '--seconds', 600, '--out', out, '--quiet')
    while not holds_data(tmp_path):  # it writes
        assert process.poll() is None, process.stderr.read()
    process.send_signal(signal.SIGINT)
    check_ends_in_time(seconds_of(lambda: process.wait(PATIENCE_S)))
    assert process.returncode == 130
    assert process.stderr.read() == 'activity-recognition simulate: interrupted\n'
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def clip(tmp_path):
    """A silent clip of one second, ten frames."""
    path = tmp_path / 'clip.mp4'
    with av.open(str(path), 'w') as container:
        stream = container.add_stream('mpeg4', rate=10)
        stream.width, stream.height = 64, 48
        for n in range(10):
            image = np.full((48, 64, 3), 20 * n, np.uint8)
            for packet in stream.encode(av.VideoFrame.from_ndarray(image, format='rgb24')):
                container.mux(packet)
        for packet in stream.encode():
            container.mux(packet)
    return path


def test_import_says_what_a_clip_brought(command, clip, tmp_path):
    (tmp_path / 'words.srt').write_text('1\n00:00:00,200 --> 00:00:00,600\nhello\n')
    (tmp_path / 'labels.csv').write_text('start_s,end_s,label\n0,1,walking\n')
    words = ('--transcript', tmp_path / 'words.srt', '--labels', tmp_path / 'labels.csv')
    out = tmp_path / 'imported'
    status, printed, _ = command('import', clip, *words, '--out', out)
    assert status == 0
    assert '10 frames, 0.00 s of audio, 1 utterance, 1 label' in printed
    assert len(frames(out)) == 10


@pytest.mark.parametrize('options', [[], ['--quiet']])
def test_an_import_shows_how_far_it_is_unless_quiet(command, tmp_path, monkeypatch, options):
    monkeypatch.setenv('FORCE_COLOR', '1')  # as on a terminal
    clip = tmp_path / 'tone.wav'
    with wave.open(str(clip), 'wb') as file:
        file.setparams((1, 2, 8_000, 0, 'NONE', ''))
        file.writeframes(bytes(16_000))
    status, _, err = command('import', clip, '--out', tmp_path / 'out', *options)
    assert status == 0, err
    assert ('importing' in err) != bool(options)


def test_import_names_what_it_skipped(command, clip, tmp_path):
    damaged = tmp_path / 'damaged.mov'
    still = Pictures(codec='png', pixel_format='rgb24', count=10)
    data = bytearray(write_media(damaged, still).read_bytes())
    for _ in range(2):
        data[data.index(b'IHDR') : data.index(b'IHDR') + 20] = bytes(20)
    damaged.write_bytes(data)
    status, printed, _ = command('import', damaged, '--out', tmp_path / 'damaged', '--quiet')
    assert status == 0
    assert printed.endswith(
        ' 8 frames, 0.00 s of audio, 0 utterances, 0 labels; skipped: damaged packets: 2\n'
    )
    status, printed, _ = command('import', clip, '--out', tmp_path / 'whole', '--quiet')
    assert (status, 'skipped' in printed) == (0, False)


@pytest.mark.parametrize(('choice', 'level'), [('mean', 0.25), ('1', 0.5)])
def test_import_chooses_a_channel(command, tmp_path, choice, level):
    samples = np.tile([0.0, 0.5], (16_000, 1))
    path = write_wav(tmp_path / 'two.wav', samples, 16_000)
    out = tmp_path / 'out'
    words = ('--audio-channels', choice, '--out', out, '--quiet')
    assert command('import', path, *words)[0] == 0
    with RecordingReader(out) as reader:
        chunks = list(reader.samples())
    np.testing.assert_allclose(np.concatenate([c.samples for c in chunks]), level, atol=1e-4)


def test_import_refuses_a_channel_that_is_none(command, tmp_path):
    path = write_wav(tmp_path / 'two.wav', np.zeros((16_000, 2)), 16_000)
    for choice, status, sentence in (('left', 2, "expected 'mean'"), ('2', 1, 'channel 2')):
        words = ('--audio-channels', choice, '--out', tmp_path / 'out', '--quiet')
        found, _, err = command('import', path, *words)
        assert found == status
        assert sentence in err
        assert err.count('\n') == 1
        assert not (tmp_path / 'out').exists()


def test_import_refuses_what_is_no_clip(command, tmp_path):
    (tmp_path / 'clip.mp4').write_bytes(b'nothing')
    status, _, err = command('import', tmp_path / 'clip.mp4', '--out', tmp_path / 'out')
    assert status == 1
    assert 'clip.mp4' in err
    assert not (tmp_path / 'out').exists()


def test_recipes_are_found_by_name_and_path(tmp_path):
    assert recipe('smoke') == shipped_file('train/smoke.yaml')
    assert recipe('mine/own.yaml').name == 'own.yaml'
    with pytest.raises(ConfigError, match=r"got 'unheard_of'; recipes are\n") as caught:
        recipe('unheard_of')
    for path in shipped_file('train/smoke.yaml').parent.glob('*.yaml'):
        first = path.read_text(encoding='utf-8').splitlines()[0]
        assert f'{path.stem} ' in str(caught.value)
        assert first.removeprefix('# ') in str(caught.value)


def test_train_refuses_an_empty_folder_in_words(command, tmp_path):
    (tmp_path / 'data').mkdir()
    words = ('--data', tmp_path / 'data', '--out', tmp_path / 'run', '--quiet')
    status, _, err = command('train', 'smoke', *words)
    assert status == 1
    assert str(tmp_path / 'data') in err


@pytest.fixture
def clips(tmp_path):
    """A folder with two clips, one torn, and a table of them."""
    folder = tmp_path / 'clips'
    folder.mkdir()
    write_media(folder / 'seen.mp4', Pictures(count=5, fps=10, size=(64, 48)))
    (folder / 'torn.mp4').write_bytes(b'no video')
    text = 'clip,label,transcript,loudness\nseen.mp4,calm,,1\ntorn.mp4,calm,,2\n,fight,help,3\n'
    (folder / 'clips.csv').write_text(text)
    return folder


@pytest.mark.parametrize('name', ['clips.csv', ''])
def test_a_table_of_clips_becomes_a_folder_of_recordings(command, clips, tmp_path, name):
    out = tmp_path / 'data'
    status, printed, err = command('import', clips / name, '--out', out, '--speech-delay', 1.5)
    assert status == 0
    assert printed == (
        f'{out}: 2 clips imported, 0 were there already, 1 left out; labels: calm 1, fight 1; '
        'imported now: 0.4 s, 5 frames, 0.00 s of audio, 1 utterance, 2 labels\n'
    )
    assert f'left out: {clips / "clips.csv"}:3: {clips / "torn.mp4"}: cannot read' in err
    assert 'columns that are not used: loudness' in err
    (words,) = out.glob('words_*')
    assert read_labels(labels_path(words))[0].end_s == pytest.approx(4 / 15 + 1.5 + 2.0)
    assert command('check', out)[0] == 0
    status, printed, _ = command('import', clips / name, '--out', out, '--speech-delay', 1.5)
    assert '0 clips imported, 2 were there already, 1 left out' in printed
    assert command('import', clips, '--out', out, '--speech-delay', 1.5, '--strict')[0] == 1


def test_without_a_terminal_an_import_says_how_far_it_is(command, clips, tmp_path, monkeypatch):
    monkeypatch.setattr(pool, 'ALIVE_S', 0.0)
    _, _, err = command('import', clips, '--out', tmp_path / 'data')
    lines = [line for line in err.splitlines() if line.startswith('importing: ')]
    assert any(line.endswith('; 0 of 3 clips, now seen') for line in lines)
    assert lines[-1].startswith('importing: 100 %')
    assert lines[-1].endswith('; 3 of 3 clips')
    _, _, err = command('import', clips / 'seen.mp4', '--out', tmp_path / 'one')
    assert 'importing: 0:00:0' in err
    assert ' s done' in err
    _, _, err = command('import', clips, '--out', tmp_path / 'other', '--quiet')
    assert 'importing' not in err


def test_an_import_that_was_killed_is_gone_on_with(command, start, tmp_path):
    """With SIGKILL, at whatever it was doing: nothing is taken for what somebody else made."""
    folder, out = tmp_path / 'clips', tmp_path / 'data'
    (folder / 'calm').mkdir(parents=True)
    for number in range(30):
        write_media(folder / 'calm' / f'{number}.mp4', Pictures(count=2, fps=10, size=(64, 48)))
    process = start('import', folder, '--out', out)
    notes, until_s = out / '.imported.jsonl', time.monotonic() + PATIENCE_S
    while not notes.exists() or len(notes.read_text().splitlines()) < 5:
        assert process.poll() is None
        assert time.monotonic() < until_s
    process.kill()
    process.wait(PATIENCE_S)
    there = len(list((out / 'calm').iterdir()))
    assert 0 < there < 30
    status, printed, _ = command('import', folder, '--out', out)
    assert status == 0
    assert ' 0 left out; labels: calm 30' in printed
    kept = int(printed.partition(' were there already')[0].rpartition(' ')[2])
    assert 2 <= kept <= there


def test_a_table_in_which_nothing_can_be_used_is_an_error(command, tmp_path):
    (tmp_path / 'clips.csv').write_text('clip,label\ngone.mp4,x\n')
    status, _, err = command('import', tmp_path, '--out', tmp_path / 'data')
    assert status == 1
    assert 'none of the clips can be used; ' in err
    assert "clips.csv:2: clip: there is no file 'gone.mp4'" in err


def test_options_of_one_clip_do_not_go_with_a_table(command, clips, tmp_path):
    words = ('import', clips, '--out', tmp_path / 'data', '--label', 'x')
    status, _, err = command(*words)
    assert status == 2
    assert '--label is for a single clip; a table of clips has a column label' in err


def test_one_clip_may_have_one_label(command, clips, tmp_path):
    out = tmp_path / 'one'
    words = ('import', clips / 'seen.mp4', '--out', out, '--label', 'calm')
    assert command(*words)[0] == 0
    (span,) = read_labels(labels_path(out))
    assert (span.start_s, span.end_s, span.label) == (0.0, pytest.approx(0.45), 'calm')
    (tmp_path / 'spans.csv').write_text('start_s,end_s,label\n0,1,calm\n')
    status, _, err = command(*words, '--labels', tmp_path / 'spans.csv', '--overwrite')
    assert status == 1
    assert "expected a label file or one label, got also 'calm'" in err


def test_ctrl_c_keeps_the_clips_that_are_done(start, command, tmp_path):
    folder, out = tmp_path / 'clips', tmp_path / 'data'
    folder.mkdir()
    for index in range(200):
        count = 5 if index < 3 else 600
        name = folder / f'{index:03d}.mp4'
        if index < 4:
            write_media(name, Pictures(count=count, fps=10, size=(320, 240)))
        else:
            name.hardlink_to(folder / '003.mp4')
    rows = [f'{index:03d}.mp4,x' for index in range(200)]
    (folder / 'clips.csv').write_text('\n'.join(['clip,label', *rows]))
    process = start('import', folder, '--out', out, '--quiet')
    # The third is noted as done when the fourth is begun.
    while not any(out.glob('.003.partial-*')):
        assert process.poll() is None, process.stderr.read()
    process.send_signal(signal.SIGINT)
    check_ends_in_time(seconds_of(lambda: process.wait(PATIENCE_S)))
    assert process.returncode == 130
    done = sorted(path.name for path in out.iterdir() if path.name[0] != '.')
    assert 3 <= len(done) < 200
    (folder / 'clips.csv').write_text('\n'.join(['clip,label', *rows[:3]]))
    _, printed, _ = command('import', folder, '--out', out, '--quiet')
    assert '0 clips imported, 3 were there already' in printed
