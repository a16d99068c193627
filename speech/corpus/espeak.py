"""eSpeak NG as a reader in a process of its own, the only way it says the same thing twice.

The library keeps state between sentences that neither ``espeak_Terminate`` nor a second
``espeak_Initialize`` resets, and it seeds its breath noise from the clock. A fresh process with
a fixed seed is byte-identical. That process runs this very file without any package, hence
nothing but the standard library is imported at the top; starting a reader costs about 50 ms.
"""

import ctypes
import json
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

SAMPLE_RATE = 22_050
"""Hz; the rate that eSpeak NG's phonemes are recorded at."""

# From espeak-ng/speak_lib.h.
_SYNCHRONOUS_OUTPUT = 2
_DONT_EXIT_ON_ERROR = 0x8000
_UTF8 = 1
_FROM_CHARACTER = 1
_RATE, _VOLUME, _PITCH, _PITCH_RANGE = 1, 2, 3, 4

_UNCLIPPED_VOLUME = 30
"""Of 200; from about 40 upwards the strongest voices clip inside eSpeak NG."""

_LENGTH = struct.Struct("<I")

_TakeSamples = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p
)


class Voice(NamedTuple):
    """How eSpeak NG is to sound; the numbers are in its own units."""

    accent: str
    """A voice of English, such as ``en-us``."""
    variant: str
    """A voice variant, such as ``f3``: vocal tract, glottis and habits of intonation."""
    pitch: int
    """0 to 99; 50 is the variant's own, 30 more is about half an octave higher."""
    pitch_range: int
    """0 to 99; 50 is the variant's own, 0 is monotone."""
    words_per_minute: int
    """80 to 450."""


@contextmanager
def reading(voice: Voice, seed: int) -> Iterator[Callable[[str], bytes]]:
    """Start a process that reads aloud; it ends with the ``with`` block.

    Two of the same voice and seed, given the same texts in the same order, return the same bytes.

    Parameters
    ----------
    voice
        How to sound.
    seed
        Of the breath noise; below 2 ** 31.

    Yields
    ------
    callable
        Takes a clause or more, on one line, and returns mono samples at `SAMPLE_RATE`, 16 bit in
        the machine's byte order, with the pauses that the punctuation asks for. Raises `UserError`
        if eSpeak NG cannot be loaded or does not know the voice.
    """
    import espeakng_loader

    # Isolated and without site-packages: starts in half the time, and nothing in the caller's
    # environment can reach the synthesis.
    command = [sys.executable, "-I", "-S", __file__]
    settings = [espeakng_loader.get_library_path(), json.dumps([*voice, seed], allow_nan=False)]
    process = subprocess.Popen(
        command + settings,
        cwd=espeakng_loader.get_data_path(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    stdin, stdout, stderr = process.stdin, process.stdout, process.stderr
    assert stdin is not None
    assert stdout is not None
    assert stderr is not None

    def read(text: str) -> bytes:
        length = b""
        with suppress(BrokenPipeError):
            stdin.write(text.encode() + b"\n")
            stdin.flush()
            length = stdout.read(_LENGTH.size)
        if len(length) == _LENGTH.size:
            return stdout.read(*_LENGTH.unpack(length))

        from speech.errors import UserError

        reason = stderr.read().decode(errors="replace").strip().rpartition("\n")[2]
        raise UserError(
            f"eSpeak NG does not work on this machine ({reason}); reinstall espeakng-loader, "
            "or set corpus in params.yaml to a folder of recordings."
        )

    # A pipe that broke has been reported by `read`.
    with suppress(BrokenPipeError), process:
        yield read


def _serve(library_path: str, settings: str) -> None:
    """Answer each line of text on stdin with the length of its samples and the samples.

    Runs in the folder of eSpeak NG's data, which it could not find by a path longer than 160
    characters.
    """
    *voice, seed = json.loads(settings)
    library = ctypes.CDLL(library_path)
    rate = library.espeak_Initialize(_SYNCHRONOUS_OUTPUT, 0, b".", _DONT_EXIT_ON_ERROR)
    if rate != SAMPLE_RATE:
        sys.exit(f"no phonemes for {SAMPLE_RATE} Hz in {Path.cwd()}")
    _choose_voice(library, Voice(*voice))
    library.espeak_ng_SetRandSeed(ctypes.c_long(seed))

    spoken = bytearray()

    @_TakeSamples
    def take_samples(samples: ctypes.c_void_p, count: int, _events: object) -> int:
        if samples and count:
            spoken.extend(ctypes.string_at(samples, count * ctypes.sizeof(ctypes.c_short)))
        return 0

    library.espeak_SetSynthCallback(take_samples)
    for text in sys.stdin.buffer:
        spoken.clear()
        library.espeak_Synth(text, len(text) + 1, 0, _FROM_CHARACTER, 0, _UTF8, None, None)
        sys.stdout.buffer.write(_LENGTH.pack(len(spoken)) + spoken)
        sys.stdout.buffer.flush()


def _choose_voice(library: ctypes.CDLL, voice: Voice) -> None:
    name = f"{voice.accent}+{voice.variant}"
    # The library says nothing when a variant is unknown: it reads in the plain voice.
    known = Path("voices", "!v", voice.variant).is_file()
    if not known or library.espeak_SetVoiceByName(name.encode()) != 0:
        sys.exit(f"it has no voice {name}")
    for parameter, value in (
        (_VOLUME, _UNCLIPPED_VOLUME),
        (_RATE, voice.words_per_minute),
        (_PITCH, voice.pitch),
        (_PITCH_RANGE, voice.pitch_range),
    ):
        library.espeak_SetParameter(parameter, value, 0)


if __name__ == "__main__":
    _serve(*sys.argv[1:])
