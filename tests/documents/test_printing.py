"""An invoice prints as it is, in both languages, the same bytes each time, and fetches nothing."""

# ruff: noqa: RUF001  # Chinese punctuation is full-width

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from app.core.language import Language
from app.core.money import Currency, Money
from app.documents.fonts import FontsMissing
from app.documents.invoice_print import (
    PrintBrand,
    PrintForm,
    PrintLine,
    PrintLineKind,
    PrintParty,
    PrintStep,
    PrintTax,
    PrintTier,
)
from app.documents.printing import printable, render_credit_note, render_invoice
from app.documents.wording import EN, ZH
from tests.documents.prints import CREDIT_NOTE, INVOICE, PAID, TAXED, cny, usd, with_lines
from tests.documents.reading import picture, read, text


def contents(page: Any) -> str:
    """Return how a page is drawn."""
    return str(page.get_contents().get_data())


def test_a_chinese_bill_says_what_is_owed_and_why() -> None:
    page = text(INVOICE)

    for fact in (
        "账单 Invoice",
        "编号 MER-2026-000001",
        "计费周期 2026-05-01 至 2026-05-31, 北京时间",
        "北京堃昇镕喆祎頔犇科技有限公司",
        "客户编号 cust_8812",
        "开具 2026-06-02",
        "到期 2026-07-02",
        "12,345,678",
        "US$0.0000025",
        "1,000,000 以上",
        "-US$14.05",
        "US$126.41",
        "1 USD = 7.16184000 CNY",
        "710.50",
        "0.80%",
        "中国银行",
        "2026-06-01 09:30 北京时间",
        "应付人民币 ¥905.33",
        "人民币玖佰零伍元叁角叁分",
        "本账单不作为发票或税务凭证",
        "1 / 1",
    ):
        assert fact in page


def test_an_english_bill_says_the_same() -> None:
    page = text(INVOICE, Language.EN)

    for fact in (
        "Invoice 账单",
        "Billing period 2026-05-01 to 2026-05-31",
        "Due in CNY CN¥905.33",
        "人民币玖佰零伍元叁角叁分",
        "This document is not a VAT fapiao.",
    ):
        assert fact in page


def test_the_payment_is_printed_once_there_is_one() -> None:
    assert "4200001234202606021234567890" in text(PAID)
    assert "已付人民币 ¥905.33" in text(PAID)
    assert "渠道交易号" not in text(INVOICE)


def test_both_languages_have_the_same_words() -> None:
    assert ZH.keys() == EN.keys()


def test_a_bill_in_yuan_shows_no_exchange_rate() -> None:
    yuan = Money(14_900, Currency.CNY)
    line = replace(INVOICE.lines[0], amount=yuan)
    page = text(
        replace(
            INVOICE,
            lines=(line,),
            discounts=(),
            subtotal=yuan,
            collection=yuan,
            rate=None,
            period_from=None,
            period_to=None,
        )
    )

    assert "壹佰肆拾玖元整" in page
    assert "汇率" not in page
    assert "计费周期" not in page


def test_a_sandbox_bill_can_not_be_taken_for_a_real_one() -> None:
    assert text(replace(INVOICE, is_sandbox=True)).count("沙箱文件") == 2
    assert "沙箱" not in text(INVOICE)


def test_a_hundred_lines_repeat_their_head_and_number_their_pages() -> None:
    pages = read(render_invoice(with_lines(100), language=Language.EN)).pages

    assert [page.extract_text().count("Unit price") for page in pages] == [1] * len(pages)
    assert f"{len(pages)} / {len(pages)}" in pages[-1].extract_text()
    assert "MER-2026-000001" in pages[1].extract_text()
    assert sum(page.extract_text().count("$0.01") for page in pages) == 100


def test_the_same_invoice_prints_the_same_bytes() -> None:
    first = render_invoice(PAID, language=Language.ZH_HANS_CN)

    assert render_invoice(PAID, language=Language.ZH_HANS_CN) == first
    assert render_invoice(replace(PAID, reference="inv_2"), language=Language.ZH_HANS_CN) != first


def test_threads_take_turns_at_the_press() -> None:
    with ThreadPoolExecutor(4) as pool:
        copies = set(
            pool.map(lambda _: render_invoice(PAID, language=Language.EN), range(8), timeout=60)
        )

    assert len(copies) == 1


@pytest.mark.parametrize(
    "name",
    [
        "<img src=http://127.0.0.1:9/x.png>",
        "<link rel=attachment href=file:///etc/passwd>",
        "<style>@import url(http://127.0.0.1:9/)</style>",
        "<table><td colspan=1000000>",
        "{{7*7}} {% include 'x' %} ${1} %s {0.__class__}",
        "=cmd()|'/C calc'!A0",
        'O\'Neil & "Söhne"',
    ],
)
def test_a_name_is_printed_to_the_letter(name: str) -> None:
    pdf = render_invoice(
        replace(
            INVOICE,
            customer=PrintParty(name=name),
            merchant=PrintParty(name=name),
            lines=(replace(INVOICE.lines[0], description=name, metric=name),),
        ),
        language=Language.EN,
    )

    words = "".join(read(pdf).pages[0].extract_text().split())
    assert words.count("".join(name.split())) >= 3
    assert list(read(pdf).attachments) == ["invoice.json"]


