"""The camera's images of a recording."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import cv2
import numpy as np
from numpy.typing import NDArray

from activity_recognition.persons import Box
from activity_recognition.simulation.body import Joint, joints
from activity_recognition.simulation.camera import (
    REFERENCE_DEPTH_M,
    Camera,
    Image,
    draw_camera,
)
from activity_recognition.simulation.chance import Stream, stream
from activity_recognition.simulation.choreography import Choreography
from activity_recognition.simulation.config import SimulationConfig
from activity_recognition.simulation.disturbance import Disturbances, draw_disturbances
from activity_recognition.simulation.furniture import FurnitureSet, furnish
from activity_recognition.simulation.person import Figure, Looks, draw_looks
from activity_recognition.simulation.poses import Pose, Wobble
from activity_recognition.simulation.room import draw_light, paint_room
from activity_recognition.simulation.stage import Stage, draw_stage

_BANK_EXTRA_PX = 64
"""The stored sensor noise is this much larger than a frame, to be cut at random offsets."""


_FLESH_M = 0.1
"""How far somebody reaches beyond the joints, metres."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Actor:
    """Somebody in the scene."""

    looks: Looks
    choreography: Choreography


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Scene:
    """Everything a recording's images are made of, but the time."""

    config: SimulationConfig
    camera: Camera
    stage: Stage
    margin_px: int
    background: Image
    """RGB, a margin larger than a frame on every side."""
    furniture: FurnitureSet
    looks: Looks
    disturbances: Disturbances
    light: NDArray[np.float32]
    noise_bank: NDArray[np.int16]
    blur_px: float
    shake: tuple[Wobble, Wobble]
    shake_px: float
    flicker: Wobble

    def render(
        self, choreography: Choreography, time_s: float, others: Sequence[Actor] = ()
    ) -> Image:
        """Return the noiseless image at a time, RGB (height, width, 3).

        Args:
            choreography: what the person does.
            time_s: seconds from the recording's start.
            others: who else is there.
        """
        canvas = self.background.copy()
        self.disturbances.paint_behind(canvas, time_s)
        self.disturbances.paint_pets(canvas, time_s)
        if others:
            everybody = (Actor(looks=self.looks, choreography=choreography), *others)
            self._paint_several(canvas, everybody, time_s)
        else:
            self._paint_one(canvas, choreography.pose(time_s))
        self.disturbances.paint_before(canvas, time_s)
        return self._expose(canvas, time_s)

    def _paint_several(self, canvas: Image, actors: Sequence[Actor], time_s: float) -> None:
        """Paint several people and furniture, farther ones first: nearer ones hide others."""
        pieces = self.furniture
        painted: list[tuple[float, Callable[[Image], None]]] = [
            (piece.depth_m, piece.paint) for piece in (pieces.cupboard, pieces.chair)
        ]
        table: tuple[float, Callable[[Image], None]] = pieces.table.depth_m, pieces.table.paint
        for actor in actors:
            pose = actor.choreography.pose(time_s)
            places = joints(pose, actor.looks.build)
            figure = Figure.see(actor.looks, places, self.camera, cup=bool(pose[Pose.CUP] > 0.5))
            figure.draw_shadow(canvas, self.camera, places)
            if self._is_seated(pose):
                # The table stands before whoever sits at it, whatever its depth.
                table = float(pose[Pose.Z]), partial(self._paint_at_table, figure)
            else:
                painted.append((float(pose[Pose.Z]), figure.draw_upright))
        for _, paint in sorted([*painted, table], key=lambda item: -item[0]):
            paint(canvas)

    def _paint_at_table(self, figure: Figure, canvas: Image) -> None:
        """Paint somebody on the chair with the table before them."""
        self.furniture.chair.paint(canvas)
        figure.draw_below(canvas)
        self.furniture.table.paint(canvas)
        figure.draw_arms(canvas)

    def _is_seated(self, pose: NDArray[np.float64]) -> bool:
        """Return whether somebody is on the chair."""
        seat_x, seat_z = self.stage.seat_m
        is_low = pose[Pose.HIP] < 0.8 and pose[Pose.PITCH] < 0.4
        return bool(is_low and np.hypot(pose[Pose.X] - seat_x, pose[Pose.Z] - seat_z) < 0.3)

    def _paint_one(self, canvas: Image, pose: NDArray[np.float64]) -> None:
        """Paint person and furniture, farther ones first."""
        places = joints(pose, self.looks.build)
        figure = Figure.see(self.looks, places, self.camera, cup=bool(pose[Pose.CUP] > 0.5))
        pieces = self.furniture
        figure.draw_shadow(canvas, self.camera, places)
        if self._is_seated(pose):
            pieces.cupboard.paint(canvas)
            self._paint_at_table(figure, canvas)
            return
        order = sorted(
            (pieces.cupboard, pieces.chair, pieces.table), key=lambda piece: -piece.depth_m
        )
        depth = float(pose[Pose.Z])
        for piece in order:
            if piece.depth_m >= depth:
                piece.paint(canvas)
        figure.draw_upright(canvas)
        for piece in order:
            if piece.depth_m < depth:
                piece.paint(canvas)

    def _expose(self, canvas: Image, time_s: float) -> Image:
        """Cut the frame out of the canvas as the camera shakes; apply focus and light."""
        height, width = self.config.height_px, self.config.width_px
        top, left = self._corner(time_s)
        frame = canvas[top : top + height, left : left + width]
        if self.blur_px > 0.25:
            frame = cv2.GaussianBlur(frame, (0, 0), self.blur_px)
        gain = 1.0 + 0.04 * self.config.difficulty * self.flicker.at(time_s)
        lit = cv2.multiply(frame, self.light, scale=gain, dtype=cv2.CV_8U)
        return np.asarray(lit, np.uint8)

    def _corner(self, time_s: float) -> tuple[int, int]:
        """Return row and column of the canvas at which the shaking camera's frame begins."""
        top, left = (
            self.margin_px + round(self.shake_px * wobble.at(time_s)) for wobble in self.shake
        )
        return min(max(top, 0), 2 * self.margin_px), min(max(left, 0), 2 * self.margin_px)

    def keypoints(self, pose: NDArray[np.float64], time_s: float) -> NDArray[np.float32]:
        """Return where the joints of a pose are in the image at a time.

        Shape (18, 2), rows as in ``Joint``; x to the right and y down as shares of the image,
        inside it from 0 to 1; hidden ones too.

        Args:
            pose: laid out as in ``Pose``.
            time_s: seconds from the recording's start.
        """
        pixels, _ = self.camera.project(joints(pose, self.looks.build))
        top, left = self._corner(time_s)
        size = np.array([self.config.width_px, self.config.height_px])
        return np.asarray((pixels - (left, top)) / size, np.float32)

    def box_of(self, actor: Actor, time_s: float) -> Box:
        """Return the box around somebody at a time, pixels of the image, hidden parts too.

        It is not cut at the image's edges, and reaches a hand's width beyond the joints.

        Args:
            actor: who.
            time_s: seconds from the recording's start.
        """
        places = joints(actor.choreography.pose(time_s), actor.looks.build)
        pixels, depth = self.camera.project(places)
        top, left = self._corner(time_s)
        low, high = pixels.min(axis=0) - (left, top), pixels.max(axis=0) - (left, top)
        box = Box(float(low[0]), float(low[1]), float(high[0]), float(high[1]))
        return box.grown(_FLESH_M * self.camera.focal_px / float(depth[Joint.PELVIS]))

    def add_noise(self, image: Image, offset: tuple[int, int]) -> Image:
        """Add the sensor's noise, cut from the stored bank at ``offset`` (rows, columns).

        Args:
            image: RGB uint8 (height, width, 3), painted on.
            offset: where the noise is cut from the bank, rows and columns.
        """
        height, width = image.shape[:2]
        top, left = offset
        patch = self.noise_bank[top : top + height, left : left + width]
        return np.asarray(cv2.add(image, patch, dtype=cv2.CV_8U), np.uint8)


