"""Installs the part that needs no ROS, for machines that train: `pip install .`.

colcon builds the whole package, with CMakeLists.txt. Both put training/ and config/ inside the
Python package. What package.xml says about the package is read from there.
"""

import xml.etree.ElementTree as ET
from pathlib import Path

from setuptools import find_packages, setup

ROOT = Path(__file__).resolve().parent
NEEDS_ROS = ['activity_recognition.ros*', 'activity_recognition.behaviours*']
MANIFEST = ET.parse(ROOT / 'package.xml').getroot()  # noqa: S314 - our own file


def text_of(tag: str) -> str:
    """Return one field of package.xml, on one line."""
    return ' '.join(MANIFEST.findtext(tag, '').split())


def folder_packages(name: str, folder: str) -> dict[str, str]:
    """Map a folder of the repository, and those under it, into the package as `name`."""
    found = sorted(path for path in (ROOT / folder).rglob('*') if path.is_dir())
    folders = [ROOT / folder, *(path for path in found if path.name != '__pycache__')]
    relative = [path.relative_to(ROOT) for path in folders if path.is_dir()]
    return {'.'.join((name, *path.parts[1:])): str(path) for path in relative}


mapped = {
    **folder_packages('activity_recognition.training', 'training'),
    **folder_packages('activity_recognition._config', 'config'),
}

setup(
    version=text_of('version'),
    description=text_of('description'),
    license=text_of('license'),
    maintainer=text_of('maintainer'),
    maintainer_email=MANIFEST.find('maintainer').get('email'),
    packages=[
        *find_packages(
            include=['activity_recognition', 'activity_recognition.*'], exclude=NEEDS_ROS
        ),
        *mapped,
    ],
    package_dir=mapped,
    package_data={
        '': ['*.css', '*.html', '*.json', '*.md', '*.xml', '*.yaml', 'py.typed'],
        'activity_recognition': ['checkpoints/**/*'],
    },
)
