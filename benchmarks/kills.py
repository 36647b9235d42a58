"""Trainings killed with SIGKILL at random moments and resumed, against an undisturbed one: equal to the last bit?

    python benchmarks/kills.py DATA ssd_squeezenet --kills 20 -- --epochs 3 --limit 48 --threads 1

What follows `--` is passed to `zorki train`; nothing is said of the network's input size. Each run is killed and
resumed until it ends; compared are all tensors of the best weights and of the last checkpoint, every row of both logs
but for times, and the metrics of results.json. Prints one line a kill and one a run; exit code 1 where any differs.
"""

from __future__ import annotations

import argparse
import csv
import json
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file

TIMES = ("seconds", "images_per_second")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("model")
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    words = sys.argv[1:]
    end = words.index("--") if "--" in words else len(words)
    given, flags = parser.parse_args(words[:end]), words[end + 1 :]
    with tempfile.TemporaryDirectory() as folder:
        sys.exit(run(given, flags, Path(folder)))


def run(given: argparse.Namespace, flags: list[str], out: Path) -> int:
    chance = random.Random(given.seed)
    train = [given.model, str(given.data), "--out", str(out), *flags]
    started = time.monotonic()
    start([*train, "--name", "whole"], out / "whole.log").wait()
    seconds = time.monotonic() - started
    print(f"undisturbed: {seconds:.0f} s", flush=True)
    kills, runs, differing = 0, 0, 0
    while kills < given.kills:
        runs += 1
        name = f"killed-{runs}"
        kills += until_done([*train, "--name", name], out / name, seconds, chance, given.kills - kills, kills)
        found = differences(out / "whole", out / name)
        differing += bool(found)
        print(f"run {runs}: {'equal to the last bit' if not found else '; '.join(found[:3])}", flush=True)
    print(f"{kills} kills, {runs} runs, {runs - differing} equal to the undisturbed one", flush=True)
    return int(differing > 0)


def start(arguments: list[str], log: Path) -> subprocess.Popen[bytes]:
    with log.open("ab") as file:
        return subprocess.Popen([sys.executable, "-m", "zorki", "train", *arguments], stdout=file, stderr=file)


def until_done(train: list[str], folder: Path, seconds: float, chance: random.Random, most: int, before: int) -> int:
    """Starts a run and kills and resumes it until it has its results; how often it was killed."""
    kills, log = 0, folder.with_suffix(".log")
    while not (folder / "results.json").exists():
        begun = (folder / "run.json").exists()
        if folder.exists() and not begun:
            folder.rmdir()  # killed between making the folder and its first file
        process = start(["--resume", str(folder)] if begun else train, log)
        delay = chance.uniform(0, seconds) if kills < most else None
        try:
            code = process.wait(delay)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            kills += 1
            print(f"kill {before + kills}: after {delay:.1f} s, {where(folder)}", flush=True)
        else:
            if code:
                sys.exit(f"zorki ended with {code}:\n{log.read_text(encoding='utf-8')[-2000:]}")
    return kills


def where(folder: Path) -> str:
    """How far a run had come."""
    steps = rows(folder / "steps.csv")
    return f"at step {steps[-1]['step']}" if steps else "before the first row of its log"


def rows(path: Path) -> list[dict[str, str]]:
    if not path.exists():
        return []
    with path.open(encoding="utf-8", newline="") as file:
        return [{name: text for name, text in row.items() if name not in TIMES} for row in csv.DictReader(file)]


def differences(whole: Path, other: Path) -> list[str]:
    found = [name for name in ("steps.csv", "epochs.csv") if rows(whole / name) != rows(other / name)]
    if not same(load_file(whole / "best.safetensors"), load_file(other / "best.safetensors")):
        found.append("best.safetensors")
    last = [torch.load(folder / "last.ckpt", weights_only=True) for folder in (whole, other)]
    parts = ("state_dict", "optimizer_states")
    found += [f"{part} of last.ckpt" for part in parts if not same(last[0][part], last[1][part])]
    results = [json.loads((folder / "results.json").read_text(encoding="utf-8")) for folder in (whole, other)]
    return found + (["results.json"] if results[0] != results[1] else [])


def same(a: Any, b: Any) -> bool:
    """Whether nested values are equal, tensors bit by bit."""
    if isinstance(a, torch.Tensor):
        return isinstance(b, torch.Tensor) and a.dtype == b.dtype and torch.equal(a, b)
    if isinstance(a, dict):
        return isinstance(b, dict) and a.keys() == b.keys() and all(same(a[name], b[name]) for name in a)
    if isinstance(a, list):
        return isinstance(b, list) and len(a) == len(b) and all(map(same, a, b))
    return bool(a == b)


if __name__ == "__main__":
    main()
