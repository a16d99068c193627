"""dvc.yaml tells the truth: its deps, params, paths and plots are those of the code."""

import ast
import itertools
import json
import re
import subprocess
import sys
from functools import cache
from pathlib import Path, PurePosixPath
from typing import get_args

import pytest
import vl_convert
import yaml
from dvc_render import VegaRenderer, vega_templates

from speech.params import Features, Params, WithoutPitch
from stages import paths

ROOT = Path(__file__).parents[1]
PIPELINE = yaml.safe_load((ROOT / "dvc.yaml").read_text("utf-8"))
PARAMS = yaml.safe_load((ROOT / "params.yaml").read_text("utf-8"))
TEMPLATES = ROOT / ".dvc" / "plots"

PLUMBING = {
    # A sentence for the user, files fetched and written whole, links, tables as they are, work
    # spread over cores: none of it changes what a stage computes.
    "speech/disk.py",
    "speech/download.py",
    "speech/errors.py",
    "speech/files.py",
    "speech/links.py",
    "speech/parallel.py",
    "speech/progress.py",
    "speech/sealed.py",
    "speech/tables.py",
    # Which keys there are and what is allowed; the values that count stand under `params`.
    "speech/params.py",
    # The terminal, and the names of what stands under `deps` and `outs`.
    "stages/console.py",
    "stages/paths.py",
}
CHECKS_PARAMS = {"check_params": {"speech/params.py"}}
"""What is plumbing elsewhere and the very subject here."""

DATA_FILES = {
    "fetch_corpus": {"speech/corpus/sample_text.txt"},
    "report": {"speech/report/page.css", "speech/report/page.js"},
}
"""What a stage's modules read from the package."""

ASIDE = {"report": {"speech/report/comparison.py", "stages/revisions.py"}}
"""What a stage's script can do by hand and never does as a stage."""

SHOWS_BLOCKS = {"report"}
"""Lists params for a reader: whatever a block holds."""

NO_RESULT = {
    # Speed, memory and where from; results are the same, so a change reruns nothing.
    "corpus_mirror",
    "keep_archives",
    "parallel.jobs",
    "wav2vec2.batch_size",
}
OWN_BLOCK = {"${item.model}", "inputs.${item.features}", "inputs.mfcc", "${audit_split.model}"}
OWN_BLOCK |= {"tuning.space.${item.model}"}
"""Whole blocks, allowed where each instance of a stage, or each value of a key, has its own."""

KINDS = {
    "audit_split": get_args(Features),
    "fit": ["mfcc"],
    "fit_on_wav2vec2": ["wav2vec2"],
    "fit_with_pitch": ["mfcc_pitch"],
    "fit_rejection": get_args(WithoutPitch),
    "learning_curve": get_args(Features),
    "verify_speakers": get_args(Features),
}
"""Of features that a stage works on, where they are not those without pitch."""

WITHOUT_LAYERS = {"fit", "fit_with_pitch"}
"""Whose script reads which layer to take for the sake of other features."""

BEHIND_LINKS = {
    "DOWNLOADS",
    "HUB_ENCODER",
    "INLINE_OVERRIDES",
    "LIBRISPEECH",
    "SAMPLE_CORPUS",
    "SAMPLE_ENCODER",
}
"""What is made or fetched lies where data/corpus and data/encoder point to; those are the outs."""


def flat(tree, prefix=""):
    """List the keys of a nested mapping, joined by dots; a list is a value, and so is nothing."""
    for key, value in tree.items():
        if isinstance(value, dict) and value:
            yield from flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}"


def names(entries):
    """Name deps, outs or metrics; some carry options."""
    return [next(iter(entry)) if isinstance(entry, dict) else entry for entry in entries]


def value_of(key):
    """Look up a key that is nested as its dots say."""
    value = PARAMS
    for part in key.split("."):
        value = value[part]
    return value


def expanded(stage):
    """Fill in a stage's values of params.yaml and its matrix: one copy per instance."""
    matrix = {
        key: PARAMS["models"] if values == "${models}" else values
        for key, values in stage.get("matrix", {}).items()
    }
    text = json.dumps({key: value for key, value in stage.items() if key != "matrix"})
    text = re.sub(r"\$\{(?!item\.)([\w.]+)\}", lambda named: value_of(named[1]), text)
    for values in itertools.product(*matrix.values()):
        filled = text
        for key, value in zip(matrix, values, strict=True):
            filled = filled.replace(f"${{item.{key}}}", value)
        yield json.loads(filled)


