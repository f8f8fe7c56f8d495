"""Webhooks by form: a secret that is shown once, and deliveries that can be sent again."""

import re
from collections.abc import Callable

import pytest
from sqlalchemy import Engine, select

from app.core.db import begin
from app.core.ids import Prefix, show
from app.webhooks import emitting
from app.webhooks.catalogue import EventType
from app.webhooks.examples import EXAMPLES
from app.webhooks.models import DeliveryStatus, WebhookAttempt, WebhookDelivery
from tests.make import NOON
from tests.web.conftest import PARTIAL, PASSWORD, Browser

URL = "https://api.example.com/hooks"
SECRET = re.compile(r"whsec_[A-Za-z0-9+/=]{20,}")


def register(browser: Browser, **form: str) -> str:
    """Register an endpoint for paid invoices and return its path."""
    wanted = {"url": URL, "event_types": "invoice.paid", "description": ""}
    answer = browser.post("/merchant/webhooks", wanted | form)
    assert answer.status_code == 303, answer.text
    return str(answer.location)


def deliver(browser: Browser, engine: Engine) -> str:
    """Owe `invoice.paid` to the endpoint and return the path of its delivery."""
    with begin(engine, browser.merchant_id) as session:
        data = EXAMPLES[EventType.INVOICE_PAID]
        emitting.emit(session, EventType.INVOICE_PAID, data, reference="inv_1", now=NOON)
        session.flush()  # the identity column numbers it
        delivery = session.scalars(select(WebhookDelivery)).one()
        return f"/merchant/webhooks/deliveries/{show(Prefix.WEBHOOK_DELIVERY, delivery.id)}"


def test_a_new_endpoints_secret_is_shown_once(browser: Browser) -> None:
    path = register(browser)

    assert SECRET.search(browser.text(path))
    assert not SECRET.search(browser.text(path))


def test_the_secret_is_never_in_the_cookie(browser: Browser) -> None:
    path = register(browser)
    cookie = browser.client.get_cookie("bm_session")

    found = SECRET.search(browser.text(path))
    assert found
    assert cookie
    assert found[0] not in cookie.decoded_value


@pytest.mark.parametrize(
    ("form", "field"), [({"url": "ftp://x"}, "url"), ({"event_types": "no.event"}, "event_types")]
)
def test_a_refused_endpoint_keeps_what_was_typed(
    browser: Browser, form: dict[str, str], field: str
) -> None:
    typed = {"url": URL, "event_types": "invoice.paid", "description": "<Acme>"} | form

    answer = browser.post("/merchant/webhooks", typed)

    assert answer.status_code == 422
    assert 'class="error"' in answer.text
    assert "&lt;Acme&gt;" in answer.text
    assert field in answer.text


def test_an_endpoint_is_changed(browser: Browser) -> None:
    path = register(browser)

    answer = browser.post(
        path,
        {"url": f"{URL}/2", "event_types": ["invoice.paid", "invoice.voided"], "description": "B"},
    )

    assert answer.status_code == 303
    page = browser.text(path)
    assert f"{URL}/2" in page
    assert 'value="invoice.voided" checked' in page


def test_a_refused_change_changes_nothing(browser: Browser) -> None:
    path = register(browser)

    answer = browser.post(path, {"url": "https://", "event_types": "invoice.paid"})

    assert answer.status_code == 422
    assert URL in browser.text("/merchant/webhooks")


def test_a_rolled_secret_is_another_one_shown_once(browser: Browser) -> None:
    path = register(browser)
    first = SECRET.search(browser.text(path))

    browser.post(f"{path}/roll")

    second = SECRET.search(browser.text(path))
    assert first
    assert second
    assert first[0] != second[0]
    assert not SECRET.search(browser.text(path))


def test_an_endpoint_is_disabled_enabled_and_deleted(browser: Browser) -> None:
    path = register(browser)

    browser.post(f"{path}/disable")
    assert "Disabled" in browser.text(path)
    browser.post(f"{path}/enable")
    assert f"{path}/disable" in browser.text(path)
    browser.post(f"{path}/archive")
    assert path not in browser.text("/merchant/webhooks")
    assert "Archived" in browser.text(path)


def test_a_delivery_shows_the_body_that_is_sent(browser: Browser, engine: Engine) -> None:
    path = register(browser)
    delivery = deliver(browser, engine)

    assert delivery in browser.text(path)
    page = browser.text(delivery)
    assert "&#34;type&#34;: &#34;invoice.paid&#34;" in page
    assert "Not tried yet" in page


