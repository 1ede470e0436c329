"""The legend of the map, drawn from the colours in which the service paints it."""

from __future__ import annotations

from collections.abc import Sequence


def map_colours() -> Sequence[tuple[int, int, int]]:
    """Give the colours of the map from low to high, 0 to 255 each, as the overlay uses them."""
    return [(0, 0, 0), (255, 255, 255)]


def legend_svg(stops: int = 17) -> str:
    """Draw the colour scale, low on the left, as an SVG picture.

    Args:
        stops: how many colours of the table are set; the browser blends between them.
    """
    colours = map_colours()
    picked = [colours[round(i * (len(colours) - 1) / (stops - 1))] for i in range(stops)]
    marks = "".join(
        f'<stop offset="{i / (stops - 1):.4f}" stop-color="rgb({r},{g},{b})"/>'
        for i, (r, g, b) in enumerate(picked)
    )
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 160 12" '
        'preserveAspectRatio="none"><linearGradient id="scale">'
        f'{marks}</linearGradient><rect width="160" height="12" fill="url(#scale)"/></svg>\n'
    )
