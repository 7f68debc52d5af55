"""What a step may cost, counted and not timed: no regression slips in unseen.

The bounds are counts, not choices: each is the most that any step of its kind took, over so many
rounds of steps that every ring moves its rows, when it was written down. Operators are counted as
the dispatcher sees them in inference mode (:class:`Operations`), from the sample to the state or
the decision: all of them, with views; and those of them that take memory. The front end, which is
numpy, is not seen by it. Who makes a step more expensive on purpose raises its bound; who makes it
cheaper lowers it.
"""

import dataclasses
import gc
import sys

import numpy as np
import pytest
import torch

from activity_recognition.config import EngineConfig
from activity_recognition.config_io import load_model_config
from activity_recognition.inference import StreamingEngine
from activity_recognition.types import (
    AudioChunk,
    DecisionTime,
    Frame,
    Utterance,
    Window,
    to_ns,
)
from factories.counting import Operations
from factories.lanes import kept_tensors, rings_of
from factories.networks import TEXTS, TINY, make_checkpoint
from factories.streams import START_NS

SOON_NS = to_ns(0.001)
NANO = load_model_config('nano', labels=TINY.labels)


def as_first(config):
    """Return a network as checkpoints have it that name neither fusion nor exposure."""
    video = dataclasses.replace(config.video, exposure='none')
    return dataclasses.replace(config, fusion='attention', video=video)


CONFIGS = {
    'tiny': as_first(TINY),
    'nano': as_first(NANO),
    'new tiny': TINY,
    'new nano': NANO,
}
KINDS = ('frame', 'sound', 'utterance', 'decision', 'ablated decision')
BUDGET = {
    'tiny': {
        'frame': (195, 84),
        'sound': (84, 27),
        'utterance': (74, 32),
        'decision': (183, 88),
        'ablated decision': (184, 89),
    },
    'nano': {
        'frame': (216, 97),
        'sound': (138, 48),
        'utterance': (97, 44),
        'decision': (183, 88),
        'ablated decision': (184, 89),
    },
}
"""PyTorch's operators, and those of them that take memory."""
for name, frame in (('tiny', (205, 88)), ('nano', (226, 101))):
    # A product of experts, and a gain for each frame's exposure.
    BUDGET[f'new {name}'] = BUDGET[name] | {
        'frame': frame,
        'decision': (207, 105),
        'ablated decision': (208, 106),
    }


class Feed:
    """An engine and samples for it, each newer than the last."""

    def __init__(self, config):
        self.config = config
        self.engine = StreamingEngine(
            make_checkpoint(config),
            engine=EngineConfig(device='cpu', backend='torch', evidence_every=0),
        )
        rng = np.random.default_rng(0)
        self._image = rng.integers(0, 256, (120, 160, 3), dtype=np.uint8)
        audio = config.audio
        samples = audio.hop_samples * audio.columns_per_token
        self._sound = rng.normal(0.0, 0.1, samples).astype(np.float32)
        self._now_ns = self._heard_ns = START_NS

    def step(self, kind):
        """Apply one window of a kind."""
        window = self._window(kind)
        self.engine.update(evidence_every=int(kind == 'ablated decision'))
        self.engine.apply(window)

    def round(self):
        """Apply one window of every kind."""
        for kind in KINDS:
            self.step(kind)

    def fill(self):
        """Step until every ring is full and has moved its rows."""
        while not all(ring.filled[0] == ring.capacity for ring in self.rings()):
            self.round()
        for _ in range(5):
            self.round()

    def rings(self):
        return rings_of(self.engine)

    def addresses(self):
        """Return where all that is kept between steps lies."""
        return [tensor.data_ptr() for tensor in kept_tensors(self.engine)]

    def _window(self, kind):
        now_ns = self._now_ns = max(self._now_ns + SOON_NS, self._heard_ns)
        if kind in {'decision', 'ablated decision'}:
            return Window(decision=DecisionTime(t_ns=now_ns, arrival_ns=now_ns))
        if kind == 'frame':
            sample = Frame(stamp_ns=now_ns, arrival_ns=now_ns, image=self._image)
        elif kind == 'utterance':
            sample = Utterance(stamp_ns=now_ns, arrival_ns=now_ns, text=TEXTS[0])
        else:
            sample = AudioChunk(
                stamp_ns=self._heard_ns,
                arrival_ns=now_ns,
                samples=self._sound,
                sample_rate_hz=self.config.audio.sample_rate_hz,
            )
            self._heard_ns = sample.end_ns
        return Window(samples=(sample,))


@pytest.fixture(scope='module', params=CONFIGS)
def feed(request):
    fed = Feed(CONFIGS[request.param])
    fed.name = request.param
    fed.fill()
    return fed


@pytest.fixture(scope='module')
def spent(feed):
    """Return per kind of step the most operators, and the most that take memory."""
    most = dict.fromkeys(KINDS, (0, 0))
    for _ in range(max(ring.capacity for ring in feed.rings()) + 2):
        for kind in KINDS:
            with Operations() as counted:
                feed.step(kind)
            calls, allocations = most[kind]
            most[kind] = (
                max(calls, counted.calls.total()),
                max(allocations, counted.allocations),
            )
    return most


@pytest.mark.parametrize('kind', KINDS)
def test_a_step_keeps_to_its_budget(feed, spent, kind):
    calls, allocations = BUDGET[feed.name][kind]
    assert spent[kind][0] <= calls, 'more operators than when the budget was written down'
    assert spent[kind][1] <= allocations, 'more memory taken than when it was written down'


def test_what_is_kept_never_moves(feed):
    before = feed.addresses()
    for number in range(200):
        feed.step(KINDS[number % len(KINDS)])
    assert feed.addresses() == before


def tensors_alive():
    gc.collect()
    # By type: to ask some modules' proxies for their class makes them warn.
    return sum(issubclass(type(thing), torch.Tensor) for thing in gc.get_objects())


def blocks_left_by(feed, steps):
    gc.collect()
    before = sys.getallocatedblocks()
    for number in range(steps):
        feed.step(KINDS[number % len(KINDS)])
    gc.collect()
    return sys.getallocatedblocks() - before


def test_steps_leave_nothing_behind(feed):
    """Neither tensors nor other objects; the interpreter's own caches grow now and then."""
    blocks_left_by(feed, 200)
    before_tensors = tensors_alive()
    left = [blocks_left_by(feed, 200) for _ in range(3)]
    assert tensors_alive() == before_tensors
    assert min(left) < 50, f'{left} blocks of memory: every step leaves something'
