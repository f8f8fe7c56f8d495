"""Whatever a program sends, the answer is one that the document announces, and never a fault."""

from typing import Any

import pytest
import schemathesis
from flask import Flask
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import (
    negative_data_rejection,
    positive_data_acceptance,
)

from app.api.operations import Operation
from app.api.v1 import API
from tests.api.caller import Caller

ANSWERS_PER_ITEM = {"ingest_usage_events"}


@pytest.fixture(scope="module")
def document(app: Flask) -> Any:
    return schemathesis.openapi.from_wsgi("/api/openapi", app)


@pytest.fixture
def send(caller: Caller, rows: dict[str, str]) -> Any:
    """Send a generated call with a key that may do everything, and judge the answer."""

    def judged(operation: Operation, case: Any, *, excluded: list[Any]) -> None:
        if case.meta.generation.mode is GenerationMode.POSITIVE and operation.path_ids:
            case.path_parameters = {API.spell(name): rows[name] for name in operation.path_ids}
        headers = {"Authorization": f"Bearer {caller.key}"}
        case.call_and_validate(headers=headers, excluded_checks=excluded)

    return judged


@pytest.mark.slow
@pytest.mark.parametrize("operation", API.operations, ids=lambda operation: operation.name)
def test_an_answer_is_as_documented(document: Any, send: Any, *, operation: Operation) -> None:
    path = API.prefix + operation.rule
    for name in operation.path_ids:
        path = path.replace(f"<{name}>", f"{{{API.spell(name)}}}")
    excluded = [positive_data_acceptance]  # the rooms know more than the schema
    if operation.name in ANSWERS_PER_ITEM:
        excluded.append(negative_data_rejection)

    for mode in GenerationMode:

        @settings(max_examples=3, suppress_health_check=list(HealthCheck), database=None)
        @given(document[path][operation.method].as_strategy(generation_mode=mode))
        def judge(case: Any) -> None:
            send(operation, case, excluded=excluded)

        judge()
