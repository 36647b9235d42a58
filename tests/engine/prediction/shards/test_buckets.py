import json

import exported_files
import numpy as np
import pytest

from zorki.cli import main
from zorki.data.images import encode_image
from zorki.engine.prediction.shards.buckets import AHEAD, Bucket, without_password
from zorki.engine.prediction.shards.predict_shards import predict_shards
from zorki.engine.prediction.shards.store import is_address, open_images
from zorki.engine.prediction.shards.work import ShardSettings
from zorki.errors import DataError, RecipeError, ZorkiError

fsspec = pytest.importorskip("fsspec")


@pytest.fixture
def bucket():
    """A bucket in memory with four images in folders, one that is broken, and files that are none."""
    files = fsspec.filesystem("memory")
    png = encode_image(np.full((3, 9, 11), 200, np.uint8), "png")
    for name in ("photos/b/2.png", "photos/b/1.png", "photos/a.png", "photos/c/d/e.png"):
        files.pipe_file(f"/{name}", png)
    files.pipe_file("/photos/c/broken.png", png[:30])
    files.pipe_file("/photos/.hidden/1.png", png)
    files.pipe_file("/photos/notes.txt", b"none")
    files.pipe_file("/photos/film.mp4", b"none")
    yield files
    files.store.clear()
    files.pseudo_dirs[:] = [""]


@pytest.fixture
def model(tmp_path):
    return exported_files.classifier(tmp_path / "model.onnx")


def lines(bucket, folder):
    shards = sorted(path for path in bucket.ls(folder, detail=False) if "/part-" in path)
    return [json.loads(line) for path in shards for line in bucket.cat_file(path).splitlines()]


def test_images_come_in_the_order_of_their_folders(bucket):
    store = open_images("memory://photos/")
    assert list(store.images()) == ["a.png", "b/1.png", "b/2.png", "c/broken.png", "c/d/e.png"]
    assert store.videos == 1


def test_a_bucket_goes_into_a_bucket_and_on_after_a_stop(bucket, model):
    settings = ShardSettings(shard_size=2)
    summary = predict_shards(model, "memory://photos", "memory://out/shards", settings)
    assert (summary.images, summary.failed) == (4, 1)
    assert [row["path"] for row in lines(bucket, "/out/shards")] == ["a.png", "b/1.png", "b/2.png", "c/d/e.png"]
    (error,) = [json.loads(line) for line in bucket.cat_file("/out/shards/errors.jsonl").splitlines()]
    assert error["path"] == "c/broken.png"
    assert "zorki-" not in error["error"]
    bucket.rm_file("/out/shards/part-00001.jsonl")
    with pytest.raises(ZorkiError, match="holds files already"):
        predict_shards(model, "memory://photos", "memory://out/shards", settings)
    summary = predict_shards(model, "memory://photos", "memory://out/shards", settings, resume=True)
    assert (summary.before, summary.images, summary.failed) == (3, 1, 1)
    assert sorted(row["path"] for row in lines(bucket, "/out/shards")) == ["a.png", "b/1.png", "b/2.png", "c/d/e.png"]


def test_the_command_takes_addresses_and_goes_on_with_one(bucket, model, tmp_path, capsys):
    bucket.rm_file("/photos/c/broken.png")
    main(["predict", str(model), "memory://photos", "--out", "memory://out"])
    assert "4 images in memory://out" in capsys.readouterr().out
    main(["predict", "--resume", "memory://out"])
    assert "0 images in memory://out; 4 were there" in capsys.readouterr().out
    main(["predict", str(model), "memory://photos", "--out", str(tmp_path / "here")])
    assert (tmp_path / "here" / "part-00000.jsonl").read_bytes() == bucket.cat_file("/out/part-00000.jsonl")


def test_what_is_not_there_or_not_known_is_one_sentence(bucket, model):
    with pytest.raises(DataError, match="memory://nowhere: nothing lies there"):
        predict_shards(model, "memory://nowhere", "memory://out")
    with pytest.raises(DataError, match=r"nonsense://x: .*; expected an address as s3://"):
        open_images("nonsense://x")
    with pytest.raises(RecipeError, match="memory://photos/out lies in memory://photos"):
        predict_shards(model, "memory://photos", "memory://photos/out")
    assert not bucket.exists("/out")


def test_an_image_that_went_meanwhile_and_a_bucket_that_is_none_are_told(bucket, model, monkeypatch):
    (source,) = Bucket("memory://photos").sources(["gone.png"])
    with pytest.raises(DataError, match=r"^cannot be fetched: "):
        source.array()

    def refuse(files, here, there):
        raise FileNotFoundError("The specified bucket does not exist")

    monkeypatch.setattr(type(bucket), "put_file", refuse)
    with pytest.raises(DataError, match=r"memory://out/manifest\.json: could not be written: The specified bucket"):
        predict_shards(model, "memory://photos", "memory://out")


def test_a_missing_package_names_the_extra(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "s3fs", None)
    with pytest.raises(ZorkiError, match=r"s3://bucket/x: .*zorki\[buckets\]"):
        open_images("s3://bucket/x")


def test_copies_go_and_few_are_fetched_ahead(bucket):
    png = bucket.cat_file("/photos/a.png")
    for number in range(AHEAD + 40):
        bucket.pipe_file(f"/many/{number:04}.png", png)
    store = Bucket("memory://many")
    sources = store.sources(store.images())
    first = next(sources)
    folder = first.path.parent
    assert first.array().shape == (3, 9, 11)
    assert len(list(folder.iterdir())) <= AHEAD + 1
    store.release(first)
    for source in sources:
        store.release(source)
    assert list(folder.iterdir()) == []


def test_passwords_stay_out_of_addresses_and_messages(monkeypatch):
    assert without_password("sftp://ann:secret@host/x?sig=1") == "sftp://ann@host/x"
    assert without_password("s3://bucket/a@b:c") == "s3://bucket/a@b:c"

    def refuse(address, **options):
        raise OSError(f"no route to {address}")

    monkeypatch.setattr("fsspec.core.url_to_fs", refuse)
    with pytest.raises(DataError) as error:
        open_images("sftp://ann:secret@host/x")
    assert "secret" not in str(error.value)


def test_addresses_of_cameras_and_pages_are_none_of_buckets():
    assert is_address("s3://bucket/x")
    assert not any(is_address(place) for place in ("https://x.org/a.jpg", "rtsp://10.0.0.7/live", "a/b", "c:/x"))


def test_names_that_lead_out_are_not_fetched():
    (source,) = Bucket("memory://photos").sources(["a/../../x.png"])
    with pytest.raises(DataError, match="leads out of the folder"):
        source.array()
