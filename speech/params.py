"""params.yaml as typed, checked values.

Every number has both bounds, so that no value is refused by what computes with it, hours later.
The blocks of the features are those of `speech.features.settings`; the blocks of the classifiers
are made of the keyword arguments of their classes.
"""

import inspect
import json
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self, get_args, get_type_hints

from pydantic import (
    AfterValidator,
    Field,
    ValidationError,
    create_model,
    model_validator,
    with_config,
)
from pydantic_core import PydanticCustomError
from ruamel.yaml import YAML
from ruamel.yaml.composer import Composer, ComposerError
from ruamel.yaml.error import YAMLError
from ruamel.yaml.events import AliasEvent
from typing_extensions import TypedDict

from speech.classifiers.registry import CLASSIFIERS
from speech.errors import UserError
from speech.features.normalise import Normalisation
from speech.features.settings import (
    Backend,
    Block,
    Chunks,
    Device,
    Mfcc,
    MfccInput,
    Pitch,
    Precision,
    Wav2vec2,
    Wav2vec2Input,
)
from speech.features.statistics import Statistic
from speech.folds import Task

Features = Literal["mfcc", "mfcc_pitch", "wav2vec2"]
WithoutPitch = Literal["mfcc", "wav2vec2"]
if TYPE_CHECKING:
    ModelName = str
else:
    ModelName = Literal[tuple(CLASSIFIERS)]
BEST = "best"
"""The value of ``model`` that stands for whichever the other folds' predictions favour."""

FEATURES_OF: dict[Task, tuple[Features, ...]] = {
    "gender": get_args(Features),
    "speaker": get_args(WithoutPitch),
}
"""What each task is tried on. Pitch helps for gender; for speakers it gained nothing."""

Subset = Literal[
    "dev-clean",
    "dev-other",
    "test-clean",
    "test-other",
    "train-clean-100",
    "train-clean-360",
    "train-other-500",
]
"""The official parts of LibriSpeech, one archive each."""

SAMPLE = "sample"
"""The value of ``corpus`` and ``encoder`` that stands for the ones made on this machine."""


def _without_repeats(names: list[str]) -> list[str]:
    if len(set(names)) < len(names):
        raise PydanticCustomError("repeats", "a list that repeats no name")
    return names


def _in_order(numbers: list[float]) -> list[float]:
    if numbers != sorted(numbers):
        raise PydanticCustomError("order", "the lowest and the highest, in this order")
    return numbers


def _require(agree: bool, sentence: str) -> None:
    """Refuse values that contradict each other."""
    if not agree:
        raise ValueError(f"{sentence}; change one of them")


NoRepeats = AfterValidator(_without_repeats)
Minutes = Annotated[float, Field(gt=0, le=10_000)]
Fraction = Annotated[float, Field(gt=0, lt=1)]
Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
Place = Annotated[
    str,
    Field(min_length=1, max_length=4096, pattern=r"^[^\x00]*$"),
    AfterValidator(os.path.expanduser),
]
"""A path, or a name of something that is none; ``~`` is the user's home, as in a shell."""
Corpus = Annotated[list[Subset], Field(min_length=1), NoRepeats] | Place


class SampleCorpus(Block):
    """The synthesised corpus."""

    speakers_per_gender: int = Field(ge=2, le=20)
    chapters: int = Field(ge=1, le=10)
    minutes: Minutes


class SampleEncoder(Block):
    """The small, randomly initialised wav2vec 2.0."""

    hidden: int = Field(ge=16, le=768, multiple_of=16)
    layers: int = Field(ge=1, le=24)


class CorpusSubset(Block):
    """How much of the corpus is used."""

    speakers_per_gender: int | None = Field(ge=1, le=100_000)
    chapters_at_least: int = Field(ge=1, le=1000)
    minutes_per_speaker: Minutes | None


class Index(Block):
    """Which recordings are usable."""

    min_seconds: float = Field(ge=0.1, le=3600)


class Folds(Block):
    """How many folds each task is cross-validated over."""

    gender: int = Field(ge=2, le=1000)
    speaker: int = Field(ge=2, le=1000)


class Augmentation(Block):
    """Copies of training utterances under random acoustic conditions."""

    copies: int = Field(ge=0, le=20)
    reverb_probability: float = Field(ge=0, le=1)
    noise_probability: float = Field(ge=0, le=1)
    bandlimit_probability: float = Field(ge=0, le=1)
    snr_db: Annotated[
        list[Annotated[float, Field(ge=-100, le=100)]],
        Field(min_length=2, max_length=2),
        AfterValidator(_in_order),
    ]


