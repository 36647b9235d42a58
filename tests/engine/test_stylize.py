"""`zorki.stylize` and its files."""

import csv
from pathlib import Path

import numpy as np
import pytest
import torch

import zorki
from zorki import registry
from zorki.cli import main
from zorki.data.images import read_image, write_image
from zorki.data.strokes import paint_strokes
from zorki.errors import DataError, RecipeError
from zorki.weights import save_weights

OPTIONS = {"style_layers": "relu1", "content_layers": "fire2"}
MODEL = {"model": "gatys_squeezenet", "weights": "weights.safetensors", "options": OPTIONS, "device": "cpu"}


@pytest.fixture(autouse=True)
def _folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.manual_seed(0)
    network = registry.build("gatys_squeezenet", 1, OPTIONS).network
    features = {name: value for name, value in network.state_dict().items() if name.startswith("features.")}
    save_weights(tmp_path / "weights.safetensors", features, {})
    write_image(tmp_path / "content.png", torch.randint(0, 256, (3, 40, 56), dtype=torch.uint8))
    write_image(tmp_path / "style.png", paint_strokes(48))


def test_an_image_a_page_and_a_table_are_written(tmp_path, capsys):
    done = zorki.stylize("content.png", "style.png", out="made.png", steps=4, every=2, **MODEL)
    assert done.image.shape == (40, 56, 3)
    assert np.array_equal(read_image(tmp_path / "made.png").numpy().transpose(1, 2, 0), done.image)
    rows = list(csv.DictReader((tmp_path / "made.csv").read_text().splitlines()))
    assert [row["step"] for row in rows] == ["1", "2", "3", "4"]
    assert float(rows[-1]["total"]) == done.losses[-1]["total"] < done.losses[0]["total"]
    html = (tmp_path / "made.html").read_text()
    assert html.count("data:image") == 3
    assert "Losses" in html
    assert "step 4 of 4 at 56 pixels" in capsys.readouterr().out
    with pytest.raises(RecipeError, match=r"made\.png: is there already"):
        zorki.stylize("content.png", "style.png", out="made.png", **MODEL)


def test_images_in_memory_give_the_same_and_nothing_is_printed(capsys):
    content, style = (read_image(Path(name)).numpy() for name in ("content.png", "style.png"))
    of_files = zorki.stylize("content.png", "style.png", steps=2, quiet=True, **MODEL)
    of_arrays = zorki.stylize(content.transpose(1, 2, 0), style.transpose(1, 2, 0), steps=2, quiet=True, **MODEL)
    assert np.array_equal(of_files.image, of_arrays.image)
    assert of_files.path is None
    assert capsys.readouterr().out == ""


def test_the_image_so_far_is_there_when_it_is_stopped(tmp_path, monkeypatch):
    def stop(self, step):
        report(self, step)
        if step.step == 3:
            raise KeyboardInterrupt

    from zorki.engine import stylize as module

    report = module._Work.report
    monkeypatch.setattr(module._Work, "report", stop)
    with pytest.raises(KeyboardInterrupt):
        zorki.stylize("content.png", "style.png", out="made.png", steps=9, every=2, quiet=True, **MODEL)
    assert read_image(tmp_path / "made.png").shape == (3, 40, 56)


def test_bad_input_is_one_message():
    for settings, words in (
        ({"strenth": 1}, "there is no setting 'strenth'. Did you mean strength"),
        ({"strength": 2.0}, "strength is 2"),
        ({"out": "made.gif"}, "images are written as .png, .jpg or .jpeg"),
        ({"every": -1}, "every is -1"),
        ({"masks": ["a", "b"]}, "1 styles and 2 masks"),
    ):
        with pytest.raises((RecipeError, DataError), match=words.replace(".", r"\.").replace("'", "'")):
            zorki.stylize("content.png", "style.png", **{**MODEL, **settings})
    with pytest.raises(RecipeError, match="is a model without weights"):
        zorki.stylize("content.png", "style.png", model="gatys_squeezenet")


def test_the_verb(capsys):
    words = "stylize content.png style.png --model gatys_squeezenet --weights weights.safetensors --steps 2 --size 48"
    main([*words.split(), "--options.style_layers", "relu1", "--options.content_layers", "fire2"])
    out = capsys.readouterr().out
    assert "runs/stylize-1/stylized.png in" in out
    assert "stylized.html beside it shows content, style and losses" in out
