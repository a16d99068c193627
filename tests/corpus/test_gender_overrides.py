"""Overridden genders are applied, reported one by one, and never missed by a mistyped speaker."""

from pathlib import Path

import pytest

from speech.corpus.gender_overrides import apply_overrides
from speech.corpus.layouts import Listing, Recording, with_genders
from speech.errors import UserError

LISTING = Listing(
    Path("SPEAKERS.TXT"),
    [
        *(Recording(f"{name}.wav", name, name, "1") for name in ("007", "8", "9", "10")),
        Recording("noise.wav", problem="wrong name"),
    ],
    {"007": "M", "8": "x", "9": "F"},
)


@pytest.fixture
def override(tmp_path):
    """Apply a CSV of the given text; return all genders on record, and the report."""

    def apply(text):
        (tmp_path / "mine.csv").write_text(text, "utf-8")
        changed, applied = apply_overrides(LISTING, tmp_path / "mine.csv")
        return changed, applied

    return apply


def test_overrides_are_applied_and_listed_with_what_they_replace(override):
    rows = "007;female;I listened\n8;M;\n9;F;\n10;f;\n"
    changed, applied = override(f"speaker_id;gender;reason\n{rows}")
    assert [item.gender for item in with_genders(changed)] == ["F", "M", "F", "F", None]
    assert applied == [
        {"speaker": "007", "from": "M", "to": "F", "reason": "I listened"},
        {"speaker": "8", "from": None, "to": "M", "reason": ""},
        {"speaker": "9", "from": "F", "to": "F", "reason": ""},
        {"speaker": "10", "from": None, "to": "F", "reason": ""},
    ]
    assert override("speaker_id,gender\n007,F\n")[0].genders == LISTING.genders | {"007": "F"}


def test_a_speaker_without_a_line_among_the_labels_is_rescued_by_an_override_alone(override):
    unchanged, applied = override("speaker_id,gender,reason\n")
    assert (unchanged, applied) == (LISTING, [])
    with pytest.raises(UserError, match=r"^SPEAKERS\.TXT: no line for 1 speaker.* \(10\); add"):
        with_genders(unchanged)
    assert with_genders(override("speaker_id,gender\n10,M\n")[0])[3].gender == "M"


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("8,\n", r"mine\.csv: line 2 gives speaker 8 the gender '', but should give F or M"),
        ("8,unknown\n", "line 2 gives speaker 8 the gender 'unknown'"),
        ("8,F\n8,F\n", "line 3 names speaker 8 again"),
        ("7,F\n", "^gender_overrides: the corpus has no recording of a speaker '7'"),
    ],
)
def test_a_row_that_decides_nothing_is_refused(override, rows, message):
    with pytest.raises(UserError, match=message):
        override(f"speaker_id,gender\n{rows}")
