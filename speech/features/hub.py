"""wav2vec 2.0 checkpoints from the Hugging Face hub: one commit, downloaded once, verified."""

import errno
import hashlib
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from huggingface_hub import (
    _CACHED_NO_EXIST,
    HfApi,
    constants,
    hf_hub_download,
    is_offline_mode,
    try_to_load_from_cache,
)
from huggingface_hub.errors import (
    FileMetadataError,
    GatedRepoError,
    HfHubHTTPError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
    RemoteEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.utils import logging

from speech.errors import UserError
from speech.features.checkpoint import (
    CHOICES,
    CONFIG,
    PREPROCESSOR,
    SHARDS,
    WEIGHTS,
    check_architecture,
    shards_of,
)
from speech.storage.files import link_or_copy, replacing_folder, writing

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
    sha256
        Of the weights by file name, where they are known beforehand: then whoever serves them
        need not be trusted, and no other weights are asked for.
    """

    id: str
    commit: str
    sha256: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.id}@{self.commit}"


_KNOWN = (
    HubModel(
        "facebook/wav2vec2-base",
        "0b5b8e868dd84f03fd87d01f9c4ff0f080fecfe8",
        {"pytorch_model.bin": "3249fe98bfc62fcbc26067f724716a6ec49d12c4728a2af1df659013905dff21"},
    ),
)
"""The commit is the default of its id."""


def parse_hub_model(name: str) -> HubModel:
    """Read ``<id>@<commit>``; a known id needs no commit.

    Parameters
    ----------
    name
        As params.yaml has it.

    Raises
    ------
    UserError
        If it is no id of the hub, or names no commit; the commit it may mean today is given, if
        the hub answers.
    """
    match = _NAME.fullmatch(name)
    if not match:
        raise UserError(
            f"encoder: {name} is neither a folder nor a model of the Hugging Face hub; {CHOICES}."
        )
    model_id, revision = match["id"], match["revision"] or None
    for known in _KNOWN:
        if known.id == model_id and revision in (None, known.commit):
            return known
    if revision is None or not _COMMIT.fullmatch(revision):
        raise UserError(_unpinned(model_id, revision))
    return HubModel(model_id, revision)


def fetch_hub_model(model: HubModel, folder: Path) -> None:
    """Have a checkpoint's files in a folder, by way of the hub's own cache.

    The cache (``HF_HOME``) is shared with everything else that uses the hub, and with the
    temporary folders of queued experiments: nothing is downloaded twice. A file of a commit that
    lies there is used without a request. Only what the encoder needs is downloaded, the weights
    after the architecture was checked.

    Parameters
    ----------
    model
        What to fetch.
    folder
        Where to put the files, as hard links where the file system has them; replaced as a whole.

    Raises
    ------
    UserError
        If the model is no wav2vec 2.0, cannot be downloaded or is not what was published.
    """
    logging.set_verbosity_error()
    config = _required(model, CONFIG)
    check_architecture(config, model.id)
    files = {CONFIG: config, **_weights(model)}
    if preprocessor := _optional(model, PREPROCESSOR):
        files[PREPROCESSOR] = preprocessor
    with writing(folder), replacing_folder(folder) as unfinished:
        for name, file in files.items():
            # No symbolic link: it would break when the cache is emptied, and DVC with it.
            link_or_copy(file.resolve(), unfinished / name)


def _weights(model: HubModel) -> dict[str, Path]:
    names = tuple(model.sha256) or WEIGHTS
    for name in names:
        if file := _optional(model, name, offline_is_absent=name != names[-1]):
            shards = shards_of(file, model.id) if name == SHARDS else []
            return {name: file, **{shard: _required(model, shard) for shard in shards}}
    raise UserError(
        f"encoder: {model} has none of {', '.join(names)}; "
        "choose a checkpoint with weights in one of these forms."
    )


def _required(model: HubModel, name: str) -> Path:
    file = _optional(model, name)
    if not file:
        raise UserError(
            f"encoder: {model} has no {name}; choose a checkpoint in Hugging Face format."
        )
    return file


def _optional(model: HubModel, name: str, offline_is_absent: bool = False) -> Path | None:
    """Return where a file lies in the cache, verified; None if the model has no such file."""
    # Asked first: the download of a cached file makes no request for it, but others of its own.
    file = try_to_load_from_cache(model.id, name, revision=model.commit)
    if file is _CACHED_NO_EXIST:
        return None
    try:
        file = Path(file or hf_hub_download(model.id, name, revision=model.commit))
    except RemoteEntryNotFoundError:
        return None
    except Exception as error:  # the library passes on many kinds from below
        if offline_is_absent and is_offline_mode() and isinstance(error, LocalEntryNotFoundError):
            return None
        raise UserError(f"encoder: {_complaint(error, model, name)}.") from None
    _verify(file, model, name)
    return file


def _verify(file: Path, model: HubModel, name: str) -> None:
    """Compare a file with the digest that the hub, or this module, knows it by.

    The cache names a file after its ETag: the SHA-256 of a large file, git's name of a small one.
    """
    blob = file.parent / file.readlink() if file.is_symlink() else file
    expected = model.sha256.get(name, blob.name)
    if _SHA256.fullmatch(expected):
        found = _digest(file, hashlib.sha256())
    elif _COMMIT.fullmatch(expected):
        # git hashes a header with the content.
        found = _digest(file, hashlib.sha1(b"blob %d\0" % file.stat().st_size))
    else:
        return  # a mirror's own ETag, or a cache without links: the library compared the size
    if found != expected:
        # It would be taken for the file ever after.
        file.unlink()
        blob.unlink(missing_ok=True)
        raise UserError(
            f"encoder: {name} of {model} is not the file that was published (its digest is "
            f"{found}, not {expected}) and was removed; run again to download it anew, from "
            "another HF_ENDPOINT if this happens twice."
        )


def _digest(file: Path, digest: "hashlib._Hash") -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, lambda: digest).hexdigest()


def _unpinned(model_id: str, revision: str | None) -> str:
    """Say that a revision is no commit, and which commit it means today."""
    logging.set_verbosity_error()
    if revision is None:
        problem = f"there is no folder {model_id}, and the hub's model of that name needs a commit"
    else:
        problem = f"{revision!r} is no commit of {model_id} but may be a branch or tag, which move"
    try:
        commit = HfApi().model_info(model_id, revision=revision, timeout=10).sha
    except (RepositoryNotFoundError, RevisionNotFoundError) as error:
        return f"encoder: {_complaint(error, HubModel(model_id, revision or 'main'), CONFIG)}."
    except Exception:  # whatever it is, the answer below needs no hub
        commit = None
    return (
        f"encoder: {problem}; set encoder in params.yaml to {model_id}@{commit}, as it is today."
        if commit
        else f"encoder: {problem}; set encoder in params.yaml to {model_id}@<commit>, with the 40 "
        f"digits from {constants.ENDPOINT}/{model_id}/commits/main."
    )


def _complaint(error: Exception, model: HubModel, name: str) -> str:
    """Say in a sentence, without its full stop, why a file cannot be had."""
    cause = error.__cause__ if isinstance(error, LocalEntryNotFoundError) else error
    hub = constants.ENDPOINT
    match cause:
        case GatedRepoError():
            return (
                f"{model.id} is only for users who accepted its terms; accept them at "
                f"{hub}/{model.id} and set HF_TOKEN"
            )
        case RepositoryNotFoundError():
            return (
                f"{hub} has no model {model.id}, or it is private; check the id, or set HF_TOKEN "
                "if it is yours"
            )
        case RevisionNotFoundError():
            return f"{model.id} has no revision {model.commit}; check it at {hub}/{model.id}"
        case OfflineModeIsEnabled():
            return (
                f"{name} of {model} is not in {constants.HF_HUB_CACHE} and HF_HUB_OFFLINE forbids "
                "its download; unset it once"
            )
        case FileMetadataError():
            return f"{hub} answers unlike a Hugging Face hub; check HF_ENDPOINT and the proxy"
        case HfHubHTTPError():
            return (
                f"{hub} answers {cause.response.status_code} to the request for {name} of "
                f"{model.id}; try later, or set HF_ENDPOINT to a mirror"
            )
        case OSError(errno=errno.ENOSPC | errno.EDQUOT | errno.EACCES | errno.EROFS):
            return (
                f"{name} of {model.id} cannot be written to {constants.HF_HUB_CACHE} "
                f"({os.strerror(cause.errno)}); make room there, or set HF_HOME to another folder"
            )
        case _:
            reason = (str(cause).strip() or type(cause).__name__).splitlines()[0].rstrip(".")
            return (
                f"{name} of {model.id} cannot be downloaded from {hub} ({reason}); check the "
                "network and the proxy and run again, or set HF_ENDPOINT to a mirror"
            )
