"""Tables that people wrote are read as they meant them, or refused with the line's number."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speech.corpus.spreadsheet import read_header, read_rows
from speech.errors import UserError

REQUIRED, OPTIONAL = ("path", "speaker_id"), ("session_id",)


@pytest.fixture
def rows_of(tmp_path):
    """Read a table of the given text or bytes."""

    def read(content):
        path = tmp_path / "my.csv"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return read_rows(path, REQUIRED, OPTIONAL)

    return read


@pytest.fixture
def complaint_about(rows_of):
    """Return the one sentence said about a table, without the file's name."""

    def complain(content):
        with pytest.raises(UserError) as caught:
            rows_of(content)
        message = str(caught.value)
        assert message.endswith(".")
        assert ". " not in message
        assert "\n" not in message
        return message.split("my.csv: ", 1)[1]

    return complain


def test_values_stay_text_and_lines_are_counted(rows_of):
    first, second = rows_of("path,speaker_id,session_id\na.wav,007,1e5\n\nb.wav,NA,\n")
    assert first.cells == {"path": "a.wav", "speaker_id": "007", "session_id": "1e5"}
    assert second.cells == {"path": "b.wav", "speaker_id": "NA", "session_id": ""}
    assert (first.line, second.line) == (2, 4)


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_what_spreadsheets_write_is_read(rows_of, delimiter, mark, end):
    lines = [["speaker_id", "path", "age"], ["ann", "Zoë, 1.wav", "30"], ["bob", "b.wav", ""]]
    lines[1][1] = f'"{lines[1][1]}"'
    text = mark + "".join(delimiter.join(cells) + end for cells in lines)
    rows = rows_of(text)
    assert [row.cells["path"] for row in rows] == ["Zoë, 1.wav", "b.wav"]
    assert [row.cells["session_id"] for row in rows] == ["", ""]


def test_capitals_and_blanks_in_the_header_and_blanks_in_cells_do_not_matter(rows_of):
    (row,) = rows_of(" Path , SPEAKER_ID\n a.wav , ann \n")
    assert row.cells == {"path": "a.wav", "speaker_id": "ann", "session_id": ""}


def test_rows_of_nothing_but_delimiters_are_passed_over(rows_of):
    assert len(rows_of("path,speaker_id\na.wav,ann\n,\n , \n")) == 1


def test_a_cell_may_hold_line_ends_and_later_lines_keep_their_numbers(rows_of):
    first, second = rows_of('path,speaker_id,note\na,ann,"two\nlines"\nb,bob,\n')
    assert (first.line, second.line) == (3, 4)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "is empty; write a header and a row per line."),
        ("path\na.wav\n", "has no column speaker_id (line 1 names path); add it."),
        ("a.wav,ann\n", "has no column path (line 1 names a.wav, ann); add it."),
        (
            "path,speaker_id,path\na,b,c\n",
            "has two columns path (line 1 names path, speaker_id, path); remove one.",
        ),
        (
            "path,speaker_id\na.wav,ann\nb.wav,bob,x\n",
            "line 3 has 3 fields, but the header 2; mend it (a field that holds the delimiter "
            "goes in double quotes).",
        ),
        (
            "path,speaker_id\na.wav\n",
            "line 2 has 1 fields, but the header 2; mend it (a field that holds the delimiter "
            "goes in double quotes).",
        ),
        (
            "path,speaker_id\na,ann\nKäse,bob\n".encode("latin-1"),
            "line 3 is not UTF-8; save it as CSV UTF-8.",
        ),
        ("path,speaker_id\n".encode("utf-16"), "line 1 is not UTF-8; save it as CSV UTF-8."),
        (
            "path,speaker_id\n".encode("utf-16-le"),
            "holds NUL characters, as UTF-16 has them; save it as CSV UTF-8.",
        ),
    ],
)
def test_what_cannot_be_read_is_one_sentence(complaint_about, content, said):
    assert complaint_about(content) == said


@pytest.mark.parametrize("name", ["sesion_id", "session", "Session-ID", "sessionid"])
def test_a_column_that_is_nearly_the_optional_one_is_not_passed_over(complaint_about, name):
    said = complaint_about(f"path,speaker_id,{name}\na,ann,1\n")
    assert said.startswith(f"has a column {name.lower()}, which nothing reads; rename it to")


def test_a_field_longer_than_csv_allows_is_told(complaint_about):
    assert complaint_about(f"path,speaker_id\na,{'x' * 200_000}\n").startswith("line 2 is no CSV")


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(UserError, match=r"none\.csv: cannot be read \(No such file"):
        read_header(tmp_path / "none.csv")


@given(st.text(max_size=80))
def test_whatever_the_text_it_is_read_or_refused_in_one_sentence(tmp_path_factory, text):
    path = tmp_path_factory.mktemp("any") / "my.csv"
    path.write_text("path,speaker_id\n" + text, "utf-8")
    complaint, rows = "", []
    try:
        rows = read_rows(path, REQUIRED)
    except UserError as error:
        complaint = str(error)
    assert "\n" not in complaint
    assert all(set(row.cells) == set(REQUIRED) for row in rows)
