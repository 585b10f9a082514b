#!/usr/bin/env python3
"""Shows what a change does to the code bfopt makes, in counts that do not depend on the machine.

    ./dev trend                         the samples: this tree against its last commit
    ./dev trend --against HEAD~5 DIR    against another commit, on other programs
    ./dev trend --callgrind             also count the instructions that runs execute
    ./dev trend --record FILE           write the counts down ...
    ./dev trend --against FILE          ... and compare with them later

With nothing changed since the last commit, ./dev trend compares that with the one before.  Another
commit is built below build/trend, once.  Only what differs is shown, and the sums; --all shows every
program.  The exit status does not judge: fewer is better, but a smaller program can be slower.

Counted are the instructions of the optimized program (ir), the bytes of machine code (code) and,
with --callgrind, the instructions executed in generated code (ran) and elsewhere (spent: compiling,
starting, input and output), at the level of optimization chosen with --level.
"""

import argparse
import csv
import os
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from counts import count_code, count_executed, count_ir
from programs import find_programs

STATIC, EXECUTED = ["ir", "code"], ["ran", "spent"]


def count(bfopt, program, arguments):
    """What there is to count of one program: numbers by quantity, None for those not known."""
    options = [f"-O{arguments.level}", *arguments.option]
    counts = {"ir": count_ir(bfopt, options, program.path),
              "code": count_code(bfopt, options, program.path)}
    if arguments.callgrind:
        counts["ran"], counts["spent"] = count_executed(
            [bfopt, "--jit", *options, program.path], program.input, program.expected,
            arguments.limit)
    return counts


def count_all(bfopt, programs, arguments):
    """The counts of all programs by name."""
    return {program.name: count(bfopt, program, arguments) for program in programs}


# ---- what to compare with ----

def git(*command):
    """What a git command says; None if it fails."""
    done = subprocess.run(["git", *command], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                          check=False)
    return done.stdout.decode().strip() if done.returncode == 0 else None


def default_commit():
    """The last commit, or if nothing has changed since then the one before."""
    return "HEAD" if git("status", "--porcelain", "--untracked-files=no") else "HEAD~1"


def build_commit(revision, directory):
    """Builds a commit, unless that was done before; returns the path of its bfopt."""
    commit = git("rev-parse", "--verify", "--quiet", revision + "^{commit}")
    if commit is None:
        sys.exit(f"trend.py: {revision} is neither a file nor a commit")
    place = os.path.join(directory, commit)
    source, build = os.path.join(place, "source"), os.path.join(place, "build")
    bfopt = os.path.join(build, "bfopt")
    if os.path.exists(bfopt):
        return bfopt
    print(f"trend.py: building {commit[:10]}", file=sys.stderr)
    os.makedirs(source, exist_ok=True)
    archive = subprocess.run(["git", "archive", commit], stdout=subprocess.PIPE, check=True)
    subprocess.run(["tar", "-x", "-C", source], input=archive.stdout, check=True)
    for command in (["meson", "setup", "--buildtype=release", "-Dtests=disabled", build, source],
                    ["ninja", "-C", build, "bfopt"]):
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              check=False)
        if done.returncode != 0:
            sys.exit(f"trend.py: {revision} cannot be built\n{done.stdout.decode()[-2000:]}")
    return bfopt


def write_record(path, counts):
    """Writes counts to a file."""
    with open(path, "w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        quantities = list(next(iter(counts.values())))
        table.writerow(["program", *quantities])
        for name, numbers in counts.items():
            table.writerow([name] + ["" if n is None else n for n in numbers.values()])


def read_record(path):
    """Reads what write_record has written."""
    with open(path, newline="", encoding="utf-8") as file:
        return {row.pop("program"): {q: int(n) if n else None for q, n in row.items()}
                for row in csv.DictReader(file)}


def counts_before(programs, arguments):
    """The counts to compare with, and what they are of."""
    against = arguments.against or default_commit()
    if os.path.isfile(against):
        return read_record(against), against
    bfopt = build_commit(against, arguments.builds)
    return count_all(bfopt, programs, arguments), git("log", "-1", "--format=%h %s", against)


# ---- what is written ----

def change(before, after):
    """How a number has changed, in words a table has room for."""
    if before is None or after is None:
        return "?" if before != after else ""
    if before == after:
        return ""
    share = f" {100 * (after - before) / before:+.1f}%" if before else ""
    return f"{after - before:+d}{share}"


def compare(name, before, after, quantities):
    """The line of a program, and whether anything in it differs."""
    line, differs = [name], False
    for quantity in quantities:
        old, new = before.get(quantity), after.get(quantity)
        difference = change(old, new)
        line += ["-" if new is None else str(new), difference]
        differs = differs or difference != ""
    return line, differs


def add_up(counts, names, quantities, other):
    """The sums over all programs for which both sides know the number."""
    def known(name, quantity):
        return None not in (counts[name].get(quantity), other[name].get(quantity))

    return {q: sum(counts[name][q] for name in names if known(name, q)) for q in quantities}


def print_table(lines):
    """The lines, in columns."""
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    for line in lines:
        columns = [text.rjust(width) for text, width in zip(line[1:], widths[1:])]
        print("  ".join([line[0].ljust(widths[0]), *columns]).rstrip())


def report(before, after, arguments):
    """Prints what has changed."""
    quantities = STATIC + (EXECUTED if arguments.callgrind else [])
    names = [name for name in after if name in before]
    lines, same = [["program"] + [text for q in quantities for text in (q, "change")]], 0
    for name in names:
        line, differs = compare(name, before[name], after[name], quantities)
        if differs or arguments.all:
            lines.append(line)
        same += not differs
    sums = [add_up(a, names, quantities, b) for a, b in ((before, after), (after, before))]
    lines.append(compare("all", *sums, quantities)[0])
    print_table(lines)
    print(f"{len(names) - same} of {len(names)} programs differ")


def parse_arguments():
    """Reads the command line."""
    parser = argparse.ArgumentParser(
        description="Show what a change does to the code bfopt makes, without timing.")
    parser.add_argument("place", nargs="*", default=["samples"],
                        help="directories and programs NAME.b (samples)")
    parser.add_argument("--bfopt", default="build/release/bfopt", help="this tree's binary")
    parser.add_argument("--against", metavar="COMMIT|FILE", help="what to compare with")
    parser.add_argument("--record", metavar="FILE", help="write the counts there, compare nothing")
    parser.add_argument("--callgrind", action="store_true", help="count executed instructions")
    parser.add_argument("--level", default="2", choices="0123", help="of optimization (2)")
    parser.add_argument("--option", action="append", default=[], metavar="OPTION",
                        help="pass this to bfopt, too: --option=--cell-bits=16")
    parser.add_argument("--only", help="only these programs, comma-separated")
    parser.add_argument("--all", action="store_true", help="show programs that did not change")
    parser.add_argument("--limit", type=int, default=120, metavar="SECONDS",
                        help="leave out runs that take callgrind longer than this (120)")
    parser.add_argument("--builds", default="build/trend", metavar="DIRECTORY",
                        help="where other commits are built (build/trend)")
    return parser.parse_args()


def main():
    """Counts, then records or compares."""
    arguments = parse_arguments()
    programs = find_programs(arguments.place, arguments.only)
    if not programs:
        sys.exit("trend.py: no programs")
    counts = count_all(arguments.bfopt, programs, arguments)
    if arguments.record:
        write_record(arguments.record, counts)
        return
    before, what = counts_before(programs, arguments)
    print(f"against {what}")
    report(before, counts, arguments)


if __name__ == "__main__":
    main()
