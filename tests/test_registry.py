"""Names to components: looked up, never guessed."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from periti.errors import PeritiError, UnknownName
from periti.registry import FAMILIES, RANKERS, Registry, nearest


def install(site: Path, package: str, group: str, points: dict[str, str]) -> None:
    """Lay out a distribution as pip would: its dist-info, and one module."""
    info = site / f"{package}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
    lines = [f"[{group}]", *(f"{name} = {value}" for name, value in points.items())]
    (info / "entry_points.txt").write_text("\n".join(lines) + "\n")
    (site / f"{package}_module.py").write_text("class Reverse:\n    name = 'from the plug-in'\n")


def test_a_name_in_the_table_gives_the_attribute_it_points_to() -> None:
    from periti.rankers.identity import IdentityRanker

    assert RANKERS.load("identity") is IdentityRanker


def test_an_unknown_name_is_answered_with_the_nearest_and_all_known_ones() -> None:
    registry = Registry("rankers", {"cross-encoder": "a:b", "identity": "a:c"})

    with pytest.raises(
        UnknownName,
        match=r"^no rankers named 'cross-encodr'; did you mean 'cross-encoder'\? known: cross-encoder, identity$",
    ):
        registry.load("cross-encodr")


def test_a_name_like_no_other_is_answered_without_a_guess() -> None:
    assert nearest("zzz", ["b", "a"]) == "known: a, b"
    assert nearest("zzz", []) == "known: none"


def test_unknown_name_is_caught_as_lookup_error_too() -> None:
    with pytest.raises(LookupError) as caught:
        RANKERS.load("nobody")
    assert isinstance(caught.value, PeritiError)


def test_nothing_is_imported_until_a_name_is_asked_for() -> None:
    registry = Registry("rankers", {"broken": "no.such.module:thing"})

    assert list(registry) == ["broken"]
    with pytest.raises(ModuleNotFoundError):
        registry.load("broken")


def test_an_installed_package_adds_its_component(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path, "plugged", "periti.rankers", {"reverse": "plugged_module:Reverse"})
    monkeypatch.syspath_prepend(str(tmp_path))
    registry = Registry("rankers", {"identity": "periti.rankers.identity:IdentityRanker"})

    assert list(registry) == ["identity", "reverse"]
    assert len(registry) == 2
    assert "reverse" in registry
    assert "plugged_module" not in sys.modules, "listing names must import nothing"
    assert registry.load("reverse").name == "from the plug-in"


def test_entry_points_of_another_family_are_not_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path, "plugged", "periti.routers", {"reverse": "plugged_module:Reverse"})
    monkeypatch.syspath_prepend(str(tmp_path))

    assert "reverse" not in Registry("rankers", {})


def test_a_package_that_takes_a_built_in_name_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path, "plugged", "periti.rankers", {"identity": "plugged_module:Reverse"})
    monkeypatch.syspath_prepend(str(tmp_path))

    with pytest.raises(ValueError, match=r"'identity' is registered twice.*plugged_module:Reverse"):
        list(Registry("rankers", {"identity": "periti.rankers.identity:IdentityRanker"}))


def test_two_packages_that_take_one_name_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path / "one", "plugged", "periti.rankers", {"reverse": "plugged_module:Reverse"})
    install(tmp_path / "two", "other", "periti.rankers", {"reverse": "other_module:Reverse"})
    monkeypatch.syspath_prepend(str(tmp_path / "one"))
    monkeypatch.syspath_prepend(str(tmp_path / "two"))

    with pytest.raises(ValueError, match="'reverse' is registered twice"):
        Registry("rankers", {}).load("reverse")


@pytest.mark.parametrize(
    ("family", "name"),
    [pytest.param(family, name, id=f"{family.family}-{name}") for family in FAMILIES for name in family],
)
def test_every_registered_name_imports(family: Registry, name: str) -> None:
    assert callable(family.load(name))


def test_each_family_has_a_name_of_its_own() -> None:
    names = [family.family for family in FAMILIES]

    assert len(set(names)) == len(names)


def test_no_component_is_registered_under_two_names() -> None:
    for family in FAMILIES:
        homes = list(family._builtin.values())
        assert len(set(homes)) == len(homes), f"{family.family} registers a component twice"
