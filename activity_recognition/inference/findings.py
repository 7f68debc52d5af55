"""What follows from measured costs: counted work beside them, what is sustained, a proposal."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from activity_recognition.config import ModelConfig
from activity_recognition.config_io import build_config, build_stored_config, to_mapping
from activity_recognition.errors import ConfigError, printable
from activity_recognition.inference.cost import Cost, MeasureConfig, SampleCost
from activity_recognition.inference.sizing import (
    FRAME_RATES_HZ,
    STREAM_RATES_HZ,
    Proposal,
    SizingConfig,
    busy,
    most_decisions_hz,
    most_frames_hz,
    propose,
    streams,
)
from activity_recognition.modalities import modalities_of
from activity_recognition.models.operations import (
    decision_work,
    ring_bytes,
    sample_work,
    weight_count,
)
from activity_recognition.models.work import Work, total

SCHEMA = 3
"""Of a record of costs."""
READABLE = (1, 2, SCHEMA)
"""Schemas that can be computed from; see :func:`_as_of_today`."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Findings:
    """What was measured, and what follows."""

    machine: Mapping[str, str]
    cores: int
    """That were computed for."""
    measured: MeasureConfig
    costs: Sequence[Cost]
    models: Mapping[str, ModelConfig]
    sizing: SizingConfig
    proposal: Proposal | None
    """None where nothing measured keeps the headroom at any rate."""

    @property
    def unsettled(self) -> list[Cost]:
        """What was measured while the machine did something else."""
        return [cost for cost in self.costs if not cost.settled]

    @property
    def settled(self) -> bool:
        """Whether all times can be relied on."""
        return not self.unsettled


