"""Indexes of clustered vectors: recall@10, queries a second one by one, time to open, memory, size on disk.

python benchmarks/index.py                       # 100,000 vectors of 256, exact and HNSW
python benchmarks/index.py --kinds exact,hnsw,ivf,lancedb,milvus

Vectors are clustered, as embeddings are: 1,000 centers on the sphere, and noise about each. Queries are new vectors of
the same clusters. Exact search is asked in turn with each kind, and the ratio is of the medians; recall is against it.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from zorki.index.open import create_store, open_store
from zorki.index.store import Entries, Header, VectorStore

CLUSTERS, NOISE = 1000, 0.6  # noise: the length of what is added to a center of length 1
OPEN = """
import json, sys, time
from zorki.index.open import open_store
if sys.argv[1].startswith("lancedb"): import lancedb
if sys.argv[1].startswith("milvus"): import pymilvus
start = time.perf_counter()
store = open_store(sys.argv[1], print)
count = len(store)
opened = time.perf_counter() - start
import numpy as np
query = np.zeros((1, store.header.dim), np.float32); query[0, 0] = 1
start = time.perf_counter()
store.search(query, 10)
first = time.perf_counter() - start
lines = open("/proc/self/smaps_rollup").read().splitlines()
held = sum(int(line.split()[1]) for line in lines if line.startswith("Private_"))
print(json.dumps({"opened": opened, "first": first, "private_mb": held / 1e3}))
"""


def clustered(count: int, dim: int, seed: int) -> np.ndarray:
    """Vectors (count, dim) of length 1 about the same centers, whatever the seed."""
    centers = np.random.default_rng(0).normal(size=(CLUSTERS, dim)).astype(np.float32)
    centers /= np.linalg.norm(centers, axis=1, keepdims=True)
    generator = np.random.default_rng(seed)
    noise = generator.normal(size=(count, dim)).astype(np.float32) * (NOISE / dim**0.5)
    vectors = centers[generator.integers(CLUSTERS, size=count)] + noise
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def one_by_one(store: VectorStore, queries: np.ndarray) -> tuple[list[float], list[list[str]]]:
    """Seconds of each query, and the ids that it found."""
    times, found = [], []
    for query in queries:
        start = time.perf_counter()
        (neighbors,) = store.search(query[None], 10)
        times.append(time.perf_counter() - start)
        found.append([one.id for one in neighbors])
    return times, found


def reopened(address: str) -> dict[str, float]:
    """By a fresh process: seconds to open it, seconds of the first query, MB of memory of its own after that."""
    told = subprocess.run([sys.executable, "-c", OPEN, address], capture_output=True, text=True, check=True).stdout
    found: dict[str, float] = json.loads(told.splitlines()[-1])
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--dim", type=int, default=256)
    parser.add_argument("--queries", type=int, default=1000)
    parser.add_argument("--kinds", default="exact,hnsw")
    arguments = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="zorki-index-"))
    try:
        measure(folder, arguments)
    finally:
        shutil.rmtree(folder)


def measure(folder: Path, arguments: argparse.Namespace) -> None:
    vectors = clustered(arguments.count, arguments.dim, 1)
    queries = clustered(arguments.queries, arguments.dim, 2)
    entries = Entries([f"photos/{number:08d}.jpg" for number in range(len(vectors))], vectors)
    header = Header(arguments.dim)
    exact = create_store(str(folder / "exact"), header, entries, kind="exact", tell=print)
    one_by_one(exact, queries[:20])
    print("| kind | build, s | recall@10 | ms a query, median | times exact | open, s | first query, s | memory, MB |")
    print("|---|---|---|---|---|---|---|---|")
    for kind in arguments.kinds.split(","):
        address = f"{kind}:{folder / kind}{'.db' if kind == 'milvus' else ''}"
        address = address if kind in ("lancedb", "milvus") else str(folder / kind)
        start = time.perf_counter()
        if kind != "exact":
            create_store(address, header, entries, kind="auto" if ":" in address else kind, tell=print)
        built = time.perf_counter() - start
        store = open_store(address, print)
        one_by_one(store, queries[:20])
        own: list[float] = []
        theirs: list[float] = []
        hits = 0
        for at in range(0, len(queries), 50):  # in turn
            exact_times, right = one_by_one(exact, queries[at : at + 50])
            times, found = one_by_one(store, queries[at : at + 50])
            theirs, own = theirs + exact_times, own + times
            hits += sum(len(set(a) & set(b)) for a, b in zip(right, found, strict=True))
        fresh = reopened(address) if kind != "milvus" else {}  # whose file is open to one process alone
        median = statistics.median(own)
        print(
            f"| {kind} | {built:.1f} | {hits / 10 / len(queries):.4f} | {1000 * median:.3f} | "
            f"{statistics.median(theirs) / median:.1f} | {' | '.join(f'{value:.3g}' for value in fresh.values())} |"
        )


if __name__ == "__main__":
    main()
