#!/usr/bin/env bash
# Optuna 5.0.0: two workers that share one study and whose samplers have the same seed try everything twice, as long as
# the samplers draw at random, which TPE does for its first ten trials. The study knows what is being tried and nobody
# asks it. A script with a fixed seed that is started on two machines does in twice the machines what one does. Points of
# the quasi-random sampler are numbered in the study, and differ.
# Seen: TPE and random: 8 trials, 4 points; quasi-random: 8 points
set -euo pipefail
export PATH="$(cd "$(dirname "$0")/.." && pwd)/.venv/bin:$PATH" UV_PYTHON_DOWNLOADS=never
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
uv venv --quiet env
uv pip install --quiet --python env/bin/python optuna==5.0.0 scipy==1.16.3
env/bin/python -I -W ignore - <<'PYTHON'
import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

optuna.logging.set_verbosity(optuna.logging.ERROR)

def points(name, sampler):
    def storage():
        return JournalStorage(JournalFileBackend(f"{name}.log"))

    first = optuna.create_study(storage=storage(), study_name="shared", sampler=sampler(seed=0))
    second = optuna.load_study(storage=storage(), study_name="shared", sampler=sampler(seed=0))
    for _ in range(4):
        for worker in (first, second):
            worker.optimize(lambda trial: trial.suggest_float("lr", 1e-5, 1e-1, log=True), n_trials=1)
    trials = first.get_trials()
    return len(trials), len({trial.params["lr"] for trial in trials})

found = {
    name: points(name, getattr(optuna.samplers, name)) for name in ("TPESampler", "RandomSampler", "QMCSampler")
}
print("trials and different points:", found)
assert found == {"TPESampler": (8, 4), "RandomSampler": (8, 4), "QMCSampler": (8, 8)}
PYTHON
