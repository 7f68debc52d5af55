"""Turn a video file, the key points of a body, or a whole set of clips into recordings.

One file, anything FFmpeg reads, gives one recording, with its audio if it has some, subtitles as
transcripts, and labels. A track that is absent stays absent. Examples:
    activity-recognition import clip.mp4 --label waving --out recordings/clip
    activity-recognition import clip.mp4 --transcript clip.srt --labels clip.csv --out clip
Or key points of a body as arrays in a .npz file (docs/data.md), with an audio file beside it:
    activity-recognition import joints.npz --audio room.wav --labels joints.csv --out joints
Tables of other sensors go with either. A file of labels is a table with the header
start_s,end_s,label; times are seconds from the start.

A table of clips (.csv or .tsv), a folder that holds one as clips.csv, or a folder with a folder
of clips for each label, gives a folder of recordings, ready for check, train and evaluate:
    activity-recognition import clips.csv --out recordings
    activity-recognition import clips/ --out recordings
The table has the columns clip and label, and if wanted recording, transcript, start_s, end_s,
speech_delay_s, labels, audio, split, group (or source), and the names of other sensors' tables.
Clips that cannot be used are left out and named. Started again, it makes what is missing or has
changed; --overwrite makes all again.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from activity_recognition.errors import ConfigError, RecordingError, printable
from activity_recognition.modalities import SPECS

if TYPE_CHECKING:
    from collections.abc import Callable

    from activity_recognition.bags.imported import ImportedRecording
    from activity_recognition.console import PlainConsole
    from activity_recognition.training.data.clip_list import ClipList
    from activity_recognition.training.data.import_clips import ImportedClips

HELP = 'turn video files, key points or a table of clips into recordings'
TAKES_ROS_ARGUMENTS = False

_WITH_TABLE = tuple(spec for spec in SPECS if spec.table)
_OF_ONE = ('audio', 'transcript', 'labels', 'label', *(spec.name for spec in _WITH_TABLE))
"""Options of a single clip, which a table has columns for."""
_NAMED = 20
"""Clips that are left out and named one by one."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the clips and what goes with them."""
    parser.add_argument(
        'clip',
        type=Path,
        help='video or audio file, or .npz of key points; or a table of clips, .csv or .tsv, or a '
        'folder',
    )
    parser.add_argument('--audio', type=Path, help='audio file that goes with key points')
    parser.add_argument('--transcript', type=Path, help='subtitles, .srt or .vtt')
    parser.add_argument('--labels', type=Path, help='table of labels, .csv')
    parser.add_argument('--label', help='label of the whole clip, in place of a table')
    for spec in _WITH_TABLE:
        parser.add_argument(f'--{spec.name}', type=Path, help=spec.table)
    parser.add_argument(
        '--out',
        type=Path,
        required=True,
        help='recording to write; of many, their folder',
    )
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
        '--speech-delay',
        type=float,
        metavar='S',
        help='how long after they were said words arrive, as from a speech recogniser, seconds '
        '(default: 0.5)',
    )
    parser.add_argument(
        '--storage', choices=('mcap', 'sqlite3'), default='mcap', help='(default: mcap)'
    )
    parser.add_argument(
        '--overwrite',
        action='store_true',
        help='replace an existing recording; of many: make all of them again',
    )
    parser.add_argument(
        '--strict', action='store_true', help='of many clips: fail where any cannot be used'
    )
    parser.add_argument('--quiet', action='store_true', help='show no progress')


def run(arguments: argparse.Namespace) -> int:
    """Import what is given and say what that brought."""
    from activity_recognition.training.data.clip_table import is_clip_table

    if arguments.clip.is_dir() or is_clip_table(arguments.clip):
        return _run_many(arguments)
    return _run_one(arguments)


