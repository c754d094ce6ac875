"""What every training does with a loss: AdamW under a warm-up and a linear decay, and its whole state as arrays."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from periti.errors import EncoderError

if TYPE_CHECKING:
    from torch import Tensor, nn

State = dict[str, NDArray[Any]]
WEIGHTS = "weights/"


class Rates(Protocol):
    """Settings of an optimiser."""

    @property
    def rate(self) -> float:
        """The largest learning rate."""
        ...

    @property
    def warmup(self) -> float:
        """Share of the steps in which it grows."""
        ...

    @property
    def steps(self) -> int:
        """After so many it is zero."""
        ...


class Optimised:
    """Parameters and their optimiser. Nothing that happened before a step matters to it but weights and moments.

    Args:
        parameters: every trainable parameter by name.
        rates: of learning.
        seed: of chance within a step, such as dropout.
    """

    def __init__(self, parameters: Mapping[str, nn.Parameter], rates: Rates, seed: int) -> None:
        import torch

        self._parameters, self._rates, self._seed = dict(parameters), rates, seed
        self._optimiser = torch.optim.AdamW(self._parameters.values(), lr=rates.rate, weight_decay=0.0)

    def begin_step(self, number: int) -> None:
        """Seed the chance and set the learning rate of step 1, 2, ..."""
        import torch

        torch.manual_seed(self._seed * 1_000_003 + number)
        for group in self._optimiser.param_groups:
            group["lr"] = self._rates.rate * share(number, self._rates)

    def descend(self, loss: Tensor, number: int) -> float:
        """One update, its gradient clipped to length one; returns the loss.

        Raises:
            EncoderError: the loss is not finite.
        """
        import torch

        if not bool(torch.isfinite(loss)):
            raise EncoderError(
                f"training: the loss of step {number} is {float(loss.detach())}; lower the learning rate"
            )
        self._optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self._parameters.values(), 1.0)
        self._optimiser.step()
        return float(loss.detach())

    def weights(self) -> State:
        """The weights as they are now, by name below `WEIGHTS`."""
        return {f"{WEIGHTS}{name}": one.detach().numpy().copy() for name, one in self._parameters.items()}

    def state(self) -> State:
        """Weights and moments, everything that the next step depends on."""
        found = self.weights()
        for name, parameter in self._parameters.items():
            for key, value in self._optimiser.state.get(parameter, {}).items():
                found[f"{key}/{name}"] = value.detach().numpy().copy()
        return found

    def load(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Take the weights of `state`, and the moments if it has any."""
        import torch

        for name, parameter in self._parameters.items():
            with torch.no_grad():
                parameter.copy_(torch.from_numpy(state[f"{WEIGHTS}{name}"]))
            moments = {
                key: torch.from_numpy(np.array(state[f"{key}/{name}"]))
                for key in ("step", "exp_avg", "exp_avg_sq")
                if f"{key}/{name}" in state
            }
            if moments:
                self._optimiser.state[parameter] = moments


def share(step: int, rates: Rates) -> float:
    """Share of the learning rate: linear up over the warm-up, then linear down to zero after the last step."""
    warm = max(1, round(rates.warmup * rates.steps))
    if step <= warm:
        return step / warm
    return max(0.0, (rates.steps + 1 - step) / (rates.steps + 1 - warm))
