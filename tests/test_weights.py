"""Weights: every way a file can be wrong, what fits into what, and downloads that break."""

from __future__ import annotations

import argparse
import hashlib
import os
import resource
import threading
from collections import namedtuple
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import torch
from torch import nn

from zorki.errors import WeightsError, ZorkiError
from zorki.registry import Entry
from zorki.weights import Weights, download, fetch, load_into, published, read_weights, resolve, save_weights
from zorki.weights.weight_map import WeightMap


def _network(classes=10):
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(16, classes))


def _equal(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


# -- reading --


@pytest.mark.parametrize("container", [None, "state_dict", "model", "model_state_dict", "model_state", "net", "ema"])
@pytest.mark.parametrize("zipped", [True, False])
def test_torch_files_in_every_wrapping(tmp_path, container, zipped):
    state = _network().state_dict()
    content = {"epoch": 7, "arch": "tiny", container: state} if container else state
    torch.save(content, tmp_path / "w.pth", _use_new_zipfile_serialization=zipped)
    weights = read_weights(tmp_path / "w.pth")
    assert _equal(weights.tensors, dict(state))
    assert weights.metadata == ({"epoch": "7", "arch": "tiny"} if container else {})


def test_averaged_weights_are_taken_before_raw_ones(tmp_path):
    torch.save({"model": {"a": torch.zeros(2)}, "model_ema": {"a": torch.ones(2)}}, tmp_path / "w.pth")
    assert torch.equal(read_weights(tmp_path / "w.pth").tensors["a"], torch.ones(2))


@pytest.mark.parametrize("prefix", ["module.", "_orig_mod.", "module._orig_mod.", "_orig_mod.module."])
def test_wrappers_of_names_are_dropped(tmp_path, prefix):
    state = {prefix + name: value for name, value in _network().state_dict().items()}
    torch.save(state, tmp_path / "w.pth")
    assert set(read_weights(tmp_path / "w.pth").tensors) == set(_network().state_dict())


def test_module_prefix_of_some_names_stays(tmp_path):
    torch.save({"module.a": torch.ones(1), "b": torch.ones(1)}, tmp_path / "w.pth")
    assert set(read_weights(tmp_path / "w.pth").tensors) == {"module.a", "b"}


def _html(path):
    path.write_text("<!DOCTYPE html><html><body>404 Not Found</body></html>")


def _truncated(path, zipped=True):
    torch.save({"a": torch.ones(1000)}, path, _use_new_zipfile_serialization=zipped)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def _truncated_safetensors(path):
    save_weights(path, {"a": torch.ones(1000)}, {})
    path.write_bytes(path.read_bytes()[:-100])


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda path: path.write_bytes(b""), "empty"),
        (_html, "web page"),
        (lambda path: path.write_bytes(b"version https://git-lfs.github.com/spec/v1\noid"), "git lfs pull"),
        (lambda path: path.write_text("just words, and not a few of them"), "not a file of weights"),
        (lambda path: path.write_bytes(bytes(range(256)) * 10), "not a file of weights"),
        (_truncated, "truncated or broken"),
        (lambda path: _truncated(path, zipped=False), "truncated or broken"),
        (_truncated_safetensors, "broken"),
        (lambda path: torch.save([1, 2], path), "no weights found"),
        (lambda path: torch.save({"epoch": 3}, path), "it holds a dict with epoch"),
        (lambda path: torch.save({}, path), "it holds nothing"),
    ],
)
def test_what_is_no_weights_is_told(tmp_path, make, words):
    path = tmp_path / "w.pth"
    make(path)
    with pytest.raises(WeightsError, match=words) as caught:
        read_weights(path)
    assert str(path) in str(caught.value)


class _Bomb:
    def __reduce__(self):
        return (os.mkdir, ("exploded",))


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("thing", [_Bomb(), argparse.Namespace(lr=1)])
def test_files_are_never_run(tmp_path, thing, zipped):
    state = {"state_dict": {"a": torch.ones(1)}, "args": thing}
    torch.save(state, tmp_path / "w.pth", _use_new_zipfile_serialization=zipped)
    with pytest.raises(WeightsError, match=r"would run code.*save its tensors alone"):
        read_weights(tmp_path / "w.pth")
    assert not (tmp_path / "exploded").exists()


