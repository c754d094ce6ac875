"""Limited-memory BFGS (Nocedal and Wright, Numerical Optimization, algorithm 7.4) for smooth convex functions."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Curvature = tuple[Floats, Floats, float]
"""A step, the change of the gradient along it, and one over their product."""

_MEMORY = 10
_ARMIJO = 1e-4
_LEAST_STEP = 1e-12


def minimise(
    function: Callable[[Floats], tuple[float, Floats]], start: Floats, *, close: float = 1e-6, rounds: int = 500
) -> Floats:
    """The minimum of a convex function, deterministic.

    Args:
        function: value and gradient at a point (d,).
        start: float64 (d,).
        close: stop when no part of the gradient is larger.
        rounds: steps at most.

    Returns:
        The best point reached, float64 (d,).
    """
    point = start.copy()
    value, gradient = function(point)
    memory: deque[Curvature] = deque(maxlen=_MEMORY)
    for _ in range(rounds):
        if np.abs(gradient).max(initial=0) <= close:
            break
        direction = -_times_inverse(gradient, memory)
        slope = _dot(gradient, direction)
        size = 1.0 if memory else min(1.0, _dot(gradient, gradient) ** -0.5)
        while True:
            new = point + size * direction
            new_value, new_gradient = function(new)
            if new_value <= value + _ARMIJO * size * slope:
                break
            size /= 2
            if size < _LEAST_STEP:
                return point  # nothing lower can be told apart from here
        step, change = new - point, new_gradient - gradient
        product = _dot(step, change)
        if product > 0:
            memory.append((step, change, 1 / product))
        point, value, gradient = new, new_value, new_gradient
    return point


def _times_inverse(gradient: Floats, memory: deque[Curvature]) -> Floats:
    """The gradient times the approximate inverse of the Hessian."""
    product = gradient.copy()
    parts = []
    for step, change, inverse in reversed(memory):
        part = inverse * _dot(step, product)
        product -= part * change
        parts.append(part)
    if memory:
        step, change, _ = memory[-1]
        product *= _dot(step, change) / _dot(change, change)
    for (step, change, inverse), part in zip(memory, reversed(parts), strict=True):
        product += (part - inverse * _dot(change, product)) * step
    return product


def _dot(left: Floats, right: Floats) -> float:
    # Not @: the threads of BLAS cost far more than they gain on vectors of this size, and may change the last bits.
    return float(np.einsum("i,i->", left, right))
