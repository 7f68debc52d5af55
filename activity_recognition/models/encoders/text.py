"""TextTransformer: every utterance becomes one token.

Shapes: B batch, U utterances, L subword tokens, D width, W width of the transformer.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from transformers import BertConfig, BertModel
from transformers.modeling_outputs import BaseModelOutput

from activity_recognition.config import ModelConfig, TextConfig
from activity_recognition.models.backbones import TextBackbone
from activity_recognition.models.encoders.encoder import Encoder
from activity_recognition.models.encoders.kept_utterances import KeptUtterances
from activity_recognition.models.fusion import CrossModalAttention
from activity_recognition.models.step_spec import Draw, Sizes, StepInput, StepSpec
from activity_recognition.models.work import (
    BLOCK_WEIGHTS,
    FLOAT_BYTES,
    PER_MULTIPLY_ADD,
    Work,
    attention_operations,
    bytes_of,
)
from activity_recognition.types import Modality

if TYPE_CHECKING:
    from activity_recognition.models.system import ActivityRecognitionSystem


class TextTransformer(Encoder):
    """A transformer encoder over an utterance's subword tokens, averaged to one token.

    An utterance is encoded when it arrives and never again.
    """

    modality = Modality.TEXT
    pretrained_rate = 'text_encoder_rate'

    def __init__(self, config: ModelConfig) -> None:
        """Create the encoder described by ``config.text``, with random weights.

        Raises:
            ConfigError: a backbone is named whose architecture is missing or no text encoder's.
        """
        super().__init__(config)
        text = config.text
        self.encoder: nn.Module
        if text.backbone:
            self.encoder = TextBackbone(text)
            width = self.encoder.width
        elif text.word_vectors:
            self.encoder, width = WordVectors(text, config.dropout), text.width
        else:
            self.encoder, width = _from_scratch(text, config.dropout), text.width
        self.project = nn.Linear(width, config.hidden_dim)
        self.norm = nn.LayerNorm(config.hidden_dim)
        self._kept: KeptUtterances | None = None

    @property
    def receptive_field_s(self) -> float:
        """How far back one token has seen: an utterance knows none before it."""
        return 0.0

    @property
    def pretrained(self) -> nn.Module:
        """What may begin pretrained: the transformer."""
        return self.encoder

    def encode(self, batch: Mapping[str, Tensor]) -> Tensor:
        """Return the tokens (B, U, D) of a batch's utterances."""
        tokens: Tensor = self(batch['transcript_tokens'], batch['transcript_token_mask'])
        return tokens

    @classmethod
    def steps(cls) -> tuple[StepSpec, ...]:
        """Return the step of an utterance by itself."""
        return (_UTTERANCE,)

    def work(self, *, length: int, held: int) -> dict[str, Work]:
        """Return the work of one utterance; see :meth:`Encoder.work`.

        Args:
            length: its subword tokens.
            held: of no meaning here.
        """
        del held
        text = self.config.text
        depth = 0 if text.word_vectors else text.depth
        per_block = PER_MULTIPLY_ADD * BLOCK_WEIGHTS * text.width**2 * length
        unread = (text.vocab_size - length + text.max_length - length) * text.width
        encoder = Work(
            products=depth * per_block + PER_MULTIPLY_ADD * self.project.weight.numel(),
            attention=depth * attention_operations(length, length, text.width),
            weight_bytes=bytes_of(self) - FLOAT_BYTES * unread,
        )
        return {'text encoder': encoder}

    def keep_frozen_answers(self) -> None:
        """Run a backbone of which nothing is trained once per utterance."""
        frozen = not any(weight.requires_grad for weight in self.encoder.parameters())
        if frozen and isinstance(self.encoder, TextBackbone):
            self.encoder.eval()  # as it is from the first step of training on
            self._kept = KeptUtterances(self.pool)

    def forward(self, token_ids: Tensor, token_mask: Tensor) -> Tensor:
        """Encode utterances.

        Args:
            token_ids: int64 (B, U, L).
            token_mask: bool (B, U, L), False for padding.

        Returns:
            (B, U, D).
        """
        batch, count, length = token_ids.shape
        if not count:
            return self.norm.weight.new_zeros(batch, 0, self.norm.weight.shape[0])
        flat = (batch * count, length)
        pool = self._kept or self.pool
        pooled = pool(token_ids.reshape(flat), token_mask.reshape(flat))
        return self.norm(self.project(pooled)).unflatten(0, (batch, count))

    def pool(self, token_ids: Tensor, token_mask: Tensor) -> Tensor:
        """Return the mean of the transformer's states over each utterance's tokens, (U, W).

        Args:
            token_ids: int64 (U, L).
            token_mask: bool (U, L), False for padding.
        """
        visible = token_mask.clone()
        # An empty row is padding; one visible token keeps its softmax defined.
        visible[:, 0] = True
        states = self.encoder(input_ids=token_ids, attention_mask=visible.long()).last_hidden_state
        weight = visible.unsqueeze(-1).to(states.dtype)
        pooled: Tensor = (states * weight).sum(1) / weight.sum(1)
        return pooled


