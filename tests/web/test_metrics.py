"""Metrics by form: what is counted and how, told apart by dimensions that prices may rely on."""

from collections.abc import Callable

import pytest
from sqlalchemy import Engine

from app.core.db import begin
from app.pricing import queries
from app.pricing.models import Aggregation, Metric
from app.web.metrics import write_dimensions
from tests.web.conftest import Browser
from tests.web.test_price_editor import FILTERED
from tests.web.test_products import new_card, new_product

AUDIO = {
    "metric_code": "audio",
    "metric_name": "Audio",
    "unit": "minute",
    "aggregation": "unique_count",
    "dimensions": 'speaker\nregion: cn, us, "hk, mo"',
    "unique_by": "speaker",
}


def metric_of(browser: Browser, engine: Engine, code: str) -> Metric:
    with begin(engine, browser.merchant_id) as session:
        metric = queries.metrics_by_code(session, [code])[code]
        session.expunge(metric)
        return metric


def path_of(browser: Browser, name: str) -> str:
    """Return the path of a metric's page, from the list."""
    before, _, _ = browser.text("/merchant/products").partition(f"<b>{name}</b>")
    return before.rpartition('href="')[2].partition('"')[0]


def test_an_own_metric_says_how_it_is_counted(browser: Browser, engine: Engine) -> None:
    assert browser.post("/merchant/metrics", AUDIO).status_code == 303

    metric = metric_of(browser, engine, "audio")
    assert metric.aggregation is Aggregation.UNIQUE_COUNT
    assert metric.unique_by == "speaker"
    assert metric.dimensions == {"speaker": None, "region": ["cn", "us", "hk, mo"]}
    page = browser.text(path_of(browser, "Audio"))
    assert "Number of different values" in page
    assert "region: cn, us, &#34;hk, mo&#34;" in page


def test_an_own_metric_can_be_priced(browser: Browser) -> None:
    browser.post("/merchant/metrics", AUDIO)

    assert '<option value="audio"' in browser.text(f"{new_product(browser)}/rate-cards/new")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("metric_code", "9"),
        ("metric_name", ""),
        ("unit", ""),
        ("unique_by", "nobody"),
        ("dimensions", "a\nb\nc\nd\ne\nf"),
        ("dimensions", "region:"),
    ],
)
def test_a_refused_metric_keeps_what_was_typed(browser: Browser, field: str, value: str) -> None:
    answer = browser.post("/merchant/metrics", AUDIO | {field: value})

    assert answer.status_code == 422
    assert f'id="{field}-error"' in answer.text
    assert '<option value="unique_count" selected>' in answer.text


def test_a_built_in_metric_is_told_apart_by_what_the_merchant_says(
    browser: Browser, engine: Engine
) -> None:
    path = path_of(browser, "Images")

    answer = browser.post(path, {"metric_name": "Mine", "dimensions": "size: s, l\nmodel"})

    assert answer.status_code == 303
    metric = metric_of(browser, engine, "images")
    assert (metric.name, metric.dimensions) == ("Images", {"model": None, "size": ["s", "l"]})


def test_a_dimension_that_a_price_looks_at_stays(browser: Browser) -> None:
    new_card(browser, FILTERED)

    answer = browser.post(path_of(browser, "Output tokens"), {"dimensions": "region"})

    assert answer.status_code == 422
    assert ">region</textarea>" in answer.text


def test_a_metric_of_another_merchant_is_not_there(
    browser: Browser, sign_up: Callable[[], Browser]
) -> None:
    path = path_of(browser, "Images")

    stranger = sign_up()

    assert stranger.get(path).status_code == 404
    assert stranger.post(path, {"dimensions": "model"}).status_code == 404


def test_dimensions_are_written_as_they_are_read() -> None:
    assert write_dimensions({"a": None, "b": ["x", "y, z"]}) == 'a\nb: x, "y, z"'
