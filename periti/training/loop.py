"""The loop of a training: steps, early stop on dev, one checkpoint file; the same for whatever learns."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from periti.encoders.adapters import read_arrays, write_arrays
from periti.errors import EncoderError
from periti.progress import Progress
from periti.training.optimising import State


class Learner(Protocol):
    """What learns, seen from the loop."""

    def weights(self) -> State:
        """The weights as they are now."""
        ...

    def state(self) -> State:
        """Everything that the next step depends on."""
        ...

    def load(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Take a state."""
        ...


class Schedule(Protocol):
    """How long, and how often dev is asked."""

    @property
    def steps(self) -> int:
        """At most so many."""
        ...

    @property
    def evaluate_every(self) -> int:
        """Steps between evaluations on dev, and between checkpoints."""
        ...

    @property
    def patience(self) -> int:
        """Evaluations without a gain after which it stops."""
        ...

    @property
    def keep(self) -> str:
        """Which state: "best" keeps the one that was best on dev, "last" trains all steps and keeps their end."""
        ...


@dataclass
class Standing:
    """Where a training stands."""

    step: int
    curve: list[list[float]]
    """[step, dev score, mean loss since the last one]"""
    best: State
    """The weights that are kept."""
    waited: int = 0

    def kept(self, keep: str) -> list[float]:
        """The entry of the curve whose weights are kept."""
        return self.curve[-1] if keep == "last" else max(self.curve, key=lambda entry: entry[1])


@dataclass(frozen=True)
class Checkpoint:
    """One file beside the target that holds everything a training needs to go on, replaced as a whole."""

    path: Path
    course: str

    @classmethod
    def beside(cls, folder: Path, course: str) -> Checkpoint:
        """The checkpoint of what shall be in `folder`, of the course with this fingerprint."""
        return cls(folder.with_name(f".{folder.name}.checkpoint.safetensors"), course)

    def save(self, learner: Learner, at: Standing) -> None:
        """Keep weights, moments, the best weights so far and the curve."""
        arrays = {f"now/{k}": v for k, v in learner.state().items()} | {f"best/{k}": v for k, v in at.best.items()}
        facts = {"course": self.course, "step": at.step, "curve": at.curve, "waited": at.waited}
        fresh = self.path.with_name(f"{self.path.name}.new")
        self.path.parent.mkdir(parents=True, exist_ok=True)
        write_arrays(fresh, arrays, {"facts": json.dumps(facts)})
        fresh.replace(self.path)

    def resume(self, learner: Learner) -> Standing | None:
        """The standing of a checkpoint of the same course, loaded into what learns; None where there is none."""
        try:
            arrays, about = read_arrays(self.path)
            facts = json.loads(about["facts"])
        except (EncoderError, KeyError, ValueError):
            return None  # no checkpoint, or a damaged one: train from the start
        if facts.get("course") != self.course:
            return None
        learner.load({k.removeprefix("now/"): v for k, v in arrays.items() if k.startswith("now/")})
        best = {k.removeprefix("best/"): v for k, v in arrays.items() if k.startswith("best/")}
        return Standing(facts["step"], facts["curve"], best, facts["waited"])


@dataclass(frozen=True)
class Loop:
    """Steps from the last checkpoint, or from the start, until the last one or until dev stops improving.

    Attributes:
        name: of what is trained, for messages.
        schedule: when to ask dev, when to stop.
        checkpoint: where the training is kept.
        progress: told of every step.
    """

    name: str
    schedule: Schedule
    checkpoint: Checkpoint
    progress: Progress

    def run(self, learner: Learner, step: Callable[[int], float], score: Callable[[], float]) -> Standing:
        """Train.

        Args:
            learner: what learns.
            step: learn in step 1, 2, ... and return its loss.
            score: how good it is on dev.
        """
        plan, at = self.schedule, self.checkpoint.resume(learner)
        at = at or Standing(0, [[0, score(), 0.0]], learner.weights())
        # Counted from where it goes on, so that steps of an earlier run do not make the time left look short.
        resumed = f" from step {at.step}" if at.step else ""
        self.progress.start(f"training {self.name}{resumed}", plan.steps - at.step)
        losses: list[float] = []
        while at.step < plan.steps and (plan.keep == "last" or at.waited < plan.patience):
            at.step += 1
            losses.append(step(at.step))
            self.progress.advance(1)
            if at.step % plan.evaluate_every == 0 or at.step == plan.steps:
                value = score()
                better = value > max(entry[1] for entry in at.curve)
                at.curve.append([at.step, value, float(np.mean(losses))])
                at.waited, losses = (0 if better else at.waited + 1), []
                if better or plan.keep == "last":
                    at.best = learner.weights()
                self.checkpoint.save(learner, at)
        self.progress.finish()
        return at
