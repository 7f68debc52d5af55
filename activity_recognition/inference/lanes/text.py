"""Utterances: tokenised and encoded by themselves, once.

Shapes: n utterances of all streams, L subword tokens.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import count

import numpy as np

from activity_recognition.config import ModelConfig
from activity_recognition.inference.lanes.artificial import Scene
from activity_recognition.inference.lanes.lane import Arrays, FrontEnd, Lane, Stream, time_arrays
from activity_recognition.inference.precision import upload
from activity_recognition.types import Modality, Utterance

SENTENCES = ('could you bring me the cup please', 'hello robot', 'the kettle is on again')
"""Said by turns in a made-up stream."""


class TextFrontEnd(FrontEnd[Utterance, Utterance]):
    """Leaves utterances as they are: a tokenizer may come later."""

    def check(self, sample: Utterance) -> None:
        """Take any utterance."""

    def prepare(self, sample: Utterance) -> tuple[Utterance]:
        """Return the utterance."""
        return (sample,)

    def arrays(self, prepared: Sequence[Utterance]) -> Arrays:
        """Return the times of utterances; see :meth:`FrontEnd.arrays`."""
        return time_arrays('transcript', [(u.stamp_ns, u.arrival_ns) for u in prepared])


class TextLane(Lane[Utterance, Utterance]):
    """Encodes the utterances of all streams at once."""

    modality = Modality.TEXT
    front_end = TextFrontEnd

    def encode(self, batch: Sequence[tuple[Stream, Sequence[Utterance]]]) -> None:
        """Encode utterances; see :meth:`Lane.encode`."""
        encode = self._context.tokenizer.encode
        token_ids = [encode(utterance.text) for _, said in batch for utterance in said]
        longest = max(map(len, token_ids))
        padded = np.array([ids + [0] * (longest - len(ids)) for ids in token_ids])
        mask = np.arange(longest) < np.array([len(ids) for ids in token_ids])[:, None]
        (rows,) = self._backend.run(
            'utterance', upload(padded, self._device), upload(mask, self._device)
        )
        places = [(stream.slot, utterance.stamp_ns) for stream, said in batch for utterance in said]
        # One by one: a stream may have said several things.
        for row, (slot, stamp_ns) in zip(rows, places, strict=True):
            self.memory.append([slot], [(stamp_ns,)], row[None, None])

    def example(self, now_ns: int) -> Utterance:
        """Return a greeting."""
        return Utterance(stamp_ns=now_ns, arrival_ns=now_ns, text='hello')

    @classmethod
    def artificial(cls, config: ModelConfig, scene: Scene) -> Iterator[Utterance]:
        """Yield sentences by turns, for ever; see :meth:`Lane.artificial`.

        Args:
            config: of the network that takes them.
            scene: what is sensed, and how often.
        """
        del config
        for said in count(1):
            now_ns = scene.after(said * scene.utterance_period_s)
            text = SENTENCES[said % len(SENTENCES)]
            yield Utterance(stamp_ns=now_ns, arrival_ns=now_ns, text=text)


LANE = TextLane
