"""dvc.yaml and the code agree: packages, parameters and paths."""

import ast
import graphlib
import re
from functools import cache
from pathlib import Path, PurePosixPath

import pytest
import yaml
from dvc.parsing import DataResolver
from dvc.repo import Repo

from stages import paths

ROOT = Path(__file__).parents[1]
PIPELINE = yaml.safe_load((ROOT / "dvc.yaml").read_text("utf-8"))
PARAMS = yaml.safe_load((ROOT / "params.yaml").read_text("utf-8"))
RESOLVED = DataResolver(Repo(ROOT, uninitialized=True), str(ROOT), PIPELINE).resolve()["stages"]
INSTANCES = [(name.split("@")[0], instance) for name, instance in RESOLVED.items()]
STAGES = dict(reversed(INSTANCES))
"""The first instance of each."""
every_stage = pytest.mark.parametrize("name", STAGES)

WITHOUT_EFFECT = {
    # Checks, messages and spreading work change no result.
    "speech/params.py",
    "speech/errors.py",
    "speech/cluster.py",
    "speech/parallel.py",
    "speech/__init__.py",
    "stages/__init__.py",
    "stages/console.py",
    "stages/paths.py",
    "stages/tasks.py",
}


def names(entries):
    """Name deps, outs or metrics; some carry options."""
    return [next(iter(entry)) if isinstance(entry, dict) else entry for entry in entries]


def script_of(name):
    return re.search(r"stages/\w+\.py", STAGES[name]["cmd"])[0]


def outs_of(stage):
    return names(stage.get("outs", [])) + names(stage.get("metrics", []))


def under(path, folder):
    return PurePosixPath(path).is_relative_to(folder)


