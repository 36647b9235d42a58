"""Pretraining: bare images read, views compared, features evaluated, and a backbone for other tasks."""

import json

import pytest
import torch
from tiny_backbone import tiny_squeezenet

from zorki import registry
from zorki.data.annotations.bare_images import read_images
from zorki.data.images import write_image
from zorki.engine.evaluation.evaluate import evaluate
from zorki.engine.run.open import load
from zorki.engine.search.network import EmbeddingNetwork
from zorki.engine.training.train import train
from zorki.errors import DataError, RecipeError
from zorki.tasks.pretraining.data import PretrainingData
from zorki.tasks.pretraining.metric import RepresentationMetric
from zorki.tasks.pretraining.presentation import PretrainingPresentation
from zorki.tasks.pretraining.representation import Representation
from zorki.types import Embedding, Label, PatchPairs, Unlabeled
from zorki.weights import load_into, read_weights

PLAIN = {"epochs": 1, "workers": 0, "device": "cpu", "precision": "32", "quiet": True, "batch_size": 16}
SCENES = "scenes:80@20"


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run on a tiny backbone."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        tiny_squeezenet(monkeypatch)
        yield train("simclr_squeezenet", SCENES, out=str(tmp_path_factory.mktemp("runs")), **PLAIN)


def write_images(folder, count, size=20):
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        generator = torch.Generator().manual_seed(number)
        write_image(folder / f"{number}.png", torch.randint(0, 256, (3, size, size), generator=generator).byte())


# -- data


def test_bare_images_are_read_from_any_folders(tmp_path):
    write_images(tmp_path / "a", 3)
    write_images(tmp_path / "b" / "masks", 2)
    dataset = read_images(tmp_path)
    assert dataset.names == ["a/0.png", "a/1.png", "a/2.png"], "masks are no images to learn from"
    assert isinstance(dataset[0].target, Unlabeled)
    assert dataset.arrays(1).image.shape == (3, 20, 20)
    assert dataset.check(0) is None
    write_images(tmp_path / "test", 2)
    split = read_images(tmp_path)
    assert [split.names[index] for index in split.splits["test"]] == ["test/0.png", "test/1.png"]
    assert "3 images lie outside of test" in str(split.defects[0])
    with pytest.raises(DataError, match="expected a folder of images"):
        read_images(tmp_path / "a" / "0.png")


