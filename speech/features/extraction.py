"""One pass over one speaker's recordings: compute what is missing, keep what is current."""

import json
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

import speech.audio
from speech.audio.decode import AudioError, digest_of, file_digest, load_audio
from speech.errors import UserError
from speech.features.store import read_current, speaker_file, write_speaker
from speech.parallel import Prefer, Progress, Workers, silent, spread

Compute = Callable[
    [Iterable[tuple[str, NDArray[np.float32]]]], Iterable[Mapping[str, NDArray[Any]]]
]
"""From utterance ids and signals of a speaker, decoded one by one as they are asked for, to the
features of each by part; part ``""`` is the utterance itself."""

_DECODERS = ("soundfile", "soxr", "numpy", "scipy")


@dataclass(frozen=True)
class Extracted:
    """How many utterances of a speaker were computed, and how many kept from an earlier run."""

    computed: int
    kept: int


def extract_features(
    utterances: pd.DataFrame,
    audio: Path,
    folder: Path,
    *,
    compute: Compute,
    settings: Mapping[str, Any],
    code: Iterable[str],
    libraries: Iterable[str],
    jobs: Workers = -1,
    prefer: Prefer = "processes",
    progress: Progress = silent,
) -> list[Extracted]:
    """Bring the features of all speakers up to date, one file per speaker.

    Parameters
    ----------
    utterances
        With utterance_id, speaker_id, path and digest.
    audio
        Folder that the paths are relative to.
    folder
        Where the features go; files of absent speakers are removed.
    compute
        Computes the features; must be picklable by cloudpickle.
    settings, code, libraries
        What the features depend on beside the recordings: parameters that JSON can hold, files of
        source, and distributions. Other parameters, code or versions compute all anew, so that no
        file of features mixes old and new. Decoding, resampling and this module count always.
    jobs, prefer
        As in `speech.parallel.spread`.
    progress
        Shown over speakers.

    Raises
    ------
    UserError
        If a recording changed since it was indexed, or cannot be read any more.
    """
    owners = {
        speaker_file(folder, str(name)): own for name, own in utterances.groupby("speaker_id")
    }
    _remove_others(folder, owners)
    made_by = _digest(settings, code, libraries)
    extract = partial(_extract_speaker, audio=audio, made_by=made_by, compute=compute)
    done = spread(extract, list(owners.items()), jobs, progress, prefer)
    _remove_others(folder, owners)  # what a worker that was killed on the way left unfinished
    return done


def _digest(settings: Mapping[str, Any], code: Iterable[str], libraries: Iterable[str]) -> str:
    """Digest everything but the recordings that features depend on."""
    versions = {name: version(name) for name in (*_DECODERS, *libraries)}
    content = json.dumps([settings, versions], sort_keys=True, allow_nan=False)
    decoding = sorted(Path(speech.audio.__file__).parent.glob("*.py"))
    files = (*decoding, Path(__file__), *map(Path, code))
    return digest_of(b"".join([content.encode(), *(file.read_bytes() for file in files)]))


def _remove_others(folder: Path, owners: Container[Path]) -> None:
    """Remove the files that are no speaker's."""
    for path in folder.glob("*"):
        if path not in owners and path.is_file():
            path.unlink(missing_ok=True)


def _extract_speaker(
    speaker: tuple[Path, pd.DataFrame], audio: Path, made_by: str, compute: Compute
) -> Extracted:
    """Bring the file of one speaker's features up to date."""
    file, own = speaker
    sources = dict(zip(own["utterance_id"], own["digest"], strict=True))
    tensors, complete = read_current(file, made_by, sources)
    if complete:
        return Extracted(0, len(sources))
    kept = {name.split("/")[0] for name in tensors}
    missing = [row for row in own.itertuples(index=False) if row.utterance_id not in kept]
    signals = ((row.utterance_id, _load(audio / row.path, row.digest)) for row in missing)
    for row, features in zip(missing, compute(signals), strict=True):
        for part, array in features.items():
            tensors[f"{row.utterance_id}/{part}" if part else row.utterance_id] = array
    write_speaker(file, tensors, made_by, sources)
    return Extracted(len(missing), len(kept))


def _load(path: Path, digest: str) -> NDArray[np.float32]:
    try:
        if file_digest(path) != digest:
            raise AudioError("its content changed")
        return load_audio(path)
    except (OSError, AudioError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise UserError(
            f"{path}: is not what it was when it was indexed ({reason}); "
            "run `dvc repro` to index the corpus again."
        ) from None


def describe_extraction(done: Sequence[Extracted], folder: Path) -> str:
    """Summarise in a few words what an extraction made."""
    computed, kept = (sum(getattr(item, name) for item in done) for name in ("computed", "kept"))
    megabytes = sum(file.stat().st_size for file in folder.iterdir()) / 1e6
    return (
        f"{computed + kept:,} utterances of {len(done)} speakers in {folder} "
        f"({megabytes:.1f} MB), {kept:,} of them kept from an earlier run"
    )
