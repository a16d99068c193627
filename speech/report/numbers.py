"""The numbers behind a drawing, as a table, for those who cannot see it or want to copy them."""

from collections.abc import Callable, Mapping

import pandas as pd

from speech.report import wording
from speech.report.page import Column, Table


def numbers(
    caption: str,
    table: pd.DataFrame,
    names: Mapping[str, Column],
    show: Callable[[float], str] = wording.percent,
) -> Table:
    """List values with their intervals, folded away at first.

    Parameters
    ----------
    caption
        What they are of.
    table
        With ``value``, ``low``, ``high`` and the columns that say of what each is.
    names
        Those columns.
    show
        How a value is written.
    """
    ends = {"value": "Value", "low": "from", "high": "to"}
    values = {name: Column(heading, show, numeric=True) for name, heading in ends.items()}
    return Table(f"{caption}, in numbers", table, {**names, **values}, folded=True)
