"""Examples that a test makes up, and as the stage that builds them leaves them."""

import numpy as np
import pandas as pd

from speech.storage.examples import Examples, array_file, write_table


def examples_of(inputs, labels, sessions=None, utterances=None, copies=()):
    """Make examples up; by itself each is an utterance and a session of its own."""
    own = np.arange(len(labels)).astype(str)
    columns = {"label": labels, "session": sessions, "utterance_id": utterances}
    table = {name: own if column is None else column for name, column in columns.items()}
    return Examples(pd.DataFrame(table), np.asarray(inputs, np.float32), copies)


def write_examples(folder, pooled, frames):
    """Write the same chunks in both forms."""
    write_table(folder, pooled.table)
    for form, own in {"pooled": pooled, "frames": frames}.items():
        np.save(array_file(folder, form), np.stack([own.inputs, *own.copies]))
