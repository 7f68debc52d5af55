"""What does a decision cost beside other networks that recognise activities?

Ours: one step of the engine with everything in it, resizing, sound, words and evidence included.
The others, with random weights: one forward over a clip, or over a frame where the network streams,
whose pixels lie ready as a tensor. A network whose package is missing is left out, with the reason.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from harness import (
    Case,
    Goal,
    Report,
    Rounds,
    arguments,
    publish,
    skipped,
    stopwatch,
    take_turns,
)
from record import Table, provenance
from torch import Tensor, nn
from work import make_counter
from workload import make_engine, steady

from activity_recognition.inference.artificial import untrained_checkpoint

RATE_HZ = 15.0
STEPS = 15
"""Steps of a streaming case in one round; a multiple of those between two ablations."""
PRESETS = ('small', 'nano')
SMALL_VIT = {
    'hidden_size': 384,
    'num_hidden_layers': 12,
    'num_attention_heads': 6,
    'intermediate_size': 1536,
    'image_size': 224,
    'num_frames': 16,
}
"""A ViT-S over clips of 16 frames."""


class MissingError(Exception):
    """A peer cannot run here; the text says why."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Peer:
    """Another network and what it is compared with."""

    name: str
    make: Callable[[], Callable[[], object]]
    """Returns what decides once.

    Raises:
        MissingError: it cannot run here.
    """
    preset: str
    wanted: float | None = None
    """Least ratio to the preset's step."""
    steps: int = 1
    """Per round."""
    looks_at: str


def main(argv: list[str] | None = None) -> int:
    """Measure and report."""
    parser = arguments(__doc__, seconds=45.0, rounds=5, threads=1)
    parser.add_argument('--only', nargs='+', choices=[p.name for p in PEERS], help='some of them')
    chosen = parser.parse_args(argv)
    began = provenance()
    torch.set_num_threads(chosen.threads)
    cases: dict[str, Case] = {p: _ours(p, chosen.threads, chosen.seed) for p in PRESETS}
    missing: dict[str, str] = {}
    gflop: dict[str, float] = {}
    torch.manual_seed(chosen.seed)
    for peer in PEERS:
        if chosen.only and peer.name not in chosen.only:
            missing[peer.name] = 'not among --only'
            continue
        try:
            decide = peer.make()
            gflop[peer.name] = _gflop(decide) if 'compiled' not in peer.name else float('nan')
        except MissingError as reason:
            missing[peer.name] = str(reason)
            continue
        cases[peer.name] = partial(stopwatch, decide, peer.steps)
    rounds = take_turns(cases, chosen)
    settings = {'threads': chosen.threads, 'seed': chosen.seed, 'frames per second': RATE_HZ}
    return publish(_report(rounds, gflop, missing, settings), chosen, began=began)


def _ours(preset: str, threads: int, seed: int) -> Case:
    checkpoint = untrained_checkpoint(preset, seed=seed)
    engine = make_engine(checkpoint, threads=threads)
    return partial(stopwatch, steady(engine, frame_rate_hz=RATE_HZ, seed=seed), STEPS)


def _gflop(decide: Callable[[], object]) -> float:
    with make_counter() as counter:
        decide()
    return counter.get_total_flops() / 1e9


def _decider(network: nn.Module, *shape: int) -> Callable[[], object]:
    """Return a call of a network on random pixels."""
    network.eval()
    pixels = torch.rand(shape)

    def decide() -> Tensor:
        with torch.inference_mode():
            result = network(pixels)
        logits: Tensor = getattr(result, 'logits', result)
        if not torch.isfinite(logits).all():
            raise RuntimeError('a peer gave no finite answer: the time measured means nothing')
        return logits

    return decide


def videomae() -> Callable[[], object]:
    """Make VideoMAE-S (Tong et al. 2022)."""
    from transformers import VideoMAEConfig, VideoMAEForVideoClassification

    network = VideoMAEForVideoClassification(VideoMAEConfig(**SMALL_VIT))
    return _decider(network, 1, 16, 3, 224, 224)


def vivit() -> Callable[[], object]:
    """Make ViViT of S size (Arnab et al. 2021)."""
    from transformers import VivitConfig, VivitForVideoClassification

    network = VivitForVideoClassification(VivitConfig(**SMALL_VIT))
    return _decider(network, 1, 16, 3, 224, 224)


def timesformer() -> Callable[[], object]:
    """Make TimeSformer of S size (Bertasius et al. 2021)."""
    from transformers import TimesformerConfig, TimesformerForVideoClassification

    network = TimesformerForVideoClassification(TimesformerConfig(**SMALL_VIT))
    return _decider(network, 1, 16, 3, 224, 224)


