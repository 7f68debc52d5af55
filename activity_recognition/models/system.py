"""ActivityRecognitionSystem: an encoder and a head per modality, their fusion, a classifier.

Shapes: B batch, N samples or tokens of any modality, Q decisions, M modalities, C activities,
D width. The batch's keys are listed in :data:`BATCH_KEYS`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from activity_recognition.config import ModelConfig
from activity_recognition.errors import ShapeError
from activity_recognition.modalities import DECISION_KEYS, SPEC, modalities_of
from activity_recognition.model_config import EXPERTS
from activity_recognition.models.attention import QUERY_CHUNK, ages_s, newest, visible
from activity_recognition.models.encoders import Encoder, encoder_type
from activity_recognition.models.experts import ProductOfExperts, scaled_gradient
from activity_recognition.models.fusion import CrossModalAttention, Fused, Memory
from activity_recognition.models.smoothing import ActivitySmoothing, Smoothed, SmoothingState
from activity_recognition.types import ALL_MODALITIES, Modality

if TYPE_CHECKING:
    from activity_recognition.models.encoders.audio import AudioCNN
    from activity_recognition.models.encoders.text import TextTransformer
    from activity_recognition.models.encoders.video import VideoTransformer


_USUAL = ModelConfig()


def batch_keys(
    modalities: Iterable[Modality], config: ModelConfig = _USUAL
) -> dict[str, tuple[torch.dtype, int]]:
    """Return the keys of a batch of some modalities with dtype and number of dimensions.

    Args:
        modalities: that the batch has.
        config: of the network; frames are key points where it takes them.
    """
    keys: dict[str, tuple[torch.dtype, int]] = {}
    for spec in map(SPEC.__getitem__, modalities):
        for entry in spec.arrays_for(config):
            dtype, dims = entry.form_for(config, spec.name)
            keys[entry.name] = getattr(torch, dtype), dims
        stamps, arrivals, mask = spec.time_keys
        keys |= {stamps: (torch.int64, 2), arrivals: (torch.int64, 2), mask: (torch.bool, 2)}
    return keys | dict.fromkeys(DECISION_KEYS, (torch.int64, 2))


BATCH_KEYS = batch_keys(ALL_MODALITIES)
"""Keys of a batch of all modalities with dtype and number of dimensions.

``frames`` (B, T, S, S, 3), or key points (B, T, J, 3), float32 or wider; ``spectrograms``
(B, A, columns, mels), log-mel blocks, float32 or wider; with a backbone for sounds
``sound_embeddings`` (B, A, 1025), float16 or wider; ``transcript_tokens`` (B, U, L); stamps,
arrivals and masks (B, T), (B, A), (B, U); decisions (B, Q). A row is one segment between resets, in
order of arrival; masks are False for padding and, in the spectrogram, for holes.
"""


@dataclass(frozen=True, slots=True, eq=False)
class HeadOutput:
    """Answers of the modalities' own heads per decision, as raw logits like the fused ones."""

    unimodal: dict[Modality, Tensor]
    """(B, Q, C) per modality, from its newest token alone, at its temperature where the network is
    a product of experts; meaningless where absent."""
    present: dict[Modality, Tensor]
    """bool (B, Q)."""
    states: dict[Modality, Tensor]
    """(B, Q, D) per modality, what its own head sees; meaningless where absent."""


@dataclass(frozen=True, slots=True, eq=False)
class ModelOutput(HeadOutput):
    """Answers of the network per decision, as raw logits, float32 or wider even under autocast."""

    logits: Tensor
    """(B, Q, C), fused."""


