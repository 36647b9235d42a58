"""Tensors in files: read without running code, written whole."""

from __future__ import annotations

import json
import re
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from zorki.errors import DataError, WeightsError, did_you_mean
from zorki.files import whole
from zorki.input_files.content import special_kind
from zorki.input_files.json_files import parse_json

# Where training scripts put the tensors inside a checkpoint. Averaged weights stand first: they are the ones that
# were evaluated, wherever a checkpoint holds both.
_CONTAINERS = (
    "state_dict_ema",
    "model_ema",
    "ema_state_dict",
    "ema",
    "state_dict",
    "model_state_dict",
    "model_state",
    "model",
    "net",
)
# Parts of names in weights that earlier versions of zorki wrote, and what they are called now.
_FORMER_NAMES = {"normalise": "normalize", "centreness_output": "centerness_output"}
_LIGHTNING = "pytorch-lightning_version"  # a key of Lightning's checkpoints
_ATTRIBUTES = ("model", "net", "network")  # what LightningModules call their network
_OURS = "class_names"  # safetensors metadata that zorki writes: names in such a file are the network's own
_SHARED = "shared_tensors"  # safetensors metadata: which names are one tensor


@dataclass
class Weights:
    """Tensors by name, on the CPU, and what the file says about them (arch, epoch, ...), as strings."""

    tensors: dict[str, Tensor]
    metadata: dict[str, str]
    path: Path


def read_weights(path: Path) -> Weights:
    """The tensors of a safetensors file, a torch file (zip or the older format), or a run folder's best weights.

    Nothing in the file is run. The dictionary of tensors is looked for inside the usual wrappings ("state_dict",
    "model", "ema", ...), and the prefixes that DataParallel and torch.compile put before names are dropped.

    Raises:
        WeightsError: the file is missing, empty, truncated, no file of weights, or cannot be read without running
            code that it brings.
    """
    path = Path(path)
    if path.is_dir():
        path = _best_of_run(path)
    if not path.exists():
        folder = path.parent
        near = did_you_mean(path.name, (p.name for p in folder.iterdir()) if folder.is_dir() else ())
        raise WeightsError(f"{path}: no such file of weights.{near}")
    if (kind := special_kind(path)) is not None:
        raise WeightsError(f"{path}: it is {kind}, not a file of weights")
    try:
        tensors, metadata = _read_safetensors(path) if _looks_like_safetensors(path) else _read_torch(path)
    except DataError as error:  # JSON in the metadata that is none
        raise WeightsError(str(error)) from error
    _refuse_sparse(tensors, path)
    wrappers = ("module",) if _OURS in metadata else ("module", *_ATTRIBUTES)
    own = _without_wrappers(tensors, wrappers)
    return Weights({present_name(name): value for name, value in own.items()}, metadata, path)