def test_missing_file_names_its_neighbors(tmp_path):
    (tmp_path / "resnet18.pth").touch()
    with pytest.raises(WeightsError, match=r"no such file.*Did you mean resnet18.pth"):
        read_weights(tmp_path / "resnet81.pth")
    with pytest.raises(WeightsError, match="no such file"):
        read_weights(tmp_path / "nowhere" / "a.pth")


def test_a_run_folder_stands_for_its_best_weights(tmp_path):
    with pytest.raises(WeightsError, match="no run"):
        read_weights(tmp_path)
    (tmp_path / "run.json").write_text("{}")
    with pytest.raises(WeightsError, match=r"no best.safetensors yet"):
        read_weights(tmp_path)
    save_weights(tmp_path / "best.safetensors", {"a": torch.ones(2)}, {"epoch": "3"})
    assert read_weights(tmp_path).metadata == {"epoch": "3"}


# -- writing --


def test_saved_weights_come_back(tmp_path):
    network = _network().to(memory_format=torch.channels_last)
    save_weights(tmp_path / "deep" / "w.safetensors", network, {"model": "tiny"})
    weights = read_weights(tmp_path / "deep" / "w.safetensors")
    assert _equal(weights.tensors, dict(network.state_dict()))
    assert weights.metadata == {"model": "tiny"}
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["w.safetensors"]


def test_shared_and_overlapping_tensors(tmp_path):
    whole = torch.arange(6.0)
    tensors = {"whole": whole, "alias": whole, "part": whole[2:4], "turned": whole.view(2, 3).T, "none": torch.empty(0)}
    save_weights(tmp_path / "w.safetensors", tensors, {})
    assert _equal(read_weights(tmp_path / "w.safetensors").tensors, tensors)
    sizes = {}
    for name in ("alias", "copy"):
        big = torch.zeros(10_000)
        save_weights(tmp_path / name, {"a": big, "b": big if name == "alias" else big.clone()}, {})
        sizes[name] = (tmp_path / name).stat().st_size
    assert sizes["alias"] < 0.6 * sizes["copy"]


def test_a_file_larger_than_allowed_leaves_the_old_one_whole(tmp_path):
    path = tmp_path / "w.safetensors"
    save_weights(path, {"a": torch.ones(3)}, {})
    # Only the soft limit, for the length of one call: a file beyond it fails as on a full disk.
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, hard))
    try:
        with pytest.raises(ZorkiError, match=r"larger than files may be here .*the earlier one is whole") as caught:
            save_weights(path, {"a": torch.zeros(100_000)}, {})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    assert str(path) in str(caught.value)
    assert torch.equal(read_weights(path).tensors["a"], torch.ones(3))
    assert os.listdir(tmp_path) == ["w.safetensors"]


def test_a_full_disk_at_the_last_moment(tmp_path, monkeypatch):
    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ZorkiError, match="the disk is full"):
        save_weights(tmp_path / "w.safetensors", {"a": torch.zeros(3)}, {})
    assert not list(tmp_path.iterdir())


# -- matching --


def _weights(tmp_path, tensors):
    save_weights(tmp_path / "w.safetensors", tensors, {})
    return read_weights(tmp_path / "w.safetensors")


def test_all_fits(tmp_path):
    theirs, ours = _network(), _network()
    match = load_into(ours, _weights(tmp_path, theirs))
    assert _equal(ours.state_dict(), theirs.state_dict())
    assert (match.mismatched, match.new, match.unused) == ([], [], [])
    # conv 4*3*9 + 4, batch norm 4 * 4, head 160 + 10; the counter of batches is not told
    assert match.matched_values == match.total_values == 112 + 16 + 170
    assert match.summary() == "w.safetensors: 8 of 8 tensors match (298 of 298 values)"


def test_another_head_starts_anew(tmp_path):
    ours = _network(10)
    before = ours[3].weight.clone()
    match = load_into(ours, _weights(tmp_path, _network(1000)))
    assert match.mismatched == [("3.weight", (1000, 16), (10, 16)), ("3.bias", (1000,), (10,))]
    assert torch.equal(ours[3].weight, before)
    assert "3 starts anew: 1000 classes in the file, 10 here" in match.summary()
    assert "6 of 8 tensors" in match.summary()