@dataclass(frozen=True, slots=True, eq=False)
class Tokens:
    """One modality's tokens of a batch."""

    tokens: Tensor
    """(B, N, D)."""
    keys: Tensor
    """(B, H, N, D / H)."""
    values: Tensor
    stamps_ns: Tensor
    """int64 (B, N)."""
    arrivals_ns: Tensor
    mask: Tensor
    """bool (B, N)."""

    def select(self, index: Tensor | slice) -> Tokens:
        """Return the tokens at ``index`` of every row."""
        return Tokens(
            self.tokens[:, index],
            self.keys[:, :, index],
            self.values[:, :, index],
            self.stamps_ns[:, index],
            self.arrivals_ns[:, index],
            self.mask[:, index],
        )


class ActivityRecognitionSystem(nn.Module):
    """The modalities of its configuration to activities, a decision or a recording at once.

    ``forward`` is dense: every decision of a recording in one pass. The streaming engine runs the
    steps of :mod:`activity_recognition.models.steps`, and arrives at the same numbers.
    """

    config: ModelConfig
    cross_attention: CrossModalAttention
    video_encoder: VideoTransformer
    audio_encoder: AudioCNN
    text_encoder: TextTransformer
    experts: ProductOfExperts | None
    fused_gradient: float
    """While training, the factor on the gradients from the fused logits to heads and encoders."""

    def __init__(self, config: ModelConfig) -> None:
        """Build the network of ``config`` with random weights."""
        super().__init__()
        self.config = config
        self.modalities = modalities_of(config)
        for modality in self.modalities:
            self.add_module(f'{modality}_encoder', encoder_type(modality)(config))
        self.cross_attention = CrossModalAttention(
            config.hidden_dim, config.num_heads, windows_s=self.windows_s, dropout=config.dropout
        )
        self.unimodal_heads = nn.ModuleDict(
            {m.value: nn.Linear(config.hidden_dim, config.num_activities) for m in self.modalities}
        )
        self.classifier = nn.Linear(config.hidden_dim * len(self.modalities), config.num_activities)
        self.experts = None
        if config.fusion == EXPERTS:
            self.experts = ProductOfExperts(
                len(self.modalities), config.hidden_dim, config.num_activities
            )
            # So it begins as the product alone.
            nn.init.zeros_(self.classifier.weight)
            nn.init.zeros_(self.classifier.bias)
        self.fused_gradient = 1.0
        self.postprocess = ActivitySmoothing(window_size=5)

    @property
    def encoders(self) -> dict[Modality, Encoder]:
        """The encoder of each modality."""
        return {modality: self.encoder(modality) for modality in self.modalities}

    def encoder(self, modality: Modality) -> Encoder:
        """Return the encoder of one modality of the network."""
        encoder = getattr(self, f'{modality}_encoder')
        assert isinstance(encoder, Encoder)
        return encoder

    @property
    def windows_s(self) -> dict[Modality, float]:
        """How old a token of each modality may be to be seen, seconds."""
        return {m: encoder.window_s for m, encoder in self.encoders.items()}

    @property
    def max_tokens(self) -> dict[Modality, int]:
        """How many tokens of each modality a decision sees at most."""
        return {m: encoder.max_tokens for m, encoder in self.encoders.items()}

    @property
    def receptive_field_s(self) -> dict[Modality, float]:
        """How far before a decision a sample can lie and still influence it, seconds."""
        return {m: e.window_s + e.receptive_field_s for m, e in self.encoders.items()}

    def forward(self, batch: Mapping[str, Tensor]) -> Tensor:
        """Return raw logits (B, Q, C) for every decision of the batch.

        Raises:
            ShapeError: a key is missing or has the wrong dtype or number of dimensions.
        """
        return self.forward_detailed(batch).logits

    def forward_detailed(
        self, batch: Mapping[str, Tensor], *, encoders_learn: bool = True
    ) -> ModelOutput:
        """Return fused and unimodal logits and presence for every decision of the batch.

        Args:
            batch: with :data:`BATCH_KEYS`.
            encoders_learn: whether gradients reach the encoders; without, less is computed.
        """
        check_batch(batch, self.modalities, self.config)
        return self.decide(self.encode(batch, learn=encoders_learn), batch)

    def forward_heads(self, batch: Mapping[str, Tensor]) -> HeadOutput:
        """Return what :meth:`forward_detailed` does but for the fused logits, for less."""
        check_batch(batch, self.modalities, self.config)
        outputs = [
            self._heads(*self.cross_attention.own_states(memories))
            for memories in self._memories_by_chunk(self.encode(batch), batch)
        ]
        return HeadOutput(**_joined(outputs))

    def decide(self, tokens: Mapping[Modality, Tokens], batch: Mapping[str, Tensor]) -> ModelOutput:
        """Answer every decision of the batch from tokens of :meth:`encode`, masked at will.

        Args:
            tokens: of each modality.
            batch: stamps and arrivals of the decisions.
        """
        outputs = [self.classify(memories) for memories in self._memories_by_chunk(tokens, batch)]
        logits = torch.cat([output.logits for output in outputs], dim=1)
        return ModelOutput(logits=logits, **_joined(outputs))

    def presence(self, batch: Mapping[str, Tensor]) -> dict[Modality, Tensor]:
        """Tell of which modalities each decision sees something, bool (B, Q), without encoding."""
        result = {}
        for modality, encoder in self.encoders.items():
            seen = visible(
                batch['decision_stamps'],
                batch['decision_arrivals'],
                *(batch[key] for key in SPEC[modality].time_keys),
                window_s=encoder.window_s,
                max_tokens=encoder.max_tokens,
            )
            result[modality] = seen.any(-1)
        return result

    def optimized_forward(
        self,
        batch: Mapping[str, Tensor],
        state: SmoothingState | None = None,
        *,
        autocast: AbstractContextManager[object] | None = None,
        temperature: float = 1.0,
    ) -> tuple[Tensor, list[Smoothed]]:
        """Run ``forward`` for use: inference mode, autocast, and smoothing of one stream.

        Args:
            batch: a batch of one recording (B = 1).
            state: the stream's smoothing state, advanced in place; None starts a fresh one.
            autocast: context to run the network in, from ``inference.precision``.
            temperature: calibration that divides the logits.

        Returns:
            Raw logits (1, Q, C), and one smoothed answer per decision.

        Raises:
            ShapeError: the batch is not one recording, or not a batch at all.
        """
        check_batch(batch, self.modalities, self.config)
        if len(batch['decision_stamps']) != 1:
            raise ShapeError(
                'optimized_forward smooths one stream: expected a batch of 1, '
                f'got {len(batch["decision_stamps"])}; use forward for larger batches'
            )
        state = state if state is not None else self.postprocess.new_state()
        with torch.inference_mode(), autocast or nullcontext():
            output = self.forward_detailed(batch)
        probabilities = (output.logits[0].double() / temperature).softmax(-1).float().cpu().numpy()
        present = torch.stack([output.present[m][0] for m in self.modalities]).any(0).tolist()
        times = batch['decision_stamps'][0].tolist()
        answers = [
            self.postprocess.step(row, t_ns, state)
            if there
            else self.postprocess.no_data(t_ns, self.config.num_activities, state)
            for row, t_ns, there in zip(probabilities, times, present, strict=True)
        ]
        return output.logits, answers

    def encode(self, batch: Mapping[str, Tensor], *, learn: bool = True) -> dict[Modality, Tokens]:
        """Encode every sample of the batch once.

        Args:
            batch: with :data:`BATCH_KEYS`.
            learn: whether gradients reach the encoders.
        """
        width = self.config.hidden_dim
        empty = self.classifier.weight.new_zeros(len(batch['decision_stamps']), 0, width)
        result = {}
        for modality, encoder in self.encoders.items():
            stamps, arrivals, mask = (batch[key] for key in SPEC[modality].time_keys)
            with torch.set_grad_enabled(learn and torch.is_grad_enabled()):
                tokens = encoder.encode(batch) if stamps.shape[1] else empty
            passed = scaled_gradient(tokens, self.fused_gradient)
            keys, values = self.cross_attention.project(modality, passed)
            result[modality] = Tokens(tokens, keys, values, stamps, arrivals, mask)
        return result

    def classify(self, memories: Mapping[Modality, Memory]) -> ModelOutput:
        """Decide from what is visible of each modality; the same for a recording and a stream."""
        fused = self.cross_attention(memories, gradient=self.fused_gradient)
        logits, heads = self.classifier_logits(fused), self._heads(fused.states, fused.present)
        if self.experts is not None:
            own = torch.stack(list(heads.unimodal.values()))
            logits = self._product(self.experts, own, fused, logits)
        return ModelOutput(
            logits=logits, unimodal=heads.unimodal, present=heads.present, states=heads.states
        )

    def read_out(self, fused: Fused) -> Tensor:
        """Return what :meth:`classify` does as one tensor of raw logits, (1 + M, ..., C).

        Of all modalities together first, then each modality's own.

        Args:
            fused: of all modalities.
        """
        logits, own = self.classifier_logits(fused), self.own_logits(fused.states)
        if self.experts is None:
            return torch.stack((logits, *own))
        heads = self.experts.at_temperatures(torch.stack(own))
        product = self._product(self.experts, heads, fused, logits)
        return torch.cat((product.unsqueeze(0), heads))

    def classifier_logits(self, fused: Fused) -> Tensor:
        """Return what the classifier makes of all modalities' features, (..., C)."""
        return _at_least_float32(self.classifier(fused.features))

    def own_logits(self, states: Sequence[Tensor]) -> list[Tensor]:
        """Return what each modality's own head makes of its state (..., D), (..., C) each."""
        return [
            _at_least_float32(self.unimodal_heads[m.value](state))
            for m, state in zip(self.modalities, states, strict=True)
        ]

    def _heads(self, states: Sequence[Tensor], present: Sequence[Tensor]) -> HeadOutput:
        own = self.own_logits(states)
        if self.experts is not None:
            # Each by itself: the loss of one head sends not even zeros to another.
            own = [head / t for head, t in zip(own, self.experts.temperatures, strict=True)]
        return HeadOutput(
            unimodal=dict(zip(self.modalities, own, strict=True)),
            present=dict(zip(self.modalities, present, strict=True)),
            states=dict(zip(self.modalities, states, strict=True)),
        )

    def _product(
        self, experts: ProductOfExperts, heads: Tensor, fused: Fused, residual: Tensor
    ) -> Tensor:
        factor = self.fused_gradient
        logits: Tensor = experts(
            scaled_gradient(heads, factor),
            [scaled_gradient(state, factor) for state in fused.states],
            fused.knots,
            fused.present,
            residual,
        )
        return logits

    def fuse(self, tokens: Mapping[Modality, Tokens], batch: Mapping[str, Tensor]) -> Fused:
        """Return what heads and classifier see at every decision of the batch, of (B, Q).

        Args:
            tokens: of each modality, from :meth:`encode`.
            batch: stamps and arrivals of the decisions, few enough to be computed at once.
        """
        memories = self._memories(tokens, batch['decision_stamps'], batch['decision_arrivals'])
        fused: Fused = self.cross_attention(memories)
        return fused

    def _memories_by_chunk(
        self, tokens: Mapping[Modality, Tokens], batch: Mapping[str, Tensor]
    ) -> Iterator[dict[Modality, Memory]]:
        """Yield what decisions that follow each other see; at least once, possibly none."""
        stamps, arrivals = batch['decision_stamps'], batch['decision_arrivals']
        for part in _chunks(stamps.shape[1]):
            yield self._memories(tokens, stamps[:, part], arrivals[:, part])

    def _memories(
        self, tokens: Mapping[Modality, Tokens], stamps_ns: Tensor, arrivals_ns: Tensor
    ) -> dict[Modality, Memory]:
        return {
            m: self._remember(m, self._recent(m, tokens[m], arrivals_ns), stamps_ns, arrivals_ns)
            for m in self.modalities
        }

    def _recent(self, modality: Modality, tokens: Tokens, arrivals_ns: Tensor) -> Tokens:
        """Leave out, for a single recording, the tokens that no decision at hand can see."""
        if len(arrivals_ns) != 1 or not arrivals_ns.shape[1]:
            return tokens
        tokens = tokens.select(tokens.mask[0].nonzero()[:, 0])
        bounds = torch.stack((arrivals_ns.amin(), arrivals_ns.amax()))
        first, last = torch.searchsorted(tokens.arrivals_ns[0], bounds, right=True).tolist()
        return tokens.select(slice(max(0, first - self.encoder(modality).max_tokens), last))

    def _remember(
        self, modality: Modality, tokens: Tokens, stamps_ns: Tensor, arrivals_ns: Tensor
    ) -> Memory:
        encoder = self.encoder(modality)
        seen = visible(
            stamps_ns,
            arrivals_ns,
            tokens.stamps_ns,
            tokens.arrivals_ns,
            tokens.mask,
            window_s=encoder.window_s,
            max_tokens=encoder.max_tokens,
        )
        age_s = ages_s(stamps_ns, tokens.stamps_ns, self.classifier.weight.dtype)
        if not seen.shape[-1]:
            batch, queries = stamps_ns.shape
            state = tokens.tokens.new_zeros(batch, queries, self.config.hidden_dim)
            nobody = torch.zeros_like(stamps_ns, dtype=torch.bool)
            no_age = age_s.new_zeros(nobody.shape)
            return Memory(tokens.keys, tokens.values, age_s, seen, state, no_age, nobody)
        index = newest(seen, tokens.stamps_ns)
        rows = torch.arange(len(index), device=index.device).unsqueeze(-1)
        return Memory(
            keys=tokens.keys,
            values=tokens.values,
            ages_s=age_s,
            seen=seen,
            state=tokens.tokens[rows, index],
            state_age_s=age_s.gather(-1, index.unsqueeze(-1)).squeeze(-1),
            present=seen.any(-1),
        )


