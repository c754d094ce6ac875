"""The methods of `periti select`, one small module each: `HELP`, `EPILOG`, `add_options` and `build`."""

METHODS = (
    "random",
    "random_length",
    "dsir",
    "target",
    "quality",
    "combined",
    "criteria",
    "quad",
    "adversarial",
    "dedup",
)
"""Modules of this package; a method's name on the command line has hyphens."""
