from __future__ import annotations

import re

import httpx

from periti import __version__


def test_the_collections_are_listed_with_size_and_experts(client: httpx.Client) -> None:
    assert client.get("/v1/collections").json() == {
        "collections": [
            {
                "name": "dozen",
                "description": "Twelve short texts",
                "documents": 12,
                "experts": [{"name": "bm25", "description": ""}, {"name": "dense", "description": ""}],
            }
        ]
    }


def test_health_and_readiness(client: httpx.Client) -> None:
    assert client.get("/healthz").json() == {"status": "ok"}
    assert client.get("/readyz").json() == {"status": "ready"}


def test_the_openapi_description_names_every_route_field_limit_and_failure(client: httpx.Client) -> None:
    schema = client.get("/openapi.json").json()
    assert schema["info"]["version"] == __version__
    assert set(schema["paths"]) == {"/v1/search", "/v1/collections", "/healthz", "/readyz"}
    search = schema["paths"]["/v1/search"]["post"]
    body = search["requestBody"]["content"]["application/json"]["schema"]
    assert set(body["properties"]) == {"collection", "query", "queries", "k", "explain"}
    assert (body["properties"]["k"]["minimum"], body["properties"]["k"]["maximum"]) == (1, 1000)
    assert body["additionalProperties"] is False
    assert set(search["responses"]) == {"200", "400", "404", "413", "415", "422", "500", "503"}
    failure = search["responses"]["422"]["content"]["application/json"]["schema"]
    assert failure == {"$ref": "#/components/schemas/ErrorAnswer"}


def test_the_pages_load_nothing_from_elsewhere(client: httpx.Client) -> None:
    for path in ("/", "/docs"):
        page = client.get(path)
        assert page.status_code == 200
        assert page.headers["content-type"] == "text/html; charset=utf-8"
        assert not re.findall(r"(?:src|href|url)\s*[=(]\s*[\"']?(?:https?:)?//", page.text)
        policy = page.headers["content-security-policy"]
        assert policy.startswith("default-src 'none';")
        assert "unsafe" not in policy


def test_the_reference_lists_every_route(client: httpx.Client) -> None:
    page = client.get("/docs").text
    for route in ("POST /v1/search", "GET /v1/collections", "GET /healthz", "GET /readyz", "/openapi.json"):
        assert route in page
    assert "1 to 1,000, 10 by default" in page


def test_fastapis_own_pages_that_need_a_cdn_are_off(client: httpx.Client) -> None:
    assert client.get("/redoc").status_code == 404
    assert "cdn" not in client.get("/docs").text
