"""Tables of clips -> recordings that check, training and evaluation take as they are."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from activity_recognition.bags import RecordingReader, load_labels
from activity_recognition.bags.imported import HEARD_S, START_NS
from activity_recognition.config import ModelConfig, SyncConfig
from activity_recognition.errors import RecordingError
from activity_recognition.models.tokenizer import train_tokenizer
from activity_recognition.training.config import TrainConfig
from activity_recognition.training.data import import_clips as import_clips_module
from activity_recognition.training.data.cache import recording_key
from activity_recognition.training.data.clip_folders import find_clips
from activity_recognition.training.data.clip_list import ClipList
from activity_recognition.training.data.crops import cut_crop, plan_epoch
from activity_recognition.training.data.dataset import open_segments
from activity_recognition.training.data.import_clips import ImportedClips, import_clips
from activity_recognition.training.data.inspection import inspect
from activity_recognition.training.data.preprocessing import preprocess_recording
from activity_recognition.training.data.source import Preparing, cache_recordings
from activity_recognition.training.data.splits import read_splits
from activity_recognition.types import LabelSpan, Utterance, to_ns
from factories.media import Pictures, Tone, quarters, write_media

ROWS = """clip,label,transcript,start_s,speech_delay_s,source
both.mp4,fight,stop it now,0.2,,1
heard.wav,calm,,,,2
seen.mp4,calm,,,,2
,fight,help me,,0.25,1
"""


def bright(index: int, size: tuple[int, int]) -> np.ndarray:
    """Return a picture that is not dark."""
    del index
    return quarters(size)


@pytest.fixture
def clips(tmp_path: Path) -> Path:
    """A folder with one clip of each kind and a table."""
    folder = tmp_path / 'clips'
    folder.mkdir()
    seen = Pictures(count=10, fps=10, size=(64, 48), picture=bright)
    write_media(folder / 'both.mp4', seen, Tone(rate_hz=16_000))
    write_media(folder / 'seen.mp4', Pictures(count=5, fps=10, size=(48, 64), picture=bright))
    write_media(folder / 'heard.wav', Tone(codec='pcm_s16le', rate_hz=16_000))
    (folder / 'clips.csv').write_text(ROWS)
    return folder


def make(clips: Path, out: Path, **options: bool) -> ImportedClips:
    return import_clips(find_clips(clips), out, **options)


def words_of(recording: Path) -> list[Utterance]:
    with RecordingReader(recording) as reader:
        return [sample for sample in reader.samples() if isinstance(sample, Utterance)]


def test_one_recording_of_each_clip_with_its_label(clips: Path, tmp_path: Path):
    out = tmp_path / 'data'
    found = make(clips, out)
    assert found.problems == []
    (words,) = [name for name in found.imported if name.startswith('words_')]
    assert list(found.imported) == ['both', 'heard', 'seen', words]
    assert found.labels == {'fight': 2, 'calm': 2}
    both = found.imported['both']
    assert (both.samples['video'], both.samples['text'], both.labels) == (10, 1, 1)
    assert both.seconds['audio'] == pytest.approx(1.0, abs=0.1)
    assert load_labels(out / 'seen') == (LabelSpan(start_s=0.0, end_s=0.45, label='calm'),)
    assert {path.name: (a.split, a.group) for path, a in read_splits(out).items()} == {
        'both': ('', '1'),
        'heard': ('', '2'),
        'seen': ('', '2'),
        words: ('', '1'),
    }


def test_words_are_heard_when_a_recogniser_would_give_them(clips: Path, tmp_path: Path):
    make(clips, tmp_path / 'data')
    (said,) = words_of(tmp_path / 'data' / 'both')
    end_s = 0.2 + 11 / 15
    assert said.text == 'stop it now'
    assert said.stamp_ns == START_NS + to_ns(end_s)
    assert said.arrival_ns == START_NS + to_ns(end_s + 0.5)
    (span,) = load_labels(tmp_path / 'data' / 'both')
    assert span.end_s == pytest.approx(end_s + 0.5 + HEARD_S)


def test_decisions_go_on_until_words_have_been_heard(clips: Path, tmp_path: Path):
    out = tmp_path / 'data'
    (words,) = [name for name in make(clips, out).imported if name.startswith('words_')]
    arrays = preprocess_recording(out / words, ModelConfig(), SyncConfig())
    (segment,) = arrays.segments
    assert segment.texts == ('help me',)
    arrival_ns = START_NS + to_ns(7 / 15 + 0.25)
    times = segment.arrays['decision_arrivals']
    assert times[0] == arrival_ns + 150_000_000
    assert len(times) == 19
    (span,) = load_labels(out / words)
    assert times[-1] < arrays.start_ns + to_ns(span.end_s)
    both = preprocess_recording(out / 'both', ModelConfig(), SyncConfig()).segments[0]
    heard_ns = int(both.arrays['transcript_arrivals'][0])
    assert (both.arrays['decision_arrivals'] > heard_ns).sum() >= 19


def test_words_alone_are_trained_on(clips: Path, tmp_path: Path):
    """Every crop of them has decisions after the words, and these have targets."""
    out = tmp_path / 'data'
    (words,) = [name for name in make(clips, out).imported if name.startswith('words_')]
    config = TrainConfig(crop_s=4.0, modality_dropout=0.0)
    how = Preparing(model=ModelConfig(), sync=SyncConfig(), cache=tmp_path / 'cache', workers=1)
    (prepared,), _ = cache_recordings([out / words], how)
    tokenizer = train_tokenizer(['help me'], vocab_size=100, max_length=8)
    segments = [s.tokenised(tokenizer) for s in open_segments([prepared], ['calm', 'fight'])]
    for epoch in range(5):
        ((plan,),) = plan_epoch(segments, config, epoch)
        crop = cut_crop(segments[0], plan, config, ModelConfig())
        heard = crop['decision_arrivals'] >= crop['transcript_arrivals'][0]
        assert (crop['targets'][heard] == 1).sum() >= 4


def test_a_clip_without_words_is_decided_about_as_before(clips: Path, tmp_path: Path):
    out = tmp_path / 'data'
    make(clips, out)
    with RecordingReader(out / 'seen') as reader:
        assert reader.until_ns is None
    (segment,) = preprocess_recording(out / 'seen', ModelConfig(), SyncConfig()).segments
    assert len(segment.arrays['decision_stamps']) == 5


def test_check_finds_nothing_wrong(clips: Path, tmp_path: Path):
    make(clips, tmp_path / 'data')
    found = inspect(tmp_path / 'data', workers=1)
    assert found.labels == ('calm', 'fight')
    assert [r.problems for r in found.recordings] == [()] * 4


def test_a_clip_that_cannot_be_used_costs_no_other(clips: Path, tmp_path: Path):
    (clips / 'torn.mp4').write_bytes(b'not a video at all')
    (clips / 'late.srt').write_text('1\n00:01:00,000 --> 00:01:01,000\nhello\n')
    shutil.copy(clips / 'seen.mp4', clips / 'again.mp4')
    with (clips / 'clips.csv').open('a') as file:
        file.write('torn.mp4,calm,,,,3\nagain.mp4,calm,late.srt,,,3\ngone.mp4,calm,,,,3\n')
    found = make(clips, tmp_path / 'data')
    assert len(found.imported) == 4
    table = clips / 'clips.csv'
    gone, torn, late = found.problems
    assert gone.startswith(f"{table}:8: clip: there is no file 'gone.mp4'")
    assert torn.startswith(f'{table}:6: {clips}/torn.mp4: cannot read this as a video')
    assert late.startswith(f'{table}:7: {clips}/late.srt:2: starts at 60.0 s, after the end')
    assert not (tmp_path / 'data' / 'again').exists()
    assert len(read_splits(tmp_path / 'data')) == 4


def test_nothing_is_made_twice_and_what_changed_is_made_again(clips: Path, tmp_path: Path):
    out = tmp_path / 'data'
    first = make(clips, out)
    assert make(clips, out).kept == list(first.imported)
    (clips / 'clips.csv').write_text(ROWS.replace('heard.wav,calm', 'heard.wav,fight'))
    found = make(clips, out)
    assert list(found.imported) == ['heard']
    assert found.labels == {'fight': 3, 'calm': 1}
    assert load_labels(out / 'heard')[0].label == 'fight'
    write_media(clips / 'seen.mp4', Pictures(count=7, fps=10, size=(48, 64)))
    found = make(clips, out)
    assert {name: each.samples['video'] for name, each in found.imported.items()} == {'seen': 7}
    assert list(make(clips, out, overwrite=True).imported) == list(first.imported)


def test_a_recording_of_a_run_that_was_killed_is_made_again(clips: Path, tmp_path: Path):
    out = tmp_path / 'data'
    make(clips, out)
    memory = out / '.imported.json'
    told = json.loads(memory.read_text())
    memory.write_text(json.dumps({**told, 'both': ''}))
    assert list(make(clips, out).imported) == ['both']
    assert json.loads(memory.read_text()) == told


def test_a_run_that_was_killed_while_it_wrote_is_gone_on_with(clips: Path, tmp_path: Path):
    """Its last line is cut short; what it had finished is kept, what it had begun is made again."""
    out = tmp_path / 'data'
    make(clips, out)
    memory, notes = out / '.imported.json', out / '.imported.jsonl'
    assert not notes.exists()
    told = json.loads(memory.read_text())
    before = {name: digest for name, digest in told.items() if name != 'both'}
    memory.write_text(json.dumps({**before, 'heard': 'another'}))
    lines = [['heard', ''], ['heard', told['heard']], ['both', ''], ['both', told['both']]]
    notes.write_text('\n'.join(map(json.dumps, lines))[:-9])
    assert list(make(clips, out).imported) == ['both']
    assert json.loads(memory.read_text()) == told
    assert not notes.exists()


def test_what_is_written_down_does_not_grow_with_what_there_is(
    clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """The one file is written once in a run, however many clips there are; lines are appended."""
    written: list[str] = []
    real = import_clips_module.replace_text

    def replace(path: Path, *rest: str) -> None:
        written.append(path.name)
        real(path, *rest)

    monkeypatch.setattr(import_clips_module, 'replace_text', replace)
    monkeypatch.setattr(
        import_clips_module._Memory, 'keep', lambda memory: kept.append(notes_of(memory))
    )
    kept: list[list[str]] = []

    def notes_of(memory: Any) -> list[str]:
        return memory._notes.read_text().splitlines()

    make(clips, tmp_path / 'data')
    assert written == []
    assert [len(lines) for lines in kept] == [8], 'begun and finished, of four clips'
    monkeypatch.undo()
    monkeypatch.setattr(import_clips_module, 'replace_text', replace)
    make(clips, tmp_path / 'data')
    make(clips, tmp_path / 'data')
    assert written == ['.imported.json'], 'none where nothing is new'


def test_what_is_not_ours_is_not_replaced(clips: Path, tmp_path: Path):
    out = tmp_path / 'data'
    make(clips, out)
    (out / '.imported.json').unlink()
    found = make(clips, out)
    assert found.imported == {}
    assert all('exists and was not made from a table' in problem for problem in found.problems)
    assert len(make(clips, out, overwrite=True).imported) == 4


def test_the_same_clips_give_the_same_recordings_anywhere(clips: Path, tmp_path: Path):
    make(clips, tmp_path / 'one')
    other = shutil.copytree(clips, tmp_path / 'elsewhere', copy_function=shutil.copy)
    make(other, tmp_path / 'two')
    for name in ('both', 'heard', 'seen'):
        keys = [
            recording_key(tmp_path / n / name, ModelConfig(), SyncConfig()) for n in ('one', 'two')
        ]
        assert keys[0] == keys[1]


def test_splits_of_other_recordings_stay(clips: Path, tmp_path: Path):
    out = tmp_path / 'data'
    make(clips, out)
    shutil.copytree(out / 'seen', out / 'mine')
    (out / 'splits.csv').write_text('recording,split,image\nmine,test,/camera/image_raw\n')
    make(clips, out)
    table = read_splits(out)
    assert table[out / 'mine'].split == 'test'
    assert table[out / 'mine'].recorded == {'image': '/camera/image_raw'}
    assert table[out / 'both'].group == '1'


def test_a_table_of_splits_that_cannot_be_read_is_not_replaced(clips: Path, tmp_path: Path):
    out = tmp_path / 'data'
    make(clips, out)
    (out / 'splits.csv').write_text('recording,spilt\n')
    with pytest.raises(RecordingError, match=r"splits.csv:1: .*'split' is missing"):
        make(clips, out)
    assert (out / 'splits.csv').read_text() == 'recording,spilt\n'


def test_an_interrupted_import_knows_the_splits_of_what_is_there(clips: Path, tmp_path: Path):
    (clips / 'clips.csv').write_text('clip,label,split\nboth.mp4,x,test\nseen.mp4,x,train\n')

    def interrupt(done: int, name: str) -> None:
        if done:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        import_clips(find_clips(clips), tmp_path / 'data', progress=interrupt)
    found = read_splits(tmp_path / 'data')
    assert {path.name: a.split for path, a in found.items()} == {'both': 'test'}


def test_splits_that_are_taken_back_are_gone(clips: Path, tmp_path: Path):
    for split in ('test', ''):
        (clips / 'clips.csv').write_text(f'clip,label,split\nseen.mp4,x,{split}\n')
        make(clips, tmp_path / 'data')
    assert [a.split for a in read_splits(tmp_path / 'data').values()] == ['']


def test_a_clip_that_broke_is_said_to_be_there_still(clips: Path, tmp_path: Path):
    make(clips, tmp_path / 'data')
    (clips / 'heard.wav').write_bytes(b'junk')
    (problem,) = make(clips, tmp_path / 'data').problems
    assert problem.endswith(f'what was imported before is still at {tmp_path / "data" / "heard"}')


def test_the_way_to_a_folder_does_not_matter(
    clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    make(clips, tmp_path / 'data')
    monkeypatch.chdir(clips)
    assert not make(Path(), tmp_path / 'data').imported


def test_an_empty_list_makes_nothing(tmp_path: Path):
    nothing = ClipList(source=tmp_path, rows=(), problems=())
    assert import_clips(nothing, tmp_path / 'data').imported == {}
    assert not (tmp_path / 'data').exists()
