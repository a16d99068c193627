"""Answers drawn over time: one page that needs neither a network nor a script."""

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from speech.inference.answers import CLIPPED, Answer, Segment
from speech.inference.wording import clock, with_percent
from speech.storage.results import printable

_WIDTH = 1000
"""Of a line's drawing, in its own units."""

_LINES = ((600, 60), (3600, 300))
"""A recording up to so many seconds is drawn in lines of so many; a longer one in these."""
_LONGEST_LINE = 600

_TICKS = 6
_FAINTEST = 0.25
"""Opacity of a gender of probability 0.5."""

_LETTER = 6
"""Width of a letter: a name that does not fit is shown where one points."""


def timeline_page(answers: Sequence[Answer]) -> str:
    """Draw the gender and the speaker of every chunk along each recording.

    Parameters
    ----------
    answers
        With their chunks.

    Returns
    -------
    str
        HTML that holds all it needs and forbids itself any request.
    """
    environment = Environment(
        loader=PackageLoader("speech.inference", ""),
        autoescape=True,
        undefined=StrictUndefined,
        # Names come from others: they must not change what is drawn, nor fail to be encoded.
        finalize=lambda value: printable(value) if isinstance(value, str) else value,
        trim_blocks=True,
    )
    page = environment.get_template("timeline.html")
    return page.render(recordings=map(_recording, answers), width=_WIDTH)


def _recording(answer: Answer) -> dict[str, Any]:
    if answer.summary is None:
        return {"file": answer.file, "error": answer.error}
    end, speech = answer.summary.end, answer.summary.speech_seconds
    seconds = next((line for most, line in _LINES if end <= most), _LONGEST_LINE)
    starts = range(0, max(int(end), 1), seconds)
    return {
        "file": answer.file,
        "error": "",
        "summary": "; ".join(
            [f"{clock(end)}, {clock(speech)} of it speech", *_words(answer.summary)]
        ),
        "lines": [_line(answer.chunks, start, seconds) for start in starts],
    }


def _line(segments: Sequence[Segment], start: int, seconds: int) -> dict[str, Any]:
    scale = _WIDTH / seconds
    own = [one for one in segments if start <= one.start < start + seconds]
    counts = sorted(Counter(one.gender or "no answer" for one in own).items())
    ticks = [(part / _TICKS, start + seconds * part / _TICKS) for part in range(_TICKS)]
    return {
        # For those who cannot see the chunks.
        "label": f"From {clock(start)}: "
        + ", ".join(f"{count} chunks of {kind}" for kind, count in counts),
        "marks": [_mark(one, start, scale) for one in own],
        "names": list(_names(own, start, scale)),
        "ticks": [
            {"x": round(_WIDTH * place), "time": clock(time).removesuffix(".0")}
            for place, time in ticks
        ],
    }


def _mark(segment: Segment, start: int, scale: float) -> dict[str, Any]:
    doubt = 2 * (1 - (segment.gender_probability or 1.0))
    return {
        "title": ", ".join([f"{clock(segment.start)} to {clock(segment.end)}", *_words(segment)]),
        "gender": segment.gender or "none",
        "opacity": round(1 - (1 - _FAINTEST) * doubt, 2),
        "clipped": CLIPPED in segment.flags,
        **_place(segment.start, segment.end, start, scale),
    }


def _names(segments: Sequence[Segment], start: int, scale: float) -> Iterator[dict[str, Any]]:
    """Place one block for each stretch with the same speaker."""
    for speaker, stretch in groupby(segments, key=lambda one: one.speaker):
        if speaker is not None:
            chunks = list(stretch)
            place = _place(chunks[0].start, chunks[-1].end, start, scale)
            shown = speaker if len(speaker) * _LETTER <= place["width"] else ""
            yield {"speaker": speaker, "shown": shown, **place}


def _place(begin: float, end: float, start: int, scale: float) -> dict[str, float]:
    x, width = (begin - start) * scale, (end - begin) * scale
    return {"x": round(x, 1), "width": round(max(width - 0.5, 0.5), 1)}


def _words(segment: Segment) -> Iterator[str]:
    if segment.gender:
        yield f"gender {with_percent(segment.gender, segment.gender_probability)}"
    if segment.nearest:
        name, probability = segment.nearest[0]
        yield f"speaker {with_percent(name, probability) if segment.speaker else 'unknown'}"
    yield from segment.flags
