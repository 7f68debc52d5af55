"""Recognise what a video file, an address or a camera shows, without ROS.

Shows a live table, or without a terminal a line at every change. A file is read as fast as it goes,
with --realtime as the clock; cameras and addresses as the clock, where what is too much for the
machine is dropped, and counted. Ctrl-C ends it; page and video are finished then as well. Examples:
    activity-recognition watch clip.mp4 --out clip.html --overlay clip_seen.mp4
    activity-recognition watch talk.mp4 --transcript talk.srt
    activity-recognition watch /dev/video0 --microphone hw:1,0
    activity-recognition watch rtsp://camera.local/stream --checkpoint runs/mine
The checkpoint is `people`, where the networks that it needs are on this machine, else `nano`, which
knows simulated people only.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from activity_recognition.checkpoint_folder import OF_RUN
from activity_recognition.commands.watch_contents import Contents, contents_of, usable
from activity_recognition.errors import ConfigError, RecordingError, printable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from activity_recognition.commands.watch_feed import LiveFeed, WholeFeed
    from activity_recognition.commands.watch_run import Watching
    from activity_recognition.console import PlainConsole
    from activity_recognition.inference.engine import StreamingEngine
    from activity_recognition.media.addresses import MediaSource
    from activity_recognition.media.pacing import Pacer
    from activity_recognition.media.stream import MediaStream
    from activity_recognition.media.together import CameraWithMicrophone
    from activity_recognition.reporting.metrics import RunMetrics

HELP = 'recognise what a video file, an address or a camera shows, without ROS'
TAKES_ROS_ARGUMENTS = False
RECONNECT_S = 60.0
INSTEAD_OF_ROS_ARGUMENTS = 'this command knows no ROS; `activity-recognition run` does'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what to watch, with what, and what to keep of it."""
    parser.add_argument(
        'source',
        metavar='VIDEO|URL|/dev/videoN',
        help='a video or audio file, a camera, or an address (http, https, rtsp, rtmp, udp, …)',
    )
    parser.add_argument(
        '--checkpoint',
        default='',
        help='folder of a checkpoint or of a training run, or people or nano, which are shipped',
    )
    parser.add_argument('--transcript', type=Path, help='what is said: subtitles, .srt or .vtt')
    parser.add_argument('--out', type=Path, metavar='PAGE.html', help='write a page about it')
    parser.add_argument(
        '--overlay',
        type=Path,
        metavar='VIDEO.mp4',
        help='write a video with the answers drawn in, and the joints where the checkpoint finds '
        'them',
    )
    parser.add_argument(
        '--microphone',
        metavar='DEVICE',
        help='the microphone beside a camera, by its name in ALSA: hw:1,0 or what '
        '`arecord -L` lists',
    )
    parser.add_argument(
        '--reconnect-s',
        type=float,
        default=RECONNECT_S,
        metavar='SECONDS',
        help='for how long a camera or a live address that is gone is tried again; 0: not at all '
        f'(default: {RECONNECT_S:g})',
    )
    parser.add_argument(
        '--realtime', action='store_true', help='read a file as the clock, not as fast as it goes'
    )
    parser.add_argument(
        '--audio-channels',
        default='mean',
        help='which of several audio channels is heard: mean, auto (the one with the best '
        'signal), or an index from 0 (default: mean)',
    )
    parser.add_argument(
        '--device', default='auto', help='where the network runs: auto, cpu, cuda (default: auto)'
    )
    parser.add_argument('--quiet', action='store_true', help='print the results only')


def run(arguments: argparse.Namespace) -> int:
    """Watch until the source ends, or Ctrl-C, which is no failure."""
    from activity_recognition.console import PlainConsole
    from activity_recognition.default_checkpoint import choose_checkpoint
    from activity_recognition.frozen_networks import demand_checkpoint
    from activity_recognition.media.addresses import parse_source

    _check_outputs(arguments)
    demand_checkpoint(choose_checkpoint(arguments.checkpoint).path)
    source = parse_source(arguments.source)
    console = PlainConsole()
    session = _Session(arguments, console)
    _check_live_options(arguments, source)
    if source.is_file:
        session.watch_file(source)
    else:
        session.watch_live(source)
    return 0


