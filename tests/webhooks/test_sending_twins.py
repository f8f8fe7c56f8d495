"""Each gate before an attempt, taken out: what it blocks is called."""

from collections.abc import Iterable

import pytest

from app.core import clock
from app.core.db import Transaction
from app.identity import clocks
from app.identity.models import Mode
from app.webhooks import draining, guard
from app.webhooks.draining import Tally
from app.webhooks.guard import Target
from app.webhooks.sending import AttemptError, Sender
from tests.webhooks.builders import Desk, subscribe
from tests.webhooks.conftest import Receiver


def inside(_host: str, _port: int) -> Iterable[str]:
    return ["127.0.0.1"]


def test_without_judging_addresses_a_public_name_leads_inside(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop, sender = Target("http", "hooks.shop.com", receiver.port, "/"), Sender(lookup=inside)
    assert sender.post(shop, b"{}", headers={}).error is AttemptError.BLOCKED
    assert receiver.requests == []

    monkeypatch.setattr(guard, "is_public", lambda _address: True)

    assert sender.post(shop, b"{}", headers={}).is_delivered
    assert len(receiver.requests) == 1


def test_without_judging_the_url_again_a_live_merchant_calls_this_machine(
    transaction: Transaction, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    with transaction() as session:
        endpoint = subscribe(session, receiver.url)
        clocks.get_merchant(session).mode = Mode.LIVE
    desk = Desk(transaction, receiver, endpoint.id, clock.now())

    def as_saved(url: str, *, live: bool, allow_loopback: bool) -> Target:
        del live, allow_loopback
        return guard.check_url(url, live=False, allow_loopback=True)

    monkeypatch.setattr(draining, "check_url", as_saved)
    desk.owe()

    assert desk.deliver() == Tally(delivered=1)
    assert len(receiver.requests) == 1
