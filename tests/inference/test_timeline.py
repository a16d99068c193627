"""The timeline: all chunks are on it, it needs nothing else, and names cannot break it."""

import re

import pytest

from speech.inference.answers import Answer, Segment
from speech.inference.timeline import timeline_page


def talk(seconds, name="talk.wav", speaker="ann"):
    chunks = [
        Segment(start, start + 2.0, 2.0, "F", 0.9, speaker, [(speaker, 0.9)], 0.1, [])
        for start in range(0, seconds, 2)
    ]
    summary = Segment(0.0, float(seconds), float(seconds), "F", 0.95, speaker, [(speaker, 0.9)])
    return Answer(name, summary, chunks=chunks)


def chunks(page, attribute):
    found = re.findall(rf'<rect class="F" [^>]*?\b{attribute}="([^"]+)"', page)
    return [float(value) for value in found]


@pytest.mark.parametrize(("seconds", "lines"), [(2, 1), (60, 1), (62, 2), (700, 3), (4000, 7)])
def test_every_chunk_is_drawn_in_as_many_lines_as_needed(seconds, lines):
    page = timeline_page([talk(seconds)])
    assert len(chunks(page, "x")) == seconds // 2
    assert page.count("<svg") == lines
    assert all(0 <= place < 1000 for place in chunks(page, "x"))


def test_a_less_probable_gender_is_fainter():
    half = Segment(0.0, 2.0, 2.0, "F", 0.5)
    certain = Segment(2.0, 4.0, 2.0, "F", 1.0)
    page = timeline_page([Answer("a.wav", Segment(0.0, 4.0), chunks=[half, certain])])
    assert chunks(page, "fill-opacity") == [0.25, 1.0]


def test_a_recording_that_could_not_be_read_has_its_reason():
    assert "empty file" in timeline_page([Answer("torn.wav", error="empty file")])


def test_the_page_requests_nothing_and_no_name_can_break_it():
    page = timeline_page([talk(4, "<script>' \" & \udcff.wav", "' onload='\ud800")])
    assert "&lt;script&gt;&#39; &#34; &amp; \\udcff.wav" in page
    assert "&#39; onload=&#39;\\ud800" in page
    assert "default-src 'none'" in page
    assert not re.search(r"https?://|<script|<link|@import|url\(", page)
    page.encode("utf-8")
