"""Reranking 100 candidates of mixed length: periti beside CrossEncoder.predict and the `rerankers` package.

One model (MiniLM under a head drawn at random; speed does not ask what it learnt), one run, contestants interleaved,
scores compared; all of them run on the threads of one torch, as many as the report says. Candidates are passages of MS
MARCO, abstracts of SciFact and judgments of AILA, shuffled, as a panel over several collections gets them. `rerankers`
is no dependency: `pip install --no-deps --target DIR rerankers` and PYTHONPATH=DIR bring it in; without it the row is
left out, and says so. A late join of the same encoder and lengths (five layers apart) takes turns with them: with
nothing read before, with states of the documents in memory, and with states on disk. Its scores are its own, and are
not compared.

Usage: python -m benchmarks.rerank_speed [--rounds 5] [--seed 1] [--cpu] [--threads N]
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))
from measuring import interleaved, record, summary

if TYPE_CHECKING:
    from periti.encoders.cross import CrossEncoder

SHARES = {"msmarco-dl19-dl20-pool": 50, "scifact": 35, "aila-2019-cases": 15}
QUERY = "does vitamin D supplementation prevent falls and fractures in older adults?"


def candidates(seed: int) -> list[str]:
    """100 texts of three collections, shuffled."""
    from periti.datasets import load_dataset

    found: list[str] = []
    for name, count in SHARES.items():
        documents = islice(load_dataset(name).documents(), count * 3)
        found += [document.default_text() for document in documents][::3][:count]
    order = np.random.default_rng(seed).permutation(len(found))
    return [found[place] for place in order]


def contestants(folder: str, texts: list[str]) -> dict[str, Callable[[], Any]]:
    """Every system as a call that gives scores in the order of the texts, float (100,)."""
    from sentence_transformers import CrossEncoder as Peer
    from torch import nn

    from periti.encoders.cross import load_cross_encoder

    ours = load_cross_encoder(folder)
    peer = Peer(folder, device="cpu")
    pairs = [(QUERY, text) for text in texts]
    made: dict[str, Callable[[], Any]] = {
        "periti": lambda: ours.logits(ours.tokenise([QUERY] * len(texts), texts)),
        "CrossEncoder.predict": lambda: peer.predict(pairs, activation_fn=nn.Identity(), show_progress_bar=False),
    }
    if find_spec("rerankers"):
        from rerankers.models.transformer_ranker import TransformerRanker  # type: ignore[import-not-found]

        other = TransformerRanker(folder, dtype="float32", device="cpu", verbose=0)

        def rank() -> Any:
            scores = np.empty(len(texts))
            for result in other.rank(QUERY, texts, doc_ids=list(range(len(texts)))).results:
                scores[result.doc_id] = result.score
            return scores

        made["rerankers"] = rank
    return made


def _scored(model: CrossEncoder, texts: list[str]) -> Any:
    return model.logits(model.tokenise([QUERY] * len(texts), texts))


def late_joins(folder: Path) -> dict[str, CrossEncoder]:
    """Late joins over MiniLM: one that remembers nothing, one with memory, one with a folder."""
    from periti.encoders import minilm_path
    from periti.encoders.cross import Joint, untrained_cross_encoder

    found = {
        name: untrained_cross_encoder(minilm_path(), 1, head="late-join", joint=Joint(apart=5))
        for name in ("late join, nothing read", "late join, states in memory", "late join, states on disk")
    }
    for model, (size, where) in zip(found.values(), ((0, None), (4 << 30, None), (0, folder)), strict=True):
        model.remember(size, where)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--cpu", action="store_true", help="CPU time, for a machine that others keep busy")
    parser.add_argument("--threads", type=int, help="of torch (default: as many as cores); 1 as in a busy service")
    arguments = parser.parse_args()
    import torch

    if arguments.threads:
        torch.set_num_threads(arguments.threads)

    from periti.encoders import minilm_path
    from periti.encoders.cross import save_cross_encoder, untrained_cross_encoder

    texts = candidates(arguments.seed)
    with tempfile.TemporaryDirectory() as folder:
        save_cross_encoder(untrained_cross_encoder(minilm_path(), arguments.seed), Path(folder))
        calls = contestants(folder, texts)
        scores = {name: np.asarray(call(), dtype=np.float64) for name, call in calls.items()}
        for name, model in late_joins(Path(folder) / "states").items():
            calls[name] = partial(_scored, model, texts)
        clock = time.process_time if arguments.cpu else time.perf_counter
        seconds = interleaved(calls, arguments.rounds, warm=1, clock=clock)
    best = {name: min(of) for name, of in seconds.items()}
    record(
        f"rerank_speed_{arguments.threads}_threads" if arguments.threads else "rerank_speed",
        {
            "candidates": len(texts),
            "threads": torch.get_num_threads(),
            "seconds": {name: summary(of) for name, of in seconds.items()},
            "clock": "CPU" if arguments.cpu else "wall",
            "times_as_fast_as": {name: round(best[name] / best["periti"], 2) for name in scores if name != "periti"},
            "CrossEncoder.predict_takes_times": {
                name: round(best["CrossEncoder.predict"] / best[name], 2) for name in best if name.startswith("late")
            },
            "largest_difference": {
                name: float(np.abs(scores[name] - scores["periti"]).max()) for name in scores if name != "periti"
            },
            "left_out": [] if "rerankers" in calls else ["rerankers: not installed"],
        },
    )


if __name__ == "__main__":
    main()
