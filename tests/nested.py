"""Params with some values changed."""

import copy


def with_changes(content: dict, changes: dict) -> dict:
    """Copy a nested mapping, but for some values; ``...`` removes a key.

    Keys are given as params.yaml nests them, joined by dots; one that is not there is added.
    """
    content = copy.deepcopy(content)
    for key, value in changes.items():
        *blocks, name = key.split(".")
        block = content
        for part in blocks:
            block = block[part]
        if value is ...:
            del block[name]
        else:
            block[name] = value
    return content
