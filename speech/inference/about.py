"""What a user should know of the models: what they were trained on, how good they are, limits."""

from datetime import UTC, datetime

from speech.features.settings import REFERENCE
from speech.inference.answers import FLAGS
from speech.inference.models import ChosenModel
from speech.params import SAMPLE
from speech.rejection.model_file import Rejection
from speech.storage.results import percent, percent_with_ends, printable

_PREDICTS = {
    "gender": "F or M, as the corpus labels its speakers",
    "speaker": "which of the speakers in training",
}
_TESTED_ON = {
    "gender": "speakers not in training",
    "speaker": "recording sessions not in training",
}
_ERRORS = {
    "equal_error_rate": "enrolled or not, equal error",
    "known_false_rejection": "enrolled speakers rejected",
    "unknown_false_acceptance": "unknown speakers accepted",
}
_LIMITS = (
    "Gender is a corpus's label, not an identity; decide nothing about a person by it.",
    "Scores hold for voices, languages, rooms and microphones like those of the corpus.",
    "Two people in one recording are summed up as one; a woman and a man are mostly flagged, if "
    "each speaks for eight seconds.",
)


def describe(models: list[ChosenModel], rejection: Rejection) -> str:
    """Describe the models.

    Parameters
    ----------
    models
        Those that predict.
    rejection
        Decides which recordings get no answer.

    Returns
    -------
    str
        Lines of text.
    """
    lines: list[str] = []
    for model in models:
        lines += [*_about_model(model), ""]
    lines += [*_about_rejection(rejection, {model.features for model in models}), ""]
    lines += ["Flags", *(f"  {flag:<17}  {words}" for flag, words in FLAGS.items()), ""]
    lines += ["Limits", *(f"  {limit}" for limit in _LIMITS)]
    if any(model.task == "speaker" for model in models):
        lines.append("  An unknown speaker may be accepted as an enrolled one; the rate is above.")
    # The names in a model that somebody else made may hold anything.
    return "\n".join(map(printable, lines))


def _about_model(model: ChosenModel) -> list[str]:
    headline, trained = model.headline, model.card["trained_on"]
    written = datetime.fromtimestamp((model.folder / "model.json").stat().st_mtime, UTC)
    untrained = ", untrained: random weights" if headline.encoder == SAMPLE else ""
    embedded = f"{model.encoder_family} ({headline.encoder}{untrained})"
    features = embedded if model.features == "wav2vec2" else model.features
    made = ", voices made by eSpeak NG" if headline.corpus == SAMPLE else ""
    lines = [
        f"{model.task.capitalize()}: {model.model} on {features}",
        f"  predicts  {_PREDICTS[model.task]}",
        f"  trained   on {trained['speakers']} speakers, {trained['utterances']:,} utterances, "
        f"{trained['seconds'] / 60:.0f} minutes of {headline.corpus}{made}",
        f"  written   {written:%Y-%m-%d}",
    ]
    if model.spec.encoder_mode not in (None, str(REFERENCE)):
        lines.append(f"  embedded  in {model.spec.encoder_mode}; here in {REFERENCE}")
    for name, score in headline.scores.get(f"{model.features}-{model.model}", {}).items():
        if name.endswith("accuracy"):
            level, tested = name.split()[0], _TESTED_ON[model.task]
            lines.append(f"  accuracy  {percent(*score)} by {level}, on {tested}")
    if model.task == "speaker":
        lines.append(f"  enrolled  {', '.join(model.classifier.classes)}")
    return lines


def _about_rejection(rejection: Rejection, features: set[str]) -> list[str]:
    rejected = percent_with_ends(rejection.rates["speech"], "speech_false_rejection")
    lines = ["Unknown", f"  {'speech rejected':<29}{rejected} of chunks, in quiet"]
    for kind in sorted(features & set(rejection.rates["speakers"])):
        for name, words in _ERRORS.items():
            rate = percent_with_ends(rejection.rates["speakers"][kind], name)
            lines.append(f"  {words:<29}{rate} of utterances, on {kind}")
    return [*lines, f"  {'low confidence below':<29}{100 * rejection.low_confidence:.0f} %"]
