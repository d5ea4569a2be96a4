"""The forms of an HTML page, as a browser without JavaScript reads them."""

from dataclasses import dataclass, field
from html.parser import HTMLParser


@dataclass
class FormOnPage:
    """A form: where it goes, the values that it has, and the names and values of its buttons.

    `areas` are the names of its other fields: texts of several lines, and choices.
    """

    action: str
    fields: dict[str, str] = field(default_factory=dict)
    buttons: list[tuple[str, str]] = field(default_factory=list)
    areas: list[str] = field(default_factory=list)


class FormsOnPage(HTMLParser):
    """The forms of a page, and all its words."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.forms: list[FormOnPage] = []
        self.words: list[str] = []
        self._is_open = False
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        of = {name: value or "" for name, value in attrs}
        if tag == "form":
            self._is_open = True
            self.forms.append(FormOnPage(of.get("action", "")))
        elif not self._is_open or "name" not in of:
            return
        elif of.get("type") in {"checkbox", "radio"} and "checked" not in of:
            return  # no browser sends it
        elif tag == "input":
            self.forms[-1].fields[of["name"]] = of.get("value", "")
        elif tag == "button":
            self.forms[-1].buttons.append((of["name"], of.get("value", "")))
        elif tag in {"textarea", "select"}:
            self.forms[-1].areas.append(of["name"])

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._is_open = False

    def handle_data(self, data: str) -> None:
        self.words.append(data)
