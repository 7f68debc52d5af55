"""Sets of clips of several modalities on which fusions are compared, as folders to train on.

A set has one folder with a table of splits per fold; what is not tested on is trained on and
validated with, by group.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import composed_data
import esc10
import fights
import utd_mhad
from joint_data import utd_mhad as read_joint_clips
from real_data import (
    TRAINED_ON_ONLY,
    RealClip,
    data_folder,
    fold_folder,
    link_recordings,
    write_recordings,
)
from rich.console import Console

from activity_recognition.training.config import TrainConfig
from activity_recognition.training.data.clip_folders import find_clips
from activity_recognition.training.data.import_clips import import_clips
from activity_recognition.training.data.splits import SPLITS_FILE
from activity_recognition.types import Modality

VIDEO, AUDIO, TEXT, IMU = Modality.VIDEO, Modality.AUDIO, Modality.TEXT, Modality.IMU
FEW, MANY = -1.0, 3.0
"""What the fusion is to be above late fusion of plain classifiers, points: with 25 clips of each
class, and with 100."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ClipTruth:
    """A clip that is tested on in one of the folds."""

    label: str
    group: str
    """Drawn together by the bootstrap."""
    counts: bool = True
    """Whether fusions are compared on it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Fold:
    """A folder to train and to test on."""

    folder: Path
    usual_label: str
    """The most frequent one in training: the answer where nothing is seen or heard."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ClipSet:
    """Clips, how networks are trained on them, and what is wanted of a fusion."""

    name: str
    folds: tuple[Fold, ...]
    clips: Mapping[str, ClipTruth]
    """Those tested on, by name."""
    above_baseline: float
    """Points that the fusion is to be above plain late fusion."""
    note: str


@dataclass(frozen=True, kw_only=True, slots=True)
class SetSource:
    """Where a set comes from, and the recipe that trains on it."""

    title: str
    recipe: str
    modalities: tuple[Modality, ...]
    write: Callable[[Path], ClipSet | None]
    """Writes its folders below another one; None where the data set is absent."""
    is_pretrained: bool = False
    """Whether networks, and plain classifiers, see what frozen networks give."""

    def before(self, config: TrainConfig) -> TrainConfig:
        """Return how networks were trained before: all at once, joined by attention alone.

        A recipe whose stages train what joins the modalities and nothing else has no use for them
        then.

        Args:
            config: as they are trained now.
        """
        model = replace(config.model, fusion='attention')
        joint = any(stage.fused_gradient == 0.0 for stage in config.stages)
        return replace(config, model=model, stages=() if joint else config.stages)


def _folds(clips: Sequence[RealClip], work: Path, *, validated: bool = False) -> tuple[Fold, ...]:
    """Make the folder of each fold below ``work``, which has the recordings."""
    return tuple(
        Fold(
            folder=fold_folder(
                work / 'recordings', clips, fold, work / f'fold_{fold}', validated=validated
            ),
            usual_label=_usual(clip.label for clip in clips if clip.fold != fold),
        )
        for fold in sorted({clip.fold for clip in clips} - {TRAINED_ON_ONLY})
    )


def _fights(work: Path) -> ClipSet | None:
    folder = data_folder(fights.NAME)
    if folder is None:
        return None
    clips = fights.read_clips(folder)
    write_recordings(clips, work / 'recordings', workers=1, console=Console(stderr=True))
    return ClipSet(
        name='fights',
        folds=_folds(clips, work, validated=True),
        clips={
            clip.name: ClipTruth(
                label=clip.label, group=clip.group, counts=clip.sound in fights.AUDIBLE
            )
            for clip in clips
            if clip.fold != TRAINED_ON_ONLY
        },
        above_baseline=MANY,
        note='Whole sources are held out, in five folds; clips without a source are trained on '
        'alone. Fusions are compared on the clips with audible sound.',
    )


def _esc10(work: Path) -> ClipSet | None:
    folder = data_folder(esc10.NAME)
    if folder is None:
        return None
    clips = esc10.read_clips(folder)
    write_recordings(clips, work / 'recordings', workers=1, console=Console(stderr=True))
    return ClipSet(
        name='esc10',
        folds=_folds(clips, work),
        # The recording that a clip was cut from is the middle part of its name.
        clips={c.name: ClipTruth(label=c.label, group=c.name.split('-')[1]) for c in clips},
        above_baseline=FEW,
        note="The authors' five folds.",
    )


