#!/usr/bin/env python3
"""Times programs under bfopt's engines and under other implementations.

    ./dev bench                                              samples/, --interp and --jit
    ./dev bench --engines jit-O1,jit-O3,asm DIRECTORY        levels, and other programs
    ./dev bench --peer 'tritium=bfi.out -b -q {}' --only life,bfi --markdown table.md

A program is NAME.b, reads NAME.in if there is one, and has to print NAME.out if there is one; a run
that prints something else is marked `wrong`, one that takes too long `slow`, and neither is timed.
An engine is ref, interp, interp-switch, jit or asm (the assembled program), with -O1 and so on for
a level.  A peer is a command in which {} stands for the program's file; those on PATH are found.

All contenders run in turn, the whole round --runs times, so that a machine whose load changes does
not favour one of them; who took longer than --once seconds is not run again.  Processor time (user +
system) is what to compare on a busy machine.  Of it, bfopt's compile time is what --time-passes
says; that of asm, bfopt -S and cc.
"""

import argparse
import csv
import os
import re
import shlex
import shutil
import statistics
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import chart
from measure import Limits, run_command

KNOWN_PEERS = {"tritium": "tritium -b -q {}", "hpbf": "hpbf -f {}", "beef": "beef {}"}
ENGINE = re.compile(r"(ref|interp|interp-switch|jit|asm)(?:-O([0-3]))?$")


class Program:
    """A program with its input and the output it should have (None: not known)."""

    def __init__(self, path):
        stem = path[:-2]
        self.path = path
        self.name = os.path.basename(stem)
        self.input = stem + ".in" if os.path.exists(stem + ".in") else os.devnull
        self.expected = None
        if os.path.exists(stem + ".out"):
            with open(stem + ".out", "rb") as file:
                self.expected = file.read()


class Peer:
    """Another implementation: one command that compiles and runs."""

    def __init__(self, name, command):
        self.name = name
        self.command = shlex.split(command)

    def run(self, program, limits):
        """One run, not divided into compiling and running."""
        command = [word.replace("{}", program.path) for word in self.command]
        return run_command(command, program.input, limits)


class Engine:
    """An engine of bfopt that compiles in memory, or not at all."""

    def __init__(self, name, bfopt):
        kind, level = ENGINE.match(name).groups()
        option = "--interp=switch" if kind == "interp-switch" else "--" + kind
        self.name = name
        self.command = [bfopt, option, "--time-passes"] + ([f"-O{level}"] if level else [])
        self.sizes = {}

    def run(self, program, limits):
        """One run; the compile time is what the program says was not spent on running."""
        run = run_command(self.command + [program.path], program.input, limits)
        spent = re.search(rb"^ *([0-9.]+) ms  run$", run.errors, re.MULTILINE)
        if spent is not None:
            run.compiling = max(run.cpu - float(spent[1]) / 1000, 0)
        if run.status is not None and program.path not in self.sizes:
            self.sizes[program.path] = self.code_size(program, limits)
        run.code = self.sizes.get(program.path)
        return run

    def code_size(self, program, limits):
        """Bytes of machine code, from --stats in a run of its own; None if there is none."""
        if "--jit" not in self.command:
            return None
        run = run_command(self.command + ["--stats", program.path], program.input, limits)
        size = re.search(rb"^jit\.code-bytes ([0-9]+)$", run.errors, re.MULTILINE)
        return int(size[1]) if size else None


class Assembled:
    """bfopt -S, cc, and the program that results."""

    def __init__(self, name, bfopt):
        level = ENGINE.match(name)[2]
        self.name = name
        self.command = [bfopt, "-S"] + ([f"-O{level}"] if level else [])

    def run(self, program, limits):
        """Compiles, then runs; the total is both."""
        with tempfile.TemporaryDirectory() as directory:
            source = os.path.join(directory, "program.s")
            target = os.path.join(directory, "program")
            compiling = 0
            for command in ([*self.command, "-o", source, program.path],
                            ["cc", source, "-o", target]):
                run = run_command(command, os.devnull, limits)
                if run.status != 0:
                    return run
                compiling += run.cpu
            run = run_command([target], program.input, limits)
            run.compiling, run.cpu = compiling, run.cpu + compiling
            return run


