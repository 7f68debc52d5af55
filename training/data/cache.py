"""Recordings kept on disk as memory-mapped arrays: what training cuts crops from.

The arrays are exactly what the recogniser's front ends make of the same records. Utterances are
kept as text, because token ids depend on a tokenizer that training makes later. A folder of the
cache is filled from the recording itself, or from shards that were made of it.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from activity_recognition.bags import label_files, load_labels
from activity_recognition.config import AudioConfig, ModelConfig, SyncConfig
from activity_recognition.config_io import to_mapping, to_stored_mapping
from activity_recognition.errors import (
    ActivityRecognitionError,
    OutputError,
    RecordingError,
    printable,
)
from activity_recognition.front_ends.pose import finder_identity
from activity_recognition.inference.lanes.sound_patches import backbone_identity
from activity_recognition.inference.trace import SegmentArrays
from activity_recognition.modalities import DEFAULT_MODALITIES, SPECS, modalities_of
from activity_recognition.recorded import DEFAULTS, RecordedConfig
from activity_recognition.scratch import scratch_folder, writing
from activity_recognition.sensors.size import LEAST_SIDE_PX
from activity_recognition.text_files import read_json_object
from activity_recognition.training.data.preprocessing import (
    OF_FRONT_ENDS,
    WIDE,
    RecordedArrays,
    depending_keys,
    large_keys,
    preprocess_recording,
    small_keys,
)
from activity_recognition.training.data.segments import LabelledSegment
from activity_recognition.training.data.targets import LabelTrack
from activity_recognition.types import LabelSpan, Modality

LAYOUT = 1
"""Version of the arrays; part of every key."""
_INDEX = 'segments.json'


@dataclass(frozen=True, kw_only=True, slots=True)
class Preparation:
    """What to read, how, and where to keep it; sent to worker processes."""

    recording: Path
    cache: Path
    model: ModelConfig
    """Only the parts that shape the network's inputs matter."""
    sync: SyncConfig
    wide_px: int = 0
    """Side of the larger images that crops are cut from, kept beside the network's; 0: none."""
    recorded: RecordedConfig = DEFAULTS
    """Which topics of the recording are used, and what they mean."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PreparedRecording:
    """A recording whose arrays lie in the cache."""

    recording: Path
    """Where it was read; for one of shards, its path below the shards."""
    key: str
    folder: Path
    start_ns: int
    """Start of the recording, from which its labels count."""
    texts: tuple[tuple[str, ...], ...]
    """Utterances per segment."""
    dropped: int
    """Messages that could not be decoded."""
    spans: tuple[LabelSpan, ...] | None = None
    """Its labels where shards have them; None reads them where the recording keeps them."""
    recorded: RecordedConfig = DEFAULTS
    """Which of its topics were used, and what they mean."""
    modalities: tuple[Modality, ...] = DEFAULT_MODALITIES
    """Those it has arrays of."""

    @property
    def identity(self) -> str:
        """Digest of the recording, the preprocessing, and how its topics were read."""
        return _identity(self.key, self.recorded)

    def segments(self, labels: Sequence[str]) -> list[LabelledSegment]:
        """Open the arrays and read the labels as classes of ``labels``.

        Raises:
            RecordingError: the labels are missing, damaged, or not among ``labels``.
        """
        spans = load_labels(self.recording) if self.spans is None else self.spans
        track = LabelTrack.from_spans(spans, labels, self.start_ns)
        return [
            _open_segment(self.folder / str(index), self.modalities, texts, track)
            for index, texts in enumerate(self.texts)
        ]


def cache_recording(work: Preparation) -> PreparedRecording | str:
    """Fill the cache from a recording unless it is there; returns what is wrong with a bad one.

    Raises:
        OutputError: the cache cannot be written, which is no fault of the recording.
        CheckpointError, MissingExtraError, WeightsError: a frozen network in front of the network
            cannot run here, or is another one, which is no fault of the recording either.
    """
    try:
        key = recording_key(work.recording, work.model, work.sync)
        folder = cache_folder(work.cache, key, work.wide_px, work.recorded)
        if not is_cached(folder):
            arrays = preprocess_recording(
                work.recording,
                work.model,
                work.sync,
                wide_px=work.wide_px,
                recorded=work.recorded,
            )
            write_arrays(arrays, folder)
        return read_cached(work.recording, key, folder, recorded=work.recorded)
    except (OutputError, *OF_FRONT_ENDS):
        raise
    except (ActivityRecognitionError, OSError) as error:
        return f'{work.recording}: {error}' if isinstance(error, OSError) else str(error)


def recording_key(recording: Path, model: ModelConfig, sync: SyncConfig) -> str:
    """Return 32 hexadecimal digits that change with the recording and with the preprocessing.

    Labels are no part of it: they are read again each time. Neither is how the topics are read:
    with another microphone it is the same recording, which must not be trained on and measured
    with.

    Args:
        recording: rosbag2 folder or bag file.
        model: of the network.
        sync: admission and the decisions' times.
    """
    return _keys(recording, [preprocessing(model, sync)])[0]


def possible_keys(recording: Path, model: ModelConfig, sync: SyncConfig) -> list[str]:
    """Return the keys that a recording has for a network, or had in shards that it was trained on.

    These may hold more modalities than the network has, and before settings that change no array
    were left out, a key depended on them.

    Args:
        recording: rosbag2 folder or bag file.
        model: of the network.
        sync: admission and the decisions' times.
    """
    others = [spec.name for spec in SPECS if spec.name not in model.modalities]
    more = [added for count in range(len(others) + 1) for added in combinations(others, count)]
    models = [
        replace(
            model,
            modalities=tuple(s.name for s in SPECS if s.name in (*model.modalities, *added)),
        )
        for added in more
    ]
    made = [of(model, sync) for model in models for of in (preprocessing, _all_settings)]
    return _keys(recording, made)


def _keys(recording: Path, made: Sequence[Mapping[str, Any]]) -> list[str]:
    texts = dict.fromkeys(json.dumps(settings, sort_keys=True) for settings in made)
    digests = [hashlib.blake2b(text.encode(), digest_size=16) for text in texts]
    labels = label_files(recording)
    for file in _files(recording):
        if file not in labels:
            for digest in digests:
                digest.update(f'{file.name}\0{file.stat().st_size}\0'.encode())
            _update_with_file(digests, file)
    return [digest.hexdigest() for digest in digests]


_OF = {
    Modality.VIDEO: ('input_size_px', 'least_side_px', 'key_points', 'key_point_finder', 'images'),
    Modality.AUDIO: ('sound_backbone',),
}
_MODALITIES = 'modalities'
"""Keys of :func:`preprocessing` about frames and sound, and about which modalities there are."""


_AFTER_ARRAYS = ('channels', 'window_s', 'max_tokens')
"""Settings of an encoder on which no array depends. How far its convolutions reach is not among
them, for longer holes are shortened to that."""


def preprocessing(model: ModelConfig, sync: SyncConfig) -> dict[str, Any]:
    """Return all that the arrays of a recording depend on, beside the recording.

    Args:
        model: of the network.
        sync: admission and the decisions' times.
    """
    return what_shapes_arrays(_all_settings(model, sync))


def what_shapes_arrays(made: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings of preprocessing with the default of what changes no array.

    Not without it: of networks with the defaults, keys stay those that checkpoints remember.

    Args:
        made: of :func:`preprocessing`, of this version or an older one.
    """
    encoders = {
        name: made[name] | {key: usual[key] for key in _AFTER_ARRAYS if key in made[name]}
        for name, usual in to_mapping(ModelConfig()).items()
        if isinstance(made.get(name), dict) and isinstance(usual, dict)
    }
    waiting = {name: value for name, value in to_mapping(SyncConfig()).items() if 'queue' in name}
    said = made.get('sync')
    if not isinstance(said, dict):
        return {**made, **encoders}
    sync = {name: waiting.get(name, value) for name, value in said.items()}
    return {**made, **encoders, 'sync': sync}


