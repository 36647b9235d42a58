import errno

import pytest

from zorki.engine.run import logs
from zorki.engine.run.checkpoints import LAST
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
