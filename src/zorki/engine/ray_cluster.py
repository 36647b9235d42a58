"""A Ray cluster that is there, for work that is spread over it."""

from __future__ import annotations

import importlib.util
import os
from typing import Any

from zorki.errors import ZorkiError


def ray_cluster() -> Any:
    """The module `ray`, connected to the cluster that RAY_ADDRESS names, or that runs here.

    Raises:
        ZorkiError: Ray is not installed, or has no cluster.
    """
    if importlib.util.find_spec("ray") is None:
        raise ZorkiError("--on ray needs the package ray: pip install 'zorki[ray]'")
    import ray  # type: ignore[import-not-found, unused-ignore]

    if not ray.is_initialized():
        try:
            ray.init(address=os.environ.get("RAY_ADDRESS", "auto"), log_to_driver=False)
        except ConnectionError as error:
            raise ZorkiError(f"--on ray finds no cluster ({error}); start one: ray start --head") from None
    return ray


def count_gpus(ray: Any) -> int:
    """GPUs of the cluster."""
    return int(ray.cluster_resources().get("GPU", 0))
