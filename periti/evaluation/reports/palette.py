"""Colours by their role: a picture is drawn in stand-ins, which a page turns into light or dark ones."""

from __future__ import annotations

import hashlib
import re
from types import MappingProxyType
from xml.etree import ElementTree as ET

ROLES = (
    "ink", "soft", "rule", "ground", "band", "win", "tie", "lose", "p0", "p1", "p2", "p3", "p4", "on-p",
    "c0", "c1", "c2", "c3", "c4", "c5", "c6", "c7",
)  # fmt: skip
STAND_IN = MappingProxyType({role: f"#01{number:02x}fe" for number, role in enumerate(ROLES, 1)})
"""Role to the colour that Matplotlib draws it in; no two are alike and nothing else is drawn in them."""

_ROLE = {colour: role for role, colour in STAND_IN.items()}
_COLOUR = re.compile("|".join(_ROLE))
_FACE = re.compile(r"font-family: [^;]*;?\s*")
_SVG = "{http://www.w3.org/2000/svg}"
_LINK = "{http://www.w3.org/1999/xlink}href"


def inline(svg: str, title: str) -> str:
    """A picture of Matplotlib's as an element for a page.

    Stand-ins become custom properties, ids get a prefix (of a digest of picture and title) so that several pictures go
    on one page, the typeface is left to the page, and the title is there for those who do not see the picture.

    Args:
        svg: the document, as Matplotlib writes it.
        title: what the picture shows.
    """
    digest = hashlib.sha256(f"{title}\n{svg}".encode("utf-8", "replace")).hexdigest()
    prefix = f"f{digest[:10]}-"
    root = ET.fromstring(svg)  # noqa: S314  (our own drawing a moment ago)
    root.attrib = {
        "viewBox": root.attrib["viewBox"],
        "width": root.attrib["width"],
        "height": root.attrib["height"],
        "class": "figure",
        "role": "img",
        "aria-label": title,
    }
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag in (f"{_SVG}style", f"{_SVG}metadata"):
                parent.remove(child)
    for element in root.iter():
        element.tag = element.tag.removeprefix(_SVG)
        _reword(element, prefix)
    return ET.tostring(root, encoding="unicode")


def _reword(element: ET.Element, prefix: str) -> None:
    """Give one element's attributes the page's colours and ids."""
    attributes = element.attrib
    link = attributes.pop(_LINK, None)
    if link is not None:
        attributes["href"] = f"#{prefix}{link.removeprefix('#')}"
    if "id" in attributes:
        if element.tag in ("g", "text"):
            del attributes["id"]
        else:
            attributes["id"] = prefix + attributes["id"]
    if "clip-path" in attributes:
        attributes["clip-path"] = attributes["clip-path"].replace("url(#", f"url(#{prefix}")
    if "style" in attributes:
        style = _COLOUR.sub(lambda found: f"var(--{_ROLE[found[0]]})", attributes["style"])
        attributes["style"] = _FACE.sub("", style)
