"""A small corpus in LibriSpeech layout, synthesised here, so that the pipeline runs offline.

Forty voices of eSpeak NG read the first chapter of *Alice's Adventures in Wonderland* (Lewis
Carroll, 1865, in the public domain). It shows how the pipeline works and keeps its tests honest;
scores on it say nothing about people. Three things make it a task rather than a formality: the
genders' pitches meet, a speaker's chapters read different text, and each chapter is recorded under
conditions of its own, so that whoever learns the recording instead of the voice is found out.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from io import BytesIO
from itertools import chain, cycle
from math import ceil
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from speech.audio import SAMPLE_RATE
from speech.audio.conditions import coloured_noise
from speech.corpus import espeak
from speech.corpus.espeak import Voice
from speech.errors import UserError
from speech.folds import FEMALE, MALE
from speech.parallel import Progress, silent, spread
from speech.storage.files import replacing_folder

SUBSET = "sample"
"""Where LibriSpeech has dev-clean: the folder's name and the subset in the table."""

# Median pitch runs from 88 to 160 Hz in the male voices and from 150 to 240 Hz in the female ones.
# The two of a line share accent, range and tempo, so that none of these tells the gender. A variant
# that comes twice has another accent and another pitch.
_PAIRS = (
    # accent, pitch range, words per minute, and the variant and pitch of a woman and of a man
    ("en-us", 50, 170, ("f1", 50), ("m1", 58)),
    ("en-gb-x-rp", 60, 180, ("f2", 55), ("m2", 71)),
    ("en-gb-scotland", 45, 160, ("f3", 43), ("m3", 56)),
    ("en-us", 40, 175, ("f4", 36), ("ed", 75)),
    ("en-029", 55, 165, ("f5", 57), ("m4", 55)),
    ("en-us", 50, 185, ("Alicia", 41), ("m5", 73)),
    ("en-gb-x-rp", 60, 170, ("Andrea", 35), ("m6", 66)),
    ("en-us", 45, 190, ("Annie", 40), ("m7", 92)),
    ("en-us", 40, 160, ("anika", 41), ("m8", 57)),
    ("en-us-nyc", 55, 175, ("aunty", 45), ("Reed", 69)),
    ("en-gb-x-gbclan", 65, 180, ("belinda", 31), ("david", 64)),
    ("en-us", 50, 165, ("steph", 48), ("antonio", 64)),
    ("en-gb-x-rp", 55, 175, ("linda", 45), ("edward2", 58)),
    ("en-us", 40, 155, ("grandma", 45), ("Denis", 72)),
    ("en-gb-scotland", 60, 185, ("f1", 65), ("Diogo", 46)),
    ("en-us", 45, 170, ("Andrea", 22), ("Nguyen", 60)),
    ("en-029", 60, 180, ("f4", 58), ("victor", 70)),
    ("en-us", 40, 160, ("f5", 33), ("pablo", 66)),
    ("en-gb-x-gbcwmd", 50, 190, ("shelby", 60), ("Gene2", 74)),
    ("en-us-nyc", 45, 170, ("f2", 66), ("paul", 56)),
)
FEMALE_VOICES, MALE_VOICES = (
    tuple(
        Voice(accent, *pair[position], pitch_range, words_per_minute)
        for accent, pitch_range, words_per_minute, *pair in _PAIRS
    )
    for position in (0, 1)
)

FIRST_SPEAKER = 1001

SHORTEST_UTTERANCE = 3.0
"""Seconds aimed at; a last utterance may come out half a second shorter."""
LONGEST_AIM = 8.0
"""Seconds after which an utterance ends with its clause, at the latest: 15 s, as in LibriSpeech."""
WORDS_PER_CLAUSE = 10
"""At most; longer ones are cut, because a clause is the step in which utterances grow."""
SHORTEST_CHAPTER = 3.5
"""Seconds; one utterance, and room to cut it at a word."""
MARGIN = 0.2
"""Seconds of bare noise on either side of an utterance."""

