"""The data a document was printed from, as JSON inside it: amounts exact, languages none.

Readers find their way by `schema` and `version`: fields may be added within a version, and
nothing else changes. Amounts are integers of minor units; rates, prices and quantities are
decimals as text; days of a period are local, and its last day is not in it.
"""

from collections.abc import Iterable
from datetime import UTC, date, datetime
from decimal import Decimal

import msgspec

from app.core.decimals import plain
from app.core.money import Currency, Money
from app.documents.credit_note_print import CreditNotePrint
from app.documents.invoice_print import (
    InvoicePrint,
    PrintLine,
    PrintParty,
    PrintRate,
    PrintTax,
    PrintWorking,
)

VERSION = 1


class _Data(msgspec.Struct, rename="camel", omit_defaults=True):
    """What is not there is left out."""


class AmountData(_Data):
    amount_minor: int
    currency: Currency


class PartyData(_Data):
    name: str
    reference: str = ""
    tax_id: str = ""
    address: str = ""


class StepData(_Data):
    step: str
    above: str
    quantity: str
    unit_price_minor: str
    flat_fee_minor: str
    amount_minor: str
    up_to: str | None = None
    package_size: str | None = None


class LineData(_Data):
    kind: str
    description: str
    amount: AmountData
    metric: str = ""
    quantity: str | None = None
    unit: str = ""
    discount: AmountData | None = None
    tax_percent: str | None = None
    tax: AmountData | None = None
    late_from: date | None = None
    late_through: date | None = None
    working: list[StepData] = []


class DiscountData(_Data):
    label: str
    amount: AmountData


class TaxData(_Data):
    percent: str
    base: AmountData
    amount: AmountData
    is_inclusive: bool = False


class RateData(_Data):
    currency: Currency
    midpoint_per_100: str = msgspec.field(name="midpointPer100")
    spread_bps: int
    rate: str
    source: str
    published_at: datetime


class PaymentData(_Data):
    transaction: str
    paid_at: datetime


class InvoiceData(_Data):
    """An invoice, its receipt, or that it is void, as `document` says."""

    schema: str
    version: int
    document: str
    id: str
    number: str
    issued_at: datetime
    time_zone: str
    seller: PartyData
    buyer: PartyData
    lines: list[LineData]
    subtotal: AmountData
    total: AmountData
    collection: AmountData
    due: AmountData
    replaces: str = ""
    note: str = ""
    due_at: datetime | None = None
    period_from: date | None = None
    period_to: date | None = None
    discounts: list[DiscountData] = []
    taxes: list[TaxData] = []
    balance_used: AmountData | None = None
    credited: AmountData | None = None
    fx: RateData | None = None
    payment: PaymentData | None = None
    paid_at: datetime | None = None
    voided_at: datetime | None = None
    void_reason: str = ""
    replaced_by: str = ""
    is_sandbox: bool = False


class CreditLineData(_Data):
    description: str
    amount: AmountData
    discount: AmountData | None = None
    tax_percent: str | None = None
    tax: AmountData | None = None


class CreditNoteData(_Data):
    """A credit note: what it takes off the invoice it names. Amounts are not below zero."""

    schema: str
    version: int
    id: str
    number: str
    invoice_number: str
    issued_at: datetime
    time_zone: str
    seller: PartyData
    buyer: PartyData
    reason: str
    lines: list[CreditLineData]
    subtotal: AmountData
    total: AmountData
    collection: AmountData
    to_balance: AmountData
    note: str = ""
    taxes: list[TaxData] = []
    fx: RateData | None = None
    is_sandbox: bool = False


def invoice_json(invoice: InvoicePrint) -> bytes:
    """Write what `invoice` says as JSON: the same bytes for the same print."""
    return _written(
        InvoiceData(
            schema="buffmoney.invoice",
            version=VERSION,
            document=invoice.form.value,
            id=invoice.reference,
            number=invoice.number,
            replaces=invoice.replaces,
            note=invoice.note,
            issued_at=_utc(invoice.issued_at),
            due_at=_utc_or_none(invoice.due_at),
            time_zone=invoice.zone,
            period_from=invoice.period_from,
            period_to=invoice.period_to,
            seller=_party(invoice.merchant),
            buyer=_party(invoice.customer),
            lines=[_line(line) for line in invoice.lines],
            discounts=[
                DiscountData(each.label, _amount(each.amount)) for each in invoice.discounts
            ],
            subtotal=_amount(invoice.subtotal),
            taxes=_taxes(invoice.taxes),
            total=_amount(invoice.priced),
            collection=_amount(invoice.collection),
            balance_used=_amount_or_none(invoice.balance_used),
            credited=_amount_or_none(invoice.credited),
            due=_amount(invoice.due),
            fx=_rate(invoice.rate),
            payment=_payment(invoice),
            paid_at=_utc_or_none(invoice.paid_at),
            voided_at=_utc_or_none(invoice.voided_at),
            void_reason=invoice.void_reason,
            replaced_by=invoice.replaced_by,
            is_sandbox=invoice.is_sandbox,
        )
    )


