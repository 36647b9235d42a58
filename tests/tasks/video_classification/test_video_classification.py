"""Films from data to predictions: sampling that is kept, clips that are averaged, films that are varied alike."""

import dataclasses
from pathlib import Path

import pytest
import torch

from zorki import registry
from zorki.contracts import Results
from zorki.data.images import write_image
from zorki.data.preprocess.clips import Clips
from zorki.data.preprocess.resize_crop import ResizeCrop
from zorki.data.scenes.films.motions import SceneMotions
from zorki.data.video.films import HeldFilm
from zorki.engine.prediction.predict import predict
from zorki.engine.run.open import load
from zorki.engine.training.train import train
from zorki.errors import RecipeError
from zorki.tasks.video_classification.frames import AverageFeatures, AverageScores, Recurrent
from zorki.tasks.video_classification.metric import VideoClassificationMetric
from zorki.tasks.video_classification.settings import VideoClassificationSettings
from zorki.tasks.video_classification.task import VideoClassification
from zorki.types import ClassInfo, Label, Placement, Sample, VideoLabel


def film(count=20, rate=10.0):
    """Frames of 8 x 8 whose gray is their number."""
    return HeldFilm(torch.arange(count, dtype=torch.uint8).reshape(-1, 1, 1, 1).expand(-1, 3, 8, 8).contiguous(), rate)


def numbers(inputs):
    return inputs[..., 0, 0, 0].tolist()


@pytest.mark.parametrize(
    ("sampling", "expected"),
    [
        ({"frames": 4, "stride": 2}, [6, 8, 10, 12]),  # from the middle
        ({"frames": 4, "stride": 1, "rate": 5.0}, [7, 9, 11, 13]),  # every fifth of a second of ten frames a second
        ({"frames": 4, "stride": 1, "rate": 20.0}, [9, 9, 10, 10]),
        ({"frames": 3, "stride": 9}, [0, 9, 18]),
        ({"frames": 4, "stride": 10}, [0, 10, 19, 19]),  # the last frame is repeated
        ({"frames": 3, "stride": 2, "clips": 3}, [[0, 2, 4], [8, 10, 12], [15, 17, 19]]),
    ],
)
def test_frames_are_taken_by_time(sampling, expected):
    clips = Clips(**sampling, each=ResizeCrop(8))
    inputs, (placement,) = clips([film()])
    assert numbers(inputs[0]) == expected
    assert (placement.height, placement.width) == (8, 8)
    assert inputs.shape[-4] == sampling["frames"]


def test_training_draws_one_clip():
    clips = Clips(3, 2, ResizeCrop(8), clips=5)
    drawn = [torch.Generator().manual_seed(seed) for seed in range(40)]
    inputs, _ = clips([film()] * 40, drawn)
    starts = inputs[:, 0, 0, 0, 0].tolist()
    assert inputs.shape == (40, 3, 3, 8, 8)
    assert min(starts) <= 1
    assert max(starts) >= 14
    assert len(set(starts)) > 8


def recipe(**values):
    return VideoClassificationSettings(**values)


def test_a_film_is_varied_alike_in_all_its_frames():
    sample = Sample(film(), Label(0), Path("a"))
    info = ClassInfo(("right hand", "left hand"))
    varied = VideoClassification.data.augment(
        sample, recipe(hflip=1.0, brightness=0.5, noise=9.0, random_crop=0.5), info, torch.Generator().manual_seed(1)
    )
    assert varied.target == Label(1), "right is left in a mirror"
    one, again = varied.image.at([0.35, 0.35])
    assert torch.equal(one, again)
    assert one.shape[1:] == varied.image.size
    assert varied.image.rate == 10
    noise = varied.image.at([1.0, 1.3]).float()
    assert (noise[1] - noise[0]).std() < 2, "noise is that of one frame"


