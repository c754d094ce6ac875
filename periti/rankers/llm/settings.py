"""Which endpoint, which model, how patiently, at what price; and the key, which is never written anywhere."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from periti.errors import ConfigError
from periti.registry import nearest

APIS = ("chat", "completions")
RESERVED = ("messages", "model", "n", "prompt", "stream")
"""Parts of a request that are the ranker's own."""
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_LEAST = {"timeout_s": 0.001, "retries": 0, "backoff_s": 0, "longest_wait_s": 0, "concurrency": 1, "give_up_after": 1}
_LEAST_PRICE = {"input_price": 0, "output_price": 0}


@dataclass(frozen=True)
class EndpointSettings:
    """An OpenAI-compatible endpoint.

    Attributes:
        url: base URL up to and including the version, e.g. "http://localhost:8000/v1".
        model: the model's name there.
        key_variable: NAME of the environment variable that holds the key; empty if none is needed.
        api: "chat" (/chat/completions) or "completions" (/completions, the model sees the bare prompt).
        timeout_s: seconds that one call may take, from connecting to the last byte.
        retries: further calls after one that failed in a way that may pass.
        backoff_s: seconds before the first retry, doubled for each further one; `Retry-After` goes before.
        longest_wait_s: an endpoint that asks for a longer wait counts as failed.
        concurrency: calls under way at a time.
        give_up_after: questions in a row without an answer after which the endpoint is not asked any more.
        input_price, output_price: price of a million tokens in the prompt and in the answer, in any currency.
        token_limit_name: what the endpoint calls the limit of an answer ("max_completion_tokens" for some models).
        parameters: added to every request, e.g. { seed = 1 }; they replace ours, such as temperature.
    """

    url: str = ""
    model: str = ""
    key_variable: str = ""
    api: str = "chat"
    timeout_s: float = 60.0
    retries: int = 3
    backoff_s: float = 1.0
    longest_wait_s: float = 60.0
    concurrency: int = 4
    give_up_after: int = 3
    input_price: float = 0.0
    output_price: float = 0.0
    token_limit_name: str = "max_tokens"  # noqa: S105  (no secret)
    parameters: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.api not in APIS:
            raise ConfigError(f"endpoint: api is {self.api!r}; {nearest(self.api, APIS)}")
        at_least("endpoint", self, _LEAST | _LEAST_PRICE)
        for name in RESERVED:
            if name in self.parameters:
                raise ConfigError(f"endpoint: parameters may not hold {name!r}, which the ranker sets; leave it out")
        if self.key_variable and not _VARIABLE.fullmatch(self.key_variable):
            raise ConfigError(
                "endpoint: key_variable is not the name of an environment variable (it is not shown, as it may be the "
                "key itself); put the key into a variable and give the variable's name"
            )
        if self.url:
            _check_url(self.url)

    def require_complete(self) -> None:
        """Raise ConfigError if URL or model is not given."""
        for name, example in (("url", "http://localhost:8000/v1"), ("model", "my-model")):
            if not getattr(self, name):
                raise ConfigError(f'endpoint: {name} is not given; add {name} = "{example}" to [ranker.endpoint]')


def at_least(where: str, options: Any, least: Mapping[str, float]) -> None:
    """Check numbers of a dataclass; raises ConfigError if one is less than it must be, or infinite."""
    for name, bound in least.items():
        value = getattr(options, name)
        if not bound <= value < math.inf:
            raise ConfigError(f"{where}: {name} is {value}; it must be at least {bound}")


def _check_url(url: str) -> None:
    """Refuse what is no base URL, without showing what may be a secret in it."""
    try:
        parts = urlsplit(url)
        known = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
        known &= url.isascii() and url.isprintable() and " " not in url
    except ValueError:
        known = False
    if not known:
        raise ConfigError('endpoint: url is not the address of a server; give one such as "http://localhost:8000/v1"')
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise ConfigError(
            f"endpoint: the url of {parts.hostname} has a user, a query or a fragment, which are not sent; give the "
            "bare base URL, and a key by key_variable"
        )


def read_key(settings: EndpointSettings) -> str:
    """The key in the environment variable that the settings name; empty if they name none.

    Raises:
        ConfigError: the variable is not set, or holds what can not stand in a header; the value is not shown.
    """
    name = settings.key_variable
    if not name:
        return ""
    key = os.environ.get(name, "").strip()
    if not key:
        raise ConfigError(f"endpoint: the environment variable {name} is not set; put the key of {settings.url} there")
    if not (key.isascii() and key.isprintable()):
        raise ConfigError(f"endpoint: the environment variable {name} holds what can not be a key; set it again")
    return key
