"""The guide of the Python SDK does what it says, and says what the package does."""

import inspect
from decimal import Decimal
from typing import Any

import pytest
from buffmoney import BuffMoney

from app.web.markdown import Code
from tests.docs import reading
from tests.sdk import SDK
from tests.sdk.conftest import Merchant

GUIDE = "sdk-python.md"


def run(text: str, merchant: Merchant, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Run a program of the guide as the merchant, and return what it names."""
    monkeypatch.setenv("BUFFMONEY_API_KEY", merchant.key)
    names: dict[str, Any] = {}
    here = text.replace("http://127.0.0.1:8000", merchant.product.url)
    exec(here, names)  # noqa: S102  # the guide's text
    return names


def test_the_guide_as_printed_meters_and_tells(
    merchant: Merchant, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    blocks = reading.blocks(GUIDE)
    programs = [b.text for b in blocks if isinstance(b, Code) and b.language == "python"]

    names = run("\n\n".join(programs), merchant, monkeypatch)
    names["client"].close()

    assert len(programs) == 6
    assert names["customers"][0]["externalId"] == "user_77"
    assert "unmatched unknown_customer customerExternalId" in capsys.readouterr().out
    assert merchant.usage() == (Decimal("14500.5"), 2_002)


def test_the_options_are_those_of_the_client() -> None:
    (options,) = [table for table in reading.tables(GUIDE) if table[0][0] == "base_url"]
    parameters = inspect.signature(BuffMoney).parameters

    assert {option: default for option, default, _ in options} == {
        name: "" if parameter.default is parameter.empty else str(parameter.default)
        for name, parameter in parameters.items()
        if name != "api_key"
    }


def test_the_arguments_are_those_of_track() -> None:
    (arguments,) = [table for table in reading.tables(GUIDE) if table[0][0] == "customer"]
    with BuffMoney("key", base_url="http://127.0.0.1:1") as client:
        assert [row[0] for row in arguments] == list(
            inspect.signature(client.usage.track).parameters
        )


def test_the_readme_of_the_package_opens_as_the_guide_does() -> None:
    readme = (SDK / "README.md").read_text()
    opening = reading.snippet(GUIDE, "Track an event").partition("client.usage")[0].strip()

    assert opening in readme
    assert reading.snippet(GUIDE, "Install from a checkout") in readme
