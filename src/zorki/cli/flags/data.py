"""Flags of the verbs that read datasets."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from zorki.recipe import describe

AllowOutside = Annotated[bool, Parameter(help=describe("allow_outside")["help"], negative="")]
