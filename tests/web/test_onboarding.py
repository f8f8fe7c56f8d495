"""The commands of the checklist, run as they stand there, do the steps they stand at."""

import html
import json
import re
from dataclasses import dataclass
from typing import Any

import pytest
from sqlalchemy import Engine

from app.core import clock
from app.core.db import begin
from app.extensions import runtime
from app.identity import keys
from app.identity.models import Scope
from tests.web.conftest import Browser

COMMAND = re.compile(
    r"curl -X POST http://127\.0\.0\.1:8000(?P<path>\S+) .*?-d '(?P<body>.*?)'<", re.DOTALL
)


@dataclass
class Shell:
    """Runs a command of the page, with a key of the merchant in its environment."""

    browser: Browser
    key: str

    def run(self, path: str) -> Any:
        """Run the page's command for `path`; it must succeed."""
        found = {match["path"]: match["body"] for match in COMMAND.finditer(self._page())}
        answer = self.browser.app.test_client().post(
            path,
            data=found[path].encode(),
            headers={"Authorization": f"Bearer {self.key}", "Content-Type": "application/json"},
        )
        assert answer.status_code < 300, answer.text
        return json.loads(answer.text)

    def done(self) -> int:
        found = re.search(r"(\d) of 7", self._page())
        assert found
        return int(found[1])

    def _page(self) -> str:
        return html.unescape(self.browser.text("/merchant"))


@pytest.fixture
def shell(browser: Browser, engine: Engine) -> Shell:
    with browser.app.app_context(), begin(engine, browser.merchant_id) as session:
        _key, text = keys.create_key(
            session, "server", scopes=list(Scope), pepper=runtime().pepper, now=clock.now()
        )
    return Shell(browser, text)


def test_the_commands_lead_from_a_key_to_metered_usage(shell: Shell) -> None:
    assert shell.done() == 1

    shell.run("/api/v1/products")
    shell.run("/api/v1/rate-cards")
    assert shell.done() == 2

    shell.run("/api/v1/customers")
    shell.run("/api/v1/contracts")
    assert shell.done() == 3

    assert shell.run("/api/v1/usage-events")["accepted"] == 1
    assert shell.done() == 4


def test_the_command_of_the_last_step_registers_a_webhook(shell: Shell) -> None:
    endpoint = shell.run("/api/v1/webhook-endpoints")

    assert endpoint["eventTypes"] == ["invoice.paid"]
    assert shell.done() == 2
