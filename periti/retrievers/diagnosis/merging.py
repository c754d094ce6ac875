"""Several adapters to one: usage-weighted deltas, and routers that know that the merged are one (M-SMoE).

Two traps are avoided by construction. LoRA factors are known up to a gauge: (A, B) and (R·A, B·R⁻¹) are the same
adapter, so only products B·A, or better outputs, are compared and averaged. And a router keeps one logit for each
original expert, so the masses of merged ones are summed before anything is selected.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from periti.apart import apart
from periti.errors import InputError
from periti.retrievers.diagnosis.arrays import Floats, matrix, vector
from periti.retrievers.diagnosis.vitals import mean_cosine

Factors = tuple[ArrayLike, ArrayLike]
"""A (r, in) and B (out, r) of one layer; any scale (alpha / r) is already multiplied into one of them."""
Adapter = Mapping[str, Factors]
"""Layer -> factors."""
Groups = Sequence[Sequence[int]]
"""Expert numbers, each of 0..E-1 in one group."""


@dataclass(frozen=True)
class Merged:
    """One adapter from several.

    Args:
        layers: layer -> (A float32 (r, in), B float32 (out, r)), B·A being the mean delta's best rank-r version.
        kept: layer -> share of the mean delta's squared norm that rank r holds; 1 is all.
    """

    layers: dict[str, tuple[NDArray[np.float32], NDArray[np.float32]]]
    kept: dict[str, float]


def merge_lora(adapters: Sequence[Adapter], usage: ArrayLike, rank: int | None = None) -> Merged:
    """Σ f·B·A / Σ f of some adapters, refactored to rank r by SVD (M-SMoE, usage-weighted).

    Neurons need no alignment, since deltas live in the base model's coordinates. The product is never formed: QR of
    the stacked factors leaves an SVD of the size of the summed ranks.

    Args:
        adapters: one or more, of the same layers and sizes; ranks may differ.
        usage: (m,), queries that each answered; 0 or more, not all 0.
        rank: of the result in every layer; the largest rank of each layer by default.

    Raises:
        InputError: layers or shapes differ, usage is negative or all 0, a value is not finite, or rank is below 1.
    """
    weights = vector(usage, "usage", len(adapters))
    if (weights < 0).any() or weights.sum() <= 0:
        raise InputError(f"usage: {weights.tolist()}; give counts of 0 and more, not all 0")
    if rank is not None and rank < 1:
        raise InputError(f"rank is {rank}; give at least 1")
    weights /= weights.sum()
    checked = _checked(adapters)
    layers, kept = {}, {}
    for layer in checked[0]:
        pairs = [adapter[layer] for adapter in checked]
        stacked_a = np.vstack([a for a, _ in pairs])
        stacked_b = np.hstack([weight * b for weight, (_, b) in zip(weights, pairs, strict=True)])
        wanted = rank or max(len(a) for a, _ in pairs)
        a, b, kept[layer] = _refactored(stacked_a, stacked_b, wanted)
        layers[layer] = (a.astype(np.float32), b.astype(np.float32))
    return Merged(layers, kept)


def _checked(adapters: Sequence[Adapter]) -> list[dict[str, tuple[Floats, Floats]]]:
    """The adapters as float64, of the same layers and of shapes that fit."""
    checked: list[dict[str, tuple[Floats, Floats]]] = []
    for number, adapter in enumerate(adapters):
        if set(adapter) != set(adapters[0]) or not adapter:
            differ = sorted(set(adapter) ^ set(adapters[0]))
            raise InputError(f"adapter {number} differs in layers {differ}; merge adapters of the same layers")
        checked.append({})
        for layer, (first, second) in sorted(adapter.items()):
            a, b = matrix(first, f"adapter {number}, layer {layer!r}, A"), matrix(second, f"its layer {layer!r}, B")
            sizes = (a.shape[1], b.shape[0])
            wanted = (checked[0][layer][0].shape[1], checked[0][layer][1].shape[0]) if number else sizes
            if len(a) != b.shape[1] or sizes != wanted:
                raise InputError(
                    f"adapter {number}, layer {layer!r}: A is {a.shape} and B {b.shape}, expected (r, {wanted[0]}) and "
                    f"({wanted[1]}, r); merge adapters of one base model"
                )
            checked[-1][layer] = (a, b)
    return checked


def _refactored(a: Floats, b: Floats, rank: int) -> tuple[Floats, Floats, float]:
    """A (rank, in) and B (out, rank) of the best rank-`rank` version of b·a, and the share of its squared norm."""
    left, upper_b = apart(np.linalg.qr, b)
    right, upper_a = apart(np.linalg.qr, a.T)
    u, s, vt = apart(np.linalg.svd, upper_b @ upper_a.T, full_matrices=False)
    held = min(rank, len(s))
    # Singular vectors have a free sign: the largest entry of each column of U is made positive.
    sign = np.sign(u[np.abs(u).argmax(axis=0), np.arange(len(s))])
    root = np.sqrt(s[:held])
    new_b, new_a = np.zeros((len(b), rank)), np.zeros((rank, a.shape[1]))
    new_b[:, :held] = left @ (u * sign)[:, :held] * root
    new_a[:held] = root[:, None] * (vt * sign[:, None])[:held] @ right.T
    total = float((s**2).sum())
    return new_a, new_b, float((s[:held] ** 2).sum()) / total if total > 0 else 1.0


def delta_similarity(first: Adapter, second: Adapter) -> float:
    """Cosine of two adapters' deltas B·A over all layers, free of the gauge; 0 if either is zero.

    Raises:
        InputError: as `merge_lora`.
    """
    one, two = _checked([first, second])

    def inner(x: dict[str, tuple[Floats, Floats]], y: dict[str, tuple[Floats, Floats]]) -> float:
        # <B A, B' A'> = Σ (Bᵀ B') ∘ (A A'ᵀ), without forming a delta.
        return sum(float(((x[name][1].T @ y[name][1]) * (x[name][0] @ y[name][0].T)).sum()) for name in x)

    norms = inner(one, one) * inner(two, two)
    return inner(one, two) / float(np.sqrt(norms)) if norms > 0 else 0.0


def output_similarity(embeddings: Sequence[ArrayLike]) -> Floats:
    """Mean cosine of query embeddings between every two of E experts, float64 (E, E) with ones in the diagonal.

    Args:
        embeddings: E arrays (n, d), vectors of the same queries.

    Raises:
        InputError: shapes differ or a value is not finite.
    """
    likeness = np.eye(len(embeddings))
    for i in range(len(embeddings)):
        for j in range(i):
            likeness[i, j] = likeness[j, i] = mean_cosine(embeddings[i], embeddings[j])
    return likeness


def group(usage: ArrayLike, similarity: ArrayLike, count: int, least: float = -1.0) -> tuple[tuple[int, ...], ...]:
    """Groups around the most used experts (M-SMoE: each other expert joins the dominant one most similar to it).

    Args:
        usage: (E,), queries that each answered.
        similarity: (E, E), of outputs or deltas.
        count: how many dominant experts.
        least: an expert less similar than this to every dominant one stays alone, so there may be more groups.

    Returns:
        Groups of expert numbers, the dominant one first; in order of falling usage, those that stay alone last.

    Raises:
        InputError: shapes that do not fit, or `count` outside 1..E.
    """
    used = vector(usage, "usage")
    likeness = matrix(similarity, "similarity", len(used), len(used))
    if not 1 <= count <= len(used):
        raise InputError(f"count is {count}, the panel has {len(used)} experts; give a number from 1 to {len(used)}")
    order = np.argsort(-used, kind="stable")
    dominant = order[:count]
    members: list[list[int]] = [[int(expert)] for expert in dominant]
    for expert in order[count:]:
        nearest = int(likeness[expert, dominant].argmax())
        if likeness[expert, dominant[nearest]] >= least:
            members[nearest].append(int(expert))
        else:
            members.append([int(expert)])
    return tuple(tuple(numbers) for numbers in members)


def merge_masses(values: ArrayLike, groups: Groups, *, logits: bool = False) -> Floats:
    """One column for each group of aliases: the sum of their probabilities, to be taken before any top-k.

    Otherwise top-2 may pick one merged expert twice, and a pair of clones that split the mass may be beaten by less.

    Args:
        values: (n, E), probabilities or other masses of 0 and more; or logits.
        groups: which experts were merged.
        logits: values are logits; the answer is log Σ exp, whose softmax has the summed probabilities.

    Returns:
        float64 (n, len(groups)).

    Raises:
        InputError: a value is not finite, a mass is negative, or an expert is in no group or in two.
    """
    table = matrix(values, "router masses")
    if sorted(expert for members in groups for expert in members) != list(range(table.shape[1])):
        raise InputError(f"groups {[*map(list, groups)]} do not hold each of {table.shape[1]} experts once; mend them")
    if not logits and table.min() < 0:
        raise InputError(f"router masses: {table.min():g} is negative; give probabilities, or say that they are logits")
    columns = [table[:, list(members)] for members in groups if members]
    merged = [np.logaddexp.reduce(part, axis=1) if logits else part.sum(axis=1) for part in columns]
    return np.stack(merged, axis=1)
