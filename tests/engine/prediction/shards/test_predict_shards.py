import json
from collections import Counter
from pathlib import Path

import exported_files
import numpy as np
import pytest

from zorki.cli import main
from zorki.data.images import write_image
from zorki.engine.prediction.shards.predict_shards import predict_shards
from zorki.engine.prediction.shards.work import ShardSettings, ShardWork
from zorki.errors import DataError, RecipeError, ZorkiError
from zorki.tasks.classification.presentation import ClassificationPresentation

COLORS = ("red", "green", "blue")


@pytest.fixture
def photos(tmp_path):
    """Seven images in three folders, and two files that are none."""
    names = ["a/1.png", "a/2.png", "a-b/1.png", "b.png", "c/x/1.png", "c/x/2.png", "z.png"]
    for number, name in enumerate(names):
        pixels = np.zeros((3, 12, 10 + number), np.uint8)
        pixels[number % 3] = 200
        write_image(tmp_path / "photos" / name, pixels)
    (tmp_path / "photos" / "notes.txt").write_text("no image")
    return tmp_path / "photos"


@pytest.fixture
def model(tmp_path):
    return exported_files.classifier(tmp_path / "model.onnx")


def lines(folder):
    return [json.loads(line) for path in sorted(Path(folder).glob("part-*")) for line in path.read_text().splitlines()]


def names(folder):
    return sorted(path.name for path in Path(folder).iterdir())


def test_shards_hold_each_image_once_in_the_order_of_the_folders(photos, model):
    summary = predict_shards(model, photos, "out", ShardSettings(shard_size=3))
    assert names("out") == ["manifest.json", "part-00000.jsonl", "part-00001.jsonl", "part-00002.jsonl"]
    rows = lines("out")
    expected = ["a/1.png", "a/2.png", "a-b/1.png", "b.png", "c/x/1.png", "c/x/2.png", "z.png"]
    assert [row["path"] for row in rows] == sorted(expected, key=lambda name: name.split("/"))
    assert {row["path"]: row["class_name"] for row in rows} == {
        name: COLORS[number % 3] for number, name in enumerate(expected)
    }
    assert [row["width"] for row in rows if row["path"] == "z.png"] == [16]
    assert (summary.images, summary.before, summary.failed) == (7, 0, 0)


class KilledError(BaseException):
    """What no handler expects, as a kill."""


def kill_after(monkeypatch, count):
    predict = ShardWork.predict

    def killed(work, shard):
        if shard.number >= count:
            raise KilledError
        return predict(work, shard)

    monkeypatch.setattr(ShardWork, "predict", killed)


@pytest.mark.parametrize("whole", [0, 1, 2])
def test_what_was_killed_goes_on_to_the_same_shards(photos, model, monkeypatch, whole):
    settings = ShardSettings(shard_size=3)
    predict_shards(model, photos, "once", settings)
    with monkeypatch.context() as patch:
        kill_after(patch, whole)
        with pytest.raises(KilledError):
            predict_shards(model, photos, "out", settings, resume=True)  # begins, where nothing is
    Path("out", f"part-{whole:05d}.jsonl.part").write_text('{"path"')
    kept = {path: path.stat().st_mtime_ns for path in Path("out").glob("*.jsonl")}
    assert len(kept) == whole
    summary = predict_shards(model, photos, "out", settings, resume=True)
    assert (summary.before, summary.images) == (3 * whole, 7 - 3 * whole)
    assert {path: path.stat().st_mtime_ns for path in kept} == kept
    assert {p.name: p.read_bytes() for p in Path("out").iterdir()} == {
        p.name: p.read_bytes() for p in Path("once").iterdir()
    }


def test_images_that_came_later_are_predicted_by_resume_and_none_twice(photos, model):
    settings = ShardSettings(shard_size=2)
    predict_shards(model, photos, "out", settings)
    for name in ("a/0.png", "m.png"):
        write_image(photos / name, np.zeros((3, 8, 8), np.uint8))
    (photos / "b.png").unlink()
    summary = predict_shards(model, photos, "out", settings, resume=True)
    assert (summary.before, summary.images) == (7, 2)
    counts = Counter(row["path"] for row in lines("out"))
    assert set(counts.values()) == {1}
    assert {"a/0.png", "m.png", "b.png"} <= set(counts)


def test_a_lost_shard_is_made_again_under_its_number(photos, model):
    predict_shards(model, photos, "out", ShardSettings(shard_size=2))
    before = lines("out")
    Path("out/part-00001.jsonl").unlink()
    predict_shards(model, photos, "out", ShardSettings(shard_size=2), resume=True)
    assert lines("out") == before


def test_errors_stand_apart_and_are_tried_again(photos, model, capsys):
    good = (photos / "b.png").read_bytes()
    (photos / "b.png").write_bytes(good[:40])
    words = ["predict", str(model), str(photos), "--out", "out", "--shard-size", "4", "--resume"]
    with pytest.raises(SystemExit) as end:
        main(words)
    assert end.value.code == 1
    (error,) = [json.loads(line) for line in Path("out/errors.jsonl").read_text().splitlines()]
    assert error["path"] == "b.png"
    assert error["error"]
    assert str(photos) not in error["error"]
    assert len(lines("out")) == 6
    assert "6 images in " in capsys.readouterr().out
    (photos / "b.png").write_bytes(good)
    main(["predict", "--resume", "out"])
    assert sorted(row["path"] for row in lines("out"))[3] == "b.png"
    assert "errors.jsonl" not in names("out")


def test_what_fails_whole_leaves_no_shard(photos, model):
    for path in photos.rglob("*.png"):
        path.write_bytes(b"")
    summary = predict_shards(model, photos, "out", quiet=True)
    assert (summary.images, summary.failed) == (0, 7)
    assert names("out") == ["errors.jsonl", "manifest.json"]


