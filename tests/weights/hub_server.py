"""A Hub-compatible server on loopback, as far as huggingface_hub's client uses one, with faults to order.

It serves files of one repository at one commit, and takes uploads (preupload, LFS, commit).
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class HubServer:
    """Files of ``repo``; every request is noted in ``requests`` as (method, path, headers).

    Faults:
        status: answered to every request for a file, instead of the file.
        cut_after: the first download of a large file breaks off after so many bytes.
        spoil: bytes of large files are altered, at the same length.
        delay: seconds that a download of a large file takes.
    """

    def __init__(self, repo: str = "owner/repo", files: dict[str, bytes] | None = None, commit: str = COMMIT) -> None:
        self.repo, self.files, self.commit = repo, files or {}, commit
        self.requests: list[tuple[str, str, dict[str, str]]] = []
        self.status: int | None = None
        self.error_code = ""
        self.cut_after: int | None = None
        self.spoil = False
        self.delay = 0.0
        self.token: str | None = None
        self.created: dict[str, Any] | None = None
        self.uploads: dict[str, bytes] = {}
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"hub": self}))
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"

    def __enter__(self) -> HubServer:
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.server.server_close()

    def downloads(self) -> list[dict[str, str]]:
        """The headers of the requests that fetched safetensors."""
        return [headers for method, path, headers in self.requests if method == "GET" and path.endswith(".safetensors")]


class _Handler(BaseHTTPRequestHandler):
    hub: HubServer
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        pass

    def do_HEAD(self) -> None:
        self._note()
        self._file(body=False)

    def do_GET(self) -> None:
        self._note()
        if self.path.startswith(f"/api/models/{self.hub.repo}/revision/"):
            self._json({"id": self.hub.repo, "sha": self.hub.commit, "siblings": [{"rfilename": name} for name in self.hub.files]})
        else:
            self._file(body=True)

    def do_POST(self) -> None:
        self._note()
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        path = urlsplit(self.path).path
        if self.hub.token and self.headers.get("Authorization") != f"Bearer {self.hub.token}":
            self._send(401, b"{}")
        elif path == "/api/repos/create":
            self.hub.created = json.loads(body)
            self._json({"url": f"{self.hub.url}/{self.hub.repo}", "name": self.hub.repo, "id": "1"})
        elif path == "/api/validate-yaml":  # the model card's head
            self._json({"errors": [], "warnings": []})
        elif "/preupload/" in path:
            files = json.loads(body)["files"]
            modes = [(f["path"], "lfs" if f["path"].endswith(".safetensors") else "regular") for f in files]
            self._json({"files": [{"path": name, "uploadMode": mode, "shouldIgnore": False} for name, mode in modes]})
        elif path.endswith("/info/lfs/objects/batch"):
            objects = json.loads(body)["objects"]
            links = [{"upload": {"href": f"{self.hub.url}/lfs/{o['oid']}"}} for o in objects]
            self._json({"transfer": "basic", "objects": [{**o, "actions": a} for o, a in zip(objects, links, strict=True)]})
        elif "/commit/" in path:
            self._commit([json.loads(line) for line in body.splitlines()])
        else:
            self._send(404, b"{}")

    def do_PUT(self) -> None:
        self._note()
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.hub.uploads[self.path.rpartition("/")[2]] = body
        self._send(200, b"")

    def _commit(self, lines: list[dict[str, Any]]) -> None:
        for line in lines:
            value = line["value"]
            if line["key"] == "file":
                self.hub.files[value["path"]] = base64.b64decode(value["content"])
            elif line["key"] == "lfsFile":
                content = self.hub.uploads[value["oid"]]
                assert hashlib.sha256(content).hexdigest() == value["oid"]
                self.hub.files[value["path"]] = content
        self._json({"success": True, "commitOid": self.hub.commit, "commitUrl": f"{self.hub.url}/{self.hub.repo}/commit/{self.hub.commit}"})

    def _file(self, *, body: bool) -> None:
        hub = self.hub
        found = re.fullmatch(r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", unquote(urlsplit(self.path).path))
        if hub.status:
            return self._send(hub.status, b"", {"X-Error-Code": hub.error_code} if hub.error_code else {})
        if not found or found[1] != hub.repo:
            return self._send(404, b"", {"X-Error-Code": "RepoNotFound"})
        if found[2] not in ("main", hub.commit):
            return self._send(404, b"", {"X-Error-Code": "RevisionNotFound"})
        if found[3] not in hub.files:
            return self._send(404, b"", {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": hub.commit})
        content = hub.files[found[3]]
        large = found[3].endswith(".safetensors")
        tag = hashlib.sha256(content).hexdigest() if large else hashlib.sha1(content).hexdigest()
        headers = {"X-Repo-Commit": hub.commit, "ETag": f'"{tag}"', "X-Linked-ETag": f'"{tag}"', "X-Linked-Size": str(len(content))}
        if large and hub.spoil:
            content = content[:-1] + bytes([content[-1] ^ 1])
        status, first = 200, 0
        if requested := re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", "")):
            status, first = 206, int(requested[1])
            headers["Content-Range"] = f"bytes {first}-{len(content) - 1}/{len(content)}"
        part = content[first:]
        cut = None
        if body and large:
            cut, hub.cut_after = hub.cut_after, None
        self._send(status, part if body else b"", {**headers, "Content-Length": str(len(part))}, cut=cut, delay=hub.delay if large else 0)

    def _json(self, value: object) -> None:
        self._send(200, json.dumps(value).encode(), {"Content-Type": "application/json"})

    def _send(
        self, status: int, content: bytes, headers: dict[str, str] | None = None, *, cut: int | None = None, delay: float = 0
    ) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(content)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "HEAD":
            return
        time.sleep(delay)
        self.wfile.write(content[:cut])
        if cut is not None:
            self.wfile.flush()
            self.close_connection = True

    def _note(self) -> None:
        self.hub.requests.append((self.command, urlsplit(self.path).path, dict(self.headers)))
