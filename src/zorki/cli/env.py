"""`zorki env`."""

from __future__ import annotations

from typing import Any

from zorki.cli.flags.json_output import Json, put_json
from zorki.output import say

EXTRAS = {
    "video": ("av",),
    "cv": ("opencv-contrib-python-headless",),
    "export": ("onnx", "onnxscript", "onnxruntime"),
    "openvino": ("openvino",),
    "large": ("pyvips",),
    "track": ("wandb",),
    "pandas": ("pandas",),
    "supervision": ("supervision",),
    "index": ("faiss-cpu",),
    "buckets": ("fsspec", "s3fs", "gcsfs"),
    "parquet": ("pyarrow",),
    "lancedb": ("lancedb", "pyarrow"),
    "milvus": ("pymilvus", "milvus-lite"),
    "tune": ("optuna",),
    "ray": ("optuna", "ray"),
    "postgres": ("optuna", "psycopg"),
    "serve": ("starlette", "uvicorn", "python-multipart"),
    "hub": ("huggingface-hub",),
}


def env(*, json: Json = None) -> None:
    """Print versions, devices, extras and the image decoder in use, for bug reports.

    Names of the user, the computer and folders are left out.
    """
    page = environment()
    if json is not None:
        return put_json(json, page)
    for title, rows in page.items():
        say(f"{title.replace('_', ' ')}:")
        for name, value in rows.items():
            shown = ", ".join(map(str, value)) if isinstance(value, list) else value
            say(f"  {name.replace('_', ' '):<32}{'-' if shown in (None, '') else shown}")


def environment() -> dict[str, Any]:
    """Versions of packages, the machine, its devices, and which extras are installed; plain JSON."""
    import platform

    import torch

    from zorki.engine.device import best_device, best_precision
    from zorki.engine.run.environment import environment as of_run

    about = of_run()
    device = best_device()[0]
    return {
        "versions": about["versions"],
        "extras": {name: [_version(package) for package in packages] for name, packages in EXTRAS.items()},
        "machine": {
            "platform": platform.platform(),
            "architecture": platform.machine(),
            **{name: about["machine"][name] for name in ("processor", "cores", "threads")},
            "cpu_capability": torch.backends.cpu.get_cpu_capability(),
        },
        "devices": {
            "device": device,
            "precision": best_precision(device)[0],
            "cuda": torch.version.cuda,
            "cuda_available": torch.cuda.is_available(),
            "gpus": [_gpu(index) for index in range(torch.cuda.device_count())],
            "mps_available": torch.backends.mps.is_available(),
        },
        "images": _decoders(),
    }


def _version(package: str) -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return f"{package} {version(package)}"
    except PackageNotFoundError:
        return f"{package} not installed"


def _gpu(index: int) -> str:
    import torch

    facts = torch.cuda.get_device_properties(index)
    return f"cuda:{index} {facts.name}, {facts.total_memory / 2**30:.0f} GiB, capability {facts.major}.{facts.minor}"


def _decoders() -> dict[str, Any]:
    import PIL
    from PIL import features

    from zorki.data.jpeg import decoder_name

    return {
        "decoder": f"Pillow {PIL.__version__}",
        "jpeg": decoder_name(),
        "webp": features.version_module("webp"),
        "avif": features.version_module("avif"),
    }
