"""Which controls of a page the Tab key reaches, and whether their focus is seen."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from playwright.sync_api import Page

# A field for a date has a stop for each of its parts.
MOST_STOPS = 5

NUMBER_CONTROLS = """
() => {
  const found = 'a[href], button, input:not([type=hidden]), select, textarea, summary, [tabindex]';
  const controls = [...document.querySelectorAll(found)].filter(each =>
    each.tabIndex >= 0 && !each.disabled && each.checkVisibility({ visibilityProperty: true }));
  controls.forEach((each, number) => each.dataset.control = number);
  return controls.map(each => each.outerHTML.slice(0, 100));
}"""

FOCUSED = """
() => {
  const focused = document.activeElement, style = getComputedStyle(focused);
  const place = focused.getBoundingClientRect();
  const isRinged = style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2
    && !/^rgba.*, 0[)]$/.test(style.outlineColor);
  const isInView = place.width > 0 && place.bottom > 0 && place.top < innerHeight
    && place.right > 0 && place.left < innerWidth;
  return { control: focused.dataset.control, isSeen: isRinged && isInView };
}"""


def not_reached(page: "Page") -> list[str]:
    """The beginnings of those that get no focus, or none that is seen."""
    controls: list[str] = page.evaluate(NUMBER_CONTROLS)
    seen: set[int] = set()
    for _ in range(MOST_STOPS * len(controls)):
        page.keyboard.press("Tab")
        focused: dict[str, Any] = page.evaluate(FOCUSED)
        if (control := focused.get("control")) is None:
            break
        if focused["isSeen"]:
            seen.add(int(control))
    return [each for number, each in enumerate(controls) if number not in seen]
