"""On a cluster of two workers on this machine; needs Ray, and is left out without it."""

import json
import os
import signal
import threading
import time
from pathlib import Path

import exported_files
import numpy as np
import pytest

from zorki.data.images import write_image
from zorki.engine.prediction.shards.predict_shards import predict_shards
from zorki.engine.prediction.shards.work import ShardSettings
from zorki.errors import RecipeError, ZorkiError

COUNT, SIZE = 200, 4


@pytest.fixture
def photos(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (3, 300, 300), np.uint8)
    write_image(tmp_path / "photos" / "0000.png", noise)
    for number in range(1, COUNT):
        os.link(tmp_path / "photos" / "0000.png", tmp_path / "photos" / f"{number:04}.png")
    (tmp_path / "photos" / "broken.png").write_bytes(b"none")
    return tmp_path / "photos"


@pytest.fixture
def model(tmp_path):
    return exported_files.classifier(tmp_path / "model.onnx")


def workers_below(parent):
    """Ids of the processes that predict, of those that a process has started, itself or by others."""
    parents, found = {}, []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parents[int(folder.name)] = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            name = (folder / "cmdline").read_text()
        except OSError:  # it has ended
            continue
        if "MapWorker" in name and "ShardActor" in name:
            found.append(int(folder.name))

    def is_below(number):
        return number == parent or (number in parents and is_below(parents[number]))

    return [number for number in found if is_below(number)]


def kill_one(out, killed):
    """Kills a worker as soon as some shards are there."""
    while len(written := list(out.glob("part-*.jsonl"))) < 3:
        time.sleep(0.005)
    (victim, *_) = workers_below(os.getpid())
    os.kill(victim, signal.SIGKILL)
    killed.append(len(written))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of Ray Data about itself
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # Ray leaves its processes to themselves
def test_a_worker_is_killed_and_nothing_is_lost_and_nothing_twice(photos, model, tmp_path, monkeypatch):
    ray = pytest.importorskip("ray")
    pytest.importorskip("pyarrow")
    monkeypatch.setenv("RAY_agent_register_timeout_ms", "120000")  # of a busy machine; else 15 seconds
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, configure_logging=False)
    killed = []
    watch = threading.Thread(target=kill_one, args=(tmp_path / "out", killed), daemon=True)
    try:
        watch.start()
        settings = ShardSettings(shard_size=SIZE)
        summary = predict_shards(model, photos, tmp_path / "out", settings, on="ray", workers=2, device="cpu")
        watch.join(10)
        assert killed, "it was killed"
        assert killed[0] < COUNT // SIZE, "in the middle"
        assert (summary.images, summary.failed) == (COUNT, 1)
        shards = sorted((tmp_path / "out").glob("part-*.jsonl"))
        paths = [json.loads(line)["path"] for shard in shards for line in shard.read_text().splitlines()]
        assert paths == [f"{number:04}.png" for number in range(COUNT)]
        again = predict_shards(model, photos, tmp_path / "out", settings, resume=True, on="ray", workers=1)
        assert (again.before, again.images, again.failed) == (COUNT, 0, 1)
    finally:
        ray.shutdown()


def test_what_cannot_be_is_refused(photos, model, tmp_path, monkeypatch):
    with pytest.raises(RecipeError, match="workers is 2; expected at least 1, with on ray"):
        predict_shards(model, photos, tmp_path / "out", workers=2)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ZorkiError, match=r"zorki\[ray\]"):
        predict_shards(model, photos, tmp_path / "out", on="ray")
    assert not (tmp_path / "out").exists()
