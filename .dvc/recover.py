"""Mend what a killed DVC can leave behind and the next one stops at; `make repro` runs this first.

DVC writes dvc.lock and .dvc/tmp/rwlock in place, so a kill in that moment leaves half of one, or
nothing. Neither holds anything that is lost with it: finished stages come from DVC's cache.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

LOCK, RWLOCK, REPOSITORY = Path("dvc.lock"), Path(".dvc/tmp/rwlock"), Path(".dvc/tmp/lock")


def broken() -> list[Path]:
    """List which of the two files DVC could not read."""
    from dvc.schema import COMPILED_LOCKFILE_SCHEMA
    from dvc.utils.serialize import load_yaml

    readers = {
        LOCK: lambda: COMPILED_LOCKFILE_SCHEMA(load_yaml(LOCK)),
        RWLOCK: lambda: json.loads(RWLOCK.read_text("utf-8")),
    }
    found = []
    for file, read in readers.items():
        try:
            if file.exists():
                read()
        except Exception:  # each library has its own kinds
            found.append(file)
    return found


def dvc_at_work() -> list[int]:
    """List the DVC processes of this repository: while a stage runs, DVC holds no lock."""
    import psutil

    found = []
    for process in psutil.process_iter(["pid", "cwd", "cmdline"]):
        cwd, command = process.info["cwd"], process.info["cmdline"] or []
        named = any(Path(word).name == "dvc" for word in command[:3])
        if named and cwd and Path(cwd).is_relative_to(Path.cwd()):
            found.append(process.info["pid"])
    return found


def recover() -> list[str]:
    """Mend both files, unless DVC is at work; return what is to be said."""
    from dvc.lock import Lock, LockError

    REPOSITORY.parent.mkdir(parents=True, exist_ok=True)
    try:
        with Lock(str(REPOSITORY)):
            files = broken()
            if files and (working := dvc_at_work()):
                sys.exit(f"DVC is at work (process {working[0]}); wait for its end and run again.")
            for file in files:
                restore = ["git", "checkout", "--quiet", "--", str(file)]
                if file == RWLOCK or subprocess.run(restore, stderr=subprocess.DEVNULL).returncode:
                    file.unlink()
    except LockError:
        sys.exit("Another DVC is at work here; wait for its end and run again.")
    return [f"{file}: a killed run had left it damaged; it is mended." for file in files]


if __name__ == "__main__":
    # DVC works below the root of its repository, too.
    here = Path.cwd()
    os.chdir(next((one for one in (here, *here.parents) if (one / ".dvc").is_dir()), here))
    for line in recover():
        print(line)
