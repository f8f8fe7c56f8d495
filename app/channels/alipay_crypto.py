"""Alipay's gateway protocol: the canonical text of a form, and the raw text of an answer."""

import json
import re
from collections.abc import Mapping
from urllib.parse import parse_qsl

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from app.channels import signing
from app.channels.wire import Untrusted, expect

SIGN_TYPE = "RSA2"
_MOST_FIELDS = 100
_DECODER = json.JSONDecoder()
_BLANK = re.compile(r"[ \t\n\r]*")
# A value that reads like the next `&name=` would let one signature fit two forms.
_SECOND_READING = re.compile(r"&[^&=]*=")


def canonical(fields: Mapping[str, str]) -> bytes:
    """Join the fields that are not empty as `k=v&k=v`, by name, raw: not URL-encoded."""
    return "&".join(f"{name}={fields[name]}" for name in sorted(fields) if fields[name]).encode()


def sign_request(key: RSAPrivateKey, parameters: Mapping[str, str]) -> str:
    """Sign every parameter that is sent, `sign_type` among them."""
    return signing.sign(key, canonical(parameters))


def read_form(body: bytes) -> dict[str, str]:
    """Decode a form exactly once, without its empty fields. Raises Untrusted.

    A name that comes twice, a field of no name and a value that could be read as two fields are
    refused, so that nobody can take the same bytes for another form than we did.
    """
    try:
        pairs = parse_qsl(
            body.decode("ascii"),
            keep_blank_values=True,
            strict_parsing=True,
            errors="strict",
            max_num_fields=_MOST_FIELDS,
        )
    except ValueError as fault:
        raise Untrusted("not a form in UTF-8") from fault
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise Untrusted("a field comes twice")
    if any("=" in name or _SECOND_READING.search(f"{name}={value}") for name, value in pairs):
        raise Untrusted("a field reads like two")
    return {name: value for name, value in fields.items() if value}


def signed_notice(fields: Mapping[str, str]) -> bytes:
    """Return the text a notification is signed over: all fields but `sign` and `sign_type`.

    Only RSA2 is taken, and the hash is never read off the signature. Raises Untrusted.
    """
    expect(fields, sign_type=SIGN_TYPE)
    return canonical({name: fields[name] for name in fields if name not in {"sign", "sign_type"}})


def raw_members(document: str) -> dict[str, str]:
    """Split a JSON object into its members, each value as the very text it was sent in.

    What was signed is this text, escapes and all, so it is cut out and never written again.
    Raises Untrusted, also on a name that comes twice.
    """
    members: dict[str, str] = {}
    at = _past(document, 0, "{")
    try:
        while True:
            name, at = _DECODER.raw_decode(document, at)
            start = _past(document, at, ":")
            _, at = _DECODER.raw_decode(document, start)
            if not isinstance(name, str) or name in members:
                raise Untrusted("an answer's member comes twice or has no name")
            members[name] = document[start:at]
            if document.startswith("}", _blank(document, at)):
                break
            at = _past(document, at, ",")
    except (ValueError, RecursionError) as fault:
        raise Untrusted("the answer is not JSON") from fault
    if document[_past(document, at, "}") :]:
        raise Untrusted("the answer goes on after its end")
    return members


def _blank(document: str, at: int) -> int:
    return _BLANK.match(document, at).end()  # type: ignore[union-attr]  # matches nothing, too


def _past(document: str, at: int, mark: str) -> int:
    """Step over blanks, `mark` and blanks again. Raises Untrusted when `mark` is not there."""
    at = _blank(document, at)
    if not document.startswith(mark, at):
        raise Untrusted("the answer is not a JSON object")
    return _blank(document, at + len(mark))
