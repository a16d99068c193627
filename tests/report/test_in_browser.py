"""What the page does when a reader opens it, in a browser without a network."""

import pandas as pd
import pytest
from browser import DRAWN, MARKS
from made_up import UTTERANCES, make_up_run
from test_page import page_of


@pytest.fixture(scope="module")
def open_page(browser, tmp_path_factory):
    """Open the page of a corpus of so many speakers; each is written once."""
    paths = {}

    def opened(speakers, width=1280, *, dark=False):
        if speakers not in paths:
            folder = tmp_path_factory.mktemp("page")
            paths[speakers] = folder / "report.html"
            paths[speakers].write_text(page_of(make_up_run(folder, speakers)), "utf-8")
        browser.open(paths[speakers], width, dark=dark)
        browser.wait_until(DRAWN)
        return browser

    return opened


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize(("speakers", "dark"), [(3, False), (500, True)])
def test_every_figure_is_drawn_within_the_window(open_page, speakers, width, dark):
    browser = open_page(speakers, width, dark=dark)
    assert browser.errors == []
    assert browser.fetched() == []
    marks = browser.run(MARKS)
    assert len(marks) > 20
    assert all(marks), marks
    assert browser.overflow() <= 0


def test_on_paper_every_figure_is_dark_on_white_and_no_wider_than_the_paper(open_page):
    browser = open_page(8, dark=True)
    texts = "[...document.querySelectorAll('.xtick text')].map((text) => text.style.fill)"
    ink = "rgb(27, 31, 36)"
    assert ink not in browser.run(texts)
    browser.see_as_printed()
    widths = "[...document.querySelectorAll('.main-svg')].every((one) => one.clientWidth <= 680)"
    browser.wait_until(widths)
    assert set(browser.run(texts)) == {ink}
    assert browser.run("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert browser.errors == []


def test_the_keyboard_reaches_every_control(open_page):
    browser = open_page(8)
    browser.run(
        "window.controls = [...document.querySelectorAll('a, button, select, summary, "
        "[tabindex=\"0\"]')].filter((one) => one.checkVisibility() || one.matches('.skip')); "
        "window.reached = new Set(); "
        "addEventListener('focusin', (event) => reached.add(event.target)); 0"
    )
    number = browser.run("controls.length")
    assert number > 30
    for _ in range(number + 5):
        browser.press("Tab")
    missed = "controls.filter((one) => !reached.has(one)).map((one) => one.outerHTML.slice(0, 80))"
    assert browser.run(missed) == []


def test_figures_show_names_as_they_are(browser, tmp_path):
    run = make_up_run(tmp_path, 3)
    corpus = pd.read_parquet(run.utterances)
    corpus.replace({"speaker_id": {"100": "a&amp;b<i>\u202e"}}).to_parquet(run.utterances)
    page = tmp_path / "report.html"
    page.write_text(page_of(run), "utf-8")
    browser.open(page, 1280)
    browser.wait_until(DRAWN)
    ticks = "[...document.querySelectorAll('.xtick text')].map((text) => text.textContent)"
    assert r"a&amp;b<i>\u202e" in browser.run(ticks)
    assert browser.errors == []


def test_a_map_is_coloured_by_what_a_reader_chooses(open_page):
    browser = open_page(8)
    browser.run(
        "window.list = document.querySelector('select[data-choice=\"Colour by\"]'); "
        "window.map = list.closest('figure'); "
        "window.pick = (name) => { list.value = name; list.dispatchEvent(new Event('change')); };"
    )
    dots = "[...map.querySelectorAll('.points path')]"
    colours = f"new Set({dots}.map((dot) => dot.style.fill)).size"
    key = "[...map.querySelectorAll('.key span')].map((one) => one.textContent)"
    assert browser.run(f"{dots}.length") == 8 * UTTERANCES
    # Eight speakers: seven colours, then other symbols.
    assert (browser.run(colours), browser.run(key)) == (7, [])
    browser.run("pick('gender')")
    assert (browser.run(colours), browser.run(key)) == (2, ["women", "men"])


def test_a_table_is_sorted_by_the_column_that_is_pressed(open_page):
    browser = open_page(8)
    browser.run(
        "window.table = [...document.querySelectorAll('table')].find((table) => "
        "table.caption.textContent === 'Minutes per speaker, in numbers'); "
        "table.closest('details').open = true; "
        "window.head = [...table.querySelectorAll('th')].find((one) => "
        "one.textContent === 'Minutes'); head.querySelector('button').focus()"
    )
    column = (
        "[...table.tBodies[0].rows].map((row) => Number(row.cells[head.cellIndex].dataset.value))"
    )
    for direction, order in (("ascending", 1), ("descending", -1)):
        browser.press("Enter")
        assert browser.run("head.getAttribute('aria-sort')") == direction
        values = browser.run(column)
        assert values == sorted(values)[::order]
    assert len(values) == 8
