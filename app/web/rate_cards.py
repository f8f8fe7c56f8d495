"""Rate cards: the prices of a version, what two versions say differently, and who is on which."""

from collections.abc import Iterable, Sequence
from itertools import pairwise
from zoneinfo import ZoneInfo

from flask import flash, g, redirect, request, url_for
from flask_babel import gettext as _
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from app.audit import queries as audit
from app.core.errors import NotFound, Refusal
from app.core.ids import Prefix, read, show
from app.core.periods import local_date
from app.extensions import transaction
from app.pricing import drafts, queries, rate_cards
from app.pricing.models import CatalogStatus, RateCardVersion
from app.web import access, contract_lists, price_differences, price_words
from app.web.contract_lists import ContractFilter
from app.web.forms import Form, blank, typed
from app.web.page import page
from app.web.public_ids import PUBLIC_IDS

_SHOWN = 50
_LISTED = 5


def show_rate_card(rate_card_id: str) -> Response:
    return _show(rate_card_id)


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
        chosen = _asked_for("version", versions) or versions[0]
        before = _asked_for("against", versions) or _previous(versions, chosen)
        draft = drafts.find_draft(session, card.id)
        found = contract_lists.list_contracts(
            session, ContractFilter(version_id=chosen.id), limit=_LISTED
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
            draft=draft,
            draft_changes=len(price_differences.changes(versions[0].content, draft.content))
            if draft
            else 0,
            is_current=chosen is versions[0],
            prices=price_words.prices_by_currency(chosen.content),
            commitments=price_words.commitments(chosen.content),
            model_names=price_words.models(),
            changes=price_differences.changes(before.content, chosen.content) if before else [],
            change_counts=_change_counts(versions),
            publishers=_publishers(session, card.id),
            contracts=found.rows,
            contract_counts=contract_lists.active_by_version(session, [v.id for v in versions]),
            scheduled=contract_lists.scheduled_by_version(session, [v.id for v in versions]),
            against=_labelled((v.number, v.number) for v in versions if v is not chosen),
            others=_labelled(
                (show(Prefix.RATE_CARD_VERSION, v.id), v.number)
                for v in versions
                if v is not chosen
            ),
            today=local_date(access.now(), ZoneInfo(g.merchant.time_zone)).isoformat(),
            form=form or blank(name=card.name),
            is_on_sale=card.status is CatalogStatus.ACTIVE,
            **PUBLIC_IDS,
        )


def _labelled(numbers: Iterable[tuple[object, int]]) -> list[tuple[str, str]]:
    return [(str(value), f"v{number}") for value, number in numbers]


def _asked_for(name: str, versions: Sequence[RateCardVersion]) -> RateCardVersion | None:
    """Return the version the address asks for, None when it asks for none. Raises NotFound."""
    wanted = request.args.get(name)
    if not wanted:
        return None
    for version in versions:
        if str(version.number) == wanted:
            return version
    raise NotFound("there is no such version")


def _previous(
    versions: Sequence[RateCardVersion], chosen: RateCardVersion
) -> RateCardVersion | None:
    return next((row for row in versions if row.number == chosen.number - 1), None)


def _change_counts(versions: Sequence[RateCardVersion]) -> dict[int, int]:
    """Return by number how many prices a version changed against the one before it."""
    return {
        after.number: len(price_differences.changes(before.content, after.content))
        for after, before in pairwise(versions)
    }


def _publishers(session: Session, card_id: int) -> dict[int, str]:
    """Return by number who published each version shown.

    Every version has one entry, so that the newest entries are of the newest versions.
    """
    subject = show(Prefix.RATE_CARD, card_id)
    entries = audit.list_entries(
        session, subject=subject, action=rate_cards.PUBLISHED, limit=_SHOWN
    )
    return {int(entry.after["version"]): entry.actor_name for entry in entries.rows}


def _to_rate_card(number: int) -> Response:
    return redirect(url_for("web.rate_card", rate_card_id=show(Prefix.RATE_CARD, number)), 303)
