"""A search whose trials only write what a training writes: asked, pruned, bounded, stopped, resumed."""

import json
import math
import sys
import time
from pathlib import Path

import pytest
import yaml

from zorki.cli import main
from zorki.engine.tuning import study, tune
from zorki.engine.tuning.latency import latency_of
from zorki.engine.tuning.trial_process import LocalProcess, launcher
from zorki.errors import RecipeError, WeightsError, ZorkiError

DATA = "scenes:40@32"
EPOCHS = 5


class PaintedTrial:
    """A training that is best at a learning rate of 0.01, one epoch a look; above 0.5 its loss runs away."""

    started, stopped = [], []

    def __init__(self, words, log):
        self.settings = yaml.safe_load(Path(words[words.index("--recipe") + 1]).read_text())
        self.run = Path(self.settings["out"]) / self.settings["name"]
        self.log, self.epoch, self.ended = log, 0, None
        self.lr = self.settings.get("lr", 0.05)
        PaintedTrial.started.append(self.settings)

    def poll(self):
        if self.ended is not None:
            return self.ended
        if self.lr > 0.5:
            self.log.write_text("zorki: the loss is nan at step 3: training has run away. Lower --lr")
            self.ended = 2
            return self.ended
        score = 0.9 - 0.2 * abs(math.log10(self.lr / 0.01))
        self.run.mkdir(exist_ok=True)
        rows = [f"{epoch},{epoch},{score * (1 - 0.5 ** (epoch + 1))}" for epoch in range(self.epoch + 1)]
        (self.run / "epochs.csv").write_text("epoch,step,val/top1\n" + "\n".join(rows) + "\n")
        (self.run / "run.json").write_text("{}")
        self.epoch += 1
        if self.epoch == EPOCHS:
            metrics = {"val": {"metrics": {"top1": score}}}
            (self.run / "results.json").write_text(json.dumps(metrics))
            self.ended = 0
        return self.ended

    def stop(self):
        if self.ended is None:
            PaintedTrial.stopped.append(self.run.name)
            self.ended = 130


@pytest.fixture(autouse=True)
def _without_waiting(monkeypatch):
    monkeypatch.setattr(study, "POLL", 0.0)
    PaintedTrial.started, PaintedTrial.stopped = [], []


