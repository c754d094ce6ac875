"""A server of the test's own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.endpoint import ModelServer, serving


@pytest.fixture
def server() -> Iterator[ModelServer]:
    with serving() as server:
        yield server