def _all_settings(model: ModelConfig, sync: SyncConfig) -> dict[str, Any]:
    side_px, least_px = model.video.input_size_px, model.video.least_side_px
    # Below the bound that all share, keys stay those that checkpoints remember (ADR 22).
    decoded = {'least_side_px': least_px} if least_px > LEAST_SIDE_PX else {}
    found = model.video.finds_key_points
    # Of the usual modalities, keys stay those that checkpoints remember.
    usual = modalities_of(model) == DEFAULT_MODALITIES
    others = [m.value for m in modalities_of(model) if m not in DEFAULT_MODALITIES]
    return {
        'layout': LAYOUT,
        'input_size_px': side_px,
        **decoded,
        **({'key_points': list(model.video.joints)} if model.video.key_points else {}),
        **({'key_point_finder': finder_identity(model.video)} if found else {}),
        **({'images': True} if model.video.takes_both else {}),
        **_of_backbone(model.audio),
        'audio': {k: v for k, v in to_mapping(model.audio).items() if not _is_beside(k)},
        # What older recordings, shards and checkpoints do not know has its default there.
        'sync': to_stored_mapping(sync),
        **({} if usual else {_MODALITIES: list(model.modalities)}),
        **{name: to_mapping(getattr(model, name)) for name in others},
    }


