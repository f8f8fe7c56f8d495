"""The guides on the pages: drawn from their files, for everybody, in two languages, escaped."""

import re

import pytest
from markupsafe import Markup

from app.web import docs, markdown, reference
from app.web.markdown import NotInSubset
from tests.web.conftest import Browser

CHINESE = {"Accept-Language": "zh-CN"}
PATHS = ["/docs", "/docs/reference", *(f"/docs/{name}" for name in docs.GUIDES)]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("language", ["en-US", "zh-CN"])
def test_every_guide_is_there_for_everybody(visitor: Browser, path: str, language: str) -> None:
    page = visitor.text(path, headers={"Accept-Language": language})

    ids = re.findall(r'\sid="([^"]+)"', page)
    labels = re.findall(r'role="region" aria-label="([^"]+)"', page)
    assert len(ids) == len(set(ids))
    assert len(labels) == len(set(labels))


def test_an_unknown_guide_is_not_found(visitor: Browser) -> None:
    assert visitor.get("/docs/secrets").status_code == 404
    assert visitor.get("/docs/decisions/README").status_code == 404


def test_the_guide_speaks_chinese(visitor: Browser) -> None:
    page = visitor.text("/docs", headers=CHINESE)

    assert "接入指南" in page
    assert "此内容尚不支持您的语言。" not in page


def test_a_guide_without_translation_says_so_and_is_in_english(visitor: Browser) -> None:
    page = visitor.text("/docs/changelog", headers=CHINESE)

    assert "此内容尚不支持您的语言。" in page
    assert '<article class="prose" lang="en">' in page
    assert "此内容尚不支持您的语言。" not in visitor.text("/docs/changelog")


def test_a_link_into_a_guide_leads_there_in_either_language(visitor: Browser) -> None:
    for headers in (CHINESE, {}):
        page = visitor.text("/docs/errors", headers=headers)

        assert 'id="what-becomes-of-an-event"' in page
        assert 'id="batch_too_large"' in page


def test_a_stranger_reads_the_event_as_printed(visitor: Browser) -> None:
    page = visitor.text("/docs")

    assert "2026-05-25T10:00:00Z" in page
    assert docs.EXAMPLE_KEY in page


def test_a_merchant_reads_his_own_time(browser: Browser) -> None:
    page = browser.text("/docs")

    assert docs.EXAMPLE_MOMENT not in page
    assert docs.EXAMPLE_START not in page
    assert docs.EXAMPLE_CLOCK not in page


def test_every_code_of_an_error_can_be_linked_to(visitor: Browser) -> None:
    page = visitor.text("/docs/errors")

    assert 'id="batch_too_large"' in page
    assert 'id="invalid_api_key"' in page


def test_the_reference_shows_every_operation(visitor: Browser) -> None:
    page = visitor.text("/docs/reference")
    document = reference.committed()
    operations = [
        operation["operationId"]
        for item in document["paths"].values()
        for operation in item.values()
    ]

    assert operations
    assert [name for name in operations if f'id="{name}"' not in page] == []


def test_the_landing_page_leads_to_the_guides(visitor: Browser) -> None:
    assert 'href="/docs"' in visitor.text("/")


def draw(source: str) -> str:
    (block,) = markdown.parse(source, link=str)
    assert isinstance(block, markdown.Paragraph)
    return block.text


def test_marks_are_drawn_and_all_other_text_is_escaped() -> None:
    drawn = draw("Send `<a>` & **more**, see [the `code`](errors.md).")

    assert drawn == Markup(
        "Send <code>&lt;a&gt;</code> &amp; <b>more</b>, "
        'see <a href="errors.md">the <code>code</code></a>.'
    )


@pytest.mark.parametrize("html", ["a <script>alert(1)</script>", 'a [x]("onclick=y)'])
def test_a_guide_can_not_carry_html(html: str) -> None:
    assert "<script" not in draw(html)
    assert '"onclick' not in draw(html)


@pytest.mark.parametrize(
    "source",
    ["> a quote", "<b>html</b>", "- a\n  - nested", "```js\nno end", "|a|\n|b|", "# a\n\n# a"],
)
def test_what_pages_can_not_draw_is_refused(source: str) -> None:
    with pytest.raises(NotInSubset):
        markdown.parse(source, link=str)


@pytest.mark.parametrize("target", ["operators.md", "../app/config.py"])
def test_a_link_to_what_is_no_page_is_refused(target: str) -> None:
    with pytest.raises(NotInSubset):
        docs.address_of(target)
