"""Every word that a widget chooses when it is drawn has its Chinese."""

import re

import pytest

from app.config import ROOT
from tools import catalog

UI = (ROOT / "templates" / "components" / "ui.html").read_text()
CHOSEN = sorted(set(re.findall(r'^  "[a-z_]+": \("[a-z]+", "([A-Z][^"]*)"\)', UI, re.MULTILINE)))


def test_there_are_such_words() -> None:
    assert "Overdue" in CHOSEN


@pytest.mark.parametrize("word", CHOSEN)
def test_a_status_has_its_chinese(word: str) -> None:
    assert catalog.translations().get(word)


def test_every_message_has_its_chinese() -> None:
    _, _, missing = catalog.build()

    assert missing == []