def search(**more):
    settings = {"over": "lr=log:1e-4:1", "budget": 12, "quiet": True, "batch_size": 8, "workers": 0, "lr": None}
    settings |= {"launch": PaintedTrial, **more}
    return tune.tune("lenet5", DATA, **{name: value for name, value in settings.items() if value is not None})


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """A search of 12 trials, with its folder."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(study, "POLL", 0.0)
        return search(out=str(tmp_path_factory.mktemp("search")), name="s")


def test_trial_0_is_the_default_recipe_and_the_best_is_kept(found):
    assert len(found.trials) == 12
    first = yaml.safe_load((found.folder / "recipes/trial-0.yaml").read_text())
    assert "lr" not in first, "whatever a training chooses"
    assert found.default.params["lr"] == pytest.approx(0.0031), "as it is known to the sampler"
    best = found.best
    assert best.value == max(trial.value for trial in found.trials if trial.value is not None)
    recipe = yaml.safe_load((found.folder / "recipe.yaml").read_text())
    assert recipe["lr"] == pytest.approx(best.params["lr"])
    assert not {"out", "name", "evaluate_test"} & set(recipe)
    assert f"best: trial {best.number}" in str(found)


def test_test_is_never_evaluated(found):
    recipes = [yaml.safe_load(path.read_text()) for path in (found.folder / "recipes").iterdir()]
    assert len(recipes) == 12
    assert all(recipe["evaluate_test"] is False for recipe in recipes)


def test_trials_are_pruned_after_three_epochs_at_the_earliest(found):
    pruned = [trial for trial in found.trials if trial.state == "pruned" and trial.values]
    assert pruned
    assert all(3 <= len(trial.values) < EPOCHS for trial in pruned)
    assert all(trial.number >= study.STARTUP_TRIALS for trial in pruned)
    assert "pruned after epoch" in pruned[0].reason


def test_the_page_shows_what_mattered(found):
    page = (found.folder / "tune.html").read_text()
    for words in ("Best score", "Slices", "default recipe", "--seeds 5", "pruned after epoch"):
        assert words in page
    rows = json.loads((found.folder / "trials.json").read_text())["trials"]
    assert [row["trial"] for row in rows] == list(range(12))
    assert len((found.folder / "trials.csv").read_text().splitlines()) == 13


def test_the_same_command_goes_on_and_another_study_is_refused(found):
    before = len(PaintedTrial.started)
    again = search(out=str(found.folder.parent), name="s", budget=14)
    assert len(again.trials) == 14
    assert len(PaintedTrial.started) - before == 2
    with pytest.raises(WeightsError, match="differs in over"):
        search(out=str(found.folder.parent), name="s", over="lr=log:1e-3:1")


def test_a_loss_that_runs_away_is_a_result_and_no_failure(tmp_path):
    result = search(over="lr=log:0.6:0.9", budget=3, out=str(tmp_path))
    assert [trial.state for trial in result.trials] == ["complete", "pruned", "pruned"]
    assert "run away" in result.trials[1].reason
    assert "the default recipe was not beaten" in str(result)
    assert result.best.number == 0
    assert "0.6" not in (result.folder / "recipe.yaml").read_text()


def test_bounds_are_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(tune, "latency", lambda run, device: 0.05 if run.name == "trial-0" else 0.01)
    result = search(budget=4, max_latency=0.03, out=str(tmp_path))
    assert [trial.feasible for trial in result.trials] == [False, True, True, True]
    assert result.best.number != 0
    assert "does not keep the bounds" in str(result) or "trial 0" not in str(result)
    monkeypatch.setattr(tune, "latency", lambda run, device: 1.0)
    assert "no trial keeps the bounds" in str(search(budget=2, max_latency=0.03, out=str(tmp_path)))


def test_trials_run_beside_each_other(tmp_path):
    result = search(budget=6, workers_at_once=3, out=str(tmp_path))
    assert sorted(trial.number for trial in result.trials) == list(range(6))


def test_a_storage_with_a_url_is_shared(tmp_path):
    url = f"sqlite:///{tmp_path}/study.db"
    for machine in ("a", "b"):
        result = search(budget=4 if machine == "a" else 6, storage=url, out=str(tmp_path / machine), name="shared")
    assert len(result.trials) == 6
    assert not (tmp_path / "b/shared/journal.log").exists()


def test_a_study_that_goes_on_or_is_shared_draws_other_recipes_than_before(tmp_path, monkeypatch):
    place = {"out": str(tmp_path), "name": "s", "sampler": "random"}
    first = search(budget=3, **place)
    again = search(budget=5, **place)
    assert [trial.params for trial in again.trials[:3]] == [trial.params for trial in first.trials]
    assert len({trial.params["lr"] for trial in again.trials}) == 5
    url, drawn = f"sqlite:///{tmp_path}/study.db", []
    for host in ("a", "b"):
        monkeypatch.setattr(study.socket, "gethostname", lambda host=host: host)
        opened = study.open_study(host, url, tmp_path, "random", 0)  # both began at once, with no trial
        drawn.append(opened.ask().suggest_float("lr", 0, 1))
    assert drawn[0] != drawn[1]


def test_where_the_default_recipe_fails_nothing_is_searched(tmp_path):
    class Broken(PaintedTrial):
        def poll(self):
            self.log.write_text("zorki: no room on the device")
            return 2

    with pytest.raises(ZorkiError, match="no room on the device"):
        search(launch=Broken, out=str(tmp_path))


def test_ctrl_c_stops_trials_which_count_for_nothing(tmp_path):
    class Endless(PaintedTrial):
        def poll(self):
            if self.settings["name"] == "trial-1":
                if self.ended is None:
                    time.sleep(0.01)
                return self.ended
            return super().poll()

    place = {"out": str(tmp_path), "name": "s", "budget": 3}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(study.threading.Thread, "join", interrupt_join(patch))
        with pytest.raises(KeyboardInterrupt):
            search(launch=Endless, **place)
    result = search(**place)
    assert sum(trial.state in ("complete", "pruned") for trial in result.trials) == 3


def interrupt_join(patch):
    """`Thread.join` of a user who types Ctrl-C once the second trial runs."""
    import threading

    plain, typed = threading.Thread.join, []

    def join(thread, timeout=None):
        if not typed and any(one["name"] == "trial-1" for one in PaintedTrial.started):
            typed.append(True)
            raise KeyboardInterrupt
        plain(thread, timeout)

    return join


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"budget": 1}, "at least 2 trials"),
        ({"sampler": "magic"}, "expected one of tpe"),
        ({"over": "lr", "lr": 0.1}, "set as well"),
        ({"over": "lr=3"}, "two values or more"),
        ({"over": "options.dropuot=0:0.5"}, "takes no 'dropuot'"),
        ({"storage": "nowhere://x", "budget": 2}, "cannot be opened"),
    ],
)
def test_bad_input_is_told(tmp_path, more, message):
    with pytest.raises(ZorkiError, match=message):
        search(out=str(tmp_path), **more)
    assert not list(tmp_path.rglob("trial-*"))


def test_without_optuna_the_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(ZorkiError, match=r"zorki\[tune\]"):
        search(out=str(tmp_path))
    assert not list(tmp_path.iterdir())


def test_without_a_driver_of_postgresql_the_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "psycopg", None)
    for scheme in ("postgresql", "postgresql+psycopg"):
        with pytest.raises(ZorkiError, match=r"zorki\[postgres\]"):
            search(storage=f"{scheme}://me@127.0.0.1:1/none", out=str(tmp_path))
    assert not list(tmp_path.iterdir())


def test_on_ray_trials_are_processes_of_its_nodes(tmp_path):
    ray = pytest.importorskip("ray")
    ray.init(num_cpus=1, include_dashboard=False, log_to_driver=False, configure_logging=False)
    try:
        process = launcher("ray", "cpu")(["--version"], tmp_path / "log.txt")
        deadline = time.monotonic() + 60
        while process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.1)
        assert process.poll() == 0
        process.stop()
    finally:
        ray.shutdown()
    assert (tmp_path / "log.txt").read_text().strip()


def test_the_result_is_printed_for_machines(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(tune, "launcher", lambda on, device: PaintedTrial)
    words = ["tune", "lenet5", DATA, "--over", "lr=log:1e-4:1", "--budget", "3", "--batch-size", "8", "--workers", "0"]
    main([*words, "--out", str(tmp_path), "--json"])
    told = json.loads(capsys.readouterr().out)
    assert (told["monitor"], len(told["trials"]), told["best"] in (0, 1, 2)) == ("top1", 3, True)
    assert told == json.loads((Path(told["folder"]) / "trials.json").read_text())


def test_without_ray_the_extra_is_named(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ZorkiError, match=r"zorki\[ray\]"):
        launcher("ray", None)
    assert launcher("local", None) is LocalProcess


def test_a_process_is_watched_and_stopped(tmp_path):
    process = LocalProcess(["--version"], tmp_path / "log.txt")
    for _ in range(600):
        if process.poll() is not None:
            break
        time.sleep(0.05)
    assert process.poll() == 0
    assert (tmp_path / "log.txt").read_text().strip()
    process.stop()


def test_words_of_the_command_line(capsys):
    for words, message in (
        (["--over", "lr", "--max-latency", "soon"], "such as 30ms"),
        (["--over", "lr", "--sampler", "magic"], "sampler"),
        ([], "over"),
    ):
        with pytest.raises(SystemExit) as end:
            main(["tune", "lenet5", DATA, *words])
        assert end.value.code == 2
        assert message in capsys.readouterr().err
    assert latency_of("0.1s") == 0.1


def test_a_range_that_lacks_the_default_is_searched_without_it(tmp_path):
    result = search(over="lr=log:0.2:0.4", budget=2, out=str(tmp_path))
    assert result.default.params == {}
    assert 0.2 <= result.trials[1].params["lr"] <= 0.4
    with pytest.raises(RecipeError, match="no usual range"):
        search(over="class_map", out=str(tmp_path))
