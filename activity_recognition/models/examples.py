"""Made-up inputs of the steps: to export them, to compare backends, to time them."""

from __future__ import annotations

from torch import Tensor

from activity_recognition.models.step_spec import Sizes
from activity_recognition.models.steps import step_specs
from activity_recognition.models.system import ActivityRecognitionSystem

StepInputs = dict[str, tuple[Tensor, ...]]
"""Arguments by the name of a step, as in :class:`~activity_recognition.models.steps.Steps`."""


def example_inputs(system: ActivityRecognitionSystem, sizes: Sizes, *, seed: int = 0) -> StepInputs:
    """Return seeded inputs of every step, on the device and in the dtype of the weights.

    Args:
        system: the network.
        sizes: that differ from call to call.
        seed: of the numbers.
    """
    specs = step_specs(system.modalities)
    return {spec.name: spec.inputs_for(system, sizes, seed=seed) for spec in specs}


def extreme_inputs(system: ActivityRecognitionSystem) -> StepInputs:
    """Return inputs unlike noise, of the steps that have such."""
    specs = step_specs(system.modalities)
    return {spec.name: spec.extremes(system) for spec in specs if spec.extremes is not None}
