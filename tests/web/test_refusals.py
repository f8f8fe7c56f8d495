"""A refusal is said in the reader's language; English keeps the details it was raised with."""

from flask import Flask
from flask_babel import force_locale

from app.core.errors import Conflict
from app.customers.contracts import InvalidDates
from app.customers.overlap import ContractOverlap
from app.web.refusals import say


def test_english_keeps_the_details(web_app: Flask) -> None:
    with web_app.test_request_context(), force_locale("en"):
        assert say(InvalidDates("must be after the start")) == "must be after the start"


def test_chinese_says_the_rule(web_app: Flask) -> None:
    with web_app.test_request_context(), force_locale("zh_Hans_CN"):
        assert say(InvalidDates("must be after the start")).startswith("合同终止日须晚于起始日")
        assert say(ContractOverlap("prices agent_runs")).startswith("该客户在这段时间内")


def test_a_refusal_nobody_worded_speaks_for_itself(web_app: Flask) -> None:
    with web_app.test_request_context(), force_locale("zh_Hans_CN"):
        assert say(Conflict("this is not possible now")) == "this is not possible now"
