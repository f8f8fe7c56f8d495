"""One merchant's limits and switches, and the platform's limits on channels: set by admins."""

from collections.abc import Mapping
from dataclasses import dataclass

from flask import abort, flash, redirect, url_for
from flask_babel import gettext as _
from werkzeug.wrappers import Response

from app.audit.queries import list_entries
from app.core import clock
from app.core.decimals import plain
from app.core.errors import Invalid, Refusal
from app.core.ids import PLATFORM, show_merchant
from app.core.money import Currency, Money
from app.extensions import reading, transaction
from app.identity import clocks
from app.identity.models import Mode
from app.risk import freezes, hits, limits, queries
from app.risk.hits import HitFilter
from app.risk.models import Switch
from app.risk.rules import LIMITS, PLATFORM_WIDE, Rule
from app.web import access, risk_words
from app.web.admin import known_merchant
from app.web.admin_risk import hit_rows, tone_of
from app.web.amounts import read_amount
from app.web.forms import Form, blank, typed
from app.web.page import page
from app.web.refusals import say

_SHOWN = 10  # hits and deeds on a merchant's page
_LONGEST = 15  # digits of a number of times
MERCHANTS_OWN = tuple(rule for rule in LIMITS if rule not in PLATFORM_WIDE)
CHANNELS = tuple(rule for rule in LIMITS if rule in PLATFORM_WIDE)


@dataclass(frozen=True)
class Field:
    """One limit in a form: its name, its unit, and what holds when nothing is typed."""

    name: str
    label: str
    unit: str
    default: str


@dataclass(frozen=True)
class Bar:
    """What is used of one limit in its present window."""

    label: str
    used: int
    used_text: str
    maximum: int
    maximum_text: str
    tone: str


def admin_risk_of(merchant: str) -> Response:
    """Show what of a merchant's limits is used, what is frozen, and what was refused."""
    return _of(known_merchant(merchant))


def set_merchant_limits(merchant: str) -> Response:
    """Set a merchant's limits; an empty field is what holds for everybody."""
    merchant_id, form = known_merchant(merchant), typed(**dict.fromkeys(MERCHANTS_OWN, ""))
    try:
        with transaction(merchant_id) as session:
            wanted = _read(form, MERCHANTS_OWN)
            limits.set_limits(session, wanted, actor=access.actor(), now=clock.now())
    except Refusal as refusal:
        return _of(merchant_id, form.refuse(refusal), status=422)
    flash(_("The limits hold from now on."), "ok")
    return redirect(url_for("web.admin_risk_of", merchant=merchant), 303)


def freeze_merchant(merchant: str, switch: str) -> Response:
    """Stop one thing of a merchant, with a reason."""
    merchant_id, which, form = known_merchant(merchant), _switch(switch), typed(reason="")
    try:
        with transaction(merchant_id) as session:
            reason, by = form.values["reason"], access.actor()
            freezes.freeze(session, which, reason=reason, actor=by, now=clock.now())
    except Refusal as refusal:
        flash(say(refusal), "bad")
    else:
        flash(_("Frozen: %(what)s", what=risk_words.switches()[which][0]), "ok")
    return redirect(url_for("web.admin_risk_of", merchant=merchant), 303)


def unfreeze_merchant(merchant: str, switch: str) -> Response:
    """Let one thing of a merchant go on."""
    merchant_id, which = known_merchant(merchant), _switch(switch)
    with transaction(merchant_id) as session:
        freezes.unfreeze(session, which, actor=access.actor(), now=clock.now())
    flash(_("Released: %(what)s", what=risk_words.switches()[which][0]), "ok")
    return redirect(url_for("web.admin_risk_of", merchant=merchant), 303)


def admin_channel_limits() -> Response:
    """Show the platform's limits on channels."""
    return _channels()


