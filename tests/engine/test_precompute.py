import pytest
import torch

from zorki.data.scenes.boxes import SceneDetection
from zorki.engine.precompute import precompute

STARTED_BY = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "SLURM_PROCID", "SLURM_NTASKS")


class Dear:
    """Remembers which images it was given beforehand."""

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
