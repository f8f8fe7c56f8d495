"""How WeChat Pay's daily files are written: a header, rows behind backticks, and totals.

Pure, and strict. Everything here raises BadStatement.
"""

import gzip
import hashlib
import io
import zlib
from collections.abc import Mapping, Sequence

from app.channels import statements, wire
from app.channels.base import BadStatement
from app.channels.statements import require

Row = Mapping[str, str]

_FULL_WIDTH = str.maketrans("\uff08\uff09", "()")
_LEAST_LINES = 3  # a header, the totals' header, the totals


def unpack(packed: bytes, *, sha1: str) -> bytes:
    """Return the file behind gzip, whose SHA-1 has to be the one that was announced.

    Whether the hash is of the file or of the gzip around it is not written anywhere: either does.
    """
    try:
        with gzip.open(io.BytesIO(packed)) as file:
            raw = file.read(wire.FILE_BYTES + 1)
    except (OSError, EOFError, zlib.error) as fault:
        raise BadStatement("the file does not unpack") from fault
    require(len(raw) <= wire.FILE_BYTES, "the file is too long")
    hashes = {hashlib.sha1(data, usedforsecurity=False).hexdigest() for data in (raw, packed)}
    require(sha1.lower() in hashes, "the file's hash is not the one announced")
    return raw


def table(raw: bytes, *, columns: str, totals: str) -> tuple[list[Row], Row]:
    """Return the rows and the totals by the names of their columns, written as `columns` are."""
    try:
        lines = raw.decode("utf-8-sig").replace("\r\n", "\n").removesuffix("\n").split("\n")
    except UnicodeDecodeError as fault:
        raise BadStatement("the file is not UTF-8") from fault
    require(len(lines) >= _LEAST_LINES, "the file is cut off")
    header, *rows, totals_header, last = lines
    names = statements.columns(header.translate(_FULL_WIDTH), columns)
    sums = statements.columns(totals_header.translate(_FULL_WIDTH), totals)
    return [_fields(line, names) for line in rows], _fields(last, sums)


def _fields(line: str, names: Sequence[str]) -> Row:
    values = line.split(",")  # commas inside texts are replaced before the file is written
    is_whole = len(values) == len(names) and all(value.startswith("`") for value in values)
    require(is_whole, "a row is cut off or has other fields than the header")
    return dict(zip(names, (value[1:].strip() for value in values), strict=True))
