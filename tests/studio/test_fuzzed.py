"""Requests of every kind that the description allows, and of kinds that it does not."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.studio.conftest import Studio, small
from vangram.studio.access import Access
from vangram.studio.app import application
from vangram.studio.studio import Studio as Parts

schemathesis = pytest.importorskip("schemathesis", reason="schemathesis is not installed")

EXAMPLES = int(os.environ.get("VANGRAM_STUDIO_EXAMPLES", "6"))
"""Requests of each kind to each route; some hundreds for a thorough look."""
ENDLESS = "GET /api/v1/events"
STATUSES = {400, 404, 405, 409, 413, 415, 422}


def described(folder: Path) -> Any:
    """The OpenAPI description, which the server itself does not serve."""
    parts = Parts(folder, Access())
    description = application(parts).openapi()
    parts.store.close()
    return description


@pytest.fixture(scope="module")
def operations(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    schema = schemathesis.openapi.from_dict(described(tmp_path_factory.mktemp("described")))
    found = (operation.ok() for operation in schema.get_all_operations())
    return {operation.label: operation for operation in found}


LABELS = [
    "GET /api/v1",
    "GET /api/v1/settings",
    "GET /api/v1/networks",
    "POST /api/v1/queue",
    "POST /api/v1/recipe",
    "POST /api/v1/pictures",
    "GET /api/v1/pictures",
    "GET /api/v1/pictures/{id}",
    "GET /api/v1/pictures/{id}/thumbnail",
    "GET /api/v1/pictures/{id}/file",
    "GET /api/v1/pictures/{id}/tiles/{level}/{column}/{row}",
    "GET /api/v1/examples",
    "GET /api/v1/examples/{id}/thumbnail",
    "POST /api/v1/examples/{id}",
    "POST /api/v1/plan",
    "POST /api/v1/jobs",
    "GET /api/v1/jobs",
    "GET /api/v1/jobs/{id}",
    "DELETE /api/v1/jobs/{id}",
    "POST /api/v1/jobs/{id}/pause",
    "POST /api/v1/jobs/{id}/resume",
    "POST /api/v1/jobs/{id}/stop",
    "POST /api/v1/jobs/{id}/cancel",
    "POST /api/v1/jobs/{id}/move",
    "GET /api/v1/jobs/{id}/preview",
    "GET /api/v1/jobs/{id}/result",
    "GET /api/v1/jobs/{id}/page",
    "GET /api/v1/jobs/{id}/cells/{number}",
    "GET /api/v1/history",
    "GET /api/v1/history/{id}",
    "POST /api/v1/history/{id}",
    "DELETE /api/v1/history/{id}",
    "GET /api/v1/history/{id}/thumbnail",
    "GET /api/v1/history/{id}/picture",
    "GET /api/v1/history/{id}/tiles/{level}/{column}/{row}",
    "POST /api/v1/history/{id}/take",
    "GET /api/v1/bin",
    "POST /api/v1/bin/{id}/restore",
]


@pytest.fixture(scope="module")
def fuzzed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Studio, list[str]]]:
    """A studio whose queue is held, and ids of what there is in it."""
    from PIL import Image

    folder = tmp_path_factory.mktemp("fuzzed")
    Image.effect_noise((64, 48), 60).save(folder / "a.png")
    studio = Studio(folder / "pictures")
    picture = studio.upload(folder / "a.png")
    pair = {"content": picture, "styles": [picture]}
    made = studio.ended(studio.post("/jobs", small(pair, steps=1))["id"])
    studio.post("/queue", {"held": True})
    waiting = studio.post("/jobs", small(pair, steps=1))["id"]
    yield studio, [picture, made["id"], waiting, made["result"]["history"]]
    studio.close()


def test_every_route_is_fuzzed(operations: dict[str, Any]) -> None:
    assert sorted([*LABELS, ENDLESS]) == sorted(operations)


WRONG = [
    *(label for label in LABELS if "/tiles/" in label or "/cells/" in label),
    *(label for label in LABELS if label.endswith("/move")),
    "POST /api/v1/queue",
    "POST /api/v1/recipe",
    "POST /api/v1/pictures",
    "GET /api/v1/pictures",
    "POST /api/v1/plan",
    "POST /api/v1/jobs",
    "GET /api/v1/jobs",
    "GET /api/v1/jobs/{id}/preview",
    "GET /api/v1/history",
    "POST /api/v1/history/{id}",
    "GET /api/v1/history/{id}/thumbnail",
]
"""Routes that take something beside an id, which may be wrong."""


@pytest.mark.parametrize(
    ("label", "mode"),
    [*((label, "positive") for label in LABELS), *((label, "negative") for label in WRONG)],
)
def test_no_request_is_a_server_error(
    operations: dict[str, Any], fuzzed: tuple[Studio, list[str]], label: str, mode: str
) -> None:
    studio, ids = fuzzed
    operation = operations[label]
    wanted = schemathesis.GenerationMode[mode.upper()]
    cases = operation.as_strategy(generation_mode=wanted)

    @settings(
        max_examples=EXAMPLES,
        database=None,
        derandomize=True,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=cases, id=st.none() | st.sampled_from(ids))
    def send(case: Any, id: str | None) -> None:
        if id is not None and "id" in (case.path_parameters or {}):
            case.path_parameters["id"] = id
        answer = case.call(base_url=studio.address)
        if answer.status_code >= 400:
            assert answer.status_code in STATUSES, (answer.status_code, answer.content[:300])
            assert set(answer.json()["error"]) == {"message", "kind"}
            assert "\n" not in answer.json()["error"]["message"]
        assert "content-security-policy" in {name.lower() for name in answer.headers}

    send()
    assert studio.process.poll() is None
