"""Recordings by the table of labels: stretches of one thing, with joints, sounds and words.

Within a stretch each modality may be missing, and sounds and words may be those of another label.
Everything follows from the seed of a recording.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from activity_recognition.bags import import_key_points, write_labels
from activity_recognition.bags.subtitles import Cue
from activity_recognition.errors import ConfigError
from activity_recognition.settings import Ranged, setting
from activity_recognition.simulation.phrases import UNRELATED
from activity_recognition.simulation.speech import draw_sentence
from activity_recognition.training.data.people_labels import LabelSources
from activity_recognition.training.data.random_cameras import SIZE_PX, CameraConfig, draw_camera
from activity_recognition.training.people.bodies import (
    LIMBS,
    NAMES,
    Movement,
    RealMovements,
    simulated_movement,
)
from activity_recognition.training.people.sounds import (
    RATE_HZ,
    RealSounds,
    fitted,
    simulated_sound,
    write_wave,
)
from activity_recognition.types import LabelSpan

FRAME_HZ = 15.0
BETWEEN_S = 0.4
"""How long somebody takes from the last pose of a stretch to the first of the next, seconds."""
S_PER_WORD = 0.35
BEFOREHAND_S = 0.5
"""Somebody speaks of a stretch this long before or after it begins, at most."""
_FAINT = 1e-3
"""Level of the noise that is always heard."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ComposingConfig(Ranged):
    """What composed recordings are like."""

    stretches: int = setting(8, low=2, high=1000)
    """Of one label each, in a recording."""
    shortest_s: float = setting(3.0, low=1.0, high=60.0)
    longest_s: float = setting(7.0, low=1.0, high=60.0)
    """Of a stretch of simulated joints; those of real people are as long as they are."""
    no_joints: float = setting(0.15, low=0.0, high=1.0)
    """Chance that a stretch has no joints: nobody is found."""
    no_sound: float = setting(0.2, low=0.0, high=1.0)
    no_words: float = setting(0.15, low=0.0, high=1.0)
    wrong_sound: float = setting(0.1, low=0.0, high=1.0)
    """Chance that the sound is that of another label."""
    wrong_words: float = setting(0.1, low=0.0, high=1.0)
    shortest_pause_s: float = setting(1.0, low=0.0, high=60.0)
    longest_pause_s: float = setting(4.0, low=0.0, high=60.0)
    """Between two things that are said of one stretch."""
    noise: float = setting(0.06, low=0.0, high=1.0)
    """Largest standard deviation of the detector's noise in a recording, a share of the trunk."""
    missing: float = setting(0.2, low=0.0, high=1.0)
    """Largest share of joints that the detector does not find."""
    confused: float = setting(0.05, low=0.0, high=1.0)
    """Largest share of frames in which it takes left for right."""
    legs_hidden: float = setting(0.3, low=0.0, high=1.0)
    """Chance that in a recording nothing is seen below the hips or the knees: somebody stands
    behind a table, or near a camera that looks at the upper body."""
    camera: CameraConfig = field(default=CameraConfig(nearest_m=1.5))


@dataclass(frozen=True, kw_only=True, slots=True)
class Sources:
    """What recordings are composed of."""

    table: Sequence[LabelSources]
    movements: RealMovements | None
    """None takes the simulator's alone."""
    sounds: RealSounds | None
    held_out: bool = False
    """Whether sentences are those that training does not hear."""

    def __post_init__(self) -> None:
        """Check that somebody does everything in the table.

        Raises:
            ConfigError: a label has no joints in these sources.
        """
        real = self.movements is not None
        bare = [t.label for t in self.table if not t.simulated_joints and not (real and t.utd_mhad)]
        if bare:
            raise ConfigError(
                f'expected joints of every label, got none of {", ".join(bare)} without UTD-MHAD'
            )


@dataclass(frozen=True, kw_only=True, slots=True)
class _Stretch:
    label: str
    start_s: float
    movement: Movement
    is_seen: bool

    @property
    def end_s(self) -> float:
        return self.start_s + self.movement.duration_s


def compose_recording(out: Path, sources: Sources, config: ComposingConfig, *, seed: int) -> Path:
    """Write a labelled recording; one that is there already is kept.

    Args:
        out: folder of the recording.
        sources: what it is composed of.
        config: what it is like.
        seed: of everything random.

    Returns:
        ``out``.
    """
    if (out / 'labels.csv').is_file():
        return out
    rng = np.random.default_rng(seed)
    stretches = _stretches(sources, config, rng, seed=seed)
    points, scores = _detected(stretches, config, rng)
    sound = _sound(stretches, sources, config, rng)
    with tempfile.TemporaryDirectory() as workspace:
        arrays, audio = Path(workspace) / 'joints.npz', Path(workspace) / 'sound.wav'
        write_wave(sound, audio)
        np.savez(
            arrays,
            joints=points,
            scores=scores,
            names=np.array(NAMES),
            t_s=np.arange(len(points)) / FRAME_HZ,
            image_size=SIZE_PX,
        )
        import_key_points(
            arrays,
            out,
            audio=audio,
            transcript=_words(stretches, sources, config, rng),
            overwrite=True,
        )
    # The labels come last: what has them is whole.
    write_labels(
        out / 'labels.csv',
        [LabelSpan(start_s=s.start_s, end_s=s.end_s, label=s.label) for s in stretches],
    )
    return out


