"""Recognises what a file, a camera or an address shows, and shows it: the work behind `watch`."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from activity_recognition.bags.clip_reader import NodeDecoding
from activity_recognition.bags.subtitles import Cue, as_utterances
from activity_recognition.commands.display import Display, Moment
from activity_recognition.commands.watch_contents import Contents, contents_of, usable
from activity_recognition.commands.watch_feed import LiveFeed, WholeFeed
from activity_recognition.errors import DecodeError
from activity_recognition.media.stream import MediaStream
from activity_recognition.media.together import CameraWithMicrophone
from activity_recognition.media.video_writer import VideoWriter
from activity_recognition.reporting.picture import ShownDecision, ShownEvidence, draw
from activity_recognition.reporting.run_log import ReceivedDecision, RunLog
from activity_recognition.types import (
    AudioChunk,
    Decision,
    Frame,
    Sample,
    Utterance,
    Window,
    split_sample,
)

if TYPE_CHECKING:
    from activity_recognition.inference.engine import StreamingEngine

_REFRESH_S = 0.2
_SCORES = 4


class LiveSamples:
    """The samples of a live source as the network takes them, with the words beside it."""

    def __init__(
        self,
        stream: MediaStream | CameraWithMicrophone,
        engine: StreamingEngine,
        cues: Sequence[Cue],
    ) -> None:
        """Prepare to open a source.

        Args:
            stream: the source.
            engine: with the network.
            cues: what is said, at times from the source's first packet.
        """
        self._stream, self._decode = stream, NodeDecoding(engine.config)
        self._words = list(as_utterances(sorted(cues, key=lambda cue: cue.end_s), 0))
        self._engine = engine
        self.contents: Contents | None = None
        """What it has, once that is known."""

    def __call__(self) -> Iterator[Sample]:
        """Open the source and yield its samples when they are due."""
        for sample in self._stream.samples(self._opened):
            for given in (*self._said_by(sample.arrival_ns), sample):
                try:
                    decoded = self._decode(given)
                except DecodeError as error:
                    self._stream.skipped.note('samples that cannot be taken', error)
                    continue
                if decoded is not None:
                    yield from self._usable(decoded)

    def _opened(self) -> None:
        contents = contents_of(
            self._engine,
            self._stream.source.shown,
            self._stream,
            has_words=bool(self._words),
        )
        contents.demand_something()
        self.contents = contents

    def _usable(self, sample: Sample) -> Iterator[Sample]:
        assert self.contents is not None
        return usable(iter(split_sample(sample)), self.contents)

    def _said_by(self, now_ns: int) -> list[Utterance]:
        said = [word for word in self._words if word.arrival_ns <= now_ns]
        self._words = self._words[len(said) :]
        return said


class Overlay:
    """Frames with what was decided about them, as a video."""

    def __init__(self, writer: VideoWriter) -> None:
        """Draw into a file.

        Args:
            writer: of the file, in its context.
        """
        self._writer = writer
        self._decision: ShownDecision | None = None

    def add(self, window: Window, decision: Decision | None, labels: Sequence[str]) -> None:
        """Draw the frames of a window, and keep its sound; a decision holds from the last on.

        Args:
            window: with key points where they are known.
            decision: that ends it, if one does.
            labels: of the network's classes.
        """
        for sample in window.samples:
            if isinstance(sample, AudioChunk):
                self._writer.write_sound(sample)
        frames = [sample for sample in window.samples if isinstance(sample, Frame)]
        for index, frame in enumerate(frames):
            if decision is not None and index == len(frames) - 1:
                self._decision = shown_decision(decision, labels)
            image = draw(frame.image, self._decision, frame.key_points)
            self._writer.write(image, frame.stamp_ns)
        if decision is not None:
            self._decision = shown_decision(decision, labels)


def shown_decision(decision: Decision, labels: Sequence[str]) -> ShownDecision:
    """Return a decision as it is drawn.

    Args:
        decision: of the engine.
        labels: of the network's classes.
    """
    best = decision.probabilities.argsort()[::-1][:_SCORES]
    return ShownDecision(
        status=decision.status,
        label=decision.label,
        confidence=decision.confidence,
        scores=tuple((labels[index], float(decision.probabilities[index])) for index in best),
        evidence=tuple(
            ShownEvidence(
                modality=item.modality.value,
                present=item.present,
                label=item.label,
                confidence=item.confidence,
                weight=item.weight,
            )
            for item in decision.evidence
        ),
    )


class Watching:
    """One source, one engine, and everything that is made of its answers."""

    def __init__(
        self,
        engine: StreamingEngine,
        feed: WholeFeed | LiveFeed,
        *,
        title: str,
        length_s: float = 0.0,
        overlay: Overlay | None = None,
    ) -> None:
        """Prepare.

        Args:
            engine: that has seen nothing.
            feed: gives the windows.
            title: what the display is headed with.
            length_s: of the source; 0 where nobody knows.
            overlay: where frames are drawn; None draws none.
        """
        self.engine, self.feed, self._overlay = engine, feed, overlay
        from activity_recognition.inference.found_points import PointsFinder

        self._finder = PointsFinder(engine.config)
        self._title, self._length_s = title, length_s
        self.log = RunLog(origin_ns=0)
        """What was answered."""

    def run(self, display: Display, *, every_decision: bool) -> None:
        """Recognise until the source ends.

        Args:
            display: is shown how it goes.
            every_decision: whether it is shown each answer, or some a second.
        """
        shown_s = -_REFRESH_S
        for window in self.feed.windows():
            decided = window is not None and self._take(window)
            now_s = time.monotonic()
            if now_s - shown_s >= _REFRESH_S or (every_decision and decided):
                shown_s = now_s
                display.update(self.moment())
        display.update(self.moment('done'))

    def _take(self, window: Window) -> bool:
        """Recognise a window; return whether that gave an answer."""
        window = self._finder.complete(window)
        began_s = time.perf_counter()
        decision = self.engine.apply(window)
        if decision is not None:
            self.log.add_decision(
                ReceivedDecision(
                    t_ns=decision.t_ns,
                    status=decision.status,
                    label=decision.label,
                    confidence=decision.confidence,
                    evidence=decision.evidence,
                    latency_s=self.feed.lateness_s(decision.t_ns),
                    processing_s=time.perf_counter() - began_s,
                )
            )
        if self._overlay is not None:
            self._overlay.add(window, decision, self.engine.labels)
        return decision is not None

    def moment(self, state: str = '') -> Moment:
        """Return what there is to show.

        Args:
            state: a few words; empty says it by what there is.
        """
        view = self.log.view()
        waiting = 'waiting for the source' if self.feed.is_live else 'recognising'
        return Moment(
            title=self._title,
            view=view,
            state=state or ('recognising' if view.newest else waiting),
            frames=self.feed.frames,
            position_s=view.elapsed_s if self._length_s else None,
            length_s=self._length_s,
        )
