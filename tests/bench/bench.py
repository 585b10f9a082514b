#!/usr/bin/env python3
"""Times programs under bfopt's engines and under other implementations.

    ./dev bench                                       samples/, all engines, peers found on PATH
    ./dev bench --engines jit-O1,jit,asm DIRECTORY    these levels, and other programs
    ./dev bench --show cpu,wall,ratio --svg bars.svg --markdown table.md --csv all.csv
    ./dev bench --peer 'tritium=bfi.out -b -q {}' --peer-c 'tritium-c=bfi.out -b -c {}'

A program is NAME.b, reads NAME.in if there is one, and has to print NAME.out if there is one; a run
that prints something else is marked `wrong`, one that takes too long `slow`, and neither is timed.
An engine is default (what `bfopt NAME.b` does), ref, interp, interp-switch, jit or asm (the
assembled program), with -O1 and so on for a level.  A peer is a command in which {} stands for the
program's file; one given as --peer-c writes C, which cc -O3 compiles.

All contenders run in turn, the whole round --runs times, so that a machine whose load changes does
not favour one of them; who took longer than --once seconds is not run again.  Processor time (user +
system) is what to compare on a busy machine; a ratio is one of medians.  Compiling and running are
told apart for bfopt by --time-passes, for what is assembled or compiled from C by the process.
"""

import argparse
import os
import statistics
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from contenders import ALL, Peer, find_peers, make_engine, make_translator
from measure import Limits
from programs import find_programs
from report import QUANTITIES, Cell, Report, write_csv


def find_contenders(arguments):
    """bfopt's engines, then the peers given, then those found on PATH."""
    names = (ALL if arguments.engines == "all" else arguments.engines).split(",")
    contenders = [make_engine(name, arguments.bfopt, arguments.option) for name in names]
    if None in contenders:
        sys.exit(f"bench.py: no engine is named {names[contenders.index(None)]}")
    for given in arguments.peer:
        name, _, command = given.partition("=")
        contenders.append(Peer(name, command))
    for given in arguments.peer_c:
        name, _, command = given.partition("=")
        contenders.append(make_translator(name, command, arguments.cc))
    if not arguments.no_path:
        contenders += find_peers([c.name for c in contenders], arguments.cc)
    return contenders


def measure(program, contenders, arguments):
    """Runs a program under all contenders in turn; returns their cells in order."""
    cells = [Cell() for _ in contenders]
    limits = Limits(arguments.limit)
    for _ in range(arguments.runs):
        for contender, cell in zip(contenders, cells):
            if cell.wants_more(arguments.once):
                cell.add(contender.run(program, limits), program)
    if arguments.csv or {"ir", "code"} & set(arguments.show):
        for contender, cell in zip(contenders, cells):
            cell.ir, cell.code = contender.sizes(program)
    return cells


def write_text(row, widths):
    """One line of the table on the terminal."""
    first, *rest = row
    columns = [text.rjust(width) for text, width in zip(rest, widths[1:])]
    print(first.ljust(widths[0]) + "".join(columns), flush=True)


def quantities(text):
    """The quantities named in a list."""
    names = text.split(",")
    unknown = [name for name in names if name not in QUANTITIES]
    if unknown:
        raise argparse.ArgumentTypeError(f"{unknown[0]}: not one of {', '.join(QUANTITIES)}")
    return names


def parse_arguments():
    """Reads the command line."""
    parser = argparse.ArgumentParser(
        description="Time bfopt's engines and other implementations.",
        epilog="What --show knows: " + "; ".join(f"{q}: {w}" for q, w in QUANTITIES.items()) + ".")
    parser.add_argument("place", nargs="*", default=["samples"],
                        help="directories and programs NAME.b (samples)")
    parser.add_argument("--bfopt", default="build/release/bfopt", help="the binary")
    parser.add_argument("--engines", default="all",
                        help=f"comma-separated: ref, interp-switch ...; all is {ALL}")
    parser.add_argument("--option", action="append", default=[], metavar="OPTION",
                        help="pass this to bfopt, too: --option=--cell-bits=16")
    parser.add_argument("--peer", action="append", default=[], metavar="NAME=COMMAND",
                        help="another implementation; {} stands for the program's file")
    parser.add_argument("--peer-c", action="append", default=[], metavar="NAME=COMMAND",
                        help="the same, writing C to standard output")
    parser.add_argument("--cc", default="cc -O3 -w", help="what compiles it (cc -O3 -w)")
    parser.add_argument("--no-path", action="store_true", help="do not look for peers on PATH")
    parser.add_argument("--only", help="only these programs, comma-separated")
    parser.add_argument("--runs", type=int, default=3, help="rounds (3)")
    parser.add_argument("--once", type=float, default=5, metavar="SECONDS",
                        help="do not repeat runs longer than this (5)")
    parser.add_argument("--limit", type=int, default=120, help="CPU seconds for a run (120)")
    parser.add_argument("--show", type=quantities, default=["cpu"], metavar="QUANTITY,...",
                        help="the columns of each contender (cpu)")
    parser.add_argument("--best", action="store_true", help="show minima instead of medians")
    parser.add_argument("--base", metavar="NAME",
                        help="the contender that ratios refer to (the first)")
    parser.add_argument("--markdown", metavar="FILE", help="write the table there, too")
    parser.add_argument("--csv", metavar="FILE", help="write all numbers there")
    parser.add_argument("--svg", metavar="FILE", help="write a bar chart of ratios there")
    return parser.parse_args()


def main():
    """Measures, showing the table as it grows, then writes the files asked for."""
    arguments = parse_arguments()
    contenders = find_contenders(arguments)
    programs = find_programs(arguments.place, arguments.only)
    if not programs:
        sys.exit("bench.py: no programs")
    names = [contender.name for contender in contenders]
    choose = min if arguments.best else statistics.median
    report = Report(contenders, arguments.show, choose, arguments.base)
    header = report.header()
    widths = [max(len(p.name) for p in programs) + 2]
    widths += [max(len(name) + 2, 10) for name in header[1:]]
    results = []
    write_text(header, widths)
    for program in programs:
        results.append((program, measure(program, contenders, arguments)))
        write_text(report.row(*results[-1]), widths)
    for line in report.means(results):
        print(line)
    if arguments.markdown:
        report.write_markdown(arguments.markdown, results)
    if arguments.csv:
        write_csv(arguments.csv, names, results)
    if arguments.svg:
        report.write_chart(arguments.svg, results)
    return 1 if any(cell.problem not in (None, "slow") for _, c in results for cell in c) else 0


if __name__ == "__main__":
    sys.exit(main())
