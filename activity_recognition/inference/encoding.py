"""One batch of all streams' new samples through the encoders, into the streams' states.

Shapes: N tokens of all streams, n streams, S image side, A audio blocks, L word pieces, D width.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import groupby

import numpy as np
import torch
from torch import Tensor

from activity_recognition.inference.backends.backend import Backend
from activity_recognition.inference.frontend import AudioBlocks, Prepared
from activity_recognition.inference.resizing import stack_on
from activity_recognition.inference.streams import NetworkState, Stream
from activity_recognition.inference.uploading import upload, upload_stack
from activity_recognition.models.system import ActivityRecognitionSystem
from activity_recognition.types import Modality

Intake = Sequence[tuple[Stream, Prepared]]
"""Per stream what its new samples are to the encoders, in order of the slots."""
FRAMES_AT_ONCE = {'cpu': 4, 'cuda': 64}
"""Frames of all streams encoded by one call; a CPU's caches do not hold more."""


class BatchEncoder:
    """Runs each encoder as seldom as the streams' samples allow.

    The frame and the text encoder know no past: one call takes what all streams bring. The temporal
    blocks take one frame of each stream at a time, the audio encoder runs of equal length.
    """

    def __init__(
        self, system: ActivityRecognitionSystem, backend: Backend, state: NetworkState
    ) -> None:
        """Encode with ``system``, whose steps ``backend`` runs, into ``state``."""
        self._backend = backend
        self._state = state
        self._motion = system.video_encoder.motion
        self._directions = system.video_encoder.directions
        self._window_s = system.config.video.window_s
        self._size_px = system.config.video.input_size_px
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
        frames = stack_on(images, self._size_px, self._device)
        limit = FRAMES_AT_ONCE.get(self._device.type, FRAMES_AT_ONCE['cuda'])
        if len(images) <= limit:
            (tokens,) = self._backend.run('frame', frames)
        else:
            # Each part is copied: a backend may overwrite it with the next one's.
            parts = frames.split(limit)
            tokens = torch.cat([self._backend.run('frame', part)[0].clone() for part in parts])
        if self._motion is not None:
            moved = [self._state.motion[slot] for slot in slots]
            tokens = tokens + self._motion.step(frames, stamps_ns, moved)
        if self._directions is not None:
            turned = [self._state.directions[slot] for slot in slots]
            tokens = tokens + self._directions.step(frames, stamps_ns, turned)
        for turn in turns(slots):
            alone = len(turn) == len(slots)
            self._attend_to_past(
                [slots[i] for i in turn],
                [stamps_ns[i] for i in turn],
                tokens if alone else tokens[upload(np.array(turn), self._device)],
            )

    def _attend_to_past(
        self, slots: Sequence[int], stamps_ns: Sequence[int], tokens: Tensor
    ) -> None:
        """Let one frame of each of some streams attend to those before it, and keep it."""
        ring = self._state.past
        # With itself a frame sees the newest N: the oldest of N before it has to go.
        sight = ring.sight(
            slots, stamps_ns, self._window_s, most=ring.capacity - 1, whole=self._backend.fixed
        )
        rows, own = self._backend.run(
            'temporal_attention',
            tokens,
            ring.view(slots, sight),
            upload(sight.age_s, self._device),
            upload(sight.seen, self._device),
        )
        runs_ns = [(stamp_ns,) for stamp_ns in stamps_ns]
        ring.append(slots, runs_ns, own.unsqueeze(1))
        self._state.memories[Modality.VIDEO].append(slots, runs_ns, rows.unsqueeze(1))

    def _encode_sound(self, intake: Intake) -> None:
        runs = [(s, run) for s, prepared in intake for run in joined(prepared.sound)]
        for turn in turns([stream.slot for stream, _ in runs]):
            alike: dict[int, list[tuple[Stream, AudioBlocks]]] = defaultdict(list)
            for stream, run in (runs[position] for position in turn):
                if run.whole:
                    alike[len(run.mask)].append((stream, run))
                else:
                    self._state.sound.skip(stream.slot, len(run.mask))
            for group in alike.values():
                self._encode_runs(group)

    def _encode_runs(self, runs: Sequence[tuple[Stream, AudioBlocks]]) -> None:
        """Encode and remember one run each of different streams, all of one length."""
        slots = [stream.slot for stream, _ in runs]
        blocks = upload_stack([run.values for _, run in runs], self._device)
        sound = self._state.sound
        rows, after = self._backend.run('chunk', blocks, sound.of(slots))
        sound.store(slots, after)
        runs_ns = [run.stamps_ns.tolist() for _, run in runs]
        for (stream, _), stamps_ns in zip(runs, runs_ns, strict=True):
            stream.note_newest(Modality.AUDIO, stamps_ns[-1])
        self._state.memories[Modality.AUDIO].append(slots, runs_ns, rows)

    def _encode_utterances(self, intake: Intake) -> None:
        said = [ids for _, prepared in intake for ids in prepared.utterances]
        if not said:
            return
        slots = [stream.slot for stream, prepared in intake for _ in prepared.utterances]
        stamps_ns = [
            stamp_ns for _, prepared in intake for stamp_ns in prepared.utterance_stamps_ns
        ]
        longest = max(map(len, said))
        padded = np.array([ids + [0] * (longest - len(ids)) for ids in said])
        there = np.arange(longest) < np.array([len(ids) for ids in said])[:, None]
        (rows,) = self._backend.run(
            'utterance', upload(padded, self._device), upload(there, self._device)
        )
        memory = self._state.memories[Modality.TEXT]
        # One by one: a stream may have said several things.
        for row, slot, stamp_ns in zip(rows, slots, stamps_ns, strict=True):
            memory.append([slot], [(stamp_ns,)], row[None, None])


def turns(slots: Sequence[int]) -> list[list[int]]:
    """Group what lies in order by turn: the first item of every slot, then the second, and so on.

    Returns:
        Positions in ``slots``; within a turn every slot occurs at most once.
    """
    seen: dict[int, int] = {}
    result: list[list[int]] = []
    for position, slot in enumerate(slots):
        turn = seen.get(slot, 0)
        seen[slot] = turn + 1
        if turn == len(result):
            result.append([])
        result[turn].append(position)
    return result


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
                values=np.concatenate([run.values for run in runs]),
                mask=np.concatenate([run.mask for run in runs]),
                stamps_ns=np.concatenate([run.stamps_ns for run in runs]),
                arrival_ns=runs[-1].arrival_ns,
            )
        )
    return result
