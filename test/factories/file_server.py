"""A server of HTTP on this machine that answers each path as a test says."""

from __future__ import annotations

import http.server
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from factories.timing import PATIENCE_S

Handler = http.server.BaseHTTPRequestHandler
Answer = Callable[[Handler], None]


class FileServer(http.server.ThreadingHTTPServer):
    """Answers by path; knows what it was asked for."""

    daemon_threads = True

    def __init__(self, answers: dict[str, Answer]) -> None:
        super().__init__(('127.0.0.1', 0), _Handler)
        self.answers = answers
        self.asked: list[str] = []
        self.released = threading.Event()
        """Ends what answers wait for."""

    @property
    def address(self) -> str:
        """Of the server, with a slash at its end."""
        return f'http://127.0.0.1:{self.server_port}/'


class _Handler(Handler):
    server: FileServer

    def do_GET(self) -> None:  # noqa: N802
        self.server.asked.append(self.path)
        answer = self.server.answers.get(self.path)
        if answer is None:
            self.send_error(404)
            return
        try:
            answer(self)
        except (BrokenPipeError, ConnectionResetError):
            return  # the other side has had enough

    def log_message(self, *words: object) -> None:
        """Print nothing."""


@contextmanager
def serving(answers: dict[str, Answer]) -> Iterator[FileServer]:
    """Run a server; ``answers`` may be changed while it does."""
    server = FileServer(answers)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.released.set()
        server.shutdown()
        server.server_close()
        thread.join(PATIENCE_S)


def content(body: bytes, *, announced: int | None = None) -> Answer:
    """Answer with bytes, announcing so many of them, by default as many as there are."""

    def answer(handler: Handler) -> None:
        handler.send_response(200)
        handler.send_header('Content-Length', str(len(body) if announced is None else announced))
        handler.end_headers()
        handler.wfile.write(body)

    return answer


def endless(block: bytes) -> Answer:
    """Answer with the same bytes again and again, announcing nothing."""

    def answer(handler: Handler) -> None:
        handler.send_response(200)
        handler.end_headers()
        while not handler.server.released.is_set():
            handler.wfile.write(block)

    return answer


def stalling(body: bytes, announced: int) -> Answer:
    """Answer with the beginning of a file, then with nothing until the test ends."""

    def answer(handler: Handler) -> None:
        content(body, announced=announced)(handler)
        handler.wfile.flush()
        handler.server.released.wait(PATIENCE_S)

    return answer


def redirecting(address: str) -> Answer:
    """Answer with another address."""

    def answer(handler: Handler) -> None:
        handler.send_response(302)
        handler.send_header('Location', address)
        handler.end_headers()

    return answer


def meeting(barrier: threading.Barrier, then: Answer) -> Answer:
    """Answer when as many requests have come as the barrier waits for."""

    def answer(handler: Handler) -> None:
        barrier.wait(PATIENCE_S)
        then(handler)

    return answer


def sending(body: bytes, *, ends: bool = True) -> Answer:
    """Answer with bytes and an end, announcing no size, as what is sent while it happens."""

    def answer(handler: Handler) -> None:
        handler.send_response(200)
        handler.send_header('Transfer-Encoding', 'chunked')
        handler.end_headers()
        handler.wfile.write(b'%x\r\n%b\r\n' % (len(body), body))
        if ends:
            handler.wfile.write(b'0\r\n\r\n')

    return answer


def dropping(body: bytes) -> Answer:
    """Do so, then reset the connection."""

    def answer(handler: Handler) -> None:
        sending(body, ends=False)(handler)
        handler.wfile.flush()
        # Closed with bytes that nobody fetched, and without waiting for them.
        handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
        handler.connection.close()

    return answer


def refusing(status: int) -> Answer:
    """Answer with an error of HTTP."""
    return lambda handler: handler.send_error(status)


def in_turn(*answers: Answer) -> Answer:
    """Answer in another way each time; the last way from then on."""
    remaining = list(answers)

    def answer(handler: Handler) -> None:
        chosen = remaining.pop(0) if len(remaining) > 1 else remaining[0]
        chosen(handler)

    return answer
