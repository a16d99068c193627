"""What is predicted of a recording and of each chunk of it."""

from collections.abc import Sequence
from dataclasses import dataclass, field

SHORT = "short"
SILENT = "silent"
NOT_SPEECH = "not speech"
MOSTLY_NOT_SPEECH = "mostly not speech"
SEVERAL_VOICES = "several voices"
CLIPPED = "clipped"
RESAMPLED = "resampled"
CHANNELS_CANCEL = "channels cancel"
LOW_CONFIDENCE = "low confidence"
UNKNOWN_SPEAKER = "unknown speaker"

FLAGS = {
    SHORT: "shorter than a chunk, so there is less to go by than in training",
    SILENT: "silence, or a pause next to speech within the same 40 seconds; no answer",
    NOT_SPEECH: "sound without speech; no answer",
    MOSTLY_NOT_SPEECH: "most of the sound is not speech; the answer is about the rest",
    SEVERAL_VOICES: "stretches of it are surely of a woman, others of a man: --segments gives them",
    CLIPPED: "too loud: cut off, a run of equal samples at the maximum",
    RESAMPLED: "recorded at another rate than 16 kHz",
    CHANNELS_CANCEL: "the average of its channels is silent; the loudest one is used instead",
    LOW_CONFIDENCE: "the gender, or the speaker if one is named, is not probable enough",
    UNKNOWN_SPEAKER: "not similar to any enrolled speaker",
}
"""What each flag means, for `--about`."""


@dataclass(frozen=True)
class Segment:
    """What is predicted of a stretch of a recording.

    Attributes
    ----------
    start, end
        In seconds.
    speech_seconds
        How much of it is speech.
    gender
        ``F`` or ``M``, as the corpus labels them; None without speech or if not asked for.
    gender_probability
        Of that gender, 0.5 to 1.
    speaker
        The enrolled speaker; None without speech, if not asked for, or if the speaker is unknown.
    nearest
        The most probable enrolled speakers and their probabilities, as if the speaker were one of
        them.
    open_set_score
        Cosine with the nearest enrolled speaker minus the threshold: 0 and above for an enrolled
        one.
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
    open_set_score: float | None = None
    flags: Sequence[str] = ()


@dataclass(frozen=True)
class Answer:
    """What is predicted of a recording.

    Attributes
    ----------
    file
        Name of the recording.
    summary
        Of all of it; None if there was an error.
    segments
        Of each stretch of one voice, or of sound without speech, in order. Two voices of one gender
        are not distinguished.
    chunks
        Of each chunk, in order.
    error
        Why it could not be read, or an empty string.
    """

    file: str
    summary: Segment | None = None
    segments: Sequence[Segment] = field(default=(), repr=False)
    chunks: Sequence[Segment] = field(default=(), repr=False)
    error: str = ""
