"""The frame of the page that DVC makes of its plots, with Vega inside: it needs no network."""

import hashlib
from importlib.metadata import version
from importlib.resources import files

import vl_convert

VEGA_LITE = "5.21"
"""What DVC's own templates and those in .dvc/plots are written for."""


def frame() -> str:
    """Write the frame, in which DVC puts its plots in the place of ``{plot_divs}``."""
    bundle = vl_convert.javascript_bundle(vl_version=VEGA_LITE)  # type: ignore[call-arg]
    return _template().replace("{stamp}", frame_stamp()).replace("{vega}", bundle)


def frame_stamp() -> str:
    """Name what the frame is made of, in a line that stands in it."""
    digest = hashlib.sha256(_template().encode()).hexdigest()
    return f"<!-- {digest[:16]} Vega-Lite {VEGA_LITE} vl-convert {version('vl-convert-python')} -->"


def _template() -> str:
    return files("speech.report").joinpath("templates/frame.html").read_text("utf-8")
