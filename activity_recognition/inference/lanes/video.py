"""Frames: prepared, encoded by themselves, then attending to those before them.

Shapes: n frames of all streams, S image side, J joints, D width.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import count
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from activity_recognition.config import ModelConfig
from activity_recognition.errors import ShapeError
from activity_recognition.inference.frame_inputs import FrameArray, frame_input, random_points
from activity_recognition.inference.lanes.artificial import Scene
from activity_recognition.inference.lanes.lane import (
    Arrays,
    FrontEnd,
    FrontEndSettings,
    Lane,
    LaneContext,
    Stream,
    time_arrays,
    turns,
)
from activity_recognition.inference.precision import host_type, upload, upload_stack
from activity_recognition.inference.resizing import Pixels
from activity_recognition.inference.rings import KeyValueRing
from activity_recognition.models.directions import DirectionState
from activity_recognition.models.key_points import KeyPointMotion
from activity_recognition.models.motion import MotionEncoder, MotionState
from activity_recognition.types import NANOSECONDS, Frame, Modality

FRAMES_AT_ONCE = {'cpu': 4, 'cuda': 64}
"""Frames of all streams encoded by one call; a CPU's caches do not hold more."""

_ARTIFICIAL_IMAGES = 4
"""Different images that are shown by turns in a made-up stream."""


class PreparedFrame(NamedTuple):
    """A frame as the encoder takes it."""

    image: FrameArray
    """(S, S, 3), or as it came where the device resamples it; or key points, (J, 3)."""
    stamp_ns: int
    arrival_ns: int
    seen: NDArray[np.uint8] | None = None
    """(S, S, 3), what the key points were found in, for a network that takes both."""


class VideoFrontEnd(FrontEnd[Frame, PreparedFrame]):
    """Brings images to the size that the network sees, or picks or finds the key points."""

    def __init__(self, settings: FrontEndSettings) -> None:
        """Prepare frames for the network of ``settings``."""
        super().__init__(settings)
        video = settings.config.video
        self._input = frame_input(video, resize=settings.resize)
        self._seen = Pixels(video.input_size_px, resize=True) if video.takes_both else None

    def check(self, sample: Frame) -> None:
        """Raise ShapeError for a frame without what the network takes."""
        self._input.check(sample)
        if self._seen is not None and sample.key_points is not None:
            raise ShapeError(
                'frame: expected an image, in which this network finds key points and sees what '
                'moves, got key points; take a network without video.motion_memory_s'
            )

    def prepare(self, sample: Frame) -> tuple[PreparedFrame]:
        """Return the frame as the network sees it, or what is left to be resampled."""
        image = self._input.prepare(sample)
        seen = None if self._seen is None else self._seen.prepare(sample)
        return (PreparedFrame(image, sample.stamp_ns, sample.arrival_ns, seen),)

    def clear(self) -> None:
        """Forget the frames before."""
        self._input.clear()

    def arrays(self, prepared: Sequence[PreparedFrame]) -> Arrays:
        """Return ``frames`` (T, S, S, 3) or (T, J, 3) with times; see :meth:`FrontEnd.arrays`.

        Of a network that takes both, ``frames`` are key points and ``images`` what they were found
        in, (T, S, S, 3).
        """
        images = [item.image for item in prepared]
        frames = np.stack(images) if images else self._input.empty()
        times = [(item.stamp_ns, item.arrival_ns) for item in prepared]
        found: Arrays = {'frames': frames, **time_arrays('frame', times)}
        if self._seen is not None:
            seen = [item.seen for item in prepared if item.seen is not None]
            found['images'] = np.stack(seen) if seen else self._seen.empty()
        return found


