"""Flows and their channel: transactions that are counted while open, and a fake that looks."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy.orm import Session

from app.core.db import Transaction
from tests.payments.builders import FakeChannel


@pytest.fixture
def channel() -> FakeChannel:
    return FakeChannel()


@pytest.fixture
def watched(transaction: Transaction, channel: FakeChannel) -> Transaction:
    """Open transactions that `channel` knows of: asking it inside one fails the test."""

    @contextmanager
    def opened() -> Iterator[Session]:
        with transaction() as session:
            channel.depth[0] += 1
            try:
                yield session
            finally:
                channel.depth[0] -= 1

    return opened
