"""Whether this processor multiplies in bfloat16; where it does not, torch imitates that, several times slower."""

from __future__ import annotations

import logging
from functools import cache

_LOG = logging.getLogger(__name__)


def multiplies_bfloat16() -> bool:
    """Whether the processor has products of bfloat16 numbers (AVX512_BF16, AMX, Arm's BF16), or torch can not tell."""
    import torch

    known = {name: has for name, has in torch.cpu.get_capabilities().items() if "bf16" in name}
    return any(known.values()) or not known


@cache
def tell_of_slow_bfloat16() -> None:
    """Warn, once a process, where products in bfloat16 are slower than those in float32."""
    if not multiplies_bfloat16():
        _LOG.warning(
            "precision is 'bfloat16', which this processor does not multiply: expect several times the time of "
            "'float32'; set precision = \"float32\" here"
        )


__all__ = ["multiplies_bfloat16", "tell_of_slow_bfloat16"]
