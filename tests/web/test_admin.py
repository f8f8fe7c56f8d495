"""An operator sees all merchants, runs their invoices, and revives what was given up."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

from rq import SimpleWorker
from sqlalchemy import Engine, select

from app.billing import failures
from app.billing.lines import LineTooLarge
from app.billing.run_models import InvoiceRun, RunTrigger
from app.core import clock, outbox
from app.core.db import begin
from app.core.ids import Prefix, show, show_merchant
from app.core.outbox import OutboxJob
from app.customers.models import Contract
from app.extensions import Runtime, runtime
from jobs import billing
from tests.make import Make
from tests.web.conftest import PARTIAL, Browser


def dead_job(engine: Engine, browser: Browser) -> None:
    with begin(engine, browser.merchant_id) as session:
        job = outbox.owe(session, "jobs.documents.print_invoice", now=clock.now(), invoice="inv_1")
        job.dead_at, job.attempts, job.last_error = clock.now(), 8, "FontsMissing: <b>"


def test_health_says_what_works(operator: Browser) -> None:
    page = operator.text("/admin")

    assert "PostgreSQL 18" in page
    assert page.count("Works") >= 2


def test_health_is_told_also_without_the_queue(operator: Browser) -> None:
    with operator.app.app_context():
        known = runtime()
        away = Runtime(replace(known.settings, redis_url="redis://127.0.0.1:1"))
    operator.app.extensions["buffmoney"] = away
    try:
        assert "does not answer" in operator.text("/admin")
        assert operator.get("/admin/jobs").status_code == 503
    finally:
        operator.app.extensions["buffmoney"] = known


def test_jobs_say_that_nobody_works(operator: Browser) -> None:
    assert "No worker is running" in operator.text("/admin/jobs")


def test_a_failed_job_shows_its_error(operator: Browser) -> None:
    with operator.app.app_context():
        queue = runtime().queue("documents")
        queue.enqueue("operator.truediv", 1, 0)
        worker = SimpleWorker([queue], connection=queue.connection, serializer=queue.serializer)
        worker.work(burst=True)

    page = operator.text("/admin/jobs")
    assert "operator.truediv" in page
    assert "ZeroDivisionError: division by zero" in page


def test_a_run_of_one_merchant_is_owed_and_makes_its_draft(
    operator: Browser, browser: Browser, engine: Engine
) -> None:
    with begin(engine, browser.merchant_id) as session:
        make = Make(session)
        make.contract(make.priced_at(make.metric(), "1"))
    form = {"merchant": show_merchant(browser.merchant_id)}

    answer = operator.post("/admin/runs", form, follow_redirects=True)

    assert "1 merchant is being invoiced" in answer.text
    with begin(engine, browser.merchant_id) as session:
        owed = session.scalars(select(OutboxJob)).one()
    assert (owed.task, owed.arguments) == ("jobs.billing.catch_up", {"trigger": "admin"})
    with operator.app.app_context():
        billing.catch_up(merchant_id=browser.merchant_id, **owed.arguments)
    with begin(engine, browser.merchant_id) as session:
        run = session.scalars(select(InvoiceRun)).one()
        assert run.trigger is RunTrigger.ADMIN
        assert run.drafted >= 1
        assert run.ended_at


def run_of(engine: Engine, browser: Browser, **columns: Any) -> None:
    with begin(engine, browser.merchant_id) as session:
        row = InvoiceRun(
            merchant_id=browser.merchant_id, trigger=RunTrigger.ADMIN, as_of=clock.now(), **columns
        )
        session.add(row)


def test_a_run_at_work_shows_how_far_it_is_and_goes_on_by_itself(
    operator: Browser, browser: Browser, engine: Engine
) -> None:
    began = clock.now() - timedelta(seconds=10)
    run_of(engine, browser, drafted=15, finalized=5, total=100, started_at=began)

    page = operator.text("/admin/runs")

    assert "20 of 100" in page
    assert "s left" in page
    assert 'hx-trigger="every 2s"' in page


def test_a_run_that_has_fallen_silent_was_stopped(
    operator: Browser, browser: Browser, engine: Engine
) -> None:
    silent = clock.now() - timedelta(minutes=2)
    run_of(engine, browser, total=100, started_at=silent, progressed_at=silent)

    assert "Stopped" in operator.text("/admin/runs")


def fail(engine: Engine, browser: Browser, error: Exception) -> str:
    """Let a contract of the merchant be one that could not be invoiced; return its public id."""
    with begin(engine, browser.merchant_id) as session:
        make = Make(session)
        contract = make.contract(make.priced_at(make.metric(), "1"))
        contract.retry_at = clock.now() + timedelta(minutes=10)
        subject = show(Prefix.CONTRACT, contract.id)
        failures.note(session, subject, error, retry_at=contract.retry_at)
    return subject


def test_what_could_not_be_invoiced_is_listed_and_tried_again(
    operator: Browser, browser: Browser, engine: Engine
) -> None:
    subject = fail(engine, browser, LineTooLarge("tokens: 9 come to more than we bill"))
    listed = operator.text("/admin/failures")
    assert "could not be invoiced" in operator.text("/admin/runs")
    assert subject in listed
    assert "tokens: 9 come to more than we bill" in listed
    retry = f"/admin/failures/{show_merchant(browser.merchant_id)}/{subject}/retry"
    assert retry in listed

    assert operator.post(retry).status_code == 303

    with begin(engine, browser.merchant_id) as session:
        assert session.scalars(select(Contract.retry_at)).all() == [None]
        assert session.scalars(select(OutboxJob.task)).all() == ["jobs.billing.catch_up"]


def test_nothing_of_another_merchant_is_tried_again(
    operator: Browser, browser: Browser, engine: Engine
) -> None:
    subject = fail(engine, browser, LineTooLarge("too much"))
    other = Make.new_merchant_id()
    with begin(engine, other) as session:
        Make(session).merchant()
    theirs = show_merchant(other)

    assert operator.post(f"/admin/failures/{theirs}/{subject}/retry").status_code == 404


def test_the_merchant_is_told_what_could_not_be_invoiced(browser: Browser, engine: Engine) -> None:
    subject = fail(engine, browser, ZeroDivisionError("secret detail"))

    page = browser.text("/merchant/attention")

    assert "An invoice could not be made" in page
    assert f"/merchant/contracts/{subject}" in page
    assert "Something went wrong on our side" in page
    assert "secret detail" not in page


def test_a_merchant_there_is_not_is_not_run(operator: Browser) -> None:
    for merchant in ("nobody", show_merchant(1)):
        assert operator.post("/admin/runs", {"merchant": merchant}).status_code == 404


def test_the_outbox_shows_every_merchants_dead_jobs(
    operator: Browser, browser: Browser, engine: Engine
) -> None:
    dead_job(engine, browser)

    page = operator.text("/admin/outbox?state=dead")
    assert "Lumen AI" in page
    assert "FontsMissing: &lt;b&gt;" in page


def test_a_dead_job_is_revived_once(operator: Browser, browser: Browser, engine: Engine) -> None:
    dead_job(engine, browser)
    with begin(engine, browser.merchant_id) as session:
        job_id = session.scalars(select(OutboxJob.id)).one()
    from_page = f"/admin/outbox/{show_merchant(browser.merchant_id)}/job_{_base36(job_id)}/revive"
    assert from_page in operator.text("/admin/outbox?state=dead")

    assert operator.post(from_page).status_code == 303
    assert operator.post(from_page).status_code == 303

    with begin(engine, browser.merchant_id) as session:
        job = session.scalars(select(OutboxJob)).one()
        assert (job.dead_at, job.attempts, job.last_error) == (None, 0, None)


def test_the_rows_alone_are_contained_in_the_page(
    operator: Browser, browser: Browser, engine: Engine
) -> None:
    dead_job(engine, browser)

    fragment = operator.text("/admin/outbox?state=dead", headers=PARTIAL)
    assert "<html" not in fragment
    assert "FontsMissing" in fragment


def test_a_state_there_is_not_is_refused(operator: Browser) -> None:
    assert operator.get("/admin/outbox?state=lost").status_code == 422


def _base36(number: int) -> str:
    digits = ""
    while number:
        number, digit = divmod(number, 36)
        digits = "0123456789abcdefghijklmnopqrstuvwxyz"[digit] + digits
    return digits.rjust(13, "0")
