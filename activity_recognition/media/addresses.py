"""What a user names to be opened: a file, a camera or an address on the network.

Nothing else is opened: what FFmpeg would take for a filter, a list of files or a command is no
address here. What is shown of an address has no password, nor what stands behind its question mark.
"""

from __future__ import annotations

import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from activity_recognition.errors import RecordingError, printable

_WEB = 'http,https,tcp,tls,crypto,httpproxy'
_PROTOCOLS = {
    'http': _WEB,
    'https': _WEB,
    'rtsp': f'rtsp,rtp,rtcp,udp,{_WEB}',
    'rtsps': f'rtsps,rtsp,rtp,rtcp,udp,srtp,{_WEB}',
    'rtmp': f'rtmp,rtmpt,{_WEB}',
    'rtp': 'rtp,rtcp,udp,srtp',
    'udp': 'udp',
    'tcp': 'tcp',
}
"""Kinds of addresses, each with the protocols that may be used for it: never a file."""
_CAMERAS = Path('/dev')
CAMERA_FORMAT, MICROPHONE_FORMAT = 'v4l2', 'alsa'


@dataclass(frozen=True, kw_only=True, slots=True)
class MediaSource:
    """What is to be opened, and how."""

    address: str
    """As FFmpeg takes it."""
    shown: str
    """What to call it in messages."""
    is_file: bool = False
    """Whether it can be read from its start again, and as fast as one likes."""
    format: str | None = None
    """FFmpeg's name of its format; None where it shows."""
    options: Mapping[str, str] = field(default_factory=dict)
    """FFmpeg's, for opening it."""


def parse_source(text: str) -> MediaSource:
    """Return what a user means by a word.

    Args:
        text: path of a file, of a camera as ``/dev/video0``, or an address.

    Raises:
        RecordingError: it is none of these, or not there.
    """
    kind, mark, _ = text.partition('://')
    if mark:
        return _network_source(text, kind.lower())
    path = Path(text).expanduser()
    if path.is_file():
        return MediaSource(address=str(path), shown=printable(text, 300), is_file=True)
    if path.is_relative_to(_CAMERAS) or (path.exists() and stat.S_ISCHR(path.stat().st_mode)):
        return camera_source(path)
    found = 'a folder' if path.is_dir() else 'no such file'
    if found != 'a folder' and path.exists():
        found = 'a pipe or another special file'
    raise RecordingError(
        f'{printable(text, 300)}: {found}; expected a video or audio file, a camera such as '
        '/dev/video0, or an address such as http://HOST/PATH or rtsp://HOST/PATH'
    )


def camera_source(path: Path) -> MediaSource:
    """Return a camera by its device.

    Args:
        path: as ``/dev/video0``.

    Raises:
        RecordingError: it is not there, or no device.
    """
    if not path.exists():
        there = sorted(str(other) for other in _CAMERAS.glob('video*'))
        raise RecordingError(
            f'{path}: no such camera; there are: {", ".join(there) or "none"}; plug it in, or in a '
            'container hand its device in'
        )
    if not stat.S_ISCHR(path.stat().st_mode):
        raise RecordingError(f'{path}: expected the device of a camera, got something else')
    return MediaSource(address=str(path), shown=str(path), format=CAMERA_FORMAT)


def microphone_source(name: str) -> MediaSource:
    """Return a microphone by its name in ALSA, as ``arecord -L`` lists them.

    Args:
        name: as ``default``, which is that of the desktop, or ``hw:1,0``.

    Raises:
        RecordingError: there can be none of that name.
    """
    if not name.strip() or '://' in name:
        raise RecordingError(
            f'{printable(name, 100)!r}: expected the name of a microphone in ALSA, such as default '
            'or hw:1,0; `arecord -L` lists them'
        )
    shown = f'the microphone {printable(name, 100)}'
    return MediaSource(address=name, shown=shown, format=MICROPHONE_FORMAT)


def shown_address(text: str) -> str:
    """Return an address without user, password and query, as it may be shown.

    Args:
        text: an address with ``://``.
    """
    kind, _, rest = text.partition('://')
    place, slash, path = rest.partition('/')
    host = place.rpartition('@')[2].partition('?')[0].partition('#')[0]
    plain = path.partition('?')[0].partition('#')[0]
    more = '?…' if '?' in rest else ''
    return printable(f'{kind}://{host}{slash}{plain}{more}', 300)


def _network_source(text: str, kind: str) -> MediaSource:
    shown = shown_address(text)
    if kind not in _PROTOCOLS:
        raise RecordingError(
            f'{shown}: expected an address that begins with '
            f'{", ".join(f"{name}://" for name in _PROTOCOLS)}'
        )
    try:
        host = urlsplit(text).hostname
    except ValueError:
        host = None
    if not host and kind not in ('udp', 'rtp'):
        raise RecordingError(f'{shown}: expected an address with a host, as {kind}://HOST/PATH')
    options = {'protocol_whitelist': _PROTOCOLS[kind]}
    if kind.startswith('rtsp'):
        options['rtsp_transport'] = 'tcp'
    return MediaSource(address=text, shown=shown, options=options)
