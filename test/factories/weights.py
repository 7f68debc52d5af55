"""A register of small made-up networks, and files that are theirs."""

import hashlib
import zipfile
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


PACKAGE, VERSION = 'made-up-networks', '1.2'
WHEEL = 'made_up_networks-1.2-py3-none-any.whl'


def package_source(member: str, wheel_bytes: int = 1_000_000) -> dict:
    """A source of the register: a file in the wheel of a package that is made up."""
    return {
        'package': PACKAGE,
        'version': VERSION,
        'member': member,
        'wheel_bytes': wheel_bytes,
    }


def _metadata(needs: str = '') -> dict[str, str]:
    folder = 'made_up_networks-1.2.dist-info'
    fields = ['Metadata-Version: 2.1', f'Name: {PACKAGE}', f'Version: {VERSION}']
    fields += [f'Requires-Dist: {needs}'] if needs else []
    return {
        f'{folder}/METADATA': '\n'.join([*fields, '']),
        f'{folder}/WHEEL': 'Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n',
        f'{folder}/RECORD': '',
    }


def make_wheel(folder: Path, contents: dict[str, bytes], needs: str = '') -> Path:
    """Write the wheel of the package with some files, which needs another package or none."""
    folder.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(folder / WHEEL, 'w', zipfile.ZIP_DEFLATED) as archive:
        for name, content in {**contents, **_metadata(needs)}.items():
            archive.writestr(name, content)
    return folder / WHEEL


def install(site: Path, contents: dict[str, bytes]) -> Path:
    """Put the package with some files into a folder as an installer would; return the folder."""
    for name, content in {**contents, **_metadata()}.items():
        path = site / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return site
