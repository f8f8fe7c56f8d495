"""The price editor: the draft of a card's next version, or a new card, in one form.

Its buttons name a wish (`do`). A change of the rows answers the form as typed, changed by that;
`save`, `publish` and `rebase` write; typing wishes nothing and answers the calculator.
"""

from dataclasses import dataclass, replace
from typing import Any

from flask import flash, g, redirect, request, url_for
from flask_babel import gettext as _
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from app.billing import replay
from app.billing.replay_models import PriceReplay
from app.core.errors import Refusal
from app.core.ids import Prefix, read, show
from app.extensions import transaction
from app.pricing import drafts, queries, rate_cards
from app.pricing.models import RateCardDraft, RateCardVersion
from app.pricing.price_sets import content_sha256
from app.web import access, contract_lists, price_changes, price_preview
from app.web.forms import Form, blank, typed
from app.web.page import page
from app.web.price_forms import PriceForm, Spot, from_content, read_form
from app.web.price_rows import PriceRow
from app.web.public_ids import PUBLIC_IDS
from app.web.refusals import say

_WRITES = frozenset({"save", "publish"})
_FIRST_METRIC = "tokens_input"


@dataclass(frozen=True)
class Basis:
    """What the page was opened on: the version, and the draft as it was `seen` (its hash).

    `current` and `sha256` are what is there now, `contracts` how many are on that version, and
    `replay` the last one on this card.
    """

    draft: RateCardDraft | None = None
    current: int = 0
    based_on: int = 0
    sha256: str = ""
    seen: str = ""
    contracts: int = 0
    replay: PriceReplay | None = None

    @property
    def is_overtaken(self) -> bool:
        """Whether somebody published or saved something else meanwhile."""
        return self.based_on != self.current or self.seen != self.sha256


def new(product_id: str) -> Response:
    prices = PriceForm((PriceRow(metric=_FIRST_METRIC),))
    return _new_page(product_id, blank(name="", code=""), prices)


def create(product_id: str) -> Response:
    """Publish version 1 of a new rate card, or change the rows of the form."""
    form, prices, wish = typed(name="", code=""), read_form(request.form), _wish()
    if wish != "publish":
        changed = price_changes.change(prices, wish)
        return _new_page(product_id, form, changed, fragment=_part(wish))
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
        card_id = read(Prefix.RATE_CARD, rate_card_id)
        draft = drafts.find_draft(session, card_id)
        content = (draft or queries.current_version(session, card_id)).content
    prices = from_content(content)
    return _edit_page(rate_card_id, replace(prices, at=_open(prices)))


def change(rate_card_id: str) -> Response:
    """Save or publish the draft as typed, or change the rows of the form."""
    prices, wish = read_form(request.form), _wish()
    if wish in _WRITES:
        return _write(rate_card_id, prices, is_final=wish == "publish")
    if wish == "rebase":
        return _rebase(rate_card_id, prices)
    return _edit_page(rate_card_id, price_changes.change(prices, wish), fragment=_part(wish))


def publish_draft(rate_card_id: str) -> Response:
    """Publish the saved draft as it was seen, from where its replay is looked at."""
    card_id = read(Prefix.RATE_CARD, rate_card_id)
    try:
        with transaction(g.merchant_id) as session:
            version = drafts.publish_draft(
                session,
                card_id,
                expected_sha256=request.form.get("sha256"),
                actor=access.actor(),
                now=access.now(),
            )
    except (drafts.DraftOutdated, drafts.DraftChanged) as refusal:
        flash(say(refusal), "bad")
        return redirect(url_for("web.edit_rate_card", rate_card_id=rate_card_id), 303)
    return _published(version)


def discard_draft(rate_card_id: str) -> Response:
    with transaction(g.merchant_id) as session:
        card_id = read(Prefix.RATE_CARD, rate_card_id)
        drafts.discard_draft(session, card_id)
    flash(_("The draft is discarded. Published prices are as they were."), "ok")
    return _to_rate_card(card_id)


def _write(rate_card_id: str, prices: PriceForm, *, is_final: bool) -> Response:
    """Save what is typed as the draft; when it is final, publish it in the same transaction."""
    who: dict[str, Any] = {"actor": access.actor(), "now": access.now()}
    try:
        with transaction(g.merchant_id) as session:
            card_id = read(Prefix.RATE_CARD, rate_card_id)
            _refuse_overtaken(session, card_id)
            drafts.save_draft(session, card_id, content=prices.content(), **who)
            version = drafts.publish_draft(session, card_id, **who) if is_final else None
    except (drafts.DraftOutdated, drafts.DraftChanged):
        return _edit_page(rate_card_id, prices, status=409)
    except Refusal as refusal:
        return _edit_page(rate_card_id, prices.refuse(refusal), status=422)
    if version:
        return _published(version)
    flash(_("The draft is saved."), "ok")
    return redirect(_address(rate_card_id, prices), 303)


