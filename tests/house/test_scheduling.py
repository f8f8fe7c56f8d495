"""The tests that share a product run on one worker, and so do those of a module."""

import pytest

from tests.scheduling import group_of


@pytest.mark.parametrize(
    ("module", "group"),
    [
        ("tests/journeys/test_pages.py", "journeys"),
        ("tests/journeys/test_year.py", "year"),
        ("tests/test_demo.py", "supervised"),
        ("tests/core/test_money.py", ""),
    ],
)
def test_a_group_is_read_from_its_module(module: str, group: str) -> None:
    assert group_of(module) == group
