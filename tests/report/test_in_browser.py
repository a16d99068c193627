"""The page of very small and very large corpora, in a browser without a network."""

import pytest
from browser import DRAWN, MARKS
from made_up import make_up_run
from test_page import page_of


@pytest.fixture(scope="module", params=[3, 500], ids=lambda speakers: f"{speakers} speakers")
def page(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("page")
    path = folder / "report.html"
    path.write_text(page_of(make_up_run(folder, request.param)), "utf-8")
    return path


@pytest.mark.parametrize("width", [390, 1280])
def test_every_figure_is_drawn_within_the_window(browser, page, width):
    browser.open(page, width)
    browser.wait_until(DRAWN)
    assert browser.errors == []
    assert browser.fetched() == []
    assert all(browser.run(MARKS))
    assert browser.overflow() <= 0
