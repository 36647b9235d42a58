"""The transformer with encoder and decoder (Vaswani et al., 2017), as set prediction uses it (Carion et al., 2020)."""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional


class Attention(nn.Module):
    """Multi-head attention (Vaswani et al., 2017, section 3.2).

    Its weights have the names and shapes of torch.nn.MultiheadAttention's, so that published ones fit.

    Args:
        width: D, of a token; a multiple of `heads`.
        heads: that look side by side.
        dropout: probability that a head overlooks a place, in training.
    """

    def __init__(self, width: int, heads: int, dropout: float = 0.0) -> None:
        super().__init__()
        if width % heads:
            raise ValueError(f"the width must be a multiple of the heads, but {width} is none of {heads}")
        self.heads, self.dropout = heads, dropout
        self.in_proj_weight = nn.Parameter(torch.empty(3 * width, width))
        self.in_proj_bias = nn.Parameter(torch.zeros(3 * width))
        self.out_proj = nn.Linear(width, width)
        nn.init.xavier_uniform_(self.in_proj_weight)
        nn.init.zeros_(self.out_proj.bias)

    def forward(
        self,
        query: Float[Tensor, "B N D"],
        key: Float[Tensor, "B M D"],
        value: Float[Tensor, "B M D"],
        mask: Bool[Tensor, "B M"] | Bool[Tensor, "B N M"] | None = None,
    ) -> Float[Tensor, "B N D"]:
        """For each query a mixture of values; `mask` tells which places may be looked at, at least one an image.

        With three axes the mask tells it for each query.
        """
        width = value.shape[-1]
        if query is key:
            both = functional.linear(query, self.in_proj_weight[: 2 * width], self.in_proj_bias[: 2 * width])
            q, k = both.chunk(2, -1)
        else:
            q = functional.linear(query, self.in_proj_weight[:width], self.in_proj_bias[:width])
            k = functional.linear(key, self.in_proj_weight[width : 2 * width], self.in_proj_bias[width : 2 * width])
        v = functional.linear(value, self.in_proj_weight[2 * width :], self.in_proj_bias[2 * width :])
        mixed = functional.scaled_dot_product_attention(
            self._split(q),
            self._split(k),
            self._split(v),
            attn_mask=None if mask is None else (mask[:, None, None] if mask.ndim == 2 else mask[:, None]),
            dropout_p=self.dropout if self.training else 0.0,
        )
        return self.out_proj(mixed.transpose(1, 2).flatten(2))

    def _split(self, tokens: Float[Tensor, "B N D"]) -> Float[Tensor, "B heads N _"]:
        return tokens.unflatten(-1, (self.heads, -1)).transpose(1, 2)


class EncoderLayer(nn.Module):
    """Self-attention and a perceptron, each with a residual and a norm; weights named as torch.nn's.

    Positions are added to what is compared, not to what is mixed (Carion et al., 2020, appendix A.3).

    Args:
        width: D, of a token.
        heads: of the attention.
        hidden: width of the perceptron.
        dropout: probability, behind attention and perceptron and inside of both.
        pre_norm: norms stand before attention and perceptron, not behind the residuals.
        activation: of the perceptron.
    """

    def __init__(
        self,
        width: int,
        heads: int,
        hidden: int,
        dropout: float,
        pre_norm: bool,
        activation: Callable[[Tensor], Tensor] = functional.relu,
    ) -> None:
        super().__init__()
        self.activation = activation
        self.self_attn = Attention(width, heads, dropout)
        self.linear1, self.linear2 = nn.Linear(width, hidden), nn.Linear(hidden, width)
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.dropout = nn.Dropout(dropout)
        self.pre_norm = pre_norm

    def forward(
        self,
        tokens: Float[Tensor, "B N D"],
        positions: Float[Tensor, "#B N D"],
        mask: Bool[Tensor, "B N"] | None = None,
    ) -> Float[Tensor, "B N D"]:
        if self.pre_norm:
            tokens = tokens + self._attend(self.norm1(tokens), positions, mask)
            return tokens + self._think(self.norm2(tokens))
        tokens = self.norm1(tokens + self._attend(tokens, positions, mask))
        return self.norm2(tokens + self._think(tokens))

    def _attend(self, tokens: Tensor, positions: Tensor, mask: Tensor | None) -> Tensor:
        placed = tokens + positions
        return self.dropout(self.self_attn(placed, placed, tokens, mask))

    def _think(self, tokens: Tensor) -> Tensor:
        return self.dropout(self.linear2(self.dropout(self.activation(self.linear1(tokens)))))


