"""The genders on record, by the letter that LibriSpeech writes for each."""

FEMALE, MALE = "F", "M"

GENDERS = {FEMALE: "female", MALE: "male"}
"""In the order in which they are counted, compared and drawn."""
