"""Examples as the stage that builds them leaves them, of arrays that a test makes up."""

from speech.storage.arrays import write_arrays
from speech.storage.examples import array_file, array_names, write_table


def write_examples(folder, pooled, frames):
    """Write the same chunks in both forms."""
    write_table(folder, pooled.table)
    for form, own in {"pooled": pooled, "frames": frames}.items():
        arrays = zip(array_names(len(own.copies)), (own.inputs, *own.copies), strict=True)
        write_arrays(array_file(folder, form), dict(arrays))
