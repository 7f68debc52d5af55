"""What a source has and what a network takes: said in sentences, refused where nothing is left."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from activity_recognition.errors import RecordingError

if TYPE_CHECKING:
    from activity_recognition.inference.engine import StreamingEngine
    from activity_recognition.media.clip import Clip
    from activity_recognition.media.stream import MediaStream
    from activity_recognition.media.together import CameraWithMicrophone
    from activity_recognition.types import Sample


@dataclass(kw_only=True, slots=True)
class Contents:
    """What a source has, beside what a network takes."""

    shown: str
    """The source."""
    has: tuple[str, ...] = ()
    """Names of the modalities that it has, with what lies beside it."""
    takes: tuple[str, ...] = ()
    """Names of those that the network takes."""
    cannot: Mapping[str, str] = field(default_factory=dict)
    """Those that it has and that this network cannot take from it, and why."""

    def demand_something(self) -> None:
        """Refuse a source of which the network takes nothing.

        Raises:
            RecordingError: so it is.
        """
        if any(name in self.takes and name not in self.cannot for name in self.has):
            return
        raise RecordingError(
            f'{self.shown}: has {_listed(self.has)}, and the checkpoint takes '
            f'{_listed(self.takes)}{self._why()}; name another with --checkpoint'
        )

    def remarks(self) -> Iterator[str]:
        """Yield a sentence for what is not there, and for what is not used."""
        missing = [name for name in self.takes if name not in self.has]
        unused = [name for name in self.has if name not in self.takes]
        for name in missing:
            advice = '; give a file of subtitles with --transcript' if name == 'text' else ''
            yield f'{self.shown} has no {name}, so the answers come without it{advice}'
        for name in unused:
            yield f'the {name} of {self.shown} is not used: the checkpoint does not take it'
        for name, why in self.cannot.items():
            yield f'the {name} of {self.shown} is not used: {why}'

    def _why(self) -> str:
        return ''.join(f' ({name}: {why})' for name, why in self.cannot.items())


def _listed(names: Sequence[str]) -> str:
    return ' and '.join(filter(None, (', '.join(names[:-1]), *names[-1:]))) or 'nothing'


def contents_of(
    engine: StreamingEngine,
    shown: str,
    source: Clip | MediaStream | CameraWithMicrophone,
    *,
    has_words: bool,
) -> Contents:
    """Return what a source has and what a network takes.

    Args:
        engine: with the network.
        shown: what to call the source.
        source: of which is known what it has.
        has_words: whether there is a transcript.
    """
    there = {'video': source.has_video, 'audio': source.has_audio, 'text': has_words}
    video, cannot = engine.config.video, {}
    if video.key_points and not video.finds_key_points and 'video' in engine.config.modalities:
        cannot = {'video': 'the checkpoint takes key points of a tracker, not images'}
    return Contents(
        shown=shown,
        has=tuple(name for name, found in there.items() if found),
        takes=tuple(modality.value for modality in engine.modalities),
        cannot={name: why for name, why in cannot.items() if there[name]},
    )


def usable(samples: Iterator[Sample], contents: Contents) -> Iterator[Sample]:
    """Yield the samples that the network can take.

    Args:
        samples: of the source.
        contents: what is known of it.
    """
    return (sample for sample in samples if sample.modality.value not in contents.cannot)
