"""`--device`, `--batch-size`, `--strict`: what verbs share that look at many images."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

Device = Annotated[str | None, Parameter(help="cpu, cuda, cuda:1 (or 1), mps; empty: the fastest available.")]
BatchSize = Annotated[int | None, Parameter(help="Batch size in images; empty: 32.")]
Strict = Annotated[bool, Parameter(help="Stop at the first broken image.", negative="")]
