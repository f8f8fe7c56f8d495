"""An operator sees all merchants, runs their invoices, and revives what was given up."""

from dataclasses import replace

from rq import SimpleWorker
from sqlalchemy import Engine, select

from app.billing.run_models import InvoiceRun, RunTrigger
from app.core import clock, outbox
from app.core.db import begin
from app.core.ids import show_merchant
from app.core.outbox import OutboxJob
from app.extensions import Runtime, runtime
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


def test_a_run_of_one_merchant_makes_its_draft(
    operator: Browser, browser: Browser, engine: Engine
) -> None:
    with begin(engine, browser.merchant_id) as session:
        make = Make(session)
        make.contract(make.priced_at(make.metric(), "1"))
    form = {"merchant": show_merchant(browser.merchant_id)}

    answer = operator.post("/admin/runs", form, follow_redirects=True)

    assert "Merchants run: 1." in answer.text
    with begin(engine, browser.merchant_id) as session:
        run = session.scalars(select(InvoiceRun)).one()
        assert run.trigger is RunTrigger.ADMIN
        assert run.drafted >= 1
        assert run.ended_at


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
