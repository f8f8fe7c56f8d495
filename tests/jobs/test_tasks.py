"""Whatever a transaction may owe is known to the queue, under the name that is owed."""

import re

from app.config import ROOT
from jobs import tasks

_OWED = re.compile(r'"(jobs\.\w+\.\w+)"')
_DOORBELLS = {"jobs.relay.relay"}  # enqueued as it is, never owed


def test_every_task_that_the_product_owes_is_known() -> None:
    sources = (ROOT / "app").rglob("*.py")
    owed = {name for source in sources for name in _OWED.findall(source.read_text())}

    assert "jobs.fapiao.mail_issued" in owed
    assert owed - _DOORBELLS - tasks.QUEUES.keys() == set()


def test_every_known_task_is_a_function() -> None:
    assert [name for name in tasks.QUEUES if not callable(tasks.find(name))] == []
