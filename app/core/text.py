"""Text people type: what a name, a code and a search may hold.

Text is kept as it was typed, in any script and with any emoji. Refused is only what can not be
stored, or would break a line of a log, a header or a bill: control characters and half a pair.
"""

import re

from sqlalchemy import ColumnElement, or_
from sqlalchemy.orm import InstrumentedAttribute

from app.core.errors import Invalid

NAME_LENGTH = 200
TEXT_LENGTH = 2_000

_UNCLEAN = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_UNCLEAN_LINES = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
_CODE = re.compile(r"[a-z][a-z0-9_]{0,63}", re.ASCII)


class InvalidText(Invalid):
    code = "invalid_text"


class InvalidCode(Invalid):
    code = "invalid_code"


def is_clean(value: str) -> bool:
    """Tell whether `value` is free of control characters and lone surrogates."""
    return not _UNCLEAN.search(value)


def clean_name(value: str, *, path: str, max_length: int = NAME_LENGTH) -> str:
    """Return one line of text that says something, as typed. Raises InvalidText."""
    if not value or value.isspace():
        raise InvalidText("must not be empty", path=path)
    _refuse_long(value, max_length, path)
    if not is_clean(value):
        raise InvalidText("must not hold control characters", path=path)
    return value


def clean_text(value: str, *, path: str, max_length: int = TEXT_LENGTH) -> str:
    """Return text of any number of lines, or none, as typed. Raises InvalidText.

    Lines end with a line feed; what browsers send, CR LF, becomes one.
    """
    value = value.replace("\r\n", "\n")
    _refuse_long(value, max_length, path)
    if _UNCLEAN_LINES.search(value):
        raise InvalidText("must not hold control characters", path=path)
    return value


def clean_code(value: str, *, path: str) -> str:
    """Return a code that programs name things by, such as `chat_api`. Raises InvalidCode."""
    if not _CODE.fullmatch(value):
        raise InvalidCode("must be 1 to 64 of a–z, 0–9 and _, and begin with a letter", path=path)
    return value


def matches(search: str, *columns: InstrumentedAttribute[str]) -> ColumnElement[bool]:
    """Return the condition that one of `columns` holds `search`, in any case and literally.

    Raises InvalidText, naming `q`, on what no column could hold.
    """
    clean_name(search, path="q")
    return or_(*(column.icontains(search, autoescape=True) for column in columns))


def _refuse_long(value: str, max_length: int, path: str) -> None:
    if len(value) > max_length:
        raise InvalidText(f"must not be longer than {max_length} characters", path=path)
