"""What is said of a modality in the table of :mod:`activity_recognition.modalities`."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from activity_recognition.model_config import ModelConfig
    from activity_recognition.types import Modality, Role, Sample


class QueueUnit(Enum):
    """What limits the samples that wait for the engine."""

    SAMPLES = 'samples'
    SECONDS = 'seconds'


@dataclass(frozen=True, kw_only=True, slots=True)
class QueueSpec:
    """How many samples of a modality may wait for the engine: a setting of ``SyncConfig``."""

    setting: str
    """Its name."""
    unit: QueueUnit
    default: float
    longest: float
    """Largest value; the least is a sample, or a tenth of a second."""
    description: str
    """For users, one sentence."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RoleSpec:
    """One topic of a modality."""

    role: Role
    message_types: tuple[str, ...]
    """Types it may have, ``pkg/msg/Type``, the preferred first."""
    type_setting: str = ''
    """Field of ``TopicsConfig`` that chooses one of the types; empty where there is no choice."""
    type_words: tuple[str, ...] = ()
    """What that field calls the first of the types; without these it holds the name of a type."""
    stand_in_types: tuple[str, ...] = ()
    """Those of the types that are found in a recording only where it has none of the others."""
    field_setting: str = ''
    """Field of ``TopicsConfig`` that names what is read of a message of any type; where it is set,
    every type is taken."""
    general_type: str = ''
    """That of the types which topics of any meaning have; taken where none of another type is."""
    name_words: tuple[str, ...] = ()
    """A topic of the general type has one of these in its name."""
    other_words: tuple[str, ...] = ()
    """A topic with one of these in its name is something else."""
    suffixes: tuple[tuple[str, str], ...] = ()
    """Type, and the suffix of the topic under which messages of that type come, too."""
    default_topic: str
    """Relative name that launch files give it."""
    description: str
    """For users, one sentence."""
    depth: int
    """Of the requested history."""
    reliable: bool
    """Requested, unless a publisher offers less."""
    latched: bool = False
    """Whether transient local durability is requested, likewise."""
    offered_depth: int
    """Of the history that a playing node offers, as drivers do."""
    pauses: bool = False
    """Whether it is usual that nothing comes, and that several publish by turns."""
    sample_per_message: bool = False
    """Whether a message holds one of the samples of a chunk."""
    is_large: bool = False
    """Whether a message may be too large for the transport that the middleware takes by default."""
    behind_limit_s: float | None = None
    """A stamp may lie so long before its arrival, seconds; None where it has no stamp."""
    max_bytes: int | None = None
    """Longest message that is deserialised; None leaves the limit to the decoder."""
    on_other_type: str = ''
    """What to do where another type is published."""
    on_empty: str = 'nothing was in them; check the driver'
    """What to say where messages come and no sample is in them."""
    on_missing: str = ''
    """What to say where it is missing and the modality's messages are refused for it."""

    def suffix(self, type_name: str) -> str:
        """Return what is appended to the name of a topic of this type; mostly nothing."""
        return dict(self.suffixes).get(type_name, '')

    def accepts(self, type_name: str) -> bool:
        """Return whether messages of this type may be taken, given the settings they need."""
        return bool(self.field_setting) or type_name in self.message_types


@dataclass(frozen=True, kw_only=True, slots=True)
class ArraySpec:
    """One array of a batch that a modality's encoder takes."""

    name: str
    """Key of the batch and of prepared recordings."""
    dtype: str
    """As NumPy and PyTorch call it; a floating type may be wider."""
    dims: int
    """Number of dimensions, batch and samples first."""
    stored: bool = True
    """Whether prepared recordings keep it; token ids follow from a tokenizer that training
    makes."""

    other_form: OtherForm | None = None
    """What it is where a network takes something else."""
    needs: str = ''
    """Setting of its modality without which, empty, a network does not take it; empty for none."""

    def taken_by(self, config: ModelConfig, modality: str) -> bool:
        """Tell whether a network takes it.

        Args:
            config: of the network.
            modality: name of the section of ``config`` that decides.
        """
        return not self.needs or bool(getattr(getattr(config, modality), self.needs))

    def form_for(self, config: ModelConfig, modality: str) -> tuple[str, int]:
        """Return dtype and number of dimensions for a network.

        Args:
            config: of the network.
            modality: name of the section of ``config`` that decides.
        """
        other = self.other_form
        if other is not None and getattr(getattr(config, modality), other.setting):
            return other.dtype, other.dims
        return self.dtype, self.dims


@dataclass(frozen=True, kw_only=True, slots=True)
class OtherForm:
    """What an array is where a setting of its modality is not empty."""

    setting: str
    dtype: str
    dims: int


@dataclass(frozen=True, kw_only=True, slots=True)
class ModalitySpec:
    """One modality."""

    modality: Modality
    sample_type: type[Sample]
    sample_noun: str
    """What one sample is called in sentences."""
    content: str
    """Field of a sample with what was sensed."""
    roles: tuple[RoleSpec, ...]
    """Its topics, the one with the samples first."""
    queue: QueueSpec
    """What may wait for the engine."""
    rate_setting: str = ''
    """Field of ``SyncConfig`` with the rate above which its samples are left out; empty for none.
    Its messages begin with a Header, whose stamp is read before they are decoded."""
    triggers_decisions: bool = False
    """Whether a decision is due when a sample enters a new cell of the decision grid."""
    may_be_late: bool = False
    """Whether samples older than the newest are admitted, and none is a time jump."""
    has_holes: bool = False
    """Whether its samples lie on a grid, on which what is missing is there, masked."""
    longest_gap_s: float | None = None
    """Silence worth telling of a sensor that delivers all the time; None where it has pauses."""
    usual_delay_s: tuple[float, float]
    """Least and greatest delay from stamp to record time on one clock, seconds."""
    prefix: str
    """How the batch keys of its stamps, arrivals and mask begin."""
    arrays: tuple[ArraySpec, ...]
    """What its encoder takes, beside stamps and mask."""
    table: str = ''
    """What a table of its sensor holds, for the option of ``import``; empty where there is none."""

    @property
    def name(self) -> str:
        """The modality's name, also of its settings in ``ModelConfig``."""
        return self.modality.value

    @property
    def stamps_key(self) -> str:
        """Batch key of its stamps."""
        return f'{self.prefix}_stamps'

    @property
    def arrivals_key(self) -> str:
        """Batch key of its arrivals."""
        return f'{self.prefix}_arrivals'

    @property
    def mask_key(self) -> str:
        """Batch key of its mask."""
        return f'{self.prefix}_mask'

    @property
    def time_keys(self) -> tuple[str, str, str]:
        """Batch keys of stamps, arrivals and mask."""
        return self.stamps_key, self.arrivals_key, self.mask_key

    @property
    def stored_keys(self) -> tuple[str, ...]:
        """Keys of the times that prepared recordings keep; a mask where there may be holes."""
        return self.time_keys if self.has_holes else self.time_keys[:2]

    def arrays_for(self, config: ModelConfig) -> tuple[ArraySpec, ...]:
        """Return those of its arrays that a network takes.

        Args:
            config: of the network.
        """
        return tuple(array for array in self.arrays if array.taken_by(config, self.name))

    @property
    def stored_arrays(self) -> tuple[ArraySpec, ...]:
        """Its arrays that prepared recordings keep."""
        return tuple(array for array in self.arrays if array.stored)

    @property
    def role(self) -> Role:
        """The topic with its samples."""
        return self.roles[0].role
