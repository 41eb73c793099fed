"""Colours of the pages: enough contrast for everyone, light and dark (WCAG 2.2, 1.4.3 and 1.4.11)."""

import re
from pathlib import Path

import pytest

import nextframe

PAGES = Path(nextframe.__file__).parent
COLOURS = PAGES / "report" / "page" / "colours.css"
PAIRS = {
    name: {"light": light, "dark": dark}
    for name, light, dark in re.findall(r"--([\w-]+): light-dark\((#\w{6}), (#\w{6})\);", COLOURS.read_text("utf-8"))
}
LEAST = {
    **dict.fromkeys(("ink", "soft", "accent", "trouble"), 4.5),  # texts
    "rule": 3.0,  # edges of what is used
    **{name: 3.0 for name in PAIRS if name.startswith("curve-")},
}


def luminance(colour: str) -> float:
    """Relative luminance of #rrggbb."""
    parts = [int(colour[n : n + 2], 16) / 255 for n in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def contrast(one: str, other: str) -> float:
    dark, bright = sorted((luminance(one), luminance(other)))
    return (bright + 0.05) / (dark + 0.05)


def test_contrast_is_that_of_the_standard() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.005)


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("name", LEAST)
def test_colours_stand_out_from_their_ground(name: str, theme: str) -> None:
    for ground in ("paper", "card"):
        assert contrast(PAIRS[name][theme], PAIRS[ground][theme]) >= LEAST[name], ground


def test_every_colour_is_looked_at() -> None:
    decoration = {"hair"}  # lines that only please
    assert set(PAIRS) == {*LEAST, "paper", "card", *decoration}
    sheets = [*PAGES.glob("*/page/*.css"), *PAGES.glob("*/page/*.js"), *PAGES.glob("*/page/*.html")]
    sheets.append(PAGES / "report" / "template.html")
    used = {name for path in sheets for name in re.findall(r"var\(--([\w-]+)\)", path.read_text("utf-8"))}
    own = {"ratio", "width"}  # sizes
    assert used - own <= set(PAIRS)
    for path in sheets:
        if path != COLOURS:
            stated = re.findall(r"#[0-9a-fA-F]{3,6}\b(?=[;, )])", path.read_text("utf-8"))
            # The ring about the point stands over pictures of any colour: white within black.
            assert set(stated) <= {"#fff", "#000"}, path
