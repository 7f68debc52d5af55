"""What a checkpoint keeps of the recordings that it was trained on, so that it can be taught more.

Not the recordings: numbers that the frozen encoders made of some of their decisions, in float16.
They show a head that learns a new activity what the old ones look like, so that it does not take
them for the new one (rehearsal; of features: Hayes et al. 2020, "REMIND"; Pellegrini et al. 2020,
"Latent Replay for Real-Time Continual Learning").

N decisions, M modalities, S subsets of them, D width of a state, C activities.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from activity_recognition.config import ModelConfig
from activity_recognition.errors import CheckpointError
from activity_recognition.model_config import EXPERTS
from activity_recognition.models.system import ActivityRecognitionSystem
from activity_recognition.models.weight_file import StoredTensor, read_header

REHEARSAL = 'rehearsal.safetensors'
"""File of a checkpoint."""
MAX_BYTES = 4_000_000
"""Of the file."""
_VERSION = '1'
_AGAIN = (
    'copy the whole folder again, or remove the file: the checkpoint then recognises as before, '
    'and cannot be taught without forgetting'
)
_DTYPES = {
    'states': 'F16',
    'features': 'F16',
    'reliability': 'F16',
    'present': 'U8',
    'targets': 'I32',
    'clips': 'I32',
}
_FLOATING = tuple(name for name, dtype in _DTYPES.items() if dtype == 'F16')
_DIGEST_BYTES = 16


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class DecisionFeatures:
    """Decisions as heads and classifier see them."""

    states: Tensor
    """Each modality's own, float32 (N, M, D); zeros where absent."""
    present: Tensor
    """bool (N, M)."""
    features: Tensor
    """Of cross-modal attention with each of :func:`subsets_of`, float32 (N, S, M * D). In a product
    of experts nothing is fitted to them: new decisions have the first, kept ones none, S = 0."""
    reliability: Tensor
    """Of each modality in a product of experts, float32 (N, M); 1 by attention, 0 where absent."""
    targets: Tensor
    """Classes, int64 (N,)."""
    clips: Tensor
    """Number of the clip that each decision is of, int64 (N,): decisions of one are much alike."""

    def __len__(self) -> int:
        """Return N."""
        return len(self.targets)

    def select(self, rows: Tensor) -> DecisionFeatures:
        """Return some decisions.

        Args:
            rows: bool (N,), or their places.
        """
        return DecisionFeatures(**{name: getattr(self, name)[rows] for name in _DTYPES})

    def with_classes(self, new: Sequence[int]) -> DecisionFeatures:
        """Return the decisions of classes that still exist, with their new numbers.

        Args:
            new: number of each class from now on; negative where it is gone.
        """
        targets = torch.tensor(list(new), dtype=torch.int64)[self.targets]
        return replace(self, targets=targets).select(targets >= 0)

    def for_keeping(self, config: ModelConfig) -> DecisionFeatures:
        """Return the decisions as a checkpoint keeps them, their clips numbered from 0.

        Args:
            config: of the network.
        """
        return replace(
            self,
            features=self.features[:, : num_kept_subsets(config)],
            clips=torch.unique(self.clips, return_inverse=True)[1],
        )


def stacked(parts: Sequence[DecisionFeatures]) -> DecisionFeatures:
    """Return the decisions of all parts, whose numbers of clips are taken as they are.

    Args:
        parts: at least one.
    """
    return DecisionFeatures(
        **{name: torch.cat([getattr(part, name) for part in parts]) for name in _DTYPES}
    )


def joined(parts: Sequence[DecisionFeatures]) -> DecisionFeatures:
    """Return the decisions of all parts; their clips stay apart.

    Args:
        parts: at least one.
    """
    apart, before = [], 0
    for part in parts:
        apart.append(replace(part, clips=part.clips + before))
        before += int(part.clips.max()) + 1 if len(part) else 0
    return stacked(apart)


def subsets_of(num_modalities: int) -> Tensor:
    """Return the subsets whose features are kept, bool (S, M): all, then each modality alone.

    Args:
        num_modalities: M.
    """
    everything = torch.ones(1, num_modalities, dtype=torch.bool)
    if num_modalities == 1:
        return everything
    return torch.cat((everything, torch.eye(num_modalities, dtype=torch.bool)))


def num_kept_subsets(config: ModelConfig) -> int:
    """Return for how many subsets features are kept; for none where heads decide.

    Args:
        config: of the network.
    """
    return 0 if config.fusion == EXPERTS else len(subsets_of(len(config.modalities)))


def bytes_of_decision(config: ModelConfig) -> int:
    """Return how much of the file a decision takes.

    Args:
        config: of the network.
    """
    count = len(config.modalities)
    numbers = count * (config.hidden_dim * (1 + num_kept_subsets(config)) + 1)
    return 2 * numbers + count + 2 * 4


