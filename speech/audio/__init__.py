"""Audio in: decoding, streams, chunks, acoustic conditions.

Used from outside: `chunks`, `conditions`, `decode`, `stream`.
"""

SAMPLE_RATE = 16_000
"""Hz; wav2vec 2.0 and LibriSpeech are both defined at this rate, so it is no parameter."""

_DECODED = (
    "aif aifc aiff au avr caf flac htk iff mat mp1 mp2 mp3 nist oga ogg opus paf pvf rf64 sd2 sds "
    "sf snd sph svx voc w64 wav wve xi"
)
_NOT_DECODED = "3gp aac ac3 amr ape m4a m4b mka mkv mov mp4 ra spx webm wma wv"
"""By libsndfile. They are listed so that the user learns of a recording that cannot be read."""

SUFFIXES = frozenset(f".{suffix}" for suffix in f"{_DECODED} {_NOT_DECODED}".split())
"""By which recordings are known among the files of a folder, in lower case."""
