"""Coupons: the list, a new one, and one of them with the contracts that have it."""

from collections.abc import Iterator, Sequence
from datetime import date
from decimal import Decimal
from typing import Any

from flask import flash, g, redirect, request, url_for
from flask_babel import gettext as _
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from app.billing import attachments, redemptions
from app.core.decimals import parse_decimal, plain
from app.core.errors import Invalid, Refusal
from app.core.ids import Prefix, read, show
from app.core.money import Currency
from app.core.paging import MAX_LIMIT, Page
from app.customers import queries as customers
from app.extensions import transaction
from app.pricing import coupons
from app.pricing.coupons import Benefit, Bounds
from app.pricing.discounts import Duration
from app.pricing.models import CatalogStatus, Coupon
from app.web import access, coupon_words, csv, listing, snippets
from app.web.forms import Form, blank, typed
from app.web.page import page
from app.web.public_ids import PUBLIC_IDS

_NEW = {
    "name": "",
    "code": "",
    "kind": "percent",
    "percent": "",
    "amount_minor": "",
    "currency": "",
    "minimum_minor": "",
    "duration": Duration.ONCE.value,
    "months": "",
    "product_codes": "",
    "metric_codes": "",
    "redeem_by": "",
    "max_redemptions": "",
    "max_per_customer": "",
    "is_for_new_customers": "",
}
_HEADER = (
    "id",
    "code",
    "name",
    "percent",
    "amount_minor",
    "currency",
    "minimum_minor",
    "duration",
    "months",
    "redeem_by",
    "max_redemptions",
    "times_redeemed",
    "status",
    "created_at",
)
_EXAMPLE = {"code": "WELCOME10", "name": "Welcome", "percent": "10", "duration": "once"}
_CONTRACTS_SHOWN = 20
_LONGEST_COUNT = 10


def index() -> Response:
    if listing.wants_csv():
        return csv.answer("coupons", _HEADER, _csv_rows())
    with transaction(g.merchant_id) as session:
        found = _find(session, listing.cursor())
        next_url, prev_url = listing.pager(found.next_cursor)
        return page(
            "coupons/index.html",
            fragment="rows",
            nav="coupons",
            coupons=found.rows,
            redeemed=redemptions.redeemed_by_coupon(session, [row.id for row in found.rows]),
            words=coupon_words,
            next_url=next_url,
            prev_url=prev_url,
            csv_url=listing.csv_url(),
            curl=snippets.curl("/api/v1/coupons", _EXAMPLE),
            **PUBLIC_IDS,
        )


def new() -> Response:
    return _new_page(blank(**_NEW))


def create() -> Response:
    form = typed(**_NEW)
    try:
        with transaction(g.merchant_id) as session:
            coupon = coupons.create_coupon(
                session,
                code=form.values["code"],
                name=form.values["name"],
                benefit=_benefit(form),
                bounds=_bounds(form),
                actor=access.actor(),
                now=access.now(),
            )
    except Refusal as refusal:
        return _new_page(form.refuse(refusal), status=422)
    flash(_("%(code)s is ready. Attach it to a contract.", code=coupon.code), "ok")
    return _to_coupon(coupon)


def show_coupon(coupon_id: str) -> Response:
    return _show(coupon_id)


def rename(coupon_id: str) -> Response:
    form = typed(name="")
    try:
        with transaction(g.merchant_id) as session:
            number = read(Prefix.COUPON, coupon_id)
            coupon = coupons.rename_coupon(
                session, number, name=form.values["name"], actor=access.actor(), now=access.now()
            )
    except Invalid as refusal:
        return _show(coupon_id, form=form.refuse(refusal), status=422)
    flash(_("Saved"), "ok")
    return _to_coupon(coupon)


def archive(coupon_id: str) -> Response:
    with transaction(g.merchant_id) as session:
        number, actor = read(Prefix.COUPON, coupon_id), access.actor()
        coupon = coupons.archive_coupon(session, number, actor=actor, now=access.now())
    flash(_("%(code)s is archived. Contracts that have it keep it.", code=coupon.code), "ok")
    return _to_coupon(coupon)


def restore(coupon_id: str) -> Response:
    with transaction(g.merchant_id) as session:
        number, actor = read(Prefix.COUPON, coupon_id), access.actor()
        coupon = coupons.restore_coupon(session, number, actor=actor, now=access.now())
    flash(_("%(code)s can be attached again.", code=coupon.code), "ok")
    return _to_coupon(coupon)


