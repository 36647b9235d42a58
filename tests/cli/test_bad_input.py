"""Every kind of bad input ends with one clear message, exit code 2 and no traceback; nothing is half-written."""

import io
import json
import re
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import pytest
import torch
from PIL import Image

from zorki.cli import VERBS, main
from zorki.data.scenes.dataset import SceneClassification


def run(*words):
    """Exit code, what was printed, and what was complained of."""
    out, err = io.StringIO(), io.StringIO()
    code = 0
    with redirect_stdout(out), redirect_stderr(err):
        try:
            main([str(word) for word in words])
        except SystemExit as end:
            code = end.code or 0
    assert "Traceback" not in err.getvalue()
    return code, out.getvalue(), err.getvalue()


def refused(*words):
    code, _, err = run(*words)
    assert code == 2, err
    assert err.startswith("zorki: ")
    return " ".join(err.split())


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    root = tmp_path_factory.mktemp("photos") / "data"
    SceneClassification(200, size=(32, 32)).write_folders(root)
    return root


@pytest.fixture(scope="module")
def trained(photos, tmp_path_factory):
    out = tmp_path_factory.mktemp("runs")
    code, _, err = run("train", "lenet5", photos, "--epochs", 1, "--batch-size", 16, "--workers", 0, "--out", out)
    assert code == 0, err
    return out / "lenet5-1"


def test_a_misspelt_model_verb_or_flag(photos):
    assert "Did you mean resnet18" in refused("train", "resnet81", photos)
    assert 'Did you mean "train"?' in refused("tarin", "lenet5", photos)
    assert "--epochs" in refused("train", "lenet5", photos, "--epoch", 3)
    assert "rotate is 200" in refused("train", "lenet5", photos, "--rotate", 200)
    assert "no task is named" in refused("show", photos, "--task", "classificaton")
    assert "written as .png, .jpg or .jpeg, not as '.gif'" in refused("show", photos, "--out", "sheet.gif")
    Path("film.mp4").write_bytes(b"\0no settings\0")
    assert "film.mp4: the format of the data was not recognized" in refused("show", "film.mp4")
    assert "takes no 'depht'" in refused("train", "lenet5", photos, "--options.depht", 3)
    assert not Path("runs").exists()


@pytest.mark.parametrize("verb", sorted(VERBS))
def test_an_unknown_flag_is_one_message_before_words_and_behind_them(verb):
    needed = {
        "bench": ["--models", "m"], "convert": ["--to", "coco", "--out", "new"], "tune": ["--over", "lr"],
    }.get(verb, [])  # fmt: skip
    before = [] if verb in ("tasks", "env", "models", "demo") else ["one", "two"]  # which take fewer words
    for words in (["--nonsense", "3"], [*before, *needed, "--nonsense", "3"], [*before, *needed, "--nonsense=3"]):
        assert f"zorki {verb} has no flag --nonsense." in refused(verb, *words)


def test_words_that_are_one_too_many_or_no_pair():
    assert "zorki track takes no further word, and c.mp4 is one" in refused("track", "a", "b", "c.mp4")
    assert "--where expects a name behind a point, and its value, such as --where.name red." in refused(
        "search", "index", "new.png", "--where", "name=red"
    )


def test_data_that_are_not_there(photos):
    message = refused("train", "lenet5", photos.parent / "dat")
    assert "Did you mean" in message
    assert "data" in message


def test_a_folder_without_a_image(tmp_path):
    (tmp_path / "empty").mkdir()
    assert "no image" in refused("train", "lenet5", tmp_path / "empty").lower()


def test_one_class_only(photos, tmp_path):
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "disc").symlink_to(photos / "train" / "disc")
    message = refused("train", "lenet5", tmp_path / "one")
    assert "only one class has training images (disc)" in message
    assert "expected at least two" in message


