"""StreamingEngine: every sample is encoded once, when it arrives; a decision reads what is cached.

The decisions equal those that ``ActivityRecognitionSystem.forward`` gives on the whole recording
with the same arrivals.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from activity_recognition.config import EngineConfig, SmoothingConfig
from activity_recognition.inference.frontend import AudioBlocks, FrontEnd
from activity_recognition.inference.precision import Precision, choose_precision
from activity_recognition.models.checkpoint import Checkpoint, default_checkpoint, load_checkpoint
from activity_recognition.models.fusion import Memory
from activity_recognition.models.smoothing import ActivitySmoothing, Smoothed
from activity_recognition.models.state import ModalityState, Sight, TokenRing
from activity_recognition.models.system import ActivityRecognitionSystem, ModelOutput
from activity_recognition.types import (
    MODALITIES,
    AudioChunk,
    Decision,
    DecisionTime,
    Frame,
    Modality,
    ModalityEvidence,
    Sample,
    Utterance,
    Window,
    modality_of,
    seconds_between,
    to_ns,
)


class StreamingEngine:
    """One stream of samples in, one decision per due moment out; owned by one thread."""

    def __init__(
        self,
        checkpoint: Checkpoint,
        *,
        engine: EngineConfig | None = None,
        smoothing: SmoothingConfig | None = None,
    ) -> None:
        """Prepare to stream through a checkpoint's network.

        Raises:
            DeviceError: the device or precision asked for is not there.
        """
        engine = engine or EngineConfig()
        self.precision: Precision = choose_precision(engine)
        if engine.num_threads and self.precision.device.type == 'cpu':
            torch.set_num_threads(engine.num_threads)
        self.checkpoint = checkpoint
        self.config = checkpoint.config
        self.labels = checkpoint.config.labels
        self._evidence_every = engine.evidence_every
        self._system: ActivityRecognitionSystem = checkpoint.system.to(self.precision.device)
        self._system.eval()
        self._smoothing = ActivitySmoothing(config=smoothing)
        self._smoothing_state = self._smoothing.new_state()
        dtype = self._system.classifier.weight.dtype
        self._front_end = FrontEnd(self.config, checkpoint.tokenizer, dtype=dtype)
        self._video = self._system.video_encoder.new_state()
        self._audio = self._system.audio_encoder.new_state()
        self._fusion = {m: self._new_modality_state(m) for m in MODALITIES}
        self._first_stamp_ns: dict[Modality, int] = {}
        self._newest_stamp_ns: dict[Modality, int] = {}
        self._decisions = 0

    @classmethod
    def load(
        cls,
        checkpoint: Path | str = '',
        engine: EngineConfig | None = None,
        smoothing: SmoothingConfig | None = None,
    ) -> StreamingEngine:
        """Load a checkpoint folder, the shipped one where the path is empty, and prepare it.

        Raises:
            CheckpointError: the folder is missing, damaged or of another schema.
            DeviceError: the device or precision asked for is not there.
        """
        return cls(
            load_checkpoint(checkpoint or default_checkpoint()),
            engine=engine,
            smoothing=smoothing,
        )

    @property
    def checkpoint_id(self) -> str:
        """Identity of the checkpoint: weights, configuration and tokenizer."""
        return self.checkpoint.id

    @property
    def device_name(self) -> str:
        """Device and precision in words."""
        return self.precision.name

    def update(
        self, *, smoothing: SmoothingConfig | None = None, evidence_every: int | None = None
    ) -> None:
        """Change settings while running; the smoothing's memory is kept."""
        if smoothing is not None:
            self._smoothing.config = smoothing
        if evidence_every is not None:
            self._evidence_every = evidence_every

    def reset(self) -> None:
        """Forget everything that was seen, heard, read and decided."""
        self._video.clear()
        self._audio.clear()
        self._front_end.clear()
        for state in self._fusion.values():
            state.clear()
        self._first_stamp_ns.clear()
        self._newest_stamp_ns.clear()
        self._smoothing_state.clear()
        self._decisions = 0

    def warm_up(self) -> None:
        """Run every part once on made-up input, so that the first real decision is not slow."""
        size, audio = self.config.video.input_size_px, self.config.audio
        black = np.zeros((size, size, 3), np.uint8)
        quiet = np.zeros(audio.sample_rate_hz // 4, np.float32)
        second_ns = to_ns(1.0)
        for index in range(2):
            now_ns = (1 + index) * second_ns
            samples: tuple[Sample, ...] = (
                Frame(stamp_ns=now_ns, arrival_ns=now_ns, image=black),
                AudioChunk(
                    stamp_ns=now_ns,
                    arrival_ns=now_ns,
                    samples=quiet,
                    sample_rate_hz=audio.sample_rate_hz,
                ),
                Utterance(stamp_ns=now_ns, arrival_ns=now_ns, text='hello'),
            )
            decision = DecisionTime(t_ns=now_ns, arrival_ns=now_ns)
            self.apply(Window(samples=samples, decision=decision))
        self.reset()

    def apply(self, window: Window) -> Decision | None:
        """Take a window: forget if it says so, encode its samples, decide if one is due."""
        if window.reset:
            self.reset()
        with torch.inference_mode(), self.precision.autocast():
            for sample in window.samples:
                self._encode(sample)
            if window.decision is None:
                return None
            return self._decide(window.decision)

    def _new_modality_state(self, modality: Modality) -> ModalityState:
        like, config = self._system.classifier.weight, self.config
        capacity = self._system.max_tokens[modality]
        ring = TokenRing.create(
            layers=1,
            heads=config.num_heads,
            capacity=capacity,
            head_dim=config.hidden_dim // config.num_heads,
            like=like,
        )
        return ModalityState(ring=ring, tokens=like.new_zeros(1, capacity, config.hidden_dim))

    def _encode(self, sample: Sample) -> None:
        modality = modality_of(sample)
        # The earliest, not the first: text comes late, and out of order.
        first_ns = self._first_stamp_ns.get(modality, sample.stamp_ns)
        self._first_stamp_ns[modality] = min(first_ns, sample.stamp_ns)
        self._note_newest(modality, sample.stamp_ns)
        if isinstance(sample, Frame):
            image = torch.from_numpy(self._front_end.frame(sample)).to(self.precision.device)
            token = self._system.video_encoder.step(image[None], sample.stamp_ns, self._video)
            self._remember(Modality.VIDEO, token, [sample.stamp_ns])
        elif isinstance(sample, AudioChunk):
            for blocks in self._front_end.audio.push(sample):
                self._encode_audio(blocks)
        else:
            ids = torch.tensor([[self._front_end.utterance(sample)]], device=self.precision.device)
            token = self._system.text_encoder(ids, torch.ones_like(ids, dtype=torch.bool))
            self._remember(Modality.TEXT, token, [sample.stamp_ns])

    def _encode_audio(self, blocks: AudioBlocks) -> None:
        device, whole = self.precision.device, bool(blocks.mask.all())
        mask = None if whole else torch.from_numpy(blocks.mask).to(device)[None]
        tokens = self._system.audio_encoder.step(blocks.values.to(device)[None], mask, self._audio)
        if whole:
            self._remember(Modality.AUDIO, tokens, blocks.stamps_ns.tolist())

    def _remember(self, modality: Modality, tokens: Tensor, stamps_ns: list[int]) -> None:
        keys, values = self._system.cross_attention.project(modality, tokens)
        state = self._fusion[modality]
        if stamps_ns:
            self._note_newest(modality, stamps_ns[-1])
        for index, stamp_ns in enumerate(stamps_ns):
            part = slice(index, index + 1)
            state.append(tokens[:, part], keys[:, :, part], values[:, :, part], stamp_ns)

    def _note_newest(self, modality: Modality, stamp_ns: int) -> None:
        """Keep the newest stamp; tokens of sound are newer than the start of their chunk."""
        newest_ns = self._newest_stamp_ns.get(modality, stamp_ns)
        self._newest_stamp_ns[modality] = max(newest_ns, stamp_ns)

    def _decide(self, moment: DecisionTime) -> Decision:
        windows_s = self._system.windows_s
        sights = {m: self._fusion[m].ring.sight(moment.t_ns, windows_s[m]) for m in MODALITIES}
        if all(sight.newest < 0 for sight in sights.values()):
            smoothed = self._smoothing.no_data(moment.t_ns, len(self.labels), self._smoothing_state)
            nothing = np.zeros(len(self.labels), np.float32)
            evidence = tuple(self._absent(m, moment.t_ns) for m in MODALITIES)
            return self._decision(moment, smoothed, nothing, evidence, moment.t_ns)
        memories = {m: self._memory(m, sight) for m, sight in sights.items()}
        weigh = self._evidence_every > 0 and self._decisions % self._evidence_every == 0
        self._decisions += 1
        output = self._system.classify(_with_each_hidden(memories) if weigh else memories)
        logits = _on_host(output)
        beliefs = self._beliefs(logits)
        fused, unimodal = beliefs[0], beliefs[1:, 0]
        smoothed = self._smoothing.step(fused[0], moment.t_ns, self._smoothing_state)
        winner = smoothed.class_id if smoothed.class_id >= 0 else int(fused[0].argmax())
        weights = fused[0, winner] - fused[1:, winner] if weigh else np.full(3, np.nan)
        return self._decision(
            moment,
            smoothed,
            logits[0, 0].float().numpy(),
            self._evidence(moment.t_ns, sights, unimodal, weights),
            self._window_start_ns(moment.t_ns, sights),
        )

    def _memory(self, modality: Modality, sight: Sight) -> Memory:
        state, device = self._fusion[modality], self.precision.device
        keys, values = state.ring.view(0)
        dtype = state.tokens.dtype
        present = sight.newest >= 0
        newest = max(sight.newest, 0)
        age_s = sight.newest_age_s if present else 0.0
        return Memory(
            keys=keys,
            values=values,
            ages_s=torch.from_numpy(sight.age_s).to(device, dtype)[None, None],
            seen=torch.from_numpy(sight.seen).to(device)[None, None],
            state=state.tokens[:, newest : newest + 1],
            state_age_s=torch.tensor([[age_s]], device=device, dtype=dtype),
            present=torch.tensor([[present]], device=device),
        )

    def _beliefs(self, logits: Tensor) -> NDArray[np.float32]:
        probabilities = (logits / self.checkpoint.temperature).softmax(-1)
        return probabilities.float().numpy()

    def _absent(self, modality: Modality, t_ns: int) -> ModalityEvidence:
        """Return the evidence of a modality without a sample in its window at ``t_ns``."""
        newest_ns = self._newest_stamp_ns.get(modality)
        age_s = math.nan if newest_ns is None else seconds_between(t_ns, newest_ns)
        return ModalityEvidence(modality=modality, present=False, age_s=age_s)

    def _evidence(
        self,
        t_ns: int,
        sights: Mapping[Modality, Sight],
        unimodal: NDArray[np.float32],
        weights: NDArray[np.floating],
    ) -> tuple[ModalityEvidence, ...]:
        """Return what each modality believes by itself, (3, C), and what it weighs, (3,)."""
        evidence = []
        for index, (modality, beliefs) in enumerate(zip(MODALITIES, unimodal, strict=True)):
            sight = sights[modality]
            if sight.newest < 0:
                evidence.append(self._absent(modality, t_ns))
                continue
            evidence.append(
                ModalityEvidence(
                    modality=modality,
                    present=True,
                    age_s=sight.newest_age_s,
                    label=self.labels[int(beliefs.argmax())],
                    confidence=float(beliefs.max()),
                    weight=float(weights[index]),
                )
            )
        return tuple(evidence)

    def _window_start_ns(self, t_ns: int, sights: Mapping[Modality, Sight]) -> int:
        """Return the oldest moment that can have influenced a decision at ``t_ns``."""
        reach_s = self._system.receptive_field_s
        return min(
            max(self._first_stamp_ns[m], t_ns - to_ns(reach_s[m]))
            for m, sight in sights.items()
            if sight.newest >= 0
        )

    def _decision(
        self,
        moment: DecisionTime,
        smoothed: Smoothed,
        logits: NDArray[np.float32],
        evidence: tuple[ModalityEvidence, ...],
        window_start_ns: int,
    ) -> Decision:
        return Decision(
            t_ns=moment.t_ns,
            arrival_ns=moment.arrival_ns,
            status=smoothed.status,
            class_id=smoothed.class_id,
            label=self.labels[smoothed.class_id] if smoothed.class_id >= 0 else '',
            confidence=smoothed.confidence,
            probabilities=smoothed.probabilities,
            logits=logits,
            evidence=evidence,
            window_start_ns=window_start_ns,
            stable_since_ns=smoothed.stable_since_ns,
        )


def _on_host(output: ModelOutput) -> Tensor:
    """Return the logits, fused and each modality's, as float64 (4, B, C): one transfer for all."""
    logits = torch.stack((output.logits, *(output.unimodal[m] for m in MODALITIES)))
    return logits[:, :, 0].cpu().double()


def _with_each_hidden(memories: Mapping[Modality, Memory]) -> dict[Modality, Memory]:
    """Return a batch of four: as it is, and with each modality hidden in turn."""
    result = {}
    for index, modality in enumerate(MODALITIES):
        memory = memories[modality]
        hidden = torch.zeros(1 + len(MODALITIES), dtype=torch.bool, device=memory.seen.device)
        hidden[1 + index] = True
        batch = {
            item.name: getattr(memory, item.name).expand(
                len(hidden), *getattr(memory, item.name).shape[1:]
            )
            for item in dataclasses.fields(Memory)
        }
        result[modality] = Memory(**batch).hidden_where(hidden)
    return result
