"""What a set of shards says of itself: ``manifest.json``, written last."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from activity_recognition.bags.labels import make_span
from activity_recognition.config import ModelConfig, SyncConfig
from activity_recognition.config_io import Difference, build_config, differences
from activity_recognition.errors import ConfigError, RecordingError, quoted
from activity_recognition.modalities import DEFAULT_MODALITIES
from activity_recognition.recorded import DEFAULTS, RecordedConfig
from activity_recognition.text_files import parse_json
from activity_recognition.training.data.cache import (
    for_modalities,
    preprocessing,
    what_shapes_arrays,
)
from activity_recognition.training.data.store import Store, is_below, is_url
from activity_recognition.types import LabelSpan

MANIFEST = 'manifest.json'
SCHEMA = 1
"""Version of the manifest, of the receipts and of the samples."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Shard:
    """One tar file."""

    name: str
    """From the place of the manifest."""
    sha256: str
    size_bytes: int
    samples: int


@dataclass(frozen=True, kw_only=True, slots=True)
class ShardedRecording:
    """One recording and its shards, none of which holds anything of another one."""

    name: str
    """Its path below the recordings' folder."""
    key: str
    """Digest of its content and of the preprocessing."""
    start_ns: int
    dropped: int
    """Messages that could not be decoded."""
    spans: tuple[LabelSpan, ...]
    shards: tuple[Shard, ...]
    split: str = ''
    """From ``splits.csv``; empty leaves it to the draw."""
    group: str = ''
    recorded: RecordedConfig = DEFAULTS
    """Which of its topics were used, and what they mean."""

    @property
    def size_bytes(self) -> int:
        """Of all its shards."""
        return sum(shard.size_bytes for shard in self.shards)


@dataclass(frozen=True, kw_only=True, slots=True)
class Manifest:
    """A set of shards."""

    preprocessing: Mapping[str, Any]
    """What made the arrays; see :func:`activity_recognition.training.data.cache.preprocessing`."""
    wide_px: int
    """Side of the images that views are cropped from; 0 where there are none."""
    recordings: tuple[ShardedRecording, ...]
    left_out: tuple[tuple[str, str], ...]
    """Recordings that could not be used, and why."""
    recorded: RecordedConfig = DEFAULTS
    """Which topics were used in general; of one recording, ``splits.csv`` may have said other."""

    @property
    def labels(self) -> tuple[str, ...]:
        """Labels that occur, by name."""
        return tuple(sorted({span.label for r in self.recordings for span in r.spans}))

    def demand(
        self,
        place: str,
        model: ModelConfig,
        sync: SyncConfig,
        wide_px: int,
        recorded: RecordedConfig = DEFAULTS,
    ) -> None:
        """Make sure that these shards hold a network's inputs; others may lie beside them.

        Args:
            place: what to call the shards.
            model: the network's settings.
            sync: admission and decision rate.
            wide_px: side of images with a margin; 0 needs none.
            recorded: which topics are to be used; settings that have their default are left to
                the shards.

        Raises:
            RecordingError: they were prepared for another one.
        """
        wanted = for_modalities(preprocessing(model, sync), model.modalities)
        made = for_modalities(what_shapes_arrays(self.preprocessing), model.modalities)
        if found := '; '.join(map(_said, differences(made, wanted))):
            raise RecordingError(
                f'{place}: these shards were prepared for another network: {found}; prepare the '
                'recordings again with the recipe that you train with (--config)'
            )
        for name, value in recorded.overrides.items():
            if getattr(self.recorded, name) != value:
                raise RecordingError(
                    f'{place}: these shards were prepared with {name} = '
                    f'{quoted(getattr(self.recorded, name))} where {quoted(value)} is asked for; '
                    'prepare the recordings again with it'
                )
        if wide_px not in (0, self.wide_px):
            raise RecordingError(
                f'{place}: the recipe crops views from images of {wide_px} pixels, these shards '
                f'hold {self.wide_px or "none with a margin"}; prepare the recordings again with '
                "the recipe's margin (--margin), or set augmentation.margin to that of the shards"
            )

    def of_rank(self, rank: int, count: int) -> tuple[ShardedRecording, ...]:
        """Return the recordings whose shards process ``rank`` of ``count`` reads.

        Every recording belongs to one process; the largest are assigned first, each to whoever has
        least, so that the shares are about equal.

        Args:
            rank: of the process, from 0.
            count: of processes.
        """
        if not 0 <= rank < count:
            raise ValueError(f'expected 0 <= rank < count, got {rank} and {count}')
        shares = [0] * count
        mine: set[str] = set()
        for recording in sorted(self.recordings, key=lambda r: (-r.size_bytes, r.name)):
            owner = min(range(count), key=lambda index: (shares[index], index))
            shares[owner] += recording.size_bytes
            if owner == rank:
                mine.add(recording.name)
        return tuple(r for r in self.recordings if r.name in mine)


def holds_shards(data: Path | str) -> bool:
    """Return whether training is to read shards from a place: it has a manifest, or is a URL."""
    return is_url(data) or (Path(data) / MANIFEST).is_file()


