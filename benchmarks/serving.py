"""Many clients at once, a tenth of whose uploads are broken: no crash, no wrong prediction, bounded memory.

    python benchmarks/serving.py model.onnx photos/ --clients 64 --seconds 60

Broken uploads are made here: a JPEG cut in the middle, a PNG whose header claims a size that is not there, text named
as an image. Predictions are compared with those of `zorki predict` on the same files.
"""

from __future__ import annotations

import argparse
import http.client
import json
import random
import re
import struct
import subprocess
import sys
import threading
import time
import zlib
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

import zorki

BROKEN = 0.1  # of all uploads


def claimed_size(side: int) -> bytes:
    """A PNG of a few bytes whose header claims side x side pixels."""
    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    chunk = b"IHDR" + header
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", len(header)) + chunk + struct.pack(">I", zlib.crc32(chunk))


def resident(pid: int) -> float:
    """Megabytes of memory of a process (Linux)."""
    text = Path(f"/proc/{pid}/status").read_text()
    found = re.search(r"VmRSS:\s+(\d+)", text)
    return int(found[1]) / 1024 if found else 0.0


def numbers(value: Any) -> list[float]:
    """Every number of a record, in its order."""
    if isinstance(value, dict):
        return [one for key in sorted(value) for one in numbers(value[key])]
    if isinstance(value, list):
        return [one for item in value for one in numbers(item)]
    return [float(value)] if isinstance(value, int | float) else []


def equal(found: dict[str, Any], expected: dict[str, Any]) -> bool:
    """Whether two records say the same, but for the rounding of a batch of another size."""
    a, b = ({k: v for k, v in one.items() if k not in ("source", "drawn", "caption")} for one in (found, expected))
    return len(numbers(a)) == len(numbers(b)) and np.allclose(numbers(a), numbers(b), rtol=1e-3, atol=1e-2)


class Client(threading.Thread):
    """Sends one upload after the other over one connection."""

    def __init__(self, port: int, good: list[tuple[bytes, dict[str, Any]]], bad: list[bytes], seed: int, end: float):
        super().__init__()
        self.port, self.good, self.bad, self.random, self.end = port, good, bad, random.Random(seed), end
        self.statuses: Counter[str] = Counter()
        self.seconds: list[float] = []

    def run(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        while time.monotonic() < self.end:
            broken = self.random.random() < BROKEN
            data, expected = (self.random.choice(self.bad), {}) if broken else self.random.choice(self.good)
            started = time.monotonic()
            connection.request("POST", "/predict", data, {"Content-Type": "image/jpeg"})
            response = connection.getresponse()
            found = json.loads(response.read())
            self.seconds.append(time.monotonic() - started)
            right = response.status in (413, 422) if broken else response.status == 200
            if right and not broken:
                right = equal(found["predictions"][0], expected)
            self.statuses[f"{response.status}{'' if right or response.status == 503 else ' WRONG'}"] += 1


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run")
    parser.add_argument("images", type=Path)
    parser.add_argument("--clients", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--count", type=int, default=32, help="images that are sent")
    given = parser.parse_args()
    paths = sorted(given.images.glob("*.jpg"))[: given.count]
    expected = [result.to_json() for result in zorki.predict(given.run, paths, quiet=True)]
    data = [path.read_bytes() for path in paths]
    bad = [data[0][: len(data[0]) // 2], claimed_size(50_000), b"no image at all", claimed_size(8)]
    server = subprocess.Popen(
        [sys.executable, "-m", "zorki", "serve", given.run, "--port", "0"], stdout=subprocess.PIPE, text=True
    )
    assert server.stdout is not None
    line = server.stdout.readline()
    found = re.search(r":(\d+),", line)
    assert found, line
    memory = [resident(server.pid)]
    started = time.monotonic()
    end = started + given.seconds
    clients = [Client(int(found[1]), list(zip(data, expected, strict=True)), bad, n, end) for n in range(given.clients)]
    for client in clients:
        client.start()
    for _ in range(2):
        time.sleep(given.seconds / 2)
        memory.append(resident(server.pid))
    for client in clients:
        client.join()
    elapsed = time.monotonic() - started  # until the last answer
    statuses = sum((client.statuses for client in clients), Counter())
    seconds = [one for client in clients for one in client.seconds]
    alive = server.poll() is None
    server.terminate()
    code = server.wait(60)
    print(f"requests/s {len(seconds) / elapsed:.1f}, p50 {np.median(seconds):.3f} s, ", end="")
    print(f"p95 {np.quantile(seconds, 0.95):.3f} s; statuses {dict(sorted(statuses.items()))}")
    print(f"memory at the start, the middle, the end: {', '.join(f'{one:.0f}' for one in memory)} MB")
    print(f"alive to the end: {alive}; exit code {code}")
    sys.exit(not alive or code != 0 or any("WRONG" in status for status in statuses))


if __name__ == "__main__":
    main()
