#!/usr/bin/env python3
"""How do time and memory grow with the program?  tests/bench/scale.py --bfopt BFOPT

Each shape of program is run at a quarter, half and all of its size, with a stack of 256 kB.  The
table has processor seconds and peak memory, and by what the last doubling multiplied them; a linear
compiler doubles.  The last line counts the series that grew at the last doubling by no more than
--most allows (a quadratic one grows fourfold); the exit status is 1 if one did not.
"""

import argparse
import os
import sys
import tempfile

import chart
from measure import Limits, run_command

# Name, text for n repetitions, repetitions at full size, exit status expected.
SHAPES = [
    ("straight code", lambda n: "+>-<" * n, 25_000_000, 0),
    ("loops that move a cell", lambda n: "+[->+<]" * n, 1_000_000, 0),
    ("loops that do I/O", lambda n: "+[>,<-]" * n, 1_000_000, 0),
    ("balanced nests", lambda n: (",[" + "[->[->+<]<]" * 8 + ">]") * n, 60_000, 0),
    ("nested loops", lambda n: "+[>" * n + "]" * n, 1_000_000, 0),
    ("nested loops never entered", lambda n: "," + "[>" * n + "]" * n, 1_000_000, 0),
    ("unmatched [", lambda n: "[" * n, 1_000_000, 2),
    ("unmatched ]", lambda n: "]" * n, 1_000_000, 2),
]
ENGINES = {"default": [], "jit-O1": ["-O1", "--jit"], "jit-O2": ["-O2", "--jit"],
           "jit-O3": ["-O3", "--jit"],
           "interp-O1": ["-O1", "--interp"], "interp-O2": ["-O2", "--interp"], "ref": ["--ref"]}
STEPS = (4, 2, 1)  # what part of the full size
STACK = 256 * 1024


class Series:
    """One shape under one engine: a run for each size."""

    def __init__(self, shape, engine, sizes, runs):
        self.shape, self.engine, self.sizes, self.runs = shape, engine, sizes, runs

    def growth(self, quantity):
        """By what the last doubling multiplied a quantity, if it can be told."""
        before, after = (getattr(run, quantity) for run in self.runs[-2:])
        return after / before if before else None

    def is_linear(self, most):
        """Did no quantity grow by more at the last doubling?  Short times are noise, the kernel's
        vary, and Python itself takes some memory."""
        before, after = self.runs[-2:]
        return (after.user <= max(before.user, 0.3) * most and
                after.memory <= max(before.memory, 20e6) * most)


def measure(bfopt, shape, engine, scale, limits):
    """Runs a shape at each size; None if a run did not end as it should."""
    name, text, full, status = shape
    runs, sizes = [], [max(1, round(full * scale / part)) for part in STEPS]
    for size in sizes:
        with tempfile.NamedTemporaryFile("w", suffix=".b") as file:
            file.write(text(size))
            file.flush()
            run = run_command([bfopt, *ENGINES[engine], file.name], os.devnull, limits)
        if run.status != status:
            why = "out of time" if run.status is None else f"status {run.status}"
            print(f"FAIL {name}, {engine}, {size} times: {why}")
            sys.stdout.write(run.errors.decode(errors="replace")[:300])
            return None
        runs.append(run)
    return Series(name, engine, sizes, runs)


def cell(run):
    """Time and memory of a run, for the table."""
    return f"{run.cpu:.2f} s, {run.memory / 1e6:.0f} MB"


def rows(series):
    """The table: a header and a row for each series."""
    yield ["program", "engine", "repetitions", "1/4", "1/2", "all", "time", "memory"]
    for s in series:
        grown = [s.growth(quantity) for quantity in ("cpu", "memory")]
        yield [s.shape, s.engine, f"{s.sizes[-1]:,}", *map(cell, s.runs),
               *("-" if g is None else f"{g:.1f}x" for g in grown)]


def markdown(table):
    """A table for the documents."""
    head, *body = table
    lines = [head, ["---"] * 3 + ["---:"] * (len(head) - 3), *body]
    return "".join("| " + " | ".join(line) + " |\n" for line in lines)


def plain(table):
    """A table for a terminal."""
    widths = [max(map(len, column)) for column in zip(*table)]
    return "".join("  ".join(word.ljust(w) for word, w in zip(row, widths)).rstrip() + "\n"
                   for row in table)


def arguments():
    """The command line."""
    parser = argparse.ArgumentParser(description="Time and memory for programs of growing size.")
    parser.add_argument("--bfopt", default="build/release/bfopt", help="the binary")
    parser.add_argument("--engines", default="default,jit-O1,jit-O3",
                        help="comma-separated, of " + ",".join(ENGINES))
    parser.add_argument("--only", default="", help="only shapes whose names hold this")
    parser.add_argument("--scale", type=float, default=1, help="a part of the full sizes (1)")
    parser.add_argument("--most", type=float, default=3,
                        help="growth from half to all that still passes (3)")
    parser.add_argument("--limit", type=int, default=300, help="CPU seconds for a run (300)")
    parser.add_argument("--markdown", metavar="FILE", help="write the table there, too")
    parser.add_argument("--svg", metavar="FILE", help="draw time against size there")
    return parser.parse_args()


def main():
    """Measures, writes, counts."""
    args = arguments()
    limits = Limits(args.limit, stack=STACK)
    bfopt = os.path.abspath(args.bfopt)
    passed, series, failed = 0, [], 0
    for shape in SHAPES:
        if args.only not in shape[0]:
            continue
        for engine in args.engines.split(","):
            one = measure(bfopt, shape, engine, args.scale, limits)
            if one and not one.is_linear(args.most):  # perhaps by what else the machine did
                one = measure(bfopt, shape, engine, args.scale, limits)
            if one:
                series.append(one)
            good = one and one.is_linear(args.most)
            passed, failed = passed + bool(good), failed + (not good)
            if one and not good:
                print(f"FAIL {shape[0]}, {engine}: grows faster than the program")
    table = list(rows(series))
    print(plain(table), end="")
    if args.markdown:
        with open(args.markdown, "w", encoding="utf-8") as file:
            file.write(markdown(table))
    if args.svg:
        lines = [(s.shape, s.engine, [(size / s.sizes[-1], run.cpu)
                                      for size, run in zip(s.sizes, s.runs)]) for s in series]
        with open(args.svg, "w", encoding="utf-8") as file:
            file.write(chart.draw_growth("Processor seconds for parts of a program", lines))
    print(f"{passed} passed, {failed} failed")
    return failed != 0


if __name__ == "__main__":
    sys.exit(main())
