"""Which stage a run is in, and when the next one begins: by schedule, or when nothing is gained."""

from __future__ import annotations

from dataclasses import dataclass, replace

from activity_recognition.errors import ConfigError
from activity_recognition.training.config import TrainConfig
from activity_recognition.training.run.state import Progress


@dataclass(frozen=True, kw_only=True, slots=True)
class Stage:
    """One stage with everything that holds in it."""

    name: str
    settings: TrainConfig
    """Of the run, with what the stage replaces."""
    epochs_before: int
    """Scheduled for the stages before it."""


class Curriculum:
    """The stages of a run in their order; a run without a curriculum is one stage."""

    def __init__(self, config: TrainConfig) -> None:
        """Plan the stages of ``config``.

        Raises:
            ConfigError: the last stage does not train what is kept.
        """
        stages: list[Stage] = []
        epochs = 0
        for stage in config.stages:
            settings = config.of_stage(stage)
            stages.append(Stage(name=stage.name, settings=settings, epochs_before=epochs))
            epochs += settings.epochs
        self.stages = tuple(stages or [Stage(name='all', settings=config, epochs_before=0)])
        self.epochs = epochs or config.epochs
        if not self.stages[-1].settings.fused_weight:
            raise ConfigError(
                'expected fused_weight above 0 in the last stage, got 0: the fused classifier is '
                'what is kept'
            )

    def stage(self, progress: Progress) -> Stage | None:
        """Return the stage that a run is in; None when it has come to its end."""
        return self.stages[progress.stage] if progress.stage < len(self.stages) else None

    def share_done(self, progress: Progress, part: float) -> float:
        """Return the share of all scheduled epochs that is done with a part of the current one.

        A stage that ends early is counted as if it had not: the learning rate goes on where the
        next stage begins.

        Args:
            progress: where the run stands.
            part: of the current epoch, in [0, 1].
        """
        before = self.stages[progress.stage].epochs_before
        return (before + progress.stage_epoch + part) / self.epochs

    def is_validated(self, progress: Progress) -> bool:
        """Tell whether a validation is due at the end of the current epoch."""
        settings = self.stages[progress.stage].settings
        number = progress.stage_epoch + 1
        return number % settings.validate_every == 0 or number == settings.epochs

    def advance(self, progress: Progress, reached: float | None) -> Progress:
        """Return where a run stands after an epoch.

        Args:
            progress: within the epoch.
            reached: what a validation at its end found; None where there was none.
        """
        settings = self.stages[progress.stage].settings
        best, stale = progress.stage_best, progress.stale
        if reached is not None:
            gained = reached > best + (settings.min_gain if best >= 0 else 0.0)
            best, stale = (reached, 0) if gained else (best, stale + 1)
        after = replace(
            progress,
            epoch=progress.epoch + 1,
            stage_epoch=progress.stage_epoch + 1,
            batch=0,
            stage_best=best,
            stale=stale,
        )
        over = after.stage_epoch >= settings.epochs
        if over or self._is_idle(after, settings):
            return replace(
                after,
                stage=after.stage + 1,
                stage_epoch=0,
                stage_best=-1.0,
                stale=0,
                modalities=tuple(one.in_next_stage() for one in after.modalities),
            )
        return after

    @staticmethod
    def _is_idle(progress: Progress, settings: TrainConfig) -> bool:
        """Tell whether a stage has gained nothing for as long as its patience.

        Where encoders are trained alone, none of them may gain anything any more. Of a modality
        that no validation has nobody knows that: with one, the stage takes all its epochs.
        """
        if settings.fused_weight:
            return 0 < settings.patience <= progress.stale
        stopped = [one.has_stopped(settings.patience) for one in progress.modalities]
        return bool(stopped) and all(stopped)