class DecoderLayer(EncoderLayer):
    """Self-attention of the queries, attention to the encoder's memory, and a perceptron.

    Args: as of `EncoderLayer`.
    """

    def __init__(self, width: int, heads: int, hidden: int, dropout: float, pre_norm: bool) -> None:
        super().__init__(width, heads, hidden, dropout, pre_norm)
        self.multihead_attn = Attention(width, heads, dropout)
        self.norm3 = nn.LayerNorm(width)

    def forward(  # type: ignore[override]
        self,
        tokens: Float[Tensor, "B Q D"],
        queries: Float[Tensor, "#B Q D"],
        memory: Float[Tensor, "B N D"],
        placed_memory: Float[Tensor, "B N D"],
        mask: Bool[Tensor, "B N"] | None = None,
        visible: Bool[Tensor, "B Q Q"] | None = None,
    ) -> Float[Tensor, "B Q D"]:
        """One layer.

        Args:
            tokens: the content of the queries.
            queries: the tokens' positions.
            memory: of the encoder.
            placed_memory: the memory with its positions added.
            mask: which part of the memory may be looked at.
            visible: which queries each query may look at.
        """
        if self.pre_norm:
            tokens = tokens + self._attend(self.norm1(tokens), queries, visible)
            tokens = tokens + self._read(self.norm2(tokens), queries, memory, placed_memory, mask)
            return tokens + self._think(self.norm3(tokens))
        tokens = self.norm1(tokens + self._attend(tokens, queries, visible))
        tokens = self.norm2(tokens + self._read(tokens, queries, memory, placed_memory, mask))
        return self.norm3(tokens + self._think(tokens))

    def _read(
        self, tokens: Tensor, queries: Tensor, memory: Tensor, placed_memory: Tensor, mask: Tensor | None
    ) -> Tensor:
        return self.dropout(self.multihead_attn(tokens + queries, placed_memory, memory, mask))


class Encoder(nn.Module):
    """Encoder layers, with a last norm where the norms stand before."""

    def __init__(self, depth: int, width: int, heads: int, hidden: int, dropout: float, pre_norm: bool) -> None:
        super().__init__()
        self.layers = nn.ModuleList(EncoderLayer(width, heads, hidden, dropout, pre_norm) for _ in range(depth))
        self.norm = nn.LayerNorm(width) if pre_norm else nn.Identity()

    def forward(
        self,
        tokens: Float[Tensor, "B N D"],
        positions: Float[Tensor, "#B N D"],
        mask: Bool[Tensor, "B N"] | None = None,
    ) -> Float[Tensor, "B N D"]:
        for layer in self.layers:
            tokens = layer(tokens, positions, mask)
        return self.norm(tokens)


class Decoder(nn.Module):
    """Decoder layers; every layer's prediction goes through one and the same last norm."""

    def __init__(self, depth: int, width: int, heads: int, hidden: int, dropout: float, pre_norm: bool) -> None:
        super().__init__()
        self.layers = nn.ModuleList(DecoderLayer(width, heads, hidden, dropout, pre_norm) for _ in range(depth))
        self.norm = nn.LayerNorm(width)

    def forward(
        self,
        queries: Float[Tensor, "Q D"],
        memory: Float[Tensor, "B N D"],
        positions: Float[Tensor, "#B N D"],
        mask: Bool[Tensor, "B N"] | None = None,
    ) -> Float[Tensor, "L B Q D"]:
        placed = memory + positions
        # Content starts from nothing: what the queries say, they say as positions in every layer.
        tokens = memory.new_zeros(memory.shape[0], *queries.shape)
        predictions = []
        for layer in self.layers:
            tokens = layer(tokens, queries[None], memory, placed, mask)
            predictions.append(self.norm(tokens))
        return torch.stack(predictions)


class Transformer(nn.Module):
    """Encoder and decoder as in Carion et al. (2020), appendix A.3: learned queries read an encoded image.

    Matrices start by Glorot's uniform rule, as in the authors' code.

    Args:
        width: D, of a token.
        heads: of every attention.
        hidden: width of the perceptrons.
        encoder: number of its layers.
        decoder: number of its layers, at least 1.
        dropout: probability, in training.
        pre_norm: norms stand before attention and perceptron: trains without a careful start (Xiong et al., 2020).
    """

    def __init__(
        self,
        width: int = 256,
        heads: int = 8,
        hidden: int = 2048,
        *,
        encoder: int = 6,
        decoder: int = 6,
        dropout: float = 0.1,
        pre_norm: bool = False,
    ) -> None:
        super().__init__()
        self.encoder = Encoder(encoder, width, heads, hidden, dropout, pre_norm)
        self.decoder = Decoder(decoder, width, heads, hidden, dropout, pre_norm)
        for parameter in self.parameters():
            if parameter.ndim > 1:
                nn.init.xavier_uniform_(parameter)

    def forward(
        self,
        tokens: Float[Tensor, "B N D"],
        positions: Float[Tensor, "#B N D"],
        queries: Float[Tensor, "Q D"],
        mask: Bool[Tensor, "B N"] | None = None,
    ) -> Float[Tensor, "L B Q D"]:
        """What each decoder layer makes of each query, last layer last; `mask` tells which tokens count."""
        return self.decoder(queries, self.encoder(tokens, positions, mask), positions, mask)
