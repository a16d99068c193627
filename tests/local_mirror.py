"""A server on this machine that behaves like OpenSLR, and misbehaves on demand."""

import re
import threading
from collections import deque
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit


@dataclass
class Asked:
    """A request as the server saw it, and how many bytes of the file it sent."""

    path: str
    start: int | None
    """Where the asked-for range begins; None if the whole file was asked for."""
    sent: int = 0


@dataclass
class Behaviour:
    """What is done to one request instead of answering it well."""

    status: int | None = None
    headers: dict[str, str] = field(default_factory=dict)
    cut_after: int | None = None
    """Close the connection after so many bytes of the body."""
    hold_after: int | None = None
    """Send nothing more after so many bytes, until the server is closed."""
    knows_range: bool = True
    says_length: bool = True


class Mirror:
    """The server: `files` by their path, a log of all requests, and what to do to the next ones."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.log: list[Asked] = []
        self.next: deque[Behaviour] = deque()
        """One for each request to come; those after the last are answered well."""
        self.closing = threading.Event()
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.mirror = self
        self.host = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def misbehave(self, **how) -> None:
        """Do this to the next request that is not yet spoken for."""
        self.next.append(Behaviour(**how))

    def put(self, name: str, content: bytes) -> str:
        """Offer a file where OpenSLR has LibriSpeech; return its URL."""
        self.files[f"/resources/12/{name}"] = content
        return f"{self.host}/resources/12/{name}"

    def close(self) -> None:
        self.closing.set()
        self._server.shutdown()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    mirror: Mirror


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    server: _Server

    def do_GET(self):
        mirror = self.server.mirror
        behaviour = mirror.next.popleft() if mirror.next else Behaviour()
        wanted = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        asked = Asked(self.path, int(wanted[1]) if wanted else None)
        mirror.log.append(asked)
        content = mirror.files.get(urlsplit(self.path).path)
        if behaviour.status or content is None:
            self.answer(behaviour.status or 404, behaviour.headers)
        elif asked.start is None or not behaviour.knows_range:
            self.send(200, behaviour, content, asked)
        elif asked.start >= len(content):
            self.answer(416, {"Content-Range": f"bytes */{len(content)}"})
        else:
            span = f"bytes {asked.start}-{len(content) - 1}/{len(content)}"
            behaviour.headers.setdefault("Content-Range", span)
            self.send(206, behaviour, content[asked.start :], asked)

    def answer(self, status, headers):
        self.send_response(status)
        for key, value in ({"Content-Length": "0"} | headers).items():
            self.send_header(key, value)
        self.end_headers()

    def send(self, status, behaviour, body, asked):
        length = {"Content-Length": str(len(body))} if behaviour.says_length else {}
        self.send_response(status)
        for key, value in (length | behaviour.headers).items():
            self.send_header(key, value)
        self.end_headers()
        self.close_connection = not behaviour.says_length
        for limit in (behaviour.cut_after, behaviour.hold_after):
            if limit is not None:
                body = body[:limit]
                self.close_connection = True
        asked.sent = len(body)
        self.wfile.write(body)
        if behaviour.hold_after is not None:
            self.wfile.flush()
            self.server.mirror.closing.wait(60)

    def log_message(self, *args):
        pass