def make_engine(name, bfopt):
    """The contender an engine's name stands for."""
    if not ENGINE.match(name):
        sys.exit(f"bench.py: no engine is named {name}")
    return (Assembled if name.startswith("asm") else Engine)(name, bfopt)


def find_contenders(arguments):
    """bfopt's engines, then the peers given, then those found on PATH."""
    contenders = [make_engine(name, arguments.bfopt) for name in arguments.engines.split(",")]
    given = [peer.partition("=") for peer in arguments.peer]
    contenders += [Peer(name, command) for name, _, command in given]
    names = [name for name, _, _ in given]
    for name, command in KNOWN_PEERS.items():
        if name not in names and shutil.which(name) and not arguments.no_path:
            contenders.append(Peer(name, command))
    return contenders


def find_programs(arguments):
    """The programs of all directories, in alphabetical order within each."""
    programs = []
    for place in arguments.place or ["samples"]:
        if place.endswith(".b"):
            programs.append(Program(place))
        else:
            names = sorted(name for name in os.listdir(place) if name.endswith(".b"))
            programs += [Program(os.path.join(place, name)) for name in names]
    if arguments.only:
        programs = [p for p in programs if p.name in arguments.only.split(",")]
    return programs


class Cell:
    """What is known of a program under a contender: its good runs, or why there are none."""

    def __init__(self):
        self.runs, self.problem = [], None

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

    def pick(self, key, choose):
        """The minimum or median (`choose`) of one of a run's numbers; None if there is none."""
        values = [getattr(run, key) for run in self.runs if getattr(run, key) is not None]
        return choose(values) if values and self.problem is None else None


def measure(program, contenders, arguments):
    """Runs a program under all contenders in turn; returns their cells in order."""
    cells = [Cell() for _ in contenders]
    limits = Limits(arguments.limit)
    for _ in range(arguments.runs):
        for contender, cell in zip(contenders, cells):
            if cell.wants_more(arguments.once):
                cell.add(contender.run(program, limits), program)
    return cells


# ---- what is written ----

def format_time(seconds):
    """Three significant digits, as far as milliseconds matter."""
    if seconds >= 10:
        return f"{seconds:.1f}"
    return f"{seconds:.2f}" if seconds >= 1 else f"{seconds:.3f}"


def format_cell(cell, arguments):
    """The number for a table: CPU time, or with --split compiling + running."""
    if cell.problem is not None:
        return cell.problem
    choose = statistics.median if arguments.median else min
    total = cell.pick(arguments.time, choose)
    compiling = cell.pick("compiling", choose)
    if not arguments.split or compiling is None:
        return format_time(total)
    return f"{format_time(compiling)} + {format_time(max(cell.pick('cpu', choose) - compiling, 0))}"


def write_text(row, widths):
    """One line of the table on the terminal."""
    first, *rest = row
    columns = [text.rjust(width) for text, width in zip(rest, widths[1:])]
    print(first.ljust(widths[0]) + "".join(columns), flush=True)


def write_markdown(path, header, rows):
    """The table in Markdown."""
    with open(path, "w", encoding="utf-8") as file:
        for row in [header, ["---"] + ["---:"] * (len(header) - 1)] + rows:
            file.write("| " + " | ".join(row) + " |\n")


def write_csv(path, contenders, results):
    """All that was measured: a line for each program and contender."""
    columns = ["wall", "cpu", "compiling"]
    with open(path, "w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(["program", "contender", "problem", "runs"] +
                       [f"{c}_{k}" for c in columns for k in ("min", "median")] + ["code_bytes"])
        for program, cells in results:
            for contender, cell in zip(contenders, cells):
                numbers = [cell.pick(c, k) for c in columns for k in (min, statistics.median)]
                table.writerow([program.name, contender.name, cell.problem or "", len(cell.runs)] +
                               ["" if n is None else f"{n:.6f}" for n in numbers] +
                               [cell.pick("code", min) or ""])