def findings(record: Mapping[str, Any], sizing: SizingConfig, *, cores: int | None) -> Findings:
    """Compute what follows from a record of ``bench --save``.

    Args:
        record: as JSON holds it.
        sizing: what the machine is to sustain.
        cores: of the machine; None takes those of the record.

    Raises:
        ConfigError: the record is damaged.
    """
    try:
        costs = [build_config(Cost, _as_of_today(item), where='costs') for item in record['costs']]
        models = {
            name: build_stored_config(ModelConfig, item, where=name)
            for name, item in record['models'].items()
        }
        measured = build_config(MeasureConfig, record['settings'], where='settings')
        machine, measured_cores = dict(record['machine']), int(record['cores'])
        proposal = propose(costs, cores or measured_cores, sizing)
    except (KeyError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
        raise ConfigError(
            f'the record of costs is damaged: {printable(repr(error), 200)}; measure again'
        ) from error
    return Findings(
        machine=machine,
        cores=cores or measured_cores,
        measured=measured,
        costs=costs,
        models=models,
        sizing=sizing,
        proposal=proposal,
    )


def _as_of_today(item: Mapping[str, Any]) -> dict[str, Any]:
    """Return one cost as this version has it.

    Before there were backends all was PyTorch, or the device's name said. Schemas 1 and 2 had a
    key for each of three modalities, and another word for the ablation.
    """
    cost = {'backend': item['device'].partition(' by ')[2] or 'torch', **item}
    if 'samples' in cost:
        return cost
    cost['ablated_decision'] = cost.pop('weighed_decision')
    audio = {'timing': cost.pop('chunk'), 'duration_s': cost.pop('chunk_s')}
    text = {'timing': cost.pop('utterance'), 'pieces': cost.pop('utterance_pieces')}
    cost['samples'] = [
        {'modality': 'video', 'timing': cost.pop('frame')},
        {'modality': 'audio', **audio},
        {'modality': 'text', **text},
    ]
    return cost


def timed_by(found: Findings) -> str:
    """Say which backends were timed, and how to time the other one."""
    of_backend: dict[str, list[str]] = {}
    for cost in found.costs:
        of_backend.setdefault(cost.backend, []).append(f'{cost.network} with {cost.threads}')
    backends = sorted(of_backend)
    timed = backends[0]
    if len(backends) > 1:
        timed = '; '.join(f'{name} ({", ".join(of_backend[name])} thread(s))' for name in backends)
    if found.measured.exported:
        return (
            f'Timed by {timed}, from steps exported for it: the node takes these times with a '
            'checkpoint that `activity-recognition export` exported; `bench --backend torch` '
            'times one that was not.'
        )
    if backends == ['torch'] and found.measured.device == 'cpu':
        return (
            'Timed by torch. The node runs an exported checkpoint (`activity-recognition export`) '
            'by ONNX Runtime where that is faster: `bench --backend auto` exports what it '
            'measures, half a minute for each network, and times that.'
        )
    return f'Timed by {timed}; `bench --backend torch` times PyTorch alone.'


def sentences(found: Findings) -> list[str]:
    """Return in words what was timed, and the proposal."""
    return [timed_by(found), *_proposed(found)]


def _proposed(found: Findings) -> list[str]:
    best, headroom = found.proposal, found.sizing.headroom
    if best is None:
        return [
            f'Nothing measured sustains {FRAME_RATES_HZ[-1]:g} frame/s with a headroom of '
            f'{headroom:.0%}: allow less headroom, or take a faster machine.'
        ]
    words = [
        f'Proposed for {found.cores} core(s): {best.cost.network} with {best.cost.threads} '
        f'thread(s), {best.frame_rate_hz:g} frames/s, {best.decision_rate_hz:g} decisions/s; '
        f'the engine is then busy {best.busy:.0%} of the time (headroom asked for {headroom:.0%}).'
    ]
    if not best.enough:
        words.append(
            f'That is less than the {found.sizing.least_frame_rate_hz:g} frames/s asked for: '
            'nothing measured sustains more with this headroom.'
        )
    return words


def caution(found: Findings) -> str:
    """Return what to know of times that were disturbed; nothing where they can be relied on."""
    if found.settled:
        return ''
    names = ', '.join(f'{c.network} with {c.threads} thread(s)' for c in found.unsettled)
    return (
        f'The machine was busy with something else while {names} ran: the times are too long, '
        'and what is proposed is too little; measure again when it is quiet.'
    )


def comments(found: Findings, best: Proposal) -> list[str]:
    """Return what a parameter file says about where it comes from.

    Args:
        found: what follows from the record.
        best: what is proposed.
    """
    return [
        'Made by `activity-recognition bench`; what is not here keeps its default.',
        f'Measured on {found.machine.get("processor", "an unknown processor")}, '
        f'network {best.cost.network}, {best.cost.device}.',
        f'Computed: the engine is busy {best.busy:.0%} of the time.',
        timed_by(found),
        *filter(None, [caution(found)]),
    ]


def as_json(found: Findings) -> dict[str, Any]:
    """Return everything for machines."""
    best = found.proposal
    return {
        'schema': SCHEMA,
        'machine': dict(found.machine),
        'cores': found.cores,
        'measured': to_mapping(found.measured),
        'sizing': to_mapping(found.sizing),
        'settled': found.settled,
        'costs': [to_mapping(cost) for cost in found.costs],
        'work': {name: _work_of(model, found) for name, model in found.models.items()},
        'sustained': [sustained_by(cost, found) for cost in found.costs],
        'proposal': None
        if best is None
        else {
            'network': best.cost.network,
            'backend': best.cost.backend,
            'threads': best.cost.threads,
            'frame_rate_hz': best.frame_rate_hz,
            'decision_rate_hz': best.decision_rate_hz,
            'busy': best.busy,
            'enough': best.enough,
        },
    }


def events(cost: Cost, model: ModelConfig) -> list[tuple[str, float, Work | None]]:
    """Return what is timed, how long it takes and how much work it is.

    Args:
        cost: of a network with a number of threads.
        model: of the network.
    """
    decisions = [
        ('decision', cost.decision.wall_s, total(decision_work(model))),
        (
            'decision, ablated',
            cost.ablated_decision.wall_s,
            total(decision_work(model, ablated=True)),
        ),
    ]
    samples = [
        (sample_name(item), item.timing.wall_s, _known(partial(_sample_work, item, model)))
        for item in cost.samples
    ]
    return [*samples, *decisions]


def sample_name(item: SampleCost) -> str:
    """Return what one sample is called, with its size."""
    if item.duration_s:
        return f'{item.duration_s * 1e3:g} ms of {item.modality}'
    noun = item.spec.sample_noun
    return noun if item.pieces == 1 else f'{noun} of {item.pieces} subwords'


def _sample_work(item: SampleCost, model: ModelConfig) -> Work:
    modality = item.spec.modality
    if not item.duration_s:
        return total(sample_work(model, modality, length=item.pieces))
    # As much of a token's work as falls to a sample, which reads all weights.
    tokens = item.duration_s * getattr(model, item.modality).token_rate_hz
    one, two = (total(sample_work(model, modality, length=length)) for length in (1, 2))
    per_token = two.operations - one.operations
    return Work(products=round(per_token * tokens), weight_bytes=one.weight_bytes)


def _known(count: Callable[[], Work]) -> Work | None:
    """Return the work; None where nobody counts it, as of a pretrained backbone."""
    try:
        return count()
    except ConfigError:
        return None


def parts_of(model: ModelConfig, found: Findings) -> dict[str, Work | None]:
    """Return the work of each part; None where nobody counts it, as of a pretrained backbone.

    Of samples of a fixed rate it is the work of one token.

    Args:
        model: of the network.
        found: what follows from the record.
    """
    sizes = {item.modality: item for cost in found.costs for item in cost.samples}
    parts: dict[str, Work | None] = {}
    for modality in modalities_of(model):
        item = sizes.get(modality.value)
        if item is None:
            continue
        name = item.modality if item.duration_s else sample_name(item)
        try:
            work = sample_work(model, modality, length=item.pieces)
            parts |= {f'{name}: {part}': counted for part, counted in work.items()}
        except ConfigError:
            parts[f'{name}: encoder'] = None
    return parts | {f'decision: {part}': work for part, work in decision_work(model).items()}


def _work_of(model: ModelConfig, found: Findings) -> dict[str, Any]:
    parts = parts_of(model, found)
    return {
        'parts': {name: None if w is None else to_mapping(w) for name, w in parts.items()},
        'weights': weight_count(model),
        'stream_bytes': ring_bytes(model),
    }


def sustained_by(cost: Cost, found: Findings) -> dict[str, Any]:
    """Return what one network with one number of threads sustains, as JSON holds it.

    Args:
        cost: of a network with a number of threads.
        found: what follows from the record.
    """
    sizing = found.sizing
    return {
        'network': cost.network,
        'threads': cost.threads,
        'frames_hz': most_frames_hz(cost, sizing),
        'decisions_hz': most_decisions_hz(cost, sizing),
        'busy': {f'{rate:g}': busy(cost, rate, sizing) for rate in STREAM_RATES_HZ},
        'streams': {
            f'{rate:g}': streams(cost, rate, found.cores, sizing) for rate in STREAM_RATES_HZ
        },
    }
