"""One pass over one speaker's recordings: compute what is missing, keep what is current."""

import inspect
import json
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol, runtime_checkable

import numpy as np
import pandas as pd
from numpy.typing import NDArray

import speech.audio
from speech.audio.decode import AudioError, digest_of, file_digest, load_audio
from speech.errors import UserError
from speech.features.store import Fingerprint, read_current, speaker_file, write_speaker
from speech.parallel import Prefer, Progress, Workers, silent, spread

Compute = Callable[[NDArray[np.float32], str], Mapping[str, NDArray[Any]]]
"""From a signal and its utterance id to features by part; part ``""`` is the utterance itself."""


@runtime_checkable
class Batching(Protocol):
    """A `Compute` that may want all utterances of a speaker at once."""

    @property
    def batches_utterances(self) -> bool:
        """Whether it does."""

    def together(self, signals: Sequence[NDArray[np.float32]]) -> list[dict[str, NDArray[Any]]]:
        """Return the features of each signal."""


_DECODERS = ("soundfile", "soxr", "numpy", "scipy")


@dataclass(frozen=True)
class Extracted:
    """How many utterances of a speaker were computed, and how many kept from an earlier run."""

    computed: int
    kept: int


def settings_digest(
    settings: Mapping[str, Any], modules: Iterable[ModuleType], libraries: Iterable[str]
) -> str:
    """Digest everything but the recordings that features depend on.

    Parameters
    ----------
    settings
        Parameters, JSON-serialisable.
    modules
        Whose source computes the features. That of `speech.audio`, and of this module, counts
        always.
    libraries
        Distributions that compute the features; those that decode and resample count always.

    Returns
    -------
    str
        32 hexadecimal digits. Other settings, code or versions give others, so that no file of
        features mixes old and new.
    """
    versions = {name: version(name) for name in (*_DECODERS, *libraries)}
    content = json.dumps([settings, versions], sort_keys=True, allow_nan=False)
    decoding = sorted(Path(speech.audio.__file__).parent.glob("*.py"))
    computing = (Path(str(module.__file__)) for module in modules)
    code = (file.read_bytes() for file in (*decoding, Path(__file__), *computing))
    return digest_of(b"".join([content.encode(), *code]))


def extract_features(
    utterances: pd.DataFrame,
    audio: Path,
    folder: Path,
    *,
    settings: str,
    compute: Compute,
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
    settings
        As `settings_digest` returns it.
    compute
        Computes the features of one signal; must be picklable by cloudpickle. Its source counts
        beside the settings.
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
    extract = partial(
        _extract_speaker, audio=audio, settings=settings + _code_of(compute), compute=compute
    )
    done = spread(extract, list(owners.items()), jobs, progress, prefer)
    _remove_others(folder, owners)  # what a worker that was killed on the way left unfinished
    return done


def _remove_others(folder: Path, owners: Container[Path]) -> None:
    """Remove the files that are no speaker's."""
    for path in folder.glob("*"):
        if path not in owners and path.is_file():
            path.unlink(missing_ok=True)


def _extract_speaker(
    speaker: tuple[Path, pd.DataFrame], audio: Path, settings: str, compute: Compute
) -> Extracted:
    """Bring the file of one speaker's features up to date."""
    file, own = speaker
    sources = dict(zip(own["utterance_id"], own["digest"], strict=True))
    fingerprint = Fingerprint(settings, sources)
    tensors, complete = read_current(file, fingerprint)
    if complete:
        return Extracted(0, len(sources))
    kept = {name.split("/")[0] for name in tensors}
    missing = [row for row in own.itertuples(index=False) if row.utterance_id not in kept]
    signals = (_load(audio / row.path, row.digest) for row in missing)
    computed: Iterable[Mapping[str, NDArray[Any]]]
    if isinstance(compute, Batching) and compute.batches_utterances:
        computed = compute.together(list(signals))
    else:
        names = (row.utterance_id for row in missing)
        computed = (compute(signal, name) for signal, name in zip(signals, names, strict=True))
    for row, features in zip(missing, computed, strict=True):
        for part, array in features.items():
            tensors[f"{row.utterance_id}/{part}" if part else row.utterance_id] = array
    write_speaker(file, tensors, fingerprint)
    return Extracted(len(sources) - len(kept), len(kept))


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


def _code_of(compute: Compute) -> str:
    """Digest the source that computes, which may be that of a stage."""
    called: Any = getattr(compute, "func", compute)  # of a partial
    source = inspect.getsourcefile(called if inspect.isroutine(called) else type(called))
    return file_digest(Path(str(source)))


def describe_extraction(done: Sequence[Extracted], folder: Path) -> str:
    """Summarise in a few words what an extraction made."""
    computed, kept = (sum(getattr(item, name) for item in done) for name in ("computed", "kept"))
    megabytes = sum(file.stat().st_size for file in folder.iterdir()) / 1e6
    return (
        f"{computed + kept:,} utterances of {len(done)} speakers in {folder} "
        f"({megabytes:.1f} MB), {kept:,} of them kept from an earlier run"
    )
