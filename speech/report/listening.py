"""Short clips of recordings inside the page, for a reader who wants to hear whom it is about."""

import base64
import io
from html import escape

import soundfile

from speech.audio.decode import SAMPLE_RATE, decode_audio
from speech.report.page import Html
from speech.report.run import Run

CLIP_SECONDS = 5.0


def clips(run: Run, speakers: list[str]) -> dict[str, Html]:
    """Make a player for the first utterance of each of some speakers.

    Parameters
    ----------
    run
        Whose corpus is local.
    speakers
        Which; about 30 kB of page for each.

    Returns
    -------
    dict
        Players by speaker.
    """
    utterances = run.utterances().sort_values("utterance_id")
    first = utterances.drop_duplicates("speaker_id").set_index("speaker_id")["path"]
    return {speaker: _player(run.recording(first[speaker]), speaker) for speaker in speakers}


def _player(recording: bytes, speaker: str) -> Html:
    signal = decode_audio(recording)[: round(CLIP_SECONDS * SAMPLE_RATE)]
    packed = io.BytesIO()
    soundfile.write(packed, signal, SAMPLE_RATE, format="MP3")
    data = base64.b64encode(packed.getvalue()).decode()
    label = escape(f"speaker {speaker}", quote=True)
    source = f"data:audio/mpeg;base64,{data}"
    return Html(f'<audio controls preload="none" aria-label="{label}" src="{source}"></audio>')