# What recording sessions differ in. Strong enough to mislead a classifier, mild enough for a
# listener to recognise the voice.
LEVELS_DB = (-40.0, -26.0)
"""RMS of the speech in dB of full scale; peaks, up to 22 dB higher, must still fit."""
TILTS_DB = (-1.0, 1.0)
"""Spectral tilt in dB per octave around `TILT_PIVOT`."""
TILT_PIVOT = 1000.0
LOW_CUTS_HZ = (40.0, 120.0)
HIGH_CUTS_HZ = (5000.0, 7800.0)
CUT_DB_PER_OCTAVE = 18.0
SNRS_DB = (25.0, 45.0)
TEMPOS = (0.93, 1.07)
NOISE_COLOURS = {"white": 0.0, "pink": 1.0, "brown": 2.0}
"""Exponents of `coloured_noise`."""
RESPONSE_TAPS = 513
"""Of the filter for tilt and cuts; resolves 30 Hz, enough for the lowest cut."""

FULL_SCALE = 2**15


class Session(NamedTuple):
    """The conditions that one chapter is recorded under."""

    level_db: float
    tilt_db: float
    low_cut_hz: float
    high_cut_hz: float
    noise: str
    snr_db: float
    tempo: float


class Chapter(NamedTuple):
    """One speaker's reading of one stretch of text in one session."""

    speaker_id: str
    chapter_id: str
    voice: Voice
    session: Session
    clauses: list[str]
    seconds: float
    seed: int

    def folder(self, root: Path) -> Path:
        """Where its recordings lie below the corpus's root."""
        return root / SUBSET / self.speaker_id / self.chapter_id


def synthesise_corpus(
    target: Path,
    *,
    speakers_per_gender: int = 12,
    chapters: int = 2,
    minutes: float = 20.0,
    seed: int = 17,
    jobs: int = -1,
    progress: Progress = silent,
) -> None:
    """Write a synthetic corpus in LibriSpeech layout: FLAC, 16 bit, mono, 16 kHz.

    The same settings and seed give the same bytes, whatever the number of jobs. The corpus is
    written beside `target` and renamed when it is whole; one that lay there before is replaced.

    Parameters
    ----------
    target
        The folder to make; holds ``SPEAKERS.TXT`` and ``sample/``.
    speakers_per_gender
        At most 20.
    chapters
        Of each speaker.
    minutes
        Of speech, which all chapters share.
    seed
        Of the recording sessions, the cuts into utterances and all noise. The voices are fixed.
    jobs
        How many chapters are made at once; -1 for one on each core.
    progress
        Shown over chapters.

    Raises
    ------
    UserError
        If the minutes do not suffice for one utterance in every chapter, or eSpeak NG does not
        work on this machine.
    """
    plan = list(_plan(speakers_per_gender, chapters, minutes, seed))
    with replacing_folder(target) as unfinished:
        for chapter in plan:
            chapter.folder(unfinished).mkdir(parents=True)
        # Threads suffice: the synthesis runs in processes of its own, and the arithmetic without
        # the interpreter's lock.
        record = partial(_record, root=unfinished)
        seconds = spread(record, plan, jobs, progress, prefer="threads")
        table = "".join(_speakers_table(plan, seconds))
        (unfinished / "SPEAKERS.TXT").write_text(table, "utf-8")


