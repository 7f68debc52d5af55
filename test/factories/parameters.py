"""Parameter files of nodes, as a node itself would take them."""

from pathlib import Path
from typing import TypeVar

from activity_recognition.config_io import read_yaml
from activity_recognition.parameter_files import RECOGNIZER, parameters_of

T = TypeVar('T')


def read_parameter_file(path: Path, cls: type[T], *, node: str = RECOGNIZER) -> T:
    """Read the parameters of a node from a file that holds them and nothing else."""
    return parameters_of(read_yaml(path), cls, where=str(path), node=node)
