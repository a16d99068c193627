"""Overridden genders are applied, reported one by one, and never missed by a mistyped speaker."""

import pytest

from speech.corpus.gender_overrides import apply_overrides
from speech.corpus.layouts import Recording
from speech.errors import UserError

RECORDINGS = [
    *(Recording(f"{name}.wav", name, name, "1", sex) for name, sex in (("007", "M"), ("8", None))),
    Recording("9.wav", "9", "9", "1", "F"),
    Recording("noise.wav", problem="wrong name"),
]


@pytest.fixture
def override(tmp_path):
    """Apply a CSV of the given text; return the genders of all recordings, and the report."""

    def apply(text):
        (tmp_path / "mine.csv").write_text(text, "utf-8")
        changed, applied = apply_overrides(RECORDINGS, tmp_path / "mine.csv")
        assert [item.path for item in changed] == [item.path for item in RECORDINGS]
        return [item.gender for item in changed], applied

    return apply


def test_overrides_are_applied_and_listed_with_what_they_replace(override):
    genders, applied = override("speaker_id;gender;reason\n007;female;I listened\n8;M;\n9;F;\n")
    assert genders == ["F", "M", "F", None]
    assert applied == [
        {"speaker": "007", "from": "M", "to": "F", "reason": "I listened"},
        {"speaker": "8", "from": None, "to": "M", "reason": ""},
        {"speaker": "9", "from": "F", "to": "F", "reason": ""},
    ]
    assert override("speaker_id,gender\n007,F\n")[0] == ["F", None, "F", None]
    assert override("speaker_id,gender,reason\n") == (["M", None, "F", None], [])


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
