"""The data inside a document says what its pages say, the same in every language."""

# ruff: noqa: RUF001  # Chinese punctuation is full-width

from dataclasses import replace
from decimal import Decimal

import msgspec
import pytest

from app.core.language import Language
from app.documents.invoice_print import PrintStep, PrintWorking
from app.documents.machine_readable import CreditNoteData, InvoiceData, credit_note_json
from app.documents.machine_readable import invoice_json as json_of
from app.documents.printing import render_credit_note, render_invoice
from tests.documents.prints import CREDIT_NOTE, INVOICE, PAID, TAXED
from tests.documents.reading import read


def usd(minor: int) -> dict[str, object]:
    return {"amountMinor": minor, "currency": "USD"}


def test_every_amount_of_the_invoice_is_in_it() -> None:
    data = msgspec.json.decode(json_of(TAXED))

    assert (data["schema"], data["version"], data["document"]) == (
        "buffmoney.invoice",
        1,
        "invoice",
    )
    assert (data["number"], data["replaces"]) == ("MER-2026-000001", "MER-2026-000000")
    assert (data["subtotal"], data["total"]) == (usd(12_641), usd(13_335))
    assert data["discounts"] == [{"label": "优惠券 WELCOME10（10%）", "amount": usd(1_405)}]
    assert data["taxes"] == [
        {"percent": "6", "base": usd(11_561), "amount": usd(694)},
        {"percent": "0", "base": usd(1_080), "amount": usd(0)},
    ]
    assert [data[name]["amountMinor"] for name in ("collection", "balanceUsed", "due")] == [
        95_503,
        5_503,
        90_000,
    ]
    assert data["fx"] == {
        "currency": "USD",
        "midpointPer100": "710.50",
        "spreadBps": 80,
        "rate": "7.16184000",
        "source": "中国银行",
        "publishedAt": "2026-06-01T01:30:00Z",
    }


def test_a_line_shows_its_tax_its_discount_and_its_exact_working() -> None:
    step = PrintWorking(
        PrintStep.UNITS,
        above=Decimal(0),
        up_to=None,
        quantity=Decimal(12_345_678),
        unit_price_minor=Decimal("0.001"),
        flat_fee_minor=Decimal(0),
        amount_minor=Decimal("12345.678"),
    )
    line = replace(TAXED.lines[0], working=(step,))

    (data,) = msgspec.json.decode(json_of(replace(TAXED, lines=(line,))))["lines"]

    assert (data["quantity"], data["taxPercent"]) == ("12345678", "6")
    assert (data["amount"], data["discount"], data["tax"]) == (usd(12_346), usd(1_235), usd(667))
    assert data["working"] == [
        {
            "step": "units",
            "above": "0",
            "quantity": "12345678",
            "unitPriceMinor": "0.001",
            "flatFeeMinor": "0",
            "amountMinor": "12345.678",
        }
    ]


def test_what_is_not_there_is_left_out() -> None:
    data = msgspec.json.decode(json_of(INVOICE))

    assert not {"replaces", "taxes", "balanceUsed", "payment", "voidedAt"} & data.keys()


def test_a_receipt_carries_the_payment() -> None:
    data = msgspec.json.decode(json_of(PAID))

    assert data["document"] == "receipt"
    assert data["payment"] == {
        "transaction": "4200001234202606021234567890",
        "paidAt": "2026-06-02T03:04:00Z",
    }


@pytest.mark.parametrize("language", Language)
def test_what_is_attached_reads_back_and_knows_no_language(language: Language) -> None:
    (invoice,) = read(render_invoice(TAXED, language=language)).attachments["invoice.json"]
    (note,) = read(render_credit_note(CREDIT_NOTE, language=language)).attachments[
        "credit-note.json"
    ]

    assert invoice == json_of(TAXED)
    assert msgspec.json.decode(invoice, type=InvoiceData).due.amount_minor == 90_000
    assert note == credit_note_json(CREDIT_NOTE)
    assert msgspec.json.decode(note, type=CreditNoteData).invoice_number == "MER-2026-000001"
