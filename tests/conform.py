#!/usr/bin/env python3
"""Runs a directory of programs through every engine and compares their output.

    tests/conform.py DIRECTORY --bfopt build/release/bfopt --ref
    tests/conform.py DIRECTORY --only Prime,Hanoi --engines O3,asm --cell-bits Prime=16

A program is NAME.b; NAME.out is what it has to print and NAME.in, if there is one, what it reads.
Programs without NAME.out are left out, or with --agree compared with what --ref makes of them.
The programs are other people's and not part of this repository.

The table has a row for each program and a column for each engine: CPU seconds (of bfopt or, under
`asm`, of the assembled program), or what went wrong.  `slow` means that the limit was reached,
which is a failure, except under `ref` where it says nothing.  The last line counts.
"""

import argparse
import os
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "bench"))

from measure import Limits, run_command

ENGINES = {
    "default": [],
    "interp": ["--interp"],
    "O1": ["-O1", "--jit"],
    "O3": ["-O3", "--jit"],
    "asm": ["-O3"],
    "ref": ["--ref"],
}


def assemble(bfopt, options, program, directory, limits):
    """Compiles a program to a file to be run; returns its path, or what failed."""
    source = os.path.join(directory, "program.s")
    target = os.path.join(directory, "program")
    command = [bfopt, *options, "-S", "-o", source, program]
    if run_command(command, os.devnull, limits).status != 0:
        return None, "no asm"
    if run_command(["cc", source, "-o", target], os.devnull, limits).status != 0:
        return None, "no cc"
    return target, None


class Program:
    """A program with its input, the output expected (None: not known) and its exceptions."""

    def __init__(self, directory, name, arguments):
        self.path = os.path.join(directory, name + ".b")
        self.name = name
        self.input = os.path.join(directory, name + ".in")
        if not os.path.exists(self.input):
            self.input = os.devnull
        self.expected = read(os.path.join(directory, name + ".out"), None)
        self.options = []
        if name in arguments.cell_bits:
            self.options.append("--cell-bits=" + arguments.cell_bits[name])
        if name in arguments.input:
            self.input = arguments.input[name]
        if name in arguments.final_newline:
            self.expected += b"\n"

    def run(self, bfopt, engine, limits):
        """Runs the program; returns a Run, or a word saying why there is none."""
        options = ENGINES[engine] + self.options
        if engine != "asm":
            return run_command([bfopt, *options, self.path], self.input, limits)
        with tempfile.TemporaryDirectory() as directory:
            target, problem = assemble(bfopt, options, self.path, directory, limits)
            return problem if problem else run_command([target], self.input, limits)


def read(path, otherwise):
    """The bytes of a file, or `otherwise` if there is none."""
    if not os.path.exists(path):
        return otherwise
    with open(path, "rb") as file:
        return file.read()


def difference(expected, found):
    """Where two outputs part."""
    common = os.path.commonprefix([expected, found])
    if len(common) == len(found):
        return f"short@{len(common)}"
    return f"differs@{len(common)}"


def judge(program, result, expected, status):
    """A verdict: (passed, text), where passed is None if the run says nothing."""
    if isinstance(result, str):
        return False, result
    if result.status is None:
        return False, "slow"
    if result.output != expected:
        return False, difference(expected, result.output)
    if result.status != status:
        return False, f"status {result.status}"
    return True, f"{result.cpu:.2f}" + ("*" if program.options else "")


def check(program, arguments):
    """Runs one program under all engines; returns its row and how many passed and failed."""
    verdicts = {}
    expected, status = program.expected, 0
    if "ref" in arguments.engines or expected is None:
        result = program.run(arguments.bfopt, "ref", Limits(arguments.ref_limit))
        if expected is None:
            if result.status is None:
                return ["-"] * len(arguments.engines), 0, 0
            expected, status = result.output, result.status
        verdicts["ref"] = judge(program, result, expected, status)
        if result.status is None:
            verdicts["ref"] = None, "slow"
    for engine in arguments.engines:
        if engine not in verdicts:
            result = program.run(arguments.bfopt, engine, Limits(arguments.limit))
            verdicts[engine] = judge(program, result, expected, status)
    row = [verdicts[engine] for engine in arguments.engines]
    passed = [p for p, _ in row]
    return [text for _, text in row], passed.count(True), passed.count(False)


def find(arguments):
    """The programs to run, in alphabetical order."""
    names = sorted(f[:-2] for f in os.listdir(arguments.directory) if f.endswith(".b"))
    if arguments.only:
        names = [name for name in names if name in arguments.only.split(",")]
    programs = [Program(arguments.directory, name, arguments) for name in names]
    return [p for p in programs if arguments.agree or p.expected is not None]


class Pairs(argparse.Action):
    """Collects NAME=VALUE options in a dictionary."""

    def __call__(self, parser, namespace, value, option_string=None):
        name, equals, rest = value.partition("=")
        if not equals:
            parser.error(f"{option_string} wants NAME=VALUE")
        setattr(namespace, self.dest, {**getattr(namespace, self.dest), name: rest})


def parse_arguments():
    """Reads the command line."""
    parser = argparse.ArgumentParser(
        description="Compare what programs print under every engine with what they should.")
    parser.add_argument("directory", help="programs NAME.b with NAME.out and perhaps NAME.in")
    parser.add_argument("--bfopt", default="build/release/bfopt", help="the binary to test")
    parser.add_argument("--engines", default="default,interp,O1,O3,asm",
                        help="comma-separated; " + ", ".join(ENGINES))
    parser.add_argument("--ref", action="store_true", help="the reference interpreter, too")
    parser.add_argument("--only", help="only these programs, comma-separated")
    parser.add_argument("--agree", action="store_true",
                        help="programs without NAME.out, too: all engines have to agree with --ref")
    parser.add_argument("--limit", type=int, default=60, help="CPU seconds for a run (60)")
    parser.add_argument("--ref-limit", type=int, default=20, help="the same for --ref (20)")
    parser.add_argument("--cell-bits", action=Pairs, default={}, metavar="NAME=N",
                        help="this program needs other cells (marked * in the table)")
    parser.add_argument("--input", action=Pairs, default={}, metavar="NAME=FILE",
                        help="this program reads FILE instead of NAME.in")
    parser.add_argument("--final-newline", action="append", default=[], metavar="NAME",
                        help="NAME.out lacks the newline that the program prints at its end")
    arguments = parser.parse_args()
    arguments.engines = arguments.engines.split(",") + (["ref"] if arguments.ref else [])
    unknown = set(arguments.engines) - set(ENGINES)
    if unknown:
        parser.error("no such engine: " + ", ".join(sorted(unknown)))
    return arguments


def main():
    """Runs all programs; the exit status is 0 if none failed."""
    arguments = parse_arguments()
    programs = find(arguments)
    passed = failed = 0
    print(" " * 24 + "".join(f"{engine:>14}" for engine in arguments.engines))
    for program in programs:
        row, good, bad = check(program, arguments)
        passed += good
        failed += bad
        print(f"{program.name:24}" + "".join(f"{text:>14}" for text in row), flush=True)
    print(f"{passed} passed, {failed} failed")
    return 0 if passed > 0 and failed == 0 else 1


if __name__ == "__main__":
    sys.exit(main())