def check_batch(
    batch: Mapping[str, Tensor], modalities: Iterable[Modality], config: ModelConfig = _USUAL
) -> None:
    """Raise ShapeError for a missing key, a wrong dtype or a wrong number of dimensions.

    Args:
        batch: arrays by their keys; those of other modalities are not looked at.
        modalities: that the network has.
        config: of the network.
    """
    for key, (dtype, dims) in batch_keys(modalities, config).items():
        if key not in batch:
            raise ShapeError(f'batch: expected the key {key!r}, got {sorted(batch)}')
        value = batch[key]
        wide = dtype.is_floating_point and value.is_floating_point()
        if (value.dtype != dtype and not wide) or value.dim() != dims:
            raise ShapeError(
                f'batch[{key!r}]: expected {dtype} with {dims} dimensions, '
                f'got {value.dtype} with shape {tuple(value.shape)}'
            )


def _joined(parts: Sequence[HeadOutput]) -> dict[str, dict[Modality, Tensor]]:
    """Join the fields of the heads' answers to decisions that follow each other."""
    return {
        name: {
            modality: torch.cat([getattr(part, name)[modality] for part in parts], dim=1)
            for modality in getattr(parts[0], name)
        }
        for name in ('unimodal', 'present', 'states')
    }


def _at_least_float32(logits: Tensor) -> Tensor:
    return logits.float() if logits.dtype.itemsize < 4 else logits


def _chunks(count: int) -> list[slice]:
    """Cut ``count`` decisions into runs that fit in memory; at least one, possibly empty."""
    return [
        slice(start, min(start + QUERY_CHUNK, count))
        for start in range(0, max(count, 1), QUERY_CHUNK)
    ]
