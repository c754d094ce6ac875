"""The command line: thin commands over the library, one module each.

A command module offers `add_parser(commands)`, which adds its sub-parser and sets `run`, a function of the parsed
arguments that returns the exit status. Modules import what they need when they run, so that `periti --help` is quick.

Exit status: 0 success, 2 wrong usage or bad input (one sentence on stderr), 1 an internal failure, 130 interrupted.
"""

from periti.cli.main import main

__all__ = ["main"]
