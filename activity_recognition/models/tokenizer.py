"""Subword tokens of transcripts, kept in the checkpoint as ``tokenizer.json``.

They are trained on the transcripts, or come with a pretrained encoder.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers

from activity_recognition.errors import CheckpointError, ConfigError, printable
from activity_recognition.text_files import read_text

PAD, UNKNOWN = '[PAD]', '[UNK]'
SPECIAL_TOKENS = (PAD, UNKNOWN)
"""Tokens that stand for no words, with the ids from 0 on."""


class TextTokenizer:
    """Turns an utterance into token ids; case and accents are folded."""

    def __init__(self, tokenizer: Tokenizer, *, max_length: int) -> None:
        """Wrap a tokenizer of the ``tokenizers`` library.

        Args:
            tokenizer: any tokenizer; changed to pad and cut nothing by itself.
            max_length: ids kept per utterance, with those that the tokenizer puts around it; the
                end of a long one is what was said last.
        """
        self._tokenizer = tokenizer
        tokenizer.no_padding()
        tokenizer.no_truncation()
        # What people say cannot pose as padding or as an end.
        tokenizer.encode_special_tokens = True
        self.max_length = max_length

    @property
    def vocab_size(self) -> int:
        """Number of different ids."""
        return int(self._tokenizer.get_vocab_size())

    @property
    def tokens(self) -> list[str]:
        """The subword tokens in the order of their ids."""
        vocabulary = self._tokenizer.get_vocab()
        return sorted(vocabulary, key=lambda token: int(vocabulary[token]))

    def encode(self, text: str) -> list[int]:
        """Return 1 to ``max_length`` ids; text without a known token becomes ``[UNK]``."""
        tokens = self._tokenizer.encode(text, add_special_tokens=False)
        around = self._tokenizer.num_special_tokens_to_add(False)
        tokens.truncate(max(1, self.max_length - around), direction='left')
        ids: list[int] = self._tokenizer.post_process(tokens, None, True).ids
        return ids or [int(self._tokenizer.token_to_id(UNKNOWN) or 0)]

    def decode(self, ids: Iterable[int]) -> str:
        """Return the words of ids, lower case and without what no token stands for."""
        text: str = self._tokenizer.decode([int(i) for i in ids], skip_special_tokens=True)
        return text

    def save(self, path: Path) -> None:
        """Write ``tokenizer.json``."""
        self._tokenizer.save(str(path))

    @classmethod
    def load(cls, path: Path, *, max_length: int, own: bool = True) -> TextTokenizer:
        """Read ``tokenizer.json``.

        Args:
            path: the file.
            max_length: ids kept per utterance.
            own: whether it was trained with the weights; that of a pretrained encoder may pad as
                it likes.

        Raises:
            CheckpointError: when it is missing, or no tokenizer that pads with id 0.
        """
        try:
            text = read_text(path, CheckpointError, what='it')
            tokenizer = Tokenizer.from_str(text)
        except Exception as error:  # the library raises bare Exception
            raise CheckpointError(
                f'expected a tokenizer at {path}, got: {printable(str(error), 300)}; '
                'copy the whole checkpoint folder again'
            ) from error
        padding = tokenizer.token_to_id(PAD)
        if own and padding != 0:
            raise CheckpointError(
                f'{path}: expected the padding token {PAD} with id 0, got {padding}; '
                'take the tokenizer that was trained with the weights'
            )
        return cls(tokenizer, max_length=max_length)


def train_tokenizer(texts: Iterable[str], *, vocab_size: int, max_length: int) -> TextTokenizer:
    """Train a WordPiece tokenizer (Wu et al. 2016) on transcripts; equal texts give equal ids.

    Args:
        texts: transcripts.
        vocab_size: largest number of subword tokens.
        max_length: subword tokens of an utterance.

    Raises:
        ConfigError: when ``vocab_size`` cannot hold the characters of the texts.
    """
    if vocab_size < 16:
        raise ConfigError(f'text.vocab_size must be at least 16, got {vocab_size}')
    texts = sorted({folded(text) for text in texts})
    learner = word_piece_tokenizer(models.WordPiece(unk_token=UNKNOWN))
    # The trainer numbers tokens inside words in the order of a hash table, unless they are given.
    inside = sorted({f'##{character}' for text in texts for character in text.replace(' ', '')})
    trainer = trainers.WordPieceTrainer(
        vocab_size=vocab_size,
        min_frequency=1,
        special_tokens=[PAD, UNKNOWN, *inside],
        show_progress=False,
    )
    learner.train_from_iterator(texts, trainer)
    vocabulary = learner.get_vocab()
    if len(vocabulary) > vocab_size:
        raise ConfigError(
            f'text.vocab_size must be at least {len(vocabulary)} to hold the characters of these '
            f'transcripts, got {vocab_size}'
        )
    # A model of its own has no special tokens, which would be found in what people say.
    model = models.WordPiece(vocabulary, unk_token=UNKNOWN)
    return TextTokenizer(word_piece_tokenizer(model), max_length=max_length)


def folded(text: str) -> str:
    """Return a text in lower case and without accents."""
    found: str = normalizers.BertNormalizer(lowercase=True).normalize_str(text)
    return found


def word_piece_tokenizer(model: models.WordPiece) -> Tokenizer:
    """Return the tokenizer of a vocabulary, which folds case and accents.

    Args:
        model: the vocabulary.
    """
    tokenizer = Tokenizer(model)
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    return tokenizer
