"""Answers as rows: every format holds the same."""

import csv
import io
import json

import pytest

from speech.inference.answers import Answer, Segment
from speech.inference.tables import COLUMNS, FORMATS, rows_of
from speech.inference.wording import clock, with_percent
from speech.storage.results import printable

KNOWN = Segment(0.0, 2.0, 2.0, "F", 0.93, "ann", [("ann", 0.8), ("bob, jr", 0.15)], 0.12, [])
UNKNOWN = Segment(2.0, 4.0, 2.0, "M", 0.71, None, [("bob, jr", 0.6)], -0.3, ["unknown speaker"])
SILENT = Segment(4.0, 6.0, flags=["silent"])
TALK = Answer(
    'a "b", c.wav', Segment(0.0, 6.0, 4.0, "F", 0.9999), [KNOWN], [KNOWN, UNKNOWN, SILENT]
)
BROKEN = Answer("torn.mp3", error="undecodable (no frames; none)")


def written(form, *answers, per="chunk"):
    rows = (row for answer in answers for row in rows_of(answer, per=per))
    return "".join(FORMATS[form](rows, [answer.file for answer in answers]))


def test_a_number_that_is_none_is_never_written():
    nothing = Answer("a.wav", Segment(0.0, 2.0, 2.0, "F", float("nan")))
    for form in ("json", "jsonl"):
        with pytest.raises(ValueError, match="JSON"):
            written(form, nothing, per="recording")


def test_json_is_one_array_and_json_lines_one_object_a_line():
    rows = json.loads(written("json", TALK, BROKEN))
    assert rows == [json.loads(line) for line in written("jsonl", TALK, BROKEN).splitlines()]
    assert rows[0]["nearest"][1] == {"speaker": "bob, jr", "probability": 0.15}
    assert rows[1]["speaker"] is None
    assert all(tuple(row) == COLUMNS for row in rows)
    assert (rows[3]["error"], rows[3]["gender"]) == (BROKEN.error, None)
    assert json.loads(written("json")) == []
    (whole,) = json.loads(written("json", TALK, per="recording"))
    assert whole["end"] == 6.0


def test_csv_survives_commas_and_quotes():
    rows = list(csv.DictReader(io.StringIO(written("csv", TALK, BROKEN))))
    assert tuple(rows[0]) == COLUMNS
    assert rows[0]["file"] == TALK.file
    assert rows[0]["nearest"] == "ann 0.8; bob, jr 0.15"
    assert rows[2]["flags"] == "silent"
    assert rows[3]["error"] == BROKEN.error


def test_the_table_is_aligned_and_names_no_unknown_speaker():
    header, first, second, third, fourth = written("table", TALK, BROKEN).splitlines()
    place = header.index("gender")
    assert first[place:].startswith("F (93 %)")
    assert second[place:].startswith("M (71 %)")
    assert "unknown  " in second
    assert third.endswith("silent")
    assert fourth.endswith(BROKEN.error)


def test_columns_are_aligned_whatever_the_width_of_letters():
    names = ["plain.wav", "日本語.wav", "Zoe\u0308.wav", "日本語" * 20 + "/the end.wav"]
    answers = [Answer(name, SILENT) for name in names]
    header, *lines = written("table", *answers, per="recording").splitlines()
    places = [header.index("time")]
    for line in lines:
        before = line[: line.index("0:04.0")]
        places.append(len(before) + sum(map(before.count, "日本語")) - before.count("\u0308"))
    assert len(set(places)) == 1
    # Of a long path the end says most.
    assert lines[-1].startswith("…")
    assert "/the end.wav  " in lines[-1]


@pytest.mark.parametrize("name", ["red\x1b[31m.wav", "two\nlines.wav", "latin-1 \udcff.wav"])
def test_a_name_stays_on_its_line_and_cannot_control_a_terminal(name):
    _, line = written("table", Answer(name, SILENT), per="recording").splitlines()
    assert line.isprintable()
    assert printable(name) in line
    line.encode("utf-8")


@pytest.mark.parametrize(
    ("seconds", "shown"), [(0, "0:00.0"), (62.5, "1:02.5"), (3723.4, "1:02:03.4")]
)
def test_times_are_written_as_people_do(seconds, shown):
    assert clock(seconds) == shown


def test_no_probability_is_shown_as_certain():
    assert [with_percent("F", share) for share in (1.0, 0.987)] == ["F (>99 %)", "F (99 %)"]


def test_rows_are_of_the_recording_its_segments_or_its_chunks():
    counts = {per: len(rows_of(TALK, per=per)) for per in ("recording", "segment", "chunk")}
    assert counts == {"recording": 1, "segment": 1, "chunk": 3}
    assert rows_of(TALK, per="recording")[0]["gender_probability"] == 0.9999
    assert rows_of(TALK, per="segment")[0]["end"] == KNOWN.end