def test_new_and_unused_names(tmp_path):
    tensors = {name: value for name, value in _network().state_dict().items() if not name.startswith("1.")}
    match = load_into(_network(), _weights(tmp_path, {**tensors, "extra.weight": torch.ones(1)}))
    assert match.new == ["1.weight", "1.bias", "1.running_mean", "1.running_var"]
    assert match.unused == ["extra.weight"]
    assert "left as built: 1.weight, 1.bias" in match.summary()
    assert "not used: extra.weight" in match.summary()


def test_other_shapes_are_shown(tmp_path):
    match = load_into(_network(), _weights(tmp_path, {**_network().state_dict(), "0.weight": torch.ones(4, 1, 3, 3)}))
    assert "0.weight is 4x1x3x3 there, 4x3x3x3 here" in match.summary()


def test_renamed_and_cast(tmp_path):
    tensors = {"theirs.w": torch.full((10, 16), 0.5, dtype=torch.float16)}
    ours = _network()
    match = load_into(ours, _weights(tmp_path, tensors), WeightMap({"theirs.w": "3.weight"}))
    assert match.matched == ["3.weight"]
    assert ours[3].weight.dtype == torch.float32
    assert bool((ours[3].weight == 0.5).all())


def test_tied_tensors_are_filled_by_one_name(tmp_path):
    ours = nn.ModuleDict({"a": nn.Linear(2, 2, bias=False), "b": nn.Linear(2, 2, bias=False)})
    ours["b"].weight = ours["a"].weight
    match = load_into(ours, _weights(tmp_path, {"b.weight": torch.ones(2, 2)}))
    assert (match.matched, match.new) == (["a.weight", "b.weight"], [])
    assert match.matched_values == 4


def test_a_mean_image_takes_the_place_of_a_mean(tmp_path):
    from zorki.nn.layers.normalize import Normalize

    theirs, ours = nn.Sequential(Normalize()), nn.Sequential(Normalize())
    theirs[0].mean = torch.rand(3, 5, 5)
    match = load_into(ours, _weights(tmp_path, theirs))
    assert torch.equal(ours[0].mean, theirs[0].mean)
    assert match.mismatched == []


def test_nothing_fits(tmp_path):
    ours = _network()
    before = {name: value.clone() for name, value in ours.state_dict().items()}
    with pytest.raises(WeightsError, match=r"nothing in this file fits.*in the file: q.weight.*wanted: 0.weight"):
        load_into(ours, _weights(tmp_path, {"q.weight": torch.ones(2)}))
    assert _equal(before, ours.state_dict())


# -- fetching --

