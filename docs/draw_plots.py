"""Draw plots of this repository side by side into one PNG, for the README.

`dvc plots show --json | python docs/draw_plots.py docs/models.png gender-models speaker-models`
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import vl_convert

_SCALE = 1.1


def draw(plots: dict[str, Any], names: list[str]) -> bytes:
    """Render some of DVC's plots.

    Parameters
    ----------
    plots
        What ``dvc plots show --json`` prints under ``data``: renderings by plot id.
    names
        Which to draw, from left to right.

    Returns
    -------
    bytes
        A PNG.
    """
    specs = [plots[name][0]["content"] for name in names]
    for spec in specs:
        # The schema belongs to the outermost specification only.
        spec.pop("$schema", None)
        _drop_revision(spec)
    side_by_side = {"hconcat": specs, "spacing": 40, "background": "white"}
    return vl_convert.vegalite_to_png(side_by_side, scale=_SCALE)


def _drop_revision(part: Any) -> None:
    """Leave out the legend that names the revision: there is one only."""
    if isinstance(part, dict):
        if part.get("field") == "rev" and "scale" in part:
            part["legend"] = None
        for inner in part.values():
            _drop_revision(inner)


def main() -> None:
    """Read DVC's plots from standard input and write the picture."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("picture", type=Path)
    parser.add_argument("plots", nargs="+", help="ids of plots in dvc.yaml")
    arguments = parser.parse_args()
    plots = json.load(sys.stdin)["data"]
    unknown = [name for name in arguments.plots if name not in plots]
    if unknown:
        sys.exit(f"draw_plots: no plot {unknown[0]}; dvc.yaml has {', '.join(plots)}.")
    arguments.picture.write_bytes(draw(plots, arguments.plots))


if __name__ == "__main__":
    main()
