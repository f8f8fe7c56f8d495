"""A list's address says all: filters stay, pages lead forth and back, nothing else is kept."""

import pytest
from flask import Flask
from flask_babel import Babel

from app.core.errors import Invalid
from app.core.outbox import JobState
from app.web import listing


@pytest.fixture
def app() -> Flask:
    app = Flask(__name__)
    Babel(app)  # what is refused is said in the reader's language
    app.add_url_rule("/list", "list", lambda: "")
    return app


def test_a_filter_is_changed_and_the_page_left(app: Flask) -> None:
    with app.test_request_context("/list?q=a&status=open&cursor=c2&trail=c1"):
        assert listing.address(status="paid") == "/list?q=a&status=paid"
        assert listing.address(status="") == "/list?q=a"


def test_the_file_is_of_what_is_filtered(app: Flask) -> None:
    with app.test_request_context("/list?q=a&cursor=c2"):
        assert listing.csv_url() == "/list?q=a&format=csv"


def test_the_first_page_leads_forth_only(app: Flask) -> None:
    with app.test_request_context("/list?q=a"):
        assert listing.pager("c1") == ("/list?q=a&cursor=c1", None)


def test_the_third_page_leads_back_to_the_second(app: Flask) -> None:
    with app.test_request_context("/list?cursor=c2&trail=c1"):
        following, previous = listing.pager("c3")

    assert following == "/list?cursor=c3&trail=c1.c2"
    assert previous == "/list?cursor=c1"


def test_the_last_page_leads_back_only(app: Flask) -> None:
    with app.test_request_context("/list?cursor=c1"):
        assert listing.pager(None) == (None, "/list")


def test_a_filter_is_one_of_its_kind_or_refused(app: Flask) -> None:
    with app.test_request_context("/list?state=dead&kind=lost"):
        assert listing.chosen(JobState, "state") is JobState.DEAD
        assert listing.chosen(JobState, "nothing") is None
        with pytest.raises(Invalid):
            listing.chosen(JobState, "kind")
