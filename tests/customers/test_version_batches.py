"""All contracts of a version go over at once; one that can not is named, and holds up nobody."""

from datetime import date

from sqlalchemy.orm import Session

from app.audit.queries import list_entries
from app.core.ids import Prefix, show
from app.core.money import Currency
from app.customers import versions
from app.customers.models import ContractStatus
from app.pricing.models import RateCard, RateCardVersion
from tests.customers.moving import june, prices
from tests.make import ADA, NOON, Make

JULY = date(2026, 7, 1)


def test_all_contracts_of_a_version_go_over(
    session: Session, make: Make, *, old: RateCardVersion, new: RateCardVersion
) -> None:
    going = [june(make, old) for _ in range(3)]
    short = june(make, old, ends_on=JULY)
    ended = june(make, old, status=ContractStatus.ENDED)

    done = versions.schedule_for_version(
        session, old.id, to_version_id=new.id, on=JULY, actor=ADA, now=NOON
    )

    assert (done.scheduled, done.is_queued, done.last_id) == (3, False, None)
    assert [(number, why.code) for number, why in done.refused.items()] == [
        (short.id, "invalid_dates")
    ]
    assert {row.next_version_id for row in going} == {new.id}
    assert (short.next_version_id, ended.next_version_id) == (None, None)
    (entry,) = list_entries(session, subject=show(Prefix.RATE_CARD_VERSION, old.id)).rows
    assert entry.after["scheduled"] == 3
    assert entry.after["refused"] == {show(Prefix.CONTRACT, short.id): "invalid_dates"}


def test_contracts_of_one_customer_do_not_go_over_onto_one_metric(
    session: Session, make: Make, *, card: RateCard
) -> None:
    for code in ("images", "shared"):
        make.metric(code=code)
    old = prices("agent_runs")["currencies"] | prices("images", currency="CNY")["currencies"]
    wider = {name: [*some, *prices("shared")["currencies"]["USD"]] for name, some in old.items()}
    first = make.rate_card_version({"currencies": old}, rate_card_id=card.id, number=3)
    second = make.rate_card_version({"currencies": wider}, rate_card_id=card.id, number=4)
    dollars = june(make, first)
    yuan = june(make, first, customer_id=dollars.customer_id, currency=Currency.CNY)

    done = versions.schedule_for_version(
        session, first.id, to_version_id=second.id, on=JULY, actor=ADA, now=NOON
    )

    assert dollars.next_version_id == second.id
    assert {number: why.code for number, why in done.refused.items()} == {
        yuan.id: "contract_overlap"
    }
