"""Draws charts as SVG: bars of ratios (report.py), lines of growth (scale.py)."""

from math import log
from xml.sax.saxutils import escape

COLOURS = ["#3b6ea5", "#d98032", "#5a9a5a", "#a05195", "#8c6d4f", "#7a7a7a", "#c44e52", "#bcbd22",
           "#17a2b8", "#e377c2"]
LABELS, BARS, MARGIN = 190, 470, 16  # widths: programs' names, the bars, the edge
BAR, GAP, ROW, TOP = 13, 9, 18, 44   # heights: a bar, between groups, the legend's rows, the rest


class Scale:
    """Maps a ratio to a horizontal position: logarithmic, so that twice and half look alike."""

    def __init__(self, ratios):
        self.low = min([0.5] + [r / 1.5 for r in ratios])
        self.high = max([2] + [r * 1.2 for r in ratios])

    def x(self, ratio):
        """The position of a ratio."""
        return LABELS + BARS * log(ratio / self.low) / log(self.high / self.low)

    def ticks(self):
        """Round ratios within the range, no more than about ten."""
        steps = (1, 2, 5) if self.high / self.low < 500 else (1,)
        marks = [m * 10.0 ** e for e in range(-4, 6) for m in steps]
        return [m for m in marks if self.low <= m <= self.high]


def text(x, y, content, **attributes):
    """A piece of text."""
    extra = "".join(f' {key.replace("_", "-")}="{value}"' for key, value in attributes.items())
    return f'<text x="{x:.1f}" y="{y:.1f}"{extra}>{escape(content)}</text>\n'


def line(x, top, bottom, colour):
    """A vertical line."""
    return f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{top}" y2="{bottom}" stroke="{colour}"/>\n'


def bar(scale, y, ratio, colour):
    """A bar from 1 to the ratio, with the number at its end."""
    left, right = sorted((scale.x(1), scale.x(ratio)))
    box = (f'<rect x="{left:.1f}" y="{y}" width="{max(right - left, 1):.1f}" '
           f'height="{BAR - 2}" fill="{colour}"/>\n')
    number = f"{ratio:.2f}" if ratio < 10 else f"{ratio:.0f}"
    if ratio < 1:
        return box + text(left - 4, y + BAR - 4, number, text_anchor="end", font_size=10)
    return box + text(right + 4, y + BAR - 4, number, font_size=10)


def legend(series):
    """The names of the series, each with its colour; and how many rows they take."""
    out, x, y = "", LABELS, 30
    for name, colour in zip(series, COLOURS):
        width = 30 + 7 * len(name)
        if x > LABELS and x + width > LABELS + BARS:
            x, y = LABELS, y + ROW
        out += f'<rect x="{x}" y="{y}" width="11" height="11" fill="{colour}"/>\n'
        out += text(x + 15, y + 10, name)
        x += width
    return out, (y - 30) // ROW + 1


def axis(scale, top, height):
    """The ratios on top, with lines down."""
    out = ""
    for ratio in scale.ticks():
        x = scale.x(ratio)
        out += line(x, top - 4, height - MARGIN, "#333333" if ratio == 1 else "#dddddd")
        out += text(x, top - 8, f"{ratio:g}", text_anchor="middle", fill="#555555", font_size=10)
    return out


def draw(title, series, groups):
    """The chart: groups are pairs of a label and a ratio (or None) for each of the series.

    There are no more series than colours; what is more is left out, and the title says so.
    """
    if len(series) > len(COLOURS):
        title += f" (the first {len(COLOURS)} of {len(series)})"
        series = series[:len(COLOURS)]
    scale = Scale([r for _, ratios in groups for r in ratios[:len(series)] if r])
    names, rows = legend(series)
    top, step = TOP + ROW * rows, BAR * len(series) + GAP
    height = top + step * len(groups) + MARGIN
    width = LABELS + BARS + 4 * MARGIN
    out = (f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
           f'font-family="sans-serif" font-size="12">\n'
           f'<rect width="{width}" height="{height}" fill="white"/>\n')
    out += text(MARGIN, 20, title, font_size=14, font_weight="bold") + names
    out += axis(scale, top, height)
    for i, (label, ratios) in enumerate(groups):
        y = top + 4 + i * step
        out += text(LABELS - 8, y + (step - GAP) / 2 + 4, label, text_anchor="end")
        for j, ratio in enumerate(ratios[:len(series)]):
            if ratio:
                out += bar(scale, y + j * BAR, ratio, COLOURS[j])
    return out + "</svg>\n"


