"""How long a text is, in any script, without a model: what budgets in tokens count."""

from __future__ import annotations

import re

_UNSEGMENTED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003ffff"
"""Thai, Lao, Burmese, Khmer, Chinese, Japanese, Korean: scripts whose words no blank divides reliably."""
_TOKEN = re.compile(rf"[{_UNSEGMENTED}]|[^\s{_UNSEGMENTED}]+")


def count_tokens(text: str) -> int:
    """Words between white space; in scripts without blanks every character is one."""
    return len(text.split()) if text.isascii() else len(_TOKEN.findall(text))