def test_labels_are_read_where_every_image_has_a_class(tmp_path):
    write_images(tmp_path / "classes" / "cat", 4)
    write_images(tmp_path / "classes" / "dog", 4)
    assert isinstance(PretrainingData().read(tmp_path / "classes").target(0), Label)
    write_images(tmp_path / "flat", 4)
    assert isinstance(PretrainingData().read(tmp_path / "flat").target(0), Unlabeled)
    write_images(tmp_path / "boxes" / "images" / "train", 3)
    box = {"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 1, 5, 5], "area": 25, "iscrowd": 0}
    listed = [{"id": 1, "file_name": "0.png", "width": 20, "height": 20}]
    coco = {"images": listed, "annotations": [box], "categories": [{"id": 1, "name": "thing"}]}
    (tmp_path / "boxes" / "annotations").mkdir()
    (tmp_path / "boxes" / "annotations" / "train.json").write_text(json.dumps(coco))
    of_boxes = PretrainingData().read(tmp_path / "boxes")
    assert isinstance(of_boxes.target(0), Unlabeled)
    assert len(of_boxes) == 3
    assert isinstance(PretrainingData().read(tmp_path / "classes", format="images").target(0), Unlabeled)


# -- evaluation


def test_scores_by_labels_and_how_features_lie():
    metric = RepresentationMetric()
    corners = torch.eye(3)
    metric.update_reference([Embedding(corners[k % 3]) for k in range(12)], [Label(k % 3) for k in range(12)])
    views = torch.stack([corners[0], corners[1]])
    predictions = [Representation(corners[k], 2.0, views) for k in (0, 1, 2)]
    metric.update(predictions, [Label(0), Label(1), Label(0)])
    result = metric.compute()
    assert result.knn == result.linear_probe == pytest.approx(2 / 3)
    assert result.alignment == pytest.approx(2.0)
    assert result.uniformity == pytest.approx(-4.0)
    assert (result.dim, result.neighbors, result.reference, result.classes) == (3, 12, 12, 3)


def test_parts_merged_are_the_whole_and_nothing_has_no_score():
    vectors = torch.randn(12, 4, generator=torch.Generator().manual_seed(0))
    whole, first, second = RepresentationMetric(), RepresentationMetric(), RepresentationMetric()
    assert first.compute().knn is None
    for metric, places in ((whole, range(12)), (first, range(5)), (second, range(5, 12))):
        metric.update_reference([Embedding(vectors[k]) for k in places], [Label(k % 2) for k in places])
        metric.update([Embedding(vectors[k]) for k in places], [Label(k % 2) for k in places])
    first.merge(second)
    assert first.compute() == whole.compute()


def test_without_labels_nothing_is_told_of_classes():
    metric = RepresentationMetric()
    vectors = torch.randn(6, 4, generator=torch.Generator().manual_seed(0))
    metric.update_reference([Embedding(one) for one in vectors], [Unlabeled()] * 6)
    metric.update([Embedding(one) for one in vectors], [Unlabeled()] * 6)
    result = metric.compute()
    assert result.knn is None
    assert result.linear_probe is None
    assert result.effective_rank > 2


# -- models


def test_small_images_get_a_stem_and_views_that_suit_them():
    small = registry.build("simclr_resnet18", 0, {"image_size": 32})
    large = registry.build("simclr_resnet18", 0, {"image_size": 96})
    assert small.backbone.conv1.kernel_size == (3, 3)
    assert small.backbone.strides == (1, 1, 2, 4, 8)
    assert small.preprocess.blur == small.preprocess.later_blur == 0
    assert [name for name, _, _ in small.choices()] == ["views", "stem"]
    assert large.backbone.conv1.kernel_size == (7, 7)
    assert large.preprocess.blur == 0.5
    assert large.choices() == ()
    with torch.no_grad():
        assert small.backbone(torch.zeros(1, 3, 32, 32))[-1].shape == (1, 512, 4, 4)


def test_version_two_keeps_a_layer_of_its_head():
    with pytest.MonkeyPatch.context() as monkeypatch:
        tiny_squeezenet(monkeypatch)
        one, two = (
            registry.build(name, 0, {"image_size": 32}) for name in ("simclr_squeezenet", "simclr_v2_squeezenet")
        )
        assert (len(one.head.blocks), len(two.head.blocks)) == (2, 3)
        assert (one.embedding_dim, two.embedding_dim) == (24, 96)
        (vector,) = two.eval().decode(two(torch.zeros(1, 1, 3, 32, 32)), [])
        assert vector.vector.shape == (96,)
        with pytest.raises(RecipeError, match="kept is 2, of a head of 2 layers"):
            registry.build("simclr_squeezenet", 0, {"image_size": 32, "kept": 2})


def test_collapse_is_named():
    model = registry.build("simclr_cifar_resnet20", 0, {"image_size": 32})
    assert model.failure({"spread": 0.3, "projection_spread": 0.9}) is None
    assert "the features have collapsed" in model.failure({"spread": 0.001})
    assert "the projections have collapsed" in model.failure({"spread": 0.3, "projection_spread": 0.0})
    assert "onto one line" in model.failure({"spread": 0.3, "projection_spread": 0.4, "projection_directions": 1.02})


# -- through the engine


def test_a_run_is_the_last_epoch_and_says_how_features_lie(run):
    figures = run.results["test"]["metrics"]
    assert 0 <= figures["knn"] <= 1
    assert 0 <= figures["linear_probe"] <= 1
    assert 0 < figures["alignment"] < 4
    assert figures["reference"] == 56
    assert run.results["val"]["losses"]["contrastive"] > 0
    page = run.report.read_text()
    assert "Accuracy on frozen features" in page
    assert "Most wrong" not in page, "no embedding is right or wrong"
    assert "predicted:" not in page
    choices = {choice["name"]: choice["value"] for choice in run.about["choices"]}
    assert choices["image_size"] == 20
    assert choices["views"].startswith("no blur")


def test_a_run_is_opened_with_its_views_and_gives_vectors(run, monkeypatch):
    tiny_squeezenet(monkeypatch)
    again = load(run.folder)
    assert again.model.preprocess == run.model.preprocess
    assert again.model.preprocess.min_area == 0.2
    (result,) = evaluate(again, SCENES, split="test", quiet=True)
    assert result.metrics.to_json() == run.results["test"]["metrics"]
    vectors = EmbeddingNetwork(again, device="cpu").vectors([torch.zeros((3, 30, 20), dtype=torch.uint8)])
    assert vectors.shape == (1, 24)
    assert float((vectors**2).sum()) == pytest.approx(1.0, abs=1e-5)


def test_what_comes_out_is_a_backbone(run, monkeypatch):
    tiny_squeezenet(monkeypatch)
    weights = read_weights(run.folder)
    for name in ("fcos_squeezenet", "features_squeezenet"):
        other = registry.build(name, 3, {"image_size": 64})
        match = load_into(other, weights, other.weight_map)
        own = [key for key in other.state_dict() if key.startswith("backbone.")]
        assert set(own) <= set(match.matched)
        assert torch.equal(other.backbone.layers[0].weight, run.model.backbone.layers[0].weight)


def test_images_without_labels_are_learned_from(tmp_path, monkeypatch):
    tiny_squeezenet(monkeypatch)
    write_images(tmp_path / "photos", 30)
    run = train("simclr_squeezenet", str(tmp_path / "photos"), out=str(tmp_path), **{**PLAIN, "batch_size": 4})
    for split in run.results.values():
        assert split["metrics"]["knn"] is None
        assert split["metrics"]["effective_rank"] >= 1
    assert run.class_names == ["image"]
    with pytest.raises(RecipeError, match="patience watches validation, but pretraining keeps its last weights"):
        train("simclr_squeezenet", str(tmp_path / "photos"), out=str(tmp_path), patience=2, **PLAIN)


def test_a_run_that_collapses_stops(tmp_path, monkeypatch):
    tiny_squeezenet(monkeypatch)
    monkeypatch.setattr("zorki.tasks.pretraining.view_network.COLLAPSED", 2.0)
    from zorki.engine.training.loop import Diverged

    with pytest.raises(Diverged, match="the features have collapsed"):
        train("simclr_squeezenet", SCENES, out=str(tmp_path), **PLAIN)


# -- teachers and queues


def built(name, monkeypatch, **options):
    tiny_squeezenet(monkeypatch)
    torch.manual_seed(0)
    model = registry.build(name, 0, {"image_size": 32, **options}).train()
    model.synchronize()
    return model


def views(count=8, size=32):
    return torch.randint(0, 256, (count, 2, 3, size, size), generator=torch.Generator().manual_seed(0)).byte()


@pytest.mark.parametrize("name", ["moco_squeezenet", "byol_squeezenet"])
def test_a_teacher_follows_by_its_momentum_and_gets_no_gradient(name, monkeypatch):
    model = built(name, monkeypatch, momentum=0.75)
    before = model.teacher.parts[0].layers[0].weight.clone()
    assert torch.equal(before, model.backbone.layers[0].weight)
    sum(model.loss(model(views()), []).values()).backward()
    assert all(parameter.grad is None for parameter in model.teacher.parameters())
    with torch.no_grad():
        model.backbone.layers[0].weight.add_(1)
    model.after_step(0.0)
    torch.testing.assert_close(model.teacher.parts[0].layers[0].weight, before + 0.25)


def test_byol_stops_following_at_the_end(monkeypatch):
    model = built("byol_squeezenet", monkeypatch)
    before = model.teacher.parts[0].layers[0].weight.clone()
    with torch.no_grad():
        model.backbone.layers[0].weight.add_(1)
    model.after_step(1.0)
    assert torch.equal(model.teacher.parts[0].layers[0].weight, before)


def test_the_queue_holds_the_newest_keys(monkeypatch):
    model = built("moco_v2_squeezenet", monkeypatch, queue=24)
    old = model.queue.clone()
    keys = model(views()).targets.flatten(0, 1)
    model.after_step(0.0)
    assert torch.equal(model.queue[:16], keys)
    assert torch.equal(model.queue[16:], old[16:])
    again = model(views()).targets.flatten(0, 1)
    model.after_step(0.0)
    assert torch.equal(model.queue[16:], again[:8])
    assert torch.equal(model.queue[:8], again[8:])
    assert int(model.pointer) == 8


def test_keys_come_back_in_their_order(monkeypatch):
    """The tiny backbone has no batch norm: groups change nothing but the order in which keys are made."""
    model = built("moco_squeezenet", monkeypatch, groups=3)
    torch.testing.assert_close(model(views()).targets, model.eval()(views()).targets)


def test_without_a_stop_of_gradients_targets_learn(monkeypatch):
    still, moving = (built("simsiam_squeezenet", monkeypatch, stop_gradient=value) for value in (True, False))
    assert not still(views()).targets.requires_grad
    assert moving(views()).targets.requires_grad


@pytest.mark.parametrize("name", ["moco_v2", "byol", "simsiam", "barlow_twins"])
def test_every_method_trains_and_is_opened_again(name, tmp_path, monkeypatch):
    tiny_squeezenet(monkeypatch)
    run = train(f"{name}_squeezenet", SCENES, out=str(tmp_path), **PLAIN)
    again = load(run.folder)
    for key, value in run.model.state_dict().items():
        assert torch.equal(value, again.model.state_dict()[key])
    assert run.results["val"]["losses"]


# -- patches, teachers of other kinds, sheets


def test_same_image_pairs_are_told_from_others(monkeypatch):
    """A head that compares red alone: patches of one image have the same."""
    model = built("same_image_squeezenet", monkeypatch).eval()
    outputs = model(views(4))
    outputs.neighbors = torch.zeros(4, dtype=torch.int64)
    first, second = outputs.projections.unbind(1)
    scores = [model.head(torch.cat([first[i], second[j]])[None]) for i, j in ((0, 0), (0, 3), (1, 0))]
    assert all(score.shape == (1, 1) for score in scores)
    pairs = [(i, i, 1.0) for i in range(4)] + [(i, (i - 1) % 4, 0.0) for i in range(4)]
    losses = []
    for i, j, same in pairs:
        score = model.head(torch.cat([first[i], second[j]])[None])[0, 0]
        losses.append(float(torch.nn.functional.softplus(-score if same else score).detach()))
    assert float(model.loss(outputs, [])["same_image"].detach()) == pytest.approx(sum(losses) / 8, rel=1e-4)


def test_patches_that_are_too_small_for_a_backbone_are_refused():
    with pytest.raises(RecipeError, match="cannot take patches of 14 pixels, of images of 64: the least is 17"):
        registry.build("context_squeezenet1_1", 0, {"image_size": 64})


def test_context_is_learned_through_the_engine_and_drawn(tmp_path, monkeypatch):
    tiny_squeezenet(monkeypatch)
    run = train("context_squeezenet", SCENES, out=str(tmp_path), **PLAIN)
    assert run.results["test"]["losses"] == {}, "images as a whole ask nothing"
    assert run.results["test"]["metrics"]["alignment"] is None
    assert (run.folder / "views.png").stat().st_size > 1000
    assert load(run.folder).model.preprocess == run.model.preprocess


def test_a_student_learns_from_a_run(run, tmp_path, monkeypatch):
    tiny_squeezenet(monkeypatch)
    options = {"teacher": "squeezenet", "teacher_weights": str(run.folder)}
    student = train("distillation_cifar_resnet20", SCENES, out=str(tmp_path), options=options, **PLAIN)
    assert torch.equal(student.model.teacher.backbone.layers[0].weight, run.model.backbone.layers[0].weight)
    assert student.model.train().teacher.training is False
    assert student.results["val"]["losses"]["distillation"] > 0
    options["teacher_weights"] = str(student.folder)
    with pytest.raises(RecipeError, match="does not fill the teacher squeezenet"):
        train("distillation_cifar_resnet20", SCENES, out=str(tmp_path), options=options, **PLAIN)


def test_a_sheet_shows_views_as_they_are():
    pairs = torch.randint(0, 256, (6, 2, 3, 25, 25), generator=torch.Generator().manual_seed(0)).byte()
    drawn = PretrainingPresentation().draw_inputs(pairs)
    assert drawn.shape == (3, 2 * (100 + 12), 4 * (200 + 12)), "two rows of four, of which two are empty"
    assert (drawn[:, 6:106:4, 6:106:4] == pairs[0, 0].numpy()).all()
    assert (drawn[:, 6:106:4, 106:206:4] == pairs[0, 1].numpy()).all()
    assert (drawn[:, 118:, 430:] == 255).all()
    told = PretrainingPresentation().draw_inputs(PatchPairs(pairs, torch.arange(6)))
    assert told.shape[1] > drawn.shape[1], "with captions"
