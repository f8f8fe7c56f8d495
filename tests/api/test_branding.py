"""Branding over the API: the same rules as by form, with fields spelled as the API spells."""

from base64 import b64encode

import pytest

from tests.api.caller import Caller
from tests.documents.reading import picture

PATH = "/merchant/branding"


def encoded(picture: bytes) -> str:
    return b64encode(picture).decode()


def test_branding_is_empty_then_what_was_put(caller: Caller) -> None:
    assert caller.get(PATH).json == {
        "legalName": "",
        "legalAddress": "",
        "taxId": "",
        "color": "",
        "footer": "",
        "logoUrl": None,
    }

    answer = caller.call("PUT", PATH, json={"legalName": "Lumen AI", "color": "#0F766E"})

    assert answer.status_code == 200
    assert caller.get(PATH).get_json() == answer.get_json()
    assert answer.get_json()["legalName"] == "Lumen AI"
    assert answer.get_json()["color"] == "#0f766e"


def test_a_logo_is_put_served_and_deleted(caller: Caller) -> None:
    url = caller.call("PUT", f"{PATH}/logo", json={"logo": encoded(picture())}).get_json()[
        "logoUrl"
    ]

    assert url.startswith("http")
    assert caller.call("PUT", PATH, json={"footer": "Thanks"}).get_json()["logoUrl"] == url
    assert caller.call("DELETE", f"{PATH}/logo").get_json()["logoUrl"] is None


@pytest.mark.parametrize(
    ("path", "body", "code", "field"),
    [
        (PATH, {"color": "#ffff00"}, "color_too_light", "color"),
        (PATH, {"legalName": "x" * 201}, "invalid_branding", "legalName"),
        (PATH, {"logo": "x"}, "validation_failed", None),
        (f"{PATH}/logo", {"logo": encoded(b"<svg/>")}, "invalid_logo", "logo"),
        (f"{PATH}/logo", {"logo": "no base64!"}, "validation_failed", "logo"),
    ],
)
def test_a_refusal_names_code_and_field(
    caller: Caller, path: str, body: dict[str, str], code: str, field: str | None
) -> None:
    answer = caller.call("PUT", path, json=body)

    assert answer.status_code == 422
    assert answer.get_json()["code"] == code
    if field:
        assert answer.get_json()["path"] == field
