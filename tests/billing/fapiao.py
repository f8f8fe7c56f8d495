"""Fapiao to test with: an issuer's files, a buyer's details, the request of a paid invoice."""

import io
import zipfile
from datetime import date
from typing import Any

from sqlalchemy.orm import Session

from app.billing import fapiao
from app.billing.fapiao_details import Details, Printed
from app.billing.fapiao_issuing import Upload
from app.billing.fapiao_models import FapiaoKind, FapiaoRequest, TitleType
from app.billing.models import Invoice, InvoiceStatus
from tests.make import NOON
from tests.payments.builders import issue as issue_invoice

DIGITAL = "26312000000012345678"
PDF = b"%PDF-1.7\n1 0 obj\n<<>>\nendobj\ntrailer\n<<>>\n%%EOF\n"
XML = "<?xml version='1.0' encoding='UTF-8'?><EInvoice>发票</EInvoice>".encode()


def packed(*names: str) -> bytes:
    """Return a package that holds files of these names."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as package:
        for name in names:
            package.writestr(name, f"<{name}/>")
    return content.getvalue()


def details(**changed: Any) -> Details:
    """Return what a company asks for, with the standard's own example of a tax number."""
    values: dict[str, Any] = {
        "kind": FapiaoKind.GENERAL,
        "title_type": TitleType.COMPANY,
        "title": "上海智谱星图信息科技有限公司",
        "tax_id": "91350100M000100Y43",
        "email": "caiwu@example.cn",
    }
    return Details(**values | changed)


def upload(number: str = DIGITAL, content: bytes = PDF, **changed: Any) -> Upload:
    """Return a fully digital fapiao of the second of June."""
    return Upload(Printed(number, date(2026, 6, 2), **changed), content)


def paid_invoice(session: Session, **columns: Any) -> Invoice:
    """Issue the invoice of 905.33 CNY, as it stands when it was paid."""
    return issue_invoice(session, status=InvoiceStatus.PAID, paid_at=NOON, **columns)


def requested(session: Session, invoice: Invoice | None = None, **changed: Any) -> FapiaoRequest:
    """Ask for the fapiao of a paid invoice."""
    invoice = invoice or paid_invoice(session)
    return fapiao.request(session, invoice.id, details(**changed), now=NOON)
