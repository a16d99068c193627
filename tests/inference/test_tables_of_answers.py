"""Answers as rows: every format holds what was answered, and only that."""

import csv
import io
import json

import pytest

from speech.inference.answers import Answer, Segment
from speech.inference.tables import COLUMNS, FORMATS, clock, printable, rows_of, sure

KNOWN = Segment(0.0, 2.0, 2.0, "F", 0.93, "ann", [("ann", 0.8), ("bob, jr", 0.15)], 0.12, [])
STRANGER = Segment(2.0, 4.0, 2.0, "M", 0.71, None, [("bob, jr", 0.6)], -0.3, ["unknown voice"])
SILENT = Segment(4.0, 6.0, flags=["silent"])
HEARD = Answer('a "b", c.wav', Segment(0.0, 6.0, 4.0, "F", 0.9999), [KNOWN, STRANGER, SILENT])
BROKEN = Answer("torn.mp3", error="undecodable (no frames; none)")


def written(form, *answers, by_segment=True):
    parts = []
    table = FORMATS[form](parts.append, [answer.file for answer in answers])
    for answer in answers:
        table.put(rows_of(answer, by_segment=by_segment))
    table.end()
    return "".join(parts)


def test_a_row_is_of_all_or_of_each_chunk():
    assert [row["end"] for row in rows_of(HEARD, by_segment=False)] == [6.0]
    assert [row["end"] for row in rows_of(HEARD, by_segment=True)] == [2.0, 4.0, 6.0]
    assert all(tuple(row) == COLUMNS for row in rows_of(HEARD, by_segment=True))


def test_what_could_not_be_heard_is_one_row_with_the_reason():
    (row,) = rows_of(BROKEN, by_segment=True)
    assert tuple(row) == COLUMNS
    assert row["error"] == BROKEN.error
    assert row["gender"] is None


def test_json_is_one_array_and_json_lines_one_object_a_line():
    rows = json.loads(written("json", HEARD, BROKEN))
    assert rows == [json.loads(line) for line in written("jsonl", HEARD, BROKEN).splitlines()]
    assert rows[0]["nearest"][1] == {"speaker": "bob, jr", "probability": 0.15}
    assert rows[1]["speaker"] is None
    assert json.loads(written("json")) == []


def test_csv_survives_commas_and_quotes():
    rows = list(csv.DictReader(io.StringIO(written("csv", HEARD, BROKEN))))
    assert tuple(rows[0]) == COLUMNS
    assert rows[0]["file"] == HEARD.file
    assert rows[0]["nearest"] == "ann 0.8; bob, jr 0.15"
    assert rows[2]["flags"] == "silent"
    assert rows[3]["error"] == BROKEN.error


def test_the_table_is_aligned_and_says_what_is_unknown():
    header, first, second, third, fourth = written("table", HEARD, BROKEN).splitlines()
    place = header.index("gender")
    assert first[place:].startswith("F (93 %)")
    assert second[place:].startswith("M (71 %)")
    assert "unknown  " in second
    assert third.endswith("silent")
    assert fourth.endswith(BROKEN.error)


def test_the_end_of_a_long_path_is_what_is_shown():
    long = Answer("/a/very/long/path" * 5 + "/the name.wav", SILENT)
    shown = written("table", long, by_segment=False).splitlines()[1]
    assert shown.startswith("…")
    assert "/the name.wav  " in shown


def test_signs_of_any_width_leave_the_columns_where_they_are():
    names = ["plain.wav", "日本語.wav", "Zoe\u0308.wav", "日本語" * 20 + ".wav"]
    answers = [Answer(name, SILENT) for name in names]
    header, *lines = written("table", *answers, by_segment=False).splitlines()
    places = [header.index("time")]
    for line in lines:
        before = line[: line.index("0:04.0")]
        places.append(len(before) + sum(map(before.count, "日本語")) - before.count("\u0308"))
    assert len(set(places)) == 1


@pytest.mark.parametrize("name", ["red\x1b[31m.wav", "two\nlines.wav", "latin-1 \udcff.wav"])
def test_a_name_commands_no_terminal_and_stays_on_its_line(name):
    _, line = written("table", Answer(name, SILENT), by_segment=False).splitlines()
    assert line.isprintable()
    assert printable(name) in line
    line.encode("utf-8")


@pytest.mark.parametrize(
    ("seconds", "shown"), [(0, "0:00.0"), (62.5, "1:02.5"), (3723.4, "1:02:03.4")]
)
def test_times_are_written_as_people_do(seconds, shown):
    assert clock(seconds) == shown


def test_no_answer_is_said_to_be_certain():
    assert sure("F", 1.0) == "F (>99 %)"
    assert sure("F", 0.987) == "F (99 %)"
    assert sure("F", 0.5) == "F (50 %)"
