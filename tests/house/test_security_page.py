"""The page for security reviewers names tests that are there."""

import re
from functools import cache

from app.config import ROOT

PAGE = ROOT / "docs" / "security.md"
_ROW = re.compile(r"^\| (?P<ids>[^|]+) \| (?P<promise>[^|]+) \| (?P<proof>[^|]+) \|$", re.MULTILINE)
_PROOF = re.compile(r"`(?P<path>tests/[\w/]+\.py)::(?P<test>test_\w+)`")
_TEST = re.compile(r"^def (test_\w+)", re.MULTILINE)
_ID = re.compile(r"[FILMTWX]\d{1,3}(–[FX]\d{1,3})?")


@cache
def named_in(path: str) -> frozenset[str]:
    return frozenset(_TEST.findall((ROOT / path).read_text()))


def test_every_row_names_tests_that_are_there() -> None:
    rows = [row for row in _ROW.finditer(PAGE.read_text()) if row["ids"] not in {"id", "---"}]

    assert len(rows) > 100
    for row in rows:
        assert _ID.fullmatch(row["ids"]), row["ids"]
        named = _PROOF.findall(row["proof"])
        assert row["proof"].split() == [f"`{path}::{test}`" for path, test in named], row["promise"]
        assert [test for path, test in named if test not in named_in(path)] == []


def test_a_test_that_carries_the_id_of_a_row_is_named() -> None:
    text = PAGE.read_text()
    carrying = re.compile(r"^def (test_[fxw]\d+_\w+)", re.MULTILINE)
    folders = ["api", "callbacks", "channels", "checkout", "house", "payments", "risk", "webhooks"]
    found = {
        test
        for folder in folders
        for path in (ROOT / "tests" / folder).rglob("*.py")
        for test in carrying.findall(path.read_text())
    }

    assert found
    assert {test for test in found if f"::{test}`" not in text} == set()
