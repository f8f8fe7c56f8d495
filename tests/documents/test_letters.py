"""A name in any script is printed in its own letters, and nothing of it is lost on the way back."""

# ruff: noqa: RUF001  # letters of other scripts look like ours

import unicodedata
from dataclasses import replace

import pytest

from app.core.language import Language
from app.documents.fonts import everyday_letters, letters
from app.documents.invoice_print import PrintParty
from app.documents.printing import printable, render_invoice
from tests.documents.prints import INVOICE
from tests.documents.reading import fonts, read

NAMES = (
    "Công ty TNHH Việt Nam",
    "ООО «Ромашка» Їжак",
    "Ελληνική Εταιρεία",
    "株式会社ひらがなカタカナ",
    "주식회사 한글과컴퓨터",
    "شركة النور للتجارة",
    "ئۇيغۇر شىركىتى",
    "חברת אור בע״מ",
    "𠮷野家 㐂 䶮 𬭎 𰻝",
    "ᠮᠣᠩᠭᠣᠯ",
    "ꆈꌠꁱꂷ",
    "ქართული",
    "አማርኛ",
    "🦄🚀 Rocket 💻 Lab ❤ 👍🏽 🇨🇳",
    "𝓕𝓪𝓷𝓬𝔂 ①② Ω≈ç√",
    "Z̸̨͓͆a̷l̴g̶o̸",
)
COMPLEX = (
    "บริษัท น้ำดี จำกัด (มหาชน)",
    "हिन्दी प्राइवेट लिमिटेड",
    "বাংলা কোম্পানি",
    "தமிழ் நிறுவனம்",
    "བོད་ལྗོངས་ཚོང་ལས",
    "ម្ដេចកម្ពុជា",
    "မြန်မာ ကုမ္ပဏီ",
)
"""Scripts whose letters are set in another order, or in pieces, than they are written in."""


def lines_of(names: tuple[str, ...]) -> bytes:
    line = replace(INVOICE.lines[0], metric="")
    lines = tuple(replace(line, description=name) for name in names)
    return render_invoice(replace(INVOICE, lines=lines), language=Language.EN)


def text_of(pdf: bytes) -> str:
    return "\n".join(page.extract_text() for page in read(pdf).pages)


def warnings_of(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return what the printer warned of; servers of other tests log in this process, too."""
    return [record.getMessage() for record in caplog.records if record.name != "werkzeug"]


def test_names_of_the_world_are_printed_and_copied_out_to_the_letter(
    caplog: pytest.LogCaptureFixture,
) -> None:
    pdf = lines_of(NAMES)

    text = text_of(pdf)

    assert [name for name in NAMES if unicodedata.normalize("NFC", name) not in text] == []
    assert warnings_of(caplog) == []  # no box in place of a letter


def test_no_letter_is_lost_of_scripts_that_are_set_in_pieces(
    caplog: pytest.LogCaptureFixture,
) -> None:
    text = unicodedata.normalize("NFKD", text_of(lines_of(COMPLEX)))

    for name in COMPLEX:
        assert set(unicodedata.normalize("NFKD", name)) <= set(text), name
    assert "นํ้าดี จํากัด (มหาชน)" in text
    assert warnings_of(caplog) == []


def test_a_letter_that_no_font_has_is_spelled_out_by_its_number(
    caplog: pytest.LogCaptureFixture,
) -> None:
    name = "A\ue000B\U0010ffffC\U00031350"
    pdf = render_invoice(
        replace(INVOICE, customer=PrintParty(name=name)), language=Language.ZH_HANS_CN
    )

    assert "A[U+E000]B[U+10FFFF]C[U+31350]" in text_of(pdf)
    assert warnings_of(caplog) == []


def test_signs_that_only_choose_a_look_or_a_direction_are_left_out() -> None:
    assert printable("❤\ufe0f 👩\u200d💻 葛\U000e0100 \u202egpj") == "❤ 👩💻 葛 gpj"
    assert printable("e\u0301") == "é"


def test_everyday_letters_need_no_other_font() -> None:
    assert everyday_letters() < letters()
    assert {ord(char) for char in "账单 Invoice ¥€£ 上海"} <= everyday_letters()
    names = {str(font["/BaseFont"]).partition("+")[2] for font in fonts(lines_of(("Привет",)))}
    assert not any("Noto" in name for name in names)
