"""Overridden genders are applied, told one by one, and never missed by a mistyped speaker."""

import pytest

from speech.corpus.gender_overrides import Override, apply_overrides, read_overrides
from speech.corpus.listing import Listing, Recording
from speech.errors import UserError


@pytest.fixture
def listing():
    """List one recording each of three speakers; a fourth has a label and none."""
    found = [Recording(f"{name}.wav", name, name, "1") for name in ("7976", "2078", "84")]
    genders = {"7976": "M", "2078": None, "84": "F", "5": "M"}
    return Listing(found, genders, "SPEAKERS.TXT")


@pytest.fixture
def written(tmp_path):
    """Write a CSV of overrides and read it."""

    def read(text):
        (tmp_path / "mine.csv").write_text(text, "utf-8")
        return read_overrides(tmp_path / "mine.csv")

    return read


def test_a_csv_gives_speaker_gender_and_reason(written):
    assert written("speaker_id;gender;reason\n007;female;I listened\n8;M;\n") == [
        Override("007", "F", "I listened"),
        Override("8", "M", ""),
    ]


def test_the_reason_may_be_left_out_and_so_may_all_rows(written):
    assert written("speaker_id,gender\n7,F\n") == [Override("7", "F", "")]
    assert written("speaker_id,gender,reason\n") == []


@pytest.mark.parametrize("gender", ["", "unknown"])
def test_only_f_and_m_override(written, gender):
    with pytest.raises(UserError, match=r"mine\.csv: line 2 gives speaker 7 the gender .* F or M"):
        written(f"speaker_id,gender\n7,{gender}\n")


def test_a_speaker_named_twice_is_refused(written):
    with pytest.raises(UserError, match="line 3 names speaker 7 again"):
        written("speaker_id,gender\n7,F\n7,F\n")


def test_overrides_are_applied_and_listed_with_what_they_replace(listing):
    overrides = [Override("7976", "F", "heard"), Override("2078", "F", ""), Override("84", "F", "")]
    changed, applied = apply_overrides(listing, overrides)
    assert changed.genders == {"7976": "F", "2078": "F", "84": "F", "5": "M"}
    assert changed.found == listing.found
    assert applied == [
        {"speaker": "7976", "from": "M", "to": "F", "reason": "heard"},
        {"speaker": "2078", "from": None, "to": "F", "reason": ""},
        {"speaker": "84", "from": "F", "to": "F", "reason": ""},
    ]
    assert listing.genders["7976"] == "M"


@pytest.mark.parametrize("speaker", ["797", "5"])
def test_a_speaker_without_a_recording_is_refused(listing, speaker):
    with pytest.raises(UserError, match=rf"^gender_overrides: .* no recording of .* '{speaker}'"):
        apply_overrides(listing, [Override(speaker, "F", "")])
