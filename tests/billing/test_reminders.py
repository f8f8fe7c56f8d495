"""An open invoice is reminded of by its merchant's ladder, until the moment it is paid."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, func, select
from sqlalchemy.orm import Session

from app.audit import queries as audit
from app.billing import collection, reminder_settings, reminders
from app.billing.models import Invoice, InvoiceStatus
from app.billing.reminder_models import Reminder, ReminderOutcome
from app.billing.reminder_settings import InvalidReminderSteps
from app.billing.reminders import CustomerWithoutEmail, RemindedToday, TooOldToRemind
from app.core.db import Transaction, begin
from app.core.errors import NotFound
from app.customers.models import Customer
from app.identity import clocks
from app.mail.models import Mail, MailKind
from app.webhooks.models import WebhookEvent
from tests.make import ADA, NOON, Make
from tests.payments.builders import issue
from tests.pricing.races import race

URL = "https://pay.example.com"
DUE = NOON + timedelta(days=14)
NINE = timedelta(hours=-3)  # from noon
MAILED, SKIPPED = ReminderOutcome.MAILED, ReminderOutcome.SKIPPED


def owed(session: Session, **columns: Any) -> Invoice:
    """Issue an invoice on the second of June that is due on the sixteenth, at noon."""
    return issue(session, **{"due_at": DUE} | columns)


def day(number: int) -> datetime:
    """Return nine o'clock, so many days after the day the invoice is due."""
    return DUE + timedelta(days=number) + NINE


def look(session: Session, invoice: Invoice, now: datetime) -> Reminder | None:
    return reminders.remind(session, invoice.id, base_url=URL, now=now)


def by_hand(session: Session, invoice: Invoice, now: datetime) -> Reminder:
    told = reminders.remind_now(session, invoice.id, base_url=URL, actor=ADA, now=now)
    return told.reminder


def customer_of(session: Session, invoice: Invoice) -> Customer:
    return session.get_one(Customer, (invoice.merchant_id, invoice.customer_id))


def outcomes(session: Session) -> dict[int | None, str]:
    session.flush()
    return {row.days: row.outcome.value for row in session.scalars(select(Reminder))}


def mails(session: Session) -> list[Mail]:
    session.flush()
    return list(session.scalars(select(Mail).order_by(Mail.id)))


def events(session: Session) -> list[str]:
    session.flush()
    return list(session.scalars(select(WebhookEvent.event_type).order_by(WebhookEvent.id)))


def test_a_step_is_mailed_in_its_morning_and_once(session: Session) -> None:
    invoice = owed(session)

    assert look(session, invoice, day(-3) - timedelta(minutes=1)) is None
    assert look(session, invoice, day(-3)) is not None
    assert look(session, invoice, day(-3) + timedelta(minutes=1)) is None

    (mail,) = mails(session)
    assert (mail.kind, mail.recipient) == (MailKind.INVOICE_REMINDER, "finance@example.cn")
    assert mail.subject == (
        f"[沙箱] Lumen AI 账单 {invoice.number} 将于 2026-06-16 到期\uff1a应付 ¥905.33"
    )
    assert f"{URL}/pay/{collection.link_token(invoice)}\n" in mail.text_body
    assert mail.attachment_key is None
    assert outcomes(session) == {-3: "mailed"}


def test_the_whole_ladder_is_climbed_step_by_step(session: Session) -> None:
    invoice = owed(session)

    for number in range(-14, 16):
        look(session, invoice, day(number))

    assert outcomes(session) == dict.fromkeys((-3, 0, 3, 7, 14), "mailed")
    assert [mail.subject.partition(" 账单 ")[2].partition(" ")[2] for mail in mails(session)] == [
        "将于 2026-06-16 到期\uff1a应付 ¥905.33",
        "今日到期\uff1a应付 ¥905.33",
        "已逾期 3 天\uff1a应付 ¥905.33",
        "已逾期 7 天\uff1a应付 ¥905.33",
        "已逾期 14 天\uff1a应付 ¥905.33",
    ]


def test_an_english_customer_reads_english(session: Session) -> None:
    invoice = owed(session)
    customer_of(session, invoice).language = "en"

    look(session, invoice, day(3))

    (mail,) = mails(session)
    assert mail.subject == f"[Sandbox] Overdue: invoice {invoice.number} from Lumen AI, CN¥905.33"
    assert "this invoice is 3 days overdue.\n" in mail.text_body


def test_after_a_long_silence_one_mail_goes_out_and_the_rest_is_noted(session: Session) -> None:
    invoice = owed(session)

    look(session, invoice, day(8))

    assert outcomes(session) == {-3: "skipped", 0: "skipped", 3: "skipped", 7: "mailed"}
    assert len(mails(session)) == 1


@pytest.mark.parametrize(
    "columns",
    [
        {"status": InvoiceStatus.PAID, "paid_at": NOON},
        {"status": InvoiceStatus.VOID, "voided_at": NOON, "void_reason": "a mistake"},
        {"status": InvoiceStatus.UNCOLLECTIBLE, "uncollectible_at": NOON},
    ],
)
def test_what_is_settled_is_not_reminded_of(session: Session, columns: dict[str, Any]) -> None:
    invoice = owed(session, **columns)

    assert look(session, invoice, day(3)) is None
    with pytest.raises(collection.InvoiceNotOpen):
        by_hand(session, invoice, day(3))
    assert mails(session) == []