class Correlated(Block):
    """How many of the first MFCC are correlated with each other, for each task."""

    gender: int = Field(ge=2, le=128)
    speaker: int = Field(ge=2, le=128)


class MfccInputByTask(Block):
    """What classifiers are given of the MFCC, for each task."""

    normalisation: Normalisation
    statistics: list[Statistic] = Field(min_length=1)
    correlated: Correlated

    def of(self, task: Task) -> MfccInput:
        """Return what the classifiers of one task are given."""
        return MfccInput(
            normalisation=self.normalisation,
            statistics=self.statistics,
            correlated=getattr(self.correlated, task),
        )


class Inputs(Block):
    """What classifiers and clusters are given of each feature."""

    mfcc: MfccInputByTask
    wav2vec2: Wav2vec2Input


class Tuning(Block):
    """How hyperparameters are searched for when ``tune`` is true."""

    budget: int = Field(ge=2, le=10_000)
    inner_folds: int = Field(ge=2, le=20)


class Evaluate(Block):
    """Intervals of scores."""

    resamples: int = Field(ge=100, le=100_000)


class Probe(Block):
    """The linear head on each hidden state of the encoder."""

    C: float = Field(gt=0, le=1e6)
    max_iter: int = Field(ge=10, le=1_000_000)
    inner_folds: int = Field(ge=2, le=20)


class LearningCurve(Block):
    """How accuracy grows with the number of training speakers."""

    draws: int = Field(ge=1, le=100)


class Verification(Block):
    """Whether two utterances are of one speaker."""

    trials: int = Field(ge=1, le=10_000)


class Rejection(Block):
    """When a user's recording gets no answer, or an unsure one."""

    unknown_false_acceptance: Fraction
    low_confidence: Fraction


class Clusters(Block):
    """Maps and clusters of both feature spaces, without labels."""

    level: Literal["utterance", "chunk"]
    pca_variance: Fraction
    perplexity: float = Field(gt=0, le=1000)
    max_points: int = Field(ge=100, le=100_000)


class Compute(Block):
    """How the work is spread, which changes no result, and what runs the encoder."""

    jobs: Literal[-1] | Annotated[int, Field(ge=1, le=1024)]
    scheduler: Place | None
    device: Device
    precision: Precision
    backend: Backend

    @property
    def workers(self) -> int | str:
        """For work that is worth sending away: those of the cluster, if one is named."""
        return self.scheduler or self.jobs

    @model_validator(mode="after")
    def _possible(self) -> Self:
        _require(
            self.backend != "openvino" or self.device in ("auto", "cpu"),
            f"compute.device ({self.device}) must be auto or cpu with compute.backend openvino",
        )
        _require(
            self.device != "mps" or self.precision == "float32",
            f"compute.precision ({self.precision}) must be float32 with compute.device mps",
        )
        return self


class HeadlineFeatures(Block):
    """Which features each task's headline scores are computed from."""

    gender: Features
    speaker: WithoutPitch


def _arguments_of(classifier: type) -> dict[str, Any]:
    """Give the types of the keyword arguments of a classifier's class, but for the seed."""
    hints = get_type_hints(classifier.__init__, include_extras=True)  # type: ignore[misc]
    return {
        name: hints[name]
        for name, parameter in inspect.signature(classifier).parameters.items()
        if parameter.kind is parameter.KEYWORD_ONLY and name != "seed"
    }


def _optional_keys(name: str, types: Mapping[str, Any]) -> Any:
    """Make a block of which any key may be left out."""
    return with_config(Block.model_config)(TypedDict(name, types, total=False))  # type: ignore[operator]


if TYPE_CHECKING:
    _SearchSpaces = dict[str, dict[str, list[Any]]]
else:
    _SearchSpaces = _optional_keys(
        "Search",
        {
            model: _optional_keys(
                f"{classifier.__name__}Search",
                {
                    name: Annotated[list[kind], Field(min_length=1)]
                    for name, kind in _arguments_of(classifier).items()
                },
            )
            for model, classifier in CLASSIFIERS.items()
        },
    )