def credit_note_json(note: CreditNotePrint) -> bytes:
    """Write what a credit note says as JSON: the same bytes for the same print."""
    return _written(
        CreditNoteData(
            schema="buffmoney.credit_note",
            version=VERSION,
            id=note.reference,
            number=note.number,
            invoice_number=note.invoice_number,
            issued_at=_utc(note.issued_at),
            time_zone=note.zone,
            seller=_party(note.merchant),
            buyer=_party(note.customer),
            reason=note.reason.value,
            note=note.note,
            lines=[
                CreditLineData(
                    line.description,
                    _amount(line.amount),
                    _amount_or_none(line.discount),
                    _plain_or_none(line.tax_percent),
                    _amount_or_none(line.tax),
                )
                for line in note.lines
            ],
            subtotal=_amount(note.subtotal),
            taxes=_taxes(note.taxes),
            total=_amount(note.priced),
            collection=_amount(note.collection),
            to_balance=_amount(note.to_balance),
            fx=_rate(note.rate),
            is_sandbox=note.is_sandbox,
        )
    )


def _written(data: _Data) -> bytes:
    return msgspec.json.format(msgspec.json.encode(data), indent=2)


def _line(line: PrintLine) -> LineData:
    late_from, late_through = line.late_days or (None, None)
    return LineData(
        kind=line.kind.value,
        description=line.description,
        amount=_amount(line.amount),
        metric=line.metric,
        quantity=_plain_or_none(line.quantity),
        unit=line.unit,
        discount=_amount_or_none(line.discount),
        tax_percent=_plain_or_none(line.tax_percent),
        tax=_amount_or_none(line.tax),
        late_from=late_from,
        late_through=late_through,
        working=[_step(step) for step in line.working],
    )


def _step(step: PrintWorking) -> StepData:
    return StepData(
        step=step.step.value,
        above=plain(step.above),
        up_to=_plain_or_none(step.up_to),
        quantity=plain(step.quantity),
        unit_price_minor=plain(step.unit_price_minor),
        flat_fee_minor=plain(step.flat_fee_minor),
        amount_minor=plain(step.amount_minor),
        package_size=_plain_or_none(step.package_size),
    )


def _taxes(taxes: Iterable[PrintTax]) -> list[TaxData]:
    return [
        TaxData(plain(tax.percent), _amount(tax.base), _amount(tax.amount), tax.is_inclusive)
        for tax in taxes
    ]


def _party(party: PrintParty) -> PartyData:
    return PartyData(party.name, party.reference, party.tax_id, party.address)


def _rate(rate: PrintRate | None) -> RateData | None:
    if rate is None:
        return None
    return RateData(
        currency=rate.currency,
        midpoint_per_100=f"{rate.midpoint:f}",
        spread_bps=rate.spread_bps,
        rate=f"{rate.rate:f}",
        source=rate.source,
        published_at=_utc(rate.published_at),
    )


def _payment(invoice: InvoicePrint) -> PaymentData | None:
    if invoice.payment is None:
        return None
    return PaymentData(invoice.payment.transaction, _utc(invoice.payment.paid_at))


def _amount(money: Money) -> AmountData:
    return AmountData(money.minor, money.currency)


def _amount_or_none(money: Money | None) -> AmountData | None:
    return None if money is None else _amount(money)


def _plain_or_none(value: Decimal | None) -> str | None:
    return None if value is None else plain(value)


def _utc(moment: datetime) -> datetime:
    return moment.astimezone(UTC)


def _utc_or_none(moment: datetime | None) -> datetime | None:
    return None if moment is None else _utc(moment)
