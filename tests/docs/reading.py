"""The guides as tests read them: their snippets, their tables, and a reader who follows them."""

import html
import json
import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from app.config import ROOT
from app.web import markdown
from app.web.markdown import Block, Code, Table

DOCS = ROOT / "docs"
EXAMPLE_ID = re.compile(r"[a-z]+_0123456789abc")
_ON_PAGE = re.compile(r"<pre[^>]*><code>(.*?)</code></pre>", re.DOTALL)
_HOST = re.compile(r"https?://[^/]+")


def blocks(name: str) -> list[Block]:
    """Return the blocks of a guide, its links as they stand in the file."""
    return markdown.parse((DOCS / name).read_text(), link=str)


def snippet(name: str, title: str) -> str:
    """Return the one snippet of a guide that has this title."""
    (found,) = [b.text for b in blocks(name) if isinstance(b, Code) and b.title == title]
    return found


def snippets(name: str) -> list[str]:
    return [block.text for block in blocks(name) if isinstance(block, Code)]


def snippets_of_page(page: str) -> list[str]:
    """Return the snippets of a drawn page, as its copy buttons copy them."""
    return [html.unescape(text) for text in _ON_PAGE.findall(page)]


def tables(name: str) -> list[list[list[str]]]:
    """Return the tables of a guide: rows of cells as plain text, without the head."""
    return [
        [[str(cell.striptags()) for cell in cells] for _, cells in block.rows]
        for block in blocks(name)
        if isinstance(block, Table)
    ]


@dataclass(frozen=True)
class Curl:
    """What a curl snippet sends."""

    method: str
    url: str
    headers: dict[str, str]
    body: str | None


def read_curl(text: str) -> Curl:
    """Read a curl snippet as a shell would."""
    headers, body, method, url = {}, None, "", ""
    words = iter(shlex.split(text.replace("\\\n", " "))[1:])
    for word in words:
        if word == "-H":
            name, _, value = next(words).partition(": ")
            headers[name] = value
        elif word == "-d":
            body = next(words)
        elif word == "-X":
            method = next(words)
        else:
            url = word
    return Curl(method or ("GET" if body is None else "POST"), url, headers, body)


@dataclass
class Follower:
    """Sends a guide's curl snippets in order and holds the answers against those promised.

    An id printed in the guide stands for the one the product gave in its place.
    """

    client: FlaskClient
    key: str
    ids: dict[str, str] = field(default_factory=dict)
    sent: list[str] = field(default_factory=list)

    def follow(self, texts: Sequence[str]) -> Iterator[str]:
        """Yield the path of each request once it was answered, before its promise is checked."""
        answer: TestResponse | None = None
        for text in texts:
            if text.startswith("curl "):
                answer, path = self._send(text)
                assert answer.status_code in {200, 201}, answer.text
                yield path
            elif text.startswith("{") and answer is not None:
                self._compare(json.loads(text), answer.json, path)
                answer = None

    def _send(self, text: str) -> tuple[TestResponse, str]:
        for printed, given in self.ids.items():
            text = text.replace(printed, given)
        curl = read_curl(text.replace("$BUFFMONEY_API_KEY", self.key))
        path = _HOST.sub("", curl.url)
        self.sent.append(f"{curl.method} {path}")
        answer = self.client.open(path, method=curl.method, headers=curl.headers, data=curl.body)
        return answer, path

    def _compare(self, promised: Any, given: Any, where: str) -> None:
        if isinstance(promised, dict):
            for name, value in promised.items():
                assert name in given, f"{where}: no {name}"
                self._compare(value, given[name], f"{where}.{name}")
        elif isinstance(promised, list):
            assert len(promised) == len(given), where
            for index, value in enumerate(promised):
                self._compare(value, given[index], f"{where}[{index}]")
        elif isinstance(promised, str) and EXAMPLE_ID.fullmatch(promised):
            assert self.ids.setdefault(promised, given) == given, where
        else:
            assert promised == given, where
