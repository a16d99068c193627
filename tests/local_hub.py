"""A Hugging Face hub on this machine: it answers as the real one does, and ails as asked."""

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
_LARGE = (".bin", ".safetensors")
"""Kept apart from git, and known by SHA-256, as the hub's large files are."""


@dataclass
class LocalHub:
    """What the hub serves, how it ails, and what it was asked.

    Attributes
    ----------
    models
        Folder with a model's files, by id and commit.
    branches
        Commit by id and branch.
    status
        What to answer instead, by id.
    cut_after
        Where in a file the connection is cut, by file name, and for how many requests.
    altered
        Names of files of which a byte is changed on the way.
    token
        Without it nothing is there.
    requests
        Method and path of every request, in order.
    """

    models: dict[tuple[str, str], Path] = field(default_factory=dict)
    branches: dict[tuple[str, str], str] = field(default_factory=dict)
    status: dict[str, tuple[int, str]] = field(default_factory=dict)
    cut_after: dict[str, tuple[int, float]] = field(default_factory=dict)
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
        hub = self

        class Handler(_Handler):
            pass

        Handler.hub = hub
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def stop(self) -> None:
        """Serve no more."""
        self._server.shutdown()
        self._server.server_close()

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
    hub: LocalHub

    def log_message(self, *_):
        """Stay quiet."""

    def do_HEAD(self):
        self.answer()

    def do_GET(self):
        self.answer()

    def answer(self):
        # As a proxy the server is asked for whole addresses.
        path = urlsplit(self.path).path
        self.hub.requests.append(f"{self.command} {path}")
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
            content = [_entry(file) for file in self.hub.models[match["id"], commit].iterdir()]
            self.send(json.dumps(content).encode(), {"Content-Type": "application/json"})

    def file(self, match):
        model_id, revision, name = match["id"], match["revision"], match["name"]
        commit = self.commit(model_id, revision)
        if not commit:
            return
        file = self.hub.models[model_id, commit] / name
        if not file.is_file():
            self.refuse(404, "EntryNotFound", {"X-Repo-Commit": commit})
            return
        content, etag = file.read_bytes(), f'"{_etag(file)}"'
        headers = {"X-Repo-Commit": commit, "Accept-Ranges": "bytes", "ETag": etag}
        if name.endswith(_LARGE):
            headers |= {"X-Linked-Etag": etag, "X-Linked-Size": str(len(content))}
        if name in self.hub.altered:
            content = content[:-1] + bytes([content[-1] ^ 1])
        self.send(content, headers, *self.cut(name))

    def cut(self, name):
        """Tell after how many bytes to cut this connection, if at all."""
        after, times = self.hub.cut_after.get(name, (None, 0))
        if self.command != "GET" or times <= 0:
            return []
        self.hub.cut_after[name] = (after, times - 1)
        return [after]

    def commit(self, model_id, revision):
        """Find the commit; if there is none, answer as the hub does."""
        if model_id in self.hub.status:
            self.refuse(*self.hub.status[model_id])
            return None
        shown = self.headers.get("Authorization", "").removeprefix("Bearer ")
        welcome = self.hub.token in (None, shown)
        if not welcome or model_id not in {known for known, _ in self.hub.models}:
            # To those who are not logged in the hub does not tell the private from the absent.
            self.refuse(401, "RepoNotFound")
            return None
        commit = self.hub.branches.get((model_id, revision), revision)
        if (model_id, commit) not in self.hub.models:
            self.refuse(404, "RevisionNotFound")
            return None
        return commit

    def refuse(self, status, code, headers=None):
        self.send(b"", {"X-Error-Code": code, **(headers or {})}, status=status)

    def send(self, content, headers, cut=None, status=200):
        total, first = len(content), 0
        wanted = self.headers.get("Range")
        if wanted and status == 200:
            first = int(re.fullmatch(r"bytes=(\d+)-", wanted)[1])
            headers = {**headers, "Content-Range": f"bytes {first}-{total - 1}/{total}"}
            status = 206
        self.send_response(status)
        for key, value in headers.items():
            self.send_header(key, value)
        self.send_header("Content-Length", str(total - first))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content[first:cut])
        if cut is not None:
            self.close_connection = True
