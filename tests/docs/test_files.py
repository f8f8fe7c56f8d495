"""The files of the documentation agree with the code, with each other, and name no machine."""

import re
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from app.config import ROOT
from app.ledger import journals
from app.ledger.journals import Journal, MoneyBack
from app.roles import LOGINS
from app.web import markdown
from app.web.markdown import Block, Code, Heading, Items, Table, anchor
from tests.docs import reading
from tests.make import cny, usd

FILES = [*sorted((ROOT / "docs").rglob("*.md")), ROOT / "README.md", ROOT / "CHANGELOG.md"]
WORDS = [
    *("company", "merchant", "customer", "metric", "usage event", "contract", "invoice"),
    *("rate card, rate card version", "FX snapshot", "payment order", "channel"),
    *("channel callback", "webhook", "ledger transaction, entry", "outbox", "test clock"),
]
INVOICE, CUSTOMER, CREDIT_NOTE, ENTRY = 4711, 42, 5, 6
REFUND = MoneyBack("rf_1", INVOICE, "wechat", cny(30_000), cny(900), usd(4_063))
DISPUTE = MoneyBack("dp_1", INVOICE, "wechat", cny(20_000), cny(600), usd(2_709))
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_MACHINE = re.compile(r"/(?:work|root|home|tmp|usr/local)/|\.\./shared|[Ss]eeds?/\d")


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def text_of(path: Path) -> list[Block]:
    return markdown.parse(path.read_text(), link=str)


@pytest.mark.parametrize("path", FILES, ids=name)
def test_every_link_leads_somewhere(path: Path) -> None:
    for target in _LINK.findall(path.read_text()):
        if target.startswith("http"):
            continue
        file, _, fragment = target.partition("#")
        other = (path.parent / file).resolve()
        assert other.is_file(), target
        if fragment:
            headings = [block for block in text_of(other) if isinstance(block, Heading)]
            assert fragment in [heading.id for heading in headings], target


@pytest.mark.parametrize("path", FILES, ids=name)
def test_no_file_names_a_machine(path: Path) -> None:
    assert not _MACHINE.search(path.read_text())


@pytest.mark.parametrize("path", FILES, ids=name)
def test_every_file_keeps_to_the_subset_that_pages_draw(path: Path) -> None:
    first = text_of(path)[0]

    assert isinstance(first, Heading)
    assert first.level == 1


@pytest.mark.parametrize("path", sorted((ROOT / "docs").glob("*.zh.md")), ids=name)
def test_a_translation_says_the_same_in_the_same_places(path: Path) -> None:
    chinese, english = text_of(path), text_of(path.with_name(path.name.replace(".zh", "")))

    assert [skeleton(block) for block in chinese] == [skeleton(block) for block in english]


def skeleton(block: Block) -> object:
    """Return what a translation leaves as it is."""
    if isinstance(block, Code):
        return block.language, block.text
    if isinstance(block, Heading):
        return block.level
    if isinstance(block, Items):
        return len(block.items), block.first
    if isinstance(block, Table):
        return [row_id for row_id, _ in block.rows], len(block.rows), len(block.head)
    return block.kind


def test_the_readme_opens_with_the_two_commands() -> None:
    lines = (ROOT / "README.md").read_text().splitlines()
    commands = [line.partition("#")[0].strip() for line in lines[3:5]]

    assert commands == ["make run", "make test"]


def test_the_readme_explains_the_words_of_the_house() -> None:
    rows = re.findall(r"^\| ([^|`]+?) \| [A-Z]", (ROOT / "README.md").read_text(), re.MULTILINE)

    assert set(WORDS) <= set(rows)


def test_every_decision_is_listed_and_tells_context_decision_and_consequences() -> None:
    folder = ROOT / "docs" / "decisions"
    records = sorted(folder.glob("0*.md"))
    index = (folder / "README.md").read_text()

    assert [path.name[:4] for path in records] == [f"{n:04}" for n in range(1, len(records) + 1)]
    for path in records:
        title = path.read_text().splitlines()[0].removeprefix("# ")
        assert f"[{title}]({path.name})" in index
        headings = [str(b.text) for b in text_of(path) if isinstance(b, Heading)][1:]
        assert headings == ["Context", "Decision", "Consequences"]


def test_the_roles_an_operator_makes_are_the_ones_the_product_makes(engine: Engine) -> None:
    sql = reading.snippet("operators.md", "The three logins")
    with engine.connect() as connection:
        query = text("SELECT rolname, rolconfig FROM pg_roles WHERE rolname = ANY(:names)")
        rows = connection.execute(query, {"names": list(LOGINS.values())}).all()
    made = {role: list(config) for role, config in rows}

    printed: dict[str, list[str]] = {}
    for role in re.findall(r"CREATE ROLE (\w+) LOGIN NOSUPERUSER NOBYPASSRLS", sql):
        found = re.findall(rf"ALTER ROLE {role} SET (\w+) = '(\w+)'", sql)
        printed[role] = [f"{setting}={value}" for setting, value in found]
    assert {role: sorted(config) for role, config in printed.items()} == {
        role: sorted(config) for role, config in made.items()
    }


def test_the_ledger_guide_posts_what_the_journals_post() -> None:
    wanted = {
        "T1": journals.invoice_finalized(INVOICE, cny(90_533), due=cny(90_533)),
        "T2": journals.payment_captured(INVOICE, "wechat", cny(90_533)),
        "T3": journals.platform_fee(INVOICE, cny(2_716)),
        "T4": journals.fx_conversion(INVOICE, net=cny(87_817), settlement=usd(12_262)),
        "V1": journals.invoice_voided(INVOICE, CUSTOMER, due=cny(90_533), returned=cny(0)),
        "V2": journals.invoice_uncollectible(INVOICE, cny(90_533)),
        "V3": journals.invoice_recovered(INVOICE, cny(90_533)),
        "N1": journals.credit_note_issued(
            CREDIT_NOTE, INVOICE, CUSTOMER, off_due=cny(1_000), to_balance=cny(1_000)
        ),
        "N2": journals.balance_used(INVOICE, CUSTOMER, cny(1_000)),
        "N3": journals.balance_adjusted(ENTRY, CUSTOMER, cny(1_000)),
        "U1": journals.payment_unallocated(
            "wechat:1", "wechat", amount=cny(90_533), invoice_id=INVOICE
        ),
        "U2": journals.payment_returned("rf_1", "wechat", amount=cny(90_533), invoice_id=INVOICE),
        "F1": journals.refund_submitted(REFUND),
        "F2": journals.refund_succeeded(REFUND),
        "D1": journals.dispute_opened(DISPUTE),
        "D2": journals.dispute_lost(DISPUTE),
        "D3": journals.dispute_won(DISPUTE),
        "D4": journals.dispute_fee("dp_1", INVOICE, usd(1_500)),
    }

    printed: dict[str, list[tuple[str, str, int]]] = {}
    for table in reading.tables("ledger.md"):
        for row in table:
            if len(row) == 6:
                key, _, account, currency, debit, credit = row
                amount = int(debit) if debit else -int(credit)
                printed.setdefault(key, []).append((account, currency, amount))

    assert printed == {key: legs(journal) for key, journal in wanted.items()}


def legs(journal: Journal) -> list[tuple[str, str, int]]:
    return [
        (f"{leg.book}:{leg.account}", leg.amount.currency.value, leg.amount.minor)
        for leg in journal.legs
        if leg.amount
    ]


def test_a_heading_has_the_anchor_one_expects() -> None:
    assert anchor("What becomes of an event") == "what-becomes-of-an-event"
