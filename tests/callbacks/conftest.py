"""The door that channels call at, with the keys of the vectors, and a merchant with an invoice."""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.channels.base import ChannelName, Method
from app.core.db import Transaction, merchant_of
from app.core.ids import show_merchant
from app.payments.models import PaymentOrder
from tests.channels import signers
from tests.conftest import Databases
from tests.payments.builders import issue, order_for
from tests.payments.doors import open_doors


def keys() -> str:
    """Return a `simulator.json` with the keys of the vectors."""
    return json.dumps(
        {
            "wechat": asdict(signers.wechat_settings()),
            "alipay": asdict(signers.alipay_settings()),
        }
    )


@pytest.fixture(scope="session")
def door(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flask]:
    instance = tmp_path_factory.mktemp("instance")
    (instance / "simulator.json").write_text(keys())
    with open_doors(databases, instance) as app:
        yield app


@pytest.fixture
def client(door: Flask) -> FlaskClient:
    return door.test_client()


@dataclass(frozen=True)
class Due:
    """A merchant, an invoice of his, and an order for it at each channel."""

    merchant: str
    invoice_id: int
    wechat: PaymentOrder
    alipay: PaymentOrder


@pytest.fixture
def due(transaction: Transaction) -> Due:
    with transaction() as session:
        invoice = issue(session)
        return Due(
            show_merchant(merchant_of(session)),
            invoice.id,
            order_for(session, invoice),
            order_for(session, invoice, channel=ChannelName.ALIPAY, method=Method.PRECREATE),
        )
