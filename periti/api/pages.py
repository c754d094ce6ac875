"""Pages for people: those of this folder, and a plain reference of the routes. Nothing is loaded from elsewhere."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from importlib.resources import files
from typing import Any

_STYLE = """
body { font: 1rem/1.5 system-ui, sans-serif; max-width: 50rem; margin: 2rem auto; padding: 0 1rem }
:root { color-scheme: light dark }
pre { overflow-x: auto; padding: .75rem; border: 1px solid; border-radius: .4rem }
code, pre { font-family: ui-monospace, monospace; font-size: .9em }
"""


@dataclass(frozen=True)
class Page:
    """HTML and the content security policy under which it works."""

    html: str
    policy: str


def search_page() -> Page:
    """The page that searches."""
    return page_of("page.html")


def page_of(name: str) -> Page:
    """A page of this folder, with the scripts that it shares with others put in."""

    def included(found: re.Match[str]) -> str:
        return _text(found[1])

    return with_policy(re.sub(r"/\* include (\w+\.js) \*/\n", included, _text(name)))


def _text(name: str) -> str:
    return files("periti.api").joinpath(name).read_text(encoding="utf-8")


def reference(schema: Mapping[str, Any]) -> Page:
    """A readable list of the routes of an OpenAPI description."""
    parts = [
        f"<h1>{escape(schema['info']['title'])} {escape(schema['info']['version'])}</h1>",
        f"<p>{escape(schema['info']['description'])}</p>",
        "<p><a href='/openapi.json'>OpenAPI description</a> · <a href='/'>search page</a></p>",
    ]
    for path, methods in schema["paths"].items():
        for method, facts in methods.items():
            parts.append(_route(f"{method.upper()} {path}", facts))
    parts.append("<h2>Example</h2><pre>curl -s http://HOST:PORT/v1/search -H 'Content-Type: application/json' \\\n"
                 "  -d '{\"query\": \"your question\", \"k\": 5}'</pre>")  # fmt: skip
    body = "\n".join(parts)
    return with_policy(
        "<!doctype html><html lang='en'><head><meta charset='utf-8'><title>periti: the service</title>"
        f"<meta name='viewport' content='width=device-width'><style>{_STYLE}</style></head><body>{body}</body></html>"
    )


def _route(name: str, facts: Mapping[str, Any]) -> str:
    text = _prose(facts.get("description", "")).replace("\n\n", "</p><p>")
    part = f"<h2><code>{escape(name)}</code></h2><p>{text}</p>"
    body = facts.get("requestBody")
    if body:
        content = body["content"]["application/json"]
        rows = "".join(
            f"<li><code>{escape(field)}</code>: {_prose(about.get('description', ''))}{_range(about)}</li>"
            for field, about in content["schema"]["properties"].items()
        )
        part += f"<p>Fields of the JSON body:</p><ul>{rows}</ul><pre>{escape(json.dumps(content['example']))}</pre>"
    if asked := facts.get("parameters"):
        rows = "".join(f"<li><code>{escape(one['name'])}</code>: {_prose(one['description'])}</li>" for one in asked)
        part += f"<p>Parameters of the address:</p><ul>{rows}</ul>"
    codes = ", ".join(facts["responses"])
    return f"{part}<p>Answers: {escape(codes)}.</p>"


def _prose(text: str) -> str:
    """Text as HTML, with what stands between backquotes as code."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(text))


def _range(about: Mapping[str, Any]) -> str:
    if "minimum" not in about:
        return ""
    return f" {about['minimum']:,.0f} to {about['maximum']:,.0f}, {about['default']} by default."


def with_policy(html: str) -> Page:
    """The page with a policy that lets its own inline style and script run, by hash, and nothing else."""
    styles = " ".join(map(_hash, re.findall(r"<style>(.*?)</style>", html, re.DOTALL))) or "'none'"
    scripts = " ".join(map(_hash, re.findall(r"<script>(.*?)</script>", html, re.DOTALL))) or "'none'"
    policy = (
        f"default-src 'none'; style-src {styles}; script-src {scripts}; connect-src 'self'; img-src data:; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    return Page(html, policy)


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
