"""The timeline: all chunks are on it, it needs nothing else, and names cannot break it."""

import re
from html.parser import HTMLParser

import pytest

from speech.inference.answers import Answer, Segment
from speech.inference.timeline import timeline_page


def talk(seconds, name="talk.wav", speaker="ann"):
    segments = [
        Segment(start, start + 2.0, 2.0, "F", 0.9, speaker, [(speaker, 0.9)], 0.1, [])
        for start in range(0, seconds, 2)
    ]
    summary = Segment(0.0, float(seconds), float(seconds), "F", 0.95, speaker, [(speaker, 0.9)])
    return Answer(name, summary, segments)


class Reader(HTMLParser):
    """Follows the tags, and fails where one is closed that is not open."""

    def __init__(self):
        super().__init__()
        self.open, self.seen = [], []

    def handle_starttag(self, tag, attrs):
        self.seen.append((tag, dict(attrs)))
        if tag != "meta":
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.seen.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def read(page):
    reader = Reader()
    reader.feed(page)
    assert reader.open == []
    return reader.seen


def chunks(page):
    return [attrs for tag, attrs in read(page) if tag == "rect" and attrs.get("class") == "F"]


@pytest.mark.parametrize(("seconds", "lines"), [(2, 1), (60, 1), (62, 2), (700, 3), (4000, 7)])
def test_every_chunk_is_drawn_in_as_many_lines_as_needed(seconds, lines):
    page = timeline_page([talk(seconds)])
    assert len(chunks(page)) == seconds // 2
    assert page.count("<svg") == lines
    assert all(0 <= float(one["x"]) < 1000 for one in chunks(page))


def test_a_less_probable_gender_is_fainter():
    half = Segment(0.0, 2.0, 2.0, "F", 0.5)
    certain = Segment(2.0, 4.0, 2.0, "F", 1.0)
    page = timeline_page([Answer("a.wav", Segment(0.0, 4.0), [half, certain])])
    assert [float(one["fill-opacity"]) for one in chunks(page)] == [0.25, 1.0]


def test_a_recording_that_could_not_be_read_has_its_reason():
    assert "empty file" in timeline_page([Answer("torn.wav", error="empty file")])


@pytest.mark.parametrize("name", ['<script>alert("x")</script>', "a & b.wav", "' onload='x"])
def test_no_name_can_break_the_page(name):
    tags = [tag for tag, _ in read(timeline_page([talk(4, name, name)]))]
    assert "script" not in tags
    assert tags.count("svg") == 1


def test_the_page_requests_nothing():
    page = timeline_page([talk(4)])
    assert "default-src 'none'" in page
    assert not re.search(r"https?://|<script|<link|@import|url\(", page)


def test_a_name_that_is_not_valid_unicode_can_be_written():
    page = timeline_page([talk(4, name="latin-1 \udcff.wav", speaker="\ud800")])
    assert "latin-1 \\udcff.wav" in page
    page.encode("utf-8")
