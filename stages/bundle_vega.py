"""Put the library that draws DVC's plots into the frame of their page, so that it needs no network.

`dvc plots show` and `dvc plots diff` fill the frame, which .dvc/config names as
``plots.html_template``; DVC's own loads the library from the web.
"""

import vl_convert

from speech.params import Params
from speech.storage.files import write_text
from stages.console import run_stage
from stages.paths import PLOTS

VEGA_LITE = "5.21"
"""What DVC's own templates and those in .dvc/plots are written for."""

FRAME = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Plots</title>
<style>
body { margin: 0 auto; max-width: 74rem; padding: 1rem; background: #fff; color: #222;
  font: 1rem/1.5 system-ui, sans-serif; }
/* Drawings have a width of their own: on a phone each scrolls by itself. */
body > div { display: block !important; margin: 2rem 0; overflow-x: auto; }
table { border-spacing: 15px; }
</style>
<script>%s</script>
<script>
const draw = vegaEmbed;
vegaEmbed = (place, spec) => {
  // On a canvas, because maps of thousands of dots are slow as SVG.
  if (Object.keys(spec).length) return draw(place, spec, { renderer: "canvas" });
  const note = document.createElement("p");
  note.textContent = `Nothing to draw for ${place.slice(1)}: its table has no rows.`;
  document.querySelector(place).append(note);
};
</script>
</head>
<body>
<h1>Plots</h1>
{plot_divs}
</body>
</html>
"""
"""`{plot_divs}` is DVC's. Of a table without rows, such as outliers where there are none, DVC
makes an empty drawing."""


def bundle_vega(params: Params) -> str:  # noqa: ARG001
    """Write the frame."""
    path = PLOTS / "frame.html"
    frame = FRAME % vl_convert.javascript_bundle(vl_version=VEGA_LITE)
    write_text(path, frame)
    return f"{path}, {len(frame) / 1e6:.1f} MB, in which `dvc plots show` draws without a network"


if __name__ == "__main__":
    run_stage(bundle_vega)
