"""Check every key of params.yaml, and write down what is allowed."""

from stages.console import run_stage

from speech.classifiers.registry import CLASSIFIERS
from speech.params import Params
from speech.storage.files import replacing_folder, write_json
from stages.paths import SCHEMA, SEARCH


def check_params(params: Params) -> str:
    """Write the JSON schema of params.yaml, and what each fit is to search.

    Reading the params was the check. Every other stage comes after this one, so no work starts on
    a mistyped key. The schema does not depend on the values, so a changed value reruns only the
    stages that name its key; nor does what is searched, unless ``tune`` is true.
    """
    write_json(SCHEMA, type(params).model_json_schema())
    with replacing_folder(SEARCH) as folder:
        for model in CLASSIFIERS:
            write_json(folder / f"{model}.json", params.search_of(model))
    return f"params.yaml is sound, what is allowed stands in {SCHEMA}"


if __name__ == "__main__":
    run_stage(check_params)
