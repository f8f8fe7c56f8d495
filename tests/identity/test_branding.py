"""What a merchant sets of its looks can be read, is one row, and is written down."""

# ruff: noqa: RUF001  # Chinese punctuation is full-width

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.audit.models import AuditEntry
from app.audit.recording import SYSTEM
from app.documents.logos import InvalidLogo
from app.identity import branding
from app.identity.branding import Brand, ColorTooLight, InvalidBranding
from tests.documents.reading import picture
from tests.make import NOON, Make

BRAND = Brand(
    legal_name="上海极光智能科技有限公司",
    legal_address="上海市浦东新区博云路 2 号",
    tax_id="91310000MA1FL4QX7X",
    color="#0F766E",
    footer="开户行：招商银行  \r\n\r\n谢谢惠顾 ",
)


def test_without_a_row_nothing_is_branded(session: Session, make: Make) -> None:
    del make

    found = branding.get_branding(session)

    assert (found.color, found.footer, found.logo) == ("", "", None)


def test_a_brand_is_kept_in_its_plain_form(session: Session, make: Make) -> None:
    del make

    branding.set_brand(session, BRAND, actor=SYSTEM, now=NOON)

    found = branding.get_branding(session)
    assert found.legal_name == "上海极光智能科技有限公司"
    assert found.color == "#0f766e"
    assert found.footer == "开户行：招商银行\n\n谢谢惠顾"


def test_the_logo_and_the_rest_leave_each_other_alone(session: Session, make: Make) -> None:
    del make
    branding.set_brand(session, BRAND, actor=SYSTEM, now=NOON)
    branding.set_logo(session, picture(kind="JPEG"), actor=SYSTEM, now=NOON)

    branding.set_brand(session, Brand(footer="Thanks"), actor=SYSTEM, now=NOON)

    found = branding.get_branding(session)
    assert (found.footer, found.color) == ("Thanks", "")
    assert found.logo is not None
    assert found.logo.startswith(b"\x89PNG")
    branding.remove_logo(session, actor=SYSTEM, now=NOON)
    assert branding.get_branding(session).logo is None
    assert branding.get_branding(session).footer == "Thanks"


def test_each_change_is_written_down_with_what_it_changed(session: Session, make: Make) -> None:
    del make
    branding.set_brand(session, Brand(color="#0f766e"), actor=SYSTEM, now=NOON)
    branding.set_logo(session, picture(), actor=SYSTEM, now=NOON)

    session.flush()
    first, second = session.scalars(select(AuditEntry).order_by(AuditEntry.id)).all()[-2:]
    assert first.action == "branding.changed"
    assert (first.before, first.after) == ({"color": ""}, {"color": "#0f766e"})
    assert list(second.after) == ["logo_sha256"]


@pytest.mark.parametrize(
    ("field", "brand"),
    [
        ("legal_name", Brand(legal_name="字" * 201)),
        ("legal_name", Brand(legal_name="a\x00b")),
        ("legal_address", Brand(legal_address="a\u202eb")),
        ("tax_id", Brand(tax_id="9" * 41)),
        ("footer", Brand(footer="x" * 501)),
        ("footer", Brand(footer="a\x07b")),
        ("color", Brand(color="teal")),
        ("color", Brand(color="#fff; } body { display: none")),
        ("color", Brand(color="#12345")),
    ],
)
def test_what_can_not_be_printed_is_refused_at_its_field(
    session: Session, make: Make, field: str, brand: Brand
) -> None:
    del make

    with pytest.raises(InvalidBranding) as refused:
        branding.set_brand(session, brand, actor=SYSTEM, now=NOON)

    assert refused.value.path == field


@pytest.mark.parametrize(
    ("color", "contrast"),
    [("#000000", "21.00"), ("#ffffff", "1.00"), ("#767676", "4.54"), ("#0000ff", "8.59")],
)
def test_contrast_is_counted_as_wcag_counts_it(color: str, contrast: str) -> None:
    assert f"{branding.contrast_with_white(color):.2f}" == contrast


def test_a_colour_that_can_hardly_be_read_is_refused(session: Session, make: Make) -> None:
    del make

    with pytest.raises(ColorTooLight, match=r"1\.6"):
        branding.set_brand(session, Brand(color="#f5c542"), actor=SYSTEM, now=NOON)


def test_a_refused_logo_leaves_the_old_one(session: Session, make: Make) -> None:
    del make
    branding.set_logo(session, picture(), actor=SYSTEM, now=NOON)

    with pytest.raises(InvalidLogo):
        branding.set_logo(session, b"<svg/>", actor=SYSTEM, now=NOON)

    assert branding.get_branding(session).logo is not None
