"""Printing: the product's invoice against the same page as a first try would set it.

The naive way is what WeasyPrint's first page of documentation leads to: the same page and style,
read anew each time, with the whole typeface as `@font-face`, and no archive in mind. `fpdf2` draws
a page of the same facts and lines in the same two fonts. On machines that have them, the full
fonts of the system take turns as well. CPU time counts, each way in a process of its own, so that
what it holds can be told.
"""

import multiprocessing
import statistics
import time
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from fpdf import FPDF
from weasyprint import CSS, HTML
from weasyprint.text.fonts import FontConfiguration

from app.core.language import Language
from app.core.money import Currency, Money
from app.documents.fonts import FONTS
from app.documents.invoice_print import InvoicePrint, PrintLine, PrintParty, PrintRate
from app.documents.press import STYLESHEET
from app.documents.printing import page_of, render_invoice

LINES = 8
LONG, LONGER = 100, 500
PAGES_A_ROUND = 10
LARGEST_KB, LARGEST_RSS_MB, STEEPEST = 120, 160, 1.3
GATES = {"naive": 0.75, "naive-full": 0.5, "fpdf2": 0.7}
"""CPU time of ours relative to theirs, at most."""

_PROCESSES = multiprocessing.get_context("spawn")
_FONT_SIZE, _TITLE_SIZE, _LINE_MM = 9, 20, 7
_FACES = "".join(
    f"@font-face {{ font-family: Document Sans; font-weight: {weight};"
    f" src: url({(FONTS / f'NotoSansSC-GBK-{name}.ttf').as_uri()}) }}\n"
    for name, weight in (("Regular", 400), ("Bold", 700))
)
_COLLECTIONS = Path("/usr/share/fonts/opentype/noto")
_FULL = "Noto Sans CJK SC"
"""What Debian installs for Chinese: every script of East Asia in files of 20 MB."""


def run(*, rounds: int, scale: float) -> dict[str, Any]:
    """Print pages by turns, then long invoices by ours alone."""
    ways = ["ours", "naive", "fpdf2"]
    if (_COLLECTIONS / "NotoSansCJK-Regular.ttc").is_file():
        ways.append("naive-full")
    count = max(1, round(PAGES_A_ROUND * scale))
    presses = {name: _Press(name) for name in ways}
    for press in presses.values():
        press.print(LINES, 2)
    for _ in range(rounds):
        for press in presses.values():
            press.rounds.append(press.print(LINES, count))
    ours = presses["ours"]
    rss_mb = ours.rss_mb
    steepness = _steepness(ours)
    for press in presses.values():
        press.stop()
    return _judge(presses, rounds=rounds, rss_mb=rss_mb, steepness=steepness)


def _steepness(press: "_Press") -> float:
    """Return what a line more costs in the longest invoice, relative to the long one."""
    short, long, longer = (
        min(press.print(lines, 1) for _ in range(3)) for lines in (LINES, LONG, LONGER)
    )
    return ((longer - long) / (LONGER - LONG)) / ((long - short) / (LONG - LINES))


def _judge(
    presses: dict[str, "_Press"], *, rounds: int, rss_mb: float, steepness: float
) -> dict[str, Any]:
    ours = presses["ours"]
    size_kb = ours.size_bytes / 1024
    missed = []
    print(f"\n{'':12}{'CPU ms':>8}{'kB':>8}{'MB':>8}{'ours/it':>10}")
    ratios = {}
    for name, press in presses.items():
        ratios[name] = statistics.median(
            mine / theirs for mine, theirs in zip(ours.rounds, press.rounds, strict=True)
        )
        cpu = statistics.median(press.rounds)
        print(
            f"{name:12}{cpu:8.1f}{press.size_bytes / 1024:8.0f}{press.rss_mb:8.0f}"
            f"{ratios[name]:10.2f}"
        )
        if ratios[name] > GATES.get(name, ratios[name]):
            missed.append(f"{name}: {ratios[name]:.2f} > {GATES[name]}")
    print(f"a line of {LONGER} costs {steepness:.2f} times one of {LONG}")
    for what, figure, most in (
        ("kB", size_kb, LARGEST_KB),
        ("MB", rss_mb, LARGEST_RSS_MB),
        ("ms a line", steepness, STEEPEST),
    ):
        if figure > most:
            missed.append(f"{what}: {figure:.2f} > {most}")
    return {
        "name": "pdf",
        "rounds": rounds,
        "missed": missed,
        "cpu_ms": round(statistics.median(ours.rounds), 1),
        "ratio": round(ratios["naive"], 3),
        "ratios": {name: round(ratio, 3) for name, ratio in ratios.items()},
        "kb": round(size_kb, 1),
        "rss_mb": round(rss_mb),
        "line_ratio": round(steepness, 2),
    }


class _Press:
    """One way to print, in a process of its own that keeps what it keeps between pages."""

    def __init__(self, name: str) -> None:
        self.rounds: list[float] = []
        self.size_bytes = 0
        self.rss_mb = 0.0
        self._pipe, theirs = _PROCESSES.Pipe()
        self._process = _PROCESSES.Process(target=_serve, args=(name, theirs), daemon=True)
        self._process.start()

    def print(self, lines: int, count: int) -> float:
        """Print `count` invoices of so many lines; return the CPU time of one, in ms."""
        self._pipe.send((lines, count))
        cpu_ms, size_bytes, self.rss_mb = self._pipe.recv()
        if lines == LINES:
            self.size_bytes = size_bytes
        return float(cpu_ms)

    def stop(self) -> None:
        self._process.terminate()
        self._process.join()


