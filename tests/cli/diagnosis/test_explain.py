"""`zorki explain` from the command line: a page, numbers for machines, and one message where something is wrong."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

import zorki
from zorki import registry
from zorki.cli import main


@pytest.fixture
def weights():
    """A vision transformer of no training, and two images."""
    torch.manual_seed(0)
    save_file(registry.build("vit_tiny_16", 3, {"image_size": 32}).state_dict(), "vit.safetensors")
    generator = np.random.default_rng(0)
    for name in ("a", "b"):
        Image.fromarray(generator.integers(0, 256, (40, 60, 3)).astype(np.uint8)).save(f"{name}.png")
    return ["--weights", "vit.safetensors", "--options.image_size", "32"]


def test_a_page_and_numbers(weights, capsys):
    for name in ("x", "y", "z"):
        Path("photos", name).mkdir(parents=True)
        Path(f"photos/{name}/{name}.png").write_bytes(Path("a.png").read_bytes())
    main(["explain", "vit_tiny_16", "a.png", "b.png", *weights, "--class", "1", "--window", "16", "--out", "page.html",
          "--unit", "backbone.embed.patches:3", "--data", "photos", "--split", "all", "--json"])  # fmt: skip
    found = json.loads(capsys.readouterr().out)
    assert found["page"] == "page.html"
    assert [one["image"] for one in found["explanations"]] == ["a.png", "b.png"]
    rows = found["explanations"][0]["methods"]
    assert [row["method"] for row in rows] == ["grad-cam", "layer-cam", "attention-rollout", "occlusion"]
    assert {"random_correlation", "drop", "random_drop"} <= set(rows[0])
    (unit,) = found["units"]
    assert [len(one["box"]) for one in unit["patches"]] == [4, 4, 4]
    text = Path("page.html").read_text()
    assert text.count("<img") > 10
    assert "attention rollout" in text


def test_bad_input_is_one_message(weights, capsys):
    save_file(registry.build("lenet5", 3).state_dict(), "lenet.safetensors")
    for words, message in (
        (["a.png", "--class", "9"], "no class is named '9'"),
        (["a.png", "--box", "1,2,3"], "expected left,top,right,bottom"),
        (["a.png", "--box", "9,2,3,8"], "expected left, top, right, bottom"),
        (["a.png", "--layer", "backbone.blocks.99"], "no layer"),
        (["a.png", "--methods", "gradcam"], "grad-cam"),
        (["a.png", "--methods", "attention-rollout"], "no attention"),
        (["a.png", "--reference", "b.png"], "compares none"),
        (["a.png", "--out", "page.png"], "page.html"),
        (["a.png", "--out", "a.png/page.html"], "a.png is a file"),
        (["a.png", "--box", "1,2,9,8"], "hangs on no box"),
        (["a.png", "--window", "32"], "hides all of the network's input of 32 x 32"),
        (["a.png", "--max-frames", "3"], "leave --max-frames out"),
        (["a.png", "--unit", "backbone"], "LAYER:CHANNEL"),
        ([], "expected an image"),
    ):
        with pytest.raises(SystemExit) as end:
            main(["explain", "lenet5", *words, "--weights", "lenet.safetensors"])
        assert end.value.code == 2
        assert message in capsys.readouterr().err
    assert not Path("runs").exists()


def test_in_python(weights):
    (found,) = zorki.explain(
        "vit_tiny_16", "a.png", weights="vit.safetensors", options={"image_size": "32"}, methods=["attention-rollout"]
    )
    (rollout,) = found.maps.values()
    assert rollout.original().shape == (40, 60)
    assert found.plot("attention-rollout").shape == (40, 60, 3)
    assert found.unit == "logit"
