"""Several voices in one recording, by stretches of chunks of either gender."""

import pytest

from speech.inference.answers import Segment
from speech.inference.voices import several_voices, stretches


def chunks(genders: str, probability: float = 0.999):
    """Make chunks: ``F`` and ``M`` are sure, ``f`` and ``m`` are not, ``-`` is silence."""
    return [
        Segment(2.0 * number, 2.0 * number + 2.0, flags=["silent"])
        if sign == "-"
        else Segment(
            2.0 * number,
            2.0 * number + 2.0,
            gender=sign.upper(),
            gender_probability=probability if sign.isupper() else 0.6,
        )
        for number, sign in enumerate(genders)
    ]


@pytest.mark.parametrize("genders", ["FFFFMMMM", "MMFF", "FFFMMFFF", "FF--MM", "MMmMFFfF"])
def test_a_woman_and_a_man_are_several_voices(genders):
    assert several_voices(chunks(genders))


@pytest.mark.parametrize(
    "genders", ["", "-", "F", "FFFF", "FFFFM", "FFFFMF", "fmfmfmfm", "FFFFmmmmm", "FFMFFMFFMF"]
)
def test_chunks_that_are_wrong_now_and_then_are_one_voice(genders):
    assert not several_voices(chunks(genders))


def test_no_chunk_counts_for_more_than_it_can_know():
    assert not several_voices(chunks("FFFFM", probability=1.0))


@pytest.mark.parametrize(
    ("genders", "cut"),
    {
        "": "",
        "F": "F",
        "FFFFMFFF": "FFFFMFFF",  # One chunk is no voice.
        "FFFFMMMM": "FFFF MMMM",
        "FFFMMFFF": "FFF MM FFF",
        "FFMFFfMMmMfMM": "FFMFFf MMmMfMM",
        "MFFFMMM": "MFFF MMM",  # At the ends neither.
        "FFFFMMMMF": "FFFF MMMMF",
        "FF-FF--F": "FF - FF -- F",
        "-FFF-MMM-": "- FFF - MMM -",
        "MMFM-MFFF": "MMFM - M FFF",
    }.items(),
)
def test_a_recording_is_cut_where_its_voice_changes_and_where_speech_ends(genders, cut):
    assert " ".join(genders[place] for place in stretches(chunks(genders))) == cut
