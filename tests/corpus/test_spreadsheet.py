"""Tables that people wrote are read as they meant them, or refused with the line's number."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speech.corpus.spreadsheet import read_rows
from speech.errors import UserError

REQUIRED, OPTIONAL = ("path", "speaker_id"), ("session_id",)


@pytest.fixture
def rows_of(tmp_path):
    """Read a table of the given text or bytes: a list of line numbers and cells."""

    def read(content):
        path = tmp_path / "my.csv"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return [
            (int(row.place.removeprefix(f"{path}: line ")), row.cells)
            for row in read_rows(path, REQUIRED, OPTIONAL)
        ]

    return read


def test_values_stay_text_without_blanks_and_lines_are_counted(rows_of):
    rows = rows_of(' Path , SPEAKER_ID,session_id\na,007,"1\ne5"\n\n,,\n , ,\n b.wav , NA ,\n')
    assert rows == [
        (3, {"path": "a", "speaker_id": "007", "session_id": "1\ne5"}),
        (7, {"path": "b.wav", "speaker_id": "NA", "session_id": ""}),
    ]


@pytest.mark.parametrize(
    ("delimiter", "mark", "end"),
    [(",", "", "\n"), (";", "\ufeff", "\r\n"), ("\t", "", "\r"), (",", "\ufeff", "\r")],
)
def test_what_spreadsheets_write_is_read(rows_of, delimiter, mark, end):
    lines = [["speaker_id", "path", "age"], ["ann", '"Zoë, 1.wav"', "30"], ["bob", "b.wav", ""]]
    rows = rows_of(mark + "".join(delimiter.join(cells) + end for cells in lines))
    assert [cells["path"] for _, cells in rows] == ["Zoë, 1.wav", "b.wav"]
    assert [cells["session_id"] for _, cells in rows] == ["", ""]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("path\na.wav\n", "has no column speaker_id (line 1 names path); add it."),
        ("path,speaker_id,path\na,b,c\n", "has two columns path"),
        ("path,speaker_id\na.wav\n", "line 2 has 1 fields, but the header 2;"),
        ("path,speaker_id\nKäse,bob\n".encode("latin-1"), "is not UTF-8; save it as CSV UTF-8."),
        ("path,speaker_id,sesion_id\na,ann,1\n", "has a column sesion_id, which nothing reads;"),
        ("path,speaker_id,Session-ID\na,ann,1\n", "has a column session-id, which nothing reads;"),
    ],
)
def test_what_cannot_be_read_is_one_sentence(rows_of, content, message):
    with pytest.raises(UserError) as caught:
        rows_of(content)
    said = str(caught.value)
    assert said.split("my.csv: ")[1].startswith(message)
    assert said.endswith(".")
    assert ". " not in said
    assert "\n" not in said


@given(st.text(max_size=80))
def test_whatever_the_text_it_is_read_or_refused_in_one_sentence(tmp_path_factory, text):
    path = tmp_path_factory.mktemp("any") / "my.csv"
    path.write_text("path,speaker_id\n" + text, "utf-8")
    message, rows = "", []
    try:
        rows = read_rows(path, REQUIRED)
    except UserError as error:
        message = str(error)
    assert "\n" not in message
    assert all(set(row.cells) == set(REQUIRED) for row in rows)