def _is_beside(setting: str) -> bool:
    """Tell settings of audio on which spectrograms do not depend, and which older keys lack.

    The backbone's are said elsewhere; ``sounds`` only reads what it gives.
    """
    return 'backbone' in setting or setting == 'sounds'


def _of_backbone(audio: AudioConfig) -> dict[str, Any]:
    """Return what embeddings depend on; nothing where there are none, as in older keys."""
    if not audio.backbone:
        return {}
    return {
        'sound_backbone': {
            'weights': backbone_identity(audio),
            'hop_s': audio.backbone_hop_s,
            'alone': audio.tokens_are_patches,
        }
    }


def for_modalities(made: Mapping[str, Any], modalities: Sequence[str]) -> dict[str, Any]:
    """Return what of :func:`preprocessing` the arrays of some modalities depend on.

    Args:
        made: what it returned for a network.
        modalities: names; where that network lacks one of them, nothing is left out.
    """
    has = made.get(_MODALITIES, [modality.value for modality in DEFAULT_MODALITIES])
    if not set(modalities) <= set(has):
        return dict(made)
    others = {spec.name for spec in SPECS} - set(modalities)
    dropped = {*others, *(key for m, keys in _OF.items() if m.value in others for key in keys)}
    kept = {name: value for name, value in made.items() if name not in dropped}
    return {**kept, _MODALITIES: list(modalities)}


def cache_folder(cache: Path, key: str, wide_px: int, recorded: RecordedConfig = DEFAULTS) -> Path:
    """Return where the cache keeps a recording, read in one way.

    Args:
        cache: folder of all recordings.
        key: of :func:`recording_key`.
        wide_px: side of images with a margin; 0 where there are none.
        recorded: how its topics are read.
    """
    identity = _identity(key, recorded)
    return cache / (f'{identity}-{wide_px}px' if wide_px else identity)


def _identity(key: str, recorded: RecordedConfig) -> str:
    return f'{key}-{recorded.digest}' if recorded.digest else key


def is_cached(folder: Path) -> bool:
    """Return whether a folder of the cache is whole."""
    return (folder / _INDEX).is_file()