def write_manifest(store: Store, manifest: Manifest) -> None:
    """Write the manifest; from then on the shards are a whole.

    Args:
        store: place of the shards.
        manifest: of all of them.
    """
    content = {
        'schema': SCHEMA,
        'preprocessing': dict(manifest.preprocessing),
        'wide_px': manifest.wide_px,
        'labels': list(manifest.labels),
        'recordings': [recording_mapping(r) for r in manifest.recordings],
        'left_out': [{'name': name, 'reason': reason} for name, reason in manifest.left_out],
        **_recorded_mapping(manifest.recorded),
    }
    store.write(MANIFEST, to_json(content))


def read_manifest(store: Store) -> Manifest:
    """Read the manifest of a set of shards.

    Raises:
        RecordingError: there is none, or it is damaged or of another schema.
    """
    where = store.url(MANIFEST)
    if not store.exists(MANIFEST):
        raise RecordingError(
            f'{where}: expected the manifest of prepared shards, found none; '
            '`activity-recognition prepare` writes it when all shards are there'
        )
    content = parse_json(
        store.read(MANIFEST), RecordingError, where=where, advice='prepare the recordings again'
    )
    try:
        schema = content['schema']
        manifest = _manifest(content) if schema == SCHEMA else None
    except (KeyError, TypeError, ValueError, AttributeError, ConfigError, RecordingError) as error:
        raise RecordingError(
            f'{where}: expected the manifest of prepared shards, cannot read it ({error}); '
            'prepare the recordings again'
        ) from error
    if manifest is None:
        raise RecordingError(
            f'{where}: expected a manifest of schema {SCHEMA}, got {quoted(schema)}; '
            'prepare the recordings again'
        )
    return manifest


def _said(difference: Difference) -> str:
    """Say what inputs were made with and what is needed; of the usual nothing is written."""
    usual = [m.value for m in DEFAULT_MODALITIES] if difference.name == 'modalities' else 'none'
    made, needed = (usual if v is None else v for v in (difference.found, difference.wanted))
    return f'{difference.name} = {quoted(made)} where {quoted(needed)} is needed'


def _manifest(content: Mapping[str, Any]) -> Manifest:
    return Manifest(
        preprocessing=dict(content['preprocessing']),
        wide_px=int(content['wide_px']),
        recordings=tuple(recording_from(entry) for entry in content['recordings']),
        left_out=tuple((_text(i['name']), _text(i['reason'])) for i in content['left_out']),
        recorded=_recorded_from(content),
    )


def to_json(content: Mapping[str, Any]) -> bytes:
    """Return JSON whose bytes follow from the content alone."""
    return (json.dumps(content, indent=1, sort_keys=True, ensure_ascii=False) + '\n').encode()


def recording_mapping(recording: ShardedRecording) -> dict[str, Any]:
    """Return what JSON holds of a recording."""
    shards = [
        {'name': s.name, 'sha256': s.sha256, 'size_bytes': s.size_bytes, 'samples': s.samples}
        for s in recording.shards
    ]
    return {
        'name': recording.name,
        'key': recording.key,
        'start_ns': recording.start_ns,
        'dropped': recording.dropped,
        'labels': label_rows(recording.spans),
        'split': recording.split,
        'group': recording.group,
        'shards': shards,
        **_recorded_mapping(recording.recorded),
    }


def recording_from(content: Mapping[str, Any]) -> ShardedRecording:
    """Return the recording that :func:`recording_mapping` described.

    Raises:
        KeyError, TypeError, ValueError, ConfigError, RecordingError: it is something else.
    """
    return ShardedRecording(
        name=_name(content['name']),
        key=_key(content['key']),
        start_ns=int(content['start_ns']),
        dropped=int(content['dropped']),
        spans=_spans(content['labels']),
        split=_text(content['split']),
        group=_text(content['group']),
        shards=tuple(_shard(shard) for shard in content['shards']),
        recorded=_recorded_from(content),
    )


def _recorded_mapping(recorded: RecordedConfig) -> dict[str, Any]:
    """Return what JSON holds of how topics are read: nothing where they are found by type."""
    return {'recorded': recorded.overrides} if recorded.overrides else {}


def _recorded_from(content: Mapping[str, Any]) -> RecordedConfig:
    return build_config(RecordedConfig, dict(content.get('recorded', {})), where='recorded')


def _name(content: Any) -> str:
    """Return the name of a recording or shard, which lies below the place of all."""
    name = _text(content)
    if not is_below(name):
        raise ValueError(f'{quoted(name)} is no name of a file below the folder')
    return name


def _key(content: Any) -> str:
    """Return the key of a recording, which names a folder of the cache."""
    key = _text(content)
    if not re.fullmatch('[0-9A-Za-z]{0,128}', key):
        raise ValueError(f'{quoted(key)} is no key of a recording: expected hexadecimal digits')
    return key


def _shard(content: Mapping[str, Any]) -> Shard:
    return Shard(
        name=_name(content['name']),
        sha256=_text(content['sha256']),
        size_bytes=int(content['size_bytes']),
        samples=int(content['samples']),
    )


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f'expected text, got {quoted(value)}')
    return value


def label_rows(spans: Iterable[LabelSpan]) -> list[list[Any]]:
    """Return start, end and label of each labelled span, seconds."""
    return [[span.start_s, span.end_s, span.label] for span in spans]


def _spans(rows: Sequence[Sequence[Any]]) -> tuple[LabelSpan, ...]:
    return tuple(
        make_span(float(start_s), float(end_s), _text(label)) for start_s, end_s, label in rows
    )
