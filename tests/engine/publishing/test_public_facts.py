"""What is published has no folder of the machine in it."""

import json

import pytest
from made_runs import HOME, write_run

from zorki.engine.publishing.public_facts import last_part, public_about, public_text, public_values, repeat_command
from zorki.engine.run.folder import read_about, recipe_of


@pytest.mark.parametrize(
    ("text", "public"),
    [
        ("/home/ann/bees", "bees"),
        ("/home/ann/my bees/", "my bees"),
        ("../../ann/bees.yaml", "bees.yaml"),
        (r"C:\Users\ann\bees", "bees"),
        ("names of /home/ann/bees/names.txt, as they are", "names of names.txt, as they are"),
        ("~/bees/names.txt", "names.txt"),
        ("imagenet", "imagenet"),
        ("https://example.org/ann/bees.pth", "https://example.org/ann/bees.pth"),
        ("hf://ann/bees@v1", "hf://ann/bees@v1"),
        ("4,500 images of 32 x 32, 3/4 of them", "4,500 images of 32 x 32, 3/4 of them"),
        ("scenes:60@32", "scenes:60@32"),
        ("timm:resnet18.a1_in1k", "timm:resnet18.a1_in1k"),
    ],
)
def test_of_paths_the_last_part_is_left(text, public):
    assert public_text(text) == public
    assert public_values({"a": [text]}) == {"a": [public]}


def test_the_last_part_of_what_is_no_path_is_all_of_it():
    assert last_part("bees") == last_part("data/bees/") == "bees"


def test_a_published_run_opens_and_tells_no_folder(tmp_path):
    folder = write_run(tmp_path / "run", weights=f"{HOME}/old/weights.pth", plugins=[f"{HOME}/net.py"])
    about = json.loads((folder / "run.json").read_text())
    public = public_about(about)
    text = json.dumps(public)
    assert "ann" not in text
    assert "secret" not in text
    assert public["data"] == "bees"
    assert public["recipe"]["weights"] == "weights.pth"
    assert public["recipe"]["out"] == "runs"
    assert public["plugins"] == ["net.py"]
    assert public["repeat"] == "zorki train lenet5 bees --recipe recipe.yaml --plugin net.py"
    assert {name: public[name] for name in ("model", "preprocess", "class_names")} == {
        name: about[name] for name in ("model", "preprocess", "class_names")
    }
    (folder / "run.json").write_text(text)
    assert recipe_of(read_about(folder)).lr == 0.1


def test_a_relative_folder_of_data_is_named_by_its_end():
    about = {"model": "lenet5", "data": "clients/acme/bees", "recipe": {}}
    assert public_about(about)["data"] == "bees"
    assert repeat_command({"model": "lenet5", "data": None}) == "zorki train lenet5 DATA --recipe recipe.yaml"
