"""A peer: the ingest endpoint as most would write it, with Flask, pydantic and SQLAlchemy's ORM.

It does less than the product: no roll-up, no row security, no rate limit, no idempotency record,
no contract. A batch is validated event by event, known keys are looked up, the rest is added.
"""

import os
from datetime import datetime
from decimal import Decimal
from typing import Any

from flask import Flask, Response, request
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel
from sqlalchemy import ForeignKey, Numeric, UniqueConstraint, create_engine, select
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

MAX_BATCH = 500


class Base(DeclarativeBase):
    type_annotation_map = {dict[str, Any]: JSONB(), Decimal: Numeric(38, 12)}  # noqa: RUF012


class PeerKey(Base):
    __tablename__ = "peer_keys"
    text: Mapped[str] = mapped_column(primary_key=True)
    merchant_id: Mapped[int]


class PeerCustomer(Base):
    __tablename__ = "peer_customers"
    __table_args__ = (UniqueConstraint("merchant_id", "external_id"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    merchant_id: Mapped[int]
    external_id: Mapped[str]


class PeerEvent(Base):
    __tablename__ = "peer_events"
    __table_args__ = (UniqueConstraint("merchant_id", "idempotency_key"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    merchant_id: Mapped[int]
    customer_id: Mapped[int] = mapped_column(ForeignKey("peer_customers.id"))
    idempotency_key: Mapped[str]
    metric: Mapped[str]
    quantity: Mapped[Decimal]
    occurred_at: Mapped[datetime]
    dimensions: Mapped[dict[str, Any]]


class EventIn(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, extra="forbid")
    customer_external_id: str = Field(max_length=200)
    idempotency_key: str = Field(min_length=1, max_length=200)
    metric: str
    quantity: Decimal = Field(ge=0, max_digits=30, decimal_places=12)
    occurred_at: AwareDatetime
    dimensions: dict[str, str | int | bool] = {}


app = Flask("peer")
engine = create_engine(os.environ.get("PEER_DATABASE_URL", "postgresql+psycopg://"))


@app.post("/api/v1/usage-events")
def ingest() -> Response | tuple[dict[str, Any], int]:
    """Store the events of a batch that are not there yet, and answer for each."""
    documents = (request.get_json() or {}).get("events", [])
    if not 1 <= len(documents) <= MAX_BATCH:
        return {"error": "1 to 500 events"}, 422
    with Session(engine) as session:
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        key = session.get(PeerKey, token)
        if key is None:
            return {"error": "unknown key"}, 401
        results = _store(session, key.merchant_id, documents)
        try:
            session.commit()
        except IntegrityError:
            return {"error": "another request stores the same events"}, 409
    accepted = sum(result["status"] == "accepted" for result in results)
    return {"accepted": accepted, "results": results}, 200


def _store(
    session: Session, merchant_id: int, documents: list[dict[str, Any]]
) -> list[dict[str, Any]]:
    keys = [str(document.get("idempotencyKey")) for document in documents]
    of_merchant = select(PeerEvent.idempotency_key).where(PeerEvent.merchant_id == merchant_id)
    known = set(session.scalars(of_merchant.where(PeerEvent.idempotency_key.in_(keys))))
    customers = {
        customer.external_id: customer
        for customer in session.scalars(
            select(PeerCustomer).where(PeerCustomer.merchant_id == merchant_id)
        )
    }
    results: list[dict[str, Any]] = []
    for index, document in enumerate(documents):
        try:
            event = EventIn.model_validate(document)
        except ValidationError as error:
            results.append({"index": index, "status": "invalid", "message": str(error)})
            continue
        customer = customers.get(event.customer_external_id)
        status = "duplicate" if event.idempotency_key in known else "accepted"
        if customer is None:
            status = "unmatched"
        elif status == "accepted":
            known.add(event.idempotency_key)
            values = event.model_dump(exclude={"customer_external_id"})
            session.add(PeerEvent(merchant_id=merchant_id, customer_id=customer.id, **values))
        results.append({"index": index, "idempotencyKey": event.idempotency_key, "status": status})
    return results
