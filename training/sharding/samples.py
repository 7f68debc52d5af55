"""A recording's arrays as samples of ten seconds, each a handful of files, and back.

Frames are one PNG, each below the one before: lossless, half as large as the pixels, and shown by
anything. T frames, S side.
"""

from __future__ import annotations

import io
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, cast

import cv2
import numpy as np
from numpy.typing import NDArray

from activity_recognition.errors import DecodeError, printable
from activity_recognition.inference.trace import SegmentArrays
from activity_recognition.modalities import DECISION_KEYS, SPECS
from activity_recognition.text_files import demand_mapping, parse_json
from activity_recognition.training.data.cache import modality_names, named_modalities
from activity_recognition.training.data.preprocessing import (
    WIDE,
    RecordedArrays,
    depending_keys,
    large_keys,
    small_keys,
)
from activity_recognition.training.sharding.manifest import label_rows, to_json
from activity_recognition.types import LabelSpan, to_ns

SAMPLE_S = 10.0
"""Length of a sample; it is cut by arrival."""
_ARRIVALS = {
    WIDE: 'frame_arrivals',
    **{array.name: spec.arrivals_key for spec in SPECS for array in spec.stored_arrays},
    **{key: spec.arrivals_key for spec in SPECS for key in spec.stored_keys},
    **dict.fromkeys(DECISION_KEYS, DECISION_KEYS[1]),
}
"""The arrivals that each array goes along with."""
_PNG = [cv2.IMWRITE_PNG_COMPRESSION, 1]
"""The quickest: higher levels save 2 % and take half as long again."""

Sample = Mapping[str, Any]
"""Files by their endings, and ``__key__``, as WebDataset has them."""


def to_samples(
    name: str, key: str, arrays: RecordedArrays, spans: Iterable[LabelSpan]
) -> Iterator[dict[str, Any]]:
    """Cut a recording into samples whose bytes follow from what they hold.

    Args:
        name: of the recording.
        key: of the recording; begins the samples' keys.
        arrays: of the recording.
        spans: its labels.
    """
    spans = tuple(spans)
    for number, segment in enumerate(arrays.segments):
        for place, (start_ns, end_ns) in enumerate(_spans(segment)):
            inside = [
                span
                for span in spans
                if arrays.start_ns + to_ns(span.start_s) < end_ns
                and arrays.start_ns + to_ns(span.end_s) > start_ns
            ]
            index = {
                'recording': name,
                'start_ns': arrays.start_ns,
                'dropped': arrays.dropped,
                'segment': number,
                'labels': label_rows(inside),
                **modality_names(arrays),
            }
            sample = _encode(_cut(segment, start_ns, end_ns), index)
            yield {'__key__': f'{key}-{number:03d}-{place:05d}', **sample}


def from_samples(samples: Iterable[Sample], *, wide: bool) -> RecordedArrays:
    """Join the samples of a recording, in order; ``wide`` reads the images with a margin too.

    Args:
        samples: of one recording, in order.
        wide: whether to read the images with a margin.

    Raises:
        DecodeError: one of them is damaged.
    """
    parts: defaultdict[int, list[SegmentArrays]] = defaultdict(list)
    index: dict[str, Any] = {}
    for sample in samples:
        try:
            index, part = _decode(sample, wide=wide)
        except (KeyError, TypeError, ValueError, OSError, DecodeError, cv2.error) as error:
            raise DecodeError(
                f'sample {sample.get("__key__")}: {printable(repr(error), 300)}'
            ) from error
        parts[index['segment']].append(part)
    if not index:
        raise DecodeError('no samples')
    return RecordedArrays(
        start_ns=index['start_ns'],
        dropped=index['dropped'],
        segments=tuple(_join(parts[number]) for number in sorted(parts)),
    )


