"""Folders of the Hub, read from disk, from the Hub's own cache without a network, and from a stand-in of its server."""

import errno
import hashlib
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import numpy as np
import pytest
import yaml

from nextframe.cli import main
from nextframe.errors import CheckpointError, ConfigError
from nextframe.exports.export import export
from nextframe.forecasting.load import load_run
from tests.exports.small import past_frames, small_ensemble, small_model


def into_cache(folder: Path, cache: Path, *, repository: str = "models--me--radar", revision: str = "v1") -> None:
    """Lay a folder out as huggingface-hub keeps what it has downloaded: blobs by checksum, links in a snapshot."""
    home, commit = cache / repository, "a" * 40
    snapshot = home / "snapshots" / commit
    for place in (home / "blobs", snapshot, home / "refs"):
        place.mkdir(parents=True)
    for file in folder.iterdir():
        blob = home / "blobs" / hashlib.sha256(file.read_bytes()).hexdigest()
        shutil.copy(file, blob)
        (snapshot / file.name).symlink_to(blob)
    for name in (revision, "main"):
        (home / "refs" / name).write_text(commit, encoding="utf-8")


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """A stand-in of the Hub's server with one model, me/radar, of one revision, v1; its address."""
    commit = "b" * 40
    known = {f"/api/models/me/radar/revision/{name}" for name in ("v1", "main", commit)}

    def answer_to(path: str) -> bytes | None:
        files = list(folder.iterdir())
        if path in known:
            siblings = [{"rfilename": file.name} for file in files]
            return json.dumps({"id": "me/radar", "sha": commit, "siblings": siblings}).encode()
        if path.startswith("/api/models/me/radar/tree/"):
            tree = [{"type": "file", "path": f.name, "size": f.stat().st_size, "oid": "c" * 40} for f in files]
            return json.dumps(tree).encode()
        file = folder / path.rpartition("/")[2]
        return file.read_bytes() if path.startswith(f"/me/radar/resolve/{commit}/") and file.is_file() else None

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            content = answer_to(self.path.partition("?")[0])
            self.send_response(200 if content is not None else 404)
            if content is None:
                self.send_header("X-Error-Code", "RevisionNotFound" if "/me/radar/" in self.path else "RepoNotFound")
            else:
                self.send_header("X-Repo-Commit", commit)
                self.send_header("ETag", f'"{hashlib.sha256(content).hexdigest()}"')
            self.send_header("Content-Length", str(len(content or b"")))
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(content or b"")

        do_HEAD = do_GET

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize("kind", ["single", "ensemble", "static"])
def test_a_folder_holds_the_same_model(kind: str, tmp_path: Path) -> None:
    static = np.random.default_rng(5).normal(size=(2, 15, 21)).astype(np.float32) if kind == "static" else None
    model = small_ensemble("stacked") if kind == "ensemble" else small_model("stacked", static=static)
    files = export(model, tmp_path / "hub").files
    assert sorted(file.name for file in files) == ["README.md", "config.json", "model.safetensors"]
    past = past_frames(2, 1, 15, 21)
    for true, read in zip(model.distribution(past, 3), load_run(tmp_path / "hub").distribution(past, 3), strict=True):
        assert np.array_equal(true, read)
    export(model, tmp_path / "hub")  # again, over itself


