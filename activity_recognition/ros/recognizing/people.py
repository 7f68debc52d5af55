"""The people of one scene, from the topics that say where they are to what is said of each.

The executor's thread looks at the graph and hears where people are; everything that touches the
engine is called by the worker.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from activity_recognition.errors import ConfigError
from activity_recognition.modalities import modalities_of
from activity_recognition.persons import PersonNews, PersonRouter, Track
from activity_recognition.persons.router import Attendance, Routed
from activity_recognition.ros.recognizing.person_results import PersonResults
from activity_recognition.ros.recognizing.person_sources import PersonInputs
from activity_recognition.ros.recognizing.person_topics import age_s
from activity_recognition.sensors.cdr import TypeRegistry
from activity_recognition.types import Decision, Frame, Modality, Window

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rclpy.lifecycle import LifecycleNode

    from activity_recognition.config import ModelConfig, RecognizerConfig
    from activity_recognition.inference import MultiStreamEngine
    from activity_recognition.ros.recognizing.results import Results

SHARED = (Modality.AUDIO, Modality.TEXT)
"""What everybody in a scene hears; what the camera sees and a person wears is not shared."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PeopleReport:
    """What can be said of the people of a scene at one moment."""

    source: str
    """Name of what says where they are."""
    topic: str
    is_wanted: bool
    """Whether it was asked for, or has told of somebody; not where it is merely there."""
    is_published: bool
    received: int
    age_s: float | None
    """Steady time since its last message; None when none came."""
    problems: tuple[str, ...]
    there: int
    """People in its last message."""
    found: int
    """Detections that were people."""
    others: Mapping[str, int]
    """Detections that were not, by class."""
    dropped: Mapping[str, int]
    """Messages and parts of messages that could not be used, by reason."""
    example: str
    """The first of the most frequent reason, in full; empty where there is none."""
    attendance: Attendance
    decisions: int


class People:
    """Everybody in one scene, while the node is active."""

    def __init__(
        self,
        node: LifecycleNode,
        config: RecognizerConfig,
        engine: MultiStreamEngine,
        *,
        scene: str,
        scene_results: Results,
        results: PersonResults,
    ) -> None:
        """Make everything; nothing is subscribed to before :meth:`look`.

        Args:
            node: subscribes.
            config: of the node.
            engine: has the scene's stream; touched by the worker alone from the start on.
            scene: name of its stream.
            scene_results: what is said of the scene; a decision about it comes before those about
                people.
            results: what is said of people.
        """
        self._engine, self._scene_results, self._results = engine, scene_results, results
        self._router = PersonRouter(most=config.people.max, hold_s=config.people.hold_s)
        self._inputs = PersonInputs(node, config.people, registry=TypeRegistry(), tell=self.tell)
        self._sharing = {m: scene for m in SHARED if m in engine.modalities}
        self._tracks: dict[str, Track] = {}
        self._asked_for = config.people_source != 'auto'
        self._is_wanted = False
        self.is_told = False
        """Whether anything was said of people: where nothing is, images cost what they did."""

    def tell(self, news: PersonNews) -> None:
        """Take what a source says."""
        self._router.tell(news)
        self.is_told = True

    def look(self) -> None:
        """Look at the graph; called some times a second by the executor."""
        self._inputs.look()
        if self._inputs.chosen and not self._is_wanted:
            self._is_wanted = self._asked_for or self._router.attendance.has_own_regions
            if self._is_wanted:
                self._results.advertise()

    def close(self) -> None:
        """Give up all subscriptions."""
        self._inputs.close()

    def expand(self, window: Window) -> dict[str, Window]:
        """Return everybody's windows beside one of the scene; people join and leave the engine.

        Args:
            window: of the scene, about to be applied.
        """
        if self._router.is_idle:
            return {}
        routed = self._router.step(window)
        self._admit(routed)
        return routed.windows

    def deliver(self, stream: str, decision: Decision, window: Window) -> None:
        """Publish a decision about somebody.

        Args:
            stream: whose.
            decision: what was decided.
            window: ended in it.
        """
        entry_s = self._scene_results.entry_s(decision.arrival_ns)
        self._results.deliver(self._tracks[stream], decision, window, entry_s=entry_s)

    def note_cost(self, windows: Mapping[str, Window], seconds: float) -> None:
        """Take what a step took, so that images can be shared out.

        Args:
            windows: that were applied, of the scene and of people.
            seconds: that the engine took.
        """
        samples = (sample for window in windows.values() for sample in window.samples)
        frames = sum(isinstance(sample, Frame) for sample in samples)
        if frames:
            self._router.note_cost(frames, seconds)

    def abandon(self) -> None:
        """Have everybody leave, after an error or at the end."""
        self._router.end()
        for stream in list(self._tracks):
            self._leave(self._tracks[stream])

    def report(self) -> PeopleReport | None:
        """Return what can be said now; None while nobody says where people are."""
        source = self._inputs.source
        if source is None:
            return None
        drops = source.counts.drops
        most = max(drops.counts, key=drops.counts.__getitem__, default='')
        return PeopleReport(
            source=self._inputs.chosen,
            topic=source.topic,
            is_wanted=self._is_wanted,
            is_published=source.is_offered(),
            received=source.counts.received,
            age_s=age_s(source.counts),
            problems=tuple(source.counts.problems.values()),
            there=source.counts.there,
            found=source.counts.found,
            others=dict(source.counts.others),
            dropped=dict(drops.counts),
            example=drops.examples.get(most, ''),
            attendance=self._router.attendance,
            decisions=self._results.decisions,
        )

    def _admit(self, routed: Routed) -> None:
        """Have people leave and join the engine, as was routed."""
        for track in routed.left:
            self._leave(track)
        for subject, _ in routed.renamed:
            self._results.leave(subject)
        for track in routed.joined:
            self._engine.join(track.stream, sharing=self._sharing)
            self._tracks[track.stream] = track
        for track in (*routed.joined, *routed.voiced):
            if track.has_voice:
                self._engine.unshare(track.stream, Modality.TEXT)

    def _leave(self, track: Track) -> None:
        del self._tracks[track.stream]
        self._engine.leave(track.stream)
        self._results.leave(track.heard_as)


def recognises_people(config: RecognizerConfig, model: ModelConfig) -> bool:
    """Return whether people may be recognised each apart.

    Args:
        config: of the node.
        model: of the network.

    Raises:
        ConfigError: it is asked for, and the network sees no images.
    """
    video = model.video
    sees = Modality.VIDEO in modalities_of(model) and (
        not video.key_points or video.finds_key_points
    )
    if not sees and config.people_source not in ('auto', 'none'):
        raise ConfigError(
            f'people.source: {config.people_source!r} needs a checkpoint that sees images, for '
            'each person is a part of them; load another, or set people.source to none'
        )
    return sees and config.people_source != 'none'
