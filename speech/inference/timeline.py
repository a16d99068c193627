"""Answers drawn over time: one page that needs neither a network nor a script."""

from collections.abc import Iterator, Sequence
from html import escape
from importlib.resources import files
from itertools import groupby

from speech.inference.answers import CLIPPED, Answer, Segment
from speech.inference.tables import clock, printable, sure

_WIDTH, _LANE, _GAP = 1000, 16, 4
"""Of a line's drawing, in its own units."""

_LINES = ((600, 60), (3600, 300))
"""A recording up to so many seconds is drawn in lines of so many; a longer one in these."""
_LONGEST_LINE = 600

_FAINT = 0.25
"""How visible an answer is that is as likely as not."""

_LETTER = 6
"""Width of a letter: a name that does not fit is shown where one points."""


def timeline_page(answers: Sequence[Answer]) -> str:
    """Draw the gender and the speaker of every chunk along each recording.

    Parameters
    ----------
    answers
        With their segments.

    Returns
    -------
    str
        HTML that holds all it needs and forbids itself any request.
    """
    return _PAGE.format(
        style=files(__package__).joinpath("timeline.css").read_text("utf-8"),
        body="\n".join(map(_recording, answers)),
    )


def _recording(answer: Answer) -> str:
    name = f"<h2>{_text(answer.file)}</h2>"
    if answer.summary is None:
        return f'<section>{name}<p class="error">{_text(answer.error)}</p></section>'
    summary = answer.summary
    said = [
        f"{clock(summary.end)}, {clock(summary.speech_seconds)} of it speech",
        f"gender {sure(summary.gender, summary.gender_probability)}" if summary.gender else "",
        f"speaker {_speaker(summary)}" if summary.nearest else "",
        *summary.flags,
    ]
    seconds = next((line for most, line in _LINES if summary.end <= most), _LONGEST_LINE)
    count = max(1, -(-int(summary.end) // seconds))
    lines = [_line(answer.segments, n * seconds, seconds) for n in range(count)]
    words = _text("; ".join(part for part in said if part))
    return f"<section>{name}<p>{words}</p>{''.join(lines)}</section>"


def _line(segments: Sequence[Segment], start: int, seconds: int) -> str:
    scale = _WIDTH / seconds
    own = [one for one in segments if start <= one.start < start + seconds]
    marks = "".join(_mark(one, (one.start - start) * scale, scale) for one in own)
    names = "".join(_names(own, start, scale))
    ticks = "".join(
        f'<text x="{_WIDTH * part / 6:.0f}" y="{3 * _LANE + _GAP}">'
        f"{clock(start + seconds * part / 6).removesuffix('.0')}</text>"
        for part in range(6)
    )
    height = 3 * _LANE + 2 * _GAP
    label = f"From {clock(start)}: " + ", ".join(_counted(own))
    return (
        f'<svg viewBox="0 0 {_WIDTH} {height}" role="img" aria-label="{_text(label)}">'
        f'<line class="axis" x1="0" x2="{_WIDTH}" y1="{_LANE}" y2="{_LANE}"/>'
        f"{marks}{names}{ticks}</svg>"
    )


def _mark(segment: Segment, x: float, scale: float) -> str:
    width = (segment.end - segment.start) * scale
    kind, opacity = "none", ""
    if segment.gender and segment.gender_probability:
        kind = segment.gender
        doubt = 2 * (1 - segment.gender_probability)
        opacity = f' fill-opacity="{1 - (1 - _FAINT) * doubt:.2f}"'
    told = [f"{clock(segment.start)} to {clock(segment.end)}"]
    told += [f"gender {sure(segment.gender, segment.gender_probability)}"] if segment.gender else []
    told += [f"speaker {_speaker(segment)}"] if segment.nearest else []
    title = _text(", ".join([*told, *segment.flags]))
    cut = f'<circle class="clipped" cx="{x + width / 2:.1f}" cy="4" r="3"/>'
    return (
        f'<g><title>{title}</title><rect class="{_text(kind)}"{opacity} x="{x:.1f}" y="0" '
        f'width="{max(width - 0.5, 0.5):.1f}" height="{_LANE}"/>'
        f"{cut if CLIPPED in segment.flags else ''}</g>"
    )


def _names(segments: Sequence[Segment], start: int, scale: float) -> Iterator[str]:
    """Draw one block for each stretch in which the same speaker is named."""
    for speaker, stretch in groupby(segments, key=lambda one: one.speaker):
        chunks = list(stretch)
        if speaker is None:
            continue
        x, end = ((edge - start) * scale for edge in (chunks[0].start, chunks[-1].end))
        room = int((end - x) // _LETTER)
        shown = speaker if len(speaker) <= room else ""
        yield (
            f'<g class="speaker"><title>{_text(speaker)}</title>'
            f'<rect x="{x:.1f}" y="{_LANE + _GAP}" width="{max(end - x - 1, 0.5):.1f}" '
            f'height="{_LANE}"/><text x="{x + 3:.1f}" y="{2 * _LANE}">{_text(shown)}</text></g>'
        )


def _counted(segments: Sequence[Segment]) -> Iterator[str]:
    """Say in words how many chunks are of what, for those who cannot see them."""
    kinds = sorted(one.gender or "no answer" for one in segments)
    for kind, own in groupby(kinds):
        yield f"{len(list(own))} chunks of {kind}"


def _text(text: str) -> str:
    """Write what others have named, so that it stays text."""
    return escape(printable(text))


def _speaker(segment: Segment) -> str:
    name, probability = segment.nearest[0]
    return sure(name, probability) if segment.speaker else "unknown"


_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>Who speaks when</title>
<style>
{style}</style>
</head>
<body>
<h1>Who speaks when</h1>
<p><span class="key F"></span>F <span class="key M"></span>M, the fainter the less sure;
<span class="key none"></span>silent or no speech; <span class="key clipped"></span>cut off.
Below: the known speaker, where the voice is one. Point at a chunk to read it.</p>
{body}
</body>
</html>
"""
