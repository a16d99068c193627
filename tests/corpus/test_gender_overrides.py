"""Overridden genders are applied, reported one by one, and never missed by a mistyped speaker."""

import pytest

from speech.corpus.gender_overrides import Override, apply_overrides, read_overrides
from speech.corpus.listing import Listing, Recording
from speech.errors import UserError


@pytest.fixture
def written(tmp_path):
    """Write a CSV of overrides and read it."""

    def read(text):
        (tmp_path / "mine.csv").write_text(text, "utf-8")
        return read_overrides(tmp_path / "mine.csv")

    return read


def test_a_csv_gives_speaker_gender_and_optionally_a_reason(written):
    assert written("speaker_id;gender;reason\n007;female;I listened\n8;M;\n") == [
        Override("007", "F", "I listened"),
        Override("8", "M", ""),
    ]
    assert written("speaker_id,gender\n7,F\n") == [Override("7", "F", "")]
    assert written("speaker_id,gender,reason\n") == []


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("7,\n", r"mine\.csv: line 2 gives speaker 7 the gender '', but should give F or M"),
        ("7,unknown\n", "line 2 gives speaker 7 the gender 'unknown'"),
        ("7,F\n7,F\n", "line 3 names speaker 7 again"),
    ],
)
def test_a_row_that_decides_nothing_is_refused(written, rows, message):
    with pytest.raises(UserError, match=message):
        written(f"speaker_id,gender\n{rows}")


def test_overrides_are_applied_and_listed_with_what_they_replace():
    found = [Recording(f"{name}.wav", name, name, "1") for name in ("7976", "2078", "84")]
    genders = {"7976": "M", "2078": None, "84": "F", "5": "M"}
    listing = Listing(found, genders, "SPEAKERS.TXT")
    overrides = [Override("7976", "F", "clear"), Override("2078", "F", ""), Override("84", "F", "")]
    changed, applied = apply_overrides(listing, overrides)
    assert changed.genders == {"7976": "F", "2078": "F", "84": "F", "5": "M"}
    assert changed.found == listing.found
    assert applied == [
        {"speaker": "7976", "from": "M", "to": "F", "reason": "clear"},
        {"speaker": "2078", "from": None, "to": "F", "reason": ""},
        {"speaker": "84", "from": "F", "to": "F", "reason": ""},
    ]
    assert listing.genders["7976"] == "M"
    for speaker in ("797", "5"):  # unknown, and without a recording
        with pytest.raises(UserError, match=rf"^gender_overrides: .* no recording .* '{speaker}'"):
            apply_overrides(listing, [Override(speaker, "F", "")])
