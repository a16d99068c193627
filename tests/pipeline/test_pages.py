"""What people look at: the run's page and DVC's plots, in a browser without a network."""

import json
import re

import pytest
import yaml
from browser import DRAWN, MARKS

WIDTHS = [390, 1280]
COLOURED = """[...document.querySelectorAll("canvas")].map((canvas) => {
  const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  let coloured = 0;
  for (let i = 0; i < data.length; i += 4) {
    const [r, g, b] = [data[i], data[i + 1], data[i + 2]];
    if (Math.max(r, g, b) - Math.min(r, g, b) > 40) coloured += 1;
  }
  return coloured;
})"""


def open_report(browser, finished, width=1280, *, dark=False):
    browser.open(finished.root / "plots/report.html", width, dark=dark)
    browser.wait_until(DRAWN)


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
def test_the_report_draws_every_figure_and_asks_for_nothing(browser, finished, width, dark):
    open_report(browser, finished, width, dark=dark)
    assert browser.errors == []
    assert browser.fetched() == []
    marks = browser.run(MARKS)
    assert len(marks) > 20
    assert all(marks), marks
    assert browser.overflow() <= 0


def test_on_paper_every_figure_is_dark_on_white_and_no_wider_than_the_paper(browser, finished):
    open_report(browser, finished, dark=True)
    texts = "[...document.querySelectorAll('.xtick text')].map((text) => text.style.fill)"
    assert "rgb(0, 0, 0)" not in browser.run(texts)
    browser.see_as_printed()
    browser.wait_until(
        "[...document.querySelectorAll('.main-svg')].every((one) => one.clientWidth <= 680)"
    )
    assert set(browser.run(texts)) == {"rgb(0, 0, 0)"}
    assert browser.run("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert browser.pdf().startswith(b"%PDF")
    assert browser.errors == []


def test_the_keyboard_reaches_every_control(browser, finished):
    open_report(browser, finished)
    browser.run(
        "window.controls = [...document.querySelectorAll('a, button, select, summary, "
        "[tabindex=\"0\"]')].filter((one) => one.checkVisibility() || one.matches('.skip')); "
        "window.reached = new Set(); "
        "addEventListener('focusin', (event) => reached.add(event.target)); controls.length"
    )
    number = browser.run("controls.length")
    assert number > 30
    for _ in range(number + 5):
        browser.press("Tab")
    missed = "controls.filter((one) => !reached.has(one)).map((one) => one.outerHTML.slice(0, 80))"
    assert browser.run(missed) == []


def test_a_map_is_coloured_by_what_a_reader_chooses(browser, finished):
    open_report(browser, finished)
    dots = "[...place.querySelectorAll('.points path')]"
    colours = f"new Set({dots}.map((dot) => dot.style.fill)).size"
    browser.run(
        "window.colour = document.querySelector('select[data-choice=\"Colour by\"]'); "
        "window.place = colour.closest('figure'); 0"
    )
    assert browser.run(colours) == 2
    # As a browser does when a reader presses s.
    browser.run(
        "colour.focus(); colour.value = 'speaker'; colour.dispatchEvent(new Event('change')); 0"
    )
    # Eight speakers: seven colours, then other shapes.
    assert browser.run(colours) == 7
    metrics = json.loads((finished.root / "metrics/clusters_mfcc.json").read_text("utf-8"))
    assert browser.run(f"{dots}.length") == metrics["points"]


def test_a_table_is_sorted_by_the_column_that_is_pressed(browser, finished):
    open_report(browser, finished)
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


@pytest.fixture(scope="module")
def dvc_page(finished, tmp_path_factory):
    folder = tmp_path_factory.mktemp("plots") / "page"
    finished.dvc("plots", "show", "--out", str(folder))
    return folder / "index.html"


@pytest.mark.parametrize("width", WIDTHS)
def test_dvcs_page_draws_every_plot_and_asks_for_nothing(browser, finished, dvc_page, width):
    browser.open(dvc_page, width)
    plots = yaml.safe_load((finished.root / "dvc.yaml").read_text("utf-8"))["plots"]
    notes = "[...document.querySelectorAll('body > div > p')].map((note) => note.textContent)"
    browser.wait_until(
        f"document.querySelectorAll('canvas').length + {notes}.length >= {len(plots)}"
    )
    assert browser.errors == []
    assert browser.fetched() == []
    # The tiny corpus has no outliers; the page says so instead of showing an empty frame.
    empty = browser.run(notes)
    assert all("has no rows" in note for note in empty)
    drawn = browser.run(COLOURED)
    assert len(drawn) + len(empty) == len(plots)
    assert all(pixels > 50 for pixels in drawn), drawn
    assert browser.overflow() <= 0


# --- the page as a result ---------------------------------------------------------------------


def test_a_forced_page_is_the_same_whatever_has_been_committed_since(project):
    before = (project.root / "dvc.lock").read_bytes()
    (project.root / "notes.txt").write_text("Nothing of the pipeline's")
    project.commit("Something else")
    told = project.dvc("repro", "--force", "--single-item", "report")
    assert told.stages_run == ["report"]
    assert (project.root / "dvc.lock").read_bytes() == before


def test_on_request_the_page_plays_the_voices_whose_labels_are_most_doubtful(project):
    project.set(**{"report.audio": True})
    assert project.dvc("repro").stages_run == ["check_params", "report"]
    page = (project.root / "plots/report.html").read_text("utf-8")
    clips = re.findall(r"<audio [^>]*src=\"data:audio/mpeg;base64,(.+?)\"", page)
    assert len(clips) == 8
    assert all(1_000 < len(clip) < 100_000 for clip in clips)


def test_dvc_draws_two_revisions_over_each_other_without_a_network(project, tmp_path):
    project.set(model="mlp")
    project.dvc("repro")
    project.dvc("plots", "diff", "HEAD", "--out", str(tmp_path / "diff"))
    page = (tmp_path / "diff/index.html").read_text("utf-8")
    assert {'"rev": "HEAD"', '"rev": "workspace"'} <= set(re.findall(r'"rev": "\w+"', page))
    assert "cdn." not in page


def test_the_frame_is_made_once_and_anew_where_it_is_not_what_it_should_be(project):
    frame = project.root / "plots/frame.html"
    before = frame.stat().st_mtime_ns
    assert project.stage("report").status == 0
    assert frame.stat().st_mtime_ns == before
    frame.unlink()
    frame.write_text("of another version", "utf-8")
    project.stage("report")
    assert "{plot_divs}" in frame.read_text("utf-8")