def _refuse_overtaken(session: Session, card_id: int) -> None:
    """Raise when the card or its draft is no more what this page was opened on."""
    rate_cards.lock_rate_card(session, card_id)
    draft = drafts.find_draft(session, card_id)
    current = queries.current_version(session, card_id).number
    if request.form.get("based_on", current, type=int) != current:
        raise drafts.DraftOutdated("a version was published since the page was opened")
    sha256 = content_sha256(draft.content) if draft else ""
    if request.form.get("seen", sha256) != sha256:
        raise drafts.DraftChanged("somebody saved or discarded the draft since then")


def _rebase(rate_card_id: str, prices: PriceForm) -> Response:
    """Go on with what was typed, knowing what was published or saved meanwhile."""
    with transaction(g.merchant_id) as session:
        card_id = read(Prefix.RATE_CARD, rate_card_id)
        if drafts.find_draft(session, card_id):
            drafts.rebase_draft(session, card_id)
    return _edit_page(rate_card_id, prices, is_rebased=True)


def _published(version: RateCardVersion) -> Response:
    flash(_("Version %(number)s is published.", number=version.number), "ok")
    return _to_rate_card(version.rate_card_id)


def _address(rate_card_id: str, prices: PriceForm) -> str:
    """Return the editor's address, with the charge open that is open now."""
    return url_for(
        "web.edit_rate_card",
        rate_card_id=rate_card_id,
        currency=prices.row.currency,
        metric=prices.row.metric,
        filter=prices.at.filter,
    )


def _open(prices: PriceForm) -> Spot:
    """Return the charge that the address names, else the first."""
    wanted = request.args.get("currency"), request.args.get("metric")
    for position, row in enumerate(prices.rows):
        if (row.currency, row.metric) == wanted:
            number = request.args.get("filter", type=int)
            has_it = number is not None and 0 <= number < len(row.filters)
            return Spot(position, number if has_it else None)
    return Spot()


def _to_rate_card(number: int) -> Response:
    return redirect(url_for("web.rate_card", rate_card_id=show(Prefix.RATE_CARD, number)), 303)


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
            product=product,
            form=form,
            basis=Basis(),
            **price_preview.context(session, prices, current=None),
            **PUBLIC_IDS,
        )


def _edit_page(
    rate_card_id: str,
    prices: PriceForm,
    *,
    is_rebased: bool = False,
    fragment: str = "",
    status: int = 200,
) -> Response:
    with transaction(g.merchant_id) as session:
        card = queries.get_rate_card(session, read(Prefix.RATE_CARD, rate_card_id))
        current = queries.current_version(session, card.id)
        return page(
            "rate_cards/edit.html",
            fragment=fragment,
            status=status,
            nav="products",
            card=card,
            product=queries.get_product(session, card.product_id),
            form=blank(name=card.name, code=card.code),
            basis=_basis(session, current, is_fresh=is_rebased or request.method == "GET"),
            **price_preview.context(session, prices, current=current.content),
            **PUBLIC_IDS,
        )


def _basis(session: Session, current: RateCardVersion, *, is_fresh: bool) -> Basis:
    """Return what the page was opened on; a fresh one looks at what is there now."""
    draft = drafts.find_draft(session, current.rate_card_id)
    based_on = draft.based_on if draft and draft.based_on else current.number
    seen = content_sha256(draft.content) if draft else ""
    on_it = contract_lists.active_by_version(session, [current.id])
    replays = replay.list_replays(session, rate_card_id=current.rate_card_id, limit=1).rows
    return Basis(
        draft=draft,
        current=current.number,
        based_on=based_on if is_fresh else request.form.get("based_on", based_on, type=int),
        sha256=seen,
        seen=seen if is_fresh else request.form.get("seen", seen),
        contracts=on_it.get(current.id, 0),
        replay=next(iter(replays), None),
    )


def _wish() -> str:
    """Return what the pressed button wants; copying says where to in a field of its own."""
    wish = request.form.get("do", "")
    return f"copy:{request.form.get('copy-to', '')}" if wish == "copy" else wish


def _part(wish: str) -> str:
    """Return the block that answers a wish: typing changes the calculator only, never fields."""
    return "editor" if wish else "preview"
