"""One merchant's failure never stops the next; the end of the job's time stops all."""

import pytest
from rq.timeouts import JobTimeoutException

from jobs import sweep


def test_a_failure_is_counted_and_the_rest_goes_on() -> None:
    seen = []

    def work(merchant_id: int) -> None:
        seen.append(merchant_id)
        if merchant_id == 2:
            raise LookupError("theirs alone")

    assert sweep.for_each([1, 2, 3], work) == 1
    assert seen == [1, 2, 3]


def test_the_end_of_the_jobs_time_is_no_merchants_failure() -> None:
    def work(_merchant_id: int) -> None:
        raise JobTimeoutException("300 seconds are over")

    with pytest.raises(JobTimeoutException):
        sweep.for_each([1, 2], work)
