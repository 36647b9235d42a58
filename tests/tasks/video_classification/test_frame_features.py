"""Stored features of frames against the network on pixels."""

import pickle

import pytest
import torch
from tiny_backbone import tiny_squeezenet

from zorki import load, registry, train
from zorki.data.preprocess.clips import film_of
from zorki.data.scenes.films.motions import SceneMotions
from zorki.data.transforms.varied_film import VariedFilm
from zorki.engine.run import checkpoints
from zorki.errors import ZorkiError
from zorki.tasks.video_classification.data import only_mirrors
from zorki.tasks.video_classification.frame_features import FeatureClips
from zorki.tasks.video_classification.settings import VideoClassificationSettings
from zorki.tasks.video_classification.task import VideoClassification
from zorki.types import ClassInfo, Label


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("ZORKI_CACHE", str(tmp_path / "cache"))
    tiny_squeezenet(monkeypatch)
    return tmp_path / "cache" / "features"


def built(name="gru_squeezenet", **values):
    torch.manual_seed(0)
    model = registry.build(name, 3, {"image_size": 32, "frames": 3, "stride": 2})
    recipe = VideoClassificationSettings(freeze="backbone", precision="32", random_crop=1.0, **values)
    data = SceneMotions(36, size=(32, 32))
    VideoClassification.data.configure(model, recipe, data, [0, 1])
    return model, data, recipe


def test_clips_of_features_are_those_of_pixels(cache):
    model, data, _ = built(hflip=0.5, clips=2)
    clips = model.preprocess
    assert isinstance(clips, FeatureClips)
    assert clips.to_json() == clips.pixels.to_json()
    said = []
    assert clips.precompute(lambda index: data[index].image, 3, workers=0, say=said.append) == 3
    assert clips.precompute(lambda index: data[index].image, 3, workers=0, say=said.append) == 0
    assert "worked out for 3 of 3 films" in said[0]
    assert len(list(cache.rglob("*.npy"))) == 6
    away = pickle.loads(pickle.dumps(clips))
    films = [data[index].image for index in range(3)]
    model.eval()
    for generators in (None, [torch.Generator().manual_seed(k) for k in range(3)]):
        copies = None if generators is None else [torch.Generator().manual_seed(k) for k in range(3)]
        with torch.no_grad():
            expected = model(clips.pixels(films, generators)[0]).clips
            found = model(away(films, copies)[0]).clips
        torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-4)
    with pytest.raises(ZorkiError, match="the features of a film are gone"):
        away([data[5].image])


def test_a_mirrored_film_has_features_of_its_own(cache):
    model, data, recipe = built(hflip=1.0)
    varied = VideoClassification.data.augment(data[0], recipe, ClassInfo(("a", "b", "c")), torch.Generator())
    assert isinstance(varied.image, VariedFilm)
    model.eval()
    with torch.no_grad():
        expected = model(model.preprocess.pixels([varied.image])[0]).clips
        found = model(model.preprocess([varied.image])[0]).clips
        plain = model(model.preprocess([data[0].image])[0]).clips
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-4)
    assert not torch.allclose(found, plain, atol=1e-5)
    assert model.loss(model(model.preprocess([varied.image])[0]), [Label(0)])["cross_entropy"] > 0


def test_other_weights_have_other_features(cache):
    model, data, _ = built()
    store = model.preprocess.store
    film = film_of(data[0].image)
    store(film)
    other, _, _ = built()
    assert other.preprocess.store.is_cached(film)
    with torch.no_grad():
        other.backbone.layers[0].weight.add_(0.1)
    other.preprocess = other.preprocess.pixels
    other.store_features(precision="32", mirrored=False)
    assert not other.preprocess.store.is_cached(film)


@pytest.mark.parametrize(("setting", "value"), [("random_crop", 0.5), ("brightness", 0.2), ("rotate", 5.0)])
def test_films_that_are_varied_otherwise_are_seen_anew(setting, value):
    assert only_mirrors(VideoClassificationSettings(random_crop=1.0, hflip=0.5, image_size=32))
    assert not only_mirrors(VideoClassificationSettings(**{"random_crop": 1.0, setting: value}))


def test_a_run_learns_from_features_and_is_saved_as_one_of_pixels(cache, tmp_path):
    settings = {"epochs": 1, "workers": 0, "device": "cpu", "quiet": True, "batch_size": 8, "random_crop": 1.0}
    run = train("gru_squeezenet", "scenes:36@32", freeze="backbone", out=str(tmp_path), image_size=32, **settings)
    assert list(cache.rglob("*.npy"))
    assert not isinstance(load(run.folder).model.preprocess, FeatureClips)
    assert run.about["preprocess"]["kind"] == "Clips"
    torch.manual_seed(1)
    other = registry.build("gru_squeezenet", len(run.class_names), {"image_size": 32})
    checkpoints.fill(
        checkpoints.check(run.folder, other), other
    )  # a run that goes on finds the features of its weights
    assert torch.equal(other.backbone.layers[0].weight, run.model.backbone.layers[0].weight)
