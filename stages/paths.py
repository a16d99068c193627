"""Where the stages read and write, relative to the root of the repository.

dvc.yaml names the same paths; a test holds the two together.
"""

from pathlib import Path

from speech.params import Features

PARAMS = Path("params.yaml")

SCHEMA = Path("data/params.schema.json")
SEARCH = Path("data/search")
SAMPLE_CORPUS = Path("data/sample_corpus")
LIBRISPEECH = Path("data/librispeech")
DOWNLOADS = Path("data/archives")
CORPUS_AUDIO = Path("data/corpus/audio")
CORPUS_LABELS = Path("data/corpus/labels")
EXTERNAL_AUDIO = Path("data/external/audio")
EXTERNAL_LABELS = Path("data/external/labels")
NO_EXTERNAL = Path("data/no_external")
EXTERNAL_SCORES = Path("data/external_scores.json")
INLINE_OVERRIDES = Path("data/inline_overrides.csv")
GENDER_OVERRIDES = Path("data/corpus/gender_overrides.csv")
AUDIO_FACTS = Path("data/audio_facts.parquet")
UTTERANCES = Path("data/utterances.parquet")
REJECTED = Path("data/rejected.csv")
FOLDS = Path("data/folds")
MFCC = Path("data/mfcc")
PITCH = Path("data/pitch")
SAMPLE_ENCODER = Path("data/sample_encoder")
HUB_ENCODER = Path("data/hub_encoder")
ENCODER = Path("data/encoder")
WAV2VEC2 = Path("data/wav2vec2")
ENCODER_FACTS = WAV2VEC2 / "encoder.json"
FEATURES: dict[Features, list[Path]] = {
    "mfcc": [MFCC],
    "mfcc_pitch": [MFCC, PITCH],
    "wav2vec2": [WAV2VEC2],
}
EXAMPLES = Path("data/examples")
PREDICTIONS = Path("data/predictions")
RESULTS = Path("data/results")
MODELS = Path("models")
METRICS = Path("metrics")
PLOTS = Path("plots")
