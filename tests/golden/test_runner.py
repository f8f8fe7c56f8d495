"""The runner can not be fooled: what goes wrong fails, and only what is not built is pending."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.golden.__main__ import main
from tests.golden.runner import Outcome, matches, run

HALF = {"amount": "0.5", "decimals": 0, "mode": "half_up"}


def case(op: str, given: dict[str, Any], expected: dict[str, Any]) -> dict[str, Any]:
    return {"id": f"test.{op}", "op": op, "input": given, "expected": expected}


@pytest.mark.parametrize(
    ("expected", "actual"),
    [
        ("5.00", "5"),
        ("5", 5),
        ([1, "2.0"], [1, 2]),
        ({"a": 1}, {"a": 1, "b": 2}),
        ("2024-02-29", "2024-02-29"),
        (True, True),
        (None, None),
    ],
)
def test_equal_by_value(expected: object, actual: object) -> None:
    assert matches(expected, actual)


@pytest.mark.parametrize(
    ("expected", "actual"),
    [
        ("5.01", "5"),
        ([1, 2], [1]),
        ({"a": 1}, {"b": 1}),
        ("2024-02-29", "2024-03-01"),
        (True, 1),
        (1, True),
        (0, None),
        (None, 0),
        ([], {}),
    ],
)
def test_different_by_value(expected: object, actual: object) -> None:
    assert not matches(expected, actual)


def test_an_op_that_is_not_built_is_pending() -> None:
    assert run(case("fly", {}, {})).outcome is Outcome.PENDING


def test_a_wrong_figure_fails() -> None:
    assert run(case("round", HALF, {"rounded": "0"})).outcome is Outcome.FAILED


def test_an_exception_fails() -> None:
    given = HALF | {"amount": "half"}

    assert run(case("round", given, {"rounded": "1"})).outcome is Outcome.FAILED


def test_derived_figures_count() -> None:
    wrong = case("round", HALF, {"rounded": "1"}) | {"derived": {"amount_minor": 1}}

    assert run(wrong).outcome is Outcome.FAILED


def test_the_command_prints_one_line_and_fails_with_a_failing_case(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cases = tmp_path / "cases.json"
    wrong = case("round", HALF, {"rounded": "0"}) | {"id": "wrong"}
    right = case("round", HALF, {"rounded": "1.0"})
    cases.write_text(json.dumps({"cases": [right, wrong, case("fly", {}, {})]}))

    status = main([cases])

    assert status == 1
    assert json.loads(capsys.readouterr().out) == {
        "passed": 1,
        "failed": 1,
        "pending": 1,
        "failures": ["wrong"],
    }