def test_the_recipe_says_how_films_are_sampled():
    model = registry.build("c3d_small", 2, {})
    data = SceneMotions(36, size=(16, 16))
    VideoClassification.data.configure(
        model, recipe(clip_frames=8, clip_seconds=2.0, clips=4, clip_stride=2), data, data.splits["train"]
    )
    assert model.preprocess == Clips(8, 2, ResizeCrop(64), rate=8.0, clips=4)
    with pytest.raises(RecipeError, match="clip_seconds and frame_rate are both given"):
        recipe(clip_seconds=2.0, frame_rate=5.0)


def test_clips_of_a_film_are_averaged():
    model = registry.build("c3d_small", 3, {"image_size": 16, "frames": 2}).eval()
    clips = torch.randint(0, 256, (2, 4, 2, 3, 16, 16), dtype=torch.uint8)
    with torch.no_grad():
        outputs = model(clips)
        one = model(clips[:, 1])
    assert torch.allclose(outputs.clips[:, 1], one.clips[:, 0], atol=1e-5)
    found = model.decode(outputs, [Placement(16, 16)] * 2)
    assert torch.allclose(found[0].scores, outputs.clips[0].softmax(1).mean(0))
    loss = model.loss(outputs, [Label(0), Label(2)])["cross_entropy"]
    mean = -(outputs.clips[0].log_softmax(1)[:, 0].mean() + outputs.clips[1].log_softmax(1)[:, 2].mean()) / 2
    assert float(loss) == pytest.approx(float(mean), abs=1e-5)


def test_accuracy_of_films_and_clips_by_hand():
    clips = torch.tensor([[0.9, 0.1], [0.4, 0.6], [0.4, 0.6]])
    first = VideoLabel(0, clips.mean(0), clips)
    metric = VideoClassificationMetric(["a", "b"])
    metric.update([first, first], [Label(0), Label(1)])
    metric.update([VideoLabel(1, torch.tensor([0.3, 0.7]))], [Label(1)])
    other = VideoClassificationMetric(["a", "b"])
    other.merge(metric)
    result = other.compute()
    assert (result.count, result.clips) == (3, 7)
    assert result.top1 == pytest.approx(2 / 3)
    assert result.clip_accuracy == pytest.approx((1 + 2 + 1) / 7)
    assert "clip accuracy 0.5714 of 7 clips" in str(result)
    assert VideoClassificationMetric(["a"]).compute().clip_accuracy is None


def test_order_counts_for_recurrent_nets_alone():
    features = torch.randn(2, 5, 6)
    back = features.flip(1)
    for head in (AverageFeatures(6, 3, 0.0), AverageScores(6, 3, 0.0)):
        torch.nn.init.normal_(head.fc.weight)
        assert torch.allclose(head(features), head(back), atol=1e-5)
    scores = AverageScores(6, 3, 0.0)
    torch.nn.init.normal_(scores.fc.weight)
    assert torch.allclose(scores(features).exp(), scores.fc(features).softmax(2).mean(1), atol=1e-5)
    for cell in ("lstm", "gru"):
        head = Recurrent(6, 3, cell=cell, hidden=4, bidirectional=True, dropout=0.0)
        torch.nn.init.normal_(head.fc.weight)
        assert not torch.allclose(head(features), head(back), atol=1e-3)


def test_a_run_keeps_its_sampling(tmp_path):
    settings = {"epochs": 1, "batch_size": 8, "workers": 0, "device": "cpu", "quiet": True, "normalize": "weights"}
    run = train(
        "c3d_small", "scenes:36@16", out=str(tmp_path), image_size=16, clip_frames=4, clip_stride=3, clips=2,
        options={"width": "2", "hidden": "8"}, **settings,
    )  # fmt: skip
    again = load(run.folder)
    assert again.model.preprocess == Clips(4, 3, ResizeCrop(16), clips=2)
    assert run.results["test"]["metrics"]["clips"] == 2 * run.results["test"]["metrics"]["count"]
    from zorki.engine.prediction.video import VideoWriter

    pytest.importorskip("av")
    sample = SceneMotions(36, size=(16, 16))[0]
    with VideoWriter(tmp_path / "a.mp4") as video:
        for frame in sample.image:
            video.write(frame)
    (result,) = predict(again, str(tmp_path / "a.mp4"), quiet=True)
    assert result.annotation.clips.shape == (2, 6)
    (drawn,) = predict(again, str(tmp_path / "a.mp4"), quiet=True, out=tmp_path / "out")
    assert torch.equal(drawn.annotation.scores, result.annotation.scores)
    assert (tmp_path / "out" / "a.mp4").is_file()