def test_another_model_or_setting_is_refused_in_one_sentence(photos, model, tmp_path):
    predict_shards(model, photos, "out", ShardSettings(conf=0.2))
    other = exported_files.classifier(tmp_path / "other.onnx", model="another")
    for run, source, settings, word in [
        (model, photos, ShardSettings(conf=0.3), "conf 0.2"),
        (model, photos, ShardSettings(conf=0.2, shard_size=5), "shard_size 1000"),
        (model, photos / "a", ShardSettings(conf=0.2), "source "),
        (other, photos, ShardSettings(conf=0.2), "model 'by_hand'"),
    ]:
        with pytest.raises(RecipeError, match="was begun with " + word):
            predict_shards(run, source, "out", settings, resume=True)
    moved = tmp_path / "moved.onnx"
    model.rename(moved)
    assert predict_shards(moved, photos, "out", ShardSettings(conf=0.2), resume=True).before == 7


def refused(capsys, *words):
    with pytest.raises(SystemExit) as end:
        main(["predict", *map(str, words)])
    assert end.value.code == 2
    return capsys.readouterr().err


def test_what_cannot_be_is_refused_before_anything_is_written(photos, model, tmp_path, capsys):
    new = tmp_path / "new"
    asked = (model, photos, "--out", new, "--format", "jsonl")
    assert "shard_size is 0; expected at least 1 image" in refused(capsys, *asked, "--shard-size", 0)
    assert "batch_size is 0" in refused(capsys, *asked, "--batch-size", 0)
    assert "--smooth is of videos" in refused(capsys, *asked, "--smooth", "one-euro")
    assert "in a folder: zorki predict" in refused(capsys, model, photos, "--format", "jsonl")
    assert "in a folder: zorki predict" in refused(capsys, model, photos, "--resume")
    assert "--strict goes without shards" in refused(capsys, *asked, "--strict")
    (tmp_path / "empty").mkdir()
    assert "no image in this folder" in refused(capsys, model, tmp_path / "empty", "--out", new, "--format", "jsonl")
    assert "it is a file; shards are made of" in refused(capsys, model, photos / "b.png", "--out", new, "--resume")
    assert "there is no such file or folder" in refused(capsys, model, "nowhere", "--out", new, "--resume")
    assert "lies in" in refused(capsys, model, photos, "--out", photos / "out", "--format", "jsonl")
    assert not new.exists()
    file = tmp_path / "file"
    file.write_text("")
    assert "is a file; expected a new folder" in refused(capsys, model, photos, "--out", file, "--format", "jsonl")
    assert "expected a folder" in refused(capsys, model, photos, "--out", file, "--resume")
    assert "could not be written" in refused(capsys, model, photos, "--out", file / "below", "--format", "jsonl")
    full = tmp_path / "full"
    full.mkdir()
    (full / "mine.txt").write_text("")
    assert "holds files already" in refused(capsys, model, photos, "--out", full, "--format", "jsonl")
    assert "no manifest.json; name a new folder" in refused(capsys, model, photos, "--out", full, "--resume")
    assert names(full) == ["mine.txt"]


def test_a_shard_that_is_none_is_named_with_its_line(photos, model):
    predict_shards(model, photos, "out", ShardSettings(shard_size=4))
    shard = Path("out/part-00000.jsonl")
    shard.write_text(shard.read_text().splitlines()[0] + '\n{"path": 3}\n')
    with pytest.raises(DataError, match=r"part-00000.jsonl:2: .*remove it, and go on"):
        predict_shards(model, photos, "out", ShardSettings(shard_size=4), resume=True)


def test_videos_are_passed_over_and_told(photos, model, capsys):
    (photos / "film.mp4").write_bytes(b"")
    predict_shards(model, photos, "out")
    assert "1 video was passed over" in capsys.readouterr().out


def test_parquet_without_pyarrow_is_one_sentence(photos, model, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    with pytest.raises(ZorkiError, match=r"--format parquet needs pyarrow.*JSON Lines"):
        predict_shards(model, photos, "out", ShardSettings(format="parquet"))
    assert not Path("out").exists()


def test_parquet_holds_the_same(photos, model):
    pytest.importorskip("pyarrow")
    from pyarrow import parquet

    predict_shards(model, photos, "lines", ShardSettings(shard_size=4))
    predict_shards(model, photos, "out", ShardSettings(shard_size=4, format="parquet"))
    rows = [row for path in sorted(Path("out").glob("*.parquet")) for row in parquet.read_table(path).to_pylist()]
    found = [
        {"path": r["path"], "height": r["height"], "width": r["width"], **json.loads(r["prediction"])} for r in rows
    ]
    assert found == lines("lines")
    assert [row["rows"][0]["name"] for row in rows] == [row["class_name"] for row in lines("lines")]
    assert predict_shards(model, photos, "out", ShardSettings(shard_size=4, format="parquet"), resume=True).before == 7


def test_files_of_the_task_stand_beside_the_shards_under_the_paths_of_the_images(photos, model, monkeypatch):
    def write_note(presentation, annotation, info, place):
        path = place("notes", ".txt")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(info.names[annotation.index])
        return {"note": path, "length": 3}

    monkeypatch.setattr(ClassificationPresentation, "write_files", write_note)
    predict_shards(model, photos, "out", quiet=True)
    rows = lines("out")
    assert [row["note"] for row in rows][:3] == ["notes/a/1.png.txt", "notes/a/2.png.txt", "notes/a-b/1.png.txt"]
    assert [Path("out", row["note"]).read_text() for row in rows] == [row["class_name"] for row in rows]
    assert {row["length"] for row in rows} == {3}
