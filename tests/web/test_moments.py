"""Times read as CLDR writes them, in the merchant's zone and the browser's language."""

from datetime import UTC, date, datetime

import pytest
from babel import dates
from flask import Flask
from flask_babel import force_locale
from hypothesis import given
from hypothesis import strategies as some

from app.web.moments import format_date, format_datetime

MOMENT = datetime(2026, 3, 7, 16, 5, 9, tzinfo=UTC)


@pytest.mark.parametrize(
    ("language", "pattern", "text"),
    [
        ("en", "MMM d, y, HH:mm:ss", "Mar 8, 2026, 00:05:09"),
        ("en", "HH:mm", "00:05"),
        ("zh_Hans_CN", "y年M月d日 HH:mm", "2026年3月8日 00:05"),
    ],
)
def test_an_instant_is_told_on_the_merchants_clock(
    web_app: Flask, language: str, pattern: str, text: str
) -> None:
    with web_app.app_context(), force_locale(language):
        assert format_datetime(MOMENT, pattern) == text


def test_a_day_reads_as_its_language_has_it(web_app: Flask) -> None:
    with web_app.app_context(), force_locale("en"):
        assert format_date(date(2026, 3, 8)) == "Mar 8, 2026"
    with web_app.app_context(), force_locale("zh_Hans_CN"):
        assert format_date(date(2026, 3, 8)) == "2026年3月8日"


@given(seconds=some.integers(0, 4_000_000_000))
def test_an_instant_reads_as_cldr_would_write_it(web_app: Flask, seconds: int) -> None:
    pattern = "MMM d, y, HH:mm:ss"
    aware = datetime.fromtimestamp(seconds, UTC)
    with web_app.app_context(), force_locale("en"):
        written = dates.format_datetime(
            aware, pattern, tzinfo=dates.get_timezone("Asia/Shanghai"), locale="en"
        )
        assert format_datetime(aware, pattern) == written
