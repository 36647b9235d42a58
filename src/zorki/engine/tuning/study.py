"""A study of Optuna's whose trials are ordinary runs: asked, started, watched, pruned and told here."""

from __future__ import annotations

import os
import re
import socket
import threading
import time
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from zorki import registry
from zorki.engine.run import logs
from zorki.engine.run.folder import RESULTS, is_run, read_results
from zorki.engine.tuning.space import Choices, Numbers, Range, settings_of
from zorki.engine.tuning.trial_process import Launch, TrialProcess, is_diverged, last_words, read_values
from zorki.errors import ZorkiError
from zorki.files import write_text

if TYPE_CHECKING:
    import optuna

SAMPLERS = ("tpe", "random", "cmaes", "gp", "qmc")
FIRST_PRUNED_EPOCH = 3  # epochs that every trial gets before it is held against the others
STARTUP_TRIALS = 5  # trials that are finished before any is pruned
POLL = 0.5  # seconds between looks at a trial
JOURNAL = "journal.log"
POSTGRES = "postgresql+psycopg"  # how SQLAlchemy calls the driver of the extra
RECIPES, LOGS = "recipes", "logs"
FOLDER, REASON, LATENCY = "folder", "reason", "latency"


@dataclass
class Workplace:
    """What all trials of a study share.

    Attributes:
        folder: of the runs; `fixed`: settings of every trial; `default`: values of the settings searched, by default.
        space: what is searched.
        monitor: metric on validation, larger being better.
        max_latency: seconds for one image; None: no bound.
    """

    folder: Path
    model: str
    data: str
    fixed: Mapping[str, Any]
    space: Mapping[str, Range]
    default: Mapping[str, Any]
    monitor: str
    launch: Launch
    measure_latency: Callable[[Path], float]
    say: Callable[[str], None]
    max_latency: float | None = None
    running: set[TrialProcess] = field(default_factory=set)
    stopped: threading.Event = field(default_factory=threading.Event)


def optuna_module() -> Any:
    """Optuna. Raises ZorkiError where it is not installed."""
    try:
        import optuna
    except ImportError as error:
        raise ZorkiError("tune needs the package optuna: pip install 'zorki[tune]'") from error
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return optuna


def open_study(name: str, storage: str | None, folder: Path, sampler: str, seed: int) -> optuna.Study:
    """The study of a name, new or as it stands in its storage: a journal in its folder, or a URL that Optuna takes.

    Raises:
        ZorkiError: Optuna is missing, or the storage cannot be reached.
    """
    optuna = optuna_module()
    # SQLAlchemy takes psycopg 2 where no driver is named; the extra has its successor.
    where: Any = None if storage is None else re.sub(r"^postgres(ql)?://", f"{POSTGRES}://", storage)
    if storage is None:
        backend = optuna.storages.journal.JournalFileBackend(str(folder / JOURNAL))
        where = optuna.storages.JournalStorage(backend)
    try:
        study: Any = optuna.create_study(
            study_name=name,
            storage=where,
            pruner=optuna.pruners.MedianPruner(STARTUP_TRIALS, FIRST_PRUNED_EPOCH - 1),
            direction="maximize",
            load_if_exists=True,
        )
        study.sampler = _sampler(optuna, sampler, _seed_of(study, sampler, seed, shared=storage is not None))
        return study  # type: ignore[no-any-return]
    except ImportError as error:  # Optuna says it of a driver that is not installed, without its name
        scheme = str(where).split("://")[0]
        what = "the package psycopg: pip install 'zorki[postgres]'" if scheme == POSTGRES else "a driver of SQLAlchemy"
        raise ZorkiError(f"storage is {storage}, which needs {what}") from error
    except Exception as error:  # of whichever database driver
        raise ZorkiError(f"{storage or folder / JOURNAL}: the study cannot be opened: {error}") from error


