"""A reminder says how much is due since when, in the customer's language, and brings a link."""

from dataclasses import replace
from datetime import date

import pytest

from app.core.language import Language
from app.mail import rendering
from app.mail.rendering import InvoiceReminder, MailBrand, UnsafeLink

MAIL = InvoiceReminder(
    merchant_name="Lumen AI",
    customer_name="上海智谱星图信息科技有限公司",
    number="LUM-2026-000001",
    amount="CN¥905.33",
    due_on=date(2026, 6, 16),
    days_overdue=0,
    link="https://pay.example.com/pay/abc",
    reference="LUM-2026-000001",
)
CHINESE, ENGLISH = Language.ZH_HANS_CN, Language.EN


@pytest.mark.parametrize(
    ("days", "subject", "sentence"),
    [
        (-3, "is due on 2026-06-16: CN¥905.33", "this invoice is due in 3 days."),
        (-1, "is due on 2026-06-16: CN¥905.33", "this invoice is due in 1 day."),
        (0, "is due today: CN¥905.33", "this invoice is due today."),
    ],
)
def test_before_its_day_it_says_when_it_is_due(days: int, subject: str, sentence: str) -> None:
    mail = rendering.render(replace(MAIL, days_overdue=days), ENGLISH)

    assert mail.subject == f"Invoice LUM-2026-000001 from Lumen AI {subject}"
    assert f"上海智谱星图信息科技有限公司, {sentence}\n" in mail.text
    assert "Overdue" not in mail.text + mail.html


@pytest.mark.parametrize(("days", "overdue"), [(1, "1 day"), (14, "14 days")])
def test_after_its_day_it_says_how_long_it_is_overdue(days: int, overdue: str) -> None:
    mail = rendering.render(replace(MAIL, days_overdue=days), ENGLISH)

    assert mail.subject == "Overdue: invoice LUM-2026-000001 from Lumen AI, CN¥905.33"
    assert f"Due: 2026-06-16\nOverdue: {overdue}\n" in mail.text
    assert overdue in mail.html


@pytest.mark.parametrize(
    ("days", "subject"),
    [
        (-3, "将于 2026-06-16 到期\uff1a应付 CN¥905.33"),
        (0, "今日到期\uff1a应付 CN¥905.33"),
        (7, "已逾期 7 天\uff1a应付 CN¥905.33"),
    ],
)
def test_it_speaks_chinese(days: int, subject: str) -> None:
    mail = rendering.render(replace(MAIL, days_overdue=days, is_sandbox=True), CHINESE)

    assert mail.subject == f"[沙箱] Lumen AI 账单 LUM-2026-000001 {subject}"
    assert "应付金额\uff1aCN¥905.33\n" in mail.text
    assert "沙箱邮件" in mail.html


@pytest.mark.parametrize("language", Language)
def test_it_brings_a_link_and_looks_like_the_merchant(language: Language) -> None:
    brand = MailBrand("https://pay.example.com/brand/m/abc.png", "#0f766e")

    mail = rendering.render(MAIL, language, brand)

    assert f"\n{MAIL.link}\n" in mail.text
    assert f'href="{MAIL.link}"' in mail.html
    assert "background:#0f766e" in mail.html
    assert brand.logo_url in mail.html


@pytest.mark.parametrize("language", Language)
@pytest.mark.parametrize("days", [-3, 0, 3])
def test_a_customers_name_is_text_and_nothing_else(language: Language, days: int) -> None:
    name = "<b>Bobby</b>\r\nBcc: all@example.cn \u202egnp"

    mail = rendering.render(
        replace(MAIL, customer_name=name * 20, merchant_name=name * 20, days_overdue=days), language
    )

    assert "<b>" not in mail.html
    assert "\nBcc:" not in mail.text
    assert "\u202e" not in mail.subject + mail.text + mail.html
    assert len(mail.subject) < 200


def test_only_links_to_us_are_sent() -> None:
    with pytest.raises(UnsafeLink):
        rendering.render(replace(MAIL, link="javascript:alert(1)"), CHINESE)
