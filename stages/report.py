"""Write what the run found on one page that needs no network, and the frame of DVC's own plots.

The frame, which .dvc/config names as ``plots.html_template``, is what `dvc plots show` fills.
"""

from stages.console import run_stage

from speech.params import Params, read_yaml
from speech.report.frame import frame, frame_stamp
from speech.report.page import report_page
from speech.report.run import Run
from speech.storage.files import write_text
from stages.paths import FOLDS, PARAMS, PLOTS, REJECTED, RESULTS, UTTERANCES

RUN = Run(UTTERANCES, REJECTED, FOLDS, RESULTS, PLOTS)


def report(params: Params) -> str:  # noqa: ARG001
    """Write both."""
    path, frame_path = PLOTS / "report.html", PLOTS / "frame.html"
    # As the user wrote them, in that order; they were checked before.
    page = report_page(RUN, read_yaml(PARAMS))
    write_text(path, page)
    # Packing Vega takes longer than the page, so the frame is made once.
    if not (frame_path.is_file() and frame_stamp() in frame_path.read_text("utf-8")):
        write_text(frame_path, frame())
    return f"{path}, {len(page.encode()) / 1e6:.1f} MB, opens in any browser without a network"


if __name__ == "__main__":
    run_stage(report)