def test_a_customer_who_is_not_to_be_reminded_gets_none(session: Session) -> None:
    invoice = owed(session)
    customer_of(session, invoice).is_reminded = False

    look(session, invoice, day(3))

    assert outcomes(session)[3] == "opted_out"
    assert mails(session) == []


def test_a_customer_without_an_address_is_noted(session: Session) -> None:
    invoice = owed(session)
    customer_of(session, invoice).email = ""

    look(session, invoice, day(3))

    assert outcomes(session)[3] == "no_email"
    with pytest.raises(CustomerWithoutEmail):
        by_hand(session, invoice, day(3))


def test_nobody_is_asked_to_pay_what_can_not_be_paid_any_more(session: Session) -> None:
    reminder_settings.set_ladder(session, is_on=True, steps=[17], actor=ADA, now=NOON)
    invoice = owed(session)

    look(session, invoice, day(17))

    assert outcomes(session) == {17: "outdated"}
    with pytest.raises(TooOldToRemind):
        by_hand(session, invoice, day(17))


def test_programs_are_told_once_before_and_once_when_it_is_overdue(session: Session) -> None:
    reminder_settings.set_ladder(session, is_on=True, steps=[-7, -3, 3], actor=ADA, now=NOON)
    invoice = owed(session)

    for number in range(-14, 10):
        look(session, invoice, day(number))

    assert events(session) == ["invoice.will_be_due", "invoice.overdue"]
    told = session.scalars(select(WebhookEvent.payload).order_by(WebhookEvent.id)).first()
    assert '"dueAt":"2026-06-16T04:00:00.000Z"' in str(told)


def test_it_is_overdue_as_soon_as_the_instant_has_passed_also_without_a_ladder(
    session: Session,
) -> None:
    reminder_settings.set_ladder(session, is_on=False, steps=[0], actor=ADA, now=NOON)
    invoice = owed(session)

    look(session, invoice, NOON)
    assert invoice.remind_at == DUE
    look(session, invoice, DUE)

    assert events(session) == ["invoice.overdue"]
    assert mails(session) == []


def test_by_hand_goes_once_a_day_and_is_written_down(session: Session) -> None:
    invoice = owed(session)

    reminder = by_hand(session, invoice, NOON)
    with pytest.raises(RemindedToday):
        by_hand(session, invoice, NOON + timedelta(hours=11, minutes=59))
    by_hand(session, invoice, NOON + timedelta(hours=12))  # tomorrow, in Shanghai

    assert (reminder.days, reminder.created_by) == (None, "ada@lumen.example")
    assert len(mails(session)) == 2
    session.flush()
    assert [entry.action for entry in audit.list_entries(session).rows] == ["invoice.reminded"] * 2


def test_a_step_on_a_day_with_a_reminder_by_hand_is_skipped(session: Session) -> None:
    invoice = owed(session)
    by_hand(session, invoice, day(0) - timedelta(hours=1))

    look(session, invoice, day(0))

    assert outcomes(session)[0] == "skipped"
    assert len(mails(session)) == 1


def test_an_edited_ladder_reaches_open_invoices_at_once(session: Session) -> None:
    invoice = owed(session)
    look(session, invoice, NOON)
    assert invoice.remind_at == day(-3)

    reminder_settings.set_ladder(session, is_on=True, steps=[-5], actor=ADA, now=NOON)
    look(session, invoice, day(-5))

    assert outcomes(session) == {-5: "mailed"}


def test_a_ladder_is_sorted_and_written_down(session: Session) -> None:
    reminder_settings.set_ladder(session, is_on=True, steps=[10, -1], actor=ADA, now=NOON)
    reminder_settings.set_ladder(session, is_on=True, steps=[-1, 10], actor=ADA, now=NOON)
    session.flush()

    assert reminder_settings.get_ladder(session).steps == (-1, 10)
    (entry,) = audit.list_entries(session).rows
    assert (entry.action, entry.after["steps"]) == ("reminder_settings.changed", [-1, 10])


@pytest.mark.parametrize(
    ("steps", "path"),
    [
        ([], "steps"),
        (list(range(11)), "steps"),
        ([0, 91], "steps[1]"),
        ([-31], "steps[0]"),
        ([3, 0, 3], "steps[2]"),
    ],
)
def test_an_impossible_ladder_changes_nothing(
    session: Session, steps: list[int], path: str
) -> None:
    with pytest.raises(InvalidReminderSteps) as refused:
        reminder_settings.set_ladder(session, is_on=True, steps=steps, actor=ADA, now=NOON)

    assert refused.value.path == path
    assert reminder_settings.get_ladder(session).steps == (-3, 0, 3, 7, 14)


def test_the_newest_reminder_is_read_first_with_its_mail(session: Session) -> None:
    invoice = owed(session)
    look(session, invoice, day(0))
    look(session, invoice, day(3))

    told = reminders.of_invoice(session, invoice)

    assert [(row.reminder.days, row.mail is not None) for row in told] == [
        (3, True),
        (0, True),
        (-3, False),
    ]


