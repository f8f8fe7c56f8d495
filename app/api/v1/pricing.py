"""Pricing without billing: what usage would cost, before anybody is on the prices."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

import msgspec

from app.api.operations import Call
from app.api.reading import InvalidBody
from app.api.v1.base import API, Amount, DecimalText, In, Out
from app.api.v1.invoice_lines import SignedDecimal, TierOut
from app.api.v1.prices import Commitments, ContentIn, Prices
from app.billing.lines import MAX_LINE, LineTooLarge
from app.billing.working import working
from app.core.decimals import parse_quantity, plain
from app.core.errors import NotFound
from app.core.ids import Prefix, read
from app.core.money import Currency
from app.customers.contracts import CurrencyNotPriced
from app.identity.models import Scope
from app.pricing import drafts, queries, rate_cards, trials
from app.pricing.filters import ANY
from app.pricing.parts import RatedPart
from app.pricing.price_sets import Terms, read_terms
from app.pricing.rating import Usage
from app.pricing.trials import Trial, TriedLine, TriedUsage

TAG = "Rate cards"
_ALL_BUT_ONE = 2

Quantity = DecimalText | int


class TriedUsageIn(In):
    """Usage to price: the quantity that a period's events come to, or their amounts in order.

    The amounts are for a percentage with terms per event.
    """

    metric: str
    quantity: Quantity | None = None
    amounts: Annotated[list[Quantity], msgspec.Meta(max_length=1000)] | None = None
    dimensions: dict[str, str] = msgspec.field(default_factory=dict)


class DryRunIn(In):
    """What to price, and at which prices: a version's, a draft's, or those sent along."""

    currency: Currency
    usage: Annotated[list[TriedUsageIn], msgspec.Meta(max_length=500)]
    rate_card_version_id: str | None = None
    draft_of: Annotated[str, msgspec.Meta(description="A rate card's id.")] | None = None
    currencies: Prices | None = None
    commitments: Commitments = msgspec.field(default_factory=dict)


class DryRunLineOut(Out):
    """One line of the invoice it would be; `match` and `group` say which usage it is about."""

    metric: str
    unit: str
    match: dict[str, list[str] | Literal["*"]]
    group: dict[str, str]
    quantity: SignedDecimal
    is_priced: bool
    amount: Amount
    tiers: list[TierOut]

    @classmethod
    def of(cls, line: TriedLine) -> "DryRunLineOut":
        rated = line.rated
        return cls(
            metric=line.metric.code,
            unit=line.metric.unit,
            match={name: _values(values) for name, values in line.match.items()},
            group=dict(rated.part.group) if rated else {},
            quantity=plain(line.quantity),
            is_priced=rated is not None,
            amount=Amount.of(line.amount),
            tiers=_tiers(rated) if rated else [],
        )


class DryRunOut(Out):
    """What a whole period of this usage comes to. `commitment` is what it misses to that."""

    lines: list[DryRunLineOut]
    commitment: Amount
    total: Amount


@API.route(
    "POST",
    "/pricing/dry-run",
    scope=Scope.CATALOG_READ,
    tag=TAG,
    body=DryRunIn,
    returns=DryRunOut,
    errors=(404,),
    example={
        "currency": "USD",
        "usage": [{"metric": "agent_runs", "quantity": "1200"}],
        "currencies": {
            "USD": [
                {
                    "metric": "agent_runs",
                    "model": "graduated",
                    "tiers": [
                        {"upTo": "1000", "unitPrice": "4"},
                        {"upTo": None, "unitPrice": "3"},
                    ],
                }
            ]
        },
    },
)
def dry_run_pricing(call: Call, body: DryRunIn) -> DryRunOut:
    """Price usage as an invoice of a whole period would; nothing is stored."""
    terms = _terms(call, body)
    usages = [_usage(each, f"usage[{number}]") for number, each in enumerate(body.usage)]
    trial = trials.price_usage(terms, usages, metrics=queries.all_metrics(call.session))
    _refuse_large(trial)
    return DryRunOut(
        lines=[DryRunLineOut.of(line) for line in trial.lines],
        commitment=Amount.of(trial.missing),
        total=Amount.of(trial.total),
    )


def _terms(call: Call, body: DryRunIn) -> Terms:
    terms = read_terms(_content(call, body), body.currency)
    if not terms.prices:
        raise CurrencyNotPriced(f"there are no prices in {body.currency}", path="currency")
    return terms


def _content(call: Call, body: DryRunIn) -> Mapping[str, Any]:
    """Return the one content that is asked for. Raises Invalid and NotFound."""
    if [body.rate_card_version_id, body.draft_of, body.currencies].count(None) != _ALL_BUT_ONE:
        raise InvalidBody(
            "give either `rateCardVersionId`, `draftOf` or `currencies`", path="currencies"
        )
    if body.currencies is not None:
        sent = ContentIn(currencies=body.currencies, commitments=body.commitments)
        return rate_cards.judge_content(call.session, sent.document())
    if body.draft_of is not None:
        draft = drafts.find_draft(call.session, read(Prefix.RATE_CARD, body.draft_of))
        if draft is None:
            raise NotFound("this rate card has no draft")
        return draft.content
    version_id = read(Prefix.RATE_CARD_VERSION, body.rate_card_version_id or "")
    return queries.get_version(call.session, version_id).content


def _usage(given: TriedUsageIn, path: str) -> TriedUsage:
    if (given.quantity is None) == (given.amounts is None):
        raise InvalidBody("give either this or `amounts`", path=f"{path}.quantity")
    usage: Usage = [
        parse_quantity(amount, path=f"{path}.amounts[{number}]")
        for number, amount in enumerate(given.amounts or [])
    ]
    if given.quantity is not None:
        usage = parse_quantity(given.quantity, path=f"{path}.quantity")
    return TriedUsage(given.metric, usage, given.dimensions)


def _refuse_large(trial: Trial) -> None:
    for amount in (trial.missing, *(line.amount for line in trial.lines)):
        if amount.minor > MAX_LINE:
            raise LineTooLarge("this comes to more than we bill")


def _values(values: Sequence[str]) -> list[str] | Literal["*"]:
    return ANY if list(values) == [ANY] else list(values)


def _tiers(rated: RatedPart) -> list[TierOut]:
    return [TierOut(**row) for row in working(rated.price, rated.rated)]