def _check_live_options(arguments: argparse.Namespace, source: MediaSource) -> None:
    """Refuse what is not meant for this source."""
    if not 0 <= arguments.reconnect_s < float('inf'):
        raise ConfigError(
            f'--reconnect-s: expected seconds from 0 up, got {arguments.reconnect_s:g}'
        )
    if arguments.microphone is not None and source.is_file:
        raise ConfigError(
            f'--microphone: expected a camera or an address beside it, got the file '
            f'{source.shown}; leave it out to hear the sound of the file'
        )


def _check_outputs(arguments: argparse.Namespace) -> None:
    """Refuse what cannot be written before anything is loaded."""
    from activity_recognition.media.video_writer import check_suffix

    given = {'--out': arguments.out, '--overlay': arguments.overlay}
    for option, path in given.items():
        if path is None:
            continue
        if path.is_dir():
            raise ConfigError(f'{option} {path}: expected a file, got a folder')
        if path.resolve() == Path(arguments.source).resolve():
            raise ConfigError(f'{option} {path}: is the file that is watched; name another')
    if arguments.overlay is not None:
        check_suffix(arguments.overlay)


class _Session:
    """One run of the command."""

    def __init__(self, arguments: argparse.Namespace, console: PlainConsole) -> None:
        self._given, self._console = arguments, console
        self._began_s = time.monotonic()
        self._is_ended = False
        """Whether the user has ended it."""

    def watch_file(self, source: MediaSource) -> None:
        """Watch a file."""
        from activity_recognition.bags.clip_reader import ClipReader
        from activity_recognition.commands.watch_feed import LiveFeed, WholeFeed, paced
        from activity_recognition.config import SyncConfig
        from activity_recognition.media.clip import Clip
        from activity_recognition.media.pacing import Pacer

        clip = Clip(source.address, audio_channels=self._given.audio_channels)
        engine = self._engine()
        words = self._given.transcript
        reader = ClipReader(clip, engine.config, transcript=words)
        contents = contents_of(engine, source.shown, clip, has_words=words is not None)
        contents.demand_something()
        self._remark(*contents.remarks())
        feed: WholeFeed | LiveFeed
        if self._given.realtime:
            engine.warm_up()
            pacer = Pacer()
            feed = LiveFeed(
                lambda: paced(usable(reader.samples(), contents), pacer), pacer, SyncConfig()
            )
        else:
            feed = WholeFeed(usable(reader.samples(), contents), SyncConfig())
        with feed:
            self._watch(engine, feed, contents, clip.length_s, clip.skipped)

    def watch_live(self, source: MediaSource) -> None:
        """Watch a camera or an address."""
        from activity_recognition.bags.subtitles import read_subtitles
        from activity_recognition.commands.watch_feed import LiveFeed
        from activity_recognition.commands.watch_run import LiveSamples
        from activity_recognition.config import SyncConfig
        from activity_recognition.media.pacing import Pacer

        words = self._given.transcript
        cues = read_subtitles(words) if words is not None else ()
        pacer = Pacer()
        stream = self._stream(source, pacer)
        engine = self._engine()
        engine.warm_up()
        samples = LiveSamples(stream, engine, cues)
        with LiveFeed(samples, pacer, SyncConfig(), may_fall_silent=True) as feed:
            feed.wait_for(lambda: samples.contents is not None)
            contents = samples.contents or Contents(shown=source.shown)
            self._remark(*contents.remarks())
            try:
                self._watch(engine, feed, contents, 0.0, stream.skipped)
            finally:
                if stream.interruptions:
                    times = 'once' if stream.interruptions == 1 else f'{stream.interruptions} times'
                    self._say(f'{source.shown}: interrupted {times}')

    def _stream(self, source: MediaSource, pacer: Pacer) -> MediaStream | CameraWithMicrophone:
        """Return a live source, with the microphone that stands beside it."""
        from activity_recognition.media.addresses import microphone_source
        from activity_recognition.media.stream import MediaStream
        from activity_recognition.media.together import CameraWithMicrophone

        def stream_of(part: MediaSource, *kinds: str) -> MediaStream:
            return MediaStream(
                part,
                pacer,
                audio_channels=self._given.audio_channels,
                reconnect_s=self._given.reconnect_s,
                on_lost=self._remark,
                kinds=kinds,
            )

        name = self._given.microphone
        if name is None:
            return stream_of(source, 'video', 'audio')
        return CameraWithMicrophone(
            stream_of(source, 'video'), stream_of(microphone_source(name), 'audio')
        )

    def _engine(self) -> StreamingEngine:
        from activity_recognition.config import EngineConfig
        from activity_recognition.inference.engine import StreamingEngine

        engine = StreamingEngine.load(
            self._given.checkpoint, EngineConfig(device=self._given.device)
        )
        self._remark(engine.remark)
        return engine

    def _remark(self, *sentences: str) -> None:
        """Say what the user should know, on stderr: it is no result."""
        for sentence in filter(None, sentences):
            print(printable(f'watch: {sentence}'), file=sys.stderr)

    def _watch(
        self,
        engine: StreamingEngine,
        feed: WholeFeed | LiveFeed,
        contents: Contents,
        length_s: float,
        skipped: Mapping[str, int],
    ) -> None:
        """Recognise until the source ends, and finish what is written in any case."""
        from activity_recognition.commands.display import make_display
        from activity_recognition.commands.watch_run import Overlay, Watching
        from activity_recognition.media.video_writer import VideoWriter

        with contextlib.ExitStack() as stack:
            path, writer = self._given.overlay, None
            if path is not None:
                writer = stack.enter_context(VideoWriter(path, has_sound='audio' in contents.has))
            watching = Watching(
                engine,
                feed,
                title=contents.shown,
                length_s=length_s,
                overlay=None if writer is None else Overlay(writer),
            )
            display = make_display(self._console, quiet=self._given.quiet)
            try:
                with display:
                    watching.run(display, every_decision=not self._console.is_terminal)
            except KeyboardInterrupt as end:
                self._is_ended = True
                if type(end) is not KeyboardInterrupt:  # SIGTERM
                    raise
            finally:
                metrics = self._metrics(watching, contents)
                self._conclude(metrics, contents, skipped, feed.dropped)
        if writer is not None and writer.count:
            self._say(f'video: {path}')
        if not metrics['answers'] and not self._is_ended:
            reason = f' ({_counted(skipped)})' if skipped else ''
            raise RecordingError(f'{contents.shown}: nothing in it could be recognised{reason}')

    def _metrics(self, watching: Watching, contents: Contents) -> RunMetrics:
        from activity_recognition.commands.machine import conditions

        engine = watching.engine
        used = [name for name in contents.takes if name in contents.has]
        folder = engine.checkpoint.path
        name = folder.parent.name if folder.name == OF_RUN else folder.name
        return watching.log.metrics(
            title=contents.shown,
            summary=f'Recognised from {" and ".join(used) or "nothing"} by the checkpoint '
            f'{name}, without ROS.',
            frames=watching.feed.frames,
            conditions={
                'checkpoint': f'{name} ({engine.checkpoint_id})',
                'device': engine.device_name,
                **conditions(),
            },
        )

    def _conclude(
        self,
        metrics: RunMetrics,
        contents: Contents,
        skipped: Mapping[str, int],
        dropped: Mapping[str, int],
    ) -> None:
        """Say what was seen, and write the page."""
        from activity_recognition.reporting.page import render_report
        from activity_recognition.scratch import replace_text

        if not metrics['answers']:
            return
        took_s = time.monotonic() - self._began_s
        self._say(
            f'{contents.shown}: {len(metrics["answers"])} answers over '
            f'{metrics["duration_s"]:.1f} s, in {took_s:.1f} s: {_time_of_answers(metrics)}'
        )
        if skipped:
            self._say(f'could not be used: {_counted(skipped)}')
        if dropped:
            self._say(f'dropped, for the machine is slower than the source: {_counted(dropped)}')
        if self._given.out is not None:
            replace_text(self._given.out, render_report(metrics), 'the page')
            self._say(f'page: {self._given.out}')

    def _say(self, line: str) -> None:
        self._console.print(line, soft_wrap=True)


def _counted(kinds: Mapping[str, int]) -> str:
    """Return how many there were of each kind, in words."""
    return ', '.join(f'{kind}: {count}' for kind, count in sorted(kinds.items()))


def _time_of_answers(metrics: RunMetrics) -> str:
    """Return the answers by how long they held, longest first."""
    from activity_recognition.reporting.timeline import answer_runs

    lengths_s: dict[str, float] = {}
    for item in answer_runs(metrics['answers']):
        lengths_s[item.label] = lengths_s.get(item.label, 0.0) + item.end_s - item.start_s
    ordered = sorted(lengths_s.items(), key=lambda entry: -entry[1])
    return ', '.join(f'{name} {length_s:.1f} s' for name, length_s in ordered) or 'none'
