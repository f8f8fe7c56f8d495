"""Every golden case of what is built gives the figures other billing systems agree on."""

from pathlib import Path
from typing import Any

import pytest

from tests.golden.adapter import ADAPTERS
from tests.golden.pending import PENDING
from tests.golden.runner import Outcome, key_of, load, run

CASES = load(sorted((Path(__file__).parent / "cases").glob("*.json")))
BUILT = [case for case in CASES if key_of(case) in ADAPTERS]


@pytest.mark.parametrize("case", BUILT, ids=[case["id"] for case in BUILT])
def test_case(case: dict[str, Any]) -> None:
    result = run(case)

    assert result.outcome is Outcome.PASSED, result.reason


def test_exactly_the_listed_ops_are_pending() -> None:
    assert {key_of(case) for case in CASES if case not in BUILT} == PENDING


def test_every_case_has_an_id_of_its_own() -> None:
    ids = [case["id"] for case in CASES]

    assert len(ids) == len(set(ids)) == 291
