"""How long the command line takes to answer, beside the import of torch.

python benchmarks/startup.py --repeats 5
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time

COMMANDS = {
    "zorki --help": [sys.executable, "-m", "zorki", "--help"],
    "zorki train --help": [sys.executable, "-m", "zorki", "train", "--help"],
    "import zorki": [sys.executable, "-c", "import zorki"],
    "import torch": [sys.executable, "-c", "import torch"],
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    times: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for _ in range(options.repeats):  # in turn, so that a busy machine slows all of them
        for name, command in COMMANDS.items():
            begun = time.perf_counter()
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            times[name].append(time.perf_counter() - begun)
    whole = statistics.median(times["import torch"])
    for name, values in times.items():
        median = statistics.median(values)
        print(f"{name:20} {median * 1e3:8.0f} ms  {median / whole:6.1%} of import torch")


if __name__ == "__main__":
    main()
