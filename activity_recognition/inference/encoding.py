"""One batch of all streams' new samples through the encoders, into the streams' states.

Shapes: N tokens of all streams, S image side, A audio blocks, L word pieces, D width, H heads.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import groupby

import numpy as np
import torch
from torch import Tensor

from activity_recognition.inference.frontend import AudioBlocks, Prepared
from activity_recognition.inference.streams import NetworkState, Stream
from activity_recognition.models.state import Rows, turns
from activity_recognition.models.system import ActivityRecognitionSystem
from activity_recognition.types import Modality

Intake = Sequence[tuple[Stream, Prepared]]
"""Per stream what its new samples are to the encoders, in order of the slots."""


class BatchEncoder:
    """Runs each encoder as seldom as the streams' samples allow.

    The frame and the text encoder know no past: one call takes what all streams bring. The temporal
    blocks take one frame of each stream at a time, the audio encoder runs of equal length.
    """

    def __init__(self, system: ActivityRecognitionSystem, state: NetworkState) -> None:
        """Encode with ``system`` into ``state``."""
        self._system = system
        self._state = state
        self._device = system.classifier.weight.device

    def encode(self, intake: Intake) -> None:
        """Encode everything and advance the streams' states."""
        self._encode_images(intake)
        self._encode_sound(intake)
        self._encode_utterances(intake)

    def _encode_images(self, intake: Intake) -> None:
        images = [image for _, prepared in intake for image in prepared.images]
        if not images:
            return
        slots = [stream.slot for stream, prepared in intake for _ in prepared.images]
        stamps_ns = [stamp_ns for _, prepared in intake for stamp_ns in prepared.image_stamps_ns]
        frames = torch.from_numpy(np.stack(images)).to(self._device)
        tokens = self._system.video_encoder.step(frames, stamps_ns, slots, self._state.video)
        self._remember(Modality.VIDEO, slots, stamps_ns, tokens)

    def _encode_sound(self, intake: Intake) -> None:
        runs = [(s, run) for s, prepared in intake for run in joined(prepared.sound)]
        tokens: list[Tensor] = []
        slots: list[int] = []
        stamps_ns: list[int] = []
        for turn in turns([stream.slot for stream, _ in runs]):
            alike: dict[tuple[int, bool], list[tuple[Stream, AudioBlocks]]] = defaultdict(list)
            for stream, run in (runs[position] for position in turn):
                alike[len(run.mask), run.whole].append((stream, run))
            for (count, whole), group in alike.items():
                encoded = self._encode_runs(group, whole=whole)
                if not whole:
                    continue
                tokens.append(encoded.flatten(0, 1))
                for stream, run in group:
                    stream.note_newest(Modality.AUDIO, int(run.stamps_ns[-1]))
                    slots += [stream.slot] * count
                    stamps_ns += run.stamps_ns.tolist()
        if tokens:
            self._remember(Modality.AUDIO, slots, stamps_ns, torch.cat(tokens))

    def _encode_runs(self, runs: Sequence[tuple[Stream, AudioBlocks]], *, whole: bool) -> Tensor:
        """Encode one run each of different streams, all of one length, to (n, A, D)."""
        values = torch.stack([run.values for _, run in runs]).to(self._device)
        mask = None if whole else torch.zeros(values.shape[:2], dtype=torch.bool).to(self._device)
        rows = Rows.of([stream.slot for stream, _ in runs], self._device)
        return self._system.audio_encoder.step(values, mask, rows, self._state.audio)

    def _encode_utterances(self, intake: Intake) -> None:
        said = [ids for _, prepared in intake for ids in prepared.utterances]
        if not said:
            return
        slots = [stream.slot for stream, prepared in intake for _ in prepared.utterances]
        stamps_ns = [
            stamp_ns for _, prepared in intake for stamp_ns in prepared.utterance_stamps_ns
        ]
        longest = max(map(len, said))
        lengths = torch.tensor([len(ids) for ids in said])
        padded = torch.tensor([ids + [0] * (longest - len(ids)) for ids in said])
        mask = torch.arange(longest) < lengths[:, None]
        tokens = self._system.text_encoder(
            padded[:, None].to(self._device), mask[:, None].to(self._device)
        )
        self._remember(Modality.TEXT, slots, stamps_ns, tokens[:, 0])

    def _remember(
        self, modality: Modality, slots: list[int], stamps_ns: list[int], tokens: Tensor
    ) -> None:
        """Store tokens (N, D) where decisions find them."""
        keys, values = self._system.cross_attention.project(modality, tokens[None])
        self._state.fusion[modality].append(
            slots, stamps_ns, tokens, keys[0].transpose(0, 1), values[0].transpose(0, 1)
        )


def joined(sound: Iterable[AudioBlocks]) -> list[AudioBlocks]:
    """Join neighbouring runs that are whole: however sound is cut up, its tokens are the same."""
    result: list[AudioBlocks] = []
    for whole, group in groupby(sound, key=lambda run: run.whole):
        runs = list(group)
        if not whole or len(runs) == 1:
            result += runs
            continue
        result.append(
            AudioBlocks(
                values=torch.cat([run.values for run in runs]),
                mask=np.concatenate([run.mask for run in runs]),
                stamps_ns=np.concatenate([run.stamps_ns for run in runs]),
                arrival_ns=runs[-1].arrival_ns,
            )
        )
    return result