def test_the_card_says_what_the_hub_asks_for(tmp_path: Path) -> None:
    assert main(["export", "squares-stacked", "--out", str(tmp_path / "hub")]) == 0
    text = (tmp_path / "hub" / "README.md").read_text(encoding="utf-8")
    front = yaml.safe_load(text.split("---\n")[1])
    assert {"license", "library_name", "tags", "datasets", "metrics", "model-index"} <= front.keys()
    assert front["library_name"] == "nextframe"
    (entry,) = front["model-index"]
    assert any(metric["type"].startswith("csi") for metric in entry["results"][0]["metrics"])
    assert "What it cannot do" in text


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of its own: an epoch on a few squares."""
    folder = tmp_path_factory.mktemp("runs") / "small"
    data = "--data=squares:movies=12,frames=6,size=16 --past=3 --future=2 --validation=0.2 --test=0.2"
    options = "--filters=4 --norm=layer --epochs=1 --batch-size=4 --train-crop=none --no-progress"
    assert main(["train", "stacked", *data.split(), *options.split(), "--out", str(folder)]) == 0
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("other", ["", "squares:movies=3,frames=5,size=16,seed=77"])
def test_the_card_has_the_scores_that_the_run_was_verified_with(other: str, run: Path, tmp_path: Path) -> None:
    data = ["--data", other] if other else []
    assert main(["verify", str(run), *data, "--baselines=persistence", "--no-progress"]) == 0
    verified = json.loads((run / "verification.json").read_text(encoding="utf-8"))
    own = verified["scores"]["model"]
    assert len(own["mse"]) == 2
    assert own != verified["scores"]["persistence"]
    assert main(["export", str(run), "--out", str(tmp_path / "hub")]) == 0
    assert json.loads((tmp_path / "hub" / "verification.json").read_text(encoding="utf-8")) == verified
    front = yaml.safe_load((tmp_path / "hub" / "README.md").read_text(encoding="utf-8").split("---\n")[1])
    assert front["datasets"] == ["squares:movies=12,frames=6,size=16"]
    (entry,) = front["model-index"]
    (result,) = entry["results"]
    assert entry["name"] == "small"
    assert result["dataset"] == dict.fromkeys(
        ("name", "type"), other or "squares:movies=12,frames=6,size=16, test part"
    )
    told = {metric["type"]: metric["value"] for metric in result["metrics"]}
    defined = {name: values for name, values in own.items() if None not in values}
    assert {"mse", "ssim", "csi_0.5"} <= defined.keys()
    assert told == {name: pytest.approx(np.mean(values), rel=1e-12) for name, values in defined.items()}
    assert front["metrics"] == sorted(defined)


@pytest.mark.slow
def test_a_run_that_was_not_verified_has_a_card_without_scores(run: Path, tmp_path: Path) -> None:
    shutil.copytree(run, tmp_path / "run", ignore=shutil.ignore_patterns("verification.json"))
    files = export(load_run(tmp_path / "run"), tmp_path / "hub").files
    assert "verification.json" not in [file.name for file in files]
    front = yaml.safe_load((tmp_path / "hub" / "README.md").read_text(encoding="utf-8").split("---\n")[1])
    assert "model-index" not in front
    assert front["metrics"] == []


def test_an_address_is_served_from_the_cache_without_a_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    constants = pytest.importorskip("huggingface_hub.constants")
    model = small_model("stacked")
    export(model, tmp_path / "hub")
    into_cache(tmp_path / "hub", tmp_path / "cache")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    past = past_frames(1, 1, 12, 13)
    for address in ("hf://me/radar@v1", "hf://me/radar", Path("hf://me/radar@v1")):
        assert np.array_equal(load_run(address).predict(past, 2), model.predict(past, 2))
    with pytest.raises(CheckpointError, match="cannot be had from the Hub"):
        load_run("hf://me/another")
    with pytest.raises(ConfigError, match="hf://radar: is no address on the Hub"):
        load_run(Path("hf://radar"))


def test_an_address_is_downloaded_once_and_what_there_is_not_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    constants = pytest.importorskip("huggingface_hub.constants")
    model = small_model("stacked")
    export(model, tmp_path / "hub")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    past = past_frames(1, 1, 12, 13)
    with served(tmp_path / "hub") as address:
        monkeypatch.setattr(constants, "ENDPOINT", address)
        template = address + "/{repo_id}/resolve/{revision}/{filename}"
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        assert np.array_equal(load_run("hf://me/radar@v1").predict(past, 2), model.predict(past, 2))
        with pytest.raises(CheckpointError, match="is no revision that the Hub has"):
            load_run("hf://me/radar@v2")
        with pytest.raises(CheckpointError, match=r"hf://me/another: is no model that the Hub shows"):
            load_run(Path("hf://me/another"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert np.array_equal(load_run("hf://me/radar@v1").predict(past, 2), model.predict(past, 2))


def test_a_folder_of_another_model_keeps_nothing_of_it(run: Path, tmp_path: Path) -> None:
    export(small_model("stacked"), tmp_path / "hub")
    (tmp_path / "hub" / "verification.json").write_text("{}")
    files = export(small_model("convgru"), tmp_path / "hub").files
    assert sorted(files) == sorted((tmp_path / "hub").iterdir())
    assert "verification.json" not in {file.name for file in files}
    assert load_run(tmp_path / "hub").config.model.model == "convgru"
    assert [place.name for place in tmp_path.iterdir()] == ["hub"]


def test_a_new_folder_is_there_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = Path.write_bytes

    def full(path: Path, content: bytes) -> int:
        if path.name == "README.md":
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(path, content)

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(ConfigError, match="No space left"):
        export(small_model("stacked"), tmp_path / "below" / "hub")
    assert list((tmp_path / "below").iterdir()) == []


def test_a_checksum_that_differs_is_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    export(small_model("stacked"), tmp_path / "hub")
    weights = tmp_path / "hub" / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-3] ^= 1
    weights.write_bytes(content)
    assert main(["verify", str(tmp_path / "hub"), "--data", "squares:movies=1"]) == 2
    error = capsys.readouterr().err
    assert "checksum" in error
    assert len(error.splitlines()) == 1


def test_a_folder_without_weights_or_with_a_foreign_configuration_is_refused(tmp_path: Path) -> None:
    export(small_model("stacked"), tmp_path / "hub")
    (tmp_path / "hub" / "model.safetensors").unlink()
    with pytest.raises(CheckpointError, match=r"holds no model\.safetensors"):
        load_run(tmp_path / "hub")
    export(small_model("stacked"), tmp_path / "other")
    (tmp_path / "other" / "config.json").write_text(json.dumps({"model_type": "bert"}), encoding="utf-8")
    with pytest.raises(CheckpointError, match="did not write"):
        load_run(tmp_path / "other")


def test_a_folder_without_a_network_is_refused(tmp_path: Path) -> None:
    export(small_model("stacked"), tmp_path / "hub")
    config = tmp_path / "hub" / "config.json"
    config.write_text(json.dumps({**json.loads(config.read_text(encoding="utf-8")), "members": []}), encoding="utf-8")
    with pytest.raises(CheckpointError, match="is damaged"):
        load_run(tmp_path / "hub")


def test_a_folder_that_holds_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(ConfigError, match="holds something else"):
        export(small_model("stacked"), tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == ["notes.txt"]
