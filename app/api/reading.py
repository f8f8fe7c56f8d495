"""What came with a request, decoded and validated in one pass, and said which field is wrong."""

import re
from typing import Any

import msgspec
from flask import request

from app.api import problems
from app.core.errors import Invalid

_AT = re.compile(r" - at `(?:key in )?\$\.?(?P<path>[^`]*)`$")
_KEYED = re.compile(r"(?P<field>\w+)\[\.\.\.\](?P<rest>.*)")
_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class InvalidBody(Invalid):
    code = "validation_failed"


def read_json(decoder: "msgspec.json.Decoder[Any]", raw: bytes) -> Any:
    """Decode and validate a body in one pass. Raises UnreadableBody and InvalidBody."""
    try:
        return decoder.decode(raw)
    except msgspec.ValidationError as error:
        raise explain(error, _parse(raw), decoder.type) from error
    except _UNREADABLE as error:
        raise problems.UnreadableBody("the body is not JSON in UTF-8") from error


def explain(error: msgspec.ValidationError, document: Any, kind: Any) -> InvalidBody:
    """Return the refusal of a document that is no `kind`, with the path of the wrong field."""
    message = str(error)
    found = _AT.search(message)
    path = found["path"] if found else ""
    keyed = _KEYED.fullmatch(path)
    if keyed:
        field, rest = keyed["field"], keyed["rest"]
        key = _find_key(message, document.get(field), field=field, kind=kind)
        path = f"{field}.{key}{rest}" if key is not None else path
    return InvalidBody(_AT.sub("", message), path=path)


def _find_key(message: str, entries: object, *, field: str, kind: Any) -> str | None:
    """Return the key of an object that `message` is about: in the path it is `[...]` for any.

    None when it can not be told: of a field that was given twice only the last is left.
    """
    for key, value in entries.items() if isinstance(entries, dict) else ():
        try:
            msgspec.convert({field: {key: value}}, kind)
        except msgspec.ValidationError as error:
            if str(error) == message:
                return str(key)
    return None


def _parse(raw: bytes) -> Any:
    """Parse the whole of a body: validation ends at the first wrong field, which may be early."""
    try:
        return msgspec.json.decode(raw)
    except _UNREADABLE as error:
        raise problems.UnreadableBody("the body is not JSON in UTF-8") from error


def read_query(kind: Any) -> Any:
    given = request.args.to_dict()
    for name, values in request.args.lists():
        if len(values) > 1:
            raise InvalidBody("was given more than once", path=name)
        if "\0" in values[0]:
            raise InvalidBody("must not hold control characters", path=name)
    try:
        query = msgspec.convert(given, kind, strict=False)
    except msgspec.ValidationError as error:
        raise explain(error, given, kind) from error
    for field in msgspec.structs.fields(kind):
        if field.encode_name in given and getattr(query, field.name) is None:
            raise InvalidBody("`null` is no value here", path=field.encode_name)
    return query