def read_metadata(path: Path) -> dict[str, str]:
    """What a safetensors file says of its tensors, without reading these. Raises WeightsError."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt", device="cpu") as file:
            return dict(file.metadata() or {})
    except (SafetensorError, OSError, ValueError) as error:
        raise WeightsError(f"{path}: the safetensors file is broken ({error}); get it again") from error


def present_name(name: str) -> str:
    """A parameter's name as this version writes it, whatever stands before it.

    >>> present_name("model.normalise.mean")
    'model.normalize.mean'
    """
    return ".".join(_FORMER_NAMES.get(part, part) for part in name.split("."))


def save_weights(path: Path, model_or_tensors: nn.Module | Mapping[str, Tensor], metadata: Mapping[str, str]) -> None:
    """Writes a safetensors file, whole or not at all; tensors with several names are stored once.

    Raises:
        ZorkiError: the disk is full or the folder cannot be written; a file that stood at `path` is still whole.
    """
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    path = Path(path)
    named = model_or_tensors.state_dict() if isinstance(model_or_tensors, nn.Module) else model_or_tensors
    tensors, shared = _stored_once(named)
    notes = {**metadata, **({_SHARED: json.dumps(shared)} if shared else {})}
    with whole(path) as aside:
        try:
            save_file(tensors, aside, notes)
        except SafetensorError as error:  # its own kind also for what the disk refuses
            raise OSError(str(error)) from error


def _best_of_run(folder: Path) -> Path:
    if not (folder / "run.json").is_file():
        raise WeightsError(f"{folder}: a folder, but no run (run.json is missing); name a file of weights or a run")
    if not (folder / "best.safetensors").is_file():
        raise WeightsError(f"{folder}: the run has no best.safetensors yet; it is written after the first evaluation")
    return folder / "best.safetensors"


def _looks_like_safetensors(path: Path) -> bool:
    """Checked by content: eight bytes of length, then a JSON object; names may lie."""
    with path.open("rb") as file:
        start = file.read(9)
    if not start:
        raise WeightsError(f"{path}: the file is empty; get it again")
    return len(start) == 9 and start[8:9] == b"{" and start[:2] != b"PK"


def _read_safetensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt", device="cpu") as file:
            metadata = dict(file.metadata() or {})
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, ValueError) as error:
        raise WeightsError(f"{path}: the safetensors file is broken ({error}); get it again") from error
    shared = parse_json(metadata.pop(_SHARED, "{}"), f"{path}: the metadata {_SHARED}")
    if not isinstance(shared, dict) or not all(isinstance(name, str) and name in tensors for name in shared.values()):
        raise WeightsError(f"{path}: the metadata {_SHARED} name no tensors of the file; get it again")
    return {**tensors, **{alias: tensors[name] for alias, name in shared.items()}}, metadata


def _read_torch(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch's remarks on old formats; what matters comes as an exception
            content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch.load meets strange bytes with KeyError, EOFError, struct.error, ...
        raise WeightsError(_why_unreadable(path, error)) from error
    found = _find_tensors(content)
    if not found:
        expected = f"tensors by name, bare or under one of {', '.join(_CONTAINERS)}"
        raise WeightsError(f"{path}: no weights found: expected {expected}; it holds {_described(content)}")
    notes = content if isinstance(content, Mapping) else {}
    found = _of_lightning(found) if _LIGHTNING in notes else found
    return found, {str(k): str(v) for k, v in notes.items() if isinstance(v, str | int | float)}


def _described(content: Any) -> str:
    """What a torch file holds, in words."""
    if isinstance(content, Tensor):
        return f"one tensor of {'x'.join(map(str, content.shape)) or 'a number'}, without a name"
    if content is None or (isinstance(content, Mapping | list | tuple | str) and not content):
        return "nothing"
    named = f" with {some([f'{key!s:.60}' for key in content])}" if isinstance(content, Mapping) else ""
    return f"a {type(content).__name__}{named}"


def _of_lightning(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """The network's own tensors: a LightningModule puts its attribute's name before them, and its losses beside them.

    Nothing changes where no such name, or several, are there.
    """
    parts = {name.partition(".")[0] for name in tensors}
    containers = [part for part in _ATTRIBUTES if part in parts]
    if len(containers) != 1:
        return tensors
    prefix = f"{containers[0]}."
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}


def _why_unreadable(path: Path, error: Exception) -> str:
    with path.open("rb") as file:
        start = file.read(200)
    if re.match(rb"\s*<(!doctype|html|\?xml|head)", start, re.IGNORECASE):
        return f"{path}: a web page, not weights: the download returned an error or a login page; get it again"
    if start.startswith(b"version https://git-lfs"):
        return f"{path}: a Git LFS pointer, not the weights themselves; run `git lfs pull`"
    if named := re.search(r"GLOBAL (\S+)", str(error)) or re.search(r"Unsupported (?:global|class) (\S+)", str(error)):
        return (
            f"{path}: holds Python objects beside tensors ({named.group(1)}), and reading them would run code from "
            "the file. Where you trust it, save its tensors alone: "
            "`torch.save(torch.load(FILE, weights_only=False)['state_dict'], NEW)`, and pass NEW"
        )
    if start.startswith((b"PK", b"\x80\x02\x8a\nl\xfc\x9cF\xf9")):  # a zip archive, or the older format's magic number
        reason = str(error).splitlines()[0] if str(error) else "it ends too early"
        return f"{path}: truncated or broken ({reason}); get it again"
    return f"{path}: not a file of weights; expected safetensors or what torch.save writes"


def _find_tensors(content: Any, depth: int = 3) -> dict[str, Tensor]:
    if not isinstance(content, Mapping) or depth == 0:
        return {}
    for key in _CONTAINERS:
        if inner := _find_tensors(content.get(key), depth - 1):
            return inner
    return {name: value for name, value in content.items() if isinstance(name, str) and isinstance(value, Tensor)}


def _without_wrappers(tensors: dict[str, Tensor], wrappers: Sequence[str]) -> dict[str, Tensor]:
    """Drops `_orig_mod.` (torch.compile), then a leading name that all bear: of DataParallel, averaging, Lightning."""
    tensors = {name.replace("_orig_mod.", ""): value for name, value in tensors.items()}
    for prefix in (f"{name}." for name in wrappers):
        rest = {name: value for name, value in tensors.items() if name != "n_averaged"}
        if rest and all(name.startswith(prefix) for name in rest):
            tensors = {name.removeprefix(prefix): value for name, value in rest.items()}
    return tensors


def _refuse_sparse(tensors: Mapping[str, Tensor], path: Path) -> None:
    """Raises WeightsError for what is stored otherwise than value by value: to spread it out may take any memory."""
    odd = [name for name, value in tensors.items() if value.layout != torch.strided or value.is_quantized]
    if odd:
        value = tensors[odd[0]]
        kind = "quantized" if value.is_quantized else str(value.layout).removeprefix("torch.")
        raise WeightsError(
            f"{path}: {len(odd)} of {len(tensors)} tensors are {kind}, {odd[0]!r} first; expected dense ones: save "
            "them with .to_dense() or .dequantize()"
        )


def _stored_once(named: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Tensors without shared memory, and alias -> name for those that are another one's very values."""
    tensors: dict[str, Tensor] = {}
    shared: dict[str, str] = {}
    first: dict[Any, str] = {}
    storages: set[int] = set()
    for name, value in named.items():
        if not isinstance(value, Tensor):
            continue
        tensor = value.detach()
        storage = tensor.untyped_storage().data_ptr()
        place = (storage, tensor.storage_offset(), tensor.shape, tensor.stride(), tensor.dtype)
        if storage and tensor.numel() and place in first:
            shared[name] = first[place]
            continue
        first[place] = name
        overlaps = storage in storages
        storages.add(storage)
        tensors[name] = (tensor.clone() if overlaps else tensor).cpu().contiguous()
    return tensors, shared


def some(names: list[str], between: str = ", ") -> str:
    """The first four, and how many more there are."""
    return between.join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")
