"""Settings of training and of pretraining the frame encoder.

The recipes in ``config/train`` and ``config/pretraining`` hold overrides of these defaults.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from activity_recognition.config import ModelConfig
from activity_recognition.config_io import load_model_config
from activity_recognition.errors import ConfigError, quoted
from activity_recognition.modalities import modalities_of
from activity_recognition.recorded import DEFAULTS, RecordedConfig
from activity_recognition.settings import Ranged, setting
from activity_recognition.training.augmentation_config import AugmentationConfig
from activity_recognition.types import ALL_MODALITIES, MODALITIES, Modality

MODALITY_WEIGHTS = EQUAL, AUTO = ('equal', 'auto')
"""Ways to weigh the losses of the modalities' own heads."""

_AUGMENTATION = AugmentationConfig()


@dataclass(frozen=True, kw_only=True, slots=True)
class StageConfig(Ranged):
    """One stage of a curriculum; what is None is as in the run that it belongs to."""

    name: str = 'stage'
    """What logs call it."""
    epochs: int = setting(1, low=1, high=100_000)
    """At most; ``patience`` may end it earlier."""
    patience: int | None = None
    min_gain: float | None = None
    fused_weight: float | None = None
    unimodal_weight: float | None = None
    contrast_weight: float | None = None
    agreement_weight: float | None = None
    fused_gradient: float | None = None
    modality_weights: str | None = None
    modalities_at_once: int | None = None
    modality_dropout: float | None = None

    def overrides(self) -> dict[str, Any]:
        """Return the settings of the run that this stage replaces, its epochs among them."""
        values = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        return {name: v for name, v in values.items() if name != 'name' and v is not None}


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelChoices(Ranged):
    """What a recipe says of the network, beside its preset."""

    modalities: tuple[str, ...] = ()
    """What the network takes in, such as ``[audio]``; empty leaves it to the preset."""
    hidden_dim: int | None = setting(None, optional_in_checkpoint=True)
    """Width of every modality's tokens and of the fusion; None leaves it to the preset."""
    text_width: int | None = setting(None, optional_in_checkpoint=True)
    """Width of the text encoder."""
    dropout: float | None = setting(None, optional_in_checkpoint=True)
    fusion: str = setting('', optional_in_checkpoint=True)
    """How modalities are joined, ``experts`` or ``attention``; empty leaves it to the preset."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainConfig(Ranged):
    """One training run."""

    preset: str = 'nano'
    """Name of a file under config/models, or a path to one."""
    model: ModelChoices = ModelChoices()
    """What the network has other than the preset."""
    seed: int = setting(0, low=0, high=2**31 - 1)
    epochs: int = setting(20, low=1, high=100_000)
    """At most; without meaning where there are ``stages``."""
    batch_size: int = setting(8, low=1, high=100_000)
    """Crops per step, over all processes."""
    accumulation: int = setting(1, low=1, high=10_000)
    """Parts in which each process works through its share of a step's crops, to save memory."""
    crop_s: float = setting(16.0, low=1.0, high=600.0)
    """Length of a training crop, seconds."""
    frame_rate_hz: float = setting(5.0, low=0.5, high=120.0)
    """Mean rate to which frames of a crop are thinned at random."""
    timer_rate_hz: float = setting(2.5, low=0.1, high=120.0, optional_in_checkpoint=True)
    """Decisions a second that a crop is asked for beside those at its frames, so that the network
    also learns to answer between frames and while none come; the only ones without video."""
    learning_rate: float = setting(1e-3, low=1e-8, high=1.0)
    weight_decay: float = setting(0.05, low=0.0, high=1.0)
    warmup_fraction: float = setting(0.05, low=0.0, high=0.9)
    """Share of the steps over which the learning rate rises linearly."""
    gradient_clip: float = setting(1.0, low=1e-3, high=1e3)
    """Largest norm of the gradient."""
    label_smoothing: float = setting(0.05, low=0.0, high=0.9)
    fused_weight: float = setting(1.0, low=0.0, high=10.0)
    """Weight of the fused classifier's cross-entropy; 0 trains the encoders alone."""
    unimodal_weight: float = setting(0.3, low=0.0, high=10.0)
    """Weight of each unimodal head's cross-entropy."""
    contrast_weight: float = setting(0.0, low=0.0, high=10.0)
    """Weight of the contrastive alignment of the modalities at the same time."""
    contrast_temperature: float = setting(0.1, low=0.01, high=10.0)
    """Divides the cosines of the contrastive alignment."""
    contrast_gap_s: float = setting(2.0, low=0.0, high=600.0)
    """Decisions of one crop that are closer than this are no negatives of each other."""
    agreement_weight: float = setting(0.0, low=0.0, high=10.0)
    """Weight of the divergence of each unimodal head from the fused one."""
    fused_gradient: float = setting(1.0, low=0.0, high=1.0, optional_in_checkpoint=True)
    """Factor on the gradients from the fused loss to the encoders and their heads; at 0 these learn
    from their own loss alone, as if each were trained by itself."""
    modality_weights: str = setting(EQUAL, optional_in_checkpoint=True)
    """How the losses of the modalities' own heads weigh: ``equal``, or ``auto``, which gives less
    to those that overfit."""
    modalities_at_once: int = setting(len(MODALITIES), low=1, high=len(ALL_MODALITIES))
    """A crop shows at most so many modalities, drawn again for each."""
    modality_dropout: float = setting(0.15, low=0.0, high=1.0)
    """Chance that a modality is hidden from a crop."""
    ignore_boundary_s: float = setting(0.0, low=0.0, high=10.0)
    """Decisions this close to a change of label do not count in the loss."""
    average_decay: float = setting(0.999, low=0.0, high=0.99999)
    """Decay of the moving average of the weights, which is what is kept."""
    frame_encoder_rate: float = setting(1.0, low=0.0, high=1.0)
    """Factor on the learning rate of the frame encoder, below 1 where it begins pretrained; 0
    leaves it as it is. With ``video.backbone`` it is that of the backbone's trained layers."""
    text_encoder_rate: float = setting(1.0, low=0.0, high=1.0)
    """The same for the transformer of the text encoder, which is its backbone where it has one."""
    augmentation: AugmentationConfig = _AUGMENTATION
    recorded: RecordedConfig = DEFAULTS
    """Which topics of the recordings are used, and what they mean."""
    validation_fraction: float = setting(0.1, low=0.0, high=0.9)
    """Share of the recordings held out for calibration and for choosing the weights kept."""
    validate_every: int = setting(2, low=1, high=100_000)
    """Epochs between two validations; the last epoch of a stage is always validated."""
    patience: int = setting(0, low=0, high=100_000)
    """Validations in a row without gain that end the run, or the stage; 0 never does."""
    min_gain: float = setting(0.0, low=0.0, high=1.0)
    """What balanced accuracy must gain to count."""
    stages: tuple[StageConfig, ...] = ()
    """A curriculum, in order; none trains everything at once for ``epochs``."""
    sized_to_clips: tuple[str, ...] = setting((), optional_in_checkpoint=True)
    """Settings that follow from the number of clips per label, by the rule in docs/training.md:
    ``epochs``, ``weight_decay``, ``model.hidden_dim`` and others. What the recipe says of them does
    not count; of ``epochs``, the stages get the shares that they have there."""
    rehearsal_kb: int = setting(0, low=0, high=3990, optional_in_checkpoint=True)
    """Kilobytes of features of the recordings that the checkpoint keeps, so that ``teach`` can add
    activities to it without forgetting; 0 keeps none. Only where the terms of the recordings allow
    what is made of them to be passed on with the checkpoint."""
    device: str = 'auto'
    precision: str = 'auto'
    num_threads: int = setting(0, low=0, high=1024)
    num_workers: int = setting(0, low=0, high=256)
    """Processes that read and decode recordings; 0 takes one per core."""

    def __post_init__(self) -> None:
        """Check that there is something to learn, in every stage."""
        Ranged.__post_init__(self)
        if not self.fused_weight and not self.unimodal_weight:
            raise ConfigError(
                'expected fused_weight or unimodal_weight above 0, got 0 for both: nothing would '
                'be learnt from the labels'
            )
        if self.modality_weights not in MODALITY_WEIGHTS:
            raise ConfigError(
                f'modality_weights must be one of {", ".join(MODALITY_WEIGHTS)}, '
                f'got {quoted(self.modality_weights)}'
            )
        for stage in self.stages:
            self.of_stage(stage)

    def model_config(self) -> ModelConfig:
        """Return the preset with what the recipe says of it.

        Raises:
            ConfigError: there is no such preset, or what is said of it does not fit.
        """
        preset, said = load_model_config(self.preset), self.model
        chosen: dict[str, Any] = {
            name: value
            for name in ('hidden_dim', 'dropout')
            if (value := getattr(said, name)) is not None
        }
        if said.text_width is not None:
            chosen['text'] = dataclasses.replace(preset.text, width=said.text_width)
        for name in ('modalities', 'fusion'):
            chosen[name] = getattr(said, name) or getattr(preset, name)
        return dataclasses.replace(preset, **chosen)

    def as_given(self, given: Mapping[str, Any]) -> TrainConfig:
        """Return the settings with nothing in the way of those that somebody gave by name.

        A setting that is given does not follow from the number of clips, and ``epochs`` are those
        of all stages together.

        Args:
            given: nested mapping of names to values, which these settings have already.
        """
        named = set(_dotted_names(given))
        rest = tuple(name for name in self.sized_to_clips if name not in named)
        result = dataclasses.replace(self, sized_to_clips=rest)
        return (
            result.with_epochs(self.epochs)
            if {'epochs', 'stages'} & named == {'epochs'}
            else result
        )

    def with_epochs(self, epochs: int) -> TrainConfig:
        """Return the settings with so many epochs over all stages, which keep their shares of them.

        Args:
            epochs: in all; a stage has one at least.
        """
        total, done, before, stages = sum(s.epochs for s in self.stages), 0, 0, []
        for stage in self.stages:
            before += stage.epochs
            share = max(1, round(epochs * before / total) - done)
            done += share
            stages.append(dataclasses.replace(stage, epochs=share))
        return dataclasses.replace(self, epochs=epochs, stages=tuple(stages))

    def wide_px(self, model: ModelConfig) -> int:
        """Return the side of frames with their margin, pixels; 0 where ``model`` needs none."""
        if Modality.VIDEO not in modalities_of(model) or model.video.key_points:
            return 0
        return self.augmentation.wide_px(model.video.input_size_px)

    def of_stage(self, stage: StageConfig) -> TrainConfig:
        """Return the settings that hold within a stage.

        Raises:
            ConfigError: what the stage replaces lies outside its range.
        """
        return dataclasses.replace(self, stages=(), **stage.overrides())