def encoders_digest(system: ActivityRecognitionSystem) -> str:
    """Return what changes with everything that features are made by.

    Args:
        system: the network.
    """
    digest = hashlib.blake2b(digest_size=_DIGEST_BYTES)
    made_by = [f'{modality}_encoder' for modality in system.modalities] + ['cross_attention']
    for name, tensor in sorted(system.state_dict().items()):
        if name.partition('.')[0] in made_by:
            digest.update(f'{name}\0'.encode())
            # As float32, to which checkpoints are loaded.
            digest.update(tensor.detach().cpu().float().contiguous().numpy().tobytes())
    return digest.hexdigest()


def save_rehearsal(path: Path, kept: DecisionFeatures, system: ActivityRecognitionSystem) -> None:
    """Write a file of features.

    Args:
        path: of the file.
        kept: at least one decision.
        system: that made them.

    Raises:
        SafetensorError, OSError: it cannot be written.
    """
    limit = torch.finfo(torch.float16).max
    kept = kept.for_keeping(system.config)
    tensors = {
        **{name: getattr(kept, name).clamp(-limit, limit).half() for name in _FLOATING},
        'present': kept.present.to(torch.uint8),
        'targets': kept.targets.int(),
        'clips': kept.clips.int(),
    }
    save_file(
        {name: tensor.contiguous() for name, tensor in tensors.items()},
        path,
        metadata={'version': _VERSION, 'encoders': encoders_digest(system)},
    )
    path.chmod(0o644)


def load_rehearsal(folder: Path, system: ActivityRecognitionSystem) -> DecisionFeatures | None:
    """Read what a checkpoint keeps; None where it keeps nothing.

    Args:
        folder: of the checkpoint.
        system: of the checkpoint.

    Raises:
        CheckpointError: the file is damaged, too large, or of another network.
    """
    path = folder / REHEARSAL
    if not path.exists():
        return None
    try:
        if (size := path.stat().st_size) > MAX_BYTES:
            raise CheckpointError(
                f'{path}: expected at most {MAX_BYTES} bytes, got {size}; {_AGAIN}'
            )
        _check_form(read_header(path), system.config, path)
        _check_origin(path, system)
        tensors = load_file(path)
    except (SafetensorError, OSError) as error:
        raise CheckpointError(
            f'expected kept features in {path}, got a damaged file ({str(error)[:200]}); {_AGAIN}'
        ) from error
    _check_values(tensors, system.config, path)
    return DecisionFeatures(
        **{name: tensors[name].float() for name in _FLOATING},
        present=tensors['present'].bool(),
        targets=tensors['targets'].long(),
        clips=tensors['clips'].long(),
    )


def _check_form(found: Mapping[str, StoredTensor], config: ModelConfig, path: Path) -> None:
    """Refuse other tensors than those of so many decisions of the network."""
    if set(found) != set(_DTYPES):
        raise CheckpointError(
            f'{path}: expected the tensors {", ".join(_DTYPES)}, got '
            f'{", ".join(sorted(found))[:100] or "none"}; {_AGAIN}'
        )
    shape = found['targets'].shape
    count, modalities, width = shape[0] if shape else 0, len(config.modalities), config.hidden_dim
    shapes = {
        'states': (count, modalities, width),
        'features': (count, num_kept_subsets(config), modalities * width),
        'reliability': (count, modalities),
        'present': (count, modalities),
        'targets': (count,),
        'clips': (count,),
    }
    for name, stored in found.items():
        if stored.shape != shapes[name] or not count:
            raise CheckpointError(
                f'{path}: expected {name} of the shape {shapes[name]} with at least one decision, '
                f'got {stored.shape}; it must come from the same run as config.json; {_AGAIN}'
            )
        if stored.dtype != _DTYPES[name]:
            raise CheckpointError(
                f'{path}: expected {name} in {_DTYPES[name]}, got {stored.dtype}; {_AGAIN}'
            )


def _check_origin(path: Path, system: ActivityRecognitionSystem) -> None:
    """Refuse features that other encoders made, which look alike and mean something else."""
    with safe_open(path, framework='pt') as file:
        said = file.metadata() or {}
    if said.get('version') != _VERSION:
        raise CheckpointError(
            f'{path}: expected version {_VERSION}, got {str(said.get("version"))[:20]!r}; {_AGAIN}'
        )
    if said.get('encoders') != encoders_digest(system):
        raise CheckpointError(
            f'{path}: expected features that the encoders of model.safetensors made, got those of '
            f'others; both files must come from the same run; {_AGAIN}'
        )


def _check_values(tensors: Mapping[str, Tensor], config: ModelConfig, path: Path) -> None:
    for name in _FLOATING:
        if not torch.isfinite(tensors[name].float()).all():
            raise CheckpointError(
                f'{path}: expected finite numbers, got NaN or infinity in {name}; {_AGAIN}'
            )
    limits = {
        'present': 1,
        'targets': config.num_activities - 1,
        'clips': len(tensors['clips']) - 1,
    }
    for name, most in limits.items():
        least, largest = int(tensors[name].min()), int(tensors[name].max())
        if least < 0 or largest > most:
            raise CheckpointError(
                f'{path}: expected {name} from 0 to {most}, got {least} to {largest}; {_AGAIN}'
            )