def _run_one(arguments: argparse.Namespace) -> int:
    from activity_recognition.bags.imported import describe_skipped
    from activity_recognition.console import make_console
    from activity_recognition.training.pool import make_progress

    with make_progress(make_console(quiet=arguments.quiet)) as bar:
        # Files do not say reliably how long they are, so it shows how far it is, not what is left.
        task = bar.add_task('importing', total=None, note='')
        found = _import(arguments, lambda done_s: bar.update(task, note=f'{done_s:.0f} s done'))
    skipped = f'; skipped: {describe_skipped(found.skipped)}' if found.skipped else ''
    print(f'{found.path}: {found.duration_s:.2f} s, {found.describe()}{skipped}')
    return 0


def _import(arguments: argparse.Namespace, progress: Callable[[float], None]) -> ImportedRecording:
    """Import what the file is."""
    from activity_recognition.bags.importer import import_clip
    from activity_recognition.bags.keypoint_arrays import SUFFIX, import_key_points

    given = {spec.name: getattr(arguments, spec.name) for spec in _WITH_TABLE}
    tables = {name: path for name, path in given.items() if path is not None}
    delay = {} if arguments.speech_delay is None else {'speech_delay_s': arguments.speech_delay}
    common = {
        'transcript': arguments.transcript,
        'labels': arguments.labels,
        'label': arguments.label or '',
        'tables': tables,
        'audio_channels': arguments.audio_channels,
        'storage': arguments.storage,
        'overwrite': arguments.overwrite,
        'progress': progress,
        **delay,
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


def _run_many(arguments: argparse.Namespace) -> int:
    from activity_recognition.bags.subtitles import SPEECH_DELAY_S
    from activity_recognition.console import PlainConsole
    from activity_recognition.training.data.clip_folders import find_clips
    from activity_recognition.training.data.import_clips import ImportSettings, import_clips
    from activity_recognition.training.pool import make_progress

    given = [f'--{name}' for name in _OF_ONE if getattr(arguments, name) is not None]
    if given:
        raise ConfigError(
            f'{arguments.clip}: {given[0]} is for a single clip; a table of clips has a column '
            f'{given[0][2:]}'
        )
    clips = find_clips(arguments.clip)
    delay_s = SPEECH_DELAY_S if arguments.speech_delay is None else arguments.speech_delay
    settings = ImportSettings(
        image=arguments.image or 'jpeg',
        max_height=arguments.max_height,
        audio_channels=arguments.audio_channels,
        speech_delay_s=delay_s,
        storage=arguments.storage,
    )
    console = PlainConsole(stderr=True, quiet=arguments.quiet)
    total = len(clips.rows)
    with make_progress(None if arguments.quiet else console) as bar:
        task = bar.add_task('importing', total=total, note='')
        found = import_clips(
            clips,
            arguments.out,
            settings=settings,
            overwrite=arguments.overwrite,
            progress=lambda done, name: bar.update(
                task, completed=done, note=f'{done} of {total} clips, now {printable(name)}'
            ),
        )
        bar.update(task, completed=total, note=f'{total} of {total} clips')
    return _report(arguments, clips, found, console)


def _report(
    arguments: argparse.Namespace, clips: ClipList, found: ImportedClips, console: PlainConsole
) -> int:
    """Name what was left out, and say what there is now; return the exit status."""
    if clips.unused:
        console.print(f'columns that are not used: {", ".join(clips.unused)}', style='yellow')
    for problem in found.problems[:_NAMED]:
        console.print(
            f'left out: {problem}', style='yellow', markup=False, highlight=False, soft_wrap=True
        )
    if len(found.problems) > _NAMED:
        console.print(f'and {len(found.problems) - _NAMED} more', style='yellow')
    if not found.imported and not found.kept:
        raise RecordingError(
            f'{clips.source}: none of the clips can be used; {found.problems[0]}'
            if found.problems
            else f'{clips.source}: expected clips, found none'
        )
    labels = ', '.join(f'{label} {count}' for label, count in sorted(found.labels.items()) if label)
    amounts = f'; imported now: {found.describe()}' if found.imported else ''
    print(
        f'{arguments.out}: {len(found.imported)} clips imported, {len(found.kept)} were there '
        f'already, {len(found.problems)} left out; labels: {labels or "in files"}{amounts}'
    )
    return 1 if arguments.strict and found.problems else 0