@cache
def imports_of(file):
    """List the modules of this project that a file imports, wherever in it."""
    found = set()
    for node in ast.walk(ast.parse((ROOT / file).read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    ours = {name for name in found if name.split(".")[0] in ("speech", "stages")}
    files = {name.replace(".", "/") for name in ours}
    return {
        file
        for name in files
        for file in (f"{name}.py", f"{name}/__init__.py")
        if (ROOT / file).is_file()
    }


def closure(file):
    """List a file and all that it imports, directly or not."""
    # What the schema is made of matters to the stage that writes it, and to no other.
    passed_over = set() if file == "stages/check_params.py" else WITHOUT_EFFECT
    seen, waiting = set(), [file]
    while waiting:
        current = waiting.pop()
        if current not in seen:
            seen.add(current)
            waiting += imports_of(current) - passed_over
    return seen


def package_of(file):
    """Name what stands in dvc.yaml for a file: its package, or itself at the top."""
    parts = PurePosixPath(file).parts
    return "/".join(parts[:2]) if len(parts) > 2 else file


@every_stage
def test_a_stage_depends_on_its_script_and_every_package_that_it_imports(name):
    needed = {package_of(file) for file in closure(script_of(name))} - WITHOUT_EFFECT
    listed = {dep for dep in STAGES[name]["deps"] if dep.startswith(("speech/", "stages/"))}
    assert sorted(needed - listed) == [], "missing from the deps"
    assert sorted(listed - needed - WITHOUT_EFFECT) == [], "superfluous in the deps"


def test_packages_import_one_way_only():
    """A reader never goes in a circle; what is above imports only what is below."""
    graph = {}
    for file in (str(path.relative_to(ROOT)) for path in ROOT.glob("speech/**/*.py")):
        own = package_of(file)
        graph.setdefault(own, set()).update(package_of(other) for other in imports_of(file))
    for own, others in graph.items():
        others.discard(own)
    graphlib.TopologicalSorter(graph).prepare()  # raises a CycleError that names the circle


PACKAGES = sorted(path.parent.name for path in ROOT.glob("speech/*/__init__.py"))


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_names_the_modules_that_are_used_from_outside(package):
    """They are its door; what is behind may change as long as that stays."""
    own = f"speech/{package}/"
    folders = ("speech", "stages", "pretrained", "benchmarks")
    files = [str(path.relative_to(ROOT)) for top in folders for path in ROOT.glob(f"{top}/**/*.py")]
    used = {
        PurePosixPath(module).stem
        for file in [*files, "predict.py"]
        if not file.startswith(own)
        for module in imports_of(file)
        if module.startswith(own)
    }
    text = ast.get_docstring(ast.parse((ROOT / own / "__init__.py").read_text("utf-8")))
    _, _, named = text.partition("Used from outside: ")
    assert re.findall(r"`(\w+)`", named) == sorted(used - {"__init__"})


BEHIND_LINKS = {"SAMPLE_CORPUS", "LIBRISPEECH", "DOWNLOADS", "INLINE_OVERRIDES"}
BEHIND_LINKS |= {"NO_EXTERNAL", "SAMPLE_ENCODER", "HUB_ENCODER"}
"""Where outs of DVC point to; they are no outs themselves."""


@pytest.mark.parametrize("script", sorted({script_of(name) for name in STAGES}))
def test_every_place_that_a_script_uses_is_an_input_or_an_output_of_its_stages(script):
    imported = {
        alias.name
        for node in ast.walk(ast.parse((ROOT / script).read_text("utf-8")))
        if isinstance(node, ast.ImportFrom) and node.module == "stages.paths"
        for alias in node.names
    }
    used = {getattr(paths, name) for name in imported - BEHIND_LINKS - {"FEATURES"}}
    own = [instance for name, instance in INSTANCES if script_of(name) == script]
    listed = {place for instance in own for place in [*instance["deps"], *outs_of(instance)]}
    for place in map(str, used):
        assert any(under(one, place) or under(place, one) for one in listed), place


def test_every_script_is_a_stage_or_shared_by_all():
    scripts = {f"stages/{file.name}" for file in ROOT.glob("stages/*.py")}
    shared = {"stages/__init__.py", "stages/console.py", "stages/paths.py", "stages/tasks.py"}
    assert scripts - shared == {script_of(name) for name in STAGES}


NO_RESULT = {
    # Speed, memory and where from: another value changes no result.
    "corpus_mirror",
    "keep_archives",
    "compute",
    "wav2vec2.batch_size",
}
WRITTEN_TO_SEARCH = {"tune", "tuning", "search"}
"""check_params depends on params.yaml itself, and writes these for each fit to depend on."""


def test_every_param_is_named_by_some_stage():
    named = {key for _, instance in INSTANCES for key in instance.get("params", [])}
    named |= NO_RESULT | WRITTEN_TO_SEARCH

    def covered(key, value):
        if key in named:
            return True
        if isinstance(value, dict) and value:
            return all(covered(f"{key}.{name}", part) for name, part in value.items())
        return False

    assert [key for key, value in PARAMS.items() if not covered(key, value)] == []


def params_read(file):
    """List the keys that a script reads as ``params.block.key``, each as far as it goes."""
    found = set()
    for node in ast.walk(ast.parse((ROOT / file).read_text("utf-8"))):
        names, inner = [], node
        while isinstance(inner, ast.Attribute):
            names.insert(0, inner.attr)
            inner = inner.value
        if names and isinstance(inner, ast.Name) and inner.id == "params":
            block = PARAMS.get(names[0])
            if block is not None or names[0] in PARAMS:
                deep = isinstance(block, dict) and len(names) > 1 and names[1] in block
                found.add(".".join(names[:2]) if deep else names[0])
    # `params.mfcc` is a part of `params.mfcc.coefficients`, and no read of its own.
    return {key for key in found if not any(one.startswith(f"{key}.") for one in found)}


def covers(one, other):
    """Say whether two keys are the same, or one is the block of the other."""
    return one == other or one.startswith(f"{other}.") or other.startswith(f"{one}.")


@pytest.mark.parametrize("script", sorted({script_of(name) for name in STAGES}))
def test_the_params_that_a_script_reads_are_those_of_its_stages(script):
    own = [instance for name, instance in INSTANCES if script_of(name) == script]
    if "params.yaml" in own[0]["deps"]:
        return
    listed = {key for instance in own for key in instance.get("params", [])} | NO_RESULT
    read = params_read(script)
    assert [key for key in sorted(read) if not any(covers(key, one) for one in listed)] == []


def test_a_comment_on_a_score_refits_nothing():
    assert "speech/evaluation" not in STAGES["fit"]["deps"]