def dealt(labels: int, stretches: int, seed: int) -> list[int]:
    """Return which labels a recording has: neighbouring ones have each of them equally often.

    Args:
        labels: how many there are.
        stretches: of a recording.
        seed: of the recording.
    """
    first = seed * stretches
    blocks = range(first // labels, -(-(first + stretches) // labels))
    order = [
        int(place)
        for block in blocks
        for place in np.random.default_rng([_DEALING, block]).permutation(labels)
    ]
    skipped = first - blocks[0] * labels
    return order[skipped : skipped + stretches]


_DEALING = 1
"""Keeps the order of labels apart from what else is drawn of a seed."""


def _stretches(
    sources: Sources, config: ComposingConfig, rng: np.random.Generator, *, seed: int
) -> list[_Stretch]:
    """Draw what is done in a recording."""
    found: list[_Stretch] = []
    start_s = 0.0
    for place in dealt(len(sources.table), config.stretches, seed):
        of = sources.table[place]
        movement = _movement(of, sources, config, rng)
        is_seen = bool(rng.random() >= config.no_joints)
        # Joints of nobody at all are no recording.
        is_last_chance = len(found) + 1 == config.stretches and not any(s.is_seen for s in found)
        found.append(
            _Stretch(
                label=of.label,
                start_s=start_s,
                movement=movement,
                is_seen=is_seen or is_last_chance,
            )
        )
        start_s = found[-1].end_s
    return found


def _movement(
    of: LabelSources, sources: Sources, config: ComposingConfig, rng: np.random.Generator
) -> Movement:
    real = list(of.utd_mhad.items()) if sources.movements is not None else []
    simulated = list(of.simulated_joints)
    # A label with both is as often real as simulated.
    is_real = bool(real) and (not simulated or rng.random() < 0.5)
    if is_real and sources.movements is not None:
        action, part = real[int(rng.integers(len(real)))]
        return sources.movements.draw(action, part, rng)
    length_s = float(rng.uniform(config.shortest_s, config.longest_s))
    return simulated_movement(simulated[int(rng.integers(len(simulated)))], length_s, rng)


def _detected(
    stretches: Sequence[_Stretch], config: ComposingConfig, rng: np.random.Generator
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the joints (T, J, 2) of all stretches in one camera's image, pixels, and scores.

    Joints that are not found are NaN, with a score of 0.
    """
    times_s = np.arange(int(stretches[-1].end_s * FRAME_HZ)) / FRAME_HZ
    places = np.empty((len(times_s), len(NAMES), 3))
    seen = np.zeros(len(times_s), np.bool_)
    for stretch in stretches:
        own = (times_s >= stretch.start_s) & (times_s < stretch.end_s)
        there = stretch.movement.at(times_s[own] - stretch.start_s)
        places[own] = there - _ground(stretch.movement)
        seen[own] = stretch.is_seen
        first = int(np.argmax(own))
        if first and own.any():
            _join(places, first)
    camera = draw_camera(places, config.camera, rng)
    pixels = camera.project(places).astype(np.float64)
    hips = pixels[:, [NAMES.index('left_hip'), NAMES.index('right_hip')]].mean(axis=1)
    necks = pixels[:, [NAMES.index('left_shoulder'), NAMES.index('right_shoulder')]].mean(axis=1)
    trunk = np.nanmedian(np.linalg.norm(necks - hips, axis=1))
    pixels += rng.normal(size=pixels.shape) * rng.uniform(0, config.noise) * trunk
    confused = rng.random(len(pixels)) < rng.uniform(0, config.confused)
    pixels[confused] = pixels[confused][:, _OTHER_SIDES]
    lost = rng.random(pixels.shape[:2]) < rng.uniform(0, config.missing)
    outside = ((pixels < 0) | (pixels >= SIZE_PX)).any(axis=2)
    pixels[lost | outside | _hidden(pixels, config, rng) | ~seen[:, None]] = np.nan
    scores = np.where(np.isnan(pixels).any(axis=2), 0.0, rng.uniform(0.3, 1.0, pixels.shape[:2]))
    return pixels.astype(np.float32), scores.astype(np.float32)


def _hidden(
    pixels: NDArray[np.float64], config: ComposingConfig, rng: np.random.Generator
) -> NDArray[np.bool_]:
    """Return which joints (T, J) are below an edge across the image: none in most recordings."""
    if rng.random() >= config.legs_hidden:
        return np.zeros(pixels.shape[:2], np.bool_)
    upper, lower = (('shoulder', 'hip'), ('hip', 'knee'))[int(rng.integers(2))]
    heights = [
        np.median(pixels[:, [NAMES.index(f'{side}_{part}') for side in ('left', 'right')], 1])
        for part in (upper, lower)
    ]
    # From the middle between both to a little below the lower one.
    edge = heights[0] + rng.uniform(0.5, 1.1) * (heights[1] - heights[0])
    return np.asarray(pixels[..., 1] > edge, np.bool_)


_OTHER_SIDES = [0, *(1 + (place ^ 1) for place in range(len(LIMBS)))]
"""Left and right exchanged; limbs come in pairs."""


def _ground(movement: Movement) -> NDArray[np.float64]:
    """Return what is below the hips at the start, (3,): everybody begins in the same place."""
    first = movement.places_m[0]
    hips = first[[NAMES.index('left_hip'), NAMES.index('right_hip')]].mean(axis=0)
    return np.array([hips[0], movement.places_m[..., 1].max(), hips[2]])


def _join(places: NDArray[np.float64], first: int) -> None:
    """Move from the pose before ``first`` to what follows, within a moment."""
    count = min(round(BETWEEN_S * FRAME_HZ), len(places) - first)
    share = (np.arange(1, count + 1) / (count + 1))[:, None, None]
    places[first : first + count] = (
        places[first - 1] * (1 - share) + places[first : first + count] * share
    )


def _sound(
    stretches: Sequence[_Stretch],
    sources: Sources,
    config: ComposingConfig,
    rng: np.random.Generator,
) -> NDArray[np.float32]:
    """Return what is heard, in [-1, 1]; a faint noise where nothing is."""
    total = round(stretches[-1].end_s * RATE_HZ)
    heard = (rng.standard_normal(total) * _FAINT * rng.uniform(0.2, 2.0)).astype(np.float32)
    for stretch in stretches:
        if rng.random() < config.no_sound:
            continue
        of = _partner(stretch.label, sources, config.wrong_sound, rng)
        made = _heard_of(of, sources, stretch.movement.duration_s, rng)
        if made is not None:
            begin = round(stretch.start_s * RATE_HZ)
            part = made[: total - begin]
            heard[begin : begin + len(part)] += part
    return fitted(np.clip(heard, -1, 1), total / RATE_HZ)


def _heard_of(
    of: LabelSources, sources: Sources, duration_s: float, rng: np.random.Generator
) -> NDArray[np.float32] | None:
    """Draw the sound of a label; None where no source has any."""
    choices = [('simulator', name) for name in of.simulated_sounds]
    if sources.sounds is not None:
        choices += [('esc10', name) for name in of.esc10]
    if not choices:
        return None
    source, name = choices[int(rng.integers(len(choices)))]
    if source == 'simulator' or sources.sounds is None:
        return simulated_sound(name, duration_s, rng)
    return sources.sounds.draw(name, duration_s, rng)


def _words(
    stretches: Sequence[_Stretch],
    sources: Sources,
    config: ComposingConfig,
    rng: np.random.Generator,
) -> tuple[Cue, ...]:
    """Draw what is said and when: as its stretch begins, and again while it lasts."""
    cues: list[Cue] = []
    for stretch in stretches:
        if rng.random() < config.no_words:
            continue
        start_s = stretch.start_s + float(rng.uniform(-BEFOREHAND_S, BEFOREHAND_S))
        start_s = max(start_s, cues[-1].end_s if cues else 0.0)
        while True:
            text = _said(_partner(stretch.label, sources, config.wrong_words, rng), sources, rng)
            end_s = start_s + S_PER_WORD * len(text.split())
            if end_s > stretch.end_s:
                break
            cues.append(Cue(start_s=start_s, end_s=end_s, text=text, line=len(cues) + 1))
            pause_s = rng.uniform(config.shortest_pause_s, config.longest_pause_s)
            start_s = end_s + float(pause_s)
    return tuple(cues)


def _said(of: LabelSources, sources: Sources, rng: np.random.Generator) -> str:
    """Draw a sentence of a label: the last fifth of the written ones is kept from training."""
    if rng.random() < 0.15:
        return draw_sentence(rng, UNRELATED[int(rng.integers(len(UNRELATED)))], 'train')
    if of.intent:
        return draw_sentence(rng, of.intent, 'heldout' if sources.held_out else 'train')
    kept = max(1, len(of.sentences) // 5)
    known = of.sentences[-kept:] if sources.held_out else of.sentences[:-kept]
    return known[int(rng.integers(len(known)))]


def _partner(label: str, sources: Sources, chance: float, rng: np.random.Generator) -> LabelSources:
    """Return a label's own entry, or by chance that of another."""
    others = [of for of in sources.table if of.label != label]
    if rng.random() < chance:
        return others[int(rng.integers(len(others)))]
    return next(of for of in sources.table if of.label == label)
