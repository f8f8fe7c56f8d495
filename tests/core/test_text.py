"""Text is kept as typed; what can not be stored or would break a line is refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.text import InvalidCode, InvalidText, clean_code, clean_name, clean_text

UNCLEAN = ["a\x00b", "a\nb", "a\tb", "a\x1b[31mb", "a\x7fb", "a\x85b", "a\ud800b"]


@pytest.mark.parametrize(
    "name", ["上海智谱星图", "Ünïcödé", "  spaced  ", "<b>&", "👩🏽‍🚀", "x" * 200]
)
def test_a_name_is_kept_as_typed(name: str) -> None:
    assert clean_name(name, path="name") == name


@pytest.mark.parametrize("name", ["", "   ", "\u3000", "x" * 201, *UNCLEAN])
def test_a_name_of_nothing_too_long_or_with_control_characters_is_refused(name: str) -> None:
    with pytest.raises(InvalidText) as refused:
        clean_name(name, path="name")

    assert (refused.value.code, refused.value.path) == ("invalid_text", "name")


def test_a_text_may_be_empty_or_have_lines() -> None:
    assert clean_text("", path="description") == ""
    assert clean_text("one\r\ntwo\nthree", path="description") == "one\ntwo\nthree"


@pytest.mark.parametrize("text", ["x" * 2001, "a\x00b", "a\rb", "a\ud800b"])
def test_a_text_with_other_control_characters_is_refused(text: str) -> None:
    with pytest.raises(InvalidText):
        clean_text(text, path="description")


@given(st.text(max_size=300))
def test_what_passes_can_be_stored(text: str) -> None:
    try:
        name = clean_name(text, path="name")
    except InvalidText:
        return
    assert b"\x00" not in name.encode()


@pytest.mark.parametrize("code", ["a", "chat_api", "x9_", "a" * 64])
def test_a_code_is_lower_case_digits_and_underscores(code: str) -> None:
    assert clean_code(code, path="code") == code


@pytest.mark.parametrize("code", ["", "9a", "_a", "Chat", "a-b", "a b", "é", "a" * 65, "a\n", "٣"])
def test_any_other_code_is_refused(code: str) -> None:
    with pytest.raises(InvalidCode) as refused:
        clean_code(code, path="code")

    assert refused.value.path == "code"
