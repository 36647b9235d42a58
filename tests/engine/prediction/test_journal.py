import json
import signal
from itertools import count, islice
from pathlib import Path

import pytest
import torch

from zorki.cli import main
from zorki.data.images import write_image
from zorki.engine.api import Run
from zorki.engine.prediction import predict as prediction
from zorki.engine.prediction.journal import PART
from zorki.errors import RecipeError, ZorkiError
from zorki.recipe import Recipe
from zorki.registry import find
from zorki.types import ClassInfo


def untrained(name, **options):
    torch.manual_seed(0)
    entry = find(name)
    model = entry.build(2, **options).eval()
    return Run(Path(name), name, entry.task, ClassInfo(("cat", "dog")), Recipe(), {"model": name}, model)


@pytest.fixture(scope="module")
def runs():
    detector = untrained("ssd_squeezenet", image_size=96)
    detector.model.min_score = 0.0
    return {"lenet5": untrained("lenet5"), "ssd": detector, "unet": untrained("unet_squeezenet", image_size=64)}


@pytest.fixture
def photos():
    for number in range(3):
        pixels = torch.randint(0, 256, (3, 40, 60), generator=torch.Generator().manual_seed(number), dtype=torch.uint8)
        write_image(Path(f"photos/a/{number}.png"), pixels)
        write_image(Path(f"photos/b/{number}.png"), pixels.flip(2))
    return "photos"


def stop_after(results, number):
    """What Ctrl-C does after so many results."""
    list(islice(results, number))
    with pytest.raises(KeyboardInterrupt):
        results.throw(KeyboardInterrupt())


def content(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in Path(folder).rglob("*.*")}


@pytest.mark.parametrize("name", ["lenet5", "ssd", "unet"])
def test_what_was_stopped_goes_on_to_the_same_files(runs, photos, name, capsys):
    run, settings = runs[name], {"max_det": 3} if name == "ssd" else {}
    run.predict(photos, out="whole", quiet=True, batch_size=1, **settings)  # other batches may round otherwise
    stop_after(run.predict(photos, out="out", stream=True, batch_size=1, **settings), 2)
    assert capsys.readouterr().out == "2 predictions in out; go on with: zorki predict --resume out\n"
    assert json.loads(Path("out/predictions.json").read_text()), "what was done can be read"
    before = {path: path.stat().st_mtime_ns for path in Path("out").rglob("*.png")}
    results = run.predict(photos, out="out", resume=True, batch_size=1, **settings)
    assert [Path(result.path).relative_to(photos).as_posix() for result in results] == [
        "a/2.png", "b/0.png", "b/1.png", "b/2.png",
    ]  # fmt: skip
    assert content("out") == content("whole")
    assert {path: path.stat().st_mtime_ns for path in before} == before, "no drawing is made twice"
    assert capsys.readouterr().out == "going on: 2 of 6 sources are done\n6 predictions in out\n"


def test_half_a_line_of_what_was_killed_is_predicted_again(runs, photos):
    run = runs["lenet5"]
    run.predict(photos, out="whole", quiet=True, batch_size=1)
    stop_after(run.predict(photos, out="out", stream=True, quiet=True, batch_size=1), 3)
    Path("out/predictions.json").unlink()
    part = Path("out", PART)
    part.write_bytes(part.read_bytes()[:-9])
    assert len(run.predict(photos, out="out", resume=True, quiet=True, batch_size=1)) == 4
    assert content("out") == content("whole")


def test_another_command_does_not_go_on(runs, photos):
    run = runs["ssd"]
    stop_after(run.predict(photos, out="out", stream=True, quiet=True, conf=0.5), 1)
    before = content("out")
    with pytest.raises(RecipeError, match=rf"{PART}: was begun with conf 0.5, and would go on with 0.6; expected the"):
        run.predict(photos, out="out", resume=True, quiet=True, conf=0.6)
    with pytest.raises(RecipeError, match="was begun with runs"):
        runs["lenet5"].predict(photos, out="out", resume=True, quiet=True)
    assert content("out") == before
    Path("empty").mkdir()
    with pytest.raises(ZorkiError, match="empty: there is nothing to go on with"):
        run.predict(photos, out="empty", resume=True)
    with pytest.raises(RecipeError, match="resume needs the folder"):
        run.predict(photos, resume=True)
    with pytest.raises(RecipeError, match="resume goes on with files"):
        run.predict(torch.zeros((3, 9, 9), dtype=torch.uint8), out="out", resume=True)


def test_what_is_let_go_is_finished_and_what_fails_can_go_on(runs, photos):
    run = runs["lenet5"]
    results = run.predict(photos, out="left", stream=True, quiet=True)
    next(results)
    results.close()
    assert not Path("left", PART).exists()
    Path("photos/a/1.png").write_bytes(b"no image")
    with pytest.raises(ZorkiError, match=r"a/1\.png"):
        run.predict(photos, out="out", strict=True, batch_size=1, quiet=True)
    write_image(Path("photos/a/1.png"), torch.zeros((3, 40, 60), dtype=torch.uint8))
    assert len(run.predict(photos, out="out", strict=True, resume=True, quiet=True)) == 5


