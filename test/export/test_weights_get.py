# SPDX-License-Identifier: Apache-2.0
"""`sparsh-ros weights get` against a Hub of the test's own, over HTTP."""

from __future__ import annotations

import hashlib
import json
import re
import socket
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from sparsh_ros.cli import main
from sparsh_ros.errors import MissingDependencyError, ModelError, WeightsError
from sparsh_ros.export.weights_get import get_model
from sparsh_ros.models import zoo

pytest.importorskip("huggingface_hub")

ENCODER = bytes(range(256)) * 50_000  # more than the library fetches at once
DECODERS = {f"field/checkpoints/epoch-{epoch:04}.pth": bytes([epoch]) * 99 for epoch in (10, 31, 4)}
SHA256 = hashlib.sha256(ENCODER).hexdigest()
YAML = f"""name: sparsh-toy
size: micro
licence: CC-BY-NC-4.0
sources:
  - repository: someone/encoder
    files: [toy.safetensors, toy.ckpt]
    size: {len(ENCODER)}
    sha256: "{SHA256[:8]}"
  - repository: someone/decoder
    files: [field/checkpoints/epoch-*.pth, field/checkpoints/last.ckpt]
"""


class Hub(ThreadingHTTPServer):
    """What of the Hub's interface a download needs."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answer)
        self.repositories = {
            "someone/encoder": {"README.md": b"hello", "toy.safetensors": ENCODER},
            "someone/decoder": dict(DECODERS),
        }
        self.stated: dict[str, str] = {}  # file -> hash, where it is not the true one
        self.cut_after: int | None = None  # where the next download breaks off
        self.asked: list[str] = []  # downloads, each with the range wanted

    def sha256(self, name: str, content: bytes) -> str:
        return self.stated.get(name, hashlib.sha256(content).hexdigest())


class _Answer(BaseHTTPRequestHandler):
    server: Hub

    def do_HEAD(self) -> None:
        self._file(with_content=False)

    def do_GET(self) -> None:
        if self.path.startswith("/api/models/"):
            self._list()
        else:
            self._file(with_content=True)

    def _list(self) -> None:
        name = re.match(r"/api/models/([^/]+/[^/?]+)", self.path).group(1)
        files = self.server.repositories.get(name)
        if files is None:
            self.send_error(404)
            return
        siblings = [
            {
                "rfilename": file,
                "size": len(content),
                "blobId": "0",
                "lfs": {
                    "sha256": self.server.sha256(file, content),
                    "size": len(content),
                    "pointerSize": 1,
                },
            }
            for file, content in files.items()
        ]
        body = json.dumps({"id": name, "sha": "0" * 40, "siblings": siblings}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _file(self, with_content: bool) -> None:
        asked = re.match(r"/([^/]+/[^/]+)/resolve/[^/]+/(.+)", self.path)
        if asked is None:  # other services, such as notices of new versions
            self.send_error(404)
            return
        repository, name = asked.groups()
        content = self.server.repositories[repository][name]
        wanted = re.match(r"bytes=(\d+)-", self.headers.get("Range", ""))
        start = int(wanted.group(1)) if wanted else 0
        self.send_response(206 if wanted else 200)
        self.send_header("X-Repo-Commit", "0" * 40)
        self.send_header("ETag", f'"{self.server.sha256(name, content)}"')
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Content-Length", str(len(content) - start))
        if wanted:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        self.end_headers()
        if with_content:
            self.server.asked.append(f"{name} from {start}")
            end, self.server.cut_after = self.server.cut_after, None
            self.wfile.write(content[start:end])
            self.close_connection = True

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    server = Hub()
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{server.server_port}")
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(autouse=True)
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "sparsh-toy.yaml").write_text(YAML)
    monkeypatch.setattr(zoo, "config_path", lambda _, *parts: tmp_path.joinpath("config", *parts))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("HF_HOME", str(tmp_path / "cache"))


def test_get_fetches_encoder_and_newest_decoder(
    hub: Hub, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["weights", "get", "sparsh-toy"]) == 0
    folder = tmp_path / "data" / "sparsh_ros" / "models" / "sparsh-toy"
    assert (folder / "toy.safetensors").read_bytes() == ENCODER
    newest = "field/checkpoints/epoch-0031.pth"
    assert (folder / newest).read_bytes() == DECODERS[newest]
    assert sorted(hub.asked) == [f"{newest} from 0", "toy.safetensors from 0"]
    said = capsys.readouterr().out.splitlines()
    assert "licence CC-BY-NC-4.0" in said[0]
    assert f"{len(ENCODER):,} bytes, sha256 as stated" in said[1]
    assert said[-1] == "2 files; use them with model:=sparsh-toy"


def test_what_is_here_is_not_fetched_again_and_what_is_damaged_is(hub: Hub, tmp_path: Path) -> None:
    files = get_model("sparsh-toy", tmp_path / "own")
    hub.asked.clear()
    said: list[str] = []
    assert get_model("sparsh-toy", tmp_path / "own", said.append) == files
    assert hub.asked == [] and said[1].endswith("here already")
    files[0].write_bytes(ENCODER[:-1] + b"x")
    get_model("sparsh-toy", tmp_path / "own")
    assert files[0].read_bytes() == ENCODER and len(hub.asked) == 1


def test_a_broken_download_goes_on_where_it_ended(hub: Hub, tmp_path: Path) -> None:
    hub.cut_after = len(ENCODER) - 1000
    files = get_model("sparsh-toy", tmp_path)
    assert files[0].read_bytes() == ENCODER
    first, second, _ = hub.asked
    assert first == "toy.safetensors from 0"
    assert second.startswith("toy.safetensors from ") and int(second.split()[-1]) > 1_000_000


def test_other_content_than_stated_is_removed(hub: Hub, tmp_path: Path) -> None:
    newest = "field/checkpoints/epoch-0031.pth"
    hub.stated[newest] = "f" * 64
    with pytest.raises(WeightsError, match=rf"{newest}: wanted 99 bytes with sha256 f+, found"):
        get_model("sparsh-toy", tmp_path)
    assert not (tmp_path / newest).exists()


def test_a_file_that_this_version_does_not_know_is_not_fetched(hub: Hub, tmp_path: Path) -> None:
    hub.repositories["someone/encoder"]["toy.safetensors"] = ENCODER[::-1]
    with pytest.raises(
        WeightsError, match=f"sha256 {SHA256[:8]}..., found {len(ENCODER)} bytes with"
    ):
        get_model("sparsh-toy", tmp_path)
    assert hub.asked == []


def test_a_repository_without_the_file_or_without_existence(hub: Hub, tmp_path: Path) -> None:
    del hub.repositories["someone/encoder"]["toy.safetensors"]
    with pytest.raises(WeightsError, match=r"a file toy.safetensors, found README.md"):
        get_model("sparsh-toy", tmp_path)
    del hub.repositories["someone/encoder"]
    with pytest.raises(WeightsError, match="someone/encoder: cannot be had .*404"):
        get_model("sparsh-toy", tmp_path)


def test_without_a_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{closed.getsockname()[1]}")
        assert main(["weights", "get", "sparsh-toy"]) == 1
    error = capsys.readouterr().err
    assert "cannot be had from http://127.0.0.1" in error and "check the network" in error


def test_without_the_library(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(MissingDependencyError, match="pip install huggingface_hub"):
        get_model("sparsh-toy", tmp_path)


def test_what_is_not_published() -> None:
    with pytest.raises(ModelError, match="'other': unknown; choose one of sparsh-toy"):
        get_model("other")


def test_what_ships_is_not_fetched(tmp_path: Path) -> None:
    (tmp_path / "config" / "own.yaml").write_text("name: own\nsize: micro\nlicence: MIT\n")
    with pytest.raises(ModelError, match="model own: published nowhere"):
        get_model("own")