def _spans(segment: SegmentArrays) -> Iterator[tuple[int, int]]:
    """Yield the beginning and the end of each sample's time of arrival.

    Where nothing arrives there is no sample: a board without a clock of its own begins in 1970.
    """
    arrivals = [value for name, value in segment.arrays.items() if name.endswith('_arrivals')]
    start_ns = min(int(value[0]) for value in arrivals if len(value))
    step_ns = to_ns(SAMPLE_S)
    for place in np.unique(np.concatenate([(value - start_ns) // step_ns for value in arrivals])):
        begin_ns = start_ns + int(place) * step_ns
        yield begin_ns, begin_ns + step_ns


def _cut(segment: SegmentArrays, start_ns: int, end_ns: int) -> SegmentArrays:
    slices = {}
    for name, arrivals in segment.arrays.items():
        if name.endswith('_arrivals'):
            first, last = np.searchsorted(arrivals, [start_ns, end_ns])
            slices[name] = slice(int(first), int(last))
    arrays = {name: value[slices[_ARRIVALS[name]]] for name, value in segment.arrays.items()}
    spoken = slices.get('transcript_arrivals', slice(0))
    return SegmentArrays(arrays=arrays, texts=segment.texts[spoken])


def _join(parts: list[SegmentArrays]) -> SegmentArrays:
    names = parts[0].arrays
    return SegmentArrays(
        arrays={name: np.concatenate([part.arrays[name] for part in parts]) for name in names},
        texts=tuple(text for part in parts for text in part.texts),
    )


def _encode(part: SegmentArrays, index: Mapping[str, Any]) -> dict[str, bytes]:
    large = [name for name in (*large_keys(part.modalities), WIDE) if name in part.arrays]
    images = {name: part.arrays[name] for name in large if _is_images(part.arrays[name])}
    content = {
        **index,
        'texts': list(part.texts),
        'pictures': {name: list(frames.shape[:2]) for name, frames in images.items()},
    }
    times, small = io.BytesIO(), {name: part.arrays[name] for name in small_keys(part.modalities)}
    np.savez(times, **cast(dict[str, Any], small))
    return {
        **{f'{name}.png': _to_png(frames) for name, frames in images.items() if len(frames)},
        'json': to_json(content),
        **{f'{name}.npy': _to_npy(part.arrays[name]) for name in large if name not in images},
        'times.npz': times.getvalue(),
    }


def _decode(sample: Sample, *, wide: bool) -> tuple[dict[str, Any], SegmentArrays]:
    index = demand_mapping(
        parse_json(sample['json'], DecodeError, where='json'), DecodeError, where='json'
    )
    if not all(isinstance(index[name], int) for name in ('segment', 'start_ns', 'dropped')):
        raise TypeError('expected integers as segment, start_ns and dropped')
    modalities = named_modalities(index)
    with np.load(io.BytesIO(sample['times.npz']), allow_pickle=False) as file:
        arrays = {name: file[name] for name in small_keys(modalities)}
    optional = depending_keys(modalities)
    for name in (*large_keys(modalities), *([WIDE] if wide else [])):
        if name not in optional or name in index['pictures'] or f'{name}.npy' in sample:
            arrays[name] = _read_large(sample, name, index)
    return index, SegmentArrays(arrays=arrays, texts=tuple(index['texts']))


def _read_large(sample: Sample, name: str, index: Mapping[str, Any]) -> NDArray[Any]:
    if name not in index['pictures']:
        return np.asarray(np.load(io.BytesIO(sample[f'{name}.npy']), allow_pickle=False))
    count, side = index['pictures'][name]
    if not count:
        return np.zeros((0, side, side, 3), np.uint8)
    return _from_png(sample[f'{name}.png'], count, side)


def _is_images(values: NDArray[Any]) -> bool:
    """Tell images (T, S, S, 3), which are kept as one, from arrays that are kept as they are."""
    return values.dtype == np.uint8 and values.ndim == 4


def _to_npy(values: NDArray[Any]) -> bytes:
    file = io.BytesIO()
    np.save(file, values, allow_pickle=False)
    return file.getvalue()


def _to_png(frames: NDArray[np.uint8]) -> bytes:
    """Return frames (T, S, S, 3) as one image (T * S, S)."""
    strip = cv2.cvtColor(frames.reshape(-1, *frames.shape[2:]), cv2.COLOR_RGB2BGR)
    return bytes(cv2.imencode('.png', strip, _PNG)[1])


def _from_png(content: bytes, count: int, side: int) -> NDArray[np.uint8]:
    strip = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
    if strip is None or strip.shape != (count * side, side, 3):
        raise ValueError(f'expected an image of {count} frames of {side} pixels, got another')
    return np.asarray(cv2.cvtColor(strip, cv2.COLOR_BGR2RGB), np.uint8).reshape(
        count, side, side, 3
    )
