"""Invoices to print: the one of the worked example, and variations of it."""

# ruff: noqa: RUF001  # Chinese punctuation is full-width

from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal

from app.core.money import Currency, Money
from app.documents.credit_note_print import CreditNotePrint, PrintCreditLine, PrintReason
from app.documents.invoice_print import (
    InvoicePrint,
    PrintDiscount,
    PrintForm,
    PrintLine,
    PrintParty,
    PrintPayment,
    PrintRate,
    PrintTax,
    PrintTier,
)


def usd(minor: int) -> Money:
    return Money(minor, Currency.USD)


def cny(minor: int) -> Money:
    return Money(minor, Currency.CNY)


INVOICE = InvoicePrint(
    reference="inv_0000000000001",
    number="MER-2026-000001",
    merchant=PrintParty(
        name="BuffMoney Pte. Ltd.", tax_id="201912345K", address="1 Raffles Place, Singapore 048616"
    ),
    customer=PrintParty(
        name="北京堃昇镕喆祎頔犇科技有限公司",
        reference="cust_8812",
        tax_id="91110000600037341L",
        address="北京市海淀区中关村大街 27 号 1101 室",
    ),
    zone="Asia/Shanghai",
    period_from=date(2026, 5, 1),
    period_to=date(2026, 6, 1),
    issued_at=datetime(2026, 6, 1, 16, 0, tzinfo=UTC),
    due_at=datetime(2026, 7, 1, 16, 0, tzinfo=UTC),
    lines=(
        PrintLine(
            description="大模型推理 gpt-5",
            metric="tokens_input",
            quantity=Decimal(12_345_678),
            unit="token",
            unit_price="US$0.00001",
            amount=usd(12_346),
        ),
        PrintLine(
            description="大模型推理 其他模型",
            metric="tokens_input",
            quantity=Decimal(3_000_000),
            unit="token",
            amount=usd(500),
            tiers=(
                PrintTier(Decimal(0), Decimal(1_000_000), Decimal(1_000_000), "—", "US$0.00"),
                PrintTier(Decimal(1_000_000), None, Decimal(2_000_000), "US$0.0000025", "US$5.00"),
            ),
        ),
        PrintLine(
            description="图片生成",
            metric="images",
            quantity=Decimal(250),
            unit="张",
            unit_price="US$4.00 / 100",
            amount=usd(1_200),
        ),
    ),
    discounts=(PrintDiscount("优惠券 WELCOME10（10%）", usd(1_405)),),
    subtotal=usd(12_641),
    collection=cny(90_533),
    rate=PrintRate(
        currency=Currency.USD,
        midpoint=Decimal("710.50"),
        spread_bps=80,
        rate=Decimal("7.16184000"),
        source="中国银行",
        published_at=datetime(2026, 6, 1, 1, 30, tzinfo=UTC),
    ),
)
PAID = replace(
    INVOICE,
    form=PrintForm.RECEIPT,
    paid_at=datetime(2026, 6, 2, 3, 4, tzinfo=UTC),
    payment=PrintPayment(
        channel="微信支付 Native",
        transaction="4200001234202606021234567890",
        paid_at=datetime(2026, 6, 2, 3, 4, tzinfo=UTC),
    ),
)
TAXED = replace(
    INVOICE,
    lines=(
        replace(INVOICE.lines[0], discount=usd(1_235), tax=usd(667), tax_percent=Decimal("6.0000")),
        replace(INVOICE.lines[1], discount=usd(50), tax=usd(27), tax_percent=Decimal(6)),
        replace(INVOICE.lines[2], discount=usd(120), tax=usd(0), tax_percent=Decimal(0)),
    ),
    taxes=(
        PrintTax(Decimal("6.0000"), base=usd(11_561), amount=usd(694)),
        PrintTax(Decimal(0), base=usd(1_080), amount=usd(0)),
    ),
    total=usd(13_335),
    collection=cny(95_503),
    balance_used=cny(5_503),
    replaces="MER-2026-000000",
)
CREDIT_NOTE = CreditNotePrint(
    reference="cn_0000000000001",
    number="MER-CN-2026-000001",
    invoice_number=INVOICE.number,
    invoice_issued_at=INVOICE.issued_at,
    merchant=INVOICE.merchant,
    customer=INVOICE.customer,
    zone=INVOICE.zone,
    issued_at=datetime(2026, 6, 20, 2, 0, tzinfo=UTC),
    reason=PrintReason.SERVICE_FAILURE,
    note="图片生成失败，按约定退还。",
    lines=(
        PrintCreditLine("图片生成", usd(1_200), usd(120), tax=usd(65), tax_percent=Decimal(6)),
        PrintCreditLine("大模型推理 gpt-5", usd(100), tax=usd(6), tax_percent=Decimal(6)),
    ),
    subtotal=usd(1_180),
    taxes=(PrintTax(Decimal(6), base=usd(1_180), amount=usd(71)),),
    total=usd(1_251),
    collection=cny(8_959),
    to_balance=cny(3_000),
    rate=INVOICE.rate,
)


def with_lines(count: int) -> InvoicePrint:
    """Return an invoice of `count` alike lines of 0.01 USD."""
    line = replace(INVOICE.lines[0], amount=usd(1))
    return replace(INVOICE, lines=(line,) * count, subtotal=usd(count), discounts=())
