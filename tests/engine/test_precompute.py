import pytest
import torch

from zorki.data.scenes.boxes import SceneDetection
from zorki.engine.evaluation.evaluate import evaluate
from zorki.engine.precompute import precompute
from zorki.engine.training.train import train

STARTED_BY = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "SLURM_PROCID", "SLURM_NTASKS")


class Dear:
    """Remembers which images it was given beforehand."""

    pixels = None

    def __init__(self):
        self.seen = None

    def precompute(self, images, count, *, workers, say):
        self.workers = workers
        self.seen = [images(place) for place in range(count)]
        return count


@pytest.fixture
def dataset(monkeypatch):
    for name in STARTED_BY:
        monkeypatch.delenv(name, raising=False)
    return SceneDetection(10, size=(16, 16))


def prepared(dataset, world):
    """The places, among the indices 1 to 8, of what this process prepares."""
    dear = Dear()
    precompute(dear, dataset, range(1, 9), print, world=world)
    if dear.seen is None:
        return None
    images = [dataset[index].image for index in range(1, 9)]
    return [next(i for i, image in enumerate(images) if torch.equal(image, one)) for one in dear.seen]


def test_one_process_prepares_all(dataset, monkeypatch):
    assert prepared(dataset, 1) == list(range(8))
    monkeypatch.setenv("SLURM_NTASKS", "3")  # asked for, but not used
    assert prepared(dataset, 1) == list(range(8))


@pytest.mark.parametrize(("rank", "size"), [("RANK", "WORLD_SIZE"), ("SLURM_PROCID", "SLURM_NTASKS")])
def test_processes_that_run_already_share_the_work(dataset, monkeypatch, rank, size):
    monkeypatch.setenv(size, "3")
    shares = []
    for number in range(3):
        monkeypatch.setenv(rank, str(number))
        shares.append(prepared(dataset, 3))
    assert shares == [[0, 3, 6], [1, 4, 7], [2, 5]]


def test_the_first_prepares_all_before_it_starts_the_others(dataset, monkeypatch):
    assert prepared(dataset, 2) == list(range(8))
    monkeypatch.setenv("LOCAL_RANK", "1")
    assert prepared(dataset, 2) is None


def test_nothing_is_done_where_nothing_is_dear(dataset):
    precompute(object(), dataset, range(3), print)


def test_a_run_searches_every_image_once_with_progress_before_it_asks_for_one(tmp_path, monkeypatch, capsys):
    """Pixel statistics, the check of the network and the loaders find what was searched."""
    monkeypatch.setenv("ZORKI_CACHE", str(tmp_path / "cache"))
    searches = tmp_path / "searches"

    def found(image, mode="fast", seed=0):
        with searches.open("a") as file:  # from whatever process
            file.write("one\n")
        return torch.tensor([[4, 4, 40, 40], [10, 10, 50, 44]], dtype=torch.int16)

    monkeypatch.setattr("zorki.data.preprocess.proposal_cache.selective_search", found)
    settings = {"epochs": 1, "batch_size": 2, "limit": 4, "workers": 0, "hflip": 0.5, "out": str(tmp_path)}
    run = train("fast_rcnn_squeezenet", "scenes:10@72x48", **settings, image_size=64)
    assert len(searches.read_text().split()) == 4 + 1 + 2, "training images, val and test"
    told = capsys.readouterr().out
    assert "searched 7 of 7 images" in told
    assert told.index("searched 7 of 7") < told.index("epoch   1/1")
    searches.unlink()
    evaluate(run)
    assert not searches.exists()
