"""A Hugging Face hub on this machine: it answers as the real one does, and fails as asked."""

import hashlib
import json
import re
import threading
from dataclasses import dataclass, field
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

_FILE = re.compile(r"/(?P<id>[^/]+/[^/]+)/resolve/(?P<revision>[^/]+)/(?P<name>.+)")
_MODEL = re.compile(r"/api/models/(?P<id>[^/]+/[^/]+?)(/revision/(?P<revision>[^/]+))?")
_TREE = re.compile(r"/api/models/(?P<id>[^/]+/[^/]+)/tree/(?P<revision>[^/]+)")
_DAILY = "/api/agent-harnesses"
"""What the library asks by itself about its users' tools: nothing about models, and not counted."""
_LARGE = (".bin", ".safetensors")
"""Kept apart from git, and known by SHA-256, as the hub's large files are."""
COMMIT = 40 * "a"
"""What every revision of every model is here."""


@dataclass
class LocalHub:
    """What the hub serves, how it fails, and what it was asked.

    Attributes
    ----------
    models
        Folder with a model's files, by id.
    status
        What to answer instead, by id.
    altered
        Names of files of which a byte is changed on the way.
    token
        Without it nothing is there.
    requests
        Method and path of every request about a model, in order.
    """

    models: dict[str, Path] = field(default_factory=dict)
    status: dict[str, tuple[int, str]] = field(default_factory=dict)
    altered: set[str] = field(default_factory=set)
    token: str | None = None
    requests: list[str] = field(default_factory=list)
    url: str = ""

    def start(self) -> None:
        """Serve from now on."""
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
        self._server.hub = self
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def stop(self) -> None:
        """Serve no more."""
        self._server.shutdown()
        self._server.server_close()  # twice does no harm

    @property
    def downloaded(self) -> list[str]:
        """Names of the files whose content was asked for."""
        gets = [request for request in self.requests if request.startswith("GET /")]
        return [request.split("/")[-1] for request in gets if "/resolve/" in request]


@cache
def _etag(file: Path) -> str:
    content = file.read_bytes()
    if file.name.endswith(_LARGE):
        return hashlib.sha256(content).hexdigest()
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def _entry(file: Path) -> dict:
    size, digest = file.stat().st_size, _etag(file)
    entry = {"type": "file", "path": file.name, "size": size, "oid": digest}
    large = file.name.endswith(_LARGE)
    return entry | ({"lfs": {"oid": digest, "size": size, "pointerSize": 100}} if large else {})


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        """Stay quiet."""

    def do_GET(self):
        # As a proxy the server is asked for whole addresses.
        path = urlsplit(self.path).path
        hub = self.server.hub
        if path != _DAILY:
            hub.requests.append(f"{self.command} {path}")
        matches = (pattern.fullmatch(path) for pattern in (_FILE, _TREE, _MODEL))
        asked = next(filter(None, matches), None)
        shown = self.headers.get("Authorization", "").removeprefix("Bearer ")
        if asked is None:
            self.refuse(404, "EntryNotFound")
        elif asked["id"] in hub.status:
            self.refuse(*hub.status[asked["id"]])
        elif asked["id"] not in hub.models or hub.token not in (None, shown):
            # To those who are not logged in the hub does not tell the private from the absent.
            self.refuse(401, "RepoNotFound")
        elif asked.re is _FILE:
            self.file(hub.models[asked["id"]] / asked["name"])
        elif asked.re is _TREE:
            self.json([_entry(file) for file in hub.models[asked["id"]].iterdir()])
        else:
            self.json({"id": asked["id"], "sha": COMMIT, "siblings": []})

    def do_HEAD(self):
        self.do_GET()

    def json(self, content):
        self.send(json.dumps(content).encode(), {"Content-Type": "application/json"})

    def file(self, file):
        content, etag = file.read_bytes(), f'"{_etag(file)}"'
        headers = {"X-Repo-Commit": COMMIT, "ETag": etag}
        if file.name.endswith(_LARGE):
            headers |= {"X-Linked-Etag": etag, "X-Linked-Size": str(len(content))}
        if file.name in self.server.hub.altered:
            content = content[:-1] + bytes([content[-1] ^ 1])
        self.send(content, headers)

    def refuse(self, status, code):
        self.send(b"", {"X-Error-Code": code}, status=status)

    def send(self, content, headers, status=200):
        self.send_response(status)
        for key, value in {**headers, "Content-Length": str(len(content))}.items():
            self.send_header(key, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content)
