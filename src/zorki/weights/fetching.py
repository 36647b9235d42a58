"""Published weights: where they are, and their files fetched when asked, whole and with the checksum verified."""

from __future__ import annotations

import hashlib
import os
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from zorki.errors import WeightsError, did_you_mean
from zorki.files import unwritable
from zorki.hub import HubAddress, fetch_file, hub_cache, page_of
from zorki.input_files.addresses import AddressError, open_address, stated_length

_ATTEMPTS = 4  # of a download whose connection breaks
_SILENCE = 30.0  # seconds that a server may be silent


LICENSES: Mapping[str, str] = {
    "PekingU/rtdetr_r18vd": "apache-2.0",
    "PekingU/rtdetr_v2_r18vd": "apache-2.0",
    "ustc-community/dfine-nano-coco": "apache-2.0",
    "ustc-community/dfine-small-coco": "apache-2.0",
    "ustc-community/dfine-medium-coco": "apache-2.0",
}
"""Of repositories on Hugging Face, as they state them."""


@dataclass(frozen=True)
class Published:
    """Published weights of a model: the word for `--weights`, and what is known of them without the network."""

    word: str
    source: str
    url: str
    cached: Path | None  # where they lie already
    size: int | None = None  # bytes
    top1: float | None = None  # ImageNet-1k top-1 accuracy, a share, as the publisher gives it
    license: str | None = None


def published(sources: Mapping[str, str]) -> list[Published]:
    """What exists for a model, by word of `--weights`. Asks nothing of the network."""
    return [_describe(word, source) for word, source in sources.items()]


def cache_folder() -> Path:
    """Where fetched weights are kept: $ZORKI_CACHE, else torch.hub's folder of checkpoints."""
    if chosen := os.environ.get("ZORKI_CACHE"):
        return Path(chosen).expanduser()
    return Path(torch.hub.get_dir()) / "checkpoints"


def fetch(source: str, *, cache: Path | None = None) -> Path:
    """The file of published weights, downloaded where the cache has none, with its checksum verified.

    Args:
        source: "torchvision:ResNet18_Weights.IMAGENET1K_V1", "timm:resnetv2_50x1_bit.goog_in21k_ft_in1k", a repository
            on Hugging Face, "huggingface:PekingU/rtdetr_r18vd", or a file's address, "https://...".
        cache: folder for the file; None is `cache_folder()`, or for Hugging Face's files without $ZORKI_CACHE
            their own cache, which other programs share.

    Raises:
        WeightsError: no such weights, no network, or a wrong checksum (the file is removed then).
    """
    library, _, name = source.partition(":")
    if library == "torchvision":
        url = _torchvision_weights(name).url
        return download(url, (cache or cache_folder()) / _last_part(url), hash_in_name(url))
    if library == "timm":
        settings = _timm_weights(name)
        if settings.hf_hub_id:
            return _from_hugging_face(settings.hf_hub_id, settings.hf_hub_filename, source, cache)
        url = settings.url
        return download(url, (cache or cache_folder()) / _last_part(url), hash_in_name(url))
    if library == "huggingface":
        return _from_hugging_face(name, None, source, cache)
    if library == "https":
        return download(source, (cache or cache_folder()) / _last_part(source), hash_in_name(source))
    raise WeightsError(
        f"weights {source!r}: expected torchvision:ENUM.MEMBER, timm:NAME[.TAG], huggingface:OWNER/NAME or "
        "https://ADDRESS"
    )


def hash_in_name(url: str) -> str | None:
    """The leading hexadecimal digits of the file's SHA-256, where its name ends with them, as torch.hub reads it.

    >>> hash_in_name("https://download.pytorch.org/models/resnet18-f37072fd.pth")
    'f37072fd'
    """
    found = re.search(r"-([a-f0-9]{8,64})\.[^-/]*$", url)
    return found.group(1) if found else None


def download(url: str, path: Path, sha256: str | None) -> Path:
    """The file behind `url` at `path`: kept if it is there already and right, else downloaded whole.

    A broken connection is taken up where it broke, also by a later call when `sha256` can prove the result.

    Args:
        url: http, https or file.
        path: where the file comes to lie; it is never there in part.
        sha256: the checksum's leading digits, 8 to 64 of them; None trusts the connection.

    Raises:
        WeightsError: no network, no such file, or another checksum than expected.
    """
    from filelock import FileLock

    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise WeightsError(f"{path.parent}: cannot be made ({error}); set ZORKI_CACHE to another folder") from error
    # Several processes of one run ask for the same file at once: one downloads, the others find it there.
    with FileLock(path.with_name(path.name + ".lock")):
        if path.exists() and (sha256 is None or _sha256(path).startswith(sha256)):
            return path
        part = path.with_name(path.name + ".part")
        if sha256 is None:
            part.unlink(missing_ok=True)
        resumed = part.exists()
        _download_part(url, part, path)
        if sha256 is not None and resumed and not _sha256(part).startswith(sha256):
            part.unlink()  # the beginning was of another version of the file
            _download_part(url, part, path)
        if sha256 is not None and not (found := _sha256(part)).startswith(sha256):
            part.unlink()
            raise WeightsError(
                f"{url}: SHA-256 {sha256}... expected, {found[: len(sha256)]}... came; the file was removed. "
                "A proxy or a login page may stand in between: try again, or pass --weights FILE"
            )
        os.replace(part, path)
    return path


def _torchvision_weights(name: str) -> Any:
    from torchvision.models import get_model_weights, get_weight, list_models

    try:
        return get_weight(name)
    except (ValueError, KeyError, AttributeError) as error:
        names = [str(weights) for model in list_models() for weights in get_model_weights(model)]
        raise WeightsError(f"torchvision publishes no weights named {name!r}.{did_you_mean(name, names)}") from error


