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


@dataclass
class LocalHub:
    """What the hub serves, how it fails, and what it was asked.

    Attributes
    ----------
    models
        Folder with a model's files, by id and commit.
    branches
        Commit by id and branch.
    status
        What to answer instead, by id.
    altered
        Names of files of which a byte is changed on the way.
    token
        Without it nothing is there.
    requests
        Method and path of every request about a model, in order.
    """

    models: dict[tuple[str, str], Path] = field(default_factory=dict)
    branches: dict[tuple[str, str], str] = field(default_factory=dict)
    status: dict[str, tuple[int, str]] = field(default_factory=dict)
    altered: set[str] = field(default_factory=set)
    token: str | None = None
    requests: list[str] = field(default_factory=list)
    url: str = ""

    def publish(self, model_id: str, folder: Path, commit: str = 40 * "a") -> str:
        """Serve a folder as a model; return ``<id>@<commit>``."""
        self.models[model_id, commit] = folder
        self.branches[model_id, "main"] = commit
        return f"{model_id}@{commit}"

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
    entry = {"type": "file", "path": file.name, "size": size, "oid": 40 * "0"}
    if file.name.endswith(_LARGE):
        return entry | {"lfs": {"oid": digest, "size": size, "pointerSize": 100}}
    return entry | {"oid": digest}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        """Stay quiet."""

    def do_HEAD(self):
        self.answer()

    def do_GET(self):
        self.answer()

    def answer(self):
        # As a proxy the server is asked for whole addresses.
        path = urlsplit(self.path).path
        if path != _DAILY:
            self.server.hub.requests.append(f"{self.command} {path}")
        if match := _FILE.fullmatch(path):
            self.file(match)
        elif match := _TREE.fullmatch(path):
            self.tree(match)
        elif match := _MODEL.fullmatch(path):
            self.model(match)
        else:
            self.refuse(404, "EntryNotFound")

    def model(self, match):
        model_id, revision = match["id"], match["revision"] or "main"
        if commit := self.commit(model_id, revision):
            content = {"id": model_id, "sha": commit, "siblings": []}
            self.send(json.dumps(content).encode(), {"Content-Type": "application/json"})

    def tree(self, match):
        if commit := self.commit(match["id"], match["revision"]):
            content = [
                _entry(file) for file in self.server.hub.models[match["id"], commit].iterdir()
            ]
            self.send(json.dumps(content).encode(), {"Content-Type": "application/json"})

    def file(self, match):
        model_id, revision, name = match["id"], match["revision"], match["name"]
        commit = self.commit(model_id, revision)
        if not commit:
            return
        file = self.server.hub.models[model_id, commit] / name
        if not file.is_file():
            self.refuse(404, "EntryNotFound", {"X-Repo-Commit": commit})
            return
        content, etag = file.read_bytes(), f'"{_etag(file)}"'
        headers = {"X-Repo-Commit": commit, "ETag": etag}
        if name.endswith(_LARGE):
            headers |= {"X-Linked-Etag": etag, "X-Linked-Size": str(len(content))}
        if name in self.server.hub.altered:
            content = content[:-1] + bytes([content[-1] ^ 1])
        self.send(content, headers)

    def commit(self, model_id, revision):
        """Find the commit; if there is none, answer as the hub does."""
        if model_id in self.server.hub.status:
            self.refuse(*self.server.hub.status[model_id])
            return None
        shown = self.headers.get("Authorization", "").removeprefix("Bearer ")
        welcome = self.server.hub.token in (None, shown)
        if not welcome or model_id not in {known for known, _ in self.server.hub.models}:
            # To those who are not logged in the hub does not tell the private from the absent.
            self.refuse(401, "RepoNotFound")
            return None
        commit = self.server.hub.branches.get((model_id, revision), revision)
        if (model_id, commit) not in self.server.hub.models:
            self.refuse(404, "RevisionNotFound")
            return None
        return commit

    def refuse(self, status, code, headers=None):
        self.send(b"", {"X-Error-Code": code, **(headers or {})}, status=status)

    def send(self, content, headers, status=200):
        self.send_response(status)
        for key, value in {**headers, "Content-Length": str(len(content))}.items():
            self.send_header(key, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content)
