"""Check every key of params.yaml, and write down what is allowed."""

from stages.console import run_stage

from speech.params import Params
from speech.storage.files import write_json
from stages.paths import SCHEMA


def check_params(params: Params) -> str:
    """Write the JSON schema of params.yaml; reading the params was the check.

    Every other stage comes after this one, so no work starts on a mistyped key. The schema does
    not depend on the values, so a changed value reruns only the stages that name its key.
    """
    write_json(SCHEMA, type(params).model_json_schema())
    return f"params.yaml is sound, what is allowed stands in {SCHEMA}"


if __name__ == "__main__":
    run_stage(check_params)
