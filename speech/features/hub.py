"""Speech encoders from the Hugging Face hub: one commit, downloaded once, verified.

The library does what the environment asks for: ``HF_HOME`` (its cache), ``HF_ENDPOINT`` (a mirror),
``HF_HUB_OFFLINE``, ``HF_TOKEN`` and proxies.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from huggingface_hub import HfApi, constants, is_offline_mode, snapshot_download
from huggingface_hub.errors import (
    GatedRepoError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.utils import logging, tqdm

from speech.errors import UserError
from speech.features.checkpoint import (
    CHOICES,
    CONFIG,
    PREPROCESSOR,
    SHARDS,
    WEIGHTS,
    architecture_of,
)
from speech.storage.files import link_or_copy, replacing_folder, sha256_of

_COMMIT = re.compile(r"[0-9a-f]{40}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_NAME = re.compile(r"(?P<id>\w[\w.-]*/\w[\w.-]*)(@(?P<revision>.*))?")


@dataclass(frozen=True)
class HubModel:
    """A model of the hub at one commit.

    Attributes
    ----------
    id
        Such as ``facebook/wav2vec2-base``.
    commit
        40 hexadecimal digits; a branch or tag may move, a commit cannot.
    """

    id: str
    commit: str

    def __str__(self) -> str:
        return f"{self.id}@{self.commit}"


_BASE = HubModel("facebook/wav2vec2-base", "0b5b8e868dd84f03fd87d01f9c4ff0f080fecfe8")
"""Known by its id alone."""

WEIGHTS_OF = {
    _BASE: {"pytorch_model.bin": "3249fe98bfc62fcbc26067f724716a6ec49d12c4728a2af1df659013905dff21"}
}
"""SHA-256 of the weights of known models: whoever serves them need not be trusted, and no other
weights are asked for."""


def parse_hub_model(name: str) -> HubModel:
    """Read ``<id>@<commit>``; a known id needs no commit.

    Parameters
    ----------
    name
        As params.yaml has it.

    Raises
    ------
    UserError
        If it is no id of the hub, or names no commit; the commit it means today is given, if the
        hub answers.
    """
    match = _NAME.fullmatch(name)
    if not match:
        raise UserError(
            f"encoder: {name} is neither a folder nor a model of the Hugging Face hub; {CHOICES}."
        )
    model_id, revision = match["id"], match["revision"] or None
    if name == _BASE.id:
        return _BASE
    if revision and _COMMIT.fullmatch(revision):
        return HubModel(model_id, revision)
    try:
        commit = HfApi().model_info(model_id, revision=revision, timeout=10).sha
    except (RepositoryNotFoundError, RevisionNotFoundError) as error:
        raise _refusal(error, HubModel(model_id, revision or "main")) from None
    except Exception:  # whatever it is, the answer below needs no hub
        commit = "<commit>"
    raise UserError(
        f"encoder: {name} is no folder, and as a model of the hub it names no commit, which unlike "
        f"a branch never moves; set encoder in params.yaml to {model_id}@{commit} (see "
        f"{constants.ENDPOINT}/{model_id}/commits/main)."
    )


def fetch_hub_model(model: HubModel, folder: Path) -> None:
    """Have a checkpoint's files in a folder, by way of the hub's own cache.

    The cache is shared with everything else that uses the hub, and with the temporary folders of
    queued experiments: nothing is downloaded twice. Only what the encoder needs is downloaded,
    the weights after the architecture was checked.

    Parameters
    ----------
    model
        What to fetch.
    folder
        Where to put the files, as hard links where the file system has them; replaced as a whole.

    Raises
    ------
    UserError
        If the model is no encoder that works, cannot be downloaded or is not what was published.
    """
    snapshot = _download(model, [CONFIG, PREPROCESSOR])
    if not (snapshot / CONFIG).is_file():
        raise UserError(
            f"encoder: {model} has no {CONFIG}; choose a checkpoint in Hugging Face format."
        )
    architecture_of(snapshot, model.id)
    if is_offline_mode() and not (snapshot / PREPROCESSOR).is_file():
        # It may exist, and without it other features would be computed.
        raise _refusal(OfflineModeIsEnabled(), model)
    forms = tuple(WEIGHTS_OF.get(model, WEIGHTS))
    for form in forms:
        patterns = [form, "model-*.safetensors"] if form == SHARDS else [form]
        _download(model, patterns)
        if (snapshot / form).is_file():
            break
    else:
        raise UserError(
            f"encoder: {model} has none of {', '.join(forms)}; "
            "choose a checkpoint with weights in one of these forms."
        )
    files = [file for one in (CONFIG, PREPROCESSOR, *patterns) for file in snapshot.glob(one)]
    for file in files:
        _verify(file, model)
    with replacing_folder(folder) as unfinished:
        for file in files:
            # No symbolic link: it would break when the cache is emptied, and DVC with it.
            link_or_copy(file.resolve(), unfinished / file.name)


class _Bar(tqdm):
    """A progress bar on a terminal, silent in a log."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs | {"disable": None})


def _download(model: HubModel, patterns: list[str]) -> Path:
    """Have those files of a model that exist in the cache; give their folder there."""
    logging.set_verbosity_error()
    try:
        return Path(
            snapshot_download(
                model.id, revision=model.commit, allow_patterns=patterns, tqdm_class=_Bar
            )
        )
    except Exception as error:  # the library passes on many kinds from below
        raise _refusal(error, model) from None


def _verify(file: Path, model: HubModel) -> None:
    """Compare a file with the SHA-256 that the hub, or this module, knows it by.

    The cache names a large file after its SHA-256; of small ones the library compared the size.
    """
    blob = file.resolve()
    expected = WEIGHTS_OF.get(model, {}).get(file.name, blob.name)
    if not _SHA256.fullmatch(expected):
        return
    found = sha256_of(blob)
    if found != expected:
        # It would be taken for the file ever after.
        file.unlink()
        blob.unlink(missing_ok=True)
        raise UserError(
            f"encoder: {file.name} of {model} is not the file that was published (its SHA-256 is "
            f"{found}, not {expected}) and was removed; run again to download it anew, from "
            "another HF_ENDPOINT if this happens twice."
        )


def _refusal(error: Exception, model: HubModel) -> UserError:
    """Say in a sentence why a model cannot be had."""
    hub = constants.ENDPOINT
    cause = error.__cause__ if isinstance(error, LocalEntryNotFoundError) else None
    match cause or error:
        case GatedRepoError():
            said = (
                "is only for users who accepted its terms; accept them at "
                f"{hub}/{model.id} and set HF_TOKEN"
            )
        case RepositoryNotFoundError():
            said = (
                f"is not at {hub}, or it is private; check the id, or set HF_TOKEN if it is yours"
            )
        case RevisionNotFoundError():
            said = f"has no revision {model.commit}; check it at {hub}/{model.id}"
        case OfflineModeIsEnabled():
            said = (
                f"is not completely in {constants.HF_HUB_CACHE}, and HF_HUB_OFFLINE forbids its "
                "download; unset it once"
            )
        case other:
            reason = (str(other).strip() or type(other).__name__).splitlines()[0].rstrip(".")
            said = (
                f"cannot be downloaded from {hub} ({reason}); check the network, the proxy and the "
                "disk and run again, or set HF_ENDPOINT to a mirror"
            )
    return UserError(f"encoder: {model.id} {said}.")