def test_motions_are_seen_in_no_single_frame():
    data = SceneMotions(36, size=(16, 16))
    assert sorted(data.target(k).index for k in range(6)) == list(range(6))
    assert torch.equal(data[3].image, dataclasses.replace(data[3]).image)
    assert data[3].image.shape == (16, 3, 16, 16)


def test_the_order_of_frames_is_taken_away_for_comparison():
    clips = Clips(4, 2, ResizeCrop(8))
    reduced = clips.reduced_inputs()
    assert numbers(reduced["middle frame"]([film()])[0][0]) == [10] * 4
    shuffled = numbers(reduced["shuffled frames"]([film()])[0][0])
    assert sorted(shuffled) == [6, 8, 10, 12]
    assert shuffled != [6, 8, 10, 12]
    assert clips.to_json() == reduced["middle frame"].to_json(), "a run is never saved without its motion"


@pytest.mark.parametrize(
    ("shown", "shuffled", "middle", "words"),
    [
        (0.9, 0.3, 0.2, ""),
        (0.9, 0.88, 0.2, "their order does not matter"),
        (0.9, 0.2, 0.85, "motion does not matter"),
        (0.9, 0.85, 0.85, "nor does motion"),
    ],
)
def test_the_report_says_where_order_does_not_matter(shown, shuffled, middle, words):
    labels = [Label(k % 2) for k in range(400)]

    def scores(share):
        metric = VideoClassificationMetric(["a", "b"])
        right = round(share * 400)
        found = [label.index if k < right else 1 - label.index for k, label in enumerate(labels)]
        metric.update([VideoLabel(k, torch.eye(2)[k]) for k in found], labels)
        return metric.compute()

    rows = {"middle frame": scores(middle).scalars(), "shuffled frames": scores(shuffled).scalars()}
    remark = VideoClassification.evaluation.remark(
        Results(split="test", count=400, metrics=scores(shown), losses={}, comparisons=rows)
    )
    assert words in remark
    assert bool(remark) == bool(words)


def test_each_group_is_held_out_once(tmp_path, monkeypatch):
    """Folds of a stand-in for training, which sees what it is told."""
    from zorki.engine import folds

    for person in range(3):
        for label in ("bend", "wave"):
            (tmp_path / "films" / label).mkdir(parents=True, exist_ok=True)
            image = torch.full((3, 16, 96), 40 * person + 100 * (label == "bend"), dtype=torch.uint8)
            write_image(tmp_path / "films" / label / f"{person}.png", image)
    settings = {"epochs": 1, "batch_size": 4, "workers": 0, "device": "cpu", "normalize": "weights", "image_size": 16}
    settings |= {"clip_frames": 2, "options": {"width": "2", "hidden": "4"}, "group": "//1", "out": str(tmp_path)}
    found = folds.train_folds("c3d_small", tmp_path / "films", quiet=True, name="folds", **settings)
    assert list(found.folds) == ["0", "1", "2"]
    assert found.metrics.count == 6
    assert set(found.comparisons) == {"middle frame", "shuffled frames"}
    trained = []
    monkeypatch.setattr(folds, "train", lambda *args, **given: trained.append(given))
    again = folds.train_folds("c3d_small", tmp_path / "films", quiet=True, name="folds", **settings)
    assert (again.metrics.to_json(), trained) == (found.metrics.to_json(), []), "finished folds are kept"
    with pytest.raises(RecipeError, match="folds are of groups, and scenes data have none"):
        folds.train_folds("c3d_small", "scenes:36@16", quiet=True)