class VideoLane(Lane[Frame, PreparedFrame]):
    """Encodes frames: all of them at once by themselves, then one of each stream at a time."""

    modality = Modality.VIDEO
    front_end = VideoFrontEnd

    def __init__(self, context: LaneContext, slots: int) -> None:
        """Allocate the state of ``slots`` streams that have seen nothing.

        Args:
            context: what all lanes of an engine share.
            slots: number of streams.
        """
        super().__init__(context, slots)
        config, encoder = context.system.config, context.system.video_encoder
        self._input = frame_input(config.video, resize=context.front_ends.resize)
        self._motion, self._directions = encoder.motion, encoder.directions
        self._age_type = host_type(encoder.norm.weight.dtype)
        shape = (config.video.temporal_depth, 2, config.hidden_dim)
        self.past = KeyValueRing(slots, encoder.max_tokens, shape, like=encoder.norm.weight)
        """Keys and values of the temporal blocks."""
        self._moved = [MotionState() for _ in range(slots)]
        self._turned = [DirectionState() for _ in range(slots)]

    def encode(self, batch: Sequence[tuple[Stream, Sequence[PreparedFrame]]]) -> None:
        """Encode frames; see :meth:`Lane.encode`."""
        slots = [stream.slot for stream, frames in batch for _ in frames]
        stamps_ns = [frame.stamp_ns for _, frames in batch for frame in frames]
        tokens = self._encode_alone([f for _, frames in batch for f in frames], slots)
        for turn in turns(slots):
            alone = len(turn) == len(slots)
            self._attend_to_past(
                [slots[i] for i in turn],
                [stamps_ns[i] for i in turn],
                tokens if alone else tokens[upload(np.array(turn), self._device)],
            )

    def _encode_alone(self, prepared: Sequence[PreparedFrame], slots: Sequence[int]) -> Tensor:
        """Return the tokens (n, D) of frames by themselves, with what has moved in them."""
        stamps_ns = [item.stamp_ns for item in prepared]
        arrays = [item.image for item in prepared]
        frames = self._input.stack(arrays, self._device)
        moved = [self._moved[slot] for slot in slots]
        given: tuple[Tensor, ...] = (frames,)
        if isinstance(self._motion, KeyPointMotion):
            then, before, ages_ns = self._motion.compared(arrays, stamps_ns, moved)
            ages_s = np.array([age_ns / NANOSECONDS for age_ns in ages_ns], self._age_type)
            given += (
                upload_stack(then, self._device),
                upload_stack(before, self._device),
                upload(ages_s, self._device),
            )
        limit = FRAMES_AT_ONCE.get(self._device.type, FRAMES_AT_ONCE['cuda'])
        if len(prepared) <= limit:
            (tokens,) = self._backend.run('frame', *given)
        else:
            # Each part is copied: a backend may overwrite it with the next one's.
            parts = zip(*(item.split(limit) for item in given), strict=True)
            tokens = torch.cat([self._backend.run('frame', *part)[0].clone() for part in parts])
        if isinstance(self._motion, MotionEncoder):
            tokens = tokens + self._motion.step(frames, stamps_ns, moved)
        if self._directions is not None:
            turned = [self._turned[slot] for slot in slots]
            seen = [item.seen for item in prepared if item.seen is not None]
            images = upload_stack(seen, self._device) if seen else frames
            tokens = tokens + self._directions.step(images, stamps_ns, turned)
        return tokens

    def _attend_to_past(
        self, slots: Sequence[int], stamps_ns: Sequence[int], tokens: Tensor
    ) -> None:
        """Let one frame of each of some streams attend to those before it, and keep it."""
        # With itself a frame sees the newest N: the oldest of N before it has to go.
        window = self.past.visible_window(
            slots,
            stamps_ns,
            self.window_s,
            most=self.past.capacity - 1,
            whole=self._backend.fixed,
        )
        rows, own = self._backend.run(
            'temporal_attention',
            tokens,
            self.past.view(slots, window),
            upload(window.age_s, self._device),
            upload(window.seen, self._device),
        )
        self.past.append_newest(slots, stamps_ns, own)
        self.memory.append_newest(slots, stamps_ns, rows)

    def example(self, now_ns: int) -> Frame:
        """Return a frame of noise; a larger one where the device resamples it, too."""
        return self._input.example(np.random.default_rng(now_ns), now_ns)

    @classmethod
    def artificial(cls, config: ModelConfig, scene: Scene) -> Iterator[Frame]:
        """Yield images of noise by turns, for ever; see :meth:`Lane.artificial`.

        Args:
            config: of the network that takes them.
            scene: what is sensed, and how often.
        """
        video, chance = config.video, np.random.default_rng([scene.seed, 1])
        joints = () if video.finds_key_points else video.joints
        shape = (_ARTIFICIAL_IMAGES, scene.height_px, scene.width_px, 3)
        images = np.random.default_rng(scene.seed).integers(0, 256, shape, dtype=np.uint8)
        for index in count():
            now_ns = scene.after(index / scene.frame_rate_hz)
            image = images[index % len(images)]
            points = random_points(joints, chance) if joints else None
            yield Frame(stamp_ns=now_ns, arrival_ns=now_ns, image=image, key_points=points)

    def clear(self, slot: int) -> None:
        """Forget everything of one slot; the others and the memory stay."""
        super().clear(slot)
        self.past.clear(slot)
        self._moved[slot].clear()
        self._turned[slot].clear()

    def grow(self, slots: int) -> None:
        """Make room for ``slots`` streams in all."""
        super().grow(slots)
        self.past.grow(slots)
        self._moved += [MotionState() for _ in range(slots - len(self._moved))]
        self._turned += [DirectionState() for _ in range(slots - len(self._turned))]


LANE = VideoLane
