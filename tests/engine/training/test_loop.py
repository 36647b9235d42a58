"""Which epoch's weights are kept, and when training stops, from what validation found."""

import signal
from types import SimpleNamespace

import lightning.pytorch as lightning
import pytest
import torch

from zorki.engine.run.logs import Log
from zorki.engine.training.loop import Conductor
from zorki.engine.training.optimizer import StageSchedule
from zorki.engine.training.progress import Progress
from zorki.errors import ZorkiError
from zorki.recipe import Recipe

NAN = float("nan")


class Stoppable(lightning.Trainer):
    is_global_zero, should_stop, world_size = True, False, 1

    def __init__(self):
        """Trains nothing."""


def conductor(tmp_path, kept, **settings):
    recipe = Recipe(epochs=9, patience=settings.pop("patience", None))
    return Conductor(
        recipe, tmp_path, validate=None, monitor="ap", log=Log(tmp_path, active=False),
        progress=Progress(9, "ap", active=False),
        keep_best=lambda model, facts: kept.append(facts["epoch"]), **settings,
    )  # fmt: skip


def judged(one, figures):
    """The epoch after which training stops, None: it does not."""
    trainer = Stoppable()
    for epoch, row in enumerate(figures):
        one._evaluate(trainer, None, row, epoch)
        if trainer.should_stop:
            return epoch
    return None


@pytest.mark.parametrize(
    ("aps", "losses", "best"),
    [
        ([0, 0, 0], [3.0, 2.0, 1.0], 2),  # nothing is right yet, and the loss falls
        ([0, 0, 0], [3.0, 1.0, 2.0], 1),
        ([0.5, 0.5, 0.5], [1.0, 1.0, 1.0], 2),  # all alike: the later one
        ([0.5, 0.6, 0.5], [1.0, 9.0, 0.1], 1),  # the monitor goes before the loss
        ([0.5, 0.5, 0.4], [1.0, NAN, 0.1], 0),
    ],
)
def test_the_better_monitor_then_the_lower_loss_then_the_later_epoch(tmp_path, aps, losses, best):
    kept = []
    one = conductor(tmp_path, kept)
    assert judged(one, [{"ap": ap, "loss": loss} for ap, loss in zip(aps, losses, strict=True)]) is None
    assert (one.best_epoch, kept[-1]) == (best, best)


def test_patience_counts_epochs_without_a_better_monitor(tmp_path):
    rows = [{"ap": 0.5, "loss": loss} for loss in (3.0, 2.0, 1.0)]
    assert judged(conductor(tmp_path, [], patience=2), rows) == 2


def test_where_validation_tells_nothing_the_last_epoch_is_kept_and_patience_waits(tmp_path):
    kept = []
    one = conductor(tmp_path, kept, keep_last=True, patience=1)
    assert judged(one, [{"loss": loss} for loss in (1.0, 2.0, 3.0, 4.0)]) is None
    assert kept == [0, 1, 2, 3]
    assert one.best_epoch == 3


class Staged(torch.nn.Module):
    """Writes down when its stages begin, and what they are shown."""

    def __init__(self):
        super().__init__()
        self.begun = []

    def stage_shares(self):
        return (1 / 3, 1 / 3, 1 / 3)

    def begin_stage(self, stage, batches):
        self.begun.append((stage, list(batches)))


def test_a_stage_begins_once_and_competes_with_itself_alone(tmp_path):
    one = conductor(tmp_path, kept := [], patience=1, held_out=lambda model: [("inputs", "targets")])
    model = Staged()
    one.stages = StageSchedule.of(model.stage_shares(), 9)
    figures = [0.5, 0.9, 0.8, 0.1, 0.2, 0.15, 0.3, 0.25, 0.4]  # the second stage is worse than the first
    for epoch, ap in enumerate(figures):
        trainer = Stoppable()
        trainer.fit_loop = SimpleNamespace(epoch_progress=SimpleNamespace(current=SimpleNamespace(completed=epoch)))
        one.on_train_epoch_start(trainer, SimpleNamespace(model=model, frozen=[]))
        one._evaluate(trainer, model, {"ap": ap, "loss": 1.0}, epoch)
        if trainer.should_stop:
            break
    assert kept == [0, 1, 3, 4, 6]
    assert epoch == 7, "patience ends the last stage alone"
    assert model.begun == [(stage, [("inputs", "targets")]) for stage in (2, 3)]


def test_a_checkpoint_of_before_goes_on(tmp_path):
    """Earlier versions kept no loss beside the best monitor: an equal one then wins by being later."""
    kept = []
    one = conductor(tmp_path, kept)
    state = {"plateau": {}, "best": 0.5, "best_epoch": 3, "stale": 1, "sums": {}, "batches": 0}
    one.load_state_dict(state | {"first_loss": 1.0, "seconds": 9.0})
    judged(one, [{"ap": 0.5, "loss": 7.0}, {"ap": 0.5, "loss": 8.0}])
    assert (one.best_loss, kept) == (7.0, [0])


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1])
def test_a_closed_terminal_stops_training_as_a_kill_does(tmp_path, number):
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    one = conductor(tmp_path, [])
    try:
        one.on_fit_start(Stoppable(), lightning.LightningModule())
        one._listen()
        signal.raise_signal(number)
        assert one.stop_signal == number
        assert one._asked_to_stop(Stoppable(), 1)
        one.close()
        assert signal.getsignal(signal.SIGHUP) == signal.SIG_DFL
    finally:
        signal.signal(signal.SIGHUP, before)


def test_under_nohup_a_closed_terminal_stops_nothing(tmp_path):
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        one = conductor(tmp_path, [])
        one.on_fit_start(Stoppable(), lightning.LightningModule())
        one._listen()
        assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
        one.close()
    finally:
        signal.signal(signal.SIGHUP, before)


@pytest.mark.parametrize("write", ["_keep", "write_checkpoint", "_log_step"])
def test_nothing_is_written_where_the_folder_is_gone(tmp_path, write):
    def gone():
        raise ZorkiError("gone")

    written = []
    one = conductor(tmp_path / "run", written, check_folder=gone)
    learner = SimpleNamespace(losses={"loss": torch.tensor(1.0)})
    trainer = Stoppable()
    arguments = {"_keep": (None, {"epoch": 0}), "write_checkpoint": (), "_log_step": (learner, 1)}[write]
    with pytest.raises(ZorkiError, match="gone"):
        getattr(one, write)(trainer, *arguments)
    assert not written
    assert not (tmp_path / "run").exists()
