"""What else is seen: things that move behind, stand in front of, or pass before the person."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from activity_recognition.simulation.camera import (
    Camera,
    Colour,
    FloatArray,
    Image,
    capsule,
    disc,
    draw_colour,
    polygon,
    shade,
)
from activity_recognition.simulation.poses import Wobble
from activity_recognition.simulation.room import Wall


@dataclass(frozen=True, kw_only=True, slots=True)
class Passage:
    """Something that crosses the image once."""

    start_s: float
    length_s: float
    direction: float
    width_m: float
    height_m: float
    colour: Colour


@dataclass(frozen=True, kw_only=True, slots=True)
class Curtain:
    """A curtain at the wall that sways."""

    middle_m: float
    width_m: float
    colour: Colour
    sway: Wobble


@dataclass(frozen=True, kw_only=True, slots=True)
class Screen:
    """A screen on the wall whose image changes."""

    corners: FloatArray
    colours: tuple[Colour, ...]
    change_s: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Plant:
    """A plant or post that stands close before the camera, at the image's edge."""

    leaves_px: FloatArray
    radii_px: FloatArray
    colours: tuple[Colour, ...]
    sway: Wobble


@dataclass(frozen=True, kw_only=True, slots=True)
class Disturbances:
    """All of them in one recording."""

    camera: Camera
    wall: Wall
    half_width_m: float
    curtain: Curtain | None
    screen: Screen | None
    plant: Plant | None
    pets: tuple[Passage, ...]
    passers: tuple[Passage, ...]

    def paint_behind(self, image: Image, time_s: float) -> None:
        """Paint what moves at the wall.

        Args:
            image: RGB uint8 (height, width, 3), painted on.
            time_s: seconds from the recording's start.
        """
        if self.curtain is not None:
            self._paint_curtain(image, self.curtain, time_s)
        if self.screen is not None:
            screen = self.screen
            index = int(time_s / screen.change_s) % len(screen.colours)
            polygon(image, screen.corners, screen.colours[index])

    def _paint_curtain(self, image: Image, curtain: Curtain, time_s: float) -> None:
        swing = 0.12 * curtain.sway.at(time_s)
        folds = 4
        for fold in range(folds):
            left = curtain.middle_m + curtain.width_m * (fold / folds - 0.5)
            right = left + curtain.width_m / folds
            points = np.array(
                [
                    (left, 2.3, self.wall.depth_m),
                    (right, 2.3, self.wall.depth_m),
                    (right + swing, 0.4, self.wall.depth_m),
                    (left + swing, 0.4, self.wall.depth_m),
                ]
            )
            tone = shade(curtain.colour, 1.0 if fold % 2 else 0.85)
            polygon(image, self.camera.project(points)[0], tone)

    def paint_pets(self, image: Image, time_s: float) -> None:
        """Paint an animal that walks along the wall.

        Args:
            image: RGB uint8 (height, width, 3), painted on.
            time_s: seconds from the recording's start.
        """
        for pet in self.pets:
            x_m = self._place(pet, time_s)
            if x_m is None:
                continue
            z_m, size = self.wall.depth_m - 0.5, pet.width_m
            hop = 0.02 * float(np.sin(12 * time_s))
            points = np.array(
                [
                    (x_m - 0.5 * size, 0.24 + hop, z_m),
                    (x_m + 0.5 * size, 0.24 + hop, z_m),
                    (x_m + 0.66 * size * pet.direction, 0.36 + hop, z_m),
                    (x_m - 0.35 * size, 0.0, z_m),
                    (x_m + 0.35 * size, 0.0, z_m),
                ]
            )
            pixels, depth = self.camera.project(points)
            scale = self.camera.focal_px / float(depth[0])
            body = (0.11 * scale, 0.11 * scale)
            for leg in (3, 4):
                capsule(
                    image, pixels[leg - 3], pixels[leg], (0.03 * scale, 0.03 * scale), pet.colour
                )
            capsule(image, pixels[0], pixels[1], body, pet.colour)
            disc(image, pixels[2], 0.09 * scale, shade(pet.colour, 1.1))

    def paint_before(self, image: Image, time_s: float) -> None:
        """Paint what hides parts of the person.

        Args:
            image: RGB uint8 (height, width, 3), painted on.
            time_s: seconds from the recording's start.
        """
        for passer in self.passers:
            x_m = self._place(passer, time_s)
            if x_m is not None:
                self._paint_passer(image, passer, x_m)
        if self.plant is not None:
            shift = np.array([2.0 * self.plant.sway.at(time_s), 0.0])
            for leaf, radius, colour in zip(
                self.plant.leaves_px, self.plant.radii_px, self.plant.colours, strict=True
            ):
                disc(image, leaf + shift, float(radius), colour)

    def _paint_passer(self, image: Image, passer: Passage, x_m: float) -> None:
        z_m = 1.7
        points = np.array(
            [(x_m, 0.2, z_m), (x_m, passer.height_m - 0.3, z_m), (x_m, passer.height_m, z_m)]
        )
        pixels, depth = self.camera.project(points)
        scale = self.camera.focal_px / float(depth[0])
        half = passer.width_m / 2 * scale
        capsule(image, pixels[0], pixels[1], (half, 0.85 * half), passer.colour)
        disc(image, pixels[2], 0.11 * scale, shade(passer.colour, 0.6))

    def _place(self, passage: Passage, time_s: float) -> float | None:
        """Return where it is across the image, metres; None while it is not there."""
        share = (time_s - passage.start_s) / passage.length_s
        if not 0 <= share <= 1:
            return None
        return passage.direction * (2 * share - 1) * (self.half_width_m * 1.3 + 0.4)


