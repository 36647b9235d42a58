"""What attention looks at, noted while a network runs, and followed back to the patches of the image."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

EXTRA = (0, 1, 2, 5)  # tokens before those of patches: none, the class token, distillation's, four registers


@contextmanager
def plain_attention() -> Iterator[None]:
    """Attention as separate products: the fused kernel for inference hides them, and knows no meta device."""
    before = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(before)


def attention_maps(run: Callable[[], Any]) -> list[Float[Tensor, "H N M"]]:
    """The attention of every layer that `run` uses, in its order: for each head and query, shares of the keys.

    Of the first image of a batch. However attention is written: by `scaled_dot_product_attention`, by
    `nn.MultiheadAttention`, or as a softmax of products.
    """
    with plain_attention(), _Recorder() as recorder:
        run()
    return recorder.maps


class _Recorder(TorchDispatchMode):
    """Notes what fused kernels are given, and softmaxes of (batch, heads, queries, keys)."""

    def __init__(self) -> None:
        super().__init__()
        self.maps: list[Tensor] = []

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Nothing here is compiled: else the first operation would load PyTorch's compiler, for seconds, to say so."""
        return False

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Runs one operation, and notes its attention."""
        outputs = func(*args, **(kwargs or {}))
        name = func.overloadpacket.__name__
        if "scaled_dot_product" in name:
            query, key = args[0][0].float(), args[1][0].float()
            scale = (kwargs or {}).get("scale") or query.shape[-1] ** -0.5
            self.maps.append((query @ key.transpose(-2, -1) * scale).softmax(-1).detach())
        elif name in ("_softmax", "_safe_softmax") and outputs.ndim == 4 and args[1] in (-1, 3):
            self.maps.append(outputs[0].float().detach())
        return outputs


def attention_rollout(maps: Sequence[Float[Tensor, "H N N"]]) -> Float[Tensor, "N N"]:
    """How much of each token of the input is in each of the output (Abnar and Zuidema, 2020, section 3).

    Heads are averaged, and half of each layer is the residual connection: the product of (A + 1) / 2 over the layers.

    Raises:
        ValueError: there is no layer, or layers differ in their tokens.
    """
    if len({one.shape[-2:] for one in maps}) != 1 or maps[0].shape[-1] != maps[0].shape[-2]:
        raise ValueError(f"rollout needs layers of one number of tokens, got {[tuple(one.shape) for one in maps]}")
    identity = torch.eye(maps[0].shape[-1], device=maps[0].device)
    rollout = identity
    for one in maps:
        rollout = (one.mean(0) + identity) / 2 @ rollout
    return rollout


def patch_grid(tokens: int, height: int, width: int) -> tuple[int, int, int] | None:
    """(rows, columns, tokens before the patches) of an image that was cut into square patches; None: it was not.

    >>> patch_grid(197, 224, 224)
    (14, 14, 1)
    """
    found = [
        (tokens - rows * columns, rows, columns)
        for patch in range(2, min(height, width) + 1)
        if tokens - (rows := height // patch) * (columns := width // patch) in EXTRA and rows * columns > 1
    ]
    if not found:
        return None
    extra, rows, columns = min(found)
    return rows, columns, extra


def rollout_map(rollout: Float[Tensor, "N N"], grid: tuple[int, int, int]) -> Float[Tensor, "h w"]:
    """What the class token has of each patch; where there is none, what all patches have on average."""
    rows, columns, extra = grid
    row = rollout[0] if extra else rollout.mean(0)
    return row[extra:].view(rows, columns)
