"""What people look at: the run's page and DVC's plots, in a browser without a network."""

import json

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


def test_the_report_draws_every_figure_and_asks_for_nothing(browser, finished):
    browser.open(finished.root / "plots/report.html", 1280)
    browser.wait_until(DRAWN)
    assert browser.errors == []
    assert browser.fetched() == []
    marks = browser.run(MARKS)
    assert len(marks) > 20
    assert all(marks), marks


@pytest.fixture(scope="module")
def dvc_page(finished, tmp_path_factory):
    folder = tmp_path_factory.mktemp("plots") / "page"
    finished.dvc("plots", "show", "--out", str(folder))
    return folder / "index.html"


@pytest.fixture(scope="module")
def plots(finished):
    """Read what dvc.yaml says of each plot, by its name."""
    listed = yaml.safe_load((finished.root / "dvc.yaml").read_text("utf-8"))["plots"]
    return {name: about for plot in listed for name, about in plot.items()}


def test_dvcs_page_has_every_plot_with_its_title(dvc_page, plots):
    page = dvc_page.read_text("utf-8")
    assert "<DVC_METRIC" not in page, "a place in a template that nothing fills"
    for name, about in plots.items():
        assert name in page
        assert json.dumps(about["title"])[1:-1] in page or about["title"] in page


@pytest.mark.parametrize("width", WIDTHS)
def test_dvcs_page_draws_every_plot_and_asks_for_nothing(browser, dvc_page, plots, width):
    browser.open(dvc_page, width)
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


def test_the_frame_is_made_once_and_anew_where_it_is_not_what_it_should_be(project):
    frame = project.root / "plots/frame.html"
    before = frame.stat().st_mtime_ns
    assert project.stage("report").status == 0
    assert frame.stat().st_mtime_ns == before
    frame.unlink()
    frame.write_text("of another version", "utf-8")
    project.stage("report")
    assert "{plot_divs}" in frame.read_text("utf-8")