def _from_scratch(text: TextConfig, dropout: float) -> nn.Module:
    settings = BertConfig(
        vocab_size=text.vocab_size,
        hidden_size=text.width,
        num_hidden_layers=text.depth,
        num_attention_heads=text.num_heads,
        intermediate_size=4 * text.width,
        max_position_embeddings=text.max_length,
        type_vocab_size=1,
        hidden_dropout_prob=dropout,
        attention_probs_dropout_prob=dropout,
    )
    encoder: nn.Module = BertModel(settings, add_pooling_layer=False)
    return encoder


class WordVectors(nn.Module):
    """Frozen vectors of subword tokens, in place of a transformer."""

    def __init__(self, text: TextConfig, dropout: float) -> None:
        """Begin with random ones; ``models.pretrained.load_backbones`` brings those that are known.

        Args:
            text: of the network.
            dropout: share of the numbers that are not seen in training.
        """
        super().__init__()
        self.table = nn.Embedding(text.vocab_size, text.width).requires_grad_(False)
        self.dropout = nn.Dropout(dropout)

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> BaseModelOutput:
        """Return the vectors as ``last_hidden_state``, (U, L, W), as a transformer does.

        Args:
            input_ids: int64 (U, L).
            attention_mask: of no meaning here.
        """
        del attention_mask
        return BaseModelOutput(last_hidden_state=self.dropout(self.table(input_ids)))


class UtteranceStep(nn.Module):
    """Utterances by themselves."""

    def __init__(self, encoder: TextTransformer, fusion: CrossModalAttention) -> None:
        """Step with the weights of ``encoder``, towards ``fusion``.

        Args:
            encoder: whose weights it uses.
            fusion: makes keys and values of the tokens.
        """
        super().__init__()
        self.text, self.fusion = encoder, fusion

    def forward(self, token_ids: Tensor, token_mask: Tensor) -> Tensor:
        """Encode utterances.

        Args:
            token_ids: int64 (B, L), of subword tokens.
            token_mask: bool (B, L), False for padding.

        Returns:
            Rows (B, 3, D).
        """
        tokens = self.text(token_ids.unsqueeze(1), token_mask.unsqueeze(1)).squeeze(1)
        return self.fusion.project_key_value(Modality.TEXT, tokens)


def _utterance_example(
    system: ActivityRecognitionSystem, sizes: Sizes, draw: Draw
) -> tuple[Tensor, ...]:
    length = sizes.length
    token_ids = draw.integers(system.config.text.vocab_size, sizes.streams, length)
    lengths = draw.integers(length, sizes.streams, 1) + 1
    return token_ids, torch.arange(length, device=lengths.device) < lengths


_UTTERANCE = StepSpec(
    name='utterance',
    module=lambda system: UtteranceStep(system.text_encoder, system.cross_attention),
    inputs=(StepInput('token_ids', 2), StepInput('token_mask', 2)),
    outputs=('rows',),
    length=7,
    example=_utterance_example,
)
ENCODER = TextTransformer
