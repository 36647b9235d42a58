"""`zorki tasks`, `models` and `info`: what they print, and that the figures are the textbooks'."""

from __future__ import annotations

import json

import pytest

from zorki.cli.info import info
from zorki.cli.models import listing, models
from zorki.cli.tasks import tasks
from zorki.errors import RecipeError, WeightsError
from zorki.registry import find
from zorki.weights.fetching import fetch, published


def test_tasks(capsys):
    tasks(json="-")
    found = json.loads(capsys.readouterr().out)
    assert {"vgg16", "lenet5"} <= set(found["classification"]["models"])
    tasks()
    text = capsys.readouterr().out
    assert "classification: " in text
    assert "vgg16" in text


@pytest.mark.parametrize(
    ("name", "parameters", "weights"),
    [("vgg16", 138_357_544, ["imagenet"]), ("resnet18", 11_689_512, ["imagenet"]), ("cifar_resnet20", 269_722, [])],
)
def test_published_counts_of_parameters(name, parameters, weights):
    (row,) = listing(name, None)
    assert (row["parameters"], row["weights"], row["task"]) == (parameters, weights, "classification")
    assert row["classes"] == (10 if name.startswith("cifar") else 1000)
    assert row["summary"]


def test_models_by_wildcard(capsys):
    models("resnet*")
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["name", "resnet18", "resnet34", "resnet50", "resnet101", "resnet152"]
    end = lines[0].index("parameters") + len("parameters")
    assert all(line[end - 1].isdigit() and line[end] == " " for line in lines[1:])  # numbers are aligned at the right
    models("lenet5", json="-")
    (row,) = json.loads(capsys.readouterr().out)
    assert row["name"] == "lenet5"


def test_no_such_model_or_task():
    with pytest.raises(RecipeError, match=r"no model matches 'resent18'. Did you mean resnet18"):
        models("resent18")
    with pytest.raises(RecipeError, match=r"no task is named 'clasification'. Did you mean classification"):
        models(task="clasification")
    with pytest.raises(RecipeError, match=r"timm has no model that matches 'convnxt_tiny'. Did you mean convnext_tiny"):
        models("timm:convnxt_tiny")


def test_many_names_of_timm_are_not_counted():
    rows = listing("timm:conv*", None)
    assert len(rows) > 20
    assert all(row["name"].startswith("timm:conv") and row["parameters"] is None for row in rows)
    (row,) = listing("timm:convnext_atto", None)
    assert row["parameters"] == 3_695_520  # timm publishes 3.70 M


def test_info_of_vgg16(capsys, tmp_path):
    info("vgg16", json=str(tmp_path / "vgg16.json"))
    text = capsys.readouterr().out
    assert "138,357,544 parameters, 15,237,608 activation values with the input" in text
    assert "512 channels at stride 32" in text
    assert "--weights imagenet: torchvision:VGG16_Weights.IMAGENET1K_V1" in text
    assert "Simonyan and Zisserman" in text
    content = json.loads((tmp_path / "vgg16.json").read_text())
    assert content["totals"]["parameters"] == 138_357_544
    assert (content["size"], content["classes"], content["model"]) == (224, 1000, "vgg16")


def test_info_of_another_size_and_classes(capsys):
    info("vgg16", image_size=64, classes=10, json="-")
    content = json.loads(capsys.readouterr().out)
    assert content["rows"][0]["shape"] == [3, 64, 64]
    assert content["rows"][-1]["shape"] == [10]
    assert content["totals"]["parameters"] == 138_357_544 - 990 * 4097
    with pytest.raises(RecipeError, match="size"):
        info("vgg16", image_size=8)


def test_info_of_the_papers_alexnet(capsys):
    info("alexnet", json="-")
    rows = json.loads(capsys.readouterr().out)["rows"]
    convolutions = [row["shape"] for row in rows if row["kind"].startswith("CONV")]
    pools = [row["shape"] for row in rows if row["kind"].startswith("POOL")]
    assert convolutions[0] == [96, 55, 55]
    assert pools == [[96, 27, 27], [256, 13, 13], [256, 6, 6]]


def test_info_of_the_papers_lenet(capsys):
    """The trainable parameters of each layer as section II.B of the paper counts them."""
    info("lenet5", classes=10, json="-")
    rows = [row for row in json.loads(capsys.readouterr().out)["rows"] if not row["hidden"]]
    counts = [row["weights"] + row["biases"] for row in rows]
    assert counts[1:7] == [156, 12, 1516, 32, 48120, 10164]


def test_info_of_a_run(capsys, tmp_path):
    about = {
        "model": "lenet5",
        "task": "classification",
        "class_names": ["cat", "dog", "owl"],
        "recipe": {"size": 40, "options": {"in_channels": 3}},
    }
    (tmp_path / "run.json").write_text(json.dumps(about))
    info(str(tmp_path), json="-")
    content = json.loads(capsys.readouterr().out)
    assert (content["model"], content["classes"], content["size"]) == ("lenet5", 3, 40)
    assert content["rows"][0]["shape"] == [3, 40, 40]


def test_torchvision_weights():
    with pytest.raises(
        WeightsError, match=r"publishes no weights named 'ResNet18_Weights\.NONE'.* Did you mean ResNet18_Weights"
    ):
        fetch("torchvision:ResNet18_Weights.NONE")
    with pytest.raises(WeightsError, match="expected torchvision:"):
        fetch("elsewhere:net")
    (one,) = published(find("resnet18").weights)
    assert one.url.endswith("resnet18-f37072fd.pth")
    assert one.top1 == pytest.approx(0.69758)


@pytest.mark.parametrize(("mistyped", "meant"), [("ssd_squeeznet", "ssd_squeezenet"), ("lenet6", "lenet5")])
def test_a_mistyped_model_is_told_the_nearest_even_where_a_family_could_mean_it(mistyped, meant):
    with pytest.raises(RecipeError, match=f"no model is named '{mistyped}'.*{meant}"):
        find(mistyped)