def test_another_merchants_invoice_is_not_found(session: Session, engine: Engine) -> None:
    invoice = owed(session)

    with begin(engine, Make.new_merchant_id()) as other, pytest.raises(NotFound):
        reminders.remind_now(other, invoice.id, base_url=URL, actor=ADA, now=NOON)


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    hours=st.lists(
        st.tuples(st.integers(0, 24 * 45), st.sampled_from(["look", "hand", "edit"])), max_size=25
    ),
    paid_after=st.integers(0, 24 * 45),
)
def test_no_two_on_a_day_no_step_twice_and_none_after_paid(
    session: Session, hours: list[tuple[int, str]], paid_after: int
) -> None:
    invoice = owed(session, number=f"LUM-{session.scalar(select(func.count(Invoice.id)))}")
    acts = sorted([*hours, (paid_after, "pay")])
    for hour, act in acts:
        now = NOON + timedelta(hours=hour)
        match act:
            case "look":
                look(session, invoice, now)
            case "edit":
                steps = [hour % 17 - 3, 20 + hour % 3]
                reminder_settings.set_ladder(session, is_on=True, steps=steps, actor=ADA, now=now)
            case "pay" if invoice.status is InvoiceStatus.OPEN:
                collection.mark_paid(session, invoice, now=now)
            case "hand" if invoice.status is InvoiceStatus.OPEN:
                if now <= NOON + collection.PRICE_HOLDS and not _is_mailed_on(
                    session, invoice, now
                ):
                    by_hand(session, invoice, now)
    session.flush()

    rows = [told.reminder for told in reminders.of_invoice(session, invoice)]
    mailed = [row for row in rows if row.outcome is MAILED]
    steps = [row.days for row in rows if row.days is not None]
    assert len({row.day for row in mailed}) == len(mailed)
    assert len(set(steps)) == len(steps)
    assert all(row.created_at <= NOON + timedelta(hours=paid_after) for row in rows)


def _is_mailed_on(session: Session, invoice: Invoice, now: datetime) -> bool:
    shanghai_day = (now + timedelta(hours=8)).date()
    told = reminders.of_invoice(session, invoice)
    return any(row.mail is not None and row.reminder.day == shanghai_day for row in told)


def test_many_tickers_mail_a_step_once(transaction: Transaction) -> None:
    with transaction() as session:
        invoice = owed(session)

    race(transaction, lambda session, _: look(session, invoice, day(0)))

    with transaction() as session:
        assert outcomes(session) == {-3: "skipped", 0: "mailed"}
        assert len(mails(session)) == 1
        assert events(session) == []


def test_many_hands_send_one_reminder(transaction: Transaction) -> None:
    with transaction() as session:
        invoice = owed(session)

    sent, refused = race(transaction, lambda session, _: by_hand(session, invoice, NOON).id)

    assert (len(sent), refused) == (1, ["reminded_today"] * 5)


def test_a_payment_that_commits_first_stops_the_reminder(transaction: Transaction) -> None:
    with transaction() as session:
        invoice = owed(session)

    def pay_or_remind(session: Session, runner: int) -> str:
        if runner:
            found = look(session, invoice, day(0))
            return "reminded" if found else "nothing"
        locked = collection.lock_invoice(session, invoice.id)
        assert locked.status is InvoiceStatus.OPEN
        mailed_before = bool(mails(session))
        collection.mark_paid(session, locked, now=day(0))
        return "paid after" if mailed_before else "paid before"

    (payment, *looks), _ = race(transaction, pay_or_remind)

    with transaction() as session:
        mailed = len(mails(session))
    assert looks.count("reminded") == mailed
    assert mailed == (1 if payment == "paid after" else 0)


def test_one_invoice_that_fails_stops_none_of_the_others(transaction: Transaction) -> None:
    with transaction() as session:
        broken, sound = owed(session, time_zone="Moon/Base"), owed(session)

    with pytest.raises(ExceptionGroup) as failed:
        reminders.remind_due(transaction, base_url=URL, now=day(0))

    assert len(failed.value.exceptions) == 1
    with transaction() as session:
        assert [mail.subject for mail in mails(session)] == [
            f"[沙箱] Lumen AI 账单 {sound.number} 今日到期\uff1a应付 ¥905.33"
        ]
        broken = session.get_one(Invoice, (broken.merchant_id, broken.id))
        assert broken.remind_at == day(0) + timedelta(minutes=10)


def test_merchants_are_due_by_their_own_clocks(transaction: Transaction, reader: Engine) -> None:
    with transaction() as session:
        invoice = owed(session)
        look(session, invoice, NOON)

    def is_due(now: datetime) -> int:
        with begin(reader, None) as everybody:
            return reminders.due_merchants(everybody, now=now).count(invoice.merchant_id)

    assert (is_due(NOON), is_due(day(-3))) == (0, 1)
    with transaction() as session:
        clocks.get_merchant(session).clock_offset = timedelta(days=30)
    assert is_due(NOON) == 1
