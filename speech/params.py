"""params.yaml as typed, checked values: every key, every bound, in one place.

The blocks of the classifiers are made of the keyword arguments of their classes.
"""

import inspect
import json
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self, get_args, get_type_hints

import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    create_model,
    model_validator,
)

from speech.audio import SAMPLE_RATE
from speech.audio.chunks import Tail, seconds_to_samples
from speech.classifiers.registry import CLASSIFIERS
from speech.errors import UserError
from speech.features.examples import Statistic
from speech.features.normalise import Normalisation
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

Positive = Annotated[float, Field(gt=0)]
Fraction = Annotated[float, Field(gt=0, lt=1)]
Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
Place = Annotated[str, Field(min_length=1), AfterValidator(os.path.expanduser)]
"""A path, or a name of something that is none; ``~`` is the user's home, as in a shell."""


class Block(BaseModel):
    """A block of params.yaml: unknown keys are refused, values never silently converted."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class SampleCorpus(Block):
    """The synthesised corpus."""

    speakers_per_gender: int = Field(ge=2, le=20)
    chapters: int = Field(ge=1, le=10)
    minutes: Positive


class SampleEncoder(Block):
    """The small, randomly initialised wav2vec 2.0."""

    hidden: int = Field(ge=16, le=768, multiple_of=16)
    layers: int = Field(ge=1, le=24)


class CorpusSubset(Block):
    """How much of the corpus is used."""

    speakers_per_gender: int | None = Field(ge=1)
    chapters_at_least: int = Field(ge=1)
    minutes_per_speaker: Positive | None


class Index(Block):
    """Which recordings are usable."""

    min_seconds: float = Field(ge=0.1)


class Chunks(Block):
    """How an utterance is cut into consecutive chunks."""

    seconds: float = Field(ge=0.1, le=60)
    hop_seconds: float = Field(ge=0.01)
    tail: Tail


class Folds(Block):
    """How many folds each task is cross-validated over."""

    gender: int = Field(ge=2)
    speaker: int = Field(ge=2)


class Mfcc(Block):
    """Mel-frequency cepstral coefficients, named as in the literature."""

    coefficients: int = Field(ge=1, le=128)
    filters: int = Field(ge=2, le=256)
    window_seconds: float = Field(ge=0.005, le=0.1)
    hop_seconds: float = Field(ge=0.002, le=0.1)
    fft: int = Field(ge=64, le=8192)
    low_hz: float = Field(ge=0)
    high_hz: float = Field(le=SAMPLE_RATE / 2)
    preemphasis: float = Field(ge=0, lt=1)
    lifter: int = Field(ge=0)
    energy: bool
    delta_orders: int = Field(ge=0, le=2)
    delta_width: int = Field(ge=1, le=10)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.coefficients > self.filters:
            raise ValueError(
                f"mfcc.coefficients ({self.coefficients}) cannot exceed "
                f"mfcc.filters ({self.filters}); change one of them"
            )
        window = seconds_to_samples(self.window_seconds)
        if self.fft < window:
            raise ValueError(
                f"mfcc.fft ({self.fft}) must cover mfcc.window_seconds "
                f"({window} samples); change one of them"
            )
        if self.low_hz >= self.high_hz:
            raise ValueError(
                f"mfcc.low_hz ({self.low_hz:g}) must be below mfcc.high_hz ({self.high_hz:g}); "
                "change one of them"
            )
        return self


class Pitch(Block):
    """The lowest and the highest pitch that is looked for, in Hz."""

    floor_hz: float = Field(ge=30)
    ceiling_hz: float = Field(le=1000)

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.floor_hz >= self.ceiling_hz:
            raise ValueError(
                f"pitch.floor_hz ({self.floor_hz:g}) must be below "
                f"pitch.ceiling_hz ({self.ceiling_hz:g}); change one of them"
            )
        return self


class Wav2vec2(Block):
    """What is kept of the encoder's hidden states."""

    layers: list[Annotated[int, Field(ge=0)]] | Literal["all"]
    sequence_layer: int = Field(ge=0)
    sequence_stride: int = Field(ge=1, le=50)
    batch_size: int = Field(ge=1, le=256)


class Augmentation(Block):
    """Copies of training utterances under random acoustic conditions."""

    copies: int = Field(ge=0, le=20)
    reverb_probability: float = Field(ge=0, le=1)
    noise_probability: float = Field(ge=0, le=1)
    bandlimit_probability: float = Field(ge=0, le=1)
    snr_db: list[float] = Field(min_length=2, max_length=2)

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        low, high = self.snr_db
        if low > high:
            raise ValueError(
                f"augmentation.snr_db is {self.snr_db}, but should be the lowest and the highest "
                "ratio; exchange them"
            )
        return self


