"""Kill `dvc repro` at random moments, again and again, and compare the end with an undisturbed run.

Each round starts from nothing: no outputs, no cache. `dvc repro` and everything it started is
killed after a random time, `.dvc/recover.py` mends what DVC itself would stop at, and the next
`dvc repro` goes on, until the round has had its kills and one run ends by itself. What that left
must be what the undisturbed run made, byte by byte.

    python benchmarks/kill.py --kills 30
"""

import argparse
import hashlib
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

ROOT = Path(__file__).resolve().parents[1]
TINY = {
    "model": "logistic",
    "models": ["dummy", "logistic", "mlp"],
    "sample_corpus": {"speakers_per_gender": 4, "chapters": 2, "minutes": 1.5},
    "sample_encoder": {"hidden": 32, "layers": 4},
    "folds": {"gender": 2, "speaker": 2},
    "evaluate": {"resamples": 100},
    "learning_curve": {"draws": 1},
    "compute": {"jobs": 2},
}
OUTPUTS = ("data", "models", "metrics", "plots", "dvc.lock")


def check_out(folder: Path, changes: Mapping[str, Any]) -> None:
    """Clone what is committed, without its results, and change params."""
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(folder)], check=True)
    yaml = YAML()
    params = yaml.load(folder / "params.yaml")
    for key, value in changes.items():
        if isinstance(value, dict):
            params[key].update(value)
        else:
            params[key] = value
    yaml.dump(params, folder / "params.yaml")
    for name in ("dvc.lock", "metrics"):
        subprocess.run(["git", "rm", "-rq", "--cached", name], cwd=folder, check=True)
        subprocess.run(["rm", "-rf", name], cwd=folder, check=True)
    commit = ["git", "-c", "user.name=x", "-c", "user.email=x@x", "commit", "-qam", "Changed"]
    subprocess.run(commit, cwd=folder, check=True)


def environment(folder: Path) -> dict[str, str]:
    """Make an environment with that clone's code, and none of DVC's state outside it."""
    own = {"PYTHONPATH": str(folder), "DVC_SITE_CACHE_DIR": f"{folder}.site", "CI": "true"}
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    return os.environ | own | {"PATH": path, "DVC_NO_ANALYTICS": "1"}


def repro(folder: Path, seconds: float | None = None) -> int | None:
    """Run the pipeline to its end, or kill all of it after so long; return how it ended."""
    with Path(f"{folder}.log").open("a") as log:
        process = subprocess.Popen(
            ["dvc", "repro"],
            cwd=folder,
            env=environment(folder),
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        try:
            return process.wait(seconds)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            return None


def recover(folder: Path) -> str:
    """Mend what the kill left; return what was said."""
    command = [sys.executable, ".dvc/recover.py"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"recover: {done.stderr}")
    return done.stdout.strip()


def digests(folder: Path) -> dict[str, str]:
    """Digest every file that the stages and DVC left, temporary ones included."""
    files = [folder / "dvc.lock"]
    files += [file for name in OUTPUTS for file in (folder / name).rglob("*") if file.is_file()]
    return {
        str(file.relative_to(folder)): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in sorted(files)
    }


def clean(folder: Path) -> None:
    """Remove all outputs and DVC's state."""
    shutil.rmtree(f"{folder}.site", ignore_errors=True)
    subprocess.run(["git", "clean", "-qffdx"], cwd=folder, check=True)
    subprocess.run(["git", "checkout", "-q", "--", "."], cwd=folder, check=True)


def main() -> None:
    """Run the rounds and say what came of them."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--kills", type=int, default=30, help="in all (default: 30)")
    parser.add_argument("--per-round", type=int, default=15, help="kills per round (default: 15)")
    parser.add_argument("--seed", type=int, default=0, help="of the moments (default: 0)")
    parser.add_argument(
        "--longest",
        type=float,
        default=20,
        help="seconds from start to kill, at most (default: 20)",
    )
    parser.add_argument("--folder", type=Path, help="where to work (default: a temporary one)")
    options = parser.parse_args()
    moments = random.Random(options.seed)
    base = options.folder or Path(tempfile.mkdtemp(prefix="kill-"))
    folder = base / "project"
    if not folder.exists():
        check_out(folder, TINY)
    started = time.monotonic()
    if repro(folder) != 0:
        raise SystemExit(f"the undisturbed run failed; see {folder}.log")
    expected = digests(folder)
    print(f"undisturbed: {len(expected)} files, {time.monotonic() - started:.0f} s", flush=True)
    kills, wrong = 0, 0
    while kills < options.kills:
        clean(folder)
        for _ in range(min(options.per_round, options.kills - kills)):
            after = moments.uniform(1, options.longest)
            ended = repro(folder, after)
            if ended is not None:
                print(f"ended by itself with {ended} before {after:.1f} s", flush=True)
                break
            kills += 1
            said = recover(folder)
            print(f"kill {kills} after {after:.1f} s {said}", flush=True)
        status = repro(folder)
        found = digests(folder)
        different = sorted(
            name for name in expected | found if expected.get(name) != found.get(name)
        )
        wrong += bool(different or status)
        print(f"round: status {status}, {len(different)} files differ {different[:5]}", flush=True)
    print(f"{kills} kills, {wrong} rounds with another end")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
