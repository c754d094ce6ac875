"""The collections of a service by name, some of which may still be opening."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Mapping

from starlette.exceptions import HTTPException

from periti.api.schemas import CollectionFacts, ExpertFacts, cut
from periti.errors import ConfigError, InputError, UnknownName
from periti.pipeline import Pipeline
from periti.types import Queries

Opener = Callable[[], Pipeline]
NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")
_LOG = logging.getLogger(__name__)


def check_name(name: str) -> str:
    """The name, if it may name a collection: names travel in requests and never become paths.

    Raises:
        ConfigError: it may not.
    """
    if not NAME.fullmatch(name):
        raise ConfigError(
            f"the collection name {cut(name)} can not be served; use 1 to 63 of a-z, 0-9, dot, underscore and hyphen, "
            "beginning with a letter or digit (`name` in its periti.toml)"
        )
    return name


class Collections:
    """Open pipelines by name, ready when the last one is open.

    Args:
        sources: an open pipeline, or a function that opens one, by name.

    Raises:
        ConfigError: a name may not be used, or there are no collections.
    """

    def __init__(self, sources: Mapping[str, Pipeline | Opener]) -> None:
        if not sources:
            raise ConfigError("there is no collection to serve; give at least one")
        self.names = sorted(check_name(name) for name in sources)
        self._open = {name: source for name, source in sources.items() if isinstance(source, Pipeline)}
        self._waiting = {name: source for name, source in sources.items() if not isinstance(source, Pipeline)}
        self._failed: str | None = None

    def open_all(self) -> None:
        """Open what is not open yet, in order, and ask each one a first question; takes seconds to minutes.

        Raises:
            PeritiError: whatever a pipeline raises; the service then says that it will not become ready.
        """
        for name, opener in list(self._waiting.items()):
            try:
                self._open[name] = _warm(opener())
            except Exception:
                self._failed = name
                raise
            del self._waiting[name]

    @property
    def trouble(self) -> str | None:
        """Why the service can not answer yet, in one sentence; None when it can."""
        if self._failed:
            return f"the collection {self._failed!r} could not be opened; the service's log tells why"
        if self._waiting:
            opened, all_of_them = len(self._open), len(self.names)
            return f"the service is still opening its collections ({opened} of {all_of_them} are open); ask again soon"
        return None

    def require_ready(self) -> None:
        """Refuse with 503 while there is trouble."""
        if self.trouble:
            raise HTTPException(503, self.trouble, {"Retry-After": "2"})

    def pipeline(self, name: str | None) -> tuple[str, Pipeline]:
        """The pipeline of that name, or the only one, and its name.

        Raises:
            UnknownName: there is no such collection.
            InputError: no name was given and there are several.
        """
        self.require_ready()
        known = ", ".join(self.names)
        if name is None:
            if len(self.names) > 1:
                raise InputError(f"this service has {len(self.names)} collections; say which one: {known}")
            name = self.names[0]
        if name not in self._open:
            raise UnknownName(f"no collection is named {cut(name)}; known: {known}")
        return name, self._open[name]

    def facts(self) -> list[CollectionFacts]:
        """What each collection is, by name."""
        self.require_ready()
        return [
            CollectionFacts(
                name=name,
                description=self._open[name].description,
                documents=len(self._open[name].corpus),
                experts=[
                    ExpertFacts(name=expert.name, description=expert.description)
                    for expert in self._open[name].experts.values()
                ],
            )
            for name in self.names
        ]


def _warm(pipeline: Pipeline) -> Pipeline:
    """The pipeline after a first search: models and the JVM make things at first use that no caller should wait for."""
    pipeline.search(Queries.from_pairs([("first", "a first question")]), 1)
    return pipeline