def set_channel_limits() -> Response:
    """Set the platform's limits on channels, which hold for every merchant."""
    form = typed(**dict.fromkeys(CHANNELS, ""))
    try:
        with transaction(PLATFORM) as session:
            wanted = _read(form, CHANNELS)
            limits.set_limits(session, wanted, actor=access.actor(), now=clock.now())
    except Refusal as refusal:
        return _channels(form.refuse(refusal), status=422)
    flash(_("The limits hold from now on."), "ok")
    return redirect(url_for("web.admin_channel_limits"), 303)


def _of(merchant_id: int, form: Form | None = None, *, status: int = 200) -> Response:
    public_id, now = show_merchant(merchant_id), clock.now()
    with transaction(merchant_id) as session:
        merchant = clocks.get_merchant(session)
        frozen = {row.switch: row for row in freezes.list_frozen(session)}
        used = queries.uses(session, now=now)
        form = form or _form(limits.were_set(session), MERCHANTS_OWN)
        deeds = list_entries(session, subject=public_id, limit=_SHOWN).rows
    with reading() as session:
        found = hits.list_all(session, HitFilter(merchant_id=merchant_id), limit=_SHOWN)
        refused = hit_rows(session, found.rows)
    words = risk_words.rules()
    return page(
        "admin/risk_merchant.html",
        status=status,
        nav="risk",
        merchant=merchant,
        public_id=public_id,
        form=form,
        fields=_fields(MERCHANTS_OWN, merchant.mode),
        bars=[
            Bar(
                words[each.rule],
                each.used,
                risk_words.measured(each.rule, each.used),
                each.maximum,
                risk_words.measured(each.rule, each.maximum),
                tone_of(each.used, each.maximum),
            )
            for each in used
        ],
        switches=[
            (switch.value, *text, frozen.get(switch))
            for switch, text in risk_words.switches().items()
        ],
        hits=refused,
        deeds=risk_words.deeds_of(deeds),
    )


def _channels(form: Form | None = None, *, status: int = 200) -> Response:
    with transaction(PLATFORM) as session:
        form = form or _form(limits.were_set(session), CHANNELS)
        deeds = list_entries(session, action="risk.set_limits", limit=_SHOWN).rows
    return page(
        "admin/risk_channels.html",
        status=status,
        nav="risk",
        form=form,
        fields=_fields(CHANNELS, Mode.LIVE),
        deeds=risk_words.deeds_of(deeds),
    )


def _fields(rules: tuple[Rule, ...], mode: Mode) -> list[Field]:
    words = risk_words.rules()
    return [
        Field(
            rule.value,
            words[rule],
            "CNY" if LIMITS[rule].is_amount else "",
            risk_words.measured(rule, LIMITS[rule].default(mode)),
        )
        for rule in rules
    ]


def _form(were_set: Mapping[Rule, int], rules: tuple[Rule, ...]) -> Form:
    return blank(**{rule.value: _typed(rule, were_set.get(rule)) for rule in rules})


def _typed(rule: Rule, maximum: int | None) -> str:
    """Write a limit as it is typed."""
    if maximum is None:
        return ""
    if LIMITS[rule].is_amount:
        return plain(Money(maximum, Currency.CNY).major)
    return str(maximum)


def _read(form: Form, rules: tuple[Rule, ...]) -> dict[Rule, int | None]:
    """Read what was typed. Raises InvalidAmount and Invalid."""
    return {rule: _maximum(rule, form.values[rule.value].strip()) for rule in rules}


def _maximum(rule: Rule, text: str) -> int | None:
    if not text:
        return None
    if LIMITS[rule].is_amount:
        return read_amount(text, Currency.CNY, path=rule.value).minor
    if not (text.isascii() and text.isdecimal() and len(text) <= _LONGEST):
        raise Invalid(_("Write a whole number, or nothing."), path=rule.value)
    return int(text)


def _switch(text: str) -> Switch:
    if text not in {switch.value for switch in Switch}:
        abort(404)
    return Switch(text)
