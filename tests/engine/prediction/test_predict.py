import json
from itertools import count, islice
from pathlib import Path

import numpy as np
import pytest
import torch
from call_counts import growth
from PIL import Image

import zorki
from zorki.contracts.capabilities import Selection
from zorki.data.images import read_image, write_image
from zorki.engine.api import Run
from zorki.engine.evaluation.results_file import evaluate_file
from zorki.engine.prediction import predict as predict_module
from zorki.engine.prediction.predict import _Work, predict
from zorki.engine.prediction.sources import Source
from zorki.errors import DataError, RecipeError, ZorkiError
from zorki.recipe import Recipe
from zorki.registry import find
from zorki.types import ClassInfo


def untrained(name, class_names, **options):
    torch.manual_seed(0)
    entry = find(name)
    model = entry.build(len(class_names), **options).eval()
    return Run(Path(name), name, entry.task, ClassInfo(tuple(class_names)), Recipe(), {"model": name}, model)


@pytest.fixture
def photos():
    for number in (1, 2):
        write_image(Path(f"photos/{number:03}.png"), torch.randint(0, 256, (3, 80, 120), dtype=torch.uint8))
    return "photos"


def test_detections_are_written_as_results_of_coco_and_evaluated(photos):
    run = untrained("ssd_squeezenet", ["cat", "dog"], image_size=96)
    run.model.min_score = 0.0
    answers = predict(run, photos, out="out")
    entries = json.loads(Path("out/predictions.json").read_text())
    assert len(entries) == sum(len(answer) for answer in answers) > 0
    first = answers[0].annotation
    assert entries[0]["image_id"] == 1
    assert entries[0]["file_name"] == "photos/001.png"
    assert entries[0]["category_name"] == ["cat", "dog"][int(first.labels[0])]
    x, y, width, height = entries[0]["bbox"]
    assert [x, y, x + width, y + height] == pytest.approx(first.xyxy[0].tolist(), abs=0.02)
    # Taken for the ground truth, the detections find themselves, but for the rounding.
    truth = {
        "images": [{"id": number, "file_name": f"{number:03}.png", "height": 80, "width": 120} for number in (1, 2)],
        "categories": [{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}],
        "annotations": [
            {"id": number, **{key: entry[key] for key in ("image_id", "category_id", "bbox")}, "iscrowd": 0}
            for number, entry in enumerate(entries, 1)
        ],
    }
    Path("truth.json").write_text(json.dumps(truth))
    figures = evaluate_file("out/predictions.json", "truth.json").metrics.to_json()
    assert figures["objects"] == figures["detections"] == len(entries)
    assert figures["recall"] == figures["precision"] == 1.0


def test_tasks_without_a_format_of_their_own_write_one_object_a_image(photos):
    predict(untrained("lenet5", ["cat", "dog"]), photos, out="out")
    page = json.loads(Path("out/predictions.json").read_text())
    assert page["task"] == "classification"
    assert [row["source"] for row in page["predictions"]] == ["photos/001.png", "photos/002.png"]


def attaching(run):
    """The run's task with a file of its own for each prediction."""

    class Noting(type(run.task.presentation)):
        def write_files(self, annotation, info, place):
            path = place("notes", ".txt")
            path.parent.mkdir(exist_ok=True)
            path.write_text(info.names[annotation.index])
            return {"note": path, "length": 3}

    class Attaching(type(run.task)):
        presentation = Noting()

    run.task = Attaching()
    return run


def test_tasks_may_write_files_of_their_own_that_nobody_elses_overwrite(photos):
    Path("more").mkdir()
    Path("photos/001.png").rename("more/002.png")
    answers = predict(attaching(untrained("lenet5", ["cat", "dog"])), [photos, "more"], out="out")
    rows = json.loads(Path("out/predictions.json").read_text())["predictions"]
    assert [row["note"] for row in rows] == ["notes/002.txt", "notes/002-2.txt"]
    assert [row["length"] for row in rows] == [3, 3]
    assert [Path("out", row["note"]).read_text() for row in rows] == [row["class_name"] for row in rows]
    assert [answer.files["note"].as_posix() for answer in answers] == ["out/notes/002.txt", "out/notes/002-2.txt"]


