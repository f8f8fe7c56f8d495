"""Forms that forget nothing: what was typed, and what is wrong with it, field by field."""

from dataclasses import dataclass, field

from flask import request

from app.core.errors import Refusal
from app.web.refusals import say


@dataclass
class Form:
    """The values of a form by field, the errors by field, and one error about the whole."""

    values: dict[str, str]
    errors: dict[str, str] = field(default_factory=dict)
    error: str = ""

    def __post_init__(self) -> None:
        self.errors = dict.fromkeys(self.values, "") | self.errors

    def refuse(self, refusal: Refusal) -> "Form":
        """Put the refusal at the field it names, or above the form."""
        if refusal.path in self.values:
            self.errors[refusal.path] = say(refusal)
        else:
            self.error = say(refusal)
        return self


def blank(**values: str) -> Form:
    """Return a form as it opens, with these values."""
    return Form(values)


def typed(**defaults: str) -> Form:
    """Return what the request's form holds of these fields, else the defaults."""
    return Form({name: request.form.get(name, value) for name, value in defaults.items()})
