"""The verbs of embeddings, typed: what they print, what they write, and what they refuse."""

import json
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from tiny_embedder import paint, paint_people, tiny_run

from zorki.cli import main


@pytest.fixture(autouse=True)
def people(monkeypatch):
    """A gallery of two, strangers, and a run that needs no folder."""
    monkeypatch.setattr("zorki.engine.search.network.open_all", lambda *arguments, **options: [tiny_run("runs/tiny")])
    paint_people(Path("people"), names=("red", "green"))
    paint_people(Path("strangers"), names=("blue", "yellow"))
    paint(Path("new.png"), (225, 35, 28), seed=9)


def typed(line, capsys):
    """What a command printed; the error where it ended with 2."""
    try:
        main(line.split())
    except SystemExit as end:
        return f"{end.code}: {capsys.readouterr().err}"
    return capsys.readouterr().out


def test_from_images_to_names(capsys):
    assert "6 vectors of 8 numbers: gallery" in typed("index runs/tiny people --out gallery", capsys)
    said = typed("search gallery new.png -k 2 --out page", capsys)
    assert "new.png:" in said
    assert said.count("distance") == 2
    assert Path("page/index.html").exists()
    found = json.loads(typed("search gallery new.png -k 3 --where.name green --json", capsys))
    assert [one["name"] for one in found["results"][0]["neighbors"]] == ["green"] * 3
    assert found["distance"] == "euclidean, not squared"
    said = typed("identify gallery new.png strangers/blue/0.png --val strangers --far 0 --out who", capsys)
    assert "new.png: red (similarity" in said
    assert "strangers/blue/0.png: nobody known" in said
    found = json.loads(typed("identify gallery new.png --json", capsys))
    assert found["results"][0]["name"] == "red"
    assert found["threshold"]["far"] == 0


def test_a_small_index_is_searched_as_it_is(capsys):
    typed("index runs/tiny people --out gallery", capsys)
    assert typed("search gallery new.png", capsys).count("distance") == 6, "ten were not asked for"
    assert "k is 10; expected k from 1 to 6" in typed("search gallery new.png -k 10", capsys)
    every = [f"--remove {name}/{view}.png" for name in ("red", "green") for view in range(3)]
    typed(f"index --into gallery {' '.join(every)}", capsys)
    assert "gallery: the index is empty; add images" in typed("search gallery new.png", capsys)
    assert "expected a similarity from -1 to 1" in typed("identify gallery new.png --threshold 1.5", capsys)


def test_an_index_whose_threshold_cannot_be_chosen_is_whole_and_said_to_be(capsys):
    said = typed("index runs/tiny people --out gallery --val people", capsys)
    assert said.startswith("2: ")
    assert "all of its 2 identities are in the gallery" in said
    assert "The index is whole, in gallery, and has no threshold" in said
    assert typed("search gallery new.png -k 1", capsys).count("distance") == 1


def test_an_index_grows_and_shrinks(capsys):
    typed("index runs/tiny people --out gallery", capsys)
    assert "7 vectors" in typed("index --into gallery new.png", capsys)
    assert "5 vectors" in typed("index --into gallery --remove new.png --remove red/0.png", capsys)
    assert "6 vectors" in typed("index runs/tiny people --val strangers", capsys)
    assert Path("runs/index-1/index.json").exists()


def test_vectors_go_out_and_come_in(capsys):
    assert "6 vectors of 8 numbers: vectors" in typed("embed runs/tiny people --out vectors", capsys)
    assert np.load("vectors/vectors.npy").shape == (6, 8)
    typed("index runs/tiny vectors --out gallery", capsys)
    assert "red/1.png" in typed("search gallery people/red/1.png -k 1", capsys)


def test_verify(capsys):
    said = typed("verify runs/tiny people/red/0.png people/red/1.png --threshold 0.9", capsys)
    assert "same: distance 0.0" in said
    Path("people/pairs.csv").write_text("a,b,same\nred/0.png,red/1.png,1\nred/0.png,green/1.png,0\n")
    said = typed("verify runs/tiny people/pairs.csv --out page", capsys)
    assert "auc 1.0000" in said
    assert "give a threshold of your own" in said
    found = json.loads(typed("verify runs/tiny people/pairs.csv --json", capsys))
    assert found["scores"]["different_pairs"] == 1


@pytest.mark.skipif(find_spec("cv2") is None, reason="OpenCV is not installed")
def test_duplicates(capsys):
    said = typed("duplicates people --run runs/tiny --threshold 0.99 --out page", capsys)
    assert "6 pairs in 2 groups" in said
    assert "pHash" in typed("duplicates people", capsys)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("index runs/tiny", "expected a run and images"),
        ("index runs/tiny people --remove a", "--remove takes ids out of an index that is there"),
        ("index --into gallery", "no index is here"),
        ("index --into gallery x --kind hnsw", "leave out --out and --kind"),
        ("index runs/tiny people --out people", "holds files already"),
        ("search nowhere new.png", "no index is here"),
        ("search nowhere", "expected images behind the index"),
        ("identify nowhere new.png --threshold 0.5 --far 0.1", "--threshold is chosen already"),
        ("index runs/tiny people --far 0.1", "--far goes with images of strangers: --val DATA"),
        ("index runs/tiny people --out gallery --val strangers --far 2", "the false accept rate is 2; expected 0 to 1"),
        ("index runs/tiny none --out gallery", "there is no such file or folder"),
        ("index runs/tiny people --out new.png", "new.png: is a file; expected a new folder"),
        ("search nowhere new.png --out page", "no index is here"),
        ("identify nowhere new.png --out page", "no index is here"),
        ("verify runs/tiny new.png", "1 file; expected two images, or one CSV"),
        ("verify runs/tiny new.png people/red/0.png --threshold nan", "expected a similarity from -1 to 1"),
        ("verify runs/tiny new.png people/red/0.png --far 3 --out page", "the false accept rate is 3; expected 0 to 1"),
        ("duplicates new.png --run runs/tiny --out page", "new.png: one image; expected two or more to compare"),
        ("verify runs/tiny new.png none.png", "none.png: there is no such image"),
        ("duplicates", "expected images"),
        ("embed runs/tiny people --out people", "is there already"),
    ],
)
def test_bad_input_is_one_message(line, message, capsys):
    said = typed(line, capsys)
    assert said.startswith("2: ")
    assert message in said
    assert "Traceback" not in said
    assert sorted(path.name for path in Path().iterdir()) == ["new.png", "people", "strangers"], "nothing is left"
