"""The key points that a network's front end finds, for whoever wants to see them as well.

They are found once: the engine takes those that a frame has. A network that takes images beside
them has to find them itself, for a frame with key points counts as one without an image.
"""

from __future__ import annotations

import dataclasses

from activity_recognition.config import ModelConfig
from activity_recognition.front_ends.pose import make_tracker
from activity_recognition.types import Frame, Modality, Sample, Window


class PointsFinder:
    """Finds key points in the frames of one stream's windows, before the engine would."""

    def __init__(self, model: ModelConfig) -> None:
        """Begin a stream.

        Args:
            model: of the engine's network; without a front end that finds key points, nothing is,
                and nothing where it takes images beside them.

        Raises:
            CheckpointError: the network was trained with another pose network.
            MissingExtraError: LiteRT is not installed.
            WeightsError: the pose network is not on this machine.
        """
        video = model.video
        finds = Modality.VIDEO.value in model.modalities and video.finds_key_points
        self._tracker = make_tracker(video) if finds and not video.takes_both else None

    def complete(self, window: Window) -> Window:
        """Return a window whose frames have their key points; every window must come by.

        Args:
            window: as the engine is about to take it.
        """
        if self._tracker is None:
            return window
        if window.reset:
            self._tracker.clear()
        return window._replace(samples=tuple(self._completed(s) for s in window.samples))

    def _completed(self, sample: Sample) -> Sample:
        if not isinstance(sample, Frame) or sample.key_points is not None:
            return sample
        assert self._tracker is not None
        points = self._tracker.find(sample.image, sample.stamp_ns, sample.crop)
        return dataclasses.replace(sample, key_points=points)