CONTENT = bytes(range(256)) * 1000
SHA = hashlib.sha256(CONTENT).hexdigest()


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        server = self.server
        server.ranges.append(self.headers.get("Range"))
        if self.path != "/w.pth":
            self.send_error(404)
            return
        start = int(self.headers["Range"].split("=")[1].rstrip("-")) if self.headers.get("Range") else 0
        if start >= len(CONTENT):
            self.send_error(416)
            return
        self.send_response(206 if start and server.resumes else 200)
        body = CONTENT[start if server.resumes else 0 :]
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if server.breaks:
            server.breaks -= 1
            body = body[: len(body) // 2]
        self.wfile.write(body)

    def log_message(self, *words):
        pass


@pytest.fixture
def server():
    with ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as made:
        made.ranges, made.breaks, made.resumes = [], 0, True
        made.url = f"http://127.0.0.1:{made.server_port}/w.pth"
        thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield made
        made.shutdown()
        thread.join()


@pytest.mark.parametrize("sha256", [None, SHA[:8], SHA])
def test_download(server, tmp_path, sha256):
    path = download(server.url, tmp_path / "sub" / "w.pth", sha256)
    assert path.read_bytes() == CONTENT
    assert download(server.url, path, sha256) == path
    assert len(server.ranges) == 1  # the second call asked nothing


def test_wrong_checksum_removes_the_file(server, tmp_path):
    with pytest.raises(WeightsError, match=r"SHA-256 00000000.*came; the file was removed"):
        download(server.url, tmp_path / "w.pth", "00000000")
    assert not [path for path in tmp_path.iterdir() if path.suffix != ".lock"]


def test_a_wrong_file_in_the_cache_is_replaced(server, tmp_path):
    (tmp_path / "w.pth").write_bytes(b"old")
    assert download(server.url, tmp_path / "w.pth", SHA).read_bytes() == CONTENT


def test_not_found(server, tmp_path):
    with pytest.raises(WeightsError, match=r"404.*put it at .*x.pth, or pass --weights FILE"):
        download(server.url.replace("w.pth", "x.pth"), tmp_path / "x.pth", SHA)
    assert not (tmp_path / "x.pth").exists()


@pytest.mark.parametrize("resumes", [True, False])
def test_a_broken_connection_is_taken_up(server, tmp_path, resumes):
    server.breaks, server.resumes = 2, resumes
    if resumes:
        assert download(server.url, tmp_path / "w.pth", SHA).read_bytes() == CONTENT
        assert server.ranges == [None, "bytes=128000-", "bytes=192000-"]
    else:  # the same half comes again: no progress, so it stops, and never leaves half a file at the place
        with pytest.raises(WeightsError, match="ended too early"):
            download(server.url, tmp_path / "w.pth", SHA)
        assert not (tmp_path / "w.pth").exists()


def test_a_later_call_goes_on(server, tmp_path):
    (tmp_path / "w.pth.part").write_bytes(CONTENT[:1000])
    assert download(server.url, tmp_path / "w.pth", SHA).read_bytes() == CONTENT
    assert server.ranges == ["bytes=1000-"]


@pytest.mark.parametrize("stale", [b"x" * 1000, CONTENT + b"more"])
def test_a_stale_part_is_not_believed(server, tmp_path, stale):
    (tmp_path / "w.pth.part").write_bytes(stale)
    assert download(server.url, tmp_path / "w.pth", SHA).read_bytes() == CONTENT


def test_without_checksum_no_old_part_is_believed(server, tmp_path):
    (tmp_path / "w.pth.part").write_bytes(b"x" * 1000)
    assert download(server.url, tmp_path / "w.pth", None).read_bytes() == CONTENT
    assert server.ranges == [None]


def test_no_network(tmp_path):
    with pytest.raises(WeightsError, match=r"cannot be downloaded.*--weights FILE"):
        download("http://127.0.0.1:9/w.pth", tmp_path / "w.pth", SHA)


Settings = namedtuple("Settings", "url hf_hub_id hf_hub_filename license has_weights", defaults=["mit", True])


def test_fetch_by_url_goes_to_the_chosen_cache(server, tmp_path, monkeypatch):
    monkeypatch.setenv("ZORKI_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("zorki.weights.fetching._timm_weights", lambda name: Settings(server.url, None, None))
    assert fetch("timm:net") == tmp_path / "cache" / "w.pth"
    assert fetch("timm:net", cache=tmp_path).read_bytes() == CONTENT
    entry = Entry("net", object, _network, {"imagenet": "timm:net"})
    (one,) = published(entry.weights)
    assert (one.word, one.url, one.cached, one.license) == ("imagenet", server.url, tmp_path / "cache" / "w.pth", "mit")
    assert resolve("imagenet", entry.weights) == one.cached


@pytest.mark.parametrize("honest", [True, False])
def test_hugging_face_blobs_are_checked(tmp_path, monkeypatch, honest):
    import huggingface_hub
    from huggingface_hub.errors import EntryNotFoundError

    blob = tmp_path / "blobs" / SHA
    blob.parent.mkdir()
    blob.write_bytes(CONTENT if honest else b"else")
    link = tmp_path / "pytorch_model.bin"
    link.symlink_to(blob)

    def hub(repository, name, **settings):
        if name == "model.safetensors":
            raise EntryNotFoundError("none")
        return str(link)

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", hub)
    monkeypatch.setattr("zorki.weights.fetching._timm_weights", lambda name: Settings(None, "timm/net", None))
    if honest:
        assert fetch("timm:net").read_bytes() == CONTENT
        return
    with pytest.raises(WeightsError, match="the file was removed"):
        fetch("timm:net")
    assert not blob.exists()
    assert not link.is_symlink()


def test_resolve_tells_what_there_is(tmp_path):
    (tmp_path / "mine.pth").touch()
    entry = Entry("net", object, _network, {"imagenet": "timm:net"})
    assert resolve(str(tmp_path / "mine.pth"), entry.weights) == tmp_path / "mine.pth"
    with pytest.raises(WeightsError, match=r"published for net: imagenet\).* Did you mean imagenet"):
        resolve("imagnet", entry.weights, "net")


# -- values and metadata that are none --


def test_metadata_that_is_no_json_is_told(tmp_path):
    from safetensors.torch import save_file

    path = tmp_path / "w.safetensors"
    for text, words in {"{nothing": "shared_tensors:1: the JSON is broken", '{"b": "c"}': "name no tensors"}.items():
        save_file({"a": torch.ones(1)}, path, {"shared_tensors": text})
        with pytest.raises(WeightsError, match=words):
            read_weights(path)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (torch.ones(3, 2), "it holds one tensor of 3x2, without a name"),
        (torch.tensor(1.0), "it holds one tensor of a number"),
        ({"a": torch.ones(2).to_sparse()}, r"1 of 1 tensors are sparse_coo, 'a' first; expected dense ones"),
    ],
)
def test_tensors_without_names_or_values_are_told(tmp_path, content, words):
    torch.save(content, tmp_path / "w.pth")
    with pytest.raises(WeightsError, match=words):
        read_weights(tmp_path / "w.pth")


