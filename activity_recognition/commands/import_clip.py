"""Turn an ordinary video file, or the key points of a body, into a recording.

Takes any file FFmpeg reads, its audio if it has some, subtitles as transcripts, and labels. A
track that is absent stays absent. Example:
    activity-recognition import clip.mp4 --transcript clip.srt --labels clip.csv --out clip
Or key points of a body as arrays in a .npz file (docs/data.md), with an audio file beside it:
    activity-recognition import joints.npz --audio room.wav --labels joints.csv --out joints
Tables of other sensors go with either. The labels are a table with the header start_s,end_s,label;
times are seconds from the start.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from activity_recognition.errors import ConfigError
from activity_recognition.modalities import SPECS

if TYPE_CHECKING:
    from collections.abc import Callable

    from activity_recognition.bags.imported import ImportedRecording

HELP = 'turn a video file or key points into a recording'
TAKES_ROS_ARGUMENTS = False
_WITH_TABLE = tuple(spec for spec in SPECS if spec.table)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the clip and what goes with it."""
    parser.add_argument('clip', type=Path, help='video or audio file, or .npz of key points')
    parser.add_argument('--audio', type=Path, help='audio file that goes with key points')
    parser.add_argument('--transcript', type=Path, help='subtitles, .srt or .vtt')
    parser.add_argument('--labels', type=Path, help='table of labels, .csv')
    for spec in _WITH_TABLE:
        parser.add_argument(f'--{spec.name}', type=Path, help=spec.table)
    parser.add_argument('--out', type=Path, required=True, help='recording to write, a folder')
    parser.add_argument(
        '--image', choices=('jpeg', 'png', 'raw'), help='how frames are kept (default: jpeg)'
    )
    parser.add_argument(
        '--audio-channels',
        default='mean',
        help='which of several audio channels is kept: mean, auto (the one with the best '
        'signal), or an index from 0 (default: mean)',
    )
    parser.add_argument('--max-height', type=int, help='shrink higher frames to this, pixels')
    parser.add_argument(
        '--storage', choices=('mcap', 'sqlite3'), default='mcap', help='(default: mcap)'
    )
    parser.add_argument('--overwrite', action='store_true', help='replace an existing recording')
    parser.add_argument('--quiet', action='store_true', help='show no progress')


def run(arguments: argparse.Namespace) -> int:
    """Import the clip or the key points and say what that brought."""
    from activity_recognition.bags.imported import describe_skipped
    from activity_recognition.console import PlainConsole

    console = PlainConsole(stderr=True, quiet=arguments.quiet)
    # Files do not say reliably how long they are, so it shows how far it is, not what is left.
    with console.status('importing') as status:
        found = _import(arguments, lambda done_s: status.update(f'importing: {done_s:.0f} s done'))
    skipped = f'; skipped: {describe_skipped(found.skipped)}' if found.skipped else ''
    print(f'{found.path}: {found.duration_s:.2f} s, {found.describe()}{skipped}')
    return 0


def _import(arguments: argparse.Namespace, progress: Callable[[float], None]) -> ImportedRecording:
    """Import what the file is."""
    from activity_recognition.bags.importer import import_clip
    from activity_recognition.bags.keypoint_arrays import SUFFIX, import_key_points

    given = {spec.name: getattr(arguments, spec.name) for spec in _WITH_TABLE}
    tables = {name: path for name, path in given.items() if path is not None}
    common = {
        'transcript': arguments.transcript,
        'labels': arguments.labels,
        'tables': tables,
        'audio_channels': arguments.audio_channels,
        'storage': arguments.storage,
        'overwrite': arguments.overwrite,
        'progress': progress,
    }
    if arguments.clip.suffix.lower() == SUFFIX:
        if arguments.image or arguments.max_height:
            raise ConfigError(
                f'{arguments.clip}: --image and --max-height are for images; key points are kept '
                'as they are'
            )
        return import_key_points(arguments.clip, arguments.out, audio=arguments.audio, **common)
    if arguments.audio:
        raise ConfigError(f'--audio goes with key points ({SUFFIX}); a clip has its own')
    return import_clip(
        arguments.clip,
        arguments.out,
        image=arguments.image or 'jpeg',
        max_height=arguments.max_height,
        **common,
    )