def test_a_film_has_files_of_their_own_for_its_frames(tmp_path):
    pytest.importorskip("av")
    from zorki.engine.prediction.video import VideoWriter

    with VideoWriter(tmp_path / "film.mp4") as video:
        for _ in range(2):
            video.write(torch.zeros((3, 32, 32), dtype=torch.uint8))
    predict(attaching(untrained("lenet5", ["cat", "dog"])), "film.mp4", out="out")
    rows = json.loads(Path("out/predictions.json").read_text())["predictions"]
    assert [row["note"] for row in rows] == ["notes/film-000000.txt", "notes/film-000001.txt"]


# -- streams, sources in memory, folders --


@pytest.fixture
def classifier():
    return untrained("lenet5", ["cat", "dog"])


def frames_of(count, side=32):
    return (np.full((side, side, 3), 20 * number, np.uint8) for number in range(count))


def test_a_stream_holds_no_more_than_it_works_on(classifier):
    taken = []

    def camera():
        for number in count():
            taken.append(number)
            yield np.full((32, 32, 3), number % 256, np.uint8)

    results = classifier.predict(camera(), stream=True)
    assert not taken, "nothing is read before it is asked for"
    for number, result in enumerate(islice(results, 5)):
        assert result.frame == number
        assert (result.image == number).all(), "the frame itself is at hand"
        assert len(taken) == number + 1, "live sources are predicted frame by frame"
    results.close()


def test_sources_without_an_end_need_a_stream(classifier):
    for source in (0, "rtsp://127.0.0.1/a", frames_of(3)):
        with pytest.raises(RecipeError, match="has no end: say stream=True"):
            classifier.predict(source)
    # Settings are checked at once, not when the first result is asked for.
    with pytest.raises(RecipeError, match=r"conf is 3; expected 0 to 1"):
        classifier.predict(0, stream=True, conf=3)


def test_images_in_memory_are_predicted_as_their_files_are(classifier, photos):
    paths = sorted(Path(photos).iterdir())
    arrays = [np.array(Image.open(path)) for path in paths]
    wanted = [result.annotation.scores.tolist() for result in classifier.predict(photos)]
    for sources in (arrays, [Image.open(path) for path in paths], [read_image(path) for path in paths]):
        results = classifier.predict(sources)
        assert [result.annotation.scores.tolist() for result in results] == wanted
        assert all(np.array_equal(result.image, array) for result, array in zip(results, arrays, strict=True))
    (turned,) = classifier.predict(arrays[0][:, :, ::-1], bgr=True)
    assert turned.annotation.scores.tolist() == wanted[0]
    assert turned.path == "image 1"
    results = zorki.predict(classifier, [*arrays, *paths], out="out")
    assert [result.drawn.name for result in results] == ["image-1.png", "image-2.png", "001.png", "002.png"]


def test_a_list_of_frames_reads_their_images_again(classifier):
    pytest.importorskip("av")
    from zorki.engine.prediction.video import VideoWriter

    with VideoWriter(Path("film.mp4")) as video:
        for image in frames_of(4):
            video.write(torch.from_numpy(image).permute(2, 0, 1))
    results = classifier.predict("film.mp4", max_frames=3)
    assert [(result.frame, round(float(result.image.mean()) / 20)) for result in results] == [(0, 0), (1, 1), (2, 2)]
    assert "film.mp4 frame 2" in repr(results[2])