def write_chart(path, contenders, results, arguments):
    """Bars of how long each contender takes, in units of the one of --base."""
    names = [contender.name for contender in contenders]
    base = names.index(arguments.base) if arguments.base in names else 0
    choose = statistics.median if arguments.median else min
    groups = []
    for program, cells in results:
        times = [cell.pick(arguments.time, choose) for cell in cells]
        if times[base]:
            bars = [t and t / times[base] for i, t in enumerate(times) if i != base]
            groups.append((f"{program.name}  ({format_time(times[base])} s)", bars))
    series = [name for i, name in enumerate(names) if i != base]
    with open(path, "w", encoding="utf-8") as file:
        file.write(chart.draw(f"Time, relative to {names[base]}", series, groups))


def write_ratios(contenders, results, arguments):
    """The geometric mean of each contender's times in units of the first one's."""
    choose = statistics.median if arguments.median else min
    for i, contender in enumerate(contenders[1:], 1):
        pairs = [(cells[i].pick(arguments.time, choose), cells[0].pick(arguments.time, choose))
                 for _, cells in results]
        ratios = [a / b for a, b in pairs if a and b]
        if ratios:
            print(f"{contender.name} / {contenders[0].name}: geometric mean "
                  f"{statistics.geometric_mean(ratios):.2f} of {len(ratios)} programs, "
                  f"from {min(ratios):.2f} to {max(ratios):.2f}")


def parse_arguments():
    """Reads the command line."""
    parser = argparse.ArgumentParser(description="Time bfopt's engines and other implementations.")
    parser.add_argument("place", nargs="*", help="directories and programs NAME.b (samples)")
    parser.add_argument("--bfopt", default="build/release/bfopt", help="the binary")
    parser.add_argument("--engines", default="interp,jit",
                        help="comma-separated: ref, interp, interp-switch, jit, asm, jit-O1 ...")
    parser.add_argument("--peer", action="append", default=[], metavar="NAME=COMMAND",
                        help="another implementation; {} stands for the program's file")
    parser.add_argument("--no-path", action="store_true", help="do not look for peers on PATH")
    parser.add_argument("--only", help="only these programs, comma-separated")
    parser.add_argument("--runs", type=int, default=3, help="rounds (3)")
    parser.add_argument("--once", type=float, default=5, metavar="SECONDS",
                        help="do not repeat runs longer than this (5)")
    parser.add_argument("--limit", type=int, default=120, help="CPU seconds for a run (120)")
    parser.add_argument("--time", choices=["cpu", "wall"], default="cpu",
                        help="processor time (user + system) or that of the clock")
    parser.add_argument("--median", action="store_true", help="show medians instead of minima")
    parser.add_argument("--split", action="store_true", help="show compiling + running (CPU)")
    parser.add_argument("--markdown", metavar="FILE", help="write the table there, too")
    parser.add_argument("--csv", metavar="FILE", help="write all numbers there")
    parser.add_argument("--svg", metavar="FILE", help="write a bar chart of ratios there")
    parser.add_argument("--base", metavar="NAME", help="the contender that is 1 in the chart")
    return parser.parse_args()


def main():
    """Measures, showing the table as it grows, then writes the files asked for."""
    arguments = parse_arguments()
    contenders, programs = find_contenders(arguments), find_programs(arguments)
    if not programs:
        sys.exit("bench.py: no programs")
    header = ["program"] + [contender.name for contender in contenders]
    widths = [max(len(p.name) for p in programs) + 2]
    widths += [max(len(name) + 2, 17 if arguments.split else 10) for name in header[1:]]
    results, rows = [], []
    write_text(header, widths)
    for program in programs:
        cells = measure(program, contenders, arguments)
        results.append((program, cells))
        rows.append([program.name] + [format_cell(cell, arguments) for cell in cells])
        write_text(rows[-1], widths)
    write_ratios(contenders, results, arguments)
    if arguments.markdown:
        write_markdown(arguments.markdown, header, rows)
    if arguments.csv:
        write_csv(arguments.csv, contenders, results)
    if arguments.svg:
        write_chart(arguments.svg, contenders, results, arguments)
    return 1 if any(cell.problem not in (None, "slow") for _, c in results for cell in c) else 0


if __name__ == "__main__":
    sys.exit(main())
