"""Addresses that are built once are those that Flask would build every time."""

import flask
import pytest
from flask import Flask

from app.web.addresses import url_for, url_of_each


def test_an_address_built_once_keeps_to_the_root_of_its_request(web_app: Flask) -> None:
    with web_app.test_request_context("/"):
        assert url_for("web.invoices") == "/merchant/invoices"
    with web_app.test_request_context("/", base_url="http://localhost/below"):
        assert url_for("web.invoices") == "/below/merchant/invoices"


def test_files_and_filters_are_part_of_an_address(web_app: Flask) -> None:
    with web_app.test_request_context("/"):
        assert url_for("static", filename="js/app.js") == "/static/js/app.js"
        assert url_for("web.invoices", status="open") == "/merchant/invoices?status=open"


@pytest.mark.parametrize(
    ("endpoint", "name"), [("web.usage_event", "event_id"), ("web.invoice", "invoice_id")]
)
def test_a_rows_address_is_that_of_its_page(web_app: Flask, endpoint: str, name: str) -> None:
    with web_app.test_request_context("/"):
        expected = flask.url_for(endpoint, **{name: "inv_0h3k"})  # type: ignore[arg-type]
        assert url_of_each(endpoint, name)("inv_0h3k") == expected
