"""What every encoder offers to the network, the engine and the exports."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar

from torch import Tensor, nn

from activity_recognition.config import ModelConfig
from activity_recognition.errors import ConfigError
from activity_recognition.models.step_spec import RING_ROOM, StepSpec
from activity_recognition.models.work import Work
from activity_recognition.types import Modality


class Encoder(nn.Module, ABC):
    """Turns one modality's samples into tokens of the network's width.

    ``forward`` encodes whole recordings, in a signature of its own; :meth:`encode` takes what it
    needs from a batch. The engine runs the encoder's :meth:`steps`, which give the same tokens.
    """

    modality: ClassVar[Modality]
    pretrained_rate: ClassVar[str] = ''
    """Setting of a recipe with the factor on the learning rate of :attr:`pretrained`."""

    def __init__(self, config: ModelConfig) -> None:
        """Take window and number of tokens from the section of ``config`` named as the modality."""
        super().__init__()
        self.config = config
        section = getattr(config, self.modality.value)
        self.window_s: float = section.window_s
        """How old a token may be to be seen by a decision, seconds."""
        self.max_tokens: int = section.max_tokens
        """How many tokens a decision sees at most."""

    @property
    @abstractmethod
    def receptive_field_s(self) -> float:
        """How far back from its stamp one token has seen, seconds."""

    @property
    def pretrained(self) -> nn.Module | None:
        """What may begin pretrained, and learn more slowly than the rest; by default nothing."""
        return None

    @abstractmethod
    def encode(self, batch: Mapping[str, Tensor]) -> Tensor:
        """Return the tokens (B, N, D) of the modality's N samples of a batch, N >= 1."""

    @classmethod
    @abstractmethod
    def steps(cls) -> tuple[StepSpec, ...]:
        """Return the steps by which an engine encodes; the last one returns rows first."""

    def work(self, *, length: int, held: int) -> dict[str, Work]:
        """Return the work of one step of one stream, part by part, keys and values apart.

        Its weights may lie on the meta device.

        Args:
            length: how much the stream brings, as in :attr:`Sizes.length`.
            held: tokens in the window, this one included.

        Raises:
            ConfigError: it is not known, which is the default.
        """
        del length, held
        raise ConfigError(
            f'expected an encoder that counts its operations, got that of {self.modality}; '
            'measure it instead'
        )

    @classmethod
    def past_size(cls, config: ModelConfig) -> int:
        """Return how many numbers of each token later steps of the encoder read; by default none.

        An engine keeps them in a ring, like what decisions read of the token.
        """
        del config
        return 0

    @classmethod
    def state_size(cls, config: ModelConfig) -> int:
        """Return how many numbers an engine keeps of a stream beside its tokens.

        For the limit on what a checkpoint's configuration may ask for. By default it is the ring of
        :meth:`past_size`.
        """
        max_tokens: int = getattr(config, cls.modality.value).max_tokens
        return RING_ROOM * max_tokens * cls.past_size(config)

    def merge_operators(self) -> None:
        """Replace parts by ones that compute the same with fewer operators, for an export.

        By default nothing is.
        """

    def keep_frozen_answers(self) -> None:
        """Compute what depends on frozen weights alone once, and keep it, for training.

        Afterwards these weights must not change. By default nothing is kept.
        """
