"""The folder of a trained ranker: the model as transformers and sentence-transformers read it, and its cards."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from periti.encoders.adapters import CARD
from periti.encoders.cross import CrossEncoder, save_cross_encoder
from periti.encoders.models import MODEL, README, how_it_came_about
from periti.errors import EncoderError
from periti.files import sha256_file


def write_ranker(model: CrossEncoder, card: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Write model and cards into an existing, empty folder; the tokenizer keeps the length that training read.

    Returns:
        The card, with the SHA-256 of the file of weights.
    """
    told = copy.copy(model)
    told.tokenizer = copy.deepcopy(model.tokenizer)
    told.tokenizer.model_max_length = model.max_length
    save_cross_encoder(told, folder)
    facts = {**card, "weights_sha256": sha256_file(folder / MODEL)}
    (folder / CARD).write_text(json.dumps(facts, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    (folder / README).write_text(readme(facts), encoding="utf-8")
    return facts


def read_card(folder: Path) -> dict[str, Any]:
    """The card of a folder that `write_ranker` filled.

    Raises:
        EncoderError: the folder holds no such ranker, or a file is truncated or altered.
    """
    for path in (folder / CARD, folder / MODEL):
        if not path.is_file():
            raise EncoderError(f"no ranker at {folder} ({path.name} is missing); train it with `periti train ranker`")
    try:
        card: dict[str, Any] = json.loads((folder / CARD).read_text(encoding="utf-8"))
        claimed = card["weights_sha256"]
    except (ValueError, KeyError, TypeError) as error:
        raise EncoderError(
            f"{folder / CARD} is not the card of a ranker; restore it or train the ranker again"
        ) from error
    if sha256_file(folder / MODEL) != claimed:
        raise EncoderError(f"{folder / MODEL} is truncated or was altered; restore it or train the ranker again")
    return card


def readme(card: Mapping[str, Any]) -> str:
    """The model card: front matter as the hub reads it, then what the ranker is, learnt from, and reached on dev."""
    sources = "\n".join(_source(one) for one in card.get("sources", []))
    dev = "\n".join(f"* {line}" for line in card.get("dev_lists", []))
    options = card.get("options", {})
    return f"""---
library_name: sentence-transformers
pipeline_tag: text-ranking
base_model: {card.get("start_name", "")}
license: other
license_name: {json.dumps(card.get("licence", ""), ensure_ascii=False)}
tags:
- sentence-transformers
- cross-encoder
- reranker
---
# {card.get("name", "")}

{card.get("description", "")}

A cross-encoder, trained by periti from {card.get("start_name", "")} with loss {options.get("loss", "")}, curriculum
{options.get("curriculum", "")}, seed {card.get("seed", "")}. It reads pairs of {card.get("max_length", "")} tokens,
of which the query has at most {card.get("query_budget", "")}. Rank by its logits.

```toml
[ranker]
name = "cross-encoder"
model = "this folder"
```

{_parts(card)}{how_it_came_about(card, sources, dev)}"""


def _parts(card: Mapping[str, Any]) -> str:
    """Of a ranker that is a sum: its parts, and what dev said of the shares."""
    if "parts" not in card:
        return ""
    rows = "\n".join(
        f"| {one['name']} | {one['best_step']} of {one['steps']} | {one['dev_of_start']:.4f} | {one['dev']:.4f} | "
        f"{one['weights_sha256']} |"
        for one in card["parts"]
    )
    shares = ", ".join(f"{value:.4f} at {share:g}" for share, value in card["shares"])
    return f"""Its parts were trained apart from the same start; {card["share"]:g} of the sum of what they learnt was
added to it, the best on dev of {shares} (start: {card["dev_of_start"]:.4f}).

| part | best step | its dev, start | its dev, end | SHA-256 |
|---|---|---:|---:|---|
{rows}

"""


def _source(one: Mapping[str, Any]) -> str:
    notes = "".join(f"; {count:,} {what}" for what, count in one.get("notes", {}).items())
    first = f", lists by {one['first_stage']} (SHA-256 {one['first_stage_sha256']})" if "first_stage" in one else ""
    return f"* {one['name']}: {one['queries']:,} queries{first}{notes}"
