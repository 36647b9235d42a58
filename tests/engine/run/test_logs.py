import errno

import numpy as np
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from zorki.engine.run import logs
from zorki.engine.run.checkpoints import LAST
from zorki.engine.training.train import train
from zorki.errors import ZorkiError


class Full:
    def log_metrics(self, values, step):
        raise OSError(errno.ENOSPC, "No space left on device")


def test_a_logger_without_room_says_so_with_a_way_on(tmp_path):
    log = logs.Log(tmp_path, [Full()])
    with pytest.raises(ZorkiError, match=r"disk is full .* no checkpoint yet; then start it from its beginning with"):
        log.step({"step": 1, "epoch": 0, "loss": 0.5})
    (tmp_path / LAST).touch()
    with pytest.raises(ZorkiError, match=r"disk is full .* Then go on with: zorki train --resume"):
        log.step({"step": 2, "epoch": 0, "loss": 0.5})


@pytest.mark.filterwarnings("error::pytest.PytestUnhandledThreadExceptionWarning")
def test_tensorboard_without_its_folder_is_one_message_and_makes_none(tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    (board,) = logs.loggers(folder, None)
    board.log_metrics({"loss": 1.0}, 1)
    board.save()
    folder.rename(tmp_path / "moved")

    def write():
        with logs.single_writer_error(folder):
            try:
                logs.Log(folder, [board])._pass_on({"loss": 1.0}, 2, save=True)
            finally:
                board.finalize("failed")  # as Lightning does, and it fails again

    with pytest.raises(ZorkiError, match="could not be written") as told:
        write()
    assert str(told.value).count("could not be written") == 1
    assert not folder.exists()


def test_images_go_to_each_logger_in_its_own_way(tmp_path):
    """By fakes of the small interfaces; of what knows no images nothing is asked."""
    calls = []

    class Client:
        def log_image(self, run_id, image, key, step):
            calls.append((run_id, image.shape, key, step))

        def add_image(self, name, image, step):
            calls.append((name, image.shape, step))

    class TensorBoardLogger:
        experiment = Client()

    class WandbLogger:
        def log_image(self, key, images, step):
            calls.append((key, [one.shape for one in images], step))

    class MLFlowLogger:
        experiment, run_id = Client(), "7"

    image = np.zeros((3, 8, 12), np.uint8)
    log = logs.Log(tmp_path, [TensorBoardLogger(), WandbLogger(), MLFlowLogger(), Full()])
    log.image("val/examples", image, 5)
    assert calls == [
        ("val/examples", (3, 8, 12), 5), ("val/examples", [(8, 12, 3)], 5), ("7", (8, 12, 3), "val_examples", 5),
    ]  # fmt: skip
    logs.Log(tmp_path, [TensorBoardLogger()], active=False).image("val/examples", image, 6)
    assert len(calls) == 3


def test_training_shows_validation_images_at_intervals(tmp_path):
    run = train(
        "lenet5", "scenes:60@32", epochs=2, batch_size=16, workers=0, log_images=3, quiet=True, out=str(tmp_path)
    )
    board = EventAccumulator(str(run.folder / "tensorboard"), size_guidance={"images": 0})
    board.Reload()
    assert board.Tags()["images"] == ["val/examples"]
    shown = board.Images("val/examples")
    assert len(shown) == 2
    assert shown[0].width > 3 * 128


def test_mlflow_that_is_not_installed_is_told(monkeypatch):
    monkeypatch.setattr(logs.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ZorkiError, match="--mlflow needs the package mlflow: pip install mlflow"):
        logs.check_loggers(None, "experiment")