def test_a_pipe_is_no_file_of_weights(tmp_path):
    os.mkfifo(tmp_path / "w.pth")
    with pytest.raises(WeightsError, match=r"it is a named pipe \(FIFO\), not a file of weights"):
        read_weights(tmp_path / "w.pth")


@pytest.mark.parametrize("extra", [{}, {"criterion.weight": torch.ones(3)}])
@pytest.mark.parametrize("attribute", ["model", "net", "network"])
def test_the_name_of_lightnings_attribute_is_taken_off(tmp_path, attribute, extra):
    state = _network().state_dict()
    named = {f"{attribute}.{name}": value for name, value in state.items()} | extra
    torch.save({"pytorch-lightning_version": "2.6.6", "state_dict": named}, tmp_path / "w.ckpt")
    assert load_into(_network(), read_weights(tmp_path / "w.ckpt")).matched
    assert set(read_weights(tmp_path / "w.ckpt").tensors) == set(state)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_values_that_are_not_finite_are_refused(tmp_path, value):
    state = _network().state_dict()
    state["0.weight"][0, 0, 0, 0] = value
    save_weights(tmp_path / "w.safetensors", state, {})
    model = _network()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    with pytest.raises(WeightsError, match=r"1 tensors hold values that are not finite, '0\.weight' first \(1 of 108"):
        load_into(model, read_weights(tmp_path / "w.safetensors"))
    assert _equal(model.state_dict(), before)


def test_a_buffer_that_is_infinite_by_design_is_taken():
    class Masked(nn.Module):
        def __init__(self):
            super().__init__()
            self.register_buffer("mask", torch.tensor([0.0, float("-inf")]))

    assert load_into(Masked(), Weights(Masked().state_dict(), {}, Path("w.pth"))).matched == ["mask"]


def test_whole_numbers_in_the_place_of_fractions_are_refused(tmp_path):
    state = _network().state_dict()
    state["3.bias"] = state["3.bias"].to(torch.int64)
    save_weights(tmp_path / "w.safetensors", state, {})
    with pytest.raises(WeightsError, match=r"1 tensors hold int64 where the network has float32, '3\.bias' first"):
        load_into(_network(), read_weights(tmp_path / "w.safetensors"))


def test_a_network_may_be_all_in_one_attribute(tmp_path):
    """What stands before names in files of others is no wrapper in our own."""
    tensors = {"network.0.weight": torch.ones(2), "network.0.bias": torch.zeros(2)}
    save_weights(tmp_path / "ours.safetensors", tensors, {"class_names": '["cat"]'})
    save_weights(tmp_path / "theirs.safetensors", tensors, {})
    assert read_weights(tmp_path / "ours.safetensors").tensors.keys() == tensors.keys()
    assert read_weights(tmp_path / "theirs.safetensors").tensors.keys() == {"0.weight", "0.bias"}
