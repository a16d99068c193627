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


class Mirror(ThreadingHTTPServer):
    """The server: `files` by their path, a log of all requests, and what to do to the next ones."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.files: dict[str, bytes] = {}
        self.log: list[Asked] = []
        self.next: deque[Behaviour] = deque()
        """One for each request to come; those after the last are answered well."""
        self.closing = threading.Event()
        self.host = f"http://127.0.0.1:{self.server_port}"
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()

    def misbehave(self, **how) -> None:
        """Do this to the next request that is not yet spoken for."""
        self.next.append(Behaviour(**how))

    def put(self, name: str, content: bytes) -> str:
        """Offer a file where OpenSLR has LibriSpeech; return its URL."""
        self.files[f"/resources/12/{name}"] = content
        return f"{self.host}/resources/12/{name}"

    def close(self) -> None:
        self.closing.set()
        self.shutdown()
        self.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Mirror

    def do_GET(self):
        how = self.server.next.popleft() if self.server.next else Behaviour()
        wanted = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        asked = Asked(self.path, int(wanted[1]) if wanted else None)
        self.server.log.append(asked)
        body = self.server.files.get(urlsplit(self.path).path)
        status, headers = 200, {}
        if how.status or body is None:
            status, body = how.status or 404, b""
        elif wanted and how.knows_range:
            span = f"{asked.start}-{len(body) - 1}" if asked.start < len(body) else "*"
            headers["Content-Range"] = f"bytes {span}/{len(body)}"
            body = body[asked.start :]
            status = 206 if body else 416
        if how.says_length:
            headers["Content-Length"] = str(len(body))
        self.send_response(status)
        for key, value in (headers | how.headers).items():
            self.send_header(key, value)
        self.end_headers()
        end = how.hold_after if how.cut_after is None else how.cut_after
        self.close_connection = not (how.says_length and end is None)
        # Before it is sent: whoever has it all looks at once.
        asked.sent = len(body[:end])
        self.wfile.write(body[:end])
        if how.hold_after is not None:
            self.server.closing.wait(60)

    def log_message(self, *args):
        pass