def _plan(speakers_per_gender: int, chapters: int, minutes: float, seed: int) -> Iterator[Chapter]:
    pairs = zip(FEMALE_VOICES[:speakers_per_gender], MALE_VOICES, strict=False)
    voices = list(chain.from_iterable(pairs))
    seconds = minutes * 60 / (len(voices) * chapters)
    if seconds < SHORTEST_CHAPTER:
        needed = ceil(SHORTEST_CHAPTER * len(voices) * chapters / 6) / 10
        raise UserError(
            f"sample_corpus.minutes is {minutes:g}, but {chapters} chapters of each of "
            f"{len(voices)} speakers need at least {needed}; raise it or lower those."
        )
    clauses = split_clauses(Path(__file__).with_name("sample_text.txt").read_text("utf-8"))
    for number, voice in enumerate(voices):
        speaker_id = str(FIRST_SPEAKER + number)
        rng = np.random.default_rng([seed, number])
        first = int(rng.integers(len(clauses)))
        for position, session in enumerate(_sessions(chapters, rng)):
            start = (first + position * len(clauses) // chapters) % len(clauses)
            yield Chapter(
                speaker_id=speaker_id,
                chapter_id=f"{speaker_id}{position + 1:02d}",
                voice=voice,
                session=session,
                clauses=clauses[start:] + clauses[:start],
                seconds=seconds,
                seed=int(rng.integers(2**31)),
            )


def split_clauses(text: str) -> list[str]:
    """Split prose into clauses that can be read one by one.

    Parameters
    ----------
    text
        Prose with double quotes, parentheses and ``--`` for dashes.

    Returns
    -------
    list of str
        In order, each of three to `WORDS_PER_CLAUSE` words with its closing punctuation; only
        the last may have fewer.
    """
    spoken = re.sub(r'["()]', "", text).replace("--", ", ").replace(" ,", ",")
    clauses: list[str] = []
    words: list[str] = []
    for sentence in re.split(r"(?<=[.,;:!?])\s", " ".join(spoken.split())):
        words += sentence.split()
        if len(words) >= 3:
            parts = np.array_split(words, -(-len(words) // WORDS_PER_CLAUSE))
            clauses += [" ".join(part) for part in parts]
            words = []
    return [*clauses, " ".join(words)] if words else clauses


def _sessions(count: int, rng: np.random.Generator) -> list[Session]:
    apart = partial(_evenly_apart, count=count, rng=rng)
    spectra = [apart(bounds) for bounds in (LEVELS_DB, TILTS_DB, LOW_CUTS_HZ, HIGH_CUTS_HZ)]
    noises = cycle(rng.permutation(list(NOISE_COLOURS)).tolist())
    values = zip(*spectra, noises, apart(SNRS_DB), apart(TEMPOS), strict=False)
    return [Session(*session) for session in values]


def _evenly_apart(bounds: tuple[float, float], count: int, rng: np.random.Generator) -> list[float]:
    """Draw values whose distances, around the circle of the interval, are all the same.

    Independent draws would now and then give a speaker two sessions that sound alike.
    """
    steps = rng.permutation(count) / count
    return np.interp((rng.random() + steps) % 1, (0, 1), bounds).tolist()


def _record(chapter: Chapter, root: Path) -> float:
    """Write a chapter's recordings; return how many seconds it lasts."""
    folder = chapter.folder(root)
    rng = np.random.default_rng(chapter.seed)
    voice = chapter.voice._replace(
        words_per_minute=round(chapter.voice.words_per_minute * chapter.session.tempo)
    )
    samples = 0
    with espeak.reading(voice, chapter.seed) as read:
        utterances = _read_utterances(read, cycle(chapter.clauses), chapter.seconds, rng)
        recordings = _through_session(utterances, chapter.session, rng)
        for number, recording in enumerate(recordings):
            utterance_id = f"{chapter.speaker_id}-{chapter.chapter_id}-{number:04d}"
            # By way of memory, because soundfile does not say what a disk refuses.
            flac = BytesIO()
            soundfile.write(flac, recording, SAMPLE_RATE, "PCM_16", format="FLAC")
            (folder / f"{utterance_id}.flac").write_bytes(flac.getvalue())
            samples += len(recording)
    return samples / SAMPLE_RATE


def _read_utterances(
    read: Callable[[str], bytes],
    clauses: Iterator[str],
    seconds: float,
    rng: np.random.Generator,
) -> Iterator[NDArray[np.float64]]:
    """Yield speech, [samples] at 16 kHz, that together last as long as asked.

    Utterances end where a clause ends; only the last ends at a word, to keep to the time.
    """
    remaining = seconds
    while remaining >= SHORTEST_UTTERANCE:
        aim = rng.uniform(SHORTEST_UTTERANCE, LONGEST_AIM)
        speech = b""
        lasts = 2 * MARGIN
        # Never leave a rest that is too short for an utterance of its own.
        while lasts < aim or 0 < remaining - lasts < SHORTEST_UTTERANCE:
            text = next(clauses)
            clause = read(text)
            fits = (remaining - lasts) / _duration(clause)
            if fits < 1:
                words = text.split()
                text = " ".join(words[: round(len(words) * fits)])
                clause = read(text) if text else b""
            speech += clause
            lasts += _duration(clause)
            if fits < 1:
                break
        yield _to_array(speech)
        remaining -= lasts


def _duration(speech: bytes) -> float:
    return len(speech) / np.dtype(np.int16).itemsize / espeak.SAMPLE_RATE


def _to_array(speech: bytes) -> NDArray[np.float64]:
    samples = np.frombuffer(speech, np.int16) / FULL_SCALE
    silence = round(MARGIN * SAMPLE_RATE)
    return np.pad(soxr.resample(samples, espeak.SAMPLE_RATE, SAMPLE_RATE), silence)


def _through_session(
    utterances: Iterable[NDArray[np.float64]],
    session: Session,
    rng: np.random.Generator,
) -> Iterator[NDArray[np.int16]]:
    """Pass speech, [samples], through the session's room, microphone and recorder."""
    from scipy.signal import oaconvolve  # takes a second to import

    response = _response(session)
    gain = None
    for clean in utterances:
        speech = oaconvolve(clean, response, mode="same")
        if gain is None:  # the recorder's knob is set once, at the beginning
            gain = _amplitude(session.level_db) / np.sqrt(np.mean(speech**2))
        exponent = NOISE_COLOURS[session.noise]
        noise = coloured_noise(len(speech), exponent=exponent, random=rng)
        noise *= _amplitude(session.level_db - session.snr_db)
        pcm = np.round((gain * speech + noise) * FULL_SCALE)
        # What exceeds full scale would wrap around to the other sign.
        yield np.clip(pcm, -FULL_SCALE, FULL_SCALE - 1).astype(np.int16)


def _response(session: Session) -> NDArray[np.float64]:
    """Linear-phase impulse response, [taps], of the session's tilt and cuts."""
    from scipy.signal import firwin2

    hz = np.linspace(0, SAMPLE_RATE / 2, RESPONSE_TAPS)
    octaves = np.log2(np.maximum(hz, 1.0) / TILT_PIVOT)
    below = np.maximum(np.log2(session.low_cut_hz / np.maximum(hz, 1.0)), 0)
    above = np.maximum(np.log2(np.maximum(hz, 1.0) / session.high_cut_hz), 0)
    decibels = session.tilt_db * octaves - CUT_DB_PER_OCTAVE * (below + above)
    return firwin2(RESPONSE_TAPS, hz, _amplitude(decibels), fs=SAMPLE_RATE)


def _amplitude(decibels: Any) -> Any:
    return 10 ** (decibels / 20)


def _speakers_table(chapters: list[Chapter], seconds: list[float]) -> Iterator[str]:
    """Give the lines of SPEAKERS.TXT, with the minutes that were recorded."""
    yield ";ID  |SEX| SUBSET           |MINUTES| NAME\n"
    total: dict[str, float] = {}
    for chapter, lasts in zip(chapters, seconds, strict=True):
        total[chapter.speaker_id] = total.get(chapter.speaker_id, 0) + lasts
    for speaker_id, voice in {one.speaker_id: one.voice for one in chapters}.items():
        yield (
            f"{speaker_id:<5}| {FEMALE if voice in FEMALE_VOICES else MALE} | {SUBSET:<17}| "
            f"{f'{total[speaker_id] / 60:.2f}':<6}| "
            f"Synthetic voice {voice.variant} ({voice.accent})\n"
        )
