"""An API key is shown once, on the page that made it, and revoked from the list."""

import re
from collections.abc import Callable

from sqlalchemy import Engine

from app.core.db import begin
from app.core.ids import Prefix, show
from app.identity import keys
from app.identity.models import Scope
from tests.web.conftest import Browser

_KEY = re.compile(r"bm_sandbox_[0-9A-Za-z]{8}\.[0-9A-Za-z]{43}")
ONE_SCOPE = {"name": "Server", "scope": ["usage:write"]}


def key_path(browser: Browser, engine: Engine) -> str:
    with begin(engine, browser.merchant_id) as session:
        (key,) = keys.list_keys(session)
    return f"/merchant/developer/{show(Prefix.API_KEY, key.id)}"


def test_a_new_key_is_shown_once(browser: Browser) -> None:
    made = browser.post("/merchant/developer/new", ONE_SCOPE)

    assert made.status_code == 201
    assert made.headers["Cache-Control"] == "no-store"
    (secret,) = set(_KEY.findall(made.text))
    later = browser.text("/merchant/developer")
    assert secret not in later
    assert secret.partition(".")[0] in later


def test_a_key_has_the_scopes_that_were_ticked(browser: Browser, engine: Engine) -> None:
    browser.post("/merchant/developer/new", ONE_SCOPE | {"scope": ["invoice:read", "no:such"]})

    with begin(engine, browser.merchant_id) as session:
        (key,) = keys.list_keys(session)
    assert key.scopes == ["invoice:read"]


def test_everything_is_ticked_to_begin_with(browser: Browser) -> None:
    assert browser.text("/merchant/developer/new").count(" checked") == len(Scope)


def test_the_guides_preset_ticks_its_three_scopes(browser: Browser) -> None:
    assert browser.text("/merchant/developer/new?preset=guide").count(" checked") == 3


def test_a_refused_key_keeps_what_was_typed(browser: Browser) -> None:
    answer = browser.post("/merchant/developer/new", {"name": "Server"})

    assert answer.status_code == 422
    assert 'value="Server"' in answer.text
    assert "scopes-error" in answer.text
    assert not _KEY.search(answer.text)


def test_a_revoked_key_stays_in_the_list(browser: Browser, engine: Engine) -> None:
    browser.post("/merchant/developer/new", ONE_SCOPE)

    answer = browser.post(f"{key_path(browser, engine)}/revoke")

    assert answer.status_code == 303
    assert "Revoked" in browser.text("/merchant/developer")


def test_another_merchants_key_can_not_be_revoked(
    browser: Browser, engine: Engine, sign_up: Callable[[], Browser]
) -> None:
    browser.post("/merchant/developer/new", ONE_SCOPE)

    assert sign_up().post(f"{key_path(browser, engine)}/revoke").status_code == 404


def test_the_snippet_names_a_customer_of_the_merchant(browser: Browser) -> None:
    page = browser.text("/merchant/developer")

    assert "user_42" in page
    assert "/api/v1/usage-events" in page