def test_a_stream_that_is_left_keeps_what_was_written(classifier, capsys):
    pytest.importorskip("av")
    from zorki.engine.prediction.video import frames

    results = classifier.predict(frames_of(9), stream=True, out="out")
    assert [result.frame for result in islice(results, 3)] == [0, 1, 2]
    results.close()
    page = json.loads(Path("out/predictions.json").read_text())
    assert [row["frame"] for row in page["predictions"]] == [0, 1, 2]
    assert len(list(frames(Path("out/frames-1.mp4")))) == 3
    assert capsys.readouterr().out == "3 predictions in out\n"
    assert not [path for path in Path("out").iterdir() if "part" in path.name]


def test_frames_that_a_live_stream_dropped_are_filled_in_its_video(classifier, monkeypatch):
    pytest.importorskip("av")
    from zorki.engine.prediction.video import TimedFrame, frames

    shown = [TimedFrame(number, number / 25, np.full((3, 32, 32), 20 * number, np.uint8)) for number in (0, 3, 5)]
    monkeypatch.setattr(Source, "timed_frames", lambda *_, **__: (item for item in shown))
    assert [result.frame for result in classifier.predict(0, stream=True, out="out")] == [0, 3, 5]
    means = [round(float(image[:, :30].float().mean()) / 20) for _, image in frames(Path("out/camera-0.mp4"))]
    assert len(means) == 6


def test_what_comes_to_nothing_leaves_no_folder(classifier):
    Path("broken.png").write_bytes(b"no image")
    with pytest.raises(DataError):
        classifier.predict("broken.png", out=True)
    with pytest.raises(RecipeError, match="nothing that moves"):
        classifier.predict("broken.png", out="own/folder", smooth="one-euro")
    assert not Path("runs").exists()
    assert not Path("own").exists()


def test_nothing_is_written_over_anything(classifier, photos):
    for number in (1, 2):
        classifier.predict(photos, out=True, quiet=True)
        assert json.loads(Path(f"runs/predict-{number}/predictions.json").read_text())["predictions"]
    with pytest.raises(ZorkiError, match=r"runs/predict-2: holds files already, and nothing is written over anything"):
        classifier.predict(photos, out="runs/predict-2")
    Path("empty").mkdir()
    assert len(classifier.predict(photos, out="empty")) == 2
    before = sorted(Path().rglob("*"))
    classifier.predict(photos)
    assert sorted(Path().rglob("*")) == before, "where nothing is asked for nothing is written"


def test_a_score_that_is_asked_for_is_shown_too(photos):
    run = untrained("ssd_squeezenet", ["cat", "dog"], image_size=96)
    every = run.predict(photos, conf=0.0, max_det=50)[0]
    assert len(every) == len(every.shown()) == 50
    score = every[10].score
    for results in (run.predict(photos, conf=score), [every.filter(score=score)]):
        assert len(results[0]) == len(results[0].shown()) > 0
        assert min(row.score for row in results[0]) >= score
    only = run.predict(photos, conf=0.0, classes="dog", max_det=3)[0]
    assert [row.name for row in only] == ["dog"] * 3


def test_what_was_written_has_keys_for_machines(classifier, photos):
    classifier.predict(photos, out="out")
    page = json.loads(Path("out/predictions.json").read_text())
    assert list(page) == ["runs", "task", "class_names", "predictions", "defects"]
    keys = ["source", "height", "width", "drawn", "label", "class_name", "score", "top"]
    assert [list(row) for row in page["predictions"]] == [keys] * 2
    assert list(page["predictions"][0]["top"][0]) == ["class_name", "score"]
    assert page["defects"] == []


def test_many_images_of_one_name_are_placed_at_a_cost_that_grows_as_they_do():
    def placing(count):
        work = _Work(
            [], [], ClassInfo(("a",)), Selection(), "cpu", None, None, None, None, False, print, out=Path("out")
        )

        def place():
            names = [work.place("1.jpg").name for _ in range(count)]
            assert names == ["1.jpg", *(f"1-{number}.jpg" for number in range(2, count + 1))]

        return place

    assert growth(placing) < 6