def _seed_of(study: optuna.Study, sampler: str, seed: int, *, shared: bool) -> int:
    """Of the sampler's draws: others where a study goes on, and on each machine that shares it, than there were before.

    Points of the quasi-random sampler are numbered in the storage, and need one seed everywhere.
    """
    if sampler == "qmc":
        return seed
    seed += len(study.get_trials(deepcopy=False))
    return seed if not shared else seed + zlib.crc32(f"{socket.gethostname()} {os.getpid()}".encode())


def _sampler(optuna: Any, name: str, seed: int) -> Any:
    samplers = optuna.samplers
    match name:
        case "random":
            return samplers.RandomSampler(seed=seed)
        case "cmaes":
            return samplers.CmaEsSampler(seed=seed)
        case "gp":
            return samplers.GPSampler(seed=seed)
        case "qmc":
            return samplers.QMCSampler(seed=seed, scramble=True, warn_independent_sampling=False)
        case _:
            return samplers.TPESampler(seed=seed)


def run_trials(study: optuna.Study, place: Workplace, budget: int, workers: int) -> None:
    """Trials until the study has `budget` of them, `workers` at a time.

    Ctrl-C stops those that run; their runs can go on by themselves, and the study with the same command.

    Raises:
        ZorkiError: the default recipe cannot be trained.
    """
    _forget_dead(study)
    lock = threading.Lock()
    failed: list[BaseException] = []

    def work() -> None:
        while not failed and not place.stopped.is_set():
            with lock:
                if _count(study) >= budget:
                    return
                trial = _ask(study, place)
            try:
                _run(study, trial, place)
            except BaseException as error:
                failed.append(error)
                raise

    threads = [threading.Thread(target=_quietly, args=(work,), daemon=True) for _ in range(max(1, workers))]
    try:
        for thread in threads:
            thread.start()
        while any(thread.is_alive() for thread in threads):
            for thread in threads:
                thread.join(0.2)
    finally:
        place.stopped.set()
        for process in list(place.running):
            process.stop()
        for thread in threads:
            thread.join(10)
    if failed:
        raise failed[0]


def _quietly(work: Callable[[], None]) -> None:
    """A worker's error is kept by whoever started it, and printed nowhere else."""
    try:
        work()
    except BaseException:
        return


def _count(study: optuna.Study) -> int:
    """Trials that count for the budget: those that are told, and those that run; not what was stopped in between."""
    from optuna.trial import TrialState

    trials = study.get_trials(deepcopy=False)
    told = [trial for trial in trials if trial.state in (TrialState.COMPLETE, TrialState.PRUNED, TrialState.RUNNING)]
    return len(told) + sum(trial.state == TrialState.FAIL and REASON in trial.user_attrs for trial in trials)


def _forget_dead(study: optuna.Study) -> None:
    """Trials of processes of this computer that have ended before they told of them are over, and do not count."""
    from optuna.trial import TrialState

    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        host, pid = trial.user_attrs.get("host"), trial.user_attrs.get("pid")
        if host == _host() and isinstance(pid, int) and not _is_alive(pid):
            study.tell(trial.number, state=TrialState.FAIL, skip_if_finished=True)


def _host() -> str:
    import socket

    return socket.gethostname()


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def _ask(study: optuna.Study, place: Workplace) -> Any:
    """A new trial with its values drawn; the first is the default recipe, as far as the ranges hold its values."""
    first = not study.get_trials(deepcopy=False)
    held = {name: value for name, value in place.default.items() if place.space[name].holds(value)}
    if first and held:
        study.enqueue_trial(held)
    trial = study.ask()
    trial.set_user_attr("host", _host())
    trial.set_user_attr("pid", os.getpid())
    for name, span in place.space.items():
        if not first or name in held:
            _suggest(trial, name, span)
    return trial


def _suggest(trial: Any, name: str, span: Range) -> Any:
    if isinstance(span, Choices):
        return trial.suggest_categorical(name, list(span.values))
    assert isinstance(span, Numbers)
    if span.whole:
        return trial.suggest_int(name, int(span.low), int(span.high), log=span.log)
    return trial.suggest_float(name, span.low, span.high, log=span.log)


