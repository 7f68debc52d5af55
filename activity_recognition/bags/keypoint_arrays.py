"""Files with the key points of a body, as motion capture and pose estimators give -> recordings.

What the arrays of a file are called and mean is in docs/data.md.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from activity_recognition.bags import camera_arrays
from activity_recognition.bags.array_checks import demand_array, stamps_of
from activity_recognition.bags.array_file import read_arrays
from activity_recognition.bags.imported import (
    START_NS,
    FilesBeside,
    ImportedRecording,
    Transcript,
    new_recording,
    write_import,
)
from activity_recognition.bags.subtitles import SPEECH_DELAY_S
from activity_recognition.bags.tables import array_keys, in_arrays
from activity_recognition.errors import RecordingError, quoted
from activity_recognition.keypoints import (
    SKELETONS,
    KeyPoints,
    draw_figure,
    name_fault,
    size_fault,
)
from activity_recognition.media.clip import Clip
from activity_recognition.sensors.size import LEAST_SIDE_PX
from activity_recognition.types import Frame

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from numpy.typing import NDArray

    from activity_recognition.bags.tables import SensorArrays

    Arrays = Mapping[str, NDArray[Any]]

SUFFIX = '.npz'
"""Of a file with key points."""
KEYS = ('joints', 'names', 't_s', 'scores', 'image_size', *camera_arrays.KEYS)
_NEEDED = ('joints', 'names', 't_s', 'image_size')
_LEAST_EXTENT_PX = 2.0


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class KeyPointArrays:
    """The key points of one body in T frames, and what was recorded beside them."""

    path: Path
    names: tuple[str, ...]
    """Of the J joints."""
    joints_px: NDArray[np.float32]
    """(T, J, 2); NaN where missing."""
    scores: NDArray[np.float32] | None
    """(T, J)."""
    stamps_ns: NDArray[np.int64]
    """(T,), from the start of the recording, growing."""
    size_px: tuple[int, int]
    """Width and height of the image."""
    beside: Mapping[str, SensorArrays]
    """What the file has of other sensors, by modality."""

    @classmethod
    def read(cls, path: str | Path) -> KeyPointArrays:
        """Read a file.

        Args:
            path: ``.npz`` file.

        Raises:
            RecordingError: for a file that cannot be used, naming the array that is at fault.
        """
        path = Path(path)
        arrays = read_arrays(path)
        _check_keys(path, arrays)
        joints = demand_array(path, 'joints', arrays['joints'], _joints_shape(arrays['joints']))
        frames, count, _ = joints.shape
        names = _names(path, arrays['names'], count)
        _check_finite(path, joints, names)
        size_px = _size(path, arrays['image_size'])
        found = cls(
            path=path,
            names=names,
            joints_px=camera_arrays.pixels_of(path, joints, arrays),
            scores=_scores(path, arrays.get('scores'), frames, count),
            stamps_ns=stamps_of(path, 't_s', arrays['t_s'], frames),
            size_px=size_px,
            beside=in_arrays(path, arrays),
        )
        found._check_extent()
        return found

    def frames(self, start_ns: int) -> Iterator[Frame]:
        """Yield the frames with their key points, arriving at their stamps.

        Args:
            start_ns: stamp of the start.
        """
        for index, since_ns in enumerate(self.stamps_ns):
            points = self.key_points(index)
            yield Frame(
                stamp_ns=start_ns + int(since_ns),
                arrival_ns=start_ns + int(since_ns),
                image=draw_figure(points, least_side_px=LEAST_SIDE_PX),
                frame_id='camera',
                key_points=points,
            )

    def key_points(self, index: int) -> KeyPoints:
        """Return the key points of one frame."""
        scores = None if self.scores is None else self.scores[index]
        return KeyPoints.of(self.names, self.joints_px[index], scores, self.size_px)

    def _check_extent(self) -> None:
        """Refuse key points that are no pixels, or none."""
        seen = np.asarray(np.isfinite(self.joints_px).all(axis=2))
        if not seen.any():
            raise RecordingError(
                f'{self.path}: joints: none lies in view of the camera in any frame; joints have '
                'x to the right, y down and z ahead of it, or camera_pose says how they lie'
            )
        low = np.where(seen[..., None], self.joints_px, np.inf).min(axis=1)
        high = np.where(seen[..., None], self.joints_px, -np.inf).max(axis=1)
        extent = float((high - low)[seen.any(axis=1)].max())
        if extent < _LEAST_EXTENT_PX < max(self.size_px) and len(self.names) > 1:
            raise RecordingError(
                f'{self.path}: joints: expected pixels, but all joints lie within {extent:.3g} of '
                'each other; multiply normalised places by image_size'
            )


def import_key_points(
    arrays: str | Path,
    out: str | Path,
    *,
    audio: str | Path | None = None,
    transcript: Transcript | None = None,
    labels: str | Path | None = None,
    label: str = '',
    tables: Mapping[str, str | Path] | None = None,
    speech_delay_s: float = SPEECH_DELAY_S,
    audio_channels: str = 'mean',
    storage: str = 'mcap',
    start_ns: int = START_NS,
    overwrite: bool = False,
    progress: Callable[[float], None] | None = None,
) -> ImportedRecording:
    """Write a recording with key points in the place of images, and what goes with them.

    All files count from the same start. A frame arrives at its stamp, audio at each chunk's end, an
    utterance ``speech_delay_s`` after its end.

    Args:
        arrays: ``.npz`` file (docs/data.md).
        out: the recording to make, a folder.
        audio: any file with audio that FFmpeg reads; None without.
        transcript: ``.srt`` or ``.vtt`` file, or what such a file would hold; None without.
        labels: label file, copied into the recording; None without.
        label: of the whole recording, in place of a label file.
        tables: of other sensors than those in the arrays, by modality.
        speech_delay_s: how long a speech recogniser is taken to need after an utterance's end.
        audio_channels: which of several audio channels is kept: ``mean``, an index, ``auto``.
        storage: ``mcap`` or ``sqlite3``.
        start_ns: stamp of the start.
        overwrite: replace an existing recording.
        progress: called with the seconds done so far.

    Raises:
        RecordingError: for a file that cannot be used, naming it, and the array or the line.
        ConfigError: for another ``audio_channels`` than these.
        MissingExtraError: with audio and without PyAV.
    """
    source = KeyPointArrays.read(arrays)
    clip = None if audio is None else _with_audio(Clip(audio, audio_channels=audio_channels))
    beside = FilesBeside.read(transcript, labels, tables, speech_delay_s, label)
    beside = beside.with_arrays(source.path, source.beside)
    writer = new_recording(out, start_ns=start_ns, storage=storage, overwrite=overwrite)
    tracks = (source.frames(start_ns), clip.audio(start_ns) if clip else iter(()))
    return write_import(
        writer,
        tracks,
        beside,
        start_ns,
        check=lambda written: beside.demand_within(source.path, written.duration_s),
        skipped=clip.skipped if clip else {},
        progress=progress,
    )


def _with_audio(clip: Clip) -> Clip:
    if not clip.has_audio:
        raise RecordingError(f'{clip.path}: has no audio')
    return clip


def _check_keys(path: Path, arrays: Arrays) -> None:
    known = (*KEYS, *array_keys())
    for key in arrays:
        if key not in known:
            near = difflib.get_close_matches(key[:100], known, n=1)
            hint = f'; did you mean {near[0]}?' if near else ''
            raise RecordingError(
                f'{path}: unknown array {quoted(key)}{hint} Known are {", ".join(known)}'
            )
    if missing := [key for key in _NEEDED if key not in arrays]:
        raise RecordingError(
            f'{path}: expected the arrays {", ".join(_NEEDED)}; {", ".join(missing)} is missing'
        )


def _joints_shape(joints: NDArray[Any]) -> tuple[int | None, ...]:
    return (None, None, 3 if joints.ndim == 3 and joints.shape[2] == 3 else 2)


def _names(path: Path, names: NDArray[Any], count: int) -> tuple[str, ...]:
    """Return the names of the joints: given one by one, or by that of a skeleton."""
    if names.ndim == 0 and names.dtype.kind == 'U':
        skeleton = str(names)
        if skeleton not in SKELETONS:
            raise RecordingError(
                f'{path}: names: expected a name for each joint, or one of '
                f'{", ".join(SKELETONS)}, got {quoted(skeleton)}'
            )
        found = SKELETONS[skeleton]
        if len(found) != count:
            raise RecordingError(
                f'{path}: names: {skeleton} has {len(found)} joints, but joints has {count}'
            )
        return found
    found = tuple(map(str, demand_array(path, 'names', names, (count,), kinds='U').tolist()))
    if fault := name_fault(found):
        raise RecordingError(f'{path}: names: {fault}')
    return found


def _check_finite(path: Path, joints: NDArray[Any], names: tuple[str, ...]) -> None:
    """Refuse what is infinite; NaN is a joint that is missing."""
    wrong = np.isinf(joints).any(axis=2)
    if wrong.any():
        frame, joint = map(int, np.argwhere(wrong)[0])
        raise RecordingError(
            f'{path}: joints: {quoted(names[joint])} of frame {frame} is infinite; what is missing '
            'is NaN'
        )


def _size(path: Path, size: NDArray[Any]) -> tuple[int, int]:
    """Return width and height of the image."""
    values = demand_array(path, 'image_size', size, (2,)).tolist()
    sides = [int(value) if 0 < value < 2**31 else 0 for value in values]
    if sides != values or size_fault(*sides):
        raise RecordingError(
            f'{path}: image_size: expected width and height in whole pixels, got {quoted(values)}'
        )
    return sides[0], sides[1]


def _scores(
    path: Path, scores: NDArray[Any] | None, frames: int, count: int
) -> NDArray[np.float32] | None:
    if scores is None:
        return None
    values = demand_array(path, 'scores', scores, (frames, count)).astype(np.float64)
    if ((values < 0) | (values > 1)).any():
        frame, joint = map(int, np.argwhere((values < 0) | (values > 1))[0])
        raise RecordingError(
            f'{path}: scores: expected values in [0, 1], got {values[frame, joint]} in frame '
            f'{frame}'
        )
    return values.astype(np.float32)
