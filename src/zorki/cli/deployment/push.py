"""`zorki push`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter


def push(
    run: Annotated[Path, Parameter(help="A run's folder.")],
    address: Annotated[str, Parameter(help="hf://OWNER/NAME; the repository is made where there is none.")],
    *,
    private: Annotated[bool, Parameter(help="Make the repository a private one.", negative="")] = False,
    file: Annotated[
        list[Path] | None, Parameter(help="An exported file that goes along, with its parity; may be repeated.")
    ] = None,
    license: Annotated[
        str | None, Parameter(help="License of the weights for the model card, such as apache-2.0.")
    ] = None,
    message: Annotated[str | None, Parameter(help="Message of the commit.")] = None,
    dry_run: Annotated[bool, Parameter(help="List what would be uploaded, and upload nothing.", negative="")] = False,
) -> None:
    """Upload a run to the Hugging Face hub: weights, recipe, results and the model card, without private paths.

    zorki push runs/resnet18-1 hf://ann/bees --private
    zorki push runs/resnet18-1 hf://ann/bees --file model.onnx --license apache-2.0
    """
    from zorki.engine.publishing.push import push as push_run

    push_run(run, address, private=private, files=file or (), license=license, message=message, dry_run=dry_run)
