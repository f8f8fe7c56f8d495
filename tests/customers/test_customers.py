"""A customer has one external id for ever, and is closed only when no contract is left."""

from datetime import date
from typing import Any

import pytest
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from app.core.db import Transaction, begin
from app.core.errors import NotFound
from app.core.text import InvalidText
from app.customers import contracts, customers, queries
from app.customers.models import ContractStatus, Customer, CustomerStatus
from tests.make import NOON, Make
from tests.pricing.races import race


def create(session: Session, external_id: str = "user_42", **fields: Any) -> Customer:
    return customers.create_customer(
        session, external_id=external_id, name="星图信息", now=NOON, **fields
    )


def test_a_customer_is_made_active(session: Session) -> None:
    customer = create(session, email="Finance@Example.CN", language="en")

    assert queries.get_customer(session, customer.id) is customer
    assert (customer.external_id, customer.name, customer.status, customer.created_at) == (
        "user_42",
        "星图信息",
        CustomerStatus.ACTIVE,
        NOON,
    )
    assert (customer.email, customer.language) == ("Finance@example.cn", "en")


def test_without_email_and_language_bills_are_chinese(session: Session) -> None:
    customer = create(session)

    assert (customer.email, customer.language) == ("", "zh_Hans_CN")


@pytest.mark.parametrize("external_id", ["user_42", "用户/42?", " 42 ", "x" * 200, "ЖЖ:1"])
def test_an_external_id_is_the_merchants_own(session: Session, external_id: str) -> None:
    customer = create(session, external_id)

    assert queries.customers_by_external_id(session, [external_id]) == {external_id: customer}


@pytest.mark.parametrize("external_id", ["", " ", "x" * 201, "a\x00", "a\n", "\ud800"])
def test_an_external_id_that_is_no_line_of_text_is_refused(
    session: Session, external_id: str
) -> None:
    with pytest.raises(InvalidText) as refused:
        create(session, external_id)

    assert refused.value.path == "external_id"


def test_an_external_id_is_taken_once(session: Session) -> None:
    create(session)

    with pytest.raises(customers.ExternalIdTaken) as refused:
        create(session)

    assert refused.value.code == "external_id_taken"


def test_of_customers_made_at_once_with_one_id_one_is_made(transaction: Transaction) -> None:
    made, refused = race(transaction, lambda session, _runner: create(session).id)

    assert len(made) == 1
    assert refused == ["external_id_taken"] * 5


@pytest.mark.parametrize(
    "email",
    ["finance", "a@b", "a@b.cn\nBcc: c@d.cn", "a@b.cn, c@d.cn", "a\x00@b.cn", "\ud800@b.cn"],
)
def test_what_is_no_email_address_is_refused(session: Session, email: str) -> None:
    with pytest.raises(customers.InvalidEmail) as refused:
        create(session, email=email)

    assert (refused.value.code, refused.value.path) == ("invalid_email", "email")


def test_a_language_we_do_not_speak_is_refused(session: Session) -> None:
    with pytest.raises(customers.UnknownLanguage) as refused:
        create(session, language="fr")

    assert (refused.value.code, refused.value.path) == ("unknown_language", "language")


def test_an_update_changes_what_is_given(session: Session) -> None:
    customer = create(session, email="finance@example.cn")

    customers.update_customer(session, customer.id, name="Star Chart", language="en", now=NOON)
    assert (customer.name, customer.email, customer.language) == (
        "Star Chart",
        "finance@example.cn",
        "en",
    )

    customers.update_customer(session, customer.id, email="", now=NOON)
    assert customer.email == ""


def test_archiving_twice_is_archiving_once(session: Session) -> None:
    customer_id = create(session).id

    for _ in range(2):
        archived = customers.archive_customer(session, customer_id, now=NOON)
        assert archived.status is CustomerStatus.ARCHIVED
    for _ in range(2):
        restored = customers.restore_customer(session, customer_id, now=NOON)
        assert restored.status is CustomerStatus.ACTIVE


def test_a_customer_with_a_running_contract_is_not_archived(session: Session, make: Make) -> None:
    contract = make.contract(make.priced_at(make.metric(), "1"))

    with pytest.raises(customers.CustomerHasContracts) as refused:
        customers.archive_customer(session, contract.customer_id, now=NOON)

    assert refused.value.code == "customer_has_contracts"


def test_a_customer_with_a_period_to_invoice_is_not_archived(session: Session, make: Make) -> None:
    contract = make.contract(make.priced_at(make.metric(), "1"))
    contracts.end_contract(session, contract.id, ends_on=date(2026, 5, 20), now=NOON)
    assert contract.status is ContractStatus.ENDED

    with pytest.raises(customers.CustomerHasContracts):
        customers.archive_customer(session, contract.customer_id, now=NOON)

    contract.next_period_at = contract.due_at = None
    customers.archive_customer(session, contract.customer_id, now=NOON)


def test_another_merchants_customer_is_not_found(session: Session, engine: Engine) -> None:
    with begin(engine, Make.new_merchant_id()) as theirs:
        Make(theirs).merchant()
        customer_id = create(theirs).id

    assert queries.customers_by_external_id(session, ["user_42"]) == {}
    with pytest.raises(NotFound):
        queries.get_customer(session, customer_id)
    with pytest.raises(NotFound):
        customers.update_customer(session, customer_id, name="Mine", now=NOON)
    with pytest.raises(NotFound):
        customers.archive_customer(session, customer_id, now=NOON)


def test_many_are_found_by_external_id_at_once(session: Session, make: Make) -> None:
    first = make.customer(external_id="first")
    second = make.customer(external_id="second", status=CustomerStatus.ARCHIVED)

    found = queries.customers_by_external_id(session, ["first", "second", "third", "\0", "\ud800"])

    assert found == {"first": first, "second": second}


def test_a_list_is_filtered_and_paged(session: Session, make: Make) -> None:
    first = make.customer(external_id="user_1", name="星图", email="a@star.cn")
    second = make.customer(external_id="user_2", name="Nova", email="b@nova.cn")
    old = make.customer(external_id="user_3", name="Star", status=CustomerStatus.ARCHIVED)

    assert queries.list_customers(session, q="星").rows == [first]
    assert queries.list_customers(session, q="NOVA.CN").rows == [second]
    assert queries.list_customers(session, q="user_").rows == [old, second, first]
    assert queries.list_customers(session, status=CustomerStatus.ARCHIVED).rows == [old]
    page = queries.list_customers(session, limit=2)
    assert queries.list_customers(session, cursor=page.next_cursor).rows == [first]
