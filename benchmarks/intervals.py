"""How often the intervals of `speech.evaluation.scores` hold the truth, by simulation.

Each simulated corpus has speakers of unequal accuracy, drawn from a beta distribution: most are
recognised nearly always, a few hardly ever, as in practice. The truth is the mean of that
distribution. Counted is in how many corpora the interval of the gender accuracy, which resamples
whole speakers, holds it; beside it, an interval that resamples single utterances.
"""

import argparse

import numpy as np
import pandas as pd
from joblib import Parallel, delayed

from speech.evaluation.scores import interval_of, score_table

SPEAKERS = (10, 20, 40)
UTTERANCES = 20
BETA = (4.5, 0.5)
"""Mean 0.9; one speaker in ten is below 0.68."""


def holds_truth(speakers: int, seed: int) -> tuple[bool, bool]:
    """Simulate one corpus; return whether each kind of interval holds the truth.

    Parameters
    ----------
    speakers
        How many, half of them women.
    seed
        Of this corpus.
    """
    random = np.random.default_rng([speakers, seed])
    truth = BETA[0] / sum(BETA)
    number = np.repeat(np.arange(speakers), UTTERANCES)
    right = random.random(len(number)) < random.beta(*BETA, size=speakers)[number]
    label = np.where(number % 2, "M", "F")
    women = np.where((label == "F") == right, 0.9, 0.1)
    names = number.astype(str)
    table = pd.DataFrame({"speaker_id": names, "label": label, "p_F": women, "p_M": 1 - women})
    scores = score_table(table, "gender", resamples=1000, seed=seed).set_index("score")
    low, high = scores.loc["accuracy", ["low", "high"]].astype(float)
    # To draw utterances that are right or wrong is to draw from a binomial distribution.
    drawn = random.binomial(len(right), right.mean(), size=1000) / len(right)
    narrow, wide = interval_of(drawn)
    return low <= truth <= high, narrow <= truth <= wide


def main() -> None:
    """Print the coverage for each number of speakers."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--corpora", type=int, default=1000, help="simulated, of each size")
    parser.add_argument("--jobs", type=int, default=-1, help="workers; -1: all cores")
    asked = parser.parse_args()
    print("speakers  95 % intervals over speakers  over utterances")
    for speakers in SPEAKERS:
        held = Parallel(n_jobs=asked.jobs)(
            delayed(holds_truth)(speakers, seed) for seed in range(asked.corpora)
        )
        own, careless = 100 * np.mean(held, axis=0)
        print(f"{speakers:8d}  {own:25.1f} %  {careless:13.1f} %", flush=True)


if __name__ == "__main__":
    main()
