"""From the windows of a scene to those of every person in it."""

from __future__ import annotations

import dataclasses
import threading
from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass, field

from activity_recognition.persons.budget import Budget, FrameTurns
from activity_recognition.persons.regions import HELD_S, PersonRegion, match
from activity_recognition.persons.tracks import (
    Changes,
    Naming,
    PersonNews,
    Spoken,
    Track,
    TrackBook,
)
from activity_recognition.types import Frame, Utterance, Window, to_ns

_WAITING = 4096
"""News that may wait; a source sends some hundreds a second at most. Of regions and words the
newest stay, of names those of so many persons."""
_CAMERAS = 16
"""Other cameras that are named."""
_USUAL_PERIOD_NS = to_ns(1 / 30)
_LONGEST_PERIOD_NS = to_ns(0.2)
"""Frames further apart have a hole between them."""


@dataclass(slots=True)
class Routed:
    """What one window of the scene means for the people in it, in the order it is to be done."""

    left: list[Track] = field(default_factory=list)
    """Whose stream ends; the subject that it was heard as has no later answer of it."""
    renamed: list[tuple[str, Track]] = field(default_factory=list)
    """Subjects that there are no more, and whose streams go on under another name."""
    joined: list[Track] = field(default_factory=list)
    """Whose stream begins."""
    voiced: list[Track] = field(default_factory=list)
    """Who has joined before, and has words of its own from now on."""
    windows: dict[str, Window] = field(default_factory=dict)
    """By name of the stream."""

    @property
    def num_frames(self) -> int:
        """Frames of all persons together."""
        found = (sample for window in self.windows.values() for sample in window.samples)
        return sum(isinstance(sample, Frame) for sample in found)


@dataclass(frozen=True, slots=True)
class Attendance:
    """Who is there, for whoever asks."""

    recognised: tuple[str, ...] = ()
    """Subjects with a stream."""
    left_out: tuple[str, ...] = ()
    """Subjects beyond the most that are recognised at once."""
    unmatched: tuple[str, ...] = ()
    """Those who are there, and of whom the newest images had no region near enough in time."""
    places: int | None = None
    """How many of them get each image; None for all."""
    camera: str = ''
    """Coordinate frame of the newest image; empty where it does not say."""
    other_cameras: Mapping[str, int] = field(default_factory=dict)
    """Regions that are not of this camera's images and were not taken, by theirs."""
    has_own_regions: bool = False
    """Whether any region was of this camera's images."""
    not_followed: int = 0
    """Regions of bodies beyond the most that are followed."""
    overflowed: int = 0
    """News that waited too long for an image, and went for newer ones."""
    is_drawn: bool = False
    """Whether the images are drawings of key points, of which nobody is a part."""