def _passages(
    rng: np.random.Generator,
    duration_s: float,
    gap_s: float,
    length_s: tuple[float, float],
    size_m: tuple[tuple[float, float], tuple[float, float]],
) -> tuple[Passage, ...]:
    """Draw when things cross, with pauses of ``gap_s`` on average."""
    passages = []
    time_s = float(rng.exponential(gap_s))
    while time_s < duration_s:
        passages.append(
            Passage(
                start_s=time_s,
                length_s=float(rng.uniform(*length_s)),
                direction=1.0 if rng.random() < 0.5 else -1.0,
                width_m=float(rng.uniform(*size_m[0])),
                height_m=float(rng.uniform(*size_m[1])),
                colour=draw_colour(rng, (0.0, 0.6), (0.1, 0.6)),
            )
        )
        time_s += passages[-1].length_s + float(rng.exponential(gap_s))
    return tuple(passages)


def _draw_plant(rng: np.random.Generator, size_px: tuple[int, int]) -> Plant:
    width_px, height_px = size_px
    left = rng.random() < 0.5
    stem = width_px * float(rng.uniform(0.02, 0.13))
    base = np.array([stem if left else width_px - stem, height_px])
    green = draw_colour(rng, (0.3, 0.8), (0.2, 0.6))
    count = int(rng.integers(8, 14))
    spread = rng.normal(0.0, 1.0, (count, 2)) * np.array([0.035 * width_px, 0.03 * height_px])
    rise = np.linspace(0.0, float(rng.uniform(0.2, 0.5)) * height_px, count)
    leaves = base + spread - np.stack([np.zeros(count), rise], axis=1)
    return Plant(
        leaves_px=leaves,
        radii_px=rng.uniform(0.025, 0.06, count) * height_px,
        colours=tuple(shade(green, float(rng.uniform(0.6, 1.3))) for _ in range(count)),
        sway=Wobble.draw(rng, 0.1, 0.5),
    )


def draw_disturbances(
    rng: np.random.Generator,
    camera: Camera,
    wall: Wall,
    *,
    half_width_m: float,
    size_px: tuple[int, int],
    duration_s: float,
    difficulty: float,
) -> Disturbances:
    """Draw what disturbs a recording; ``difficulty`` 0 leaves nothing, 1 much.

    Args:
        rng: draws it.
        camera: sees it.
        wall: back wall of the room.
        half_width_m: what the camera sees to either side, metres.
        size_px: width and height of the image, pixels.
        duration_s: length of the recording, seconds.
        difficulty: 0 (none) to 1 (much).
    """
    chances = rng.random(3)
    curtain = Curtain(
        middle_m=float(rng.uniform(-1.6, 1.6)),
        width_m=float(rng.uniform(0.3, 0.6)),
        colour=draw_colour(rng, (0.1, 0.7), (0.4, 0.95)),
        sway=Wobble.draw(rng, 0.1, 0.6),
    )
    middle = (float(rng.uniform(-1.4, 1.4)), float(rng.uniform(1.2, 1.7)))
    screen = Screen(
        corners=wall.rectangle(camera, middle, (0.7, 0.42)),
        colours=tuple(draw_colour(rng, (0.1, 0.7), (0.2, 0.9)) for _ in range(12)),
        change_s=float(rng.uniform(0.4, 2.5)),
    )
    plant = _draw_plant(rng, size_px)
    gap_s = 1e9 if difficulty == 0 else 20 / difficulty
    return Disturbances(
        camera=camera,
        wall=wall,
        half_width_m=half_width_m,
        curtain=curtain if chances[0] < 0.6 * difficulty else None,
        screen=screen if chances[1] < 0.4 * difficulty else None,
        plant=plant if chances[2] < 0.6 * difficulty else None,
        pets=_passages(rng, duration_s, gap_s, (3.0, 6.0), ((0.3, 0.5), (0.3, 0.4))),
        passers=_passages(rng, duration_s, 1.5 * gap_s, (1.0, 1.8), ((0.25, 0.45), (1.2, 1.8))),
    )
