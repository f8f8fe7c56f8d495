"""Contracts: made of a customer, a rate card's current version, a currency and a cycle; ended."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any
from zoneinfo import ZoneInfo

from flask import flash, g, redirect, request, url_for
from flask_babel import gettext as _
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from app.core.errors import Invalid, Refusal
from app.core.ids import Prefix, read, show
from app.core.money import Currency
from app.core.paging import MAX_LIMIT, Page
from app.core.periods import Cycle, local_date
from app.core.states import IllegalMove
from app.customers import contracts
from app.customers import queries as customers
from app.customers.models import ContractStatus, CustomerStatus
from app.extensions import transaction
from app.pricing import queries as catalogue
from app.pricing.models import CatalogStatus, RateCard, RateCardVersion
from app.web import (
    access,
    contract_coupons,
    contract_lists,
    csv,
    cycles,
    invoice_rows,
    listing,
    price_words,
    snippets,
)
from app.web.contract_lists import ContractFilter, ContractRow
from app.web.forms import Form, blank, typed
from app.web.page import page
from app.web.public_ids import PUBLIC_IDS

_SUGGESTED = 20
_HEADER = (
    "id",
    "customer_external_id",
    "customer_name",
    "rate_card",
    "version",
    "currency",
    "cycle",
    "starts_on",
    "ends_on",
    "status",
    "next_invoice_at",
    "next_version",
    "next_version_on",
    "late_from",
)
_EXAMPLE = {
    "customerId": "cus_…",
    "rateCardId": "rc_…",
    "currency": "USD",
    "cycle": "monthly_calendar",
    "startsOn": "2026-05-01",
}


@dataclass(frozen=True)
class Offer:
    """A rate card on sale with the version a new contract is made on."""

    card: RateCard
    version: RateCardVersion

    @property
    def currencies(self) -> list[str]:
        return list(self.version.content["currencies"])


def index() -> Response:
    if listing.wants_csv():
        return csv.answer("contracts", _HEADER, _csv_rows())
    with transaction(g.merchant_id) as session:
        wanted = _filter()
        found = contract_lists.list_contracts(session, wanted, cursor=listing.cursor())
        next_url, prev_url = listing.pager(found.next_cursor)
        return page(
            "contracts/index.html",
            fragment="rows",
            nav="contracts",
            rows=found.rows,
            cycle_names=cycles.words(),
            is_filtered=wanted != ContractFilter(),
            next_url=next_url,
            prev_url=prev_url,
            csv_url=listing.csv_url(),
            curl=snippets.curl("/api/v1/contracts", _EXAMPLE),
            **PUBLIC_IDS,
        )


def new() -> Response:
    form = blank(
        **_blank() | {name: request.args.get(name, text) for name, text in _blank().items()}
    )
    return _new_page(form)


def create() -> Response:
    form = typed(**_blank())
    try:
        with transaction(g.merchant_id) as session:
            contract = contracts.create_contract(session, **_terms(session, form), now=access.now())
    except Refusal as refusal:
        return _new_page(form.refuse(refusal), status=422)
    flash(_("The contract runs. Its customer's usage is counted."), "ok")
    return _to_contract(contract.id)


def show_contract(contract_id: str) -> Response:
    return show_page(contract_id)


def end(contract_id: str) -> Response:
    form = typed(ends_on="")
    try:
        with transaction(g.merchant_id) as session:
            number = read(Prefix.CONTRACT, contract_id)
            ends_on = _day(form, "ends_on")
            contracts.end_contract(session, number, ends_on=ends_on, now=access.now())
    except (Invalid, contracts.EndPutOff, contracts.PeriodInvoiced, IllegalMove) as refusal:
        return show_page(contract_id, form=form.refuse(refusal), status=422)
    flash(_("The contract ends. What is left is invoiced when it is due."), "ok")
    return _to_contract(number)


def _new_page(form: Form, *, status: int = 200) -> Response:
    with transaction(g.merchant_id) as session:
        offers = _offers(session)
        chosen = [row for row in offers if _card_id(row) == form.values["rate_card"]]
        currencies = dict.fromkeys(code for row in chosen or offers for code in row.currencies)
        q = form.values["customer"]
        suggested = customers.list_customers(
            session, status=CustomerStatus.ACTIVE, q=q, limit=_SUGGESTED
        )
        return page(
            "contracts/new.html",
            fragment="choices",
            status=status,
            nav="contracts",
            form=form,
            offers=[(_card_id(row), _offer_label(row)) for row in offers],
            currencies=[(code, code) for code in currencies],
            cycles=cycles.choices(),
            customers=suggested.rows,
            has_customers=bool(q or suggested.rows),
            **PUBLIC_IDS,
        )


def show_page(
    contract_id: str, *, form: Form | None = None, change: Form | None = None, status: int = 200
) -> Response:
    """Answer a contract's page; `form` is its end as typed, `change` another version for it."""
    with transaction(g.merchant_id) as session:
        contract = customers.get_contract(session, read(Prefix.CONTRACT, contract_id))
        (row,) = contract_lists.rows_of(session, [contract])
        today = local_date(access.now(), ZoneInfo(g.merchant.time_zone)).isoformat()
        currency = contract.currency.value
        return page(
            "contracts/show.html",
            status=status,
            nav="contracts",
            row=row,
            contract=contract,
            period=contract.open_period,
            cycle_name=cycles.words()[contract.cycle],
            prices=price_words.prices_by_currency(row.version.content).get(currency, []),
            commitment=price_words.commitments(row.version.content).get(currency, ""),
            model_names=price_words.models(),
            invoices=invoice_rows.newest(session, contract_id=contract.id, limit=12),
            form=form or blank(ends_on=today),
            change=change or blank(version="", on=today),
            versions=contract_lists.versions_on_offer(session, row),
            can_end=contract.status is ContractStatus.ACTIVE,
            is_current=catalogue.current_version(session, row.card.id).id == row.version.id,
            **contract_coupons.context_of(session, contract),
            **PUBLIC_IDS,
        )


