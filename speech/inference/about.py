"""A model's card: what it learnt from, how good it is, where it ends."""

from datetime import UTC, datetime

from speech.inference.answers import FLAGS
from speech.inference.models import ChosenModel
from speech.inference.tables import printable
from speech.rejection.model_file import Rejection

_ASKED = {
    "gender": "F or M, as the corpus labels its speakers",
    "speaker": "which of the speakers it learnt from",
}
_UNHEARD = {
    "gender": "voices it had not heard",
    "speaker": "recording sessions it had not heard",
}
_SAMPLE = "sample"
"""The encoder or the corpus that a first run makes for itself; see params.yaml."""

_LIMITS = (
    "Gender is a corpus's label, not an identity; decide nothing about a person by it.",
    "Scores hold for voices, languages, rooms and microphones like those of the corpus.",
    "An unknown voice may be taken for a known one, music for speech; how often is said above.",
    "Two people who speak in one recording are summed up as if they were one: look at --segments.",
)


def about(models: list[ChosenModel], rejection: Rejection) -> str:
    """Tell what is to be known about the models that answer.

    Parameters
    ----------
    models
        Those that answer.
    rejection
        What decides that nothing is answered.

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
    # A model may come from a stranger, and so may the names in it.
    return "\n".join(map(printable, lines))


def _about_model(model: ChosenModel) -> list[str]:
    card, headline = model.card, model.headline
    heard = card["heard"]
    written = datetime.fromtimestamp((model.folder / "model.json").stat().st_mtime, UTC)
    untrained = ", untrained: random weights" if headline.encoder == _SAMPLE else ""
    wav2vec2 = f"wav2vec 2.0 ({headline.encoder}{untrained})"
    on = wav2vec2 if model.features == "wav2vec2" else model.features
    made = ", voices made by eSpeak NG" if headline.corpus == _SAMPLE else ""
    scores = headline.scores.get(f"{model.features}-{model.model}", {})
    lines = [
        f"{model.task.capitalize()}: {model.model} on {on}",
        f"  answers   {_ASKED[model.task]}",
        f"  learnt    from {heard['speakers']} speakers, {heard['utterances']:,} utterances, "
        f"{heard['seconds'] / 60:.0f} minutes of {headline.corpus}{made}",
        f"  file of   {written:%Y-%m-%d}",
    ]
    for name, (value, low, high) in scores.items():
        if name.endswith("accuracy"):
            level = name.split()[0]
            lines.append(
                f"  accuracy  {_percent(value, low, high)} by {level}, on {_UNHEARD[model.task]}"
            )
    if model.task == "speaker":
        lines.append(f"  knows     {', '.join(model.classifier.classes)}")
    return lines


def _about_rejection(rejection: Rejection, features: set[str]) -> list[str]:
    speech = rejection.rates["speech"]["chunk"]
    refused = [speech[f"speech_refused{end}"] for end in ("", "_low", "_high")]
    lines = [
        "Unknown",
        f"  no speech taken for speech   {100 * speech['nonspeech_accepted']:.1f} % of "
        f"{speech['signals']} noises, tones and tunes",
        f"  speech taken for no speech   {_percent(*refused)} of chunks, in quiet",
    ]
    for name, told in rejection.rates["voices"].items():
        if name in features:
            for key, words in (
                ("eer", "known or not, equal error    "),
                ("known_refused", "known taken for unknown      "),
                ("unknown_accepted", "unknown taken for known      "),
            ):
                rates = [told[f"{key}{end}"] for end in ("", "_low", "_high")]
                lines.append(f"  {words}{_percent(*rates)} of utterances, on {name}")
    return [*lines, f"  unsure below                 {100 * rejection.low_confidence:.0f} %"]


def _percent(value: float, low: float, high: float) -> str:
    return f"{100 * value:.1f} % [{100 * low:.1f}, {100 * high:.1f}]"