def film(path, frames=4):
    pytest.importorskip("av")
    from zorki.engine.prediction.video import VideoWriter

    with VideoWriter(Path(path)) as video:
        for number in range(frames):
            video.write(torch.full((3, 32, 32), 20 * number, dtype=torch.uint8))
    return path


def test_a_video_that_was_not_done_is_redone(runs):
    run, films = runs["lenet5"], [film("a.mp4"), film("b.mp4")]
    run.predict(films, out="whole", batch_size=1, quiet=True)
    stop_after(run.predict(films, out="out", stream=True, batch_size=1, quiet=True), 6)
    again = run.predict(films, out="out", resume=True, batch_size=1, quiet=True)
    assert [result.frame for result in again] == [0, 1, 2, 3]
    assert content("out")["predictions.json"] == content("whole")["predictions.json"]
    assert sorted(content("out")) == sorted(content("whole"))


def test_a_frame_on_which_the_network_fails_ends_its_video_alone(runs, monkeypatch):
    from zorki.engine.prediction.video import frames

    run, films, calls = runs["lenet5"], [film("a.mp4"), film("b.mp4")], count()
    plain = prediction._predict

    def failing(work, images):
        if next(calls) == 2:
            raise RuntimeError("of C++")
        return plain(work, images)

    monkeypatch.setattr(prediction, "_predict", failing)
    results = run.predict(films, out="out", strict=False, batch_size=1, quiet=True)
    assert [(result.path, result.frame) for result in results] == [
        ("a.mp4", 0), ("a.mp4", 1), *(("b.mp4", number) for number in range(4)),
    ]  # fmt: skip
    page = json.loads(Path("out/predictions.json").read_text())
    assert page["defects"] == ["a.mp4: frame 2: the network fails on this image of 32 x 32 pixels: of C++"]
    assert {row["drawn"] for row in page["predictions"]} == {"a.mp4", "b.mp4"}
    assert len(list(frames(Path("out/a.mp4")))) == 2


def test_a_drawn_video_that_fails_is_named_nowhere(runs, monkeypatch):
    from zorki.engine.prediction.video import VideoWriter
    from zorki.errors import DataError

    plain, calls = VideoWriter.write, count()

    def failing(self, image):
        if next(calls) == 2:
            raise DataError("cannot be encoded")
        plain(self, image)

    name = film("a.mp4")
    monkeypatch.setattr(VideoWriter, "write", failing)
    results = runs["lenet5"].predict(name, out="out", quiet=True)
    assert [result.drawn for result in results] == [None] * 4
    rows = json.loads(Path("out/predictions.json").read_text())["predictions"]
    assert [row["drawn"] for row in rows] == [None] * 4


@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP"])
def test_the_command_line_goes_on_after_a_signal(runs, photos, name, monkeypatch, capsys, request):
    monkeypatch.setattr("zorki.engine.run.open.open_all", lambda *_, **__: [runs["lenet5"]])
    # Under nohup a hang-up is ignored, and stays so.
    outer = signal.signal(getattr(signal, name), signal.SIG_DFL)
    request.addfinalizer(lambda: signal.signal(getattr(signal, name), outer))
    before = signal.getsignal(getattr(signal, name))
    said = count()

    def say(words):
        if next(said) == 2:
            signal.raise_signal(getattr(signal, name))

    with monkeypatch.context() as patch:
        patch.setattr("zorki.cli.predict.say", say)
        with pytest.raises(SystemExit) as end:
            main(["predict", "lenet5", photos, "--out", "out"])
    told = capsys.readouterr()
    assert end.value.code == 130
    assert told.out == "3 predictions in out; go on with: zorki predict --resume out\n"
    assert told.err == f"zorki: stopped by {name}\n"
    with pytest.raises(SystemExit):
        main(["predict", "--resume", "out", "--conf", "0.5"])
    assert "leave out --conf" in capsys.readouterr().err
    main(["predict", "--resume", "out"])
    assert capsys.readouterr().out.endswith("6 predictions in out\n")
    assert signal.getsignal(getattr(signal, name)) == before


def test_one_process_writes_into_a_folder(runs, photos):
    run = runs["lenet5"]
    results = run.predict(photos, out="out", stream=True, batch_size=1, quiet=True)
    next(results)
    lines = Path("out", PART).read_bytes()
    with pytest.raises(ZorkiError, match="out: another process works in this folder"):
        run.predict(photos, out="out", resume=True, quiet=True)
    assert Path("out", PART).read_bytes() == lines
    assert len(list(results)) == 5
