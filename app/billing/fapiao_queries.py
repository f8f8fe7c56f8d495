"""Reading fapiao requests, and the files of those that were issued."""

from collections.abc import Sequence

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from app.billing.fapiao_models import (
    LIVE,
    FapiaoFile,
    FapiaoKind,
    FapiaoPart,
    FapiaoRequest,
    FapiaoStatus,
)
from app.billing.models import Invoice
from app.core import db
from app.core.errors import NotFound
from app.core.paging import DEFAULT_LIMIT, Page, newest_first
from app.core.text import clean_name


def get_request(session: Session, request_id: int) -> FapiaoRequest:
    """Return the request. Raises NotFound."""
    return db.get(session, FapiaoRequest, request_id, noun="fapiao request")


def find_newest(session: Session, invoice_id: int) -> FapiaoRequest | None:
    """Return what was last asked for the invoice, whatever became of it."""
    return session.scalars(
        select(FapiaoRequest)
        .where(FapiaoRequest.invoice_id == invoice_id)
        .order_by(FapiaoRequest.id.desc())
        .limit(1)
    ).first()


def find_live(session: Session, invoice_id: int) -> FapiaoRequest | None:
    """Return the request that stands for the invoice, if there is one."""
    return session.scalars(
        select(FapiaoRequest).where(
            FapiaoRequest.invoice_id == invoice_id, FapiaoRequest.status.in_(LIVE)
        )
    ).one_or_none()


def list_requests(
    session: Session,
    *,
    status: FapiaoStatus | None = None,
    kind: FapiaoKind | None = None,
    invoice_id: int | None = None,
    q: str = "",
    cursor: str | None = None,
    limit: int = DEFAULT_LIMIT,
) -> Page[FapiaoRequest]:
    """Return requests, newest first; `q` is a part of title, tax number or a number.

    A number is the invoice's or the fapiao's. Raises Invalid.
    """
    statement = select(FapiaoRequest)
    if status:
        statement = statement.where(FapiaoRequest.status == status)
    if kind:
        statement = statement.where(FapiaoRequest.kind == kind)
    if invoice_id is not None:
        statement = statement.where(FapiaoRequest.invoice_id == invoice_id)
    if q:
        part = clean_name(q, path="q")
        numbered = select(Invoice.id).where(Invoice.number.icontains(part, autoescape=True))
        statement = statement.where(
            or_(
                FapiaoRequest.title.icontains(part, autoescape=True),
                FapiaoRequest.tax_id.icontains(part, autoescape=True),
                FapiaoRequest.number.icontains(part, autoescape=True),
                FapiaoRequest.invoice_id.in_(numbered),
            )
        )
    return newest_first(session, statement, FapiaoRequest.id, cursor=cursor, limit=limit)


def counts_by_status(session: Session) -> dict[FapiaoStatus, int]:
    """Return how many requests stand in each status, also in those where none does."""
    counted = select(FapiaoRequest.status, func.count()).group_by(FapiaoRequest.status)
    found = dict(session.execute(counted).all())
    return {status: found.get(status, 0) for status in FapiaoStatus}


def invoices_by_id(session: Session, requests: Sequence[FapiaoRequest]) -> dict[int, Invoice]:
    """Return the invoices of the requests, by their ids."""
    wanted = {request.invoice_id for request in requests}
    rows = session.scalars(select(Invoice).where(Invoice.id.in_(wanted)))
    return {row.id: row for row in rows}


def list_files(session: Session, request_id: int) -> Sequence[FapiaoFile]:
    """Return the files of a request: none, the fapiao's, and its red letter's."""
    return session.scalars(
        select(FapiaoFile).where(FapiaoFile.request_id == request_id).order_by(FapiaoFile.part)
    ).all()


def get_file(session: Session, request_id: int, part: FapiaoPart) -> FapiaoFile:
    """Return the file of one part of a request. Raises NotFound."""
    found = session.scalars(
        select(FapiaoFile).where(FapiaoFile.request_id == request_id, FapiaoFile.part == part)
    ).one_or_none()
    if found is None:
        raise NotFound("this fapiao has no such file")
    return found


def get_file_by_id(session: Session, file_id: int) -> FapiaoFile:
    """Return the file of the session's merchant. Raises NotFound."""
    return db.get(session, FapiaoFile, file_id, noun="file")
