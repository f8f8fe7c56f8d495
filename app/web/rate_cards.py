"""Rate cards: a version's prices, what changed between versions, and the editor of the next one.

The editor is one form. Its buttons name a wish (`do`): a row more, a tier less, another model;
each answers the form as it was typed, changed by that. `publish` is the only wish that writes.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from flask import flash, g, redirect, request, url_for
from flask_babel import gettext as _
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from app.core.errors import NotFound, Refusal
from app.core.ids import Prefix, read, show
from app.core.money import Currency
from app.extensions import transaction
from app.pricing import queries, rate_cards
from app.pricing.models import CatalogStatus, RateCardVersion
from app.pricing.rating import Model
from app.web import access, contract_lists, price_words
from app.web.contract_lists import ContractFilter
from app.web.forms import Form, blank, typed
from app.web.page import page
from app.web.price_forms import PriceForm, PriceRow, from_content, read_form, to_price
from app.web.public_ids import PUBLIC_IDS

_SHOWN = 50
_PUBLISH = "publish"


def show_rate_card(rate_card_id: str) -> Response:
    return _show(rate_card_id)


def new(product_id: str) -> Response:
    form = blank(name="", code="")
    return _new_page(product_id, form, PriceForm([PriceRow(metric="tokens_input")]))


def create(product_id: str) -> Response:
    """Publish version 1 of a new rate card, or change the rows of the form."""
    form, prices = typed(name="", code=""), read_form(request.form)
    wish = request.form.get("do", "")
    if wish != _PUBLISH:
        return _new_page(product_id, form, prices.change(wish), fragment=_part(wish))
    try:
        with transaction(g.merchant_id) as session:
            version = rate_cards.create_rate_card(
                session,
                product_id=read(Prefix.PRODUCT, product_id),
                content=prices.content(),
                actor=access.actor(),
                now=access.now(),
                **form.values,
            )
    except Refusal as refusal:
        (form if refusal.path in form.values else prices).refuse(refusal)
        return _new_page(product_id, form, prices, status=422)
    flash(_("Version 1 is published. Contracts can be made on it."), "ok")
    return _to_rate_card(version.rate_card_id)


def edit(rate_card_id: str) -> Response:
    with transaction(g.merchant_id) as session:
        version = queries.current_version(session, read(Prefix.RATE_CARD, rate_card_id))
    return _edit_page(rate_card_id, from_content(version.content))


def publish(rate_card_id: str) -> Response:
    """Publish the next version, or change the rows of the form."""
    prices, wish = read_form(request.form), request.form.get("do", "")
    if wish != _PUBLISH:
        return _edit_page(rate_card_id, prices.change(wish), fragment=_part(wish))
    try:
        with transaction(g.merchant_id) as session:
            card_id = read(Prefix.RATE_CARD, rate_card_id)
            version = rate_cards.publish_version(
                session,
                card_id,
                content=prices.content(),
                actor=access.actor(),
                now=access.now(),
            )
    except Refusal as refusal:
        return _edit_page(rate_card_id, prices.refuse(refusal), status=422)
    flash(_("Version %(number)s is published.", number=version.number), "ok")
    return _to_rate_card(card_id)


def rename(rate_card_id: str) -> Response:
    form = typed(name="")
    try:
        with transaction(g.merchant_id) as session:
            card = rate_cards.rename_rate_card(
                session, read(Prefix.RATE_CARD, rate_card_id), name=form.values["name"]
            )
    except Refusal as refusal:
        return _show(rate_card_id, form=form.refuse(refusal), status=422)
    flash(_("Saved"), "ok")
    return _to_rate_card(card.id)


def archive(rate_card_id: str) -> Response:
    with transaction(g.merchant_id) as session:
        card = rate_cards.archive_rate_card(session, read(Prefix.RATE_CARD, rate_card_id))
    flash(_("%(name)s is archived. Contracts on it go on.", name=card.name), "ok")
    return _to_rate_card(card.id)


def restore(rate_card_id: str) -> Response:
    with transaction(g.merchant_id) as session:
        card = rate_cards.restore_rate_card(session, read(Prefix.RATE_CARD, rate_card_id))
    flash(_("%(name)s is back on sale.", name=card.name), "ok")
    return _to_rate_card(card.id)


def _show(rate_card_id: str, *, form: Form | None = None, status: int = 200) -> Response:
    with transaction(g.merchant_id) as session:
        card = queries.get_rate_card(session, read(Prefix.RATE_CARD, rate_card_id))
        versions = queries.list_versions(session, card.id, limit=_SHOWN).rows
        chosen = _chosen(versions)
        before = next((row for row in versions if row.number == chosen.number - 1), None)
        on_it = contract_lists.list_contracts(
            session, ContractFilter(version_id=chosen.id), limit=5
        )
        return page(
            "rate_cards/show.html",
            status=status,
            nav="products",
            card=card,
            product=queries.get_product(session, card.product_id),
            version=chosen,
            before=before,
            versions=versions,
            is_current=chosen is versions[0],
            prices=price_words.prices_by_currency(chosen),
            changes=price_words.changes(before, chosen) if before else [],
            change_counts=_change_counts(versions),
            contracts=on_it.rows,
            contract_counts=contract_lists.active_by_version(session, [v.id for v in versions]),
            form=form or blank(name=card.name),
            is_on_sale=card.status is CatalogStatus.ACTIVE,
            **PUBLIC_IDS,
        )


def _chosen(versions: Sequence[RateCardVersion]) -> RateCardVersion:
    """Return the version the address asks for, else the current one. Raises NotFound."""
    wanted = request.args.get("version")
    if wanted is None:
        return versions[0]
    for version in versions:
        if str(version.number) == wanted:
            return version
    raise NotFound("there is no such version")


def _change_counts(versions: Sequence[RateCardVersion]) -> dict[int, int]:
    """Return by number how many prices a version changed against the one before it."""
    return {
        after.number: len(price_words.changes(before, after))
        for after, before in pairwise(versions)
    }


def _new_page(
    product_id: str, form: Form, prices: PriceForm, *, fragment: str = "", status: int = 200
) -> Response:
    with transaction(g.merchant_id) as session:
        product = queries.get_product(session, read(Prefix.PRODUCT, product_id))
        return page(
            "rate_cards/edit.html",
            fragment=fragment,
            status=status,
            nav="products",
            card=None,
            next_number=1,
            contracts=0,
            product=product,
            form=form,
            **_editor(session, prices),
            **PUBLIC_IDS,
        )


def _edit_page(
    rate_card_id: str, prices: PriceForm, *, fragment: str = "", status: int = 200
) -> Response:
    with transaction(g.merchant_id) as session:
        card = queries.get_rate_card(session, read(Prefix.RATE_CARD, rate_card_id))
        current = queries.current_version(session, card.id)
        on_it = contract_lists.active_by_version(session, [current.id])
        return page(
            "rate_cards/edit.html",
            fragment=fragment,
            status=status,
            nav="products",
            card=card,
            next_number=current.number + 1,
            contracts=on_it.get(current.id, 0),
            product=queries.get_product(session, card.product_id),
            form=blank(name=card.name, code=card.code),
            **_editor(session, prices),
            **PUBLIC_IDS,
        )


def _part(wish: str) -> str:
    """Return the block that answers a wish: typing changes the preview only, never the fields."""
    return "editor" if wish else "preview"


def _editor(session: Session, prices: PriceForm) -> dict[str, Any]:
    metrics = queries.list_metrics(session, status=CatalogStatus.ACTIVE, limit=100).rows
    return {
        "prices": prices,
        "preview": [_preview(row) for row in prices.rows],
        "metrics": [(metric.code, metric.code) for metric in metrics],
        "units": {metric.code: metric.unit for metric in metrics},
        "currencies": [(currency.value, currency.value) for currency in Currency],
        "exponents": {currency.value: currency.exponent for currency in Currency},
        "models": [model.value for model in Model],
    }


def _preview(row: PriceRow) -> price_words.PriceText | None:
    """Return what a row says so far, or None while it is not finished."""
    try:
        return price_words.describe(row.metric, to_price(row), Currency(row.currency))
    except (Refusal, ValueError):
        return None


def _to_rate_card(number: int) -> Response:
    return redirect(url_for("web.rate_card", rate_card_id=show(Prefix.RATE_CARD, number)), 303)