def broken_copy(photos, root):
    """Each class of `photos`, and four broken images among them."""
    import shutil

    shutil.copytree(photos, root)
    folder = root / "train" / "disc"
    (folder / "zero.png").write_bytes(b"")
    good = next(folder.glob("*.png")).read_bytes()
    (folder / "cut.png").write_bytes(good[: len(good) // 2])
    (folder / "text.jpg").write_text("not an image")
    wide = Image.new("1", (30_000, 30_000))
    wide.save(folder / "huge.png")
    return root


def test_broken_images_are_counted_listed_and_left_out(photos, tmp_path):
    root = broken_copy(photos, tmp_path / "data")
    code, out, _ = run("show", root, "--out", tmp_path / "sheet.png", "--json", tmp_path / "facts.json")
    assert code == 0
    facts = json.loads((tmp_path / "facts.json").read_text())
    assert len(facts["defects"]) == 4
    for name in ("zero.png", "cut.png", "text.jpg", "huge.png"):
        assert any(name in defect["path"] for defect in facts["defects"]), name
    assert any(re.search("30000 x 30000|900,000,000|30,000", defect["reason"]) for defect in facts["defects"])
    code, out, err = run("train", "lenet5", root, "--epochs", 1, "--workers", 0, "--out", tmp_path / "runs")
    assert code == 0, err
    assert "4 defects" in out
    page = (tmp_path / "runs" / "lenet5-1" / "report.html").read_text()
    assert all(name in page for name in ("zero.png", "cut.png", "text.jpg", "huge.png"))
    message = refused("train", "lenet5", root, "--strict", "--out", tmp_path / "strict")
    assert "4 defects in all" in message
    assert not (tmp_path / "strict").exists()


def test_a_image_that_breaks_only_when_decoded(photos, tmp_path):
    import shutil

    root = tmp_path / "data"
    shutil.copytree(photos, root)
    victim = next((root / "train" / "ring").glob("*.png"))
    content = bytearray(victim.read_bytes())
    content[60:-20] = bytes(len(content) - 80)  # the frame of the file stays, its pixels are gone
    victim.write_bytes(bytes(content))
    code, _, err = run("train", "lenet5", root, "--epochs", 1, "--workers", 0, "--out", tmp_path / "runs")
    assert code == 0, err
    assert victim.name in (tmp_path / "runs" / "lenet5-1" / "report.html").read_text()


def test_a_label_file_that_names_a_missing_image(photos, tmp_path):
    images = sorted((photos / "train").rglob("*.png"))[:40]
    rows = [f"{path},{path.parent.name}" for path in images]
    (tmp_path / "labels.csv").write_text("\n".join(["path,label", *rows, "gone.png,disc"]))
    code, out, err = run("show", tmp_path / "labels.csv", "--allow-outside", "--out", tmp_path / "sheet.png")
    assert code == 0, err
    assert f"labels.csv:{len(rows) + 2}" in out
    assert "gone.png" in out


def test_a_class_in_val_that_train_lacks(photos, tmp_path):
    import shutil

    shutil.copytree(photos, tmp_path / "data")
    shutil.rmtree(tmp_path / "data" / "train" / "star")
    code, out, _ = run("show", tmp_path / "data", "--out", tmp_path / "sheet.png")
    assert code == 0
    assert "star" in re.split("[0-9] notes?, by kind", out)[1]


def test_a_checkpoint_of_something_else(trained, photos, tmp_path):
    about = json.loads((trained / "run.json").read_text())
    other = tmp_path / "other"
    other.mkdir()
    (other / "run.json").write_text(json.dumps(about | {"task": "telepathy"}))
    assert "task 'telepathy' is not known" in refused("evaluate", other, photos)
    torch.save({"state_dict": {"encoder.weight": torch.zeros(3)}}, tmp_path / "w.pth")
    assert "nothing in this file fits" in refused("evaluate", "lenet5", photos, "--weights", tmp_path / "w.pth")
    (tmp_path / "page.pth").write_text("<html>404</html>")
    assert "page.pth" in refused("evaluate", "lenet5", photos, "--weights", tmp_path / "page.pth")

    class Evil:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "touched",))

    torch.save({"state_dict": Evil()}, tmp_path / "evil.pth")
    refused("evaluate", "lenet5", photos, "--weights", tmp_path / "evil.pth")
    assert not (tmp_path / "touched").exists()


def test_runs_that_are_none(trained, photos):
    assert f"Did you mean {trained.name}?" in refused("train", "--resume", trained.parent / "lenet5-2")
    assert "neither a run's folder nor a model's name" in refused("evaluate", "runs/nothing", photos)
    assert "model without weights" in refused("evaluate", "lenet5", photos)
    assert "expected a run's folder" in refused("train", "--resume", trained.parent)
    assert "a run on a hub has no checkpoint to go on with" in refused("train", "--resume", "hf://ann/bees")
    assert "expected hf://OWNER/NAME" in refused("predict", "hf://bees", "a.jpg")
    assert "leave out --recipe" in refused("train", "--resume", trained, "--recipe", "recipe.yaml")
    assert "its data must be named" in refused("evaluate", "lenet5", "--weights", trained)
    assert "--lr: would change the training" in refused("train", "--resume", trained, "--lr", 0.3)
    assert "have no split 'tset'" in refused("evaluate", trained, photos, "--split", "tset")


def test_other_classes_than_the_runs(trained, photos, tmp_path):
    import shutil

    shutil.copytree(photos, tmp_path / "data")
    (tmp_path / "data" / "test" / "disc").rename(tmp_path / "data" / "test" / "saucer")
    assert "saucer" in refused("evaluate", trained, tmp_path / "data")


def test_a_full_disk_during_a_checkpoint_leaves_the_run_resumable(photos, tmp_path, monkeypatch):
    import errno

    from zorki.engine.run import checkpoints

    real, calls = torch.save, []

    def save(state, path):
        calls.append(path)
        if len(calls) == 2:
            Path(path).write_bytes(b"half")
            raise OSError(errno.ENOSPC, "No space left on device")
        real(state, path)

    monkeypatch.setattr(checkpoints.torch, "save", save)
    words = ("train", "lenet5", photos, "--epochs", 3, "--batch-size", 16, "--workers", 0, "--out", tmp_path / "runs")
    message = refused(*words)
    assert "the disk is full" in message
    assert f"zorki train --resume {tmp_path / 'runs' / 'lenet5-1'}" in message
    monkeypatch.setattr(checkpoints.torch, "save", real)
    code, out, err = run("train", "--resume", tmp_path / "runs" / "lenet5-1")
    assert code == 0, err
    assert "epoch   3/3" in out


