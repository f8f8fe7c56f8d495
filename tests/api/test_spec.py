"""The document says what is served: valid, complete, and kept by the answers themselves."""

import json
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from openapi_spec_validator import validate

from app.api import v1
from app.api.v1.base import camel


@pytest.fixture(scope="module")
def spec() -> dict[str, Any]:
    return v1.spec()


def test_the_document_is_valid_openapi(spec: dict[str, Any]) -> None:
    validate(spec)
    assert spec["openapi"] == "3.1.0"


def test_the_committed_document_is_fresh(spec: dict[str, Any], root: Path) -> None:
    assert json.loads((root / "docs" / "openapi.json").read_text()) == json.loads(json.dumps(spec))


def test_the_document_is_served_to_everybody(app: Flask, spec: dict[str, Any]) -> None:
    answer = app.test_client().get("/api/openapi")

    assert answer.mimetype == "application/json"
    assert answer.get_json() == json.loads(json.dumps(spec))


def test_every_route_is_documented_and_nothing_else(app: Flask, spec: dict[str, Any]) -> None:
    served = {
        (camel(rule.rule).replace("<", "{").replace(">", "}"), method)
        for rule in app.url_map.iter_rules()
        if rule.rule.startswith("/api/v1/")
        for method in (rule.methods or set()) - {"HEAD"}
    }
    documented = {(path, method.upper()) for path, item in spec["paths"].items() for method in item}

    assert served == documented


def test_an_operation_is_named_once(spec: dict[str, Any]) -> None:
    names = [
        operation["operationId"] for item in spec["paths"].values() for operation in item.values()
    ]

    assert len(names) == len(set(names))


def test_the_guides_example_stands_in_the_document(spec: dict[str, Any]) -> None:
    body = spec["paths"]["/api/v1/usage-events"]["post"]["requestBody"]["content"]

    (event,) = body["application/json"]["example"]["events"]
    assert event["customerExternalId"] == "user_42"
    assert event["quantity"] == "12500"
