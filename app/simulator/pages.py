"""How the simulator's pages are drawn: in the reader's language, from one book of words."""

import json
from pathlib import Path

from flask import Response, render_template, request

WORDS: dict[str, dict[str, str]] = json.loads(
    (Path(__file__).parent / "words.json").read_text(encoding="utf-8")
)


def page(template: str, *, status: int = 200, **context: object) -> Response:
    """Render `template` with its `words`, Chinese unless the reader prefers English."""
    language = request.accept_languages.best_match(("zh", "en"), default="zh")
    content = render_template(template, words=WORDS[language], language=language, **context)
    response = Response(content, status=status, mimetype="text/html")
    response.vary.add("Accept-Language")
    return response
