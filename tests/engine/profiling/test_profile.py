"""Where a step's time goes: stages add up, batches are those of training, and the remedy follows from the numbers."""

import json

import pytest
import torch

from zorki.cli import main
from zorki.data.loading.loader import Loader
from zorki.engine.profiling.advice import Circumstances, bottleneck
from zorki.engine.profiling.profile import WARM_UP, TimedSteps, profile_plan
from zorki.engine.profiling.stage_clock import DATA, NETWORK, StageClock, TimedPipeline
from zorki.engine.training.loaders import train_loader_of
from zorki.engine.training.plan import draft_plan

SETTINGS = {"batch_size": 8, "workers": 0, "epochs": 1, "precision": "32", "device": "cpu"}


@pytest.fixture(scope="module")
def plan():
    return draft_plan("lenet5", "scenes:40@32", None, SETTINGS, None, lambda words: None)


def test_timed_batches_are_those_of_training(plan):
    plain, loader = train_loader_of(plan), train_loader_of(plan)
    clock = StageClock()
    loader.pipeline = TimedPipeline.of(loader.pipeline, clock)
    for expected, batch in zip(plain, loader, strict=True):
        assert torch.equal(expected.inputs, batch.inputs)
        assert expected.indices == batch.indices
    assert clock.seconds["decode"] > 0
    assert clock.seconds["augment"] > 0
    assert clock.seconds["collate"] > 0


def test_time_counts_for_the_stage_in_which_it_passes(plan, monkeypatch):
    """By a clock that the loss alone moves on."""
    steps, passed = TimedSteps(plan), []
    monkeypatch.setattr(type(plan.model), "loss", lambda model, outputs, targets: passed.append(1) or _total(outputs))
    steps.clock.now = lambda: float(len(passed))
    count = steps.run(train_loader_of(plan), 0.0)
    assert steps.clock.seconds["forward"] == count
    assert sum(steps.clock.seconds.values()) == count


def _total(outputs):
    return {"loss": outputs.main.sum()}


def test_the_plan_is_left_as_it_is(plan):
    before = {name: value.clone() for name, value in plan.model.state_dict().items()}
    found = profile_plan(plan, 0.01)
    assert set(found.stages) == {*DATA, *NETWORK}
    assert found.alone == pytest.approx(sum(found.stages.values()))
    assert sum(row["share"] for row in found.rows()) == pytest.approx(1)
    assert all(torch.equal(value, before[name]) for name, value in plan.model.state_dict().items())


def test_steps_before_are_not_timed(plan):
    steps, seen = TimedSteps(plan), []
    steps.step = lambda batch: seen.append(len(batch))
    count = steps.run(train_loader_of(plan), 0.0)
    assert len(seen) == count + WARM_UP
    assert isinstance(train_loader_of(plan), Loader)


FAST = dict.fromkeys((*DATA, *NETWORK), 1.0)
GPU = Circumstances("cuda", "bf16", 2, 9, 32, 224, quick_bf16=True)


@pytest.mark.parametrize(
    ("alone", "step", "waiting", "facts", "stage", "remedy"),
    [
        ({"decode": 40.0}, 40.0, 30.0, GPU, "decode", "--workers 8"),
        ({"decode": 40.0}, 40.0, 30.0, Circumstances("cuda", "bf16", 8, 9, 32, 224, reducible_jpeg=True), "decode",
         "--reduced-jpeg"),
        ({"decode": 40.0}, None, None, Circumstances("cpu", "32", 0, 2, 32, 224), "decode", "--workers 1"),
        ({"augment": 40.0}, 40.0, 30.0, Circumstances("cuda", "bf16", 8, 9, 32, 224), "augment", "augmentation"),
        ({"collate": 40.0}, 40.0, 30.0, Circumstances("cpu", "32", 1, 2, 32, 224), "collate", "--image-size"),
        ({"read": 40.0}, 40.0, 30.0, Circumstances("cpu", "32", 1, 2, 32, 224), "read", "local disk"),
        ({"backward": 40.0}, 43.0, 0.1, Circumstances("cuda", "32", 2, 9, 32, 224, quick_bf16=True), "backward",
         "--precision bf16"),
        ({"backward": 40.0}, 43.0, 0.1, GPU, "backward", "--compile"),
        ({"forward": 40.0}, 43.0, 0.1, Circumstances("cpu", "bf16", 2, 9, 32, 224), "forward", "--device cuda"),
        ({"optimizer": 40.0}, 43.0, 0.1, GPU, "optimizer", "--batch-size than 32"),
        ({"copy": 40.0}, 43.0, 0.1, GPU, "copy", "--image-size"),
    ],
)  # fmt: skip
def test_the_remedy_follows_from_the_numbers(alone, step, waiting, facts, stage, remedy):
    found = bottleneck({**FAST, **alone}, step, waiting, facts)
    assert found.stage == stage
    assert remedy in found.remedy
    assert found.reason


def test_on_the_command_line(capsys):
    flags = ["--batch-size", "8", "--workers", "1", "--precision", "32", "--device", "cpu", "--seconds", "0.01"]
    main(["profile", "lenet5", "scenes:40@32", *flags, "--json"])
    found = json.loads(capsys.readouterr().out)
    assert [row["stage"] for row in found["stages"]] == [*DATA, *NETWORK]
    assert 0 < found["waiting"] < found["step"]
    assert {"stage", "reason", "remedy"} == set(found["bottleneck"])
    with pytest.raises(SystemExit) as end:
        main(["profile", "lenet5", "scenes:40@32", "--seconds", "0"])
    assert end.value.code == 2
    assert "expected a time above 0" in capsys.readouterr().err