DASHES = ["", ' stroke-dasharray="7 3"', ' stroke-dasharray="2 2"',
          ' stroke-dasharray="9 3 2 3"']


def polyline(points, colour, extra=""):
    """A line through points."""
    dots = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    return f'<polyline points="{dots}" fill="none" stroke="{colour}"{extra}/>\n'


class Square:
    """Two logarithmic axes, of parts of a size and of seconds, for all points."""

    def __init__(self, points, left, top, side):
        self.left, self.top, self.side = left, top, side
        self.parts = sorted({x for x, _ in points} or {0.5, 1})
        seconds = [max(y, 1e-3) for _, y in points] or [1]
        self.low, self.high = log(min(seconds) / 1.3), log(max(seconds) * 1.3)
        self.first, self.last = log(self.parts[0]), log(max(self.parts[-1], 2 * self.parts[0]))

    def place(self, part, second):
        """Where a point lies."""
        return (self.left + self.side * (log(part) - self.first) / (self.last - self.first),
                self.top + self.side * (self.high - log(max(second, 1e-3))) /
                (self.high - self.low))

    def grid(self):
        """Marks, and dashed lines that rise as what is linear does."""
        out, right = "", self.left + self.side
        for exponent in range(-3, 4):
            if self.low <= log(10.0 ** exponent) <= self.high:
                y = self.place(self.parts[0], 10.0 ** exponent)[1]
                out += polyline([(self.left, y), (right, y)], "#dddddd")
                out += text(self.left - 6, y + 4, f"{10.0 ** exponent:g} s", text_anchor="end",
                            fill="#555555")
        for part in self.parts:
            out += text(self.place(part, 1)[0], self.top + self.side + 18, f"{part:g}",
                        text_anchor="middle", fill="#555555")
        out += (f'<clipPath id="square"><rect x="{self.left}" y="{self.top}" '
                f'width="{self.side}" height="{self.side}"/></clipPath>\n')
        ends = (self.parts[0], self.parts[-1])
        for exponent in range(-9, 10):
            out += polyline([self.place(part, part * 4.0 ** exponent) for part in ends], "#bbbbbb",
                            ' stroke-dasharray="1 5" clip-path="url(#square)"')
        return out


def draw_growth(title, series):
    """How time grows.  series are triples: a colour's name, a dash's name, and points (part of the
    full size, seconds)."""
    colours = list(dict.fromkeys(colour for colour, _, _ in series))
    dashes = list(dict.fromkeys(dash for _, dash, _ in series))
    square = Square([point for _, _, points in series for point in points], 60, 50, 340)
    key, height = square.left + square.side + 24, square.top + square.side + 40
    out = (f'<svg xmlns="http://www.w3.org/2000/svg" width="{key + 230}" height="{height}" '
           f'font-family="sans-serif" font-size="12">\n'
           f'<rect width="{key + 230}" height="{height}" fill="white"/>\n')
    out += text(MARGIN, 24, title, font_size=14, font_weight="bold") + square.grid()
    for colour, dash, points in series:
        out += polyline([square.place(*point) for point in points],
                        COLOURS[colours.index(colour) % len(COLOURS)],
                        ' stroke-width="2"' + DASHES[dashes.index(dash) % len(DASHES)])
    rows = [(name, COLOURS[i % len(COLOURS)], "") for i, name in enumerate(colours)]
    rows += [(name, "#555555", DASHES[i % len(DASHES)]) for i, name in enumerate(dashes)]
    for i, (name, colour, dash) in enumerate(rows):
        y = square.top + 10 + 18 * i
        out += polyline([(key, y), (key + 32, y)], colour, ' stroke-width="2"' + dash)
        out += text(key + 40, y + 4, name)
    return out + "</svg>\n"
