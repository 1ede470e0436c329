"""The legend of the map, drawn from the colours in which the service paints it."""

from __future__ import annotations

from detection.overlay import COLOURS


def legend_svg(stops: int = 17) -> str:
    """Draw the colour scale, low on the left, as an SVG picture.

    Args:
        stops: how many colours of the table are set; the browser blends between them.
    """
    picked = [COLOURS[round(i * (len(COLOURS) - 1) / (stops - 1))] for i in range(stops)]
    marks = "".join(
        f'<stop offset="{i / (stops - 1):.4f}" stop-color="rgb({r},{g},{b})"/>'
        for i, (r, g, b) in enumerate(picked)
    )
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 160 12" '
        'preserveAspectRatio="none"><linearGradient id="scale">'
        f'{marks}</linearGradient><rect width="160" height="12" fill="url(#scale)"/></svg>\n'
    )