class _Params(Block):
    """Everything in params.yaml but the blocks of the classifiers."""

    corpus: Corpus
    external: Corpus | None
    corpus_mirror: Place | None
    corpus_sha256: dict[Subset, Sha256]
    keep_archives: bool
    tasks: Annotated[list[Task], Field(min_length=1), NoRepeats, AfterValidator(sorted)]
    encoder: Place
    model: ModelName | Literal["best"]
    models: Annotated[list[ModelName], Field(min_length=1), NoRepeats]
    headline_features: HeadlineFeatures
    tune: bool
    seed: int = Field(ge=0, lt=2**32)
    subset: CorpusSubset
    gender_overrides: dict[str | int, Literal["F", "M"]] | Place | None
    sample_corpus: SampleCorpus
    sample_encoder: SampleEncoder
    index: Index
    chunks: Chunks
    folds: Folds
    mfcc: Mfcc
    pitch: Pitch
    wav2vec2: Wav2vec2
    augmentation: Augmentation
    inputs: Inputs
    tuning: Tuning
    search: _SearchSpaces
    evaluate: Evaluate
    probe: Probe
    learning_curve: LearningCurve
    verification: Verification
    rejection: Rejection
    clusters: Clusters
    compute: Compute

    @model_validator(mode="after")
    def _external_takes_no_part(self) -> Self:
        corpus, external = (
            [place] if isinstance(place, str) else place or []
            for place in (self.corpus, self.external)
        )
        if SAMPLE in external:
            raise ValueError(
                "external is sample, which is synthesised and validates nothing; name recordings "
                "of people, or set it to null"
            )
        if both := [name for name in external if name in corpus]:
            raise ValueError(
                f"external must not hold what corpus holds ({both[0]}); name a corpus that takes "
                "no part in training, or set it to null"
            )
        return self

    @model_validator(mode="after")
    def _values_agree(self) -> Self:
        _require(
            self.model in [*self.models, BEST],
            f"model ({self.model}) must be among models ({', '.join(self.models)})",
        )
        _require(
            "delta_correlation" not in self.inputs.mfcc.statistics or self.mfcc.delta_orders > 0,
            "inputs.mfcc.statistics has delta_correlation, but mfcc.delta_orders is 0",
        )
        layers, layer = self.wav2vec2.layers, self.inputs.wav2vec2.layer
        _require(
            layers == "all" or layer in layers,
            f"inputs.wav2vec2.layer ({layer}) must be among wav2vec2.layers ({layers})",
        )
        needed = {
            "inputs.wav2vec2.layer": layer,
            "wav2vec2.sequence_layer": self.wav2vec2.sequence_layer,
            "wav2vec2.layers": 0 if layers == "all" else max(layers),
        }
        there = self.sample_encoder.layers
        for key, highest in needed.items():
            _require(
                self.encoder != SAMPLE or highest <= there,
                f"{key} ({highest}) must not exceed sample_encoder.layers ({there})",
            )
        return self

    def hyperparameters(self, model: str) -> dict[str, Any]:
        """Return the keyword arguments of a classifier's class."""
        return getattr(self, model).model_dump()

    def search_of(self, model: str) -> dict[str, Any]:
        """Return what `speech.training.tuning.tune` is to search; nothing unless ``tune`` is true.

        While nothing is searched, what would be is no input of a fit.
        """
        tuning = self.tuning
        own = {"budget": tuning.budget, "inner": tuning.inner_folds}
        return {"space": self.search.get(model, {}), **own} if self.tune else {}


if TYPE_CHECKING:
    Params = _Params
else:
    Params = create_model(
        "Params",
        __base__=_Params,
        __doc__="Everything in params.yaml.",
        **{
            name: create_model(
                classifier.__name__,
                __base__=Block,
                __doc__=classifier.__doc__,
                **{key: (kind, ...) for key, kind in _arguments_of(classifier).items()},
            )
            for name, classifier in CLASSIFIERS.items()
        },
    )


def load_params(path: Path) -> Params:
    """Read and check a params.yaml.

    Parameters
    ----------
    path
        The YAML file.

    Returns
    -------
    Params
        Its checked content.

    Raises
    ------
    UserError
        If the file is missing, is no YAML mapping, or any key or value is not allowed.
    """
    content = read_yaml(path)
    try:
        return Params.model_validate(content, strict=True)
    except ValidationError as error:
        raise UserError(f"{path}: {_first_complaint(error, content)}.") from None


def read_yaml(path: Path) -> dict[str, Any]:
    """Read the keys and values of a YAML file as DVC reads them: by YAML 1.2 and the same library.

    So what dvc.lock records is what ran: 017 is seventeen, and ``off`` is a word.

    Raises
    ------
    UserError
        If the file is missing or is no YAML mapping, repeats a key, has an alias, or is nested
        deeper than any value of params.yaml.
    """
    # The parser in C would crash where brackets are nested too deep.
    yaml = YAML(typ="safe", pure=True)
    yaml.Composer = _WithoutAliases
    try:
        text = path.read_text(encoding="utf-8")
        if re.search("^%", text, flags=re.MULTILINE):
            raise UserError(f"{path}: has a directive of YAML (%); remove that line.")
        content = yaml.load(text)
    except FileNotFoundError:
        raise UserError(
            f"{path}: no such file; run from the root of the repository, where {path.name} lies."
        ) from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); mend that.") from None
    except UnicodeDecodeError:
        raise UserError(f"{path}: is not UTF-8 text; save it as UTF-8.") from None
    except YAMLError as error:
        raise UserError(f"{path}: {_wrong_in_yaml(error)}; mend that.") from None
    except ValueError:
        raise UserError(f"{path}: has a number or date that cannot be read; mend that.") from None
    except RecursionError:
        raise UserError(f"{path}: is nested too deep; mend that.") from None
    if not isinstance(content, dict):
        raise UserError(f"{path}: holds no keys; restore it from git.")
    return content