def _serve(name: str, pipe: Connection) -> None:
    way = _WAYS[name]
    while True:
        lines, count = pipe.recv()
        invoices = [invoice_of(lines, number) for number in range(count)]
        start = time.process_time()
        sizes = [len(way(invoice)) for invoice in invoices]
        cpu_ms = (time.process_time() - start) * 1000 / count
        pipe.send((cpu_ms, max(sizes), _peak_mb()))


def _peak_mb() -> float:
    """Return the most this process ever held; `getrusage` would tell its parent's, too."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def invoice_of(lines: int, number: int) -> InvoicePrint:
    """Return an invoice of so many different lines."""
    usd = Currency.USD
    made = datetime(2026, 6, 1, 16, tzinfo=UTC)
    return InvoicePrint(
        reference=f"inv_{number:013}",
        number=f"LUM-2026-{number:06}",
        merchant=PrintParty("上海极光智能科技有限公司", tax_id="91310000MA1FL4QX7X"),
        customer=PrintParty("北京智谱信息科技有限公司", "acme", email="caiwu@example.cn"),
        zone="Asia/Shanghai",
        issued_at=made,
        due_at=made,
        period_from=date(2026, 5, 1),
        period_to=date(2026, 6, 1),
        lines=tuple(
            PrintLine(
                f"大模型推理 第 {line} 项",
                Money(1_250 * line, usd),
                metric="tokens_input",
                quantity=Decimal(12_500 * line),
                unit="token",
                unit_price="US$0.001",
            )
            for line in range(1, lines + 1)
        ),
        subtotal=Money(625 * lines * (lines + 1), usd),
        collection=Money(90_533, Currency.CNY),
        rate=PrintRate(usd, Decimal("710.50"), 80, Decimal("7.16184"), "中国银行", made),
    )


def _ours(invoice: InvoicePrint) -> bytes:
    return render_invoice(invoice, language=Language.ZH_HANS_CN)


def _naive(invoice: InvoicePrint) -> bytes:
    return _set_naively(invoice, _FACES + STYLESHEET.read_text(encoding="utf-8"))


def _naive_full(invoice: InvoicePrint) -> bytes:
    style = STYLESHEET.read_text(encoding="utf-8")
    return _set_naively(invoice, style.replace('"Document Sans"', f'"{_FULL}"'))


def _set_naively(invoice: InvoicePrint, style: str) -> bytes:
    fonts = FontConfiguration()
    sheet = CSS(string=style, font_config=fonts)
    page = HTML(string=page_of(invoice, Language.ZH_HANS_CN))
    return bytes(page.write_pdf(stylesheets=[sheet], font_config=fonts))


def _fpdf2(invoice: InvoicePrint) -> bytes:
    """Draw the page with fpdf2."""
    pdf = _fpdf_page()
    pdf.set_font("Sans", "B", _TITLE_SIZE)
    pdf.cell(0, 2 * _LINE_MM, "账单 Invoice", new_x="LMARGIN", new_y="NEXT")
    for name, value in _facts(invoice):
        pdf.set_font("Sans", "", _FONT_SIZE)
        pdf.cell(90, _LINE_MM, name)
        pdf.set_font("Sans", "B", _FONT_SIZE)
        pdf.cell(0, _LINE_MM, value, new_x="LMARGIN", new_y="NEXT")
    pdf.set_font("Sans", "", _FONT_SIZE)
    for cells in _cells(invoice):
        for cell in cells[:-1]:
            pdf.cell(45, _LINE_MM, cell, border="B")
        pdf.cell(0, _LINE_MM, cells[-1], border="B", new_x="LMARGIN", new_y="NEXT")
    return bytes(pdf.output())


def _fpdf_page() -> FPDF:
    pdf = FPDF(format="A4")
    for style, weight in (("", "Regular"), ("B", "Bold")):
        pdf.add_font("Sans", style, FONTS / f"NotoSansSC-GB2312-{weight}.ttf")
    pdf.add_page()
    return pdf


def _cells(invoice: InvoicePrint) -> list[list[str]]:
    return [
        [line.description, f"{line.quantity} {line.unit}", line.unit_price, str(line.amount.major)]
        for line in invoice.lines
    ]


def _facts(invoice: InvoicePrint) -> list[tuple[str, str]]:
    rate = invoice.rate
    return [
        ("编号", invoice.number),
        ("计费周期", f"{invoice.period_from} 至 {invoice.period_to}"),
        ("付款方", invoice.customer.name),
        ("客户编号", invoice.customer.reference),
        ("收款方", invoice.merchant.name),
        ("税号", invoice.merchant.tax_id),
        ("汇率快照", f"{rate.rate} {rate.midpoint} {rate.source}" if rate else ""),
        ("小计", str(invoice.subtotal.major)),
        ("应付人民币", str(invoice.collection.major)),
        ("说明", "本账单不作为发票或税务凭证。This document is not a VAT fapiao."),
    ]


_WAYS: dict[str, Callable[[InvoicePrint], bytes]] = {
    "ours": _ours,
    "naive": _naive,
    "naive-full": _naive_full,
    "fpdf2": _fpdf2,
}
