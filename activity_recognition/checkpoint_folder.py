"""Where a checkpoint lies: the folder itself, or what a training run ended with.

No torch and no ROS, so that what starts nodes can look, too.
"""

from __future__ import annotations

from pathlib import Path

from activity_recognition.errors import CheckpointError, quoted

CONFIG = 'config.json'
"""File that makes a folder a checkpoint."""
OF_RUN = 'checkpoint'
"""Folder below a training run that holds its result."""
RUN_STATE = 'state.safetensors'
"""File of a training run: where it stands."""
SHIPPED = Path(__file__).parent / 'checkpoints'
"""Folder of the checkpoints that ship with the package."""
_LISTED = 5
"""Names of a folder's content that an error gives."""


def shipped_names() -> tuple[str, ...]:
    """Return the names of the checkpoints that ship with the package."""
    if not SHIPPED.is_dir():
        return ()
    return tuple(sorted(path.parent.name for path in SHIPPED.glob(f'*/{CONFIG}')))


def shipped_checkpoint(name: str) -> Path:
    """Return the folder of a checkpoint that ships with the package, also where it is not there.

    Args:
        name: as ``nano``.
    """
    return SHIPPED / name


def checkpoint_folder(path: Path | str) -> Path:
    """Return the folder of a checkpoint: of a training run its result, a shipped one by its name.

    What is none of these is returned as it is; :func:`explain_folder` says what is wrong with it.

    Args:
        path: a checkpoint, a run's folder or, where neither is of that name, a shipped checkpoint.
    """
    path = Path(path)
    inside = path / OF_RUN
    if (path / CONFIG).is_file():
        return path
    if (inside / CONFIG).is_file():
        return inside
    if not path.exists() and str(path) in shipped_names():
        return shipped_checkpoint(str(path))
    return path


def explain_folder(path: Path) -> CheckpointError:
    """Return what to say of a place that is no checkpoint.

    Args:
        path: a file, a folder with something else, or nothing.
    """
    expected = f"expected a checkpoint folder at {path}, or a training run's"
    if path.is_file():
        return CheckpointError(f'{expected}, found a file; name the folder that it lies in')
    if not path.is_dir():
        return CheckpointError(
            f'{expected}, found none; train one, or leave the checkpoint empty for the one '
            f'shipped with the package ({", ".join(shipped_names())})'
        )
    if (path / RUN_STATE).is_file():
        return CheckpointError(
            f'{expected}, found a run that has not ended, whose checkpoint is yet to be written; '
            'go on with it by the same train command, then try again'
        )
    names = sorted(item.name for item in path.iterdir())
    runs = [name for name in names if checkpoint_folder(path / name) != path / name]
    runs += [name for name in names if (path / name / CONFIG).is_file()]
    if runs:
        listed = ', '.join(str(path / name) for name in runs[:_LISTED])
        return CheckpointError(f'{expected}, found some below it: name one of {listed}')
    more = ', …' if len(names) > _LISTED else ''
    listed = ', '.join(quoted(name) for name in names[:_LISTED]) + more
    return CheckpointError(
        f'{expected}, found {f"a folder with {listed}" if names else "an empty folder"}; name '
        'what `activity-recognition train --out` was given, or leave the checkpoint empty for the '
        'one shipped with the package'
    )