def _new_page(form: Form, *, status: int = 200) -> Response:
    return page(
        "coupons/new.html",
        status=status,
        nav="coupons",
        form=form,
        currencies=[("", "—"), *((code.value, code.value) for code in Currency)],
    )


def _show(coupon_id: str, *, form: Form | None = None, status: int = 200) -> Response:
    with transaction(g.merchant_id) as session:
        coupon = coupons.get_coupon(session, read(Prefix.COUPON, coupon_id))
        contracts = attachments.contracts_with(session, coupon, limit=_CONTRACTS_SHOWN)
        return page(
            "coupons/show.html",
            status=status,
            nav="coupons",
            coupon=coupon,
            redeemed=redemptions.redeemed_by_coupon(session, [coupon.id])[coupon.id],
            contracts=contracts,
            named=customers.customers_by_id(session, {row.customer_id for row in contracts}),
            words=coupon_words,
            form=form or blank(name=coupon.name),
            **PUBLIC_IDS,
        )


def _find(session: Session, cursor: str | None, *, limit: int = 50) -> Page[Coupon]:
    return coupons.list_coupons(
        session,
        status=listing.chosen(CatalogStatus, "status"),
        q=request.args.get("q", ""),
        cursor=cursor,
        limit=limit,
    )


def _benefit(form: Form) -> Benefit:
    """Return what the form says the coupon gives. Raises Invalid at a field."""
    values = form.values
    is_percent = values["kind"] == "percent"
    currency = Currency(values["currency"]) if values["currency"] in set(Currency) else None
    is_repeating = values["duration"] == Duration.REPEATING
    return Benefit(
        percent=values["percent"] if is_percent else None,
        amount_minor=None if is_percent else _minor(form, "amount_minor", currency, required=True),
        currency=currency,
        minimum_minor=_minor(form, "minimum_minor", currency),
        duration=_duration(form),
        months=_count(form, "months") if is_repeating else None,
        product_codes=_codes(form, "product_codes"),
        metric_codes=_codes(form, "metric_codes"),
    )


def _duration(form: Form) -> Duration:
    if form.values["duration"] not in set(Duration):
        raise Invalid(_("Choose for how long."), path="duration")
    return Duration(form.values["duration"])


def _bounds(form: Form) -> Bounds:
    return Bounds(
        redeem_by=_day(form, "redeem_by"),
        max_redemptions=_count(form, "max_redemptions"),
        max_per_customer=_count(form, "max_per_customer"),
        is_for_new_customers=bool(form.values["is_for_new_customers"]),
    )


def _minor(
    form: Form, name: str, currency: Currency | None, *, required: bool = False
) -> int | None:
    """Read an amount in major units of the currency. Raises Invalid at the field."""
    text = form.values[name]
    if not text and not required:
        return None
    if currency is None:
        raise Invalid(_("Choose a currency."), path="currency")
    minor = parse_decimal(text, path=name) * Decimal(10) ** currency.exponent
    if minor != int(minor):
        raise Invalid(_("The currency has fewer decimals."), path=name)
    return int(minor)


def _count(form: Form, name: str) -> int | None:
    text = form.values[name]
    if not text:
        return None
    if not (text.isascii() and text.isdecimal() and len(text) <= _LONGEST_COUNT):
        raise Invalid(_("Write a whole number."), path=name)
    return int(text)


def _day(form: Form, name: str) -> date | None:
    try:
        return date.fromisoformat(form.values[name]) if form.values[name] else None
    except ValueError:
        raise Invalid(_("Choose a day."), path=name) from None


def _codes(form: Form, name: str) -> Sequence[str]:
    return [code.strip() for code in form.values[name].split(",") if code.strip()]


def _to_coupon(coupon: Coupon) -> Response:
    return redirect(url_for("web.coupon", coupon_id=show(Prefix.COUPON, coupon.id)), 303)


def _csv_rows() -> Iterator[tuple[Any, ...]]:
    def read_page(cursor: str | None) -> Page[tuple[Coupon, int]]:
        with transaction(g.merchant_id) as session:
            found = _find(session, cursor, limit=MAX_LIMIT)
            counts = redemptions.redeemed_by_coupon(session, [row.id for row in found.rows])
            return found.map(lambda row: (row, counts[row.id]))

    for row, redeemed in csv.all_rows(read_page):
        yield (
            show(Prefix.COUPON, row.id),
            row.code,
            row.name,
            "" if row.percent is None else plain(row.percent),
            row.amount_minor,
            row.currency,
            row.minimum_minor,
            row.duration,
            row.months,
            row.redeem_by,
            row.max_redemptions,
            redeemed,
            row.status,
            row.created_at.isoformat(timespec="seconds"),
        )
