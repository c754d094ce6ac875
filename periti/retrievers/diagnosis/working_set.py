"""Experts in memory: the most recently used under a byte budget, loaded ahead where the workload is known (PreMoe)."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from threading import Condition
from typing import Generic, TypeVar

from periti.errors import ConfigError
from periti.retrievers.diagnosis.workload import WorkloadProfile

T = TypeVar("T")


@dataclass(frozen=True)
class Counts:
    """What a working set did: requests answered from memory, requests that loaded, experts preloaded and dropped."""

    hits: int = 0
    misses: int = 0
    preloaded: int = 0
    evicted: int = 0

    @property
    def hit_rate(self) -> float:
        """Hits over requests; 0 before the first."""
        return self.hits / max(1, self.hits + self.misses)


@dataclass(frozen=True)
class Preload:
    """What was loaded ahead, most used first, the share of the workload it covers, and what had no room."""

    loaded: tuple[str, ...]
    covered: float
    left_out: tuple[str, ...]


class WorkingSet(Generic[T]):
    """Things by name, held in memory up to a budget; the least recently used leave first.

    Safe in threads: a name is loaded once however many ask for it, others are served meanwhile, and what is held or
    being loaded never exceeds the budget (what a caller still holds after it left is the caller's). `load` must not
    ask the same working set for anything.

    Args:
        load: name -> the thing; its errors go to whoever asked, and the next request tries again.
        size: name -> its bytes, known before loading.
        budget: bytes.

    Raises:
        ConfigError: the budget is below 1.
    """

    def __init__(self, load: Callable[[str], T], size: Callable[[str], int], budget: int) -> None:
        if budget < 1:
            raise ConfigError(f"memory budget is {budget} bytes; give at least the size of one expert")
        self._load, self._size = load, size
        self.budget = budget
        self._held: OrderedDict[str, T] = OrderedDict()
        self._bytes: dict[str, int] = {}
        """Of what is held and of what is being loaded."""
        self._changed = Condition()
        self._hits = self._misses = self._preloaded = self._evicted = 0

    @property
    def names(self) -> tuple[str, ...]:
        """What is held, least recently used first."""
        with self._changed:
            return tuple(self._held)

    @property
    def used(self) -> int:
        """Bytes held or being loaded."""
        with self._changed:
            return sum(self._bytes.values())

    @property
    def counts(self) -> Counts:
        """What happened so far."""
        with self._changed:
            return Counts(self._hits, self._misses, self._preloaded, self._evicted)

    def get(self, name: str) -> T:
        """The thing of that name, from memory or loaded.

        Raises:
            ConfigError: it alone exceeds the budget.
        """
        return self._get(name, ahead=False)

    def preload(self, profile: WorkloadProfile, coverage: float = 0.95) -> Preload:
        """Load what covers a workload, as far as the budget goes (PreMoe; take the profile from `workload.nearest`).

        The most used are loaded last, so that they leave last. What has no room is named; smaller experts after it
        are still taken.

        Raises:
            InputError: coverage outside [0, 1].
        """
        wanted = profile.covering(coverage)
        taken: list[str] = []
        room = self.budget
        for name in wanted:
            size = self._size(name)
            if size <= room:
                taken.append(name)
                room -= size
        for name in reversed(taken):
            self._get(name, ahead=True)
        share = dict(zip(profile.experts, profile.usage, strict=True))
        covered = sum(share[name] for name in taken)
        return Preload(tuple(taken), covered, tuple(name for name in wanted if name not in taken))

    def clear(self) -> None:
        """Drop everything held; counts stay."""
        with self._changed:
            for name in list(self._held):
                self._drop(name)
            self._changed.notify_all()

    def _get(self, name: str, *, ahead: bool) -> T:
        size = self._size(name)
        if size > self.budget:
            raise ConfigError(
                f"expert {name!r} takes {size} bytes, the memory budget is {self.budget}; raise the budget"
            )
        with self._changed:
            while name not in self._held:
                # Being loaded by another thread, or no room before another thread's load ends: wait and look again.
                if name not in self._bytes and self._make_room(size):
                    break
                self._changed.wait()
            else:
                self._held.move_to_end(name)
                self._hits += not ahead
                return self._held[name]
            self._bytes[name] = size
            self._misses += not ahead
            self._preloaded += ahead
        return self._loaded(name)

    def _loaded(self, name: str) -> T:
        """Load outside the lock a thing whose bytes are already reserved."""
        try:
            thing = self._load(name)
        except BaseException:
            with self._changed:
                del self._bytes[name]
                self._changed.notify_all()
            raise
        with self._changed:
            self._held[name] = thing
            self._changed.notify_all()
        return thing

    def _make_room(self, size: int) -> bool:
        """Drop the least recently used until `size` fits; drops nothing if not even that would do."""
        loading = sum(amount for name, amount in self._bytes.items() if name not in self._held)
        if loading + size > self.budget:
            return False
        while sum(self._bytes.values()) + size > self.budget:
            self._drop(next(iter(self._held)))
            self._evicted += 1
        return True

    def _drop(self, name: str) -> None:
        del self._held[name]
        del self._bytes[name]
