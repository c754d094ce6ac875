"""`periti` called as a user calls it, in this process."""

from __future__ import annotations

from pathlib import Path

from periti.cli import main


def periti(*arguments: str | Path | int) -> int:
    """The exit status of `periti ARGUMENTS`; what it prints goes to the usual places."""
    return main([str(argument) for argument in arguments])
