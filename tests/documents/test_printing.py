"""An invoice prints as it is, in both languages, the same bytes each time, and fetches nothing."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date
from decimal import Decimal
from io import BytesIO
from pathlib import Path

import pytest
from pypdf import PdfReader
from pypdf.generic import DictionaryObject, StreamObject

from app.core.language import Language
from app.core.money import Currency, Money
from app.documents.fonts import FontsMissing
from app.documents.invoice_print import (
    InvoicePrint,
    PrintLine,
    PrintLineKind,
    PrintParty,
    PrintStatus,
    PrintStep,
    PrintTier,
)
from app.documents.printing import OutsideResource, print_page, printable, render_invoice
from app.documents.wording import EN, ZH
from tests.documents.prints import INVOICE, PAID, usd, with_lines


def read(pdf: bytes) -> PdfReader:
    return PdfReader(BytesIO(pdf))


def text(invoice: InvoicePrint, language: Language = Language.ZH_HANS_CN) -> str:
    """Return the words of the page with single spaces, as a reader or a search would find them."""
    pages = read(render_invoice(invoice, language=language)).pages
    return " ".join(" ".join(page.extract_text() for page in pages).split())


def fonts(pdf: bytes) -> set[str]:
    """Return the names of the fonts of the first page, without the tags of their subsets."""
    resources = read(pdf).pages[0]["/Resources"].get_object()
    assert isinstance(resources, DictionaryObject)
    embedded = resources["/Font"].get_object()
    assert isinstance(embedded, DictionaryObject)
    names = [font.get_object()["/BaseFont"] for font in embedded.values()]
    return {str(name).partition("+")[2] for name in names}


def test_a_chinese_bill_says_what_is_owed_and_why() -> None:
    page = text(INVOICE)

    for fact in (
        "账单 Invoice",
        "编号 MER-2026-000001",
        "计费周期 2026-05-01 至 2026-05-31",
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
        "2026-06-01 09:30 Asia/Shanghai",
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


@pytest.mark.parametrize("status", PrintStatus)
def test_every_status_has_a_stamp_in_both_languages(status: PrintStatus) -> None:
    assert ZH[f"status.{status}"] in text(replace(INVOICE, status=status))
    assert EN[f"status.{status}"]


def test_both_languages_have_the_same_words() -> None:
    assert ZH.keys() == EN.keys()


def test_a_bill_in_yuan_shows_no_exchange_rate() -> None:
    yuan = Money(14_900, Currency.CNY)
    line = replace(INVOICE.lines[0], amount=yuan)
    page = text(
        replace(
            INVOICE,
            lines=(line,),
            adjustments=(),
            subtotal=yuan,
            tax=None,
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


def test_the_pdf_is_made_for_the_archive() -> None:
    document = read(render_invoice(INVOICE, language=Language.ZH_HANS_CN))

    stream = document.root_object["/Metadata"].get_object()
    assert isinstance(stream, StreamObject)
    metadata = stream.get_data().decode()
    assert 'pdfaid:part="3"' in metadata or "<pdfaid:part>3" in metadata
    assert document.metadata is not None
    assert document.metadata.title == "账单 MER-2026-000001"
    assert str(document.metadata.get("/CreationDate")) == "D:20260601160000+00'00"


def test_only_our_fonts_are_embedded_and_the_large_one_only_for_rare_names() -> None:
    common = replace(INVOICE, customer=PrintParty(name="上海智谱信息科技有限公司"))

    assert fonts(render_invoice(INVOICE, language=Language.ZH_HANS_CN)) == {
        "Document-Sans",
        "Document-Sans-Bold",
        "Document-Sans-Rare-Bold",
    }
    assert fonts(render_invoice(common, language=Language.ZH_HANS_CN)) == {
        "Document-Sans",
        "Document-Sans-Bold",
    }


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
    assert read(pdf).attachments == {}


@pytest.mark.parametrize(
    "markup",
    [
        "<img src='file:///etc/passwd'>",
        "<img src='http://127.0.0.1:9/x.png'>",
        "<img src='data:image/png;base64,AAAA'>",
        "<link rel=attachment href='file:///etc/passwd'>",
        "<a rel=attachment href='file:///etc/passwd'>x</a>",
        "<style>@import url('http://127.0.0.1:9/')</style>",
        "<style>@font-face { font-family: x; src: url('file:///x.ttf') }</style>",
        "<p style='background: url(http://127.0.0.1:9/)'>x</p>",
        "<object data='http://127.0.0.1:9/'></object>",
        "<base href='http://127.0.0.1:9/'><img src=x>",
    ],
)
def test_a_page_that_asks_for_anything_is_not_printed(markup: str) -> None:
    with pytest.raises(OutsideResource, match=r"file:|http:|data:"):
        print_page(f"<p>{markup}</p>", identifier=b"1")


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
