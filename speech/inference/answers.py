"""What is answered about a recording and about each chunk of it."""

from collections.abc import Sequence
from dataclasses import dataclass, field

SHORT = "short"
SILENT = "silent"
NOT_SPEECH = "not speech"
MOSTLY_NOT_SPEECH = "mostly not speech"
CLIPPED = "clipped"
RESAMPLED = "resampled"
LOW_CONFIDENCE = "low confidence"
UNKNOWN_VOICE = "unknown voice"

FLAGS = {
    SHORT: "shorter than a chunk, so there is less to go by than in training",
    SILENT: "nothing is to be heard, or a pause beside what is said within the same 40 seconds",
    NOT_SPEECH: "sounds like no speech; nothing else is said about it",
    MOSTLY_NOT_SPEECH: "most of what is to be heard sounds like none; the answer is of the rest",
    CLIPPED: "too loud: cut off at the end of the scale",
    RESAMPLED: "recorded at another rate than 16 kHz",
    LOW_CONFIDENCE: "the gender, or the speaker where one is named, is less sure than it should be",
    UNKNOWN_VOICE: "like none of the known speakers",
}
"""What each flag means, as `--about` tells."""


@dataclass(frozen=True)
class Segment:
    """What is answered about a stretch of a recording.

    Attributes
    ----------
    start, end
        In seconds.
    speech_seconds
        How much of it is speech.
    gender
        ``F`` or ``M``, as the corpus labels them; None if it was not asked for or there is no
        speech.
    gender_probability
        Of that gender, from 0.5 to 1.
    speaker
        The known speaker; None if it was not asked for, there is no speech, or the voice is none
        of theirs.
    nearest
        The most probable of the known speakers and their probabilities, as if the voice were one
        of theirs.
    voice_score
        How much the voice is like one that is known: the distance of the score from the threshold,
        above 0 for a known one.
    flags
        Some of `FLAGS`.
    """

    start: float
    end: float
    speech_seconds: float = 0.0
    gender: str | None = None
    gender_probability: float | None = None
    speaker: str | None = None
    nearest: Sequence[tuple[str, float]] = ()
    voice_score: float | None = None
    flags: Sequence[str] = ()


@dataclass(frozen=True)
class Answer:
    """What is answered about a recording.

    Attributes
    ----------
    file
        What the recording is called.
    summary
        About all of it; None if it could not be heard.
    segments
        About each chunk, in order.
    error
        Why it could not be heard, or an empty string.
    """

    file: str
    summary: Segment | None = None
    segments: Sequence[Segment] = field(default=(), repr=False)
    error: str = ""
