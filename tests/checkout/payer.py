"""A payer's browser without a screen: looks, presses, polls as the page does."""

import html
import re
import time
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlsplit

from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

PARTIAL = {"HX-Request": "true", "HX-Request-Type": "partial"}

_TOKEN = re.compile(r'name="csrf_token"\s+value="([^"]+)"')
_STATE = re.compile(r'data-state="([a-z]+)"')
_SHOWN_WAY = re.compile(r'type="hidden"\s+name="way"\s+value="([^"]*)"')
_POLL = re.compile(r'hx-get="([^"]+)"')
_PAYER = re.compile(r'href="([^"]+/pay\?qr=[^"]+)"')


@dataclass
class Payer:
    app: Flask
    path: str
    client: FlaskClient = field(init=False)
    text: str = ""
    user_agent: str = ""

    def __post_init__(self) -> None:
        self.client = self.app.test_client()
        if self.user_agent:
            self.client.environ_base["HTTP_USER_AGENT"] = self.user_agent

    def look(self, query: str = "") -> str:
        """Open the page and return the state it shows."""
        return self._take(self.client.get(self.path + query))

    def choose(self, channel: str) -> str:
        """Press the first button of a channel and return the state of the page that follows."""
        way = self._found(re.compile(rf'value="({channel}\.[a-z0-9]+)"'))
        return self.choose_way(way)

    def choose_way(self, way: str) -> str:
        form = {"csrf_token": self._found(_TOKEN), "way": way}
        answer = self.client.post(f"{self.path}/way", data=form)
        assert answer.status_code == 303, answer.text
        return self._take(self.client.get(answer.location))

    def say_paid(self) -> str:
        """Press "I have paid" and return the state of the page that follows."""
        way = _SHOWN_WAY.search(self.text)
        form = {"csrf_token": self._found(_TOKEN), "way": way[1] if way else ""}
        return self._take(self.client.post(f"{self.path}/paid", data=form))

    def poll(self) -> TestResponse:
        """Ask what the page asks every other second; what comes back takes its place."""
        answer = self.client.get(html.unescape(self._found(_POLL)), headers=PARTIAL)
        if answer.status_code != 204:
            self._take(answer)
        return answer

    def wait_for(self, state: str, seconds: float = 15) -> None:
        """Poll until the page shows `state`, or fail after a while."""
        deadline = time.monotonic() + seconds
        while self.state != state:
            assert time.monotonic() < deadline, f"the page still shows {self.state}"
            time.sleep(0.2)
            self.poll()

    @property
    def state(self) -> str:
        return self._found(_STATE)

    @property
    def code(self) -> str:
        """The text of the QR code, as the link to the sandbox's payer page carries it."""
        link = urlsplit(html.unescape(self._found(_PAYER)))
        return parse_qs(link.query)["qr"][0]

    def _take(self, answer: TestResponse) -> str:
        assert answer.status_code == 200, answer.text
        self.text = answer.text
        return self.state

    def _found(self, pattern: re.Pattern[str]) -> str:
        found = pattern.search(self.text)
        assert found, f"{pattern.pattern} is not on the page"
        return found[1]
