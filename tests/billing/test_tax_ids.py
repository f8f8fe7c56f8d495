"""A tax number is taken in its printed form, or refused: one wrong character is always found."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.billing import tax_ids
from app.billing.tax_ids import InvalidTaxId, clean_tax_id

CREDIT_CODES = [
    "91350100M000100Y43",  # the standard's own example
    "914403001922038216",  # Huawei
    "9144030071526726XG",  # Tencent
    "91330100799655058B",  # Alibaba
    "91110000802100433B",  # Baidu
    "9111000071093123XX",  # China Mobile
    "12100000400000624D",  # Tsinghua University: a public institution
]
DIGITS = "0123456789ABCDEFGHJKLMNPQRTUWXY"
FULL_WIDTH = "".join(chr(ord(char) + 0xFEE0) for char in "91350100M000100Y43")
BODIES = st.builds(
    "{}{}{}".format,
    st.text(DIGITS, min_size=2, max_size=2),
    st.text("0123456789", min_size=6, max_size=6),
    st.text(DIGITS, min_size=9, max_size=9),
)


@pytest.mark.parametrize("number", CREDIT_CODES)
def test_a_published_credit_code_is_taken(number: str) -> None:
    assert clean_tax_id(number) == number


@pytest.mark.parametrize("number", CREDIT_CODES)
def test_every_single_wrong_character_of_a_credit_code_is_found(number: str) -> None:
    wrong = [
        number[:place] + char + number[place + 1 :]
        for place in range(18)
        for char in "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
        if char != number[place]
    ]

    assert len(wrong) == 18 * 35
    taken = [
        text for text in wrong if tax_ids.is_credit_code(text) or tax_ids.is_identity_number(text)
    ]
    assert taken == []


@given(BODIES)
def test_every_body_has_exactly_one_check_character(body: str) -> None:
    fitting = [char for char in DIGITS if tax_ids.is_credit_code(body + char)]

    assert len(fitting) == 1


@given(BODIES, st.integers(0, 16), st.sampled_from(DIGITS))
def test_one_wrong_character_never_passes(body: str, place: int, char: str) -> None:
    (check,) = (char for char in DIGITS if tax_ids.is_credit_code(body + char))
    wrong = body[:place] + char + body[place + 1 :]

    assert tax_ids.is_credit_code(wrong + check) == (wrong == body)


def test_the_standards_wrong_example_is_refused() -> None:
    with pytest.raises(InvalidTaxId):
        clean_tax_id("91350100M000100Y4Z")


@pytest.mark.parametrize(
    "number",
    [
        "110108551385082",  # an area and an organisation's code
        "31011577150361X",  # the organisation's check digit may be X
        "11010849123100201",  # an identity number of 15 and a serial
        "11010519491231002X",  # an identity number: the example of GB 11643
        "11010519491231002X01",  # and a serial
    ],
)
def test_the_older_forms_are_taken(number: str) -> None:
    assert clean_tax_id(number) == number


@pytest.mark.parametrize("place", range(17))
def test_one_wrong_digit_of_an_identity_number_is_found(place: int) -> None:
    number = "11010519491231002X"
    wrong = [
        number[:place] + digit + number[place + 1 :]
        for digit in "0123456789"
        if digit != number[place]
    ]

    assert [text for text in wrong if tax_ids.is_identity_number(text)] == []


@pytest.mark.parametrize(
    "text",
    [
        "91350100 M000100 Y43",
        "91350100-m000100y43",
        " 91350100M000100Y43\n",
        FULL_WIDTH,
        "91350100m000100y43",
    ],
)
def test_it_is_read_as_people_copy_it(text: str) -> None:
    assert clean_tax_id(text) == "91350100M000100Y43"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "   ",
        "9135",
        "91350100M000100Y4",
        "91350100M000100Y433",
        "91350100M00O100Y43",
        "0000000000000000",
        "010108551385082",
        "11010849133100201",  # born on the 31st of a 13th month
        "110108491231002AB",
        "110105194912310020",
        "110105194902310026",  # the 31st of February
        "11010519491231002XAB",
        "税号税号税号税号税号税号税号税号税号",
        "<script>alert(1)</script>",
        "9" * 10_000,
    ],
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(InvalidTaxId) as refusal:
        clean_tax_id(text, path="taxId")

    assert (refusal.value.code, refusal.value.path) == ("invalid_tax_id", "taxId")


@given(st.text())
def test_any_text_is_taken_or_refused(text: str) -> None:
    try:
        number = clean_tax_id(text)
    except InvalidTaxId:
        return
    assert clean_tax_id(number) == number
