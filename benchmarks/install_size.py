"""What an installation takes: megabytes to download and, unpacked, on the disk, for this Python on this machine.

python benchmarks/install_size.py
python benchmarks/install_size.py --extras all
python benchmarks/install_size.py --package zorki-lite
python benchmarks/install_size.py --torch torch-2.13.0+cpu-cp311-cp311-manylinux_2_28_x86_64.whl

Sizes of downloads are those of the wheels in uv.lock, sizes on the disk those of the files of the packages in this
environment. What a machine without a GPU does without, NVIDIA's libraries and Triton, is counted apart; torch is
another wheel there, of PyTorch's own index, which no lock names: `--torch` measures one in its place.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import re
import subprocess
import tomllib
import zipfile
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.tags import sys_tags
from packaging.utils import parse_wheel_filename

ROOT = Path(__file__).parent.parent
FOR_GPUS = re.compile(r"nvidia-|cuda-|triton$")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--extras", nargs="*", default=[])
    parser.add_argument("--package", default="zorki", help="the distribution: zorki, or zorki-lite without torch")
    parser.add_argument("--torch", type=Path, help="a wheel of torch in the place of PyPI's")
    options = parser.parse_args()
    names = needed(options.package, options.extras)
    locked = {(one["name"], one["version"]): one for one in tomllib.loads((ROOT / "uv.lock").read_text())["package"]}
    sizes = {name: (download(locked[name, version]), on_disk(name)) for name, version in names.items()}
    if options.torch is not None:
        unpacked = sum(one.file_size for one in zipfile.ZipFile(options.torch).infolist())
        sizes["torch"] = (options.torch.stat().st_size, unpacked)
    gpu = [name for name in names if FOR_GPUS.match(name)]
    rest = [name for name in names if name != "torch" and name not in gpu]
    groups = {
        "torch": [name for name in names if name == "torch"],
        "for GPUs alone": gpu,
        "the rest": rest,
        "without a GPU": [name for name in names if name not in gpu],
        "all": names,
    }
    for title, members in groups.items():
        down, disk = (sum(sizes[name][place] for name in members) / 1e6 for place in (0, 1))
        print(f"{title:16} {len(members):4} packages {down:7.0f} MB to download {disk:7.0f} MB on the disk")


def needed(package: str, extras: list[str]) -> dict[str, str]:
    """All that the distribution leads to on this machine, with the versions of the lock."""
    words = ["uv", "export", "--frozen", "--quiet", "--no-dev", "--no-emit-workspace", "--no-hashes", "--no-annotate"]
    words += ["--package", package]
    words += [word for extra in extras for word in ("--extra", extra)]
    lines = subprocess.run(words, cwd=ROOT, check=True, capture_output=True, text=True).stdout.splitlines()
    wanted = [Requirement(line) for line in lines if line and not line.startswith("#")]
    found = [one for one in wanted if one.marker is None or one.marker.evaluate()]
    return {one.name: next(iter(one.specifier)).version for one in found}


def download(package: dict[str, Any]) -> int:
    """Bytes of the wheel that this machine takes; of the source where there is none."""
    wheels = [(one["url"].rpartition("/")[2], one["size"]) for one in package.get("wheels", [])]
    sizes = {tag: size for file, size in wheels for tag in parse_wheel_filename(file)[3]}
    return int(next((sizes[tag] for tag in sys_tags() if tag in sizes), package.get("sdist", {}).get("size", 0)))


def on_disk(name: str) -> int:
    """Bytes of the files of an installed package; 0 where it is not installed."""
    try:
        files = importlib.metadata.files(name) or []
    except importlib.metadata.PackageNotFoundError:
        return 0
    return sum(file.stat().st_size for one in files if (file := Path(str(one.locate()))).is_file())


if __name__ == "__main__":
    main()