STAGES = PIPELINE["stages"]
INSTANCES = [(name, instance) for name, stage in STAGES.items() for instance in expanded(stage)]
every_stage = pytest.mark.parametrize("name", STAGES)


def script_of(name):
    """Name the script of a stage: its own, but for what one matrix cannot say."""
    return {"fit_with_pitch": "fit", "fit_on_wav2vec2": "fit"}.get(name, name)


def outs_of(stage):
    return names(stage.get("outs", [])) + names(stage.get("metrics", []))


ALL_OUTS = [out for _, instance in INSTANCES for out in outs_of(instance)]


def under(path, folder):
    return PurePosixPath(path).is_relative_to(folder)


# --- what a reader sees -----------------------------------------------------------------------


@every_stage
def test_every_stage_says_what_it_does(name):
    assert len(STAGES[name]["desc"].strip()) > 10


@every_stage
def test_every_stage_is_its_own_script_by_the_same_name(name):
    assert STAGES[name]["cmd"].split()[:2] == ["python", f"stages/{script_of(name)}.py"]
    assert f"stages/{script_of(name)}.py" in STAGES[name]["deps"]


def test_every_script_is_a_stage():
    scripts = {path.stem for path in (ROOT / "stages").glob("*.py")}
    assert scripts - {"__init__", "console", "paths", "revisions"} == set(map(script_of, STAGES))


@every_stage
@pytest.mark.parametrize("part", ["deps", "params", "outs", "metrics"])
def test_lists_are_sorted_and_name_nothing_twice(name, part):
    listed = names(STAGES[name].get(part, []))
    assert len(listed) == len(set(listed))
    if part in ("deps", "params"):
        assert listed == sorted(listed)


# --- deps are the imports ---------------------------------------------------------------------


