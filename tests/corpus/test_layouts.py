"""A corpus is found by whatever part of it the user names, and its layout told by its labels."""

import pytest

from speech.corpus.layouts import Location, list_recordings, locate
from speech.errors import UserError


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")
    return path


@pytest.fixture
def corpus(tmp_path):
    """Make a folder that holds LibriSpeech/ with one subset; no audio."""
    root = tmp_path / "downloads" / "LibriSpeech"
    (root / "dev-clean" / "84" / "121123").mkdir(parents=True)
    write(root / "SPEAKERS.TXT", "84 | F | dev-clean | 8.02 | Christie Nowak\n")
    return root


@pytest.fixture
def table(tmp_path):
    """Make a table of two files in different folders."""
    for name in ("tapes/a/1.wav", "tapes/b/c/2.wav"):
        write(tmp_path / name, "")
    rows = "tapes/a/1.wav,ann,F\ntapes/b/c/2.wav,bob,M\n"
    return write(tmp_path / "lists" / ".." / "my.csv", f"path,speaker_id,gender\n{rows}")


def test_the_root_is_located_by_its_own_name(corpus):
    assert locate(corpus) == Location(corpus, corpus / "SPEAKERS.TXT")


def test_the_folder_that_holds_librispeech_serves_too(corpus):
    assert locate(corpus.parent) == Location(corpus, corpus / "SPEAKERS.TXT")


def test_one_subset_serves_with_the_table_above_it(corpus):
    subset = corpus / "dev-clean"
    location = locate(subset)
    assert location.audio == subset
    assert location.labels.samefile(corpus / "SPEAKERS.TXT")


def test_a_subset_named_from_inside_finds_the_table_above_it(corpus, monkeypatch):
    monkeypatch.chdir(corpus / "dev-clean")
    assert locate(corpus.cwd()).labels.samefile(corpus / "SPEAKERS.TXT")


def test_spaces_and_other_alphabets_above_the_corpus_do_not_matter(tmp_path):
    root = tmp_path / "Meine Aufnahmen (2024)" / "Ήχοι 音"
    write(root / "SPEAKERS.TXT", "1 | F |\n")
    write(root / "1/2/1-2-0.flac", "")
    location = locate(root)
    assert location.audio == root
    assert [found.path for found in list_recordings(location).found] == ["1/2/1-2-0.flac"]


def test_a_table_is_located_with_the_deepest_folder_that_holds_its_files(table, tmp_path):
    assert locate(table) == Location(tmp_path / "tapes", table)


def test_a_table_may_lie_among_its_recordings(tmp_path):
    write(tmp_path / "a.wav", "")
    table = write(tmp_path / "my.CSV", "path,speaker_id,gender\na.wav,ann,F\n")
    location = locate(table)
    assert location.audio == tmp_path
    assert [found.path for found in list_recordings(location).found] == ["a.wav"]


def test_a_folder_of_speakers_is_located_by_its_speakers_csv(tmp_path):
    write(tmp_path / "ann/a.wav", "")
    speakers = write(tmp_path / "speakers.csv", "speaker_id,gender\nann,F\n")
    assert locate(tmp_path) == locate(speakers) == Location(tmp_path, speakers)
    (found,) = list_recordings(locate(tmp_path)).found
    assert found.speaker_id == "ann"


def test_speakers_txt_goes_before_speakers_csv(corpus):
    write(corpus / "speakers.csv", "speaker_id,gender\n84,M\n")
    location = locate(corpus)
    assert location.labels.name == "SPEAKERS.TXT"
    assert list_recordings(location).genders == {"84": "F"}


def test_speakers_csv_goes_before_a_speakers_txt_above(corpus):
    write(corpus / "dev-clean" / "speakers.csv", "speaker_id,gender\n84,M\n")
    assert locate(corpus / "dev-clean").labels.name == "speakers.csv"


def test_a_table_that_happens_to_be_called_speakers_csv_is_a_table(table, tmp_path):
    named = table.rename(tmp_path / "speakers.csv")
    assert locate(tmp_path) == locate(named) == Location(tmp_path / "tapes", named)
    assert len(list_recordings(locate(named)).recordings) == 2


@pytest.mark.parametrize("name", ["nowhere", "nowhere.csv"])
def test_what_does_not_exist_is_named_with_the_key(tmp_path, name):
    with pytest.raises(UserError, match=rf"^corpus: .*{name} does not exist; set corpus"):
        locate(tmp_path / name)


def test_a_file_that_is_no_table_is_told(corpus):
    with pytest.raises(UserError, match=r"SPEAKERS\.TXT is a file, but no CSV; set corpus"):
        locate(corpus / "SPEAKERS.TXT")


def test_a_folder_without_labels_is_told_what_to_add(tmp_path):
    (tmp_path / "a" / "b").mkdir(parents=True)
    with pytest.raises(UserError, match=r"has no SPEAKERS\.TXT .* no speakers\.csv; add one"):
        locate(tmp_path / "a" / "b")


def test_a_table_that_names_no_existing_file_says_where_paths_start(tmp_path):
    table = write(tmp_path / "my.csv", "path,speaker_id,gender\nx/a.wav,ann,F\nb.wav,bob,M\n")
    with pytest.raises(UserError, match=r"none of its 2 files exists, .* x/a\.wav; write paths"):
        locate(table)


def test_a_table_without_rows_is_told(tmp_path):
    with pytest.raises(UserError, match=r"my\.csv: names no file"):
        locate(write(tmp_path / "my.csv", "path,speaker_id,gender\n"))


def test_a_csv_without_a_column_of_paths_is_told(tmp_path):
    with pytest.raises(UserError, match=r"my\.csv: has no column path \(line 1 names speaker_id"):
        locate(write(tmp_path / "my.csv", "speaker_id,gender\nann,F\n"))