# -- what fails costs itself alone --


def failing(run, where):
    """The run, whose presentation draws no image that is wider than `where`."""

    class Limited(type(run.task.presentation)):
        def draw(self, image, annotation, info):
            if image.shape[-1] > where:
                raise OSError("broken data stream when writing image file")
            return super().draw(image, annotation, info)

    class Task(type(run.task)):
        presentation = Limited()

    run.task = Task()
    return run


def test_a_drawing_that_fails_costs_itself_alone(classifier, photos, capsys):
    write_image(Path("photos/wide.png"), torch.zeros((3, 8, 300), dtype=torch.uint8))
    results = failing(classifier, 200).predict(photos, out="out")
    page = json.loads(Path("out/predictions.json").read_text())
    assert [row["drawn"] for row in page["predictions"]] == ["001.png", "002.png", None]
    assert [result.drawn is None for result in results] == [False, False, True]
    reason = "photos/wide.png: broken data stream when writing image file"
    assert page["defects"] == [reason]
    assert f"predicted, but not drawn: {reason}" in capsys.readouterr().out


def test_a_drawing_too_long_for_jpeg_is_a_png(classifier):
    write_image(Path("long.png"), torch.zeros((3, 1, 65_501), dtype=torch.uint8))
    write_image(Path("a.png"), torch.zeros((3, 8, 300), dtype=torch.uint8))
    results = classifier.predict(["long.png", "a.png"], out="out")
    assert [result.drawn.suffix for result in results] == [".png", ".jpg"]
    assert results[0].save("drawings/").suffix == ".png"


def test_an_image_on_which_the_network_fails_costs_itself_alone(classifier, photos, monkeypatch, capsys):
    """One batch holds all three."""
    write_image(Path("photos/wide.png"), torch.zeros((3, 8, 300), dtype=torch.uint8))
    preprocess = type(classifier.model.preprocess)
    plain = preprocess.__call__

    def narrow(self, images, *more):
        if any(image.shape[-1] > 200 for image in images):
            raise RuntimeError("Output size is too small\nsomewhere in C++")
        return plain(self, images, *more)

    monkeypatch.setattr(preprocess, "__call__", narrow)
    results = classifier.predict(photos, out="out")
    assert [Path(result.path).name for result in results] == ["001.png", "002.png"]
    reason = "wide.png: the network fails on this image of 300 x 8 pixels: Output size is too small"
    assert f"left out: photos/{reason}\n" in capsys.readouterr().out
    with pytest.raises(ZorkiError, match=reason):
        classifier.predict("photos/wide.png", quiet=True)


def test_a_video_whose_frames_change_their_size_goes_on(classifier):
    pytest.importorskip("av")
    from zorki.engine.prediction.video import frames

    shapes = [(32, 64), (64, 32), (32, 64)]
    stream = (np.full((*shape, 3), 200, np.uint8) for shape in shapes)
    results = list(classifier.predict(stream, stream=True, out="out"))
    assert [(result.height, result.width) for result in results] == shapes
    drawn = [tuple(image.shape) for _, image in frames(Path("out/frames-1.mp4"))]
    assert len(drawn) == 3
    assert len(set(drawn)) == 1


def test_a_video_that_cannot_be_drawn_is_predicted_to_its_end(classifier, capsys):
    pytest.importorskip("av")
    stream = (np.zeros((1, width, 3), np.uint8) for width in (16, 16, 16))
    failing(classifier, 8)
    assert len(list(classifier.predict(stream, stream=True, out="out"))) == 3
    assert "predicted, but not drawn: frames 1: " in capsys.readouterr().out
    assert [path.name for path in Path("out").iterdir()] == ["predictions.json"]


