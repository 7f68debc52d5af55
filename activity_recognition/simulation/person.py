"""A person's looks, and drawing them."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from activity_recognition.simulation.body import Build, Joint, draw_build
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

_SKIN: tuple[Colour, ...] = (
    (255, 224, 196),
    (241, 194, 160),
    (224, 172, 125),
    (190, 130, 90),
    (141, 85, 54),
    (92, 56, 38),
)
_HAIR: tuple[Colour, ...] = (
    (28, 22, 18),
    (74, 48, 30),
    (130, 88, 50),
    (205, 170, 100),
    (170, 80, 40),
    (175, 175, 178),
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Looks:
    """Body, skin, hair and clothes."""

    build: Build
    skin: Colour
    hair: Colour
    shirt: Colour
    stripes: Colour | None
    trousers: Colour
    shoes: Colour
    cup: Colour
    long_sleeves: bool
    long_trousers: bool
    long_hair: bool
    hat: bool
    light_side: float
    """Which side of the image light comes from: -1 left, 1 right."""


def draw_looks(rng: np.random.Generator) -> Looks:
    """Draw a person."""
    skin = _SKIN[int(rng.integers(len(_SKIN)))]
    shirt = draw_colour(rng, (0.1, 0.9), (0.3, 1.0))
    return Looks(
        build=draw_build(rng),
        skin=shade(skin, float(rng.uniform(0.9, 1.05))),
        hair=shade(_HAIR[int(rng.integers(len(_HAIR)))], float(rng.uniform(0.8, 1.2))),
        shirt=shirt,
        stripes=draw_colour(rng, (0.0, 0.9), (0.2, 1.0)) if rng.random() < 0.4 else None,
        trousers=draw_colour(rng, (0.05, 0.7), (0.15, 0.75)),
        shoes=draw_colour(rng, (0.0, 0.6), (0.1, 0.9)),
        cup=draw_colour(rng, (0.0, 0.9), (0.6, 1.0)),
        long_sleeves=bool(rng.random() < 0.55),
        long_trousers=bool(rng.random() < 0.75),
        long_hair=bool(rng.random() < 0.4),
        hat=bool(rng.random() < 0.2),
        light_side=-1.0 if rng.random() < 0.5 else 1.0,
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class Figure:
    """A person at one moment, as seen by the camera."""

    looks: Looks
    pixels: FloatArray
    """Joints in the image, (18, 2)."""
    depth: FloatArray
    """Distance of the joints along the view, metres, (18,)."""
    scale: float
    """Pixels a metre at the pelvis."""
    cup: bool
    on_floor: bool
    """Lying: the camera's depth of the parts decides little."""

    @classmethod
    def see(cls, looks: Looks, joints_N3: FloatArray, camera: Camera, *, cup: bool) -> Figure:
        """Project the joints of a person, (18, 3), metres.

        Args:
            looks: clothes and skin.
            joints_N3: places of the joints, metres, (18, 3).
            camera: sees it.
            cup: whether the left hand holds a cup.
        """
        pixels, depth = camera.project(joints_N3)
        return cls(
            looks=looks,
            pixels=pixels,
            depth=depth,
            scale=camera.focal_px / float(depth[Joint.PELVIS]),
            cup=cup,
            on_floor=bool(joints_N3[Joint.CHEST, 1] < 0.5),
        )

    def _limb(
        self, image: Image, start: int, end: int, radii_m: tuple[float, float], colour: Colour
    ) -> None:
        """Draw a bone as a bar with a lit stripe on the side of the light."""
        size = self.scale * self.looks.build.stoutness
        first, second = radii_m[0] * size, radii_m[1] * size
        a, b = self.pixels[start], self.pixels[end]
        capsule(image, a, b, (first, second), shade(colour, 0.8))
        aside = np.array([self.looks.light_side * 0.3, -0.12])
        capsule(image, a + aside * first, b + aside * second, (0.62 * first, 0.62 * second), colour)

    def draw_legs(self, image: Image) -> None:
        """Draw both legs, the farther one first."""
        looks = self.looks
        far_left = self.depth[Joint.KNEE_L] > self.depth[Joint.KNEE_R]
        for side in (0, 1) if far_left else (1, 0):
            shin = looks.trousers if looks.long_trousers else looks.skin
            self._limb(image, Joint.ANKLE_L + side, Joint.TOE_L + side, (0.045, 0.035), looks.shoes)
            self._limb(image, Joint.KNEE_L + side, Joint.ANKLE_L + side, (0.058, 0.042), shin)
            self._limb(
                image, Joint.HIP_L + side, Joint.KNEE_L + side, (0.088, 0.062), looks.trousers
            )

    def draw_arm(self, image: Image, side: int) -> None:
        """Draw the left (0) or right (1) arm, with the cup if it holds one.

        Args:
            image: RGB uint8 (height, width, 3), painted on.
            side: 0 for the left, 1 for the right.
        """
        looks = self.looks
        sleeve = looks.shirt if looks.long_sleeves else looks.skin
        self._limb(
            image,
            Joint.SHOULDER_L + side,
            Joint.ELBOW_L + side,
            (0.055, 0.045),
            shade(looks.shirt, 0.92),
        )
        self._limb(image, Joint.ELBOW_L + side, Joint.HAND_L + side, (0.044, 0.034), sleeve)
        hand = self.pixels[Joint.HAND_L + side]
        disc(image, hand, 0.05 * self.scale, looks.skin)
        if self.cup and side == 0:
            self._draw_cup(image, hand)

    def _draw_cup(self, image: Image, hand: FloatArray) -> None:
        half, tall = 0.045 * self.scale, 0.13 * self.scale
        corners = [
            (-half, -tall),
            (half, -tall),
            (0.8 * half, 0.3 * half),
            (-0.8 * half, 0.3 * half),
        ]
        polygon(image, hand + np.array(corners), self.looks.cup)

    def draw_trunk(self, image: Image) -> None:
        """Draw the trunk with its stripes."""
        looks, size = self.looks, self.scale * self.looks.build.stoutness
        shoulders = self.pixels[[Joint.SHOULDER_L, Joint.SHOULDER_R]]
        hips = self.pixels[[Joint.HIP_L, Joint.HIP_R]]
        polygon(
            image,
            np.array([shoulders[0], shoulders[1], hips[1], hips[0]]),
            shade(looks.shirt, 0.85),
        )
        for side in range(2):
            capsule(
                image,
                shoulders[side],
                hips[side],
                (0.07 * size, 0.08 * size),
                shade(looks.shirt, 0.85),
            )
        self._limb(image, Joint.CHEST, Joint.PELVIS, (0.1, 0.1), looks.shirt)
        if looks.stripes is not None:
            for share in (0.25, 0.5, 0.75):
                ends = shoulders + share * (hips - shoulders)
                capsule(image, ends[0], ends[1], (0.022 * size, 0.022 * size), looks.stripes)
        belt = shade(looks.trousers, 0.9)
        capsule(image, hips[0], hips[1], (0.085 * size, 0.085 * size), belt)

    def draw_head(self, image: Image) -> None:
        """Draw neck, hair and, where it can be seen, the face."""
        looks = self.looks
        radius = looks.build.head_m * self.scale
        chest, head = self.pixels[Joint.CHEST], self.pixels[Joint.HEAD]
        look = self.pixels[Joint.FACE] - head
        turned_away = self.depth[Joint.FACE] > self.depth[Joint.HEAD] + 0.3 * looks.build.head_m
        hair = looks.hair
        if looks.long_hair:
            capsule(image, head - 0.3 * look, chest - 0.3 * look, (radius, 0.8 * radius), hair)
        capsule(image, chest, head, (0.5 * radius, 0.45 * radius), shade(looks.skin, 0.85))
        top = head + (head - chest) * 0.12
        disc(image, top - 0.12 * look, 1.04 * radius, hair)
        if not turned_away:
            disc(image, head + 0.28 * look - (head - chest) * 0.06, 0.86 * radius, looks.skin)
            self._draw_eyes(image, head + 0.5 * look, radius)
        if looks.hat:
            across = np.array([-(head - chest)[1], (head - chest)[0]]) * 0.6
            brim = head + (head - chest) * 0.38
            capsule(
                image,
                brim - across,
                brim + across + 0.3 * look,
                (0.22 * radius, 0.22 * radius),
                looks.shoes,
            )

    def _draw_eyes(self, image: Image, between: FloatArray, radius: float) -> None:
        across = self.pixels[Joint.SHOULDER_R] - self.pixels[Joint.SHOULDER_L]
        span = float(np.hypot(*across))
        if span < 0.5 * radius:
            return
        step = across * (0.32 * radius / max(span, 2.4 * radius))
        for eye in (between - step, between + step):
            disc(image, eye, 0.13 * radius, (25, 20, 20))

    def draw_upright(self, image: Image) -> None:
        """Draw everything, farther parts first."""
        trunk = float(self.depth[Joint.CHEST])
        behind: list[int] = []
        before: list[int] = []
        for side in range(2):
            nearer = (
                self.depth[Joint.ELBOW_L + side] + self.depth[Joint.HAND_L + side] < 2 * trunk + 0.1
            )
            (before if nearer or self.on_floor else behind).append(side)
        for side in behind:
            self.draw_arm(image, side)
        self.draw_legs(image)
        self.draw_trunk(image)
        self.draw_head(image)
        for side in before:
            self.draw_arm(image, side)

    def draw_below(self, image: Image) -> None:
        """Draw what a table in front hides: everything but the arms."""
        self.draw_legs(image)
        self.draw_trunk(image)
        self.draw_head(image)

    def draw_arms(self, image: Image) -> None:
        """Draw the arms, the farther one first."""
        far_left = self.depth[Joint.HAND_L] > self.depth[Joint.HAND_R]
        for side in (0, 1) if far_left else (1, 0):
            self.draw_arm(image, side)

    def draw_shadow(self, image: Image, camera: Camera, joints_N3: FloatArray) -> None:
        """Darken the floor under the feet or the lying body.

        Args:
            image: RGB uint8 (height, width, 3), painted on.
            camera: sees it.
            joints_N3: places of the joints, metres, (18, 3).
        """
        ground = joints_N3[[Joint.HEAD, Joint.ANKLE_L, Joint.ANKLE_R, Joint.PELVIS]].copy()
        ground[:, 1] = 0.0
        if not self.on_floor:
            ground[0] = ground[3]
        pixels, _ = camera.project(ground)
        low, high = pixels.min(axis=0), pixels.max(axis=0)
        half = (high - low) / 2 + np.array([0.2, 0.06]) * self.scale
        _darken_oval(image, (low + high) / 2, half)


def _darken_oval(image: Image, centre: FloatArray, half: FloatArray) -> None:
    """Blend a dark oval into the image."""
    height, width = image.shape[:2]
    left, top = np.maximum(np.floor(centre - half - 1), 0).astype(int)
    right = min(width, int(centre[0] + half[0]) + 2)
    bottom = min(height, int(centre[1] + half[1]) + 2)
    if right - left < 2 or bottom - top < 2:
        return
    patch = image[top:bottom, left:right]
    dark = patch.copy()
    axes = (max(1, round(float(half[0]))), max(1, round(float(half[1]))))
    middle = (round(float(centre[0])) - int(left), round(float(centre[1])) - int(top))
    cv2.ellipse(dark, middle, axes, 0, 0, 360, (20, 20, 24), -1, cv2.LINE_AA)
    cv2.addWeighted(dark, 0.35, patch, 0.65, 0, dst=patch)