def x3d_xs() -> Callable[[], object]:
    """Make X3D-XS (Feichtenhofer 2020), 4 frames of 160 px."""
    try:
        from pytorchvideo.models.x3d import create_x3d
    except ImportError as error:
        raise MissingError(f'pytorchvideo cannot be imported ({error})') from error
    return _decider(create_x3d(input_clip_length=4, input_crop_size=160), 1, 3, 4, 160, 160)


def movinet_a0_stream() -> Callable[[], object]:
    """Make MoViNet-A0 with stream buffers (Kondratyuk et al. 2021), one frame of 172 px a call."""
    try:
        from movinets import MoViNet
        from movinets.config import _C
    except ImportError as error:
        raise MissingError(f'movinets cannot be imported ({error})') from error
    network = MoViNet(
        _C.MODEL.MoViNetA0, causal=True, pretrained=False, conv_type='2plus1d', tf_like=True
    )
    return _decider(network, 1, 3, 1, 172, 172)


def mobilenet_v3_small() -> Callable[[], object]:
    """Make MobileNetV3-small (Howard et al. 2019), one image of 224 px."""
    return _decider(_mobilenet(), 1, 3, 224, 224)


def mobilenet_v3_small_compiled() -> Callable[[], object]:
    """Make MobileNetV3-small through torch.compile."""
    network = _mobilenet().eval()
    decide = _decider(torch.compile(network), 1, 3, 224, 224)
    try:
        decide()
    except Exception as error:
        words = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise MissingError(f'torch.compile does not work here ({words})') from error
    return decide


def _mobilenet() -> nn.Module:
    network: nn.Module
    try:
        from torchvision.models import mobilenet_v3_small as make

        network = make(weights=None)
    except ImportError as first:
        try:
            import timm
        except ImportError as second:
            raise MissingError(
                f'neither torchvision ({first}) nor timm ({second}) can be imported'
            ) from second
        network = timm.create_model('mobilenetv3_small_100', pretrained=False)
    return network


PEERS = (
    Peer(
        name='VideoMAE-S',
        make=videomae,
        preset='small',
        wanted=150.0,
        looks_at='16 frames of 224 px',
    ),
    Peer(name='ViViT-S', make=vivit, preset='small', looks_at='16 frames of 224 px'),
    Peer(name='TimeSformer-S', make=timesformer, preset='small', looks_at='16 frames of 224 px'),
    Peer(
        name='X3D-XS',
        make=x3d_xs,
        preset='small',
        wanted=5.0,
        steps=3,
        looks_at='4 frames of 160 px',
    ),
    Peer(
        name='MoViNet-A0-stream',
        make=movinet_a0_stream,
        preset='nano',
        wanted=3.0,
        steps=STEPS,
        looks_at='the next frame, 172 px',
    ),
    Peer(
        name='MobileNetV3-small',
        make=mobilenet_v3_small,
        preset='nano',
        steps=STEPS,
        looks_at='one image of 224 px',
    ),
    Peer(
        name='compiled MobileNetV3-small',
        make=mobilenet_v3_small_compiled,
        preset='nano',
        wanted=1.2,
        steps=STEPS,
        looks_at='one image of 224 px',
    ),
)


def _report(
    rounds: Rounds, gflop: dict[str, float], missing: dict[str, str], settings: dict[str, object]
) -> Report:
    rows = [
        (f'ours, {preset}', 'the next frame, sound and words', '', str(_ms(rounds, preset)), '1')
        for preset in PRESETS
    ]
    goals, notes = [], [f'{rounds.describe()}; spreads are quartiles.']
    for peer in PEERS:
        name = f'{peer.name} ÷ {peer.preset}'
        if peer.name in missing:
            notes.append(f'{peer.name} was skipped: {missing[peer.name]}.')
            if peer.wanted is not None:
                goals.append(skipped(name, missing[peer.name], at_least=peer.wanted))
            continue
        ratio = rounds.wall_ratio(peer.name, peer.preset)
        count = gflop[peer.name]
        rows.append(
            (
                peer.name,
                peer.looks_at,
                '' if math.isnan(count) else f'{count:.3g}',
                str(_ms(rounds, peer.name)),
                f'{ratio} {peer.preset}',
            )
        )
        if peer.wanted is not None:
            goals.append(
                Goal(name=name, value=ratio.median, at_least=peer.wanted, settled=rounds.settled)
            )
    columns = ('network', 'a decision looks at', 'GFLOP', 'wall ms', '÷ ours')
    return Report(
        theme='peers',
        title='One decision beside other networks',
        settings=settings,
        goals=goals,
        tables=[Table('One decision', columns, rows)],
        notes=[
            *notes,
            'This compares what a decision costs, not how good it is: no network was trained.',
        ],
    )


def _ms(rounds: Rounds, case: str) -> object:
    return rounds.wall_s(case).scaled(1e3)


if __name__ == '__main__':
    sys.exit(main())