def draw_scene(config: SimulationConfig) -> Scene:
    """Draw room, camera, light and person of a recording."""
    rng = stream(config.seed, Stream.CAMERA)
    width, height = config.width_px, config.height_px
    margin_px = 2 + round(3 * height / 144)
    camera = draw_camera(rng, width, height, margin_px)
    half_width_m = REFERENCE_DEPTH_M * width / 2 / camera.focal_px
    light = draw_light(rng, width, height, config.difficulty)
    sigma = float(rng.uniform(0.6, 1.4)) * (1.0 + 10 * config.difficulty)
    bank_shape = (height + _BANK_EXTRA_PX, width + _BANK_EXTRA_PX, 3)
    room_rng = stream(config.seed, Stream.ROOM)
    stage = draw_stage(room_rng, half_width_m)
    background, wall = paint_room(room_rng, camera, width + 2 * margin_px, height + 2 * margin_px)
    return Scene(
        config=config,
        camera=camera,
        stage=stage,
        margin_px=margin_px,
        background=background,
        furniture=furnish(room_rng, camera, stage),
        looks=draw_looks(stream(config.seed, Stream.PERSON)),
        disturbances=draw_disturbances(
            stream(config.seed, Stream.DISTURBANCE),
            camera,
            wall,
            half_width_m=half_width_m,
            size_px=(width + 2 * margin_px, height + 2 * margin_px),
            duration_s=config.duration_s,
            difficulty=config.difficulty,
        ),
        light=light,
        noise_bank=np.rint(rng.normal(0.0, sigma, bank_shape)).astype(np.int16),
        blur_px=float(rng.uniform(0.0, 0.9)) * config.difficulty * height / 144,
        shake=(Wobble.draw(rng, 0.3, 3.0), Wobble.draw(rng, 0.3, 3.0)),
        shake_px=float(rng.uniform(0.2, 1.6)) * config.difficulty * height / 144,
        flicker=Wobble.draw(rng, 0.2, 4.0),
    )


def photograph(
    scene: Scene,
    choreography: Choreography,
    time_s: float,
    rng: np.random.Generator,
    others: Sequence[Actor] = (),
) -> Image:
    """Return the image at a time with sensor noise.

    Args:
        scene: room, person and camera.
        choreography: what the person does.
        time_s: seconds from the recording's start.
        rng: draws the noise.
        others: who else is there.
    """
    top, left = rng.integers(0, _BANK_EXTRA_PX, 2)
    return scene.add_noise(scene.render(choreography, time_s, others), (int(top), int(left)))


def render_frames(
    scene: Scene, choreography: Choreography, others: Sequence[Actor] = ()
) -> Iterator[tuple[float, Image]]:
    """Yield every frame with its time, seconds from the recording's start.

    Args:
        scene: room, person and camera.
        choreography: what the person does.
        others: who else is there.
    """
    config = scene.config
    rng = stream(config.seed, Stream.CAMERA, 1)
    for index in range(config.frame_count):
        time_s = index / config.frame_rate_hz
        yield time_s, photograph(scene, choreography, time_s, rng, others)
