"""The register of pretrained networks: what it holds, and what it refuses."""

import hashlib
import re

import pytest
import yaml

from activity_recognition.errors import ConfigError, WeightsError, quoted
from activity_recognition.weights import identity, register
from activity_recognition.weights.entries import REGISTER, read_register

ENTRY = {
    'what': 'a network',
    'authors': 'somebody',
    'licence': 'Apache-2.0',
    'attribution': 'a network by somebody',
    'files': [
        {
            'name': 'network.tflite',
            'sha256': hashlib.sha256(b'network').hexdigest(),
            'size_bytes': 7,
            'sources': [{'url': 'https://example.org/network.tflite'}],
        }
    ],
}


def read(tmp_path, entry, name='network'):
    path = tmp_path / 'weights.yaml'
    path.write_text(yaml.safe_dump({name: entry}))
    return read_register(path)


def changed(**values):
    """The entry with other values of its only file."""
    return {**ENTRY, 'files': [{**ENTRY['files'][0], **values}]}


def without(key, *, of_file=False):
    owner = ENTRY['files'][0] if of_file else ENTRY
    left = {name: value for name, value in owner.items() if name != key}
    return {**ENTRY, 'files': [left]} if of_file else left


def test_the_registered_networks():
    found = {name: (e.size_bytes, e.sha256[:16], e.licence) for name, e in register().items()}
    expected = {
        'movenet_lightning': (2894840, 'cd7cc22fa946e5d1', 'Apache-2.0'),
        'yamnet': (4047424, '0a266465c46718f3', 'Apache-2.0'),
        'yamnet_class_map': (14096, 'cdf24d193e196d9e', 'Apache-2.0'),
        'blazepose_detector': (2959046, '9ba9dd3d42efaaba', 'Apache-2.0'),
        'blazepose_landmarks_full': (6440512, 'e9a5c5cb17f736fa', 'Apache-2.0'),
    }
    assert {name: found[name] for name in expected} == expected
    assert all(name == entry.name for name, entry in register().items())


def test_public_addresses_are_pinned_to_a_commit():
    """What a branch holds changes under its address."""
    sources = [s for e in register().values() for file in e.files for s in file.sources]
    addresses = [source.url for source in sources if source.url]
    assert addresses
    assert all(re.fullmatch(r'https://.*/[0-9a-f]{40}/.*', address) for address in addresses)


def test_the_identity_of_a_file_and_of_a_folder(tmp_path):
    assert identity('yamnet') == register()['yamnet'].files[0].sha256
    second = {**ENTRY['files'][0], 'name': 'a.json', 'sha256': '0' * 64}
    entry = read(tmp_path, {**ENTRY, 'files': [*ENTRY['files'], second]})['network']
    listed = f'{"0" * 64}  a.json\n{ENTRY["files"][0]["sha256"]}  network.tflite\n'
    assert entry.is_folder
    assert entry.sha256 == hashlib.sha256(listed.encode()).hexdigest()
    assert entry.size_bytes == 14


@pytest.mark.parametrize(
    ('asked', 'answer'),
    [
        ('movenet', 'did you mean movenet_lightning?'),
        ('blazepose', 'did you mean blazepose_detector or blazepose_landmarks_full?'),
        ('MoveNet-Lightning', 'did you mean movenet_lightning?'),
        ('yamnett', 'did you mean yamnet?'),
        ('resnet_of_1024_layers', 'there are movenet_lightning, yamnet, '),
        ('', 'there are movenet_lightning, yamnet, '),
        ('x' * 10_000, 'there are movenet_lightning, yamnet, '),
    ],
)
def test_an_unknown_name_is_answered_with_the_nearest(asked, answer):
    with pytest.raises(WeightsError) as caught:
        identity(asked)
    text = str(caught.value)
    assert text.startswith(f'no weights are called {quoted(asked)}; {answer}')
    assert len(text) < 500


@pytest.mark.parametrize('key', ['what', 'authors', 'licence', 'attribution', 'files'])
def test_an_entry_that_lacks_a_field(tmp_path, key):
    with pytest.raises(ConfigError, match=f"weights.yaml: 'network': expected the key '{key}'"):
        read(tmp_path, without(key))


@pytest.mark.parametrize('key', ['name', 'sha256', 'size_bytes', 'sources'])
def test_a_file_that_lacks_a_field(tmp_path, key):
    with pytest.raises(ConfigError, match=rf"'network': files\[0\]: expected the key '{key}'"):
        read(tmp_path, without(key, of_file=True))


@pytest.mark.parametrize(
    ('values', 'expected'),
    [
        ({'sha256': 'CD' * 32}, 'sha256 must be 64 hexadecimal digits in lower case'),
        ({'sha256': 'cd7c'}, 'sha256 must be 64 hexadecimal'),
        ({'size_bytes': 0}, r'size_bytes must lie in \[1, '),
        ({'size_bytes': '7'}, 'size_bytes: expected int'),
        ({'name': '../network.tflite'}, 'name must be the name of a file'),
        ({'name': 'a/b'}, 'name must be the name of a file'),
        ({'sources': []}, 'must name a source'),
        ({'sources': [{}]}, 'either package, version, member and wheel_bytes, or url'),
        ({'sources': [{'url': 'ftp://example.org/a'}]}, 'begins with https'),
        ({'sources': [{'url': 'file:///etc/passwd'}]}, 'begins with https'),
        ({'sources': [{'package': 'mediapipe', 'version': '0.10.14'}]}, 'member must be the path'),
        (
            {'sources': [{'package': 'x', 'version': '1', 'member': '../a', 'wheel_bytes': 9}]},
            'member must not hold ..',
        ),
        (
            {'sources': [{'package': '--index-url=x', 'version': '1', 'member': 'a'}]},
            'package must be the name',
        ),
        ({'colour': 'red'}, "unknown key 'colour'"),
    ],
)
def test_a_malformed_field(tmp_path, values, expected):
    with pytest.raises(ConfigError, match=expected) as caught:
        read(tmp_path, changed(**values))
    assert "weights.yaml: 'network'" in str(caught.value)


def test_an_entry_that_is_no_mapping_or_has_an_odd_name(tmp_path):
    with pytest.raises(ConfigError, match="'network': expected a mapping, got 'text'"):
        read(tmp_path, 'text')
    with pytest.raises(ConfigError, match='name must be lower-case letters'):
        read(tmp_path, ENTRY, name='Net/work')


def test_the_register_is_installed_with_the_package():
    assert REGISTER.is_file()
