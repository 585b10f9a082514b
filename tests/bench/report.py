"""Tables and files of what bench.py measured.

A result is a program and one cell for each contender.  A cell knows the good runs of its contender,
or why there are none.
"""

import csv
import statistics

import chart

# What can be shown: how to find it in a run or a cell, and how to write it.
QUANTITIES = {"cpu": "user + system seconds, compiling included",
              "wall": "seconds by the clock",
              "compile": "CPU seconds before the program starts",
              "run": "CPU seconds of the program",
              "ratio": "CPU time divided by that of --base",
              "ir": "instructions of the optimized program",
              "code": "bytes of machine code"}
TIMES = ("cpu", "wall", "compile", "run")


class Cell:
    """What is known of a program under a contender."""

    def __init__(self):
        self.runs, self.problem = [], None
        self.ir = self.code = None

    def add(self, run, program):
        """Takes a run into account."""
        if run.status is None:
            self.problem = "slow"
        elif run.status != 0:
            self.problem = f"status {run.status}"
        elif program.expected is not None and run.output != program.expected:
            self.problem = "wrong"
        else:
            self.runs.append(run)

    def wants_more(self, once):
        """Is another run worth its time?"""
        return self.problem is None and not (self.runs and self.runs[-1].cpu > once)

    def time(self, quantity, choose):
        """The median or minimum (`choose`) of a time over all runs; None if it is not known."""
        values = [getattr(run, quantity) for run in self.runs]
        if self.problem is not None or not values or None in values:
            return None
        return choose(values)


class Report:
    """How results are shown: which quantities, of which runs, compared with whom."""

    def __init__(self, contenders, quantities, choose, base):
        self.names = [contender.name for contender in contenders]
        self.choose = choose
        self.base = self.names.index(base) if base in self.names else 0
        self.columns = [(i, quantity) for i, contender in enumerate(contenders)
                        for quantity in quantities if quantity in contender.knows
                        and not (quantity == "ratio" and i == self.base)]
        self.one_each = quantities == ["cpu"]

    def header(self):
        """The head of the table: a column for each contender and quantity that it knows."""
        return ["program"] + [self.names[i] + ("" if self.one_each else " " + quantity)
                              for i, quantity in self.columns]

    def row(self, program, cells):
        """The line of a program."""
        return [program.name] + [self.show(cells[i], quantity, cells)
                                 for i, quantity in self.columns]

    def show(self, cell, quantity, cells):
        """A cell's quantity as text, or why there is none."""
        if cell.problem is not None:
            return cell.problem
        if quantity in TIMES:
            return format_time(cell.time(quantity, self.choose))
        if quantity == "ratio":
            return format_ratio(self.ratio(cell, cells))
        return format_count(getattr(cell, quantity))

    def ratio(self, cell, cells):
        """The cell's time in units of the base's; None if one of them is not known."""
        mine, theirs = (c.time("cpu", self.choose) for c in (cell, cells[self.base]))
        return mine / theirs if mine and theirs else None

    def means(self, results):
        """One line for each contender: the geometric mean of its ratios, and their range."""
        for i, name in enumerate(self.names):
            ratios = [self.ratio(cells[i], cells) for _, cells in results]
            ratios = [ratio for ratio in ratios if ratio]
            if ratios and i != self.base:
                yield (f"{name} / {self.names[self.base]}: geometric mean "
                       f"{statistics.geometric_mean(ratios):.2f} of {len(ratios)} programs, "
                       f"from {min(ratios):.2f} to {max(ratios):.2f}")

    def write_markdown(self, path, results):
        """The table in Markdown, and the means below it."""
        rows = [self.row(program, cells) for program, cells in results]
        header = self.header()
        with open(path, "w", encoding="utf-8") as file:
            for row in [header, ["---"] + ["---:"] * (len(header) - 1)] + rows:
                file.write("| " + " | ".join(row) + " |\n")
            for line in self.means(results):
                file.write(f"\n{line}\n")

    def write_chart(self, path, results):
        """Bars of how long each contender takes, in units of the base."""
        others = [i for i in range(len(self.names)) if i != self.base]
        groups = []
        for program, cells in results:
            base = cells[self.base].time("cpu", self.choose)
            if base:
                bars = [self.ratio(cells[i], cells) for i in others]
                groups.append((f"{program.name}  ({format_time(base)} s)", bars))
        series = [self.names[i] for i in others]
        with open(path, "w", encoding="utf-8") as file:
            file.write(chart.draw(f"CPU time, relative to {self.names[self.base]}", series, groups))


def write_csv(path, names, results):
    """All that was measured: a line for each program and contender."""
    picks = {"min": min, "median": statistics.median}
    with open(path, "w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(["program", "contender", "problem", "runs"] +
                       [f"{time}_{pick}" for time in TIMES for pick in picks] +
                       ["ir_instructions", "code_bytes"])
        for program, cells in results:
            for name, cell in zip(names, cells):
                times = [cell.time(time, pick) for time in TIMES for pick in picks.values()]
                table.writerow([program.name, name, cell.problem or "", len(cell.runs)] +
                               ["" if t is None else f"{t:.6f}" for t in times] +
                               ["" if n is None else n for n in (cell.ir, cell.code)])


def format_time(seconds):
    """Three significant digits, as far as milliseconds matter."""
    if seconds is None:
        return ""
    if seconds >= 10:
        return f"{seconds:.1f}"
    return f"{seconds:.2f}" if seconds >= 1 else f"{seconds:.3f}"


def format_ratio(ratio):
    """Two digits behind the point."""
    return "" if ratio is None else f"{ratio:.2f}"


def format_count(number):
    """A whole number, or nothing."""
    return "" if number is None else str(number)
