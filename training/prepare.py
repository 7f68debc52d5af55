"""One recording through the node's own way in, kept on disk as memory-mapped arrays.

The arrays are exactly what the recogniser's front ends make of the same records. Utterances are
kept as text, because word pieces depend on a tokenizer that training makes later.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from activity_recognition.bags import RecordingReader, label_files, load_labels
from activity_recognition.config import ModelConfig, SyncConfig
from activity_recognition.config_io import to_mapping
from activity_recognition.errors import ActivityRecognitionError, RecordingError
from activity_recognition.inference import trace
from activity_recognition.streams import windows
from activity_recognition.training.segments import Segment
from activity_recognition.training.targets import LabelTrack
from activity_recognition.training.threads import one_thread

_LAYOUT = 1
"""Version of the files below; part of every key."""
_INDEX = 'segments.json'
_MAPPED = ('frames', 'spectrograms')
_SMALL = (
    'frame_stamps',
    'frame_arrivals',
    'spectrogram_stamps',
    'spectrogram_arrivals',
    'spectrogram_mask',
    'transcript_stamps',
    'transcript_arrivals',
    'decision_stamps',
    'decision_arrivals',
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Preparation:
    """What to prepare, how, and where to keep it; sent to worker processes."""

    recording: Path
    cache: Path
    model: ModelConfig
    """Only the parts that shape the network's inputs matter."""
    sync: SyncConfig


@dataclass(frozen=True, kw_only=True, slots=True)
class PreparedRecording:
    """A recording whose arrays lie in the cache."""

    recording: Path
    key: str
    folder: Path
    start_ns: int
    """Start of the recording, from which its labels count."""
    texts: tuple[tuple[str, ...], ...]
    """Utterances per segment."""
    dropped: int
    """Messages that could not be decoded."""

    def segments(self, labels: Sequence[str]) -> list[Segment]:
        """Open the arrays and read the labels as classes of ``labels``.

        Raises:
            RecordingError: the labels are missing, damaged, or not among ``labels``.
        """
        track = LabelTrack.from_spans(load_labels(self.recording), labels, self.start_ns)
        return [
            _open_segment(self.folder / str(index), texts, track)
            for index, texts in enumerate(self.texts)
        ]


def prepare(work: Preparation) -> PreparedRecording | str:
    """Prepare one recording unless the cache holds it; returns what is wrong with a bad one."""
    try:
        key = cache_key(work)
        folder = work.cache / key
        if not (folder / _INDEX).is_file():
            _write(work, folder)
        return _read(work.recording, folder)
    except (ActivityRecognitionError, OSError) as error:
        return f'{work.recording}: {error}' if isinstance(error, OSError) else str(error)


def cache_key(work: Preparation) -> str:
    """Return 32 hexadecimal digits that change with the recording and with the preprocessing.

    Labels are no part of it: they are read anew each time.
    """
    settings = {
        'layout': _LAYOUT,
        'input_size_px': work.model.video.input_size_px,
        'audio': to_mapping(work.model.audio),
        'sync': to_mapping(work.sync),
    }
    digest = hashlib.blake2b(json.dumps(settings, sort_keys=True).encode(), digest_size=16)
    labels = label_files(work.recording)
    for file in _files(work.recording):
        if file not in labels:
            digest.update(f'{file.name}\0{file.stat().st_size}\0'.encode())
            _update_with_file(digest, file)
    return digest.hexdigest()


def _files(recording: Path) -> list[Path]:
    if recording.is_file():
        return [recording]
    return sorted(path for path in recording.rglob('*') if path.is_file())


def _update_with_file(digest: hashlib.blake2b, path: Path) -> None:
    with path.open('rb') as file:
        while block := file.read(1 << 20):
            digest.update(block)


def _write(work: Preparation, folder: Path) -> None:
    """Run the recording through the front ends; the folder appears whole or not at all."""
    audio = work.model.audio
    with (
        one_thread(),
        RecordingReader(
            work.recording,
            sample_rate_hz=audio.sample_rate_hz,
            max_gap_s=audio.max_gap_s,
            reset_after_s=work.sync.reset_after_s,
        ) as reader,
    ):
        parts = trace.segments(windows(reader.samples(), work.sync), work.model)
        start_ns, dropped = reader.start_ns, reader.drops.total
    parts = [part for part in parts if part.images or part.audio or part.utterances]
    if not parts:
        raise RecordingError(f'{work.recording}: expected samples, found none that can be read')
    index = {
        'start_ns': start_ns,
        'dropped': dropped,
        'texts': [[utterance.text for utterance in part.utterances] for part in parts],
    }
    work.cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=work.cache, prefix='.part-') as temporary:
        staged = Path(temporary) / 'recording'
        for number, part in enumerate(parts):
            _write_segment(staged / str(number), part, work.model)
        (staged / _INDEX).write_text(json.dumps(index), encoding='utf-8')
        if folder.exists():
            shutil.rmtree(folder)
        staged.replace(folder)


def _write_segment(folder: Path, part: trace.Segment, model: ModelConfig) -> None:
    folder.mkdir(parents=True)
    arrays: dict[str, Any] = {
        **part.video_arrays(model),
        **part.audio_arrays(model),
        'transcript_stamps': np.array([u.stamp_ns for u in part.utterances], np.int64),
        'transcript_arrivals': np.array([u.arrival_ns for u in part.utterances], np.int64),
        'decision_stamps': np.array([d.t_ns for d in part.decisions], np.int64),
        'decision_arrivals': np.array([d.arrival_ns for d in part.decisions], np.int64),
    }
    for name in _MAPPED:
        np.save(folder / f'{name}.npy', arrays[name], allow_pickle=False)
    np.savez(folder / 'small.npz', **{name: arrays[name] for name in _SMALL})


def _read(recording: Path, folder: Path) -> PreparedRecording:
    index = json.loads((folder / _INDEX).read_text(encoding='utf-8'))
    return PreparedRecording(
        recording=recording,
        key=folder.name,
        folder=folder,
        start_ns=index['start_ns'],
        texts=tuple(tuple(texts) for texts in index['texts']),
        dropped=index['dropped'],
    )


def _open_segment(folder: Path, texts: tuple[str, ...], labels: LabelTrack) -> Segment:
    # Copy-on-write maps: nothing is read before it is used, and torch may share the memory.
    mapped = {
        name: np.load(folder / f'{name}.npy', mmap_mode='c', allow_pickle=False) for name in _MAPPED
    }
    with np.load(folder / 'small.npz', allow_pickle=False) as file:
        small = {name: file[name] for name in _SMALL}
    return Segment(
        **mapped,
        **small,
        texts=texts,
        transcript_tokens=np.zeros((len(texts), 0), np.int64),
        transcript_token_mask=np.zeros((len(texts), 0), np.bool_),
        labels=labels,
    )