def test_prediction_of_things_that_cannot_be(trained, tmp_path):
    assert "expected at least one source" in refused("predict", trained)
    assert "Classifier predicts for a whole image" in refused("predict", trained, "a.jpg", "--tile", 64)
    assert "Classifier predicts for a whole image" in refused("evaluate", trained, "--tile", 64)
    assert "tile is 0; expected at least 1 pixel" in refused("predict", trained, "a.jpg", "--tile", 0)
    assert "there are no tiles to overlap" in refused("predict", trained, "a.jpg", "--overlap", 8)
    refused("predict", trained, tmp_path / "nothing.jpg", "--out", tmp_path / "out")
    (tmp_path / "bad.jpg").write_bytes(b"")
    refused("predict", trained, tmp_path / "bad.jpg", "--out", tmp_path / "out")
    assert not (tmp_path / "out" / "predictions.json").exists()


def test_a_typed_flag_goes_before_a_recipe_even_with_the_defaults_value():
    from zorki.cli.flags.recipe import Flags, given_settings

    assert given_settings(Flags()) == {}
    assert given_settings(Flags(scheduler="one-cycle", strict=False)) == {"scheduler": "one-cycle", "strict": False}


def test_settings_that_this_machine_cannot_serve(photos):
    message = refused("train", "lenet5", photos, "--device", "gpu")
    assert "device is 'gpu'; expected cpu, cuda, mps, or one of several GPUs" in message
    if not torch.cuda.is_available():
        assert "PyTorch finds none here" in refused("train", "lenet5", photos, "--device", "cuda")
    assert "say bf16 or 32" in refused("train", "lenet5", photos, "--device", "cpu", "--precision", "16")
    assert "batch_size is 0" in refused("predict", "lenet5", "a.jpg", "--batch-size", 0)
    assert not Path("runs").exists()


@pytest.mark.parametrize("settings", [{"patience": 3}, {"scheduler": "plateau"}])
def test_what_watches_validation_needs_validation(settings):
    from zorki import registry
    from zorki.engine.data_check import Survey
    from zorki.engine.training.checks import check_validation
    from zorki.errors import RecipeError
    from zorki.recipe import Recipe

    tasks, recipe, whole = registry.tasks(), Recipe(**settings), Survey({"train": [0, 1], "val": [2]}, [])
    check_validation(whole, recipe, tasks["classification"])
    with pytest.raises(RecipeError, match="watches validation, but the data have no validation image"):
        check_validation(Survey({"train": [0, 1], "val": []}, []), recipe, tasks["classification"])
    with pytest.raises(RecipeError, match="watches validation, but pretraining keeps its last weights"):
        check_validation(whole, recipe, tasks["pretraining"])


def test_outputs_that_cannot_be_written_are_refused_before_the_work(trained, photos, monkeypatch):
    from zorki.engine.checks import check

    monkeypatch.setattr(check, "check", None)
    Path("file").write_text("x")
    assert "file is a file" in refused("check", photos, "--json", "file/below.json")
    assert "file: is a file; expected a new folder" in refused("check", photos, "--out", "file")
    assert "file is a file" in refused("compare", trained, trained, "--json", "file/below.json")
    for flag, value in (("--images", 0), ("--seconds", -1), ("--seconds", "nan"), ("--threads", 0)):
        assert f"{flag[2:]} is {value}" in refused("compare", trained, trained, flag, value)
    assert not Path("runs").exists()


def test_data_in_the_place_of_a_model(photos):
    assert "data is a folder, where the name of a model is expected" in refused("check", photos, "lenet5")
    assert "is a folder, where the name of a model is expected" in refused("tune", photos, "lenet5", "--over", "lr")


def test_predictions_are_not_written_over_their_images(trained, photos, tmp_path):
    import shutil

    shutil.copytree(photos / "test" / "disc", tmp_path / "mine")
    before = {path.name: path.read_bytes() for path in (tmp_path / "mine").iterdir()}
    words = refused("predict", trained, tmp_path / "mine", "--out", tmp_path / "mine")
    assert "mine: holds files already, and nothing is written over anything; name a new folder" in words
    assert {path.name: path.read_bytes() for path in (tmp_path / "mine").iterdir()} == before


def test_ctrl_c_while_modules_load_is_one_line(monkeypatch):
    """Before a verb is at work, too: cyclopts and the verb are imported then."""

    def interrupted():
        raise KeyboardInterrupt

    monkeypatch.setattr("zorki.cli._app", interrupted)
    assert run("show", "photos") == (130, "", "zorki: stopped by Ctrl-C\n")


def test_ctrl_c_while_a_verb_begins_is_one_line(monkeypatch):
    """Which cyclopts would swallow."""

    def interrupted():
        raise KeyboardInterrupt

    monkeypatch.setattr("zorki.cli.tasks.tasks", interrupted)
    assert run("tasks") == (130, "", "zorki: stopped by Ctrl-C\n")
