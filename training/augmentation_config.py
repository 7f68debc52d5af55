"""Settings of the augmentation: how far training changes crops at random."""

from __future__ import annotations

from dataclasses import dataclass

from activity_recognition.settings import Ranged, setting


@dataclass(frozen=True, kw_only=True, slots=True)
class AugmentationConfig(Ranged):
    """How far crops are changed at random while training; labels must stay true."""

    strength: float = setting(1.0, low=0.0, high=2.0)
    """Factor on all ranges, but not on chances and numbers; 0 changes nothing."""
    mirror: float = setting(0.5, low=0.0, high=1.0)
    """Chance that frames are mirrored; 0 where labels distinguish left from right. Of key points,
    left and right joints change places."""
    shift: float = setting(0.06, low=0.0, high=0.5)
    """Frames are moved by up to this share of their side."""
    zoom: float = setting(0.1, low=0.0, high=1.0)
    """Logarithm of the largest zoom."""
    margin: float = setting(0.0, low=0.0, high=1.0)
    """Above 0, frames are kept larger than the network's by this share of its side, and views of
    at least the network's size are cropped from them instead of ``shift`` and ``zoom``: what they
    show are pixels of the camera, never a repeated border."""
    contrast: float = setting(0.25, low=0.0, high=2.0)
    """Logarithm of the largest gain about the mean level of the crop's frames; black stays black,
    and white white."""
    brightness: float = setting(20.0, low=0.0, high=255.0)
    """By about how much mid-grey may change, levels of 255: by a gain and a gamma, so that darker
    levels change less and black stays black."""
    colour: float = setting(0.0, low=0.0, high=1.0)
    """Logarithm of the largest gain of one colour."""
    lean_deg: float = setting(8.0, low=0.0, high=180.0)
    """Key points are turned by up to this much in the image, degrees."""
    proportions: float = setting(0.08, low=0.0, high=1.0)
    """Logarithm of how far each joint of key points is stretched from the body's middle, typically;
    the same in a whole crop, as bodies and viewpoints differ."""
    joint_noise: float = setting(0.01, low=0.0, high=1.0)
    """Key points are moved by up to this share of the body's height, each by itself, frame by
    frame."""
    joint_loss: float = setting(0.1, low=0.0, high=1.0)
    """Chance that a joint of key points is missing, in a whole crop or in a frame."""
    joint_swap: float = setting(0.0, low=0.0, high=1.0, optional_in_checkpoint=True)
    """In up to this share of a crop's frames, left and right joints of key points change places, as
    detectors confuse them."""
    foreshortening: float = setting(0.0, low=0.0, high=2.0, optional_in_checkpoint=True)
    """Logarithm of how far bodies of key points become wider or narrower in the image at most, the
    same in a whole crop, as when they are turned about the vertical."""
    level: float = setting(0.35, low=0.0, high=3.0)
    """Largest change of loudness, units of the log-mel spectrogram (1 is 17 dB)."""
    mel_shift: float = setting(0.0, low=0.0, high=32.0)
    """Sound is moved up or down by up to this many mel bands."""
    noise_db: float = setting(0.0, low=0.0, high=80.0)
    """Noise of a random colour is added, up to this far above the spectrogram's floor, dB."""
    mel_masks: int = setting(0, low=0, high=32)
    """Bands hidden (SpecAugment), each up to ``mel_mask_bins`` mels wide."""
    mel_mask_bins: int = setting(8, low=1, high=256)
    time_masks: int = setting(0, low=0, high=32)
    """Intervals hidden (SpecAugment), each up to ``time_mask_columns`` of 10 ms long."""
    time_mask_columns: int = setting(40, low=1, high=10_000)
    word_loss: float = setting(0.1, low=0.0, high=1.0)
    """Up to this share of the tokens is lost."""
    word_errors: float = setting(0.0, low=0.0, high=1.0)
    """Up to this share of the tokens is replaced by others."""
    sensor_turn_deg: float = setting(25.0, low=0.0, high=180.0, optional_in_checkpoint=True)
    """An inertial sensor is turned on the body by up to this much, about any axis, degrees."""
    sensor_scale: float = setting(0.05, low=0.0, high=0.5, optional_in_checkpoint=True)
    """Share by which an inertial sensor's acceleration and angular velocity are scaled at most."""
    clock_skew_s: float = setting(0.0, low=0.0, high=2.0)
    """Stamps of other sensors are moved by up to this much against the camera's, seconds."""
    tempo: float = setting(0.0, low=0.0, high=1.0, optional_in_checkpoint=True)
    """Logarithm of how much faster or slower everything in a crop happens at most, as people
    differ; leave it at 0 where labels say how fast something is done."""

    @property
    def crops(self) -> bool:
        """Whether views are cropped from images with a margin."""
        return self.margin > 0 and self.strength > 0

    def wide_px(self, side_px: int) -> int:
        """Return the side of frames with their margin, pixels; 0 where none is needed."""
        return with_margin(side_px, self.margin) if self.crops else 0


def with_margin(side_px: int, margin: float) -> int:
    """Return a frame's side with a margin of a share of it, both edges together, pixels.

    Args:
        side_px: of a frame without it.
        margin: share of the side.
    """
    return side_px + round(side_px * margin)
