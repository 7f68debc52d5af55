"""TextTransformer: every utterance becomes one token.

Shapes: B batch, U utterances, L word pieces, D width.
"""

from __future__ import annotations

from torch import Tensor, nn
from transformers import BertConfig, BertModel

from activity_recognition.config import ModelConfig, TextConfig
from activity_recognition.models.backbones import TextBackbone


class TextTransformer(nn.Module):
    """A transformer encoder over an utterance's word pieces, averaged to one token.

    An utterance is encoded when it arrives and never again.
    """

    def __init__(self, config: ModelConfig) -> None:
        """Create the encoder described by ``config.text``, with random weights.

        Raises:
            ConfigError: a backbone is named whose architecture is missing or no text encoder's.
        """
        super().__init__()
        text = config.text
        self.encoder: nn.Module
        if text.backbone:
            self.encoder = TextBackbone(text)
            width = self.encoder.width
        else:
            self.encoder, width = _from_scratch(text, config.dropout), text.width
        self.project = nn.Linear(width, config.hidden_dim)
        self.norm = nn.LayerNorm(config.hidden_dim)

    def forward(self, token_ids: Tensor, token_mask: Tensor) -> Tensor:
        """Encode utterances.

        Args:
            token_ids: int64 (B, U, L).
            token_mask: bool (B, U, L), True for pieces that are there.

        Returns:
            (B, U, D).
        """
        batch, count, length = token_ids.shape
        if not count:
            return self.norm.weight.new_zeros(batch, 0, self.norm.weight.shape[0])
        flat_mask = token_mask.reshape(batch * count, length).clone()
        # An empty row is padding; one visible piece keeps its softmax defined.
        flat_mask[:, 0] = True
        states = self.encoder(
            input_ids=token_ids.reshape(batch * count, length), attention_mask=flat_mask.long()
        ).last_hidden_state
        weight = flat_mask.unsqueeze(-1).to(states.dtype)
        pooled = (states * weight).sum(1) / weight.sum(1)
        return self.norm(self.project(pooled)).unflatten(0, (batch, count))


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