def test_json_takes_names_that_are_no_text(classifier):
    image = Image.new("RGB", (40, 40))
    name = b"caf\xe9.png".decode("utf-8", "surrogateescape")
    try:
        image.save(name)
    except (OSError, UnicodeError):
        pytest.skip("this file system takes no such name")
    classifier.predict(name, out="out", quiet=True)
    page = json.loads(Path("out/predictions.json").read_text(encoding="utf-8"))
    assert page["predictions"][0]["source"] == name


@pytest.mark.parametrize("name", ["lenet5", "ssd_squeezenet"])
def test_a_batch_too_large_to_be_held_is_predicted_the_same(name, photos, monkeypatch, capsys):
    for number, size in enumerate([(30, 90), (64, 20), (50, 50)]):
        write_image(Path(f"photos/{number}.jpg"), torch.randint(0, 256, (3, *size), dtype=torch.uint8))
    Path("photos/broken.jpg").write_bytes(b"no image")
    run = untrained(name, ["cat", "dog"], **({} if name == "lenet5" else {"image_size": 96}))
    plain = predict(run, photos, out="plain", quiet=True)
    monkeypatch.setattr(predict_module, "MAX_HELD_PIXELS", 3000)
    monkeypatch.setattr("zorki.data.loading.parts.Parts.__init__.__kwdefaults__", {"most": 3000})
    found = predict(run, photos, out="found", quiet=True)
    assert [result.path for result in found] == [result.path for result in plain]
    for path in Path("plain").iterdir():
        assert Path("found", path.name).read_bytes() == path.read_bytes(), path
    assert [(result.height, result.width) for result in found] == [(result.height, result.width) for result in plain]
    streamed = list(predict(run, photos, stream=True, quiet=True))
    assert all(np.array_equal(one.image, other.image) for one, other in zip(streamed, plain, strict=True))


def test_an_image_that_fails_in_a_large_batch_costs_itself_alone(classifier, photos, monkeypatch, capsys):
    monkeypatch.setattr(predict_module, "MAX_HELD_PIXELS", 1)
    write_image(Path("photos/wide.png"), torch.zeros((3, 8, 300), dtype=torch.uint8))
    preprocess = type(classifier.model.preprocess)
    plain = preprocess.__call__

    def narrow(self, images, *more):
        if any(image.shape[-1] > 200 for image in images):
            raise RuntimeError("Output size is too small")
        return plain(self, images, *more)

    monkeypatch.setattr(preprocess, "__call__", narrow)
    results = classifier.predict(photos)
    assert [Path(result.path).name for result in results] == ["001.png", "002.png"]
    assert "left out: photos/wide.png: the network fails on this image of 300 x 8 pixels" in capsys.readouterr().out


def test_a_run_of_reduced_images_predicts_so_and_shows_whole_ones(photos, capsys):
    pixels = torch.nn.functional.interpolate(torch.rand((1, 3, 9, 12)) * 255, (600, 800), mode="bilinear")[0].byte()
    write_image(Path(photos, "large.jpg"), pixels)
    run, reduced = untrained("lenet5", ["cat", "dog"]), untrained("lenet5", ["cat", "dog"])
    reduced.model.restore_preprocess(reduced.model.preprocess.reduced())
    plain, found = (one.predict(photos, out=out, quiet=True) for one, out in ((run, "plain"), (reduced, "found")))
    held = list(reduced.predict(photos, stream=True, quiet=True))
    for one, other, streamed in zip(plain, found, held, strict=True):
        assert one.to_json()["source"] == other.to_json()["source"]
        assert (one.height, one.width) == (other.height, other.width) == (streamed.height, streamed.width)
        assert np.array_equal(one.image, other.image)
        assert np.array_equal(one.image, streamed.image)
        assert torch.equal(other.annotation.scores, streamed.annotation.scores)
        is_large = one.path.endswith("large.jpg")
        assert torch.equal(one.annotation.scores, other.annotation.scores) != is_large
        assert torch.allclose(one.annotation.scores, other.annotation.scores, atol=0.01)
        assert read_image(other.drawn).shape == read_image(one.drawn).shape
    assert len(found) == 3