class PersonRouter:
    """Follows the people of one scene; :meth:`tell` is for any thread, the rest for one."""

    def __init__(self, *, most: int, hold_s: float = HELD_S) -> None:
        """Know nobody.

        Args:
            most: people who are recognised at once.
            hold_s: how long the region of one image stands for later images, seconds.
        """
        self._lock = threading.Lock()
        self._news: deque[PersonRegion | Spoken] = deque(maxlen=_WAITING)
        self._namings: dict[str, Naming] = {}
        """By person, the newest. They are said once: no number of regions may push them out."""
        self._overflowed = 0
        self._book = TrackBook()
        self._budget = Budget(most)
        self._turns = FrameTurns()
        self._held_ns = to_ns(hold_s)
        self._newest_ns: int | None = None
        self._period_ns = _USUAL_PERIOD_NS
        self._unmatched: tuple[str, ...] = ()
        self._camera: str | None = None
        self._other_cameras: Counter[str] = Counter()
        self._has_own_regions = self._is_drawn = False
        self.attendance = Attendance()
        """Of the last step."""

    def tell(self, news: PersonNews) -> None:
        """Take what a source says, for the next step."""
        with self._lock:
            if isinstance(news, Naming):
                self._namings.pop(news.person, None)
                self._overflowed += len(self._namings) >= _WAITING
                if len(self._namings) >= _WAITING:
                    del self._namings[next(iter(self._namings))]
                self._namings[news.person] = news
                return
            self._overflowed += len(self._news) >= _WAITING
            self._news.append(news)

    def note_cost(self, frames: int, seconds: float) -> None:
        """Take what the step took that encoded so many frames.

        Args:
            frames: at least 1.
            seconds: of the whole step.
        """
        self._turns.note(frames, seconds)

    @property
    def is_idle(self) -> bool:
        """Whether nobody is there and nothing was told, so that a step would do nothing."""
        return not self._news and not self._namings and not self._book.tracks

    def step(self, window: Window) -> Routed:
        """Return what a window of the scene means for everybody.

        Args:
            window: of the scene, the next one.
        """
        changes, routed = Changes(), Routed()
        if window.reset:
            self._book.end_all(changes)
            self._newest_ns = None
        frames = [sample for sample in window.samples if isinstance(sample, Frame)]
        self._note_frames(frames)
        with self._lock:
            namings, self._namings = self._namings, {}
            news, self._news = self._news, deque(maxlen=_WAITING)
        for item in (*namings.values(), *news):
            self._take(item, changes)
        now_ns = self._now_ns(window, frames)
        if now_ns is not None:
            self._book.end_gone(now_ns, changes)
        # A drawing of key points is all of somebody, and no tracker's region is a part of it.
        seen = self._find([frame for frame in frames if frame.key_points is None])
        self._choose(routed, changes)
        self._fill(routed, window, seen)
        if frames:
            self._unmatched = tuple(
                t.heard_as or t.subject for t in self._book.tracks if t.stream not in seen
            )
        self._attend()
        return routed

    def end(self) -> list[Track]:
        """Forget where everybody is, and not who; return those whose stream has to end."""
        changes = Changes()
        self._book.end_all(changes)
        with self._lock:
            self._news.clear()
        self.attendance = Attendance()
        return [track for track in changes.ended if track.is_active]

    def _take(self, news: PersonNews, changes: Changes) -> None:
        """Take one piece of news; regions of another camera's images are nobody's here."""
        if isinstance(news, PersonRegion):
            if not news.is_of(self._camera or ''):
                if len(self._other_cameras) < _CAMERAS or news.camera in self._other_cameras:
                    self._other_cameras[news.camera] += 1
                return
            self._has_own_regions |= self._camera is not None
        self._book.take(news, changes)

    def _note_frames(self, frames: list[Frame]) -> None:
        """Note whose frames they are, and how far they are apart: a mean of the last ones."""
        for frame in frames:
            self._camera, self._is_drawn = frame.frame_id, frame.key_points is not None
            if self._newest_ns is not None:
                apart_ns = frame.stamp_ns - self._newest_ns
                if 0 < apart_ns < _LONGEST_PERIOD_NS:
                    self._period_ns += (apart_ns - self._period_ns) // 8
            self._newest_ns = frame.stamp_ns

    def _now_ns(self, window: Window, frames: list[Frame]) -> int | None:
        """Return the time of the images, or of the decision where they stay away."""
        if frames:
            return frames[-1].stamp_ns
        return None if window.decision is None else window.decision.t_ns

    def _choose(self, routed: Routed, changes: Changes) -> None:
        """Have tracks join and leave: those that ended, and those that take their places."""
        tracks = {track.stream: track for track in self._book.tracks if track.was_shown}
        sizes = {name: track.newest.box.longer_side for name, track in tracks.items()}
        holders = [name for name, track in tracks.items() if track.is_active]
        chosen = self._budget.choose(sizes, holders)
        for name in holders:
            if name not in chosen:
                self._book.restart(tracks[name], changes).was_shown = True
        routed.left = [track for track in changes.ended if track.is_active]
        for track in routed.left:
            track.is_active = False
            self._turns.forget(track.stream)
        routed.voiced = [track for track in changes.voiced if track.is_active]
        routed.joined = [tracks[name] for name in chosen if not tracks[name].is_active]
        for track in routed.joined:
            track.is_active = True
        self._name(routed)

    def _name(self, routed: Routed) -> None:
        """Name everybody who is recognised, each by a subject of their own."""
        tracks = self._book.tracks
        persons = {track.person for track in tracks}
        for track in tracks:
            if not track.is_active:
                continue
            before, subject = track.heard_as, track.subject
            if not track.person and track.body in persons:
                # The id of a body may be that of a person with another one.
                subject = f'body_{track.body}'
            track.heard_as = subject
            if before not in ('', subject):
                routed.renamed.append((before, track))

    def _find(self, frames: list[Frame]) -> dict[str, Frame]:
        """Return the newest frame that shows each track, by stream."""
        seen = {}
        for track in self._book.tracks:
            frame = self._frame_of(track, frames)
            if frame is not None:
                seen[track.stream] = frame
                track.was_shown = True
        return seen

    def _fill(self, routed: Routed, window: Window, seen: dict[str, Frame]) -> None:
        """Give everybody who is recognised what the window has for them."""
        active = [track for track in self._book.tracks if track.is_active]
        for track in self._book.tracks:
            if not track.is_active:
                # Who joins later begins with what is said then.
                track.words.clear()
        served = set(self._turns.choose([t.stream for t in active if t.stream in seen]))
        for track in active:
            samples: list[Frame | Utterance] = []
            if track.stream in served:
                samples.append(seen[track.stream])
            samples += _said(track, window)
            if samples or window.decision is not None:
                # Ordered by arrival, as from a synchroniser.
                samples.sort(key=lambda sample: sample.arrival_ns)
                routed.windows[track.stream] = Window(
                    samples=tuple(samples), decision=window.decision
                )

    def _frame_of(self, track: Track, frames: list[Frame]) -> Frame | None:
        """Return the newest frame that shows a track, with its crop."""
        found = None
        for frame in frames:
            region = match(
                track.regions,
                frame.stamp_ns,
                tolerance_ns=self._period_ns // 2,
                held_ns=self._held_ns,
                camera=frame.frame_id,
            )
            box = None if region is None else region.box_in(frame)
            if box is not None:
                crop = track.path.advance(box, frame.stamp_ns)
                found = dataclasses.replace(frame, crop=crop)
        return found

    def _attend(self) -> None:
        tracks, places = self._book.tracks, self._turns.places
        active = [track for track in tracks if track.is_active]
        self.attendance = Attendance(
            recognised=tuple(track.heard_as for track in active),
            left_out=tuple(t.subject for t in tracks if t.was_shown and not t.is_active),
            unmatched=self._unmatched if tracks else (),
            places=places if places is not None and places < len(active) else None,
            camera=self._camera or '',
            other_cameras=dict(self._other_cameras),
            has_own_regions=self._has_own_regions,
            is_drawn=self._is_drawn,
            not_followed=self._book.refused,
            overflowed=self._overflowed,
        )


def _said(track: Track, window: Window) -> list[Utterance]:
    """Remove and return what a track has said that the window's decision may know."""
    limit_ns = None if window.decision is None else window.decision.arrival_ns
    known = [u for u in track.words if limit_ns is None or u.arrival_ns <= limit_ns]
    for utterance in known:
        track.words.remove(utterance)
    return known
