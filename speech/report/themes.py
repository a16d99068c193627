"""The page's colours, light and dark, for its style sheet and for plotly."""

from typing import Any

COLOURS = {
    "light": {
        **{"page": "#ffffff", "panel": "#f5f6f8", "ink": "#1b1f24", "soft": "#555d66"},
        **{"line": "#d5d9de", "link": "#0a58a8", "warn": "#fff3cd", "warn-ink": "#5c4300"},
        **{"c1": "#0072b2", "c2": "#c44e00", "c3": "#007a5a", "c4": "#a3478a"},
        **{"c5": "#8c6d00", "c6": "#332288", "c7": "#882255", "c8": "#5a5f66"},
    },
    "dark": {
        **{"page": "#14171a", "panel": "#1e2226", "ink": "#e8eaed", "soft": "#a9b0b8"},
        **{"line": "#3a4047", "link": "#8ab8f0", "warn": "#3a3010", "warn-ink": "#ffe08a"},
        **{"c1": "#56b4e9", "c2": "#f08a4b", "c3": "#35c9a0", "c4": "#e39bd0"},
        **{"c5": "#f0c342", "c6": "#a99cf0", "c7": "#f48fb1", "c8": "#b4bac2"},
    },
}
"""Of the theme's ground, text and lines, and of what is drawn (Wong's palette, adapted)."""

PALETTE = 8
"""How many colours there are to draw with; the last is grey."""


def plotly_template(theme: str) -> dict[str, Any]:
    """Make the template by which plotly draws in a theme's colours.

    Parameters
    ----------
    theme
        A key of `COLOURS`.
    """
    colour = COLOURS[theme]
    drawn = [colour[f"c{number}"] for number in range(1, PALETTE + 1)]
    axis = {"gridcolor": colour["line"], "zerolinecolor": colour["soft"]}
    axis |= {"automargin": True, "fixedrange": True}
    steps = [[(n + end) / PALETTE, one] for n, one in enumerate(drawn) for end in (0, 1)]
    clear = "rgba(0, 0, 0, 0)"
    layout = {
        "colorway": drawn,
        "font": {"family": "system-ui, sans-serif", "size": 13, "color": colour["ink"]},
        **{"paper_bgcolor": clear, "plot_bgcolor": clear, "dragmode": False},
        "margin": {"l": 8, "r": 12, "t": 8, "b": 8},
        "hoverlabel": {"bgcolor": colour["panel"], "font": {"color": colour["ink"]}},
        "legend": {
            "orientation": "h",
            "traceorder": "normal",
            "x": 0,
            "y": 1.02,
            "yanchor": "bottom",
        },
        **{"xaxis": axis, "yaxis": axis},
        "shapedefaults": {"line": {"color": colour["soft"], "width": 1, "dash": "dot"}},
    }
    heatmap = {"colorscale": [[0, colour["panel"]], [1, colour["c1"]]]}
    data = {
        "bar": [{"error_y": {"color": colour["ink"]}}],
        "heatmap": [heatmap | {"colorbar": {"tickformat": ".0%", "thickness": 10}}],
        "scatter": [{"marker": {"colorscale": steps}}],
    }
    return {"layout": layout, "data": data}