def write_arrays(arrays: RecordedArrays, folder: Path) -> None:
    """Write a folder of the cache; it appears whole or not at all.

    Args:
        arrays: of a recording.
        folder: of :func:`cache_folder`.

    Raises:
        OutputError: it cannot be written.
    """
    index = {
        'start_ns': arrays.start_ns,
        'dropped': arrays.dropped,
        'texts': [list(segment.texts) for segment in arrays.segments],
        **modality_names(arrays),
    }
    with (
        writing(folder, 'the prepared recording'),
        scratch_folder(folder.parent, '.part-') as temporary,
    ):
        staged = temporary / 'recording'
        for number, segment in enumerate(arrays.segments):
            _write_segment(staged / str(number), segment)
        (staged / _INDEX).write_text(json.dumps(index), encoding='utf-8')
        if folder.exists() and not is_cached(folder):
            shutil.rmtree(folder)
        try:
            staged.replace(folder)
        except OSError:
            # Another process of this machine was as far at the same time, with the same arrays.
            if not is_cached(folder):
                raise


def modality_names(arrays: RecordedArrays) -> dict[str, list[str]]:
    """Return what an index says of the modalities: nothing where they are the usual ones."""
    found = arrays.segments[0].modalities if arrays.segments else DEFAULT_MODALITIES
    return {} if found == DEFAULT_MODALITIES else {'modalities': [m.value for m in found]}


def named_modalities(index: Mapping[str, Any]) -> tuple[Modality, ...]:
    """Return the modalities that an index names, those of :func:`modality_names`.

    Raises:
        ValueError: one of them is unknown.
    """
    names = index.get('modalities')
    return DEFAULT_MODALITIES if names is None else tuple(Modality(name) for name in names)


def read_cached(
    recording: Path,
    key: str,
    folder: Path,
    spans: tuple[LabelSpan, ...] | None = None,
    recorded: RecordedConfig = DEFAULTS,
) -> PreparedRecording:
    """Return a recording that the cache holds; see :class:`PreparedRecording`.

    Args:
        recording: what to call it, and where its labels are found.
        key: of :func:`recording_key`.
        folder: of :func:`cache_folder`.
        spans: its labels; None reads them where the recording keeps them.
        recorded: how its topics were read.

    Raises:
        RecordingError: the cache is damaged.
    """
    path, advice = folder / _INDEX, f'remove {folder}'
    index = read_json_object(path, RecordingError, what='the cache', advice=advice)
    try:
        return PreparedRecording(
            recording=recording,
            key=key,
            folder=folder,
            start_ns=int(index['start_ns']),
            texts=tuple(tuple(map(str, texts)) for texts in index['texts']),
            dropped=int(index['dropped']),
            spans=spans,
            recorded=recorded,
            modalities=named_modalities(index),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise RecordingError(
            f'{path}: expected the index of cached arrays, cannot read it '
            f'({printable(repr(error), 200)}); {advice}'
        ) from error


def _files(recording: Path) -> list[Path]:
    if recording.is_file():
        return [recording]
    return sorted(path for path in recording.rglob('*') if path.is_file())


def _update_with_file(digests: Sequence[hashlib.blake2b], path: Path) -> None:
    with path.open('rb') as file:
        while block := file.read(1 << 20):
            for digest in digests:
                digest.update(block)


def _write_segment(folder: Path, segment: SegmentArrays) -> None:
    folder.mkdir(parents=True)
    small = small_keys(segment.modalities)
    for name, value in segment.arrays.items():
        if name not in small:
            np.save(folder / f'{name}.npy', value, allow_pickle=False)
    content: dict[str, Any] = {name: segment.arrays[name] for name in small}
    np.savez(folder / 'small.npz', **content)


def _open_segment(
    folder: Path, modalities: tuple[Modality, ...], texts: tuple[str, ...], labels: LabelTrack
) -> LabelledSegment:
    # Copy-on-write maps: nothing is read before it is used, and torch may share the memory.
    optional = {WIDE, *depending_keys(modalities)}
    arrays = {
        name: np.load(folder / f'{name}.npy', mmap_mode='c', allow_pickle=False)
        for name in (*large_keys(modalities), WIDE)
        if name not in optional or (folder / f'{name}.npy').exists()
    }
    with np.load(folder / 'small.npz', allow_pickle=False) as file:
        arrays |= {name: file[name] for name in small_keys(modalities)}
    return LabelledSegment(arrays=arrays, texts=texts, labels=labels)
