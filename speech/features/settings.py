"""What features are computed with, as typed, checked blocks of params.yaml.

They are also what a model's card says of its features (`speech.features.feature_spec`).
"""

from dataclasses import dataclass
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from speech.audio import SAMPLE_RATE
from speech.audio.chunks import Tail, seconds_to_samples
from speech.features.normalise import Normalisation
from speech.features.statistics import Statistic

Layer = Annotated[int, Field(ge=0, le=100)]
"""The number of a hidden state of wav2vec 2.0; 0 is what enters the first layer."""

Device = Literal["auto", "cpu", "cuda", "mps"]
Precision = Literal["float32", "bfloat16"]
Backend = Literal["torch", "openvino"]


@dataclass(frozen=True)
class Mode:
    """How an encoder is run; features of two modes differ in their digits.

    Attributes
    ----------
    device
        ``cpu``, ``cuda`` or ``mps``.
    precision
        Of the large sums; statistics over frames are taken in float32 always.
    backend
        The library.
    """

    device: str = "cpu"
    precision: Precision = "float32"
    backend: Backend = "torch"

    @property
    def on_gpu(self) -> bool:
        """Whether it is run beside the processor."""
        return self.device != "cpu"

    def __str__(self) -> str:
        return f"{self.precision} with {self.backend} on {self.device}"


REFERENCE = Mode()
"""What predict.py runs, on every machine alike; all other modes are compared with it."""


class Block(BaseModel):
    """A block of params.yaml: unknown keys are refused, values never silently converted."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Chunks(Block):
    """How an utterance is cut into consecutive chunks."""

    seconds: float = Field(ge=0.1, le=60)
    hop_seconds: float = Field(ge=0.01, le=60)
    tail: Tail


class Mfcc(Block):
    """Mel-frequency cepstral coefficients, named as in the literature."""

    coefficients: int = Field(ge=1, le=128)
    filters: int = Field(ge=2, le=256)
    window_seconds: float = Field(ge=0.005, le=0.1)
    hop_seconds: float = Field(ge=0.002, le=0.1)
    fft: int = Field(ge=64, le=8192)
    low_hz: float = Field(ge=0, le=SAMPLE_RATE / 2)
    high_hz: float = Field(ge=0, le=SAMPLE_RATE / 2)
    preemphasis: float = Field(ge=0, lt=1)
    lifter: int = Field(ge=0, le=1000)
    energy: bool
    top_db: float | None = Field(ge=1, le=200)
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

    floor_hz: float = Field(ge=30, le=1000)
    ceiling_hz: float = Field(ge=30, le=1000)

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

    layers: Annotated[list[Layer], Field(min_length=1)] | Literal["all"]
    sequence_layer: Layer
    sequence_stride: int = Field(ge=1, le=50)
    batch_size: int = Field(ge=1, le=256)


class MfccInput(Block):
    """What classifiers are given of the MFCC."""

    normalisation: Normalisation
    statistics: list[Statistic] = Field(min_length=1)
    correlated: int = Field(ge=2, le=128)


class Wav2vec2Input(Block):
    """Which hidden state classifiers of pooled features are given."""

    layer: Layer
