"""Cut the features into what classifiers are given: pooled vectors and frames of every chunk."""

from typing import get_args

from speech.features.examples import build_examples, with_labels, write_examples
from speech.features.feature_spec import spec_of
from speech.params import FEATURES_OF, Features, Params, Task
from speech.storage.files import write_json
from speech.storage.tables import read_folds, read_parquet
from stages.console import bar, run_stage
from stages.paths import EXAMPLES, FEATURES, FOLDS, UTTERANCES


def build(params: Params) -> str:
    """Write a folder of examples for every task and its features."""
    utterances = read_parquet(UTTERANCES)
    folds = {task: read_folds(FOLDS / f"{task}.csv") for task in get_args(Task)}
    chunks = 0
    for features in get_args(Features):
        spec = spec_of(params, features, FEATURES[features])
        # wav2vec 2.0 sees clean speech only: copies would cost as much as the corpus again.
        copies = 0 if features == "wav2vec2" else params.augmentation.copies
        pooled, frames = (
            build_examples(
                FEATURES[features],
                utterances,
                spec.chunk_inputs(),
                form,
                chunks=params.chunks.model_dump(),
                copies=copies,
                jobs=params.parallel.jobs,
                progress=bar("speaker"),
            )
            for form in ("pooled", "frames")
        )
        for task in get_args(Task):
            if features in FEATURES_OF[task]:
                folder = EXAMPLES / f"{task}-{features}"
                write_examples(folder, with_labels(pooled, folds[task], task), frames)
                write_json(folder / "spec.json", spec.model_dump(exclude_none=True))
        chunks = len(pooled.table)
    return f"{chunks:,} chunks of {len(utterances):,} utterances in {EXAMPLES}"


if __name__ == "__main__":
    run_stage(build)