def _blank() -> dict[str, str]:
    today = local_date(access.now(), ZoneInfo(g.merchant.time_zone))
    return {
        "customer": "",
        "rate_card": "",
        "currency": "",
        "cycle": Cycle.MONTHLY_CALENDAR.value,
        "starts_on": today.replace(day=1).isoformat(),
        "ends_on": "",
    }


def _terms(session: Session, form: Form) -> dict[str, Any]:
    """Return what the form says as `create_contract` takes it. Raises Invalid at a field."""
    values = form.values
    found = customers.customers_by_external_id(session, [values["customer"]])
    if values["customer"] not in found:
        raise Invalid(_("There is no customer with this external id."), path="customer")
    offers = {_card_id(row): row for row in _offers(session)}
    if values["rate_card"] not in offers:
        raise Invalid(_("Choose a rate card."), path="rate_card")
    if values["currency"] not in Currency.__members__:
        raise Invalid(_("Choose a currency."), path="currency")
    return {
        "customer_id": found[values["customer"]].id,
        "rate_card_version_id": offers[values["rate_card"]].version.id,
        "currency": Currency(values["currency"]),
        "cycle": _cycle(values["cycle"]),
        "starts_on": _day(form, "starts_on"),
        "ends_on": _day(form, "ends_on") if values["ends_on"] else None,
    }


def _cycle(text: str) -> Cycle:
    if text not in set(Cycle):
        raise Invalid(_("Choose how often it is invoiced."), path="cycle")
    return Cycle(text)


def _day(form: Form, name: str) -> date:
    try:
        return date.fromisoformat(form.values[name])
    except ValueError:
        raise Invalid(_("Choose a day."), path=name) from None


def _offers(session: Session) -> list[Offer]:
    cards = catalogue.list_rate_cards(session, status=CatalogStatus.ACTIVE, limit=MAX_LIMIT).rows
    versions = catalogue.current_versions(session, [card.id for card in cards])
    return [Offer(card, versions[card.id]) for card in cards]


def _card_id(offer: Offer) -> str:
    return show(Prefix.RATE_CARD, offer.card.id)


def _offer_label(offer: Offer) -> str:
    return f"{offer.card.name} v{offer.version.number} · {', '.join(offer.currencies)}"


def _filter() -> ContractFilter:
    version = request.args.get("version")
    customer = request.args.get("customer")
    return ContractFilter(
        status=listing.chosen(ContractStatus, "status"),
        q=request.args.get("q", ""),
        customer_id=read(Prefix.CUSTOMER, customer) if customer else None,
        version_id=read(Prefix.RATE_CARD_VERSION, version) if version else None,
    )


def _to_contract(number: int) -> Response:
    return redirect(url_for("web.contract", contract_id=show(Prefix.CONTRACT, number)), 303)


def _csv_rows() -> Iterator[tuple[object, ...]]:
    wanted = _filter()

    def read_page(cursor: str | None) -> Page[ContractRow]:
        with transaction(g.merchant_id) as session:
            return contract_lists.list_contracts(session, wanted, cursor=cursor, limit=MAX_LIMIT)

    for row in csv.all_rows(read_page):
        yield (
            show(Prefix.CONTRACT, row.contract.id),
            row.customer.external_id,
            row.customer.name,
            row.card.code,
            row.version.number,
            row.contract.currency,
            row.contract.cycle,
            row.contract.starts_on,
            row.contract.ends_on,
            row.contract.status,
            row.contract.due_at.isoformat() if row.contract.due_at else "",
            row.next_version.number if row.next_version else "",
            row.contract.next_version_on,
            row.contract.late_from,
        )
