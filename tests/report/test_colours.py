"""The page's colours, light and dark: contrast, also for the colour-blind."""

import re
from pathlib import Path

import pytest

STYLE = Path(__file__).parents[2] / "speech/report/templates/page.css"
BLOCKS = re.findall(r":root \{(.*?)\}", STYLE.read_text("utf-8"), flags=re.DOTALL)
THEMES = [dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", block)) for block in BLOCKS]
each_theme = pytest.mark.parametrize("colours", THEMES, ids=["light", "dark"])


def linear(colour, gamma):
    return [gamma(int(colour[place : place + 2], 16) / 255) for place in (1, 3, 5)]


def luminance(colour):
    """Compute the relative luminance of WCAG 2.2."""
    red, green, blue = linear(
        colour, lambda c: c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one, other):
    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


@each_theme
def test_text_and_drawings_stand_out_from_what_is_behind_them(colours):
    texts = [(ink, ground) for ink in ("ink", "soft", "link") for ground in ("page", "panel")]
    for ink, ground in [*texts, ("warn-ink", "warn")]:
        assert contrast(colours[ink], colours[ground]) >= 4.5, (ink, ground)
    for number in range(1, 9):
        assert contrast(colours[f"c{number}"], colours["page"]) >= 3, number


def dichromat(colour, kind):
    """Simulate a dichromat's view in linear RGB (Viénot, Brettel & Mollon 1999)."""
    red, green, blue = linear(colour, lambda c: c**2.2)
    share = {"protan": 0.11238, "deutan": 0.29275}[kind]
    rest = {"protan": 0.00401, "deutan": -0.02234}[kind]
    return share * red + (1 - share) * green, blue + rest * (red - green)


@pytest.mark.parametrize("kind", ["protan", "deutan"])
@each_theme
def test_the_colours_of_women_and_men_differ_for_the_colour_blind(colours, kind):
    women, men = (dichromat(colours[name], kind) for name in ("c1", "c2"))
    assert sum((a - b) ** 2 for a, b in zip(women, men, strict=True)) ** 0.5 > 0.2
