"""A table names recordings one by one; its mistakes are told with their line."""

import pytest

from speech.corpus.listing import Misnamed, Recording, gender_of
from speech.corpus.table import common_folder, list_recordings
from speech.errors import UserError


@pytest.fixture
def listed(tmp_path):
    """List a table that lies in lists/, beside audio/ with a.wav, b.wav and c/d.wav."""
    audio = tmp_path / "audio"
    for name in ("a.wav", "b.wav", "c/d.wav"):
        (audio / name).parent.mkdir(exist_ok=True, parents=True)
        (audio / name).touch()

    def write(*rows, header="path,speaker_id,gender"):
        table = tmp_path / "lists" / "my.csv"
        table.parent.mkdir(exist_ok=True)
        table.write_text("\n".join([header, *rows]) + "\n", "utf-8")
        return list_recordings(common_folder(table), table)

    return write


@pytest.fixture
def complaint_about(listed):
    """Return what is said about a table, without the file's name."""

    def complain(*rows, header="path,speaker_id,gender"):
        with pytest.raises(UserError) as caught:
            listed(*rows, header=header)
        return str(caught.value).split("my.csv: ", 1)[1]

    return complain


FULL = "path,speaker_id,gender,session_id,utterance_id"


def test_every_row_is_a_recording_with_its_ids_as_written(listed):
    listing = listed("../audio/a.wav,007,F,1,x", "../audio/c/d.wav,Zoë M,m,2,y", header=FULL)
    assert listing.found == [
        Recording("a.wav", "x", "007", "1"),
        Recording("c/d.wav", "y", "Zoë M", "2"),
    ]
    assert listing.genders == {"007": "F", "Zoë M": "M"}
    assert listing.own_sessions == 0
    assert listing.labels == "my.csv"


def test_without_sessions_every_file_is_one_and_is_counted(listed):
    listing = listed("../audio/a.wav,ann,F", "../audio/b.wav,ann,F")
    assert listing.own_sessions == 2
    assert len({item.chapter_id for item in listing.recordings}) == 2


def test_an_empty_session_is_one_of_its_own(listed):
    listing = listed("../audio/a.wav,ann,F,1,", "../audio/b.wav,ann,F,,", header=FULL)
    assert listing.own_sessions == 1


def test_an_utterance_is_named_by_its_path_whatever_else_the_table_names(listed, tmp_path):
    alone = listed("../audio/c/d.wav,ann,F")
    among = listed(f"{tmp_path}/audio/a.wav,bob,M", "../audio/c/d.wav,ann,F")
    assert alone.recordings[0].utterance_id == among.recordings[1].utterance_id == "audio-c-d"
    assert alone.recordings[0].path == "d.wav"
    assert among.recordings[1].path == "c/d.wav"
    assert "/" not in among.recordings[0].utterance_id


def test_a_file_that_does_not_exist_is_told_by_name_and_the_rest_goes_on(listed):
    listing = listed("../audio/a.wav,ann,F", "/no where/b.wav,bob,M", "../audio/c,cid,M")
    assert listing.found[1:] == [
        Misnamed("/no where/b.wav", "no such file"),
        Misnamed("../audio/c", "no such file"),
    ]
    assert len(listing.recordings) == 1


def test_a_folder_that_is_a_link_counts_where_it_points_to(listed, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "e.wav").touch()
    (tmp_path / "audio" / "link").symlink_to(tmp_path / "elsewhere")
    listing = listed("../audio/a.wav,ann,F", "../audio/link/e.wav,ann,F")
    assert [item.path for item in listing.recordings] == ["audio/a.wav", "elsewhere/e.wav"]


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (
            ["../audio/a.wav,ann,F", "../audio/c/../a.wav,bob,M"],
            "line 3 names the file of line 2 again (../audio/c/../a.wav); keep one.",
        ),
        (
            ["../audio/a.wav,ann,F", "../audio/b.wav,ann,man"],
            "line 3 gives speaker ann another gender than an earlier line; keep one of the two.",
        ),
        (["../audio/a.wav,,F"], "line 2 needs a path and a speaker_id; fill them in."),
        (
            ["../audio/a.wav,ann,F", ",ann,F"],
            "line 3 needs a path and a speaker_id; fill them in.",
        ),
    ],
)
def test_a_mistake_is_told_with_its_line(complaint_about, rows, said):
    assert complaint_about(*rows) == said


def test_an_utterance_named_twice_is_told_with_both_lines(complaint_about):
    rows = ("../audio/a.wav,ann,F,1,x", "../audio/b.wav,bob,M,1,x")
    assert complaint_about(*rows, header=FULL).startswith(
        "line 3 names an utterance as line 2 does (x); give each an utterance_id"
    )


@pytest.mark.parametrize("written", ["F", "f", "female", " Woman ", "W", "FEMALE"])
def test_women_are_known_as_people_write_them(written):
    assert gender_of(written) == "F"


@pytest.mark.parametrize("written", ["M", "m", "male", "Man", " MALE "])
def test_men_are_known_as_people_write_them(written):
    assert gender_of(written) == "M"


@pytest.mark.parametrize("written", ["", "unknown", "nonbinary", "x", "F/M", "ma le", "0"])
def test_any_other_gender_is_none_on_record(listed, written):
    assert gender_of(written) is None
    assert listed(f"../audio/a.wav,ann,{written}").genders == {"ann": None}
