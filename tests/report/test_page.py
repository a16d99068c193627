"""The page's own script, style and markup: contrast, tables, escaping."""

import re
from pathlib import Path

import pandas as pd
import pytest

from speech.report.page import Column, Figure, Html, Section, Table, page

STYLE = (Path(__file__).parents[2] / "speech/report/page.css").read_text("utf-8")
THEMES = ["light", "dark", "print"]


def colours_of(theme):
    """Read the variables that a theme sets, over those of light."""
    blocks = re.findall(r":root \{(.*?)\}", STYLE, flags=re.DOTALL)
    assert len(blocks) == len(THEMES)
    found = {}
    for block in (blocks[0], blocks[THEMES.index(theme)]):
        found |= dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", block))
    return found


def luminance(colour):
    """Compute the relative luminance of WCAG 2.2."""
    channels = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one, other):
    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


@pytest.mark.parametrize("theme", THEMES)
def test_text_stands_out_from_what_is_behind_it(theme):
    colours = colours_of(theme)
    for ink in ("ink", "soft", "link"):
        for ground in ("page", "panel"):
            assert contrast(colours[ink], colours[ground]) >= 4.5, (ink, ground)
    assert contrast(colours["warn-ink"], colours["warn"]) >= 4.5


@pytest.mark.parametrize("theme", THEMES)
def test_what_is_drawn_stands_out_from_what_is_behind_it(theme):
    colours = colours_of(theme)
    for number in range(1, 9):
        assert contrast(colours[f"c{number}"], colours["page"]) >= 3, number


def seen_by(colour, kind):
    """Simulate a dichromat's view in linear RGB (Viénot, Brettel & Mollon 1999)."""
    values = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    red, green, blue = (value**2.2 for value in values)
    share = {"protan": 0.11238, "deutan": 0.29275}[kind]
    mixed = share * red + (1 - share) * green
    rest = {"protan": 0.00401, "deutan": -0.02234}[kind]
    return mixed, blue + rest * (red - green)


@pytest.mark.parametrize("kind", ["protan", "deutan"])
@pytest.mark.parametrize("theme", THEMES)
def test_the_colours_of_women_and_men_differ_for_the_colour_blind(theme, kind):
    colours = colours_of(theme)
    men, women = (seen_by(colours[name], kind) for name in ("c1", "c2"))
    assert sum((a - b) ** 2 for a, b in zip(men, women, strict=True)) ** 0.5 > 0.2


def test_a_table_shows_values_as_told_and_sorts_by_the_plain_ones():
    frame = pd.DataFrame({"name": ["a<b"], "share": [0.5], "none": [float("nan")]})
    columns = {
        "name": Column("Name"),
        "share": Column("Share", lambda value: f"{value:.0%}", numeric=True),
        "none": Column("None", lambda _: "unknown", numeric=True),
    }
    text = page("T", [], [Section("S", [Table("C", frame, columns)])])
    assert "<td>a&lt;b</td>" in text
    assert '<td class="number" data-value="0.5">50%</td>' in text
    assert '<td class="number" data-value="">unknown</td>' in text
    assert text.count('<th scope="col"') == 3


def test_text_is_escaped_and_markup_is_not():
    text = page("A & B", ["1 < 2", Html("<b>bold</b>")], [Section("S", [])])
    assert "<h1>A &amp; B</h1>" in text
    assert "<p>1 &lt; 2</p>" in text
    assert "<b>bold</b>" in text


def test_data_cannot_end_the_script_it_lies_in():
    trace = {"type": "scatter", "x": ["</script>"], "y": [1]}
    text = page("T", [], [Section("S", [Figure("F", "Says.", [trace], {})])])
    assert "<\\/script>" in text


def test_a_page_without_figures_does_not_carry_the_library():
    assert len(page("T", [], [Section("S", ["text"])])) < 50_000