def test_control_and_direction_characters_are_dropped_and_endless_names_cut() -> None:
    assert printable("a\x00b\u202egpj.exe\ud800\tc\nd") == "abgpj.exe c d"
    assert printable("字" * 200_000) == "字" * 500 + "…"
    assert "…" in text(replace(INVOICE, customer=PrintParty(name="宽" * 200_000)))


def test_a_missing_font_is_refused_before_a_page_of_boxes_is_printed(tmp_path: Path) -> None:
    with pytest.raises(FontsMissing, match="NotoSansSC-GB2312-Regular"):
        render_invoice(INVOICE, language=Language.EN, fonts=tmp_path)


def test_a_bill_names_late_usage_and_commitments_in_its_language() -> None:
    late = replace(
        INVOICE.lines[1],
        kind=PrintLineKind.LATE,
        late_days=(date(2026, 4, 1), date(2026, 4, 30)),
        tiers=(PrintTier(Decimal(0), None, None, "", "-US$1.00", PrintStep.BILLED),),
    )
    commitment = PrintLine("Minimum commitment", usd(800), kind=PrintLineKind.COMMITMENT)
    invoice = replace(INVOICE, lines=(late, commitment))

    chinese, english = text(invoice), text(invoice, Language.EN)

    assert "迟到用量 2026-04-01 至 2026-04-30" in chinese
    assert "已出账" in chinese
    assert "最低消费补足" in chinese
    assert "Minimum commitment" not in chinese
    assert "Late usage 2026-04-01 to 2026-04-30" in english
    assert "Billed before" in english


def test_what_coupons_tax_and_the_balance_made_of_the_lines_is_shown_step_by_step() -> None:
    page = text(TAXED)

    for fact in (
        "优惠 -US$12.35",
        "税率",
        "项目合计 US$140.46",
        "优惠券 WELCOME10（10%） -US$14.05",
        "小计（不含税） US$126.41",
        "税额 6% US$6.94",
        "税额 0% US$0.00",
        "价税合计 US$133.35",
        "折合人民币 ¥955.03",
        "余额抵扣 -¥55.03",
        "应付人民币 ¥900.00",
        "人民币玖佰元整",
        "替代账单 MER-2026-000000",
    ):
        assert fact in page


def test_tax_that_prices_contained_says_so() -> None:
    tax = PrintTax(Decimal(6), base=usd(12_641), amount=usd(758), is_inclusive=True)

    assert "税额 6%（价内） US$7.58" in text(replace(INVOICE, taxes=(tax,)))
    assert "Tax 6% (in prices) $7.58" in text(replace(INVOICE, taxes=(tax,)), Language.EN)


def test_the_invoice_stays_as_issued_and_the_receipt_is_a_document_of_its_own() -> None:
    receipt = text(PAID)

    assert "收据 Receipt" in receipt
    assert "支付 2026-06-02" in receipt
    assert "到期" not in receipt
    for word in ("已支付", "渠道交易号", "收据"):
        assert word not in text(replace(PAID, form=PrintForm.INVOICE))


def test_a_void_invoice_is_told_by_a_document_of_its_own() -> None:
    void = replace(
        INVOICE,
        form=PrintForm.VOID,
        voided_at=datetime(2026, 6, 3, 4, 0, tzinfo=UTC),
        void_reason="价格表选错",
    )

    page = text(void)

    for fact in ("账单作废通知", "已作废", "作废 2026-06-03", "作废原因 价格表选错", "作废金额"):
        assert fact in page
    replaced = text(replace(void, replaced_by="MER-2026-000009"))
    assert "由新账单替代： MER-2026-000009" in replaced
    assert "价格表选错" not in replaced
    assert "应付" not in page


def test_an_invoice_that_the_balance_paid_asks_for_nothing() -> None:
    page = text(replace(INVOICE, balance_used=cny(90_533)))

    assert "应付人民币 ¥0.00" in page
    assert "人民币零元整" in page
    assert "本账单无需支付" in page


@pytest.mark.parametrize("language", Language)
def test_a_credit_note_says_what_it_corrects_by_how_much_and_why(language: Language) -> None:
    page = text(CREDIT_NOTE, language)

    for fact in (
        "MER-CN-2026-000001",
        "MER-2026-000001",
        "图片生成失败，按约定退还。",
        "-$1.20" if language is Language.EN else "优惠 -US$1.20",
        "Service failure" if language is Language.EN else "服务未达标",
        "¥30.00",
        "¥59.59",
        "$0.71",
        "$12.51",
        "¥89.59",
        "人民币捌拾玖元伍角玖分",
        "7.16184000",
    ):
        assert fact in page
    assert ("贷记单 Credit note" in page) is (language is Language.ZH_HANS_CN)


def test_the_merchants_logo_colour_and_last_words_are_on_every_document() -> None:
    brand = PrintBrand(picture(), "#0f766e", "开户行：招商银行\n谢谢 <b>惠顾</b>")

    for pdf in (
        render_invoice(replace(INVOICE, brand=brand), language=Language.EN),
        render_credit_note(replace(CREDIT_NOTE, brand=brand), language=Language.EN),
    ):
        (page,) = read(pdf).pages
        assert len(page.images) == 1
        assert "0.05882" in contents(page)  # 0x0f of 0xff: the colour's red
        words = " ".join(page.extract_text().split())
        assert "开户行：招商银行 谢谢 <b>惠顾</b>" in words


def test_a_bill_without_lines_says_so() -> None:
    assert "本期无计费项目" in text(replace(INVOICE, lines=(), discounts=()))
