"""Downloads a file from an address: bounded in size, in time and in redirections.

The file is not trusted before its SHA-256 is that of the register; see :mod:`.storing`.
"""

from __future__ import annotations

import http.client
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

from activity_recognition.errors import WeightsError, printable
from activity_recognition.weights.storing import Received, copy_bounded, ignore_progress

MAX_REDIRECTIONS = 5


class _Redirections(urllib.request.HTTPRedirectHandler):
    """Follows a few redirections, none of them to a file or from https to http."""

    max_redirections = MAX_REDIRECTIONS
    max_repeats = 2

    def redirect_request(  # noqa: PLR0917 - urllib's
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: http.client.HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        """Return the request for the address that a server names instead."""
        allowed = ('https:',) if req.full_url.startswith('https:') else ('https:', 'http:')
        if not newurl.startswith(allowed):
            raise WeightsError(
                f'{req.full_url}: the server names another address instead, '
                f'{printable(newurl, 200)}; expected one that begins with {" or ".join(allowed)}'
            )
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def download(
    address: str,
    target: Path,
    size_bytes: int,
    *,
    timeout_s: float,
    deadline_s: float,
    received: Received = ignore_progress,
) -> None:
    """Download a file.

    Args:
        address: http or https.
        target: the file to write.
        size_bytes: registered size; not one byte more is read.
        timeout_s: give up when nothing comes for so long, seconds.
        deadline_s: give up when it takes longer than this in all, seconds.
        received: is told how far it is.

    Raises:
        WeightsError: the server cannot be reached, has no such file, announces one of another
            size, or is too slow.
        OutputError: the file cannot be written.
    """
    ends = time.monotonic() + deadline_s
    try:
        with _opener().open(address, timeout=timeout_s) as response:
            announced = response.headers.get('Content-Length')
            if announced is not None and announced != str(size_bytes):
                raise WeightsError(
                    f'{address}: expected {size_bytes} bytes, the server announces '
                    f'{printable(announced, 40)}'
                )
            read = _in_time(response.read1, ends, address, deadline_s)
            copy_bounded(read, target, size_bytes, received)
    except urllib.error.HTTPError as error:
        with error:
            reason = printable(' '.join(str(error.reason).split()), 200)
            raise WeightsError(f'{address}: HTTP status {error.code} ({reason})') from error
    except (urllib.error.URLError, http.client.HTTPException, OSError, ValueError) as error:
        raise WeightsError(f'{address}: {_reason(error, timeout_s)}') from error


def _opener() -> urllib.request.OpenerDirector:
    """Return what opens addresses of http and https alone, through the user's proxy."""
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler,
        urllib.request.HTTPHandler,
        urllib.request.HTTPSHandler,
        urllib.request.HTTPDefaultErrorHandler,
        urllib.request.HTTPErrorProcessor,
        urllib.request.UnknownHandler,
        _Redirections,
    ):
        opener.add_handler(handler())
    opener.addheaders = [('User-Agent', 'activity_recognition')]
    return opener


def _in_time(
    read: Callable[[int], bytes], ends: float, address: str, deadline_s: float
) -> Callable[[int], bytes]:
    """Return ``read`` with an end to a server that sends a byte now and then."""

    def read_in_time(count: int) -> bytes:
        if time.monotonic() > ends:
            raise WeightsError(f'{address}: not all of it had come after {deadline_s:.0f} s')
        return read(count)

    return read_in_time


def _reason(error: Exception, timeout_s: float) -> str:
    inner: Any = getattr(error, 'reason', None) or error
    if isinstance(inner, TimeoutError):
        return f'nothing came for {timeout_s:g} s'
    words = getattr(inner, 'strerror', None) or str(inner) or type(inner).__name__
    return f'cannot download it ({printable(str(words), 200)})'