class MfccInput(Block):
    """What classifiers are given of the MFCC."""

    normalisation: Normalisation
    statistics: list[Statistic] = Field(min_length=1)
    correlated: int = Field(ge=2)
    frame_stride: int = Field(ge=1, le=20)


class Wav2vec2Input(Block):
    """Which hidden state classifiers of pooled features are given."""

    layer: int = Field(ge=0)


class Inputs(Block):
    """What classifiers and clusters are given of each feature."""

    mfcc: MfccInput
    wav2vec2: Wav2vec2Input


class Analysis(Block):
    """Analysis of the MFCC before any model."""

    resamples: int = Field(ge=100, le=100_000)
    outlier_p: Fraction


class Tuning(Block):
    """How hyperparameters are searched for when ``tune`` is true."""

    budget: int = Field(ge=2)
    inner_folds: int = Field(ge=2, le=20)


class Evaluate(Block):
    """Intervals of scores."""

    resamples: int = Field(ge=100, le=100_000)


class AuditSplit(Block):
    """Which classifier is scored under splits that leak."""

    model: ModelName


class Probe(Block):
    """The linear head on each hidden state of the encoder."""

    C: Positive
    max_iter: int = Field(ge=10)
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
    perplexity: Positive
    min_cluster_size: int = Field(ge=2)
    max_points: int = Field(ge=100)


class Report(Block):
    """The page of results."""

    audio: bool


class Parallel(Block):
    """How the work is spread; never changes a result."""

    jobs: int

    @model_validator(mode="after")
    def _nonzero(self) -> Self:
        if self.jobs == 0:
            raise ValueError(
                "parallel.jobs is 0, but should be -1 for all cores, or the number of workers; "
                "change it"
            )
        return self


class HeadlineFeatures(Block):
    """Which features each task's headline scores are computed from."""

    gender: Features
    speaker: WithoutPitch


def _in_order(tasks: list[Task]) -> list[Task]:
    """Refuse a task that is named twice; whichever is written first changes nothing."""
    if len(set(tasks)) < len(tasks):
        raise ValueError(f"tasks ({', '.join(tasks)}) must not repeat a name; remove the second")
    return sorted(tasks)


class _Params(Block):
    """Everything in params.yaml but the blocks of the classifiers."""

    corpus: Annotated[list[Subset], Field(min_length=1)] | Place
    corpus_mirror: Place | None
    corpus_sha256: dict[Subset, Sha256]
    keep_archives: bool
    tasks: Annotated[list[Task], Field(min_length=1), AfterValidator(_in_order)]
    encoder: Place
    model: ModelName | Literal["best"]
    models: list[ModelName] = Field(min_length=1)
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
    analysis: Analysis
    tuning: Tuning
    search: dict[ModelName, dict[str, Annotated[list[Any], Field(min_length=1)]]]
    evaluate: Evaluate
    audit_split: AuditSplit
    probe: Probe
    learning_curve: LearningCurve
    verification: Verification
    rejection: Rejection
    clusters: Clusters
    report: Report
    parallel: Parallel

    @model_validator(mode="after")
    def _subsets_are_different(self) -> Self:
        if isinstance(self.corpus, list) and len(set(self.corpus)) < len(self.corpus):
            raise ValueError(
                f"corpus ({', '.join(self.corpus)}) must not repeat a subset; remove the second"
            )
        return self

    @model_validator(mode="after")
    def _headline_is_fitted(self) -> Self:
        if self.model not in [*self.models, BEST]:
            raise ValueError(
                f"model ({self.model}) must be among models ({', '.join(self.models)}); "
                "change one of them"
            )
        if len(set(self.models)) < len(self.models):
            raise ValueError(
                f"models ({', '.join(self.models)}) must not repeat a name; remove the second"
            )
        return self

    @model_validator(mode="after")
    def _deltas_are_computed(self) -> Self:
        if "delta_correlation" in self.inputs.mfcc.statistics and self.mfcc.delta_orders == 0:
            raise ValueError(
                "inputs.mfcc.statistics has delta_correlation, but mfcc.delta_orders is 0; "
                "change one of them"
            )
        return self

    @model_validator(mode="after")
    def _input_layer_is_kept(self) -> Self:
        layers, layer = self.wav2vec2.layers, self.inputs.wav2vec2.layer
        if layers != "all" and layer not in layers:
            raise ValueError(
                f"inputs.wav2vec2.layer ({layer}) must be among wav2vec2.layers ({layers}); "
                "change one of them"
            )
        needed = {
            "inputs.wav2vec2.layer": layer,
            "wav2vec2.sequence_layer": self.wav2vec2.sequence_layer,
            "wav2vec2.layers": 0 if layers == "all" else max(layers),
        }
        for key, highest in needed.items():
            if self.encoder == SAMPLE and highest > self.sample_encoder.layers:
                raise ValueError(
                    f"{key} ({highest}) must not exceed sample_encoder.layers "
                    f"({self.sample_encoder.layers}); change one of them"
                )
        return self

    @model_validator(mode="after")
    def _search_is_allowed(self) -> Self:
        for model, space in self.search.items():
            block = getattr(self, model)
            for name, values in space.items():
                key = f"search.{model}.{name}"
                if name not in type(block).model_fields:
                    allowed = ", ".join(self.hyperparameters(model))
                    raise ValueError(f"unknown key {key}; the keys allowed there are {allowed}")
                for number, value in enumerate(values):
                    try:
                        type(block).model_validate(block.model_dump() | {name: value}, strict=True)
                    except ValidationError as error:
                        raise ValueError(
                            f"{key}[{number}] is {_shown(value)}, but should be "
                            f"{_allowed(error.errors())}; change it"
                        ) from None
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


