"""How often predict.py flags `several voices`, in recordings of one voice and of two.

Of a corpus whose speakers took no part in the training of the models, utterances are asked about by
themselves, joined to longer recordings of one reader, and joined in pairs of readers::

    python pretrained/fit.py /path/to/corpus-a --folder /tmp/of-a
    python benchmarks/several_voices.py /tmp/of-a /path/to/corpus-b
"""

import argparse
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from speech import Recogniser
from speech.audio import SAMPLE_RATE
from speech.audio.decode import load_audio
from speech.corpus.layouts import list_recordings, locate, with_genders
from speech.folds import FEMALE, MALE
from speech.inference.answers import SEVERAL_VOICES

Signals = Iterator[tuple[str, NDArray[np.float32]]]

PAIRS = 40
"""Of each kind."""


def recordings_of(corpus: Path, random: np.random.Generator) -> Signals:
    """Make the recordings, each with the name of its row."""
    location = locate(corpus)
    utterances, gender = defaultdict(list), {}
    for one in with_genders(list_recordings(location)):
        if one.gender:
            utterances[one.speaker_id].append(load_audio(location.audio / one.path))
            gender[one.speaker_id] = one.gender
    for own in utterances.values():
        yield from (("one reader, an utterance", signal) for signal in own)
        joined = np.concatenate(own)
        for seconds, name in ((60, "one reader, a minute"), (480, "one reader, eight minutes")):
            whole = range(0, len(joined) - seconds * SAMPLE_RATE + 1, seconds * SAMPLE_RATE)
            yield from ((name, joined[at : at + seconds * SAMPLE_RATE]) for at in whole)
    women, men = ([name for name in gender if gender[name] == one] for one in (FEMALE, MALE))
    for number in range(PAIRS):
        same = random.choice([women, men][number % 2], 2, replace=False).tolist()
        yield "two readers of one gender, 12 s each", _joined(utterances, same, 12, random)
        for seconds in (8, 4):
            pair = [random.choice(women), random.choice(men)][:: 1 if number % 2 else -1]
            name = f"a woman and a man, {seconds} s each"
            yield name, _joined(utterances, pair, seconds, random)


def _joined(
    utterances: dict[str, list[NDArray[np.float32]]],
    speakers: Sequence[str],
    seconds: int,
    random: np.random.Generator,
) -> NDArray[np.float32]:
    """Let each speaker read the first seconds of an utterance that is as long, if there is one."""
    length, parts = seconds * SAMPLE_RATE, []
    for speaker in speakers:
        own = [one for one in utterances[speaker] if len(one) >= length] or utterances[speaker]
        parts.append(own[random.integers(len(own))][:length])
    return np.concatenate(parts)


def main() -> None:
    """Print how many recordings of each kind are flagged."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("models", type=Path, help="folder of models, fitted on other speakers")
    parser.add_argument("corpus", type=Path, help="folder of recordings, or a table of them")
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    recogniser = Recogniser(asked.models.resolve(), tasks=["gender"])
    flagged = defaultdict(list)
    made = recordings_of(asked.corpus, np.random.default_rng(asked.seed))
    for name, signal in tqdm(made, unit=" recordings", leave=False, disable=None):
        summary = recogniser.predict_signal(signal, SAMPLE_RATE).summary
        flagged[name].append(summary is not None and SEVERAL_VOICES in summary.flags)
    for name, flags in flagged.items():
        print(f"{name}: {sum(flags)} of {len(flags)}")


if __name__ == "__main__":
    main()
