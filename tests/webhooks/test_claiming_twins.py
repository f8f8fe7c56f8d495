"""The lease of an endpoint is what keeps a second worker from sending the same messages."""

import pytest

from app.core import clock
from app.core.db import Transaction
from app.webhooks import claiming
from tests.webhooks.builders import Desk, subscribe
from tests.webhooks.conftest import Receiver

LEASE = "AND (leased_until IS NULL OR leased_until <= %(now)s)"


@pytest.fixture
def desk(transaction: Transaction, receiver: Receiver) -> Desk:
    with transaction() as session:
        endpoint = subscribe(session, receiver.url)
    desk = Desk(transaction, receiver, endpoint.id, clock.now())
    desk.owe(3)
    return desk


def test_who_comes_second_finds_nothing_to_send(desk: Desk) -> None:
    assert [len(desk.claim()) for _ in range(2)] == [3, 0]


def test_without_the_lease_he_sends_all_of_it_again(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The twin: the deliveries are due until an attempt at them was written down."""
    statement = claiming._CLAIM  # noqa: SLF001  # it is what is proved
    assert statement.count(LEASE) == 1

    monkeypatch.setattr(claiming, "_CLAIM", statement.replace(LEASE, ""))

    assert [len(desk.claim()) for _ in range(2)] == [3, 3]