def _block_of(classifier: type) -> type[Block]:
    """Make the block of a classifier of the keyword arguments of its class."""
    hints = get_type_hints(classifier.__init__, include_extras=True)  # type: ignore[misc]
    fields: dict[str, Any] = {
        name: (hints[name], ...)
        for name, parameter in inspect.signature(classifier).parameters.items()
        if parameter.kind is parameter.KEYWORD_ONLY and name != "seed"
    }
    return create_model(classifier.__name__, __base__=Block, __doc__=classifier.__doc__, **fields)


if TYPE_CHECKING:
    Params = _Params
else:
    Params = create_model(
        "Params",
        __base__=_Params,
        __doc__="Everything in params.yaml.",
        **{name: (_block_of(classifier), ...) for name, classifier in CLASSIFIERS.items()},
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
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), Loader=_Loader)
    except FileNotFoundError:
        raise UserError(
            f"{path}: no such file; run from the root of the repository, where {path.name} lies."
        ) from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); mend that.") from None
    except UnicodeDecodeError:
        raise UserError(f"{path}: is not UTF-8 text; save it as UTF-8.") from None
    except yaml.YAMLError as error:
        place = getattr(error, "problem_mark", None)
        line = f" line {place.line + 1}" if place else ""
        raise UserError(f"{path}:{line} is not valid YAML; mend the syntax there.") from None
    if not isinstance(content, dict):
        raise UserError(f"{path}: holds no keys; restore it from git.")
    try:
        return Params.model_validate(content, strict=True)
    except ValidationError as error:
        raise UserError(f"{path}: {_first_complaint(error, content)}.") from None


class _Loader(yaml.SafeLoader):
    """Reads numbers as YAML 1.2 does, and with it DVC, which writes 0.00001 as ``1e-05``."""


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"[-+]?(\d+(\.\d*)?|\.\d+)[eE][-+]?\d+\Z"),
    list("-+.0123456789"),
)


def _first_complaint(error: ValidationError, content: Mapping[str, Any]) -> str:
    """Say the first thing wrong as one sentence with the key, the value and what is allowed."""
    complaints = error.errors()
    first = complaints[0]
    key, value = _key(first["loc"], content), _shown(first["input"])
    match first["type"]:
        case "extra_forbidden" | "invalid_key":
            allowed = ", ".join(_block_at(first["loc"][:-1]).model_fields)
            return f"unknown key {key}; the keys allowed there are {allowed}"
        case "missing":
            name = ".".join(map(str, first["loc"]))
            return f"the key {name} is missing; restore it from git or set it"
        case "value_error":
            return str(first["ctx"]["error"])
    allowed = _allowed([one for one in complaints if _key(one["loc"], content) == key])
    if first["loc"][-1] == "[key]":
        return f"unknown key {key}; the keys allowed there are {allowed}"
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


_PLAIN_WORDS = {
    r"^(Input|\w+) should (be |have )?": "",
    r" after validation, not \d+": "",
    r"^(an instance of Sequence|'str' instances .*)": "a valid list",
    r"^a valid dictionary( or instance of \w+)?": "a block of keys",
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


def _block_at(location: Sequence[int | str]) -> type[BaseModel]:
    block: type[BaseModel] = Params
    for part in location:
        block = block.model_fields[str(part)].annotation  # type: ignore[assignment]
    return block


def _shown(value: Any) -> str:
    """Write a value so that text and numbers cannot be confused, and a long one is cut."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= _LONGEST_VALUE else text[:_LONGEST_VALUE] + "…"


_LONGEST_VALUE = 60