class _WithoutAliases(Composer):
    """Refuses what can make a small file endless; no value of params.yaml needs it."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        """Build what comes next."""
        if self.parser.check_event(AliasEvent):
            place = self.parser.peek_event().start_mark
            raise ComposerError(None, None, "an alias, write out what it stands for", place)
        return super().compose_node(parent, index)


def _wrong_in_yaml(error: YAMLError) -> str:
    """Say where a file is no YAML and why, in the words of the parser."""
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or getattr(error, "reason", None) or "damaged"
    problem = problem.split(" with value")[0]  # of a key that is repeated
    return f"{f'line {mark.line + 1} ' if mark else ''}is not valid YAML ({problem})"


def _first_complaint(error: ValidationError, content: Mapping[str, Any]) -> str:
    """Say the first thing wrong as one sentence with the key, the value and what is allowed."""
    # Unknown keys first: most are missing ones, mistyped.
    complaints = sorted(error.errors(), key=lambda one: one["type"] not in _UNKNOWN)
    first = complaints[0]
    if first["type"] == "value_error":
        return str(first["ctx"]["error"])
    key = _key(first["loc"], content) or first["loc"][-1]
    if first["type"] in _UNKNOWN:
        allowed = ", ".join(_keys_at(first["loc"][:-1])) or "none"
        return f"unknown key {key}; the keys allowed there are {allowed}"
    if first["type"] == "missing":
        name = ".".join(map(str, first["loc"]))
        return f"the key {name} is missing; set it, or restore it from git"
    allowed = _allowed([one for one in complaints if _key(one["loc"], content) == key])
    if first["loc"][-1] == "[key]":
        return f"unknown key {key}; the keys allowed there are {allowed}"
    value = _shown(first["input"])
    return f"{key} is {value}, but should be {allowed}; change it"


def _allowed(complaints: Sequence[Mapping[str, Any]]) -> str:
    """Say what is allowed; a value that may be of several kinds brings one complaint for each."""
    allowed = []
    for complaint in complaints:
        words = complaint["msg"]
        for of_pydantic, plain in _PLAIN_WORDS.items():
            words = re.sub(of_pydantic, plain, words)
        allowed.append(words)
    return " or ".join(dict.fromkeys(allowed))


_UNKNOWN = ("extra_forbidden", "invalid_key")

_PLAIN_WORDS = {
    r"^(Input|\w+) should (be |have )?": "",
    r" after validation, not \d+": "",
    r"^(an instance of Sequence|'str' instances .*)": "a valid list",
    r"^a valid dictionary( or instance of \w+)?": "a block of keys",
    r"^match pattern .*\{64\}.*": "64 hexadecimal digits",
    r"^match pattern .*x00.*": "text without the character 0",
}
"""What is written instead of what pydantic says, by regular expression."""


def _key(location: Sequence[int | str], content: Any) -> str:
    """Write a location as params.yaml has it: ``wav2vec2.layers[1]``.

    pydantic adds names of its own for the kinds that a value may be of; they are not in the
    content.
    """
    key, value = "", content
    for part in location:
        if isinstance(value, list) and isinstance(part, int):
            key, value = f"{key}[{part}]", value[part]
        elif isinstance(value, dict) and part in value:
            key, value = f"{key}.{part}" if key else str(part), value[part]
    return key


def _keys_at(location: Sequence[int | str]) -> Iterable[str]:
    """Name the keys that a block may have."""
    fields: Mapping[str, Any] = Params.model_fields
    for part in location:
        block = getattr(fields[str(part)], "annotation", fields[str(part)])
        fields = getattr(block, "model_fields", block.__annotations__)
    return fields


def _shown(value: Any) -> str:
    """Write a value so that text and numbers cannot be confused, and a long one is cut."""
    text = json.dumps(value, ensure_ascii=False, default=str, skipkeys=True)
    return text if len(text) <= _LONGEST_VALUE else text[:_LONGEST_VALUE] + "…"


_LONGEST_VALUE = 60
