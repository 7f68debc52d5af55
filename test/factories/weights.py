"""A register of small made-up networks, and files that are theirs."""

import hashlib
from pathlib import Path

import yaml

FILES = {
    'pose.tflite': b'POSE' * 5000,
    'config.json': b'{"layers": 2}',
    'model.safetensors': b'words' * 9000,
}
"""Contents by name: of the network ``pose``, of one file, and of ``words``, of two."""


def file_entry(name: str, *sources: dict) -> dict:
    """One file of the register."""
    content = FILES[name]
    return {
        'name': name,
        'sha256': hashlib.sha256(content).hexdigest(),
        'size_bytes': len(content),
        'sources': list(sources) or [{'url': f'https://weights.invalid/{name}'}],
    }


def entry(*files: dict) -> dict:
    """One network of the register."""
    return {
        'what': 'made up',
        'authors': 'Somebody',
        'licence': 'Apache-2.0',
        'attribution': 'a network by Somebody',
        'files': list(files),
    }


def write_register(path: Path, **entries: dict) -> Path:
    """Write a register with `pose` and `words`, unless `entries` have others of these names."""
    usual = {
        'pose': entry(file_entry('pose.tflite')),
        'words': entry(file_entry('config.json'), file_entry('model.safetensors')),
    }
    path.write_text(yaml.safe_dump({**usual, **entries}, sort_keys=False), encoding='utf-8')
    return path


def put(folder: Path, name: str, content: bytes | None = None) -> Path:
    """Write one of the files, or something else under its name, into a folder."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(FILES[path.name] if content is None else content)
    return path
