"""Every page is for whom its route says, and for nobody else."""

import re
from collections.abc import Callable

import pytest
from sqlalchemy import Engine

from app.audit.models import ActorKind
from app.audit.queries import list_entries
from app.core.db import begin
from app.core.ids import Prefix, show
from app.web.access import Access
from app.web.route import Route
from app.web.routes import ROUTES
from tests.make import Make
from tests.web.conftest import Browser

GUARDED = [route for route in ROUTES if route.access is not Access.PUBLIC]
OPERATORS = [route for route in ROUTES if route.access is Access.OPERATOR]
ONE_ROW = [route for route in ROUTES if route.access is Access.MERCHANT and "<" in route.rule]


@pytest.fixture(scope="module")
def browser(sign_up: Callable[..., Browser]) -> Browser:
    """Return the browser of one merchant for all tests: what is refused changes nothing."""
    return sign_up()


def path_of(route: Route) -> str:
    """Return the route's path with text no row has in every place of an id."""
    return re.sub(r"<[^>]+>", "inv_0000000000000", route.rule)


def name_of(route: Route) -> str:
    return f"{route.method} {route.rule}"


@pytest.mark.parametrize("route", GUARDED, ids=name_of)
def test_a_stranger_is_sent_to_sign_in(visitor: Browser, route: Route) -> None:
    if route.method == "GET":
        answer = visitor.get(path_of(route))
        assert answer.status_code == 302
        assert answer.location.startswith("/signin?next=")
    else:
        visitor.read_token()
        assert visitor.post(path_of(route)).status_code == 401


@pytest.mark.parametrize("route", OPERATORS, ids=name_of)
def test_an_operators_page_is_not_there_for_a_merchant(browser: Browser, route: Route) -> None:
    answer = browser.get(path_of(route)) if route.method == "GET" else browser.post(path_of(route))

    assert answer.status_code == 404


@pytest.mark.parametrize("route", ONE_ROW, ids=name_of)
def test_a_row_nobody_has_is_not_there(browser: Browser, route: Route) -> None:
    answer = browser.get(path_of(route)) if route.method == "GET" else browser.post(path_of(route))

    assert answer.status_code == 404


@pytest.mark.parametrize(
    "route", [route for route in GUARDED if route.method == "POST"], ids=name_of
)
def test_a_form_from_elsewhere_changes_nothing(browser: Browser, route: Route) -> None:
    answer = browser.post(path_of(route), {"csrf_token": "made up"})

    assert answer.status_code == 400


def test_what_is_done_in_the_browser_is_done_by_who_signed_in(
    browser: Browser, engine: Engine
) -> None:
    with begin(engine, browser.merchant_id) as session:
        make = Make(session)
        make.metric(code="calls")
        content = make.priced_at(make.metric(code="runs"), "1").content
        metered = {"metric": "calls", "model": "standard", "unit_price": "1"}
        card = make.rate_card()
        version = make.rate_card_version({"currencies": {"USD": [metered]}}, rate_card_id=card.id)
        make.rate_card_draft(version, content=content)
    card_id = show(Prefix.RATE_CARD, card.id)

    browser.post(f"/merchant/rate-cards/{card_id}/draft/publish")

    with begin(engine, browser.merchant_id) as session:
        (entry,) = list_entries(session, subject=card_id).rows
    assert (entry.actor_kind, entry.action) == (ActorKind.USER, "rate_card.published")
    assert entry.actor_name.endswith("@lumen.example")
