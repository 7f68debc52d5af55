"""Word vectors distilled from a pretrained text network, which stand in place of a transformer.

Each subword token goes through the network alone; the mean of its states, in the directions in
which they differ most, is its vector (as Model2Vec does, Tulkens and van Dongen 2024). A few
megabytes of a checkpoint then know which words mean alike, whatever was said in training.

Shapes: V tokens, W width of the vectors, N width of the network.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from tokenizers import Tokenizer
from tokenizers.models import WordPiece
from torch import Tensor, nn

from activity_recognition.errors import ConfigError
from activity_recognition.models.tokenizer import (
    SPECIAL_TOKENS,
    UNKNOWN,
    TextTokenizer,
    folded,
    word_piece_tokenizer,
)

_INSIDE = '##'
"""Before a subword token that does not begin a word."""
_AT_ONCE = 512


def frequent_words(tokenizer: Tokenizer, *, vocab_size: int, max_length: int) -> TextTokenizer:
    """Return a tokenizer of the most frequent words of a pretrained one.

    The vocabulary of a WordPiece tokenizer is ordered by frequency. Punctuation, and what folding
    case and accents never leaves, are left out.

    Args:
        tokenizer: of the pretrained network.
        vocab_size: largest number of subword tokens.
        max_length: subword tokens of an utterance.

    Raises:
        ConfigError: it is no WordPiece tokenizer.
    """
    if not isinstance(tokenizer.model, WordPiece):
        raise ConfigError(
            'text.word_vectors: expected a network with a WordPiece tokenizer, as BERT and MiniLM '
            f'have, got {type(tokenizer.model).__name__}'
        )
    found = tokenizer.get_vocab()
    by_frequency = sorted(found, key=lambda token: found[token])
    # A word of letters alone can always be written: the single ones come first.
    usable = sorted(filter(_is_said, by_frequency), key=lambda token: len(_bare(token)) > 1)
    kept = [*SPECIAL_TOKENS, *usable][:vocab_size]
    vocabulary = {token: place for place, token in enumerate(kept)}
    model = WordPiece(vocabulary, unk_token=UNKNOWN)
    return TextTokenizer(word_piece_tokenizer(model), max_length=max_length)


def _bare(token: str) -> str:
    return token.removeprefix(_INSIDE)


def _is_said(token: str) -> bool:
    """Whether a token is of letters or digits as they are after folding; one alone is of ASCII."""
    bare = _bare(token)
    return bare.isalnum() and folded(bare) == bare and (len(bare) > 1 or bare.isascii())


@torch.no_grad()
def distil(network: nn.Module, tokenizer: Tokenizer, tokens: Sequence[str], width: int) -> Tensor:
    """Return a vector for each token, (V, W), with a mean of 0 and a mean square of 1.

    Args:
        network: pretrained, in evaluation mode; called with ``input_ids`` and ``attention_mask``.
        tokenizer: of the network.
        tokens: of which V are to be known to it; those in brackets get zeros.
        width: W, at most N.

    Raises:
        ConfigError: the network is narrower, or fewer of the tokens are known to it: they differ
            in no more directions than they are.
    """
    known = [place for place, token in enumerate(tokens) if token not in SPECIAL_TOKENS]
    numbers = tokenizer.get_vocab()
    ids = [numbers[tokens[place]] for place in known]
    tokenizer.no_padding()
    around = tokenizer.encode('').ids
    states = torch.cat(
        [
            _states(network, around, ids[first : first + _AT_ONCE])
            for first in range(0, len(ids), _AT_ONCE)
        ]
    ).double()
    if width > states.shape[1]:
        raise ConfigError(
            f'text.width must be at most {states.shape[1]}, the width of text.word_vectors, '
            f'got {width}'
        )
    if width > len(known):
        raise ConfigError(
            f'text.width must be at most the number of words of text.word_vectors, {len(known)} '
            f'with text.vocab_size={len(tokens)}, got {width}; raise text.vocab_size'
        )
    centred = states - states.mean(0)
    _, _, directions = torch.linalg.svd(centred, full_matrices=False)
    # Whitened: what all words share a little tells them apart least.
    vectors = centred @ directions[:width].T
    vectors = vectors / vectors.square().mean(0).sqrt().clamp_min(1e-12)
    found = torch.zeros(len(tokens), width)
    found[known] = vectors.float()
    return found


def _states(network: nn.Module, around: Sequence[int], ids: Sequence[int]) -> Tensor:
    """Return the mean state of each of some tokens alone, between those around a sentence."""
    rows = torch.tensor([[*around[:1], one, *around[1:]] for one in ids])
    states: Tensor = network(
        input_ids=rows, attention_mask=torch.ones_like(rows)
    ).last_hidden_state.mean(1)
    return states