def _run(study: optuna.Study, trial: Any, place: Workplace) -> None:
    """One trial from its recipe to what is told of it."""
    from optuna.trial import TrialState

    name = f"trial-{trial.number}"
    run, log = place.folder / name, place.folder / LOGS / f"{name}.txt"
    settings = dict(place.fixed) if trial.number == 0 else settings_of(trial.params, place.fixed)
    recipe = place.folder / RECIPES / f"{name}.yaml"
    write_text(recipe, yaml.safe_dump({**settings, "out": str(place.folder), "name": name, "evaluate_test": False}))
    log.parent.mkdir(parents=True, exist_ok=True)
    trial.set_user_attr(FOLDER, name)
    place.say(f"{name}: {_told(trial.params) if trial.number else 'the default recipe'}")
    words = ["train", place.model, place.data, "--recipe", str(recipe)]
    process = place.launch([*words, *(f"--plugin={plugin}" for plugin in registry.plugins())], log)
    place.running.add(process)
    try:
        pruned = _watch(process, trial, run, place.monitor)
    finally:
        process.stop()
        place.running.discard(process)
    if place.stopped.is_set():
        study.tell(trial, state=TrialState.FAIL)  # without a reason: it counts for nothing
        return
    if pruned is not None:
        trial.set_user_attr(REASON, f"pruned after epoch {pruned + 1}")
        study.tell(trial, state=TrialState.PRUNED)
        place.say(f"{name}: pruned after epoch {pruned + 1}")
        return
    _tell(study, trial, place, run, log)


def _watch(process: TrialProcess, trial: Any, run: Path, monitor: str) -> int | None:
    """Reports epochs as they come; the epoch after which the trial was pruned, None where the process ended."""
    seen = 0
    while True:
        ended = process.poll() is not None
        values = read_values(logs.read(run / logs.EPOCHS), monitor)
        for epoch, value in values[seen:]:
            trial.report(value, epoch)
            if not ended and epoch + 1 >= FIRST_PRUNED_EPOCH and trial.should_prune():
                return epoch
        seen = len(values)
        if ended:
            return None
        time.sleep(POLL)


def _tell(study: optuna.Study, trial: Any, place: Workplace, run: Path, log: Path) -> None:
    from optuna.trial import TrialState

    name = run.name
    if not (is_run(run) and (run / RESULTS).is_file()):
        words = last_words(log)
        trial.set_user_attr(REASON, words)
        # A loss that ran away is a result of the recipe: the sampler learns from what is pruned, not from what failed.
        diverged = is_diverged(words)
        study.tell(trial, state=TrialState.PRUNED if diverged else TrialState.FAIL)
        place.say(f"{name}: {'diverged' if diverged else 'failed'}: {words.splitlines()[-1] if words else 'no word'}")
        if trial.number == 0:
            raise ZorkiError(f"the default recipe cannot be trained, so nothing is searched; see {log}:\n{words}")
        return
    value = read_results(run).get("val", {}).get("metrics", {}).get(place.monitor)
    if not isinstance(value, int | float):
        trial.set_user_attr(REASON, f"no {place.monitor} on val")
        study.tell(trial, state=TrialState.FAIL)
        raise ZorkiError(f"{run}: its results have no {place.monitor} on val, by which trials are compared")
    beside = ""
    if place.max_latency is not None:
        seconds = place.measure_latency(run)
        trial.set_user_attr(LATENCY, seconds)
        trial.set_constraint(LATENCY, seconds - place.max_latency)
        beside = f", {seconds * 1e3:.1f} ms{'' if seconds <= place.max_latency else ', too slow'}"
    study.tell(trial, float(value))
    place.say(f"{name}: val {place.monitor} {value:.4f}{beside}")


def _told(params: Mapping[str, Any]) -> str:
    return ", ".join(
        f"{name}={value:.3g}" if isinstance(value, float) else f"{name}={value}" for name, value in params.items()
    )