def test_a_delivery_is_sent_again(browser: Browser, engine: Engine) -> None:
    register(browser)
    delivery = deliver(browser, engine)
    with begin(engine, browser.merchant_id) as session:
        row = session.scalars(select(WebhookDelivery)).one()
        row.status, row.next_attempt_at = DeliveryStatus.DEAD, None

    assert browser.post(f"{delivery}/resend").status_code == 303

    with begin(engine, browser.merchant_id) as session:
        row = session.scalars(select(WebhookDelivery)).one()
        assert row.status is DeliveryStatus.PENDING
        assert row.next_attempt_at


def test_the_rows_alone_are_contained_in_the_page(browser: Browser, engine: Engine) -> None:
    path = register(browser)
    browser.text(path)  # the secret is shown, once
    deliver(browser, engine)

    fragment = browser.text(path, headers=PARTIAL)
    assert "<html" not in fragment
    assert fragment.strip() in browser.text(path)


def test_endpoints_of_another_merchant_are_not_there(
    sign_up: Callable[..., Browser], engine: Engine
) -> None:
    owner, stranger = sign_up(), sign_up("Nimbus")
    path = register(owner)
    delivery = deliver(owner, engine)

    for hidden in (path, delivery):
        assert stranger.get(hidden).status_code == 404
    for action in ("", "/roll", "/disable", "/enable", "/archive"):
        assert stranger.post(f"{path}{action}", {"url": URL}).status_code == 404
    assert stranger.post(f"{delivery}/resend").status_code == 404


def test_x062_what_a_server_answers_is_shown_as_text(browser: Browser, engine: Engine) -> None:
    register(browser)
    path = deliver(browser, engine)
    with begin(engine, browser.merchant_id) as session:
        (row,) = session.scalars(select(WebhookDelivery))
        attempt = WebhookAttempt(
            merchant_id=row.merchant_id,
            delivery_id=row.id,
            endpoint_id=row.endpoint_id,
            attempted_at=NOON,
            http_status=500,
            duration_ms=12,
            response_head="<script>alert(1)</script>",
        )
        session.add(attempt)

    page = browser.text(path)

    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "<script>alert" not in page


def test_a_test_message_is_on_its_way(browser: Browser) -> None:
    path = register(browser)

    answer = browser.post(f"{path}/test", {})

    assert "webhook.test" in browser.text(str(answer.location))


def test_the_secret_is_revealed_to_who_knows_the_password_and_audited(browser: Browser) -> None:
    path = register(browser)
    browser.text(path)  # where it was shown once

    browser.post(f"{path}/reveal", {"password": "a guess"})
    assert not SECRET.search(browser.text(path))

    browser.post(f"{path}/reveal", {"password": PASSWORD})
    assert SECRET.search(browser.text(path))
    assert not SECRET.search(browser.text(path))
    assert "webhook_endpoint.secret_revealed" in browser.text("/merchant/settings/audit?format=csv")


def test_an_old_secret_is_ended_by_hand(browser: Browser) -> None:
    path = register(browser)
    browser.post(f"{path}/roll", {})
    assert "Expire it now" in browser.text(path)

    browser.post(f"{path}/expire", {})

    assert "Expire it now" not in browser.text(path)


def test_what_was_given_up_is_sent_again_at_once(browser: Browser, engine: Engine) -> None:
    path = register(browser)
    deliver(browser, engine)
    with begin(engine, browser.merchant_id) as session:
        (row,) = session.scalars(select(WebhookDelivery))
        row.status, row.next_attempt_at = DeliveryStatus.DEAD, None

    browser.post(f"{path}/resend", {"from": "2020-01-01T00:00", "to": ""})

    with begin(engine, browser.merchant_id) as session:
        (row,) = session.scalars(select(WebhookDelivery))
        assert row.status is DeliveryStatus.PENDING
        assert row.next_attempt_at is not None


def test_deliveries_are_narrowed_by_time_and_event_and_saved_as_a_file(
    browser: Browser, engine: Engine
) -> None:
    path = register(browser)
    deliver(browser, engine)

    assert "inv_1" in browser.text(f"{path}?event=invoice.paid&from=2026-06-01T00:00")
    assert "inv_1" not in browser.text(f"{path}?from=2026-06-03T00:00")
    file = browser.text(f"{path}?format=csv")
    assert file.splitlines()[0].endswith("created_at,delivered_at")
    assert "invoice.paid" in file