@cache
def imports_of(file):
    """List the modules of this project that a file imports, wherever in it."""
    found = set()
    for node in ast.walk(ast.parse((ROOT / file).read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: a relative import; this test follows absolute ones"
            # `from speech.corpus import espeak` names a module, `… import Reader` does not.
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return {file for file in map(file_of, found) if file}


def file_of(module):
    """Name the file of a module of this project; packages' __init__ files hold no code."""
    if module.split(".")[0] not in ("speech", "stages"):
        return None
    path = module.replace(".", "/") + ".py"
    return path if (ROOT / path).is_file() else None


def closure(file):
    """List a file and all that it imports, by whatever way."""
    seen, waiting = set(), [file]
    while waiting:
        current = waiting.pop()
        if current not in seen:
            seen.add(current)
            waiting += imports_of(current)
    return seen


def test_packages_init_files_hold_no_code_but_the_door_for_notebooks():
    door = ROOT / "speech" / "__init__.py"
    told = "import sys, speech; print([name for name in sys.modules if name.startswith('speech.')])"
    done = subprocess.run(
        [sys.executable, "-c", told], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
    for file in {*ROOT.glob("speech/**/__init__.py"), *ROOT.glob("stages/**/__init__.py")} - {door}:
        body = ast.parse(file.read_text("utf-8")).body
        assert all(isinstance(node, ast.Expr) for node in body), file


@every_stage
def test_deps_are_exactly_the_modules_that_compute_the_result(name):
    listed = {dep for dep in STAGES[name]["deps"] if dep.startswith(("speech/", "stages/"))}
    needed = closure(f"stages/{script_of(name)}.py") - PLUMBING
    needed |= CHECKS_PARAMS.get(name, set()) | DATA_FILES.get(name, set())
    needed -= ASIDE.get(name, set())
    assert sorted(needed - listed) == [], "missing from the deps"
    assert sorted(listed - needed) == [], "superfluous in the deps"


def test_the_plumbing_exists():
    for file in PLUMBING | set().union(*DATA_FILES.values()):
        assert (ROOT / file).is_file()


# --- params -----------------------------------------------------------------------------------

KEYS = set(flat(PARAMS))


def test_every_param_named_is_there_and_is_a_value_not_a_block():
    for name, stage in STAGES.items():
        for instance in expanded(stage):
            written = dict(zip(stage.get("params", []), instance.get("params", []), strict=True))
            for text, key in written.items():
                if text in OWN_BLOCK or (name in SHOWS_BLOCKS and key not in KEYS):
                    assert any(f"{known}.".startswith(f"{key}.") for known in KEYS), (name, key)
                else:
                    assert key in KEYS, (name, key)


def test_every_param_is_named_by_some_stage():
    named = {key for _, instance in INSTANCES for key in instance.get("params", [])}
    missing = {
        key for key in KEYS if not any(key == one or key.startswith(f"{one}.") for one in named)
    }
    assert missing == NO_RESULT


def test_params_yaml_has_every_key_of_the_schema():
    def keys(model, prefix=""):
        for key, field in model.model_fields.items():
            if hasattr(field.annotation, "model_fields"):
                yield from keys(field.annotation, f"{prefix}{key}.")
            else:
                yield f"{prefix}{key}"

    # What a mapping may hold is the user's choice.
    mappings = {f"tuning.space.{model}" for model in ("logistic", "svm", "lda", "mlp", "cnn")}
    held = {key for key in KEYS if key.rpartition(".")[0] in mappings}
    assert set(keys(Params)) == KEYS - held | mappings


# --- paths ------------------------------------------------------------------------------------

CONSTANTS = {
    name: path.as_posix()
    for name, path in vars(paths).items()
    if isinstance(path, Path) and name not in {"PARAMS", *BEHIND_LINKS}
}


def test_every_path_of_the_stages_is_or_holds_an_out():
    for name, path in CONSTANTS.items():
        assert any(under(out, path) for out in ALL_OUTS), name


def test_every_out_is_or_lies_under_a_path_of_the_stages():
    for out in ALL_OUTS:
        assert any(under(out, path) for path in CONSTANTS.values()), out


@every_stage
def test_a_stage_names_the_paths_that_its_script_uses(name):
    tree = ast.parse((ROOT / "stages" / f"{script_of(name)}.py").read_text("utf-8"))
    imported = {
        alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module == "stages.paths"
        for alias in node.names
    }
    used = {path for constant, path in CONSTANTS.items() if constant in imported}
    if name in WITHOUT_LAYERS:
        used.discard(CONSTANTS["LAYERS"])
    if "FEATURES" in imported:
        kinds = KINDS.get(name, get_args(WithoutPitch))
        used |= {folder.as_posix() for kind in kinds for folder in paths.FEATURES[kind]}
    listed = {
        path
        for instance in expanded(STAGES[name])
        for path in [*instance["deps"], *outs_of(instance)]
        if path.startswith(("data/", "models/", "metrics/", "plots/"))
    }
    # The schema is what orders the first stages behind the check; nobody reads it.
    listed -= {CONSTANTS["SCHEMA"]} - used
    for path in used:
        assert any(under(one, path) or under(path, one) for one in listed), path
    for one in listed:
        assert any(under(one, path) for path in used), one


def test_another_layer_of_wav2vec2_extracts_nothing_and_refits_nothing_on_mfcc():
    keys = {"inputs.wav2vec2.layer", "inputs.wav2vec2"}
    changed = [
        (name, instance)
        for name, instance in INSTANCES
        # Checks the number, and leaves the same encoder as before.
        if name != "fetch_encoder" and keys & set(instance.get("params", []))
    ]
    rerun = {name for name, _ in changed}
    written = [out for _, instance in changed for out in outs_of(instance)]
    for name, instance in INSTANCES:
        if any(under(dep, out) or under(out, dep) for dep in instance["deps"] for out in written):
            rerun.add(name)
            written += outs_of(instance)
    assert {"probe_layers", "fit_on_wav2vec2", "evaluate", "report"} <= rerun
    assert not rerun & {"extract_wav2vec2", "extract_mfcc", "fit", "fit_with_pitch", "analyse_mfcc"}


def test_no_two_stages_write_the_same_place():
    for one, other in itertools.combinations(ALL_OUTS, 2):
        assert not under(one, other), (one, other)
        assert not under(other, one), (one, other)


def test_every_input_in_the_tree_is_written_by_an_earlier_stage():
    written = []
    for name, stage in STAGES.items():
        for instance in expanded(stage):
            for dep in instance["deps"]:
                if dep.startswith(("data/", "models/", "metrics/", "plots/")):
                    assert any(under(out, dep) or under(dep, out) for out in written), (name, dep)
        written += [out for instance in expanded(stage) for out in outs_of(instance)]


def test_every_chain_starts_with_the_check_of_the_params():
    """No stage can run before check_params: it depends on it, by whatever way."""
    checked = set(outs_of(STAGES["check_params"]))
    for name, instance in INSTANCES:
        if name != "check_params":
            reached = [dep for dep in instance["deps"] if any(under(o, dep) for o in checked)]
            assert reached or any(
                under(out, dep) or under(dep, out) for dep in instance["deps"] for out in checked
            ), name
        checked |= set(outs_of(instance))


@pytest.mark.parametrize("name", PIPELINE["artifacts"])
def test_every_artifact_is_written_whatever_the_headline(name):
    assert PIPELINE["artifacts"][name]["path"] in ALL_OUTS
    assert PIPELINE["artifacts"][name]["desc"]


# --- metrics and plots ------------------------------------------------------------------------


def test_the_metrics_at_the_top_are_all_metrics_and_in_git():
    of_stages = [entry for _, one in INSTANCES for entry in one.get("metrics", [])]
    assert sorted(PIPELINE["metrics"]) == sorted(names(of_stages))
    for entry in of_stages:
        ((_, options),) = entry.items()
        assert options == {"cache": False}


PLOTS = [(key, value) for plot in PIPELINE["plots"] for key, value in plot.items()]
every_plot = pytest.mark.parametrize(("name", "plot"), PLOTS, ids=[name for name, _ in PLOTS])


@every_plot
def test_a_plot_is_drawn_from_what_a_stage_writes(name, plot):
    for file in plot["y"]:
        assert any(under(file, out) for out in ALL_OUTS), file


@every_plot
def test_a_plot_says_what_it_shows(name, plot):
    assert plot["title"].strip()
    assert plot["x_label"].strip()
    assert plot["y_label"].strip()


def test_plots_have_names_of_their_own():
    assert len({name for name, _ in PLOTS}) == len(PLOTS)
    assert len({plot["title"] for _, plot in PLOTS}) == len(PLOTS)


CUSTOM = sorted(path.stem for path in TEMPLATES.glob("*.json"))
BUILT_IN = {template.DEFAULT_NAME for template in vega_templates.TEMPLATES}


def test_every_template_named_is_there_and_every_one_there_is_named():
    named = {plot["template"] for _, plot in PLOTS}
    assert named - BUILT_IN == set(CUSTOM)


def filled(name, plot):
    """Fill a plot's template with a few points that have every field it names."""
    template = plot["template"]
    fields = set()
    if template in CUSTOM:
        text = (TEMPLATES / f"{template}.json").read_text("utf-8")
        fields = set(re.findall(r"datum\.(\w+)", text)) | set(every_field(json.loads(text)))
    ((_, y),) = plot["y"].items()
    points = [
        dict.fromkeys(fields, number) | {plot["x"]: number, y: number, "rev": "workspace"}
        for number in range(3)
    ]
    renderer = VegaRenderer(
        points,
        name,
        x=plot["x"],
        y=y,
        title=plot["title"],
        x_label=plot["x_label"],
        y_label=plot["y_label"],
        template=template,
        template_dir=str(TEMPLATES),
    )
    return renderer.get_filled_template()


def every_field(tree):
    if isinstance(tree, dict):
        for key, value in tree.items():
            if key == "field" and isinstance(value, str) and not value.startswith("<"):
                yield value
            yield from every_field(value)
    elif isinstance(tree, list):
        for item in tree:
            yield from every_field(item)


@every_plot
def test_a_template_is_filled_to_the_last_place(name, plot):
    specification = filled(name, plot)
    text = json.dumps(specification, ensure_ascii=False)
    assert "<DVC_METRIC" not in text
    for wanted in ("title", "x_label", "y_label"):
        assert plot[wanted] in text


@every_plot
def test_a_filled_template_is_vega_lite(name, plot):
    compiled = vl_convert.vegalite_to_vega(filled(name, plot), vl_version="5.21")
    assert compiled["marks"]
