"""Run golden cases: adapt, compare what the case expects, and tell passed, failed and pending."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from enum import Enum
from pathlib import Path
from typing import Any

from tests.golden.adapter import ADAPTERS


class Outcome(Enum):
    PASSED = "passed"
    FAILED = "failed"
    PENDING = "pending"  # the op, or this model of it, is not built: nothing was run


@dataclass(frozen=True)
class Result:
    case_id: str
    key: str
    outcome: Outcome
    reason: str = ""


def load(paths: Iterable[Path]) -> list[dict[str, Any]]:
    return [case for path in paths for case in json.loads(path.read_text("utf-8"))["cases"]]


def key_of(case: dict[str, Any]) -> str:
    """Name what a case needs: its op, and the model, aggregation or mode where it has one."""
    for name in ("model", "aggregation", "mode"):
        if isinstance(variant := case["input"].get(name), str):
            return f"{case['op']}/{variant}"
    return str(case["op"])


def run(case: dict[str, Any]) -> Result:
    """Run one case. Only a missing adapter makes it pending; whatever goes wrong fails it."""
    key = key_of(case)
    adapter = ADAPTERS.get(key)
    if adapter is None:
        return Result(case["id"], key, Outcome.PENDING)
    expected = case["expected"] | case.get("derived", {})
    try:
        actual = adapter(case["input"])
    except Exception as fault:  # noqa: BLE001  # one broken case must not hide the others
        return Result(case["id"], key, Outcome.FAILED, repr(fault))
    if matches(expected, actual):
        return Result(case["id"], key, Outcome.PASSED)
    return Result(case["id"], key, Outcome.FAILED, f"expected {expected}, got {actual}")


def matches(expected: object, actual: object) -> bool:
    """Compare the keys that `expected` has; numbers by value, so that "5.00" is "5"."""
    if isinstance(expected, dict):
        return isinstance(actual, dict) and all(
            name in actual and matches(value, actual[name]) for name, value in expected.items()
        )
    if isinstance(expected, list):
        return (
            isinstance(actual, list)
            and len(actual) == len(expected)
            and all(map(matches, expected, actual))
        )
    if isinstance(expected, bool) or isinstance(actual, bool) or expected is None:
        return expected is actual
    number = as_number(expected)
    return expected == actual if number is None else number == as_number(actual)


def as_number(value: object) -> Decimal | None:
    try:
        return Decimal(str(value))
    except InvalidOperation:
        return None
