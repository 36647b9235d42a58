"""Losses over two processes, each with half of a batch, are those of one process with all of it, gradients too."""

import multiprocessing

import pytest
import torch
from torch import distributed

from zorki import registry
from zorki.losses.self_supervised.cross_correlation import cross_correlation_loss
from zorki.losses.self_supervised.gather import first_row, gather_rows, gather_values
from zorki.losses.self_supervised.info_nce import InfoNceLoss

COUNT, WORLD = 6, 2


def batches(half=None):
    """Two views of a batch, or one process's half of it."""
    generator = torch.Generator().manual_seed(0)
    views = torch.randn(2, COUNT, 5, generator=generator)
    return views if half is None else views.chunk(WORLD, 1)[half]


def info_nce(first, second):
    return InfoNceLoss(0.5)(first, second)


def barlow_twins(first, second):
    return sum(cross_correlation_loss(first, second, 0.1))


LOSSES = {"info_nce": info_nce, "barlow_twins": barlow_twins}


def gradient(loss, views):
    """The loss of what one linear layer makes of two views, and the layer's gradient."""
    weights = torch.linspace(-1, 1, 20).reshape(5, 4).requires_grad_()
    value = loss(*(views @ weights))
    value.backward()
    return value.detach(), weights.grad


def keys(images):
    """What MoCo makes of images in the grouping of training, where the pixels themselves are keys."""
    torch.manual_seed(0)
    model = registry.build("moco_cifar_resnet20", 0, {"image_size": 32, "queue": 4}).train()
    model._made_keys = lambda images: images.flatten(1)
    return model._shuffled_keys(images)


def work(rank, folder):
    """What one of the processes finds, written into the folder."""
    torch.set_num_threads(1)
    store = distributed.FileStore(str(folder / "store"), WORLD)
    distributed.init_process_group("gloo", store=store, rank=rank, world_size=WORLD)
    found = {"rows": gather_values(torch.tensor([rank, rank + 10])), "first": torch.tensor(first_row(3))}
    for name, loss in LOSSES.items():
        value, slope = gradient(loss, batches(rank))
        for part in (value, slope):
            distributed.all_reduce(part)  # as DDP averages
        found[name] = torch.cat([(value / WORLD)[None], (slope / WORLD).flatten()])
    # In evaluation the last batches of the processes are of other sizes, or there is none for one of them.
    alone = InfoNceLoss(0.5).eval()
    found["alone"] = alone(*torch.randn(2, 2, 5, generator=torch.Generator().manual_seed(1))) if rank == 0 else None
    found["keys"] = keys(torch.randn(COUNT, 3, 8, 8, generator=torch.Generator().manual_seed(2)).chunk(WORLD)[rank])
    torch.save(found, folder / f"{rank}.pt")
    distributed.destroy_process_group()


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    folder = tmp_path_factory.mktemp("gloo")
    context = multiprocessing.get_context("fork")
    processes = [context.Process(target=work, args=(rank, folder)) for rank in range(WORLD)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
        assert process.exitcode == 0
    return [torch.load(folder / f"{rank}.pt") for rank in range(WORLD)]


@pytest.mark.parametrize("name", LOSSES)
def test_two_processes_learn_as_one(found, name):
    value, slope = gradient(LOSSES[name], batches())
    for one in found:
        torch.testing.assert_close(one[name], torch.cat([value[None], slope.flatten()]))


def test_keys_are_shuffled_over_processes_and_come_back_in_order(found):
    images = torch.randn(COUNT, 3, 8, 8, generator=torch.Generator().manual_seed(2))
    assert torch.equal(torch.cat([one["keys"] for one in found]), images.flatten(1))


def test_a_process_evaluates_alone(found):
    views = torch.randn(2, 2, 5, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(found[0]["alone"], InfoNceLoss(0.5).eval()(*views))


def test_rows_come_in_the_order_of_ranks(found):
    for rank, one in enumerate(found):
        assert one["rows"].tolist() == [0, 10, 1, 11]
        assert int(one["first"]) == 3 * rank


def test_one_process_gathers_nothing():
    rows = torch.randn(3, 2)
    assert gather_rows(rows) is rows
    assert gather_values(rows) is rows
    assert first_row(3) == 0