def _timm_weights(name: str) -> Any:
    import timm

    try:
        settings = timm.models.get_pretrained_cfg(name)
    except RuntimeError:  # an unknown tag of a known architecture
        settings = None
    if settings is None or not settings.has_weights:
        tagged = timm.list_pretrained()
        raise WeightsError(f"timm publishes no weights named {name!r}.{did_you_mean(name, tagged)}")
    return settings


def _describe(word: str, source: str) -> Published:
    library, _, name = source.partition(":")
    if library == "torchvision":
        weights = _torchvision_weights(name)
        path = cache_folder() / _last_part(weights.url)
        top1 = weights.meta.get("_metrics", {}).get("ImageNet-1K", {}).get("acc@1")
        size = weights.meta.get("_file_size")
        return Published(
            word,
            source,
            weights.url,
            path if path.exists() else None,
            size=round(size * 2**20) if size else None,
            top1=top1 / 100 if top1 else None,
        )
    if library == "https":
        path = cache_folder() / _last_part(source)
        return Published(word, source, source, path if path.exists() else None)
    if library == "huggingface":
        cached = _cached_by_hugging_face(name, None)
        return Published(word, source, f"https://huggingface.co/{name}", cached, license=LICENSES.get(name))
    settings = _timm_weights(name)
    if settings.hf_hub_id:
        url = f"https://huggingface.co/{settings.hf_hub_id}"
        cached = _cached_by_hugging_face(settings.hf_hub_id, settings.hf_hub_filename)
        return Published(word, source, url, cached, license=settings.license)
    path = cache_folder() / _last_part(settings.url)
    return Published(word, source, settings.url, path if path.exists() else None, license=settings.license)


def _hugging_face_names(filename: str | None) -> tuple[str, ...]:
    return (filename,) if filename else ("model.safetensors", "pytorch_model.bin")


def _cached_by_hugging_face(repository: str, filename: str | None) -> Path | None:
    from huggingface_hub import try_to_load_from_cache

    for name in _hugging_face_names(filename):
        found = try_to_load_from_cache(repository, name, cache_dir=hub_cache())
        if isinstance(found, str):
            return Path(found)
    return None


def _from_hugging_face(repository: str, filename: str | None, source: str, cache: Path | None) -> Path:
    names = _hugging_face_names(filename)
    for name in names:
        address = HubAddress(repository, None, name)
        try:
            found = fetch_file(address, cache=hub_cache(cache))
        except WeightsError as error:
            raise WeightsError(
                f"{error}. Without a network: download {page_of(address)}/resolve/main/{name} elsewhere and pass "
                "--weights FILE"
            ) from error
        if found is not None:
            return found
    url = page_of(HubAddress(repository))
    raise WeightsError(f"{source}: {url} has none of {', '.join(names)}; download by hand and pass --weights FILE")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _unreachable(url: str, path: Path | None, error: Exception) -> WeightsError:
    place = f"put it at {path}, or " if path else ""
    reason = str(error).splitlines()[0] if str(error) else type(error).__name__
    return WeightsError(
        f"{url}: cannot be downloaded ({reason}). Without a network: download it elsewhere "
        f"and {place}pass --weights FILE"
    )


def _download_part(url: str, part: Path, path: Path) -> None:
    """Fills `part` until the server has no more; takes up a broken connection a few times."""
    import http.client
    import urllib.error

    for attempt in range(_ATTEMPTS):
        before = part.stat().st_size if part.exists() else 0
        try:
            if _receive(url, part):
                return
            error: Exception = ConnectionError("the connection ended too early")
        except urllib.error.HTTPError as refused:
            if refused.code == 416 and attempt == 0:  # the part is as long as the file, or longer: begin anew
                part.unlink(missing_ok=True)
                continue
            raise _unreachable(url, path, refused) from refused
        except AddressError as wrong:
            raise WeightsError(f"{url}: cannot be downloaded: {wrong}") from wrong
        except (http.client.HTTPException, urllib.error.URLError, ConnectionError, TimeoutError) as broken:
            error = broken
        except OSError as full:
            raise unwritable(path, full) from full
        if (part.stat().st_size if part.exists() else 0) <= before:
            break  # no byte came: another attempt would only make the user wait
    raise _unreachable(url, path, error) from error


def _receive(url: str, part: Path) -> bool:
    """One connection: appends what comes to `part`; True when all of it came."""
    have = part.stat().st_size if part.exists() else 0
    with _answer(url, have) as answer:
        resumes = getattr(answer, "status", None) == 206
        length = stated_length(answer)
        total = (have if resumes else 0) + length if length is not None else None
        with part.open("ab" if resumes else "wb") as file, _progress(_last_part(url), total, file.tell()) as advance:
            while chunk := answer.read(1 << 18):
                file.write(chunk)
                advance(len(chunk))
            done = file.tell()
    return total is None or done == total


def _answer(url: str, have: int) -> AbstractContextManager[Any]:
    """The response to a request for what stands behind the first `have` bytes."""
    import urllib.request

    if url.startswith("file:"):
        answer: AbstractContextManager[Any] = urllib.request.urlopen(url)
        return answer
    return open_address(url, headers={"Range": f"bytes={have}-"} if have else {}, silence=_SILENCE)


def _last_part(url: str) -> str:
    return url.split("?", 1)[0].rsplit("/", 1)[-1]


@contextmanager
def _progress(name: str, total: int | None, done: int) -> Iterator[Callable[[int], None]]:
    """A bar on a terminal; silence where nobody watches."""
    if not sys.stderr.isatty():
        yield lambda count: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(name, total=total, completed=done)
        yield lambda count: bar.advance(task, count)
