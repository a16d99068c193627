"""The fit of the convolutional network on gender: time and memory, in a finished run.

``python benchmarks/cnn.py`` runs the stage as `dvc repro` does, on the MFCC examples of the last
run of the pipeline, and writes the same bytes again. The goals are for 162 minutes of speech.
"""

import resource
import subprocess
import sys
from pathlib import Path
from time import perf_counter

from verdict import passed

_SECONDS, _GIGABYTES = 45, 1.0


def main() -> None:
    """Print the row."""
    if not Path("data/examples/gender-mfcc").is_dir():
        sys.exit("data/examples/gender-mfcc: no such folder; run `make repro` first.")
    started = perf_counter()
    subprocess.run([sys.executable, "stages/fit.py", "gender-mfcc", "cnn"], check=True)
    seconds = perf_counter() - started
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    gigabytes = used.ru_maxrss / 2**20
    processors = used.ru_utime + used.ru_stime
    print(
        f"cnn, gender, MFCC: {seconds:.0f} s ({processors:.0f} s of processors), "
        f"goal {_SECONDS}: {passed(seconds <= _SECONDS)}; {gigabytes:.2f} GB, "
        f"goal {_GIGABYTES}: {passed(gigabytes <= _GIGABYTES)}"
    )


if __name__ == "__main__":
    main()
