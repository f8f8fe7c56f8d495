"""The Markdown of our guides, as blocks that a template draws: a small, strict subset.

Headings, paragraphs, lists, tables and fenced code; in their text `code`, **bold** and [links].
Everything else is refused, so that a guide never reads on the page otherwise than in the file.
All text is escaped: a guide can not carry HTML.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from markupsafe import Markup

Link = Callable[[str], str]
"""Turns the target of a link in a file into the address it has on the pages."""

_HEADING = re.compile(r"(#{1,3}) (\S.*)")
_FENCE = re.compile(r"```([a-z]+)(?: (\S.*))?")
_ITEM = re.compile(r"(?:- |(\d+)\. )(\S.*)")
_RULE = re.compile(r"\|(?: ?-+:? ?\|)+")
_MARK = re.compile(
    r"`(?P<code>[^`]+)`|\*\*(?P<bold>[^*]+)\*\*|\[(?P<label>[^\]]+)\]\((?P<target>[^)\s]+)\)"
)
_CELL_BORDER = re.compile(r"(?<!\\)\|")
_NOT_A_WORD = re.compile(r"[^\w]+")


class NotInSubset(ValueError):
    """A guide uses what the pages can not draw: a fault in the guide, found by its tests."""


@dataclass(frozen=True, slots=True)
class Heading:
    level: int
    id: str
    text: Markup
    kind: str = "heading"


@dataclass(frozen=True, slots=True)
class Paragraph:
    text: Markup
    kind: str = "paragraph"


@dataclass(frozen=True, slots=True)
class Items:
    """A list; `first` is the number of an ordered one, none for bullets."""

    items: tuple[Markup, ...]
    first: int | None
    kind: str = "items"


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of (id, cells): what its first cell says in code names a row, the first time it does."""

    head: tuple[Markup, ...]
    rows: tuple[tuple[str, tuple[Markup, ...]], ...]
    kind: str = "table"


@dataclass(frozen=True, slots=True)
class Code:
    language: str
    title: str
    text: str
    kind: str = "code"


Block = Heading | Paragraph | Items | Table | Code


def parse(source: str, *, link: Link) -> list[Block]:
    """Return the blocks of a guide in order. Raises NotInSubset."""
    return list(_Parser(source.splitlines(), link).blocks())


def inline(text: str, *, link: Link) -> Markup:
    """Return one line of text with its marks drawn."""
    parts, end = [], 0
    for mark in _MARK.finditer(text):
        parts.append(Markup("{}").format(text[end : mark.start()]))
        parts.append(_marked(mark, link))
        end = mark.end()
    parts.append(Markup("{}").format(text[end:]))
    return Markup("").join(parts)


def anchor(text: str) -> str:
    """Return the id of a heading: what GitHub makes of it for plain words."""
    return _NOT_A_WORD.sub("-", text.lower()).strip("-")


class _Parser:
    """Reads lines from the top; each block eats its own."""

    def __init__(self, lines: Sequence[str], link: Link) -> None:
        self._lines = lines
        self._at = 0
        self._link = link
        self._ids: set[str] = set()

    def blocks(self) -> Iterator[Block]:
        while self._at < len(self._lines):
            line = self._lines[self._at]
            if not line.strip():
                self._at += 1
            elif found := _FENCE.fullmatch(line):
                yield self._code(found[1], found[2] or "")
            elif found := _HEADING.fullmatch(line):
                self._at += 1
                yield Heading(len(found[1]), self._new_id(found[2]), self._inline(found[2]))
            elif line.startswith("|"):
                yield self._table()
            elif found := _ITEM.fullmatch(line):
                yield self._items(None if found[1] is None else int(found[1]))
            elif line.startswith(("#", ">", "<", "```", " ", "* ", "!")):
                raise NotInSubset(line)
            else:
                yield Paragraph(self._inline(" ".join(self._run())))

    def _code(self, language: str, title: str) -> Code:
        start = self._at + 1
        try:
            end = next(n for n in range(start, len(self._lines)) if self._lines[n] == "```")
        except StopIteration:
            raise NotInSubset(f"code without end: {self._lines[self._at]}") from None
        self._at = end + 1
        return Code(language, title, "\n".join(self._lines[start:end]))

    def _table(self) -> Table:
        lines = self._run()
        if len(lines) < len(("head", "rule")) or not _RULE.fullmatch(lines[1]):
            raise NotInSubset(f"a table has a head and a rule: {lines[0]}")
        head = tuple(self._inline(cell) for cell in _cells(lines[0]))
        rows = []
        for line in lines[2:]:
            cells = _cells(line)
            if len(cells) != len(head):
                raise NotInSubset(f"{len(head)} columns are wanted: {line}")
            rows.append((self._row_id(cells[0]), tuple(self._inline(cell) for cell in cells)))
        return Table(head, tuple(rows))

    def _items(self, first: int | None) -> Items:
        items: list[str] = []
        for line in self._run():
            if found := _ITEM.fullmatch(line):
                items.append(found[2])
            elif line.startswith("  ") and not _ITEM.fullmatch(line.strip()):
                items[-1] += " " + line.strip()
            else:
                raise NotInSubset(f"a list is flat, its text indented by two or three: {line}")
        return Items(tuple(self._inline(item) for item in items), first)

    def _new_id(self, title: str) -> str:
        name = anchor(title)
        if not name or name in self._ids:
            raise NotInSubset(f"a second heading of this name: {title}")
        self._ids.add(name)
        return name

    def _row_id(self, first_cell: str) -> str:
        found = re.fullmatch(r"`(\w+)`", first_cell)
        if found is None or found[1] in self._ids:
            return ""
        self._ids.add(found[1])
        return found[1]

    def _run(self) -> list[str]:
        """Take the lines up to the next empty one."""
        start = self._at
        while self._at < len(self._lines) and self._lines[self._at].strip():
            self._at += 1
        return list(self._lines[start : self._at])

    def _inline(self, text: str) -> Markup:
        return inline(text, link=self._link)


def _marked(mark: re.Match[str], link: Link) -> Markup:
    if mark["code"]:
        return Markup("<code>{}</code>").format(mark["code"])
    if mark["bold"]:
        return Markup("<b>{}</b>").format(mark["bold"])
    label = inline(mark["label"], link=link)
    return Markup('<a href="{}">{}</a>').format(link(mark["target"]), label)


def _cells(line: str) -> list[str]:
    cells = _CELL_BORDER.split(line.strip().removeprefix("|").removesuffix("|"))
    return [cell.strip().replace(r"\|", "|") for cell in cells]
