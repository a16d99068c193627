"""The first screen: what was asked, what came out, and how far it can be trusted, in words."""

from html import escape
from pathlib import PurePath
from typing import Any

from speech.params import SAMPLE
from speech.report import wording
from speech.report.page import Block, Html
from speech.report.run import Run

Settings = dict[str, Any]
"""Values of params.yaml by key, nested keys joined by dots."""


def lead(run: Run, settings: Settings) -> list[Block]:
    """Write what comes before all sections."""
    cards = Html(f'<div class="answers">{_gender(run, settings)}{_speaker(run, settings)}</div>')
    return [what_was_heard(run, settings), *warnings(settings), cards, _leakage(run, settings)]


def what_was_heard(run: Run, settings: Settings) -> str:
    """Say in a sentence what the run rests on."""
    corpus = run.metrics("corpus")
    women, men = (corpus[name]["speakers"] for name in ("female", "male"))
    genders = [wording.plural(women, "woman", "women"), wording.plural(men, "man", "men")]
    if unknown := corpus["speakers"] - women - men:
        genders.append(f"{wording.count(unknown)} without a gender on record")
    return (
        f"{corpus_name(settings)}: {wording.plural(corpus['speakers'], 'speaker')} "
        f"({wording.listed(genders)}), {wording.plural(corpus['utterances'], 'utterance')} in "
        f"{wording.plural(corpus['chapters'], 'chapter')}, {corpus['minutes']:,.0f} minutes. "
        f"Features: MFCC, pitch, and wav2vec 2.0 ({encoder_name(settings)})."
    )


def corpus_name(settings: Settings) -> str:
    """Name the corpus as a reader would; of a path, the last part."""
    corpus = settings["corpus"]
    if corpus == SAMPLE:
        return "The synthesised sample corpus"
    return " and ".join(corpus) if isinstance(corpus, list) else PurePath(corpus).name


def encoder_name(settings: Settings) -> str:
    """Name the encoder."""
    encoder = settings["encoder"]
    if encoder == SAMPLE:
        return "the untrained sample encoder"
    return PurePath(encoder).name if PurePath(encoder).is_absolute() else encoder


def warnings(settings: Settings) -> list[Block]:
    """Say what the scores do not tell, if corpus or encoder are only there to show the pipeline."""
    told = []
    if settings["corpus"] == SAMPLE:
        told.append(
            "The voices are synthesised. These scores show that the pipeline works; they say "
            "nothing about people."
        )
    if settings["encoder"] == SAMPLE:
        told.append(
            "The wav2vec 2.0 is an untrained stand-in with random weights: its scores say nothing "
            "about a pre-trained one."
        )
    lines = "<br>".join(escape(line) for line in told)
    return (
        [Html(f'<p class="banner" role="note"><strong>Note.</strong> {lines}</p>')] if told else []
    )


def _gender(run: Run, settings: Settings) -> str:
    scores = run.metrics("gender")
    speakers = scores["counts"]["speakers"]
    vote = scores["speaker"]["accuracy"]
    by_vote = f"By vote of all their utterances, {wording.percent(vote)} of the speakers"
    if vote == 1:
        # Resampling speakers that are all right shows no doubt; the binomial does.
        least = 0.025 ** (1 / speakers)
        by_vote += f" (all {speakers}; by the exact 95 % bound that means at least {least:.0%})"
    told = [
        f"of the utterances of {wording.plural(speakers, 'speaker')} never heard in training are "
        f"given the gender on record, by {_headline(settings, 'gender')}.",
        f"{by_vote}. Women {wording.percent(scores['utterance'].get('accuracy_F'))}, men "
        f"{wording.percent(scores['utterance'].get('accuracy_M'))} of utterances.",
        *_baseline(run, "gender"),
    ]
    return _card("Woman or man, of an unheard voice", scores["utterance"], told)


def _speaker(run: Run, settings: Settings) -> str:
    scores = run.metrics("speaker")
    told = [
        f"of the utterances are given the right one of "
        f"{wording.plural(scores['counts']['speakers'], 'speaker')}, in recording sessions never "
        f"heard in training, by {_headline(settings, 'speaker')}.",
        f"Of single {settings['chunks.seconds']:g}-second chunks "
        f"{wording.accuracy(scores['chunk'])}.",
        *_baseline(run, "speaker"),
    ]
    return _card("Which speaker, in an unheard session", scores["utterance"], told)


def _card(title: str, scores: dict[str, float], told: list[str]) -> str:
    text = "".join(f"<p>{escape(sentence)}</p>" for sentence in told)
    ends = f"95 % interval {_ends(scores)}"
    return (
        f'<section class="answer"><h2>{escape(title)}</h2><p class="score">'
        f'{wording.percent(scores["accuracy"])} <span class="range">{ends}</span></p>{text}'
        "</section>"
    )


def _ends(scores: dict[str, float]) -> str:
    return " to ".join(wording.points(scores[f"accuracy_{end}"]) for end in ("low", "high"))


def _headline(settings: Settings, task: str) -> str:
    features = wording.features(settings[f"headline_features.{task}"])
    return f"{wording.model(settings['model'])} on {features}"


def _baseline(run: Run, task: str) -> list[str]:
    models = run.plot(f"{task}/models")
    own = models.query("model == 'dummy' and level == 'utterance' and score == 'accuracy'")
    return [f"The naive baseline: {wording.percent(own['value'].iloc[0])}."] if len(own) else []


def _leakage(run: Run, settings: Settings) -> str:
    audit = run.metrics("split_audit")
    parts = []
    for task in ("gender", "speaker"):
        *careless, careful = audit[task]["accuracy"].values()
        if careless:
            parts.append(
                f"{wording.percent(careless[0])} instead of {wording.percent(careful)} for {task}"
            )
    return (
        "Intervals resample whole speakers. Had training and test shared speakers or sessions, as "
        f"careless splits do, {wording.model(settings['audit_split.model'])} would have claimed "
        f"{wording.listed(parts)}."
    )
