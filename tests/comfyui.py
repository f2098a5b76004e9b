"""A real ComfyUI for the tests: started on a free port, driven over its HTTP interface, stopped at the end.

``INSTMATT_COMFYUI`` names a ComfyUI checkout (the folder of ``main.py``) and ``INSTMATT_COMFYUI_PYTHON`` the interpreter with its
requirements. ``INSTMATT_COMFYUI_BUILD=1`` makes both in a cache folder instead (``tools/build_comfyui.py``).
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
IGNORED = shutil.ignore_patterns(".git", "__pycache__", ".*_cache", "tests", "benchmarks", "build", "dist", "*.egg-info")
WIDGETS = {"INT", "FLOAT", "STRING", "BOOLEAN", "COMBO", "COMFY_DYNAMICCOMBO_V3"}


def find() -> tuple[Path, Path] | None:
    """The checkout and its interpreter, or None if the environment names none."""
    if folder := os.environ.get("INSTMATT_COMFYUI"):
        return Path(folder), Path(os.environ.get("INSTMATT_COMFYUI_PYTHON", sys.executable))
    if os.environ.get("INSTMATT_COMFYUI_BUILD") == "1":
        made = subprocess.run(
            [sys.executable, ROOT / "tools" / "build_comfyui.py"], check=True, stdout=subprocess.PIPE, text=True, encoding="utf-8"
        )
        folder, python = made.stdout.splitlines()[-2:]
        return Path(folder), Path(python)
    return None


@dataclass
class Result:
    """How a prompt ended: "success" or "error", its messages, and each node's output for the browser."""

    status: str
    messages: list[Any]
    outputs: dict[str, Any]

    @property
    def error(self) -> str:
        """Type and message of the exception that ended it."""
        details = [body for kind, body in self.messages if kind == "execution_error"]
        return f"{details[0]['exception_type']}: {details[0]['exception_message']}" if details else ""

    @property
    def cached(self) -> set[str]:
        """Nodes that were not run again."""
        return {node for kind, body in self.messages if kind == "execution_cached" for node in body["nodes"]}

    @property
    def interrupted(self) -> bool:
        return any(kind == "execution_interrupted" for kind, _ in self.messages)


class ComfyUI:
    """A running server with the pack installed and nothing else."""

    def __init__(self, checkout: Path, python: Path, base: Path):
        self.base = base
        shutil.copytree(ROOT, base / "custom_nodes" / "instmatt", ignore=IGNORED)
        for folder in ("input", "output", "models"):
            (base / folder).mkdir()
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        self.log = base / "log.txt"
        options = ["--cpu", "--listen", "127.0.0.1", "--port", str(port), "--disable-auto-launch", "--disable-api-nodes"]
        options += ["--base-directory", str(base), "--database-url", "sqlite:///:memory:"]
        with self.log.open("w", encoding="utf-8") as log:
            self.process = subprocess.Popen([python, checkout / "main.py", *options], stdout=log, stderr=subprocess.STDOUT, cwd=base)
        self._await_server()

    def _await_server(self) -> None:
        deadline = time.monotonic() + 180
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                self.get("/system_stats")
                return
            except (urllib.error.URLError, ConnectionError):
                time.sleep(0.3)
        self.stop()
        raise RuntimeError(f"ComfyUI did not start:\n{self.log.read_text('utf-8', 'replace')[-3000:]}")

    def stop(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def get(self, path: str) -> Any:
        with urllib.request.urlopen(self.url + path, timeout=30) as answer:
            body = answer.read()
        return json.loads(body) if answer.headers.get_content_type() == "application/json" else body

    def post(self, path: str, body: Any) -> Any:
        request = urllib.request.Request(self.url + path, json.dumps(body).encode(), {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=30) as answer:
            text = answer.read()
        return json.loads(text) if text else None

    def queue(self, prompt: dict[str, Any]) -> str:
        """Queue a prompt in ComfyUI's API form; an invalid one raises ``AssertionError`` with what the server says."""
        try:
            answer = self.post("/prompt", {"prompt": prompt})
        except urllib.error.HTTPError as error:
            raise AssertionError(error.read().decode()) from error
        assert not answer["node_errors"], answer["node_errors"]  # then the rest of the graph runs all the same
        return str(answer["prompt_id"])

    def result(self, prompt_id: str, timeout: float = 300) -> Result:
        """Wait for a prompt to end."""
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            history = self.get(f"/history/{prompt_id}")
            if prompt_id in history:
                status = history[prompt_id]["status"]
                return Result(status["status_str"], status["messages"], history[prompt_id]["outputs"])
            time.sleep(0.1)
        raise TimeoutError(f"no end after {timeout} s:\n{self.log.read_text('utf-8', 'replace')[-3000:]}")

    def run(self, prompt: dict[str, Any]) -> Result:
        return self.result(self.queue(prompt))

    def file(self, saved: dict[str, str]) -> Path:
        """Where a file that a node reports lies."""
        return self.base / saved["type"] / saved["subfolder"] / saved["filename"]


def to_prompt(workflow: dict[str, Any], info: dict[str, Any]) -> dict[str, Any]:
    """A workflow as saved by the browser, in the form that ``/prompt`` takes."""
    sources = {link[0]: [str(link[1]), link[2]] for link in workflow["links"]}
    prompt = {}
    for node in workflow["nodes"]:
        if node["type"] not in info:  # notes
            continue
        inputs = {entry["name"]: sources[entry["link"]] for entry in node["inputs"] if entry.get("link") is not None}
        values = iter(node["widgets_values"])
        declared = info[node["type"]]["input"]
        for name, spec in {**declared.get("required", {}), **declared.get("optional", {})}.items():
            options = spec[1] if len(spec) > 1 else {}
            if (isinstance(spec[0], list) or spec[0] in WIDGETS) and not options.get("forceInput"):
                value = next(values)
                inputs.setdefault(name, value)
                if options.get("image_upload") or options.get("video_upload"):
                    next(values)  # the upload button
        prompt[str(node["id"])] = {"class_type": node["type"], "inputs": inputs}
    return prompt