def _dotted_names(values: Mapping[str, Any], prefix: str = '') -> Iterator[str]:
    """Yield the dotted names of the values in nested mappings."""
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _dotted_names(value, f'{prefix}{name}.')
        else:
            yield f'{prefix}{name}'


@dataclass(frozen=True, kw_only=True, slots=True)
class PretrainConfig(Ranged):
    """Pretraining of a frame encoder on single images of simulated people."""

    preset: str = 'nano'
    """Name of a file under config/models, or a path to one."""
    seed: int = setting(0, low=0, high=2**31 - 1)
    scenes: int = setting(30_000, low=1, high=100_000_000)
    """Rooms, each with a person of its own; none is seen twice."""
    stills_per_scene: int = setting(4, low=1, high=1000)
    """Images of each."""
    scenes_per_batch: int = setting(8, low=1, high=10_000)
    learning_rate: float = setting(1e-3, low=1e-8, high=1.0)
    weight_decay: float = setting(0.05, low=0.0, high=1.0)
    warmup_fraction: float = setting(0.05, low=0.0, high=0.9)
    """Share of the steps over which the learning rate rises linearly."""
    gradient_clip: float = setting(1.0, low=1e-3, high=1e3)
    """Largest norm of the gradient."""
    average_decay: float = setting(0.999, low=0.0, high=0.99999)
    """Decay of the moving average of the weights, which is what is kept."""
    device: str = 'auto'
    precision: str = 'auto'
    num_threads: int = setting(0, low=0, high=1024)
    num_workers: int = setting(0, low=0, high=256)
    """Processes that draw images; 0 takes half of the cores."""

    @property
    def steps(self) -> int:
        """Batches, of ``scenes_per_batch * stills_per_scene`` images each."""
        return max(1, self.scenes // self.scenes_per_batch)
