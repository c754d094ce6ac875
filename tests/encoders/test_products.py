"""Where products in bfloat16 are imitated, who asks for them is told once."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping

import pytest
import torch

from periti.encoders import products


@pytest.fixture(autouse=True)
def _not_told_yet() -> Iterator[None]:
    products.tell_of_slow_bfloat16.cache_clear()
    yield
    products.tell_of_slow_bfloat16.cache_clear()


@pytest.mark.parametrize(
    ("capabilities", "fast"),
    [
        ({"avx2": True, "avx512_bf16": False, "amx_bf16": False}, False),
        ({"avx512_bf16": True, "amx_bf16": False}, True),
        ({"avx512_bf16": False, "amx_bf16": True}, True),
        ({"neon": True}, True),  # nothing is known of bfloat16
    ],
)
def test_a_processor_that_imitates_bfloat16_is_told_of_once(
    capabilities: Mapping[str, bool], fast: bool, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities)
    with caplog.at_level(logging.WARNING):
        products.tell_of_slow_bfloat16()
        products.tell_of_slow_bfloat16()

    assert products.multiplies_bfloat16() is fast
    told = [record.message.split(",")[0] for record in caplog.records]
    assert told == ([] if fast else ["precision is 'bfloat16'"])
