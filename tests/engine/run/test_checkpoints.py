import pytest
import torch
from torch import nn

from zorki.engine.run.checkpoints import LAST, check
from zorki.errors import WeightsError

PROGRESS = {"total": {"ready": 7}, "is_last_batch": False}


def state_of(network, **changes):
    tensors = {f"model.{name}": value for name, value in network.state_dict().items()}
    loops = {"fit_loop": {"epoch_loop.batch_progress": PROGRESS}}
    state = {"state_dict": tensors, "loops": loops, "optimizer_states": [], "lr_schedulers": [], "epoch": 1}
    return {**state, "global_step": 7, **changes}


def network(width=4):
    return nn.Sequential(nn.Linear(3, width), nn.BatchNorm1d(width))


@pytest.mark.parametrize("prefix", ["model.", "model._orig_mod."])
def test_a_checkpoint_of_the_network_is_taken(tmp_path, prefix):
    tensors = {f"{prefix}{name}": value for name, value in network().state_dict().items()}
    torch.save(state_of(network(), state_dict=tensors), tmp_path / LAST)
    found = check(tmp_path, network())
    assert (found.done, found.within_epoch) == (7, True)


@pytest.mark.parametrize(
    ("other", "words"),
    [
        (nn.Sequential(nn.Linear(3, 4)), r"lacks '1\.weight' \(5 tensors do not fit"),
        (network(5), r"has '0\.weight' in another shape \(4 tensors do not fit"),
        (nn.ModuleDict({"a": nn.Linear(3, 4)}), r"lacks '0\.weight'"),
    ],
)
def test_a_checkpoint_of_another_network_is_told(tmp_path, other, words):
    torch.save(state_of(other), tmp_path / LAST)
    with pytest.raises(WeightsError, match=rf"last\.ckpt: is of another network than run\.json tells: it {words}"):
        check(tmp_path, network())


@pytest.mark.parametrize("content", [[1], torch.ones(2), {"loops": 3}, {"state_dict": {}}])
def test_a_file_that_is_no_checkpoint_is_told(tmp_path, content):
    torch.save(content, tmp_path / LAST)
    with pytest.raises(WeightsError, match=r"last\.ckpt: cannot be read"):
        check(tmp_path, network())


def test_a_checkpoint_without_its_optimizer_is_told(tmp_path):
    state = state_of(network())
    del state["optimizer_states"]
    torch.save(state, tmp_path / LAST)
    with pytest.raises(WeightsError, match="no checkpoint of a training: it lacks optimizer_states"):
        check(tmp_path, network())
