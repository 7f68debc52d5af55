"""Turn an ordinary video file into a recording.

Takes any file FFmpeg reads, its audio if it has some, subtitles as transcripts, and labels. A
track that is absent stays absent. Example:
    activity-recognition import clip.mp4 --transcript clip.srt --labels clip.csv --out clip
The labels are a table with the header start_s,end_s,label; times are seconds from the start.
"""

from __future__ import annotations

import argparse
from pathlib import Path

HELP = 'turn a video file into a recording'
TAKES_ROS_ARGUMENTS = False


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the clip and what goes with it."""
    parser.add_argument('clip', type=Path, help='video or audio file')
    parser.add_argument('--transcript', type=Path, help='subtitles, .srt or .vtt')
    parser.add_argument('--labels', type=Path, help='table of labels, .csv')
    parser.add_argument('--out', type=Path, required=True, help='recording to write, a folder')
    parser.add_argument(
        '--image', choices=('jpeg', 'png', 'raw'), default='jpeg', help='(default: jpeg)'
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
    """Import the clip and say what it brought."""
    from activity_recognition.bags.imported import describe_skipped
    from activity_recognition.bags.importer import import_clip
    from activity_recognition.console import PlainConsole

    console = PlainConsole(stderr=True, quiet=arguments.quiet)
    # Files do not say reliably how long they are, so it shows how far it is, not what is left.
    with console.status('importing') as status:
        clip = import_clip(
            arguments.clip,
            arguments.out,
            transcript=arguments.transcript,
            labels=arguments.labels,
            image=arguments.image,
            max_height=arguments.max_height,
            audio_channels=arguments.audio_channels,
            storage=arguments.storage,
            overwrite=arguments.overwrite,
            progress=lambda done_s: status.update(f'importing: {done_s:.0f} s done'),
        )
    skipped = f'; skipped: {describe_skipped(clip.skipped)}' if clip.skipped else ''
    print(
        f'{clip.path}: {clip.duration_s:.2f} s, {clip.frames} frames, {clip.audio_s:.2f} s of '
        f'audio, {clip.utterances} utterances, {clip.labels} labels{skipped}'
    )
    return 0