def _utd_mhad(work: Path) -> ClipSet | None:
    folder = data_folder('utd_mhad', utd_mhad.TABLE)
    if folder is None:
        return None
    utd_mhad.write_recordings(folder, work / 'recordings')
    clips = list(read_joint_clips(folder))
    usual = _usual(clip.label for clip in clips if not clip.is_tested_on)
    return ClipSet(
        name='utd_mhad',
        folds=(Fold(folder=work / 'recordings', usual_label=usual),),
        clips={
            clip.name: ClipTruth(label=clip.label, group=utd_mhad.subject_of(clip.name))
            for clip in clips
            if clip.is_tested_on
        },
        above_baseline=FEW,
        note='Odd subjects train, even ones are tested on. Nobody is held out for validation.',
    )


def _composed(work: Path, *, per_class: int) -> ClipSet | None:
    if (data := data_folder('utd_mhad', utd_mhad.TABLE)) is None or data_folder('esc10') is None:
        return None
    every = composed_data.read_clips()
    recordings, table = work.parent / 'composed' / 'recordings', work.parent / 'composed' / 'table'
    if not (recordings / SPLITS_FILE).is_file():
        composed_data.write_table(every, data.parent, table)
    if (table / 'clips.csv').is_file():
        import_clips(find_clips(table), recordings)
    clips = composed_data.read_clips(per_class=per_class)
    link_recordings(recordings, [clip.clip for clip in clips], work / 'recordings')
    rows = [
        f'{clip.clip},{"test" if clip.is_tested_on else ""},group_{clip.group}' for clip in clips
    ]
    lines = '\n'.join(['recording,split,group', *rows])
    (work / 'recordings' / SPLITS_FILE).write_text(lines + '\n', encoding='utf-8')
    return ClipSet(
        name=work.name,
        folds=(
            Fold(
                folder=work / 'recordings',
                usual_label=_usual(clip.label for clip in clips if not clip.is_tested_on),
            ),
        ),
        clips={
            clip.clip: ClipTruth(label=clip.label, group=clip.joints or clip.sound or clip.clip)
            for clip in clips
            if clip.is_tested_on
        },
        above_baseline=MANY if per_class >= 100 else FEW,
        note='Test clips have subjects, sounds and wordings of their own. The bootstrap draws '
        'clips with the same recording of joints together.',
    )


def _usual(labels: Iterable[str]) -> str:
    counts = Counter(labels)
    return min(counts, key=lambda label: (-counts[label], label))


THREE = (VIDEO, AUDIO, TEXT)
SETS: Mapping[str, SetSource] = {
    'fights': SetSource(
        title='Fights in surveillance clips',
        recipe='few_clips',
        modalities=(VIDEO, AUDIO),
        write=_fights,
    ),
    'esc10': SetSource(title='Sounds of ESC-10', recipe='esc10', modalities=(AUDIO,), write=_esc10),
    'utd_mhad': SetSource(
        title='Actions of UTD-MHAD',
        recipe='utd_mhad',
        modalities=(VIDEO, IMU),
        write=_utd_mhad,
    ),
    'composed_25': SetSource(
        title='Three modalities, composed, 25 clips of each class',
        recipe='composed',
        modalities=THREE,
        write=partial(_composed, per_class=25),
    ),
    'composed_100': SetSource(
        title='Three modalities, composed, 100 clips of each class',
        recipe='composed',
        modalities=THREE,
        write=partial(_composed, per_class=100),
    ),
    'pretrained_25': SetSource(
        title='Three modalities, composed, by frozen networks, 25 clips of each class',
        recipe='few_clips_pretrained',
        modalities=THREE,
        write=partial(_composed, per_class=25),
        is_pretrained=True,
    ),
    'pretrained_100': SetSource(
        title='Three modalities, composed, by frozen networks, 100 clips of each class',
        recipe='few_clips_pretrained',
        modalities=THREE,
        write=partial(_composed, per_class=100),
        is_pretrained=True,
    ),
}
