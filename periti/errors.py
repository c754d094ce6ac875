"""Everything that can go wrong in periti, as one tree.

    PeritiError
    ├── InputError (ValueError)           the caller's data or arguments are not acceptable
    │   ├── SchemaError                   a frame breaks a promise of Queries, Run, Qrels or Plan
    │   ├── FormatError                   a line or record of a file can not be read; names file and line
    │   ├── ConfigError                   a configuration has an unknown key, a wrong type or a bad value
    │   └── CollectionMismatch            two inputs do not speak of the same collection
    ├── UnknownName (LookupError)         a name is in no registry or catalog; the known ones are listed
    ├── DatasetError (ValueError)         a dataset's files are absent or break the catalog's facts
    ├── IndexUnusable (RuntimeError)      an index can not be opened or does not fit what asks for it
    │   ├── IndexMissing                  there is no finished index at that path
    │   ├── IndexDamaged                  a file is missing, truncated or altered
    │   └── IndexMismatch                 another encoder, corpus, version or metric than expected
    ├── EncoderError (RuntimeError)       a model can not be loaded, or gives vectors that are not numbers
    ├── EndpointError (RuntimeError)      a model's endpoint is down, too slow, refuses, or answers what can not be read
    ├── StorageError (OSError)            writing failed; what was there before is untouched
    └── MissingDependency (ImportError)   an optional package is needed; says how to install it

Each message is one sentence that says what, what was found, and what to do. Each class also inherits the
built-in that it specialises, so callers who know only Python can still catch it.
"""

from __future__ import annotations


class PeritiError(Exception):
    """Root of every error that periti raises on purpose."""


class InputError(PeritiError, ValueError):
    """The caller's data or arguments are not acceptable."""


class SchemaError(InputError):
    """A frame breaks a promise of Queries, Run, Qrels or Plan."""


class FormatError(InputError):
    """A file can not be read; the message names the file and, where there is one, the line."""


class ConfigError(InputError):
    """A configuration has an unknown key, a wrong type or a bad value."""


class CollectionMismatch(InputError):
    """Two inputs do not speak of the same collection."""


class UnknownName(PeritiError, LookupError):
    """A name is in no registry or catalog."""


class DatasetError(PeritiError, ValueError):
    """A dataset's files are absent or break the facts its catalog entry states."""


class IndexUnusable(PeritiError, RuntimeError):
    """An index can not be opened, or does not fit what asks for it."""


class IndexMissing(IndexUnusable):
    """There is no finished index at the path."""


class IndexDamaged(IndexUnusable):
    """A file of the index is missing, truncated or altered."""


class IndexMismatch(IndexUnusable):
    """The index was built by another encoder, from another corpus, or for another metric."""


class EncoderError(PeritiError, RuntimeError):
    """A model can not be loaded, or gives vectors that are not numbers."""


class EndpointError(PeritiError, RuntimeError):
    """A model's endpoint is down, too slow, refuses, or answers what can not be read."""


class StorageError(PeritiError, OSError):
    """Writing failed; what was there before is untouched."""


class MissingDependency(PeritiError, ImportError):
    """An optional package is needed."""
