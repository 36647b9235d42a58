"""A run goes to a hub and comes back: real uploads and downloads, to a server on this machine."""

import json

import exported_files
import numpy as np
import pytest
from huggingface_hub import constants
from huggingface_hub.utils import disable_progress_bars
from local_hub import TOKEN, local_hub
from made_runs import HOME, write_run

import zorki
from zorki import hub as hubs
from zorki.engine.publishing.push import push
from zorki.engine.publishing.weights_source import weights_source
from zorki.errors import WeightsError, ZorkiError
from zorki.weights import read_weights, resolve

# huggingface_hub hands an open file to httpx2 in a way that httpx2 retires; theirs to mend.
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")
IMAGE = np.arange(28 * 28 * 3, dtype=np.uint8).reshape(28, 28, 3)


@pytest.fixture
def hub(monkeypatch, tmp_path):
    """The hub, where whoever asks may write."""
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    disable_progress_bars()
    monkeypatch.setenv("ZORKI_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    hubs._fetched.cache_clear()
    with local_hub() as (server, address):
        monkeypatch.setenv("HF_ENDPOINT", address)
        yield server


@pytest.fixture
def run(tmp_path):
    return write_run(tmp_path / "runs" / "bees-1")


def forget():
    """As another process would ask."""
    hubs._fetched.cache_clear()


def scores(run):
    (result,) = run.predict(IMAGE, quiet=True)
    return [(row.name, row.score) for row in result]


def test_a_run_that_was_pushed_predicts_the_same(hub, run, capsys):
    page = push(run, "hf://ann/bees", license="mit")
    assert page.endswith("/ann/bees")
    told = capsys.readouterr().out
    assert "best.safetensors" in told
    assert "use it as hf://ann/bees" in told
    ((_, files),) = hub.repositories["ann/bees"]
    assert sorted(files) == ["README.md", "best.safetensors", "recipe.yaml", "results.json", "run.json"]
    for name in set(files) - {"best.safetensors"}:
        assert HOME.encode() not in files[name], name
        assert b"secret" not in files[name], name
    assert scores(zorki.load("hf://ann/bees")) == scores(zorki.load(run))
    told = capsys.readouterr().err
    assert hub.repositories["ann/bees"][-1][0][:12] in told
    assert "license mit" in told


def test_a_revision_names_what_there_was(hub, run):
    push(run, "hf://ann/bees", quiet=True)
    first, _ = hub.repositories["ann/bees"][0]
    before = scores(zorki.load("hf://ann/bees"))
    about = json.loads((run / "run.json").read_text())
    (run / "run.json").write_text(json.dumps(about | {"class_names": ["ant", "moth"]}))
    push(run, "hf://ann/bees", quiet=True)
    forget()
    assert {name for name, _ in scores(zorki.load("hf://ann/bees"))} <= {"ant", "moth"}
    assert scores(zorki.load(f"hf://ann/bees@{first}")) == before
    with pytest.raises(WeightsError, match="no revision v9"):
        zorki.load("hf://ann/bees@v9")


def test_without_the_hub_the_cache_serves(hub, run, monkeypatch):
    push(run, "hf://ann/bees", quiet=True)
    before = scores(zorki.load("hf://ann/bees"))
    forget()
    monkeypatch.setattr(hubs, "reachable", lambda: False)
    assert scores(zorki.load("hf://ann/bees")) == before
    with pytest.raises(WeightsError, match=r"hf://ann/wasps/run\.json: cannot be fetched: no connection"):
        zorki.load("hf://ann/wasps")


def test_weights_are_taken_from_it(hub, run):
    push(run, "hf://ann/bees", license="mit", quiet=True)
    path = resolve("hf://ann/bees", {})
    own, theirs = read_weights(run).tensors, read_weights(path).tensors
    assert all(bool((own[name] == theirs[name]).all()) for name in own)
    assert weights_source("lenet5", "hf://ann/bees") == {"source": "hf://ann/bees", "license": "mit"}
    hub.commit("timm/net", {"model.safetensors": (run / "best.safetensors").read_bytes()})
    assert resolve("hf://timm/net", {}).name == "model.safetensors"


def test_an_exported_file_goes_along_with_its_parity(hub, run, tmp_path):
    pytest.importorskip("onnxruntime")
    model = tmp_path / "model.onnx"
    exported_files.classifier(str(model))
    (tmp_path / "model.parity.json").write_text(json.dumps({"source": f"{HOME}/bees", "passed": True}))
    push(run, "hf://ann/bees", files=[model], quiet=True)
    _, files = hub.repositories["ann/bees"][0]
    assert json.loads(files["model.parity.json"]) == {"source": "bees", "passed": True}
    (result,) = zorki.predict("hf://ann/bees/model.onnx", [IMAGE], quiet=True)
    assert result.names == zorki.predict(str(model), [IMAGE], quiet=True)[0].names
    hub.commit("ann/file", {"model.onnx": model.read_bytes()})
    assert hubs.local_path("hf://ann/file").name == "model.onnx"
    hub.commit("ann/file", {"other.onnx": model.read_bytes()})
    forget()
    with pytest.raises(WeightsError, match=r"one exported file .* it has model.onnx, other.onnx"):
        hubs.local_path("hf://ann/file")


def test_a_dry_run_uploads_nothing(hub, run, capsys):
    push(run, "hf://ann/bees", dry_run=True)
    assert "would upload to hf://ann/bees" in capsys.readouterr().out
    assert hub.requests == []


def test_a_private_repository_is_private(hub, run, monkeypatch):
    push(run, "hf://ann/bees", private=True, quiet=True)
    assert hub.private == {"ann/bees"}
    monkeypatch.setenv("HF_TOKEN", "hf_somebody")
    with pytest.raises(WeightsError, match="no such repository, or it is private"):
        zorki.load("hf://ann/bees")
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    push(run, "hf://ann/open", quiet=True)
    with pytest.raises(ZorkiError, match="--private, but the repository is public"):
        push(run, "hf://ann/open", private=True, quiet=True)
    assert len(hub.repositories["ann/open"]) == 1


def test_what_cannot_be_pushed_is_told_before_anything_is_sent(hub, run, monkeypatch, tmp_path):
    for address in ("ann/bees", "hf://bees", "hf://ann/be es", "hf://ann/../x"):
        with pytest.raises(WeightsError, match=r"expected hf://OWNER/NAME"):
            push(run, address)
    with pytest.raises(ZorkiError, match=r"expected the repository alone, as hf://ann/bees"):
        push(run, "hf://ann/bees@v1")
    with pytest.raises(WeightsError, match=r"expected a run's folder"):
        push(tmp_path / "nothing", "hf://ann/bees")
    with pytest.raises(ZorkiError, match=r"no such file; `zorki export` writes one"):
        push(run, "hf://ann/bees", files=["model.onnx"])
    monkeypatch.delenv("HF_TOKEN")
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "token"))
    with pytest.raises(ZorkiError, match=r"no token: log in with `hf auth login`"):
        push(run, "hf://ann/bees", quiet=True)
    (run / "best.safetensors").unlink()
    with pytest.raises(WeightsError, match=r"nothing to push"):
        push(run, "hf://ann/bees")
    assert hub.requests == []


def test_what_the_hub_refuses_is_told(hub, run, monkeypatch):
    hub.refuses_card = True
    with pytest.raises(ZorkiError, match=r'the hub refuses the upload: .* - "license" must be'):
        push(run, "hf://ann/bees", license="no such", quiet=True)
    monkeypatch.setenv("HF_TOKEN", "hf_reader")
    with pytest.raises(WeightsError, match=r"the hub does not allow it \(HTTP 401\)"):
        push(run, "hf://ann/wasps", quiet=True)
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(WeightsError, match="the hub cannot be reached"):
        push(run, "hf://ann/bees", quiet=True)
