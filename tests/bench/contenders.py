"""What bench.py times: engines of bfopt and other implementations.

Each contender has a name, run(program, limits), which gives a Run (measure.py), sizes(program), which
gives the instructions of the IR and the bytes of machine code, and knows, the set of quantities
(report.py) that these two give.
"""

import os
import re
import shlex
import shutil
import tempfile

from counts import count_code, count_ir
from measure import run_command

TOTAL = {"cpu", "wall", "ratio"}
APART = TOTAL | {"compile", "run"}

ENGINE = re.compile(r"(default|ref|interp|interp-switch|jit|asm)(?:-O([0-3]))?$")
ALL = "default,interp,jit-O1,jit-O2,jit-O3,asm"

# Peers that are looked for on PATH: the program, and the command in which {} is the file to run.
KNOWN_PEERS = {"tritium": ("tritium", "tritium -b -q {}"),
               "hpbf": ("hpbf", "hpbf -i8 --base-jit -f {}"),
               "hpbf-static": ("hpbf", "hpbf -i8 --base-jit --static -f {}"),
               "beef": ("beef", "beef {}")}
# The same for those that write C to standard output.
KNOWN_TRANSLATORS = {"tritium-c": ("tritium", "tritium -b -c {}")}


class Engine:
    """An engine of bfopt that compiles in memory, or not at all."""

    def __init__(self, name, bfopt, options):
        kind, level = ENGINE.match(name).groups()
        self.name, self.bfopt = name, bfopt
        self.options = options + ([f"-O{level}"] if level else [])
        self.knows = {"default": TOTAL, "ref": TOTAL,
                      "jit": APART | {"ir", "code"}}.get(kind, APART | {"ir"})
        engine = {"default": [], "interp-switch": ["--interp=switch"]}.get(kind, ["--" + kind])
        # With --time-passes the default mode waits, at the end, for what it is compiling.
        apart = ["--time-passes"] if "run" in self.knows else []
        self.command = [bfopt, *apart, *engine, *self.options]

    def run(self, program, limits):
        """One run; what --time-passes does not call running is compiling."""
        run = run_command([*self.command, program.path], program.input, limits)
        spent = re.search(rb"^ *([0-9.]+) ms  run$", run.errors, re.MULTILINE)
        if spent is not None and "run" in self.knows:
            run.set_running(float(spent[1]) / 1000)
        return run

    def sizes(self, program):
        """The reference has neither; the default mode decides as it runs what to compile."""
        ir, code = (count(self.bfopt, self.options, program.path) if size in self.knows else None
                    for size, count in (("ir", count_ir), ("code", count_code)))
        return ir, code


class Translator:
    """A command that writes a language with a compiler of its own, that compiler, the result."""

    knows = APART

    def __init__(self, name, translate, suffix, compiler):
        self.name, self.translate = name, translate
        self.suffix, self.compiler = suffix, compiler

    def run(self, program, limits):
        """Translates, compiles, then runs; the total is all three."""
        with tempfile.TemporaryDirectory() as directory:
            source = os.path.join(directory, "program" + self.suffix)
            target = os.path.join(directory, "program")
            first = run_command(fill(self.translate, program), os.devnull, limits)
            if first.status != 0:
                return first
            with open(source, "wb") as file:
                file.write(first.output)
            second = run_command([*self.compiler, source, "-o", target], os.devnull, limits)
            if second.status != 0:
                return second
            run = run_command([target], program.input, limits)
            run.add_compiling(first, second)
            return run

    def sizes(self, _):
        """Not known."""
        return None, None


class Assembled(Translator):
    """bfopt -S and cc."""

    knows = APART | {"ir"}

    def __init__(self, name, bfopt, options):
        level = ENGINE.match(name)[2]
        self.bfopt, self.options = bfopt, options + ([f"-O{level}"] if level else [])
        super().__init__(name, [bfopt, "-S", *self.options, "{}"], ".s", ["cc"])

    def sizes(self, program):
        """What cc makes of it has more than the program's code."""
        return count_ir(self.bfopt, self.options, program.path), None


class Peer:
    """Another implementation: one command that compiles and runs."""

    knows = TOTAL

    def __init__(self, name, command):
        self.name, self.command = name, shlex.split(command)

    def run(self, program, limits):
        """One run, not divided into compiling and running."""
        return run_command(fill(self.command, program), program.input, limits)

    def sizes(self, _):
        """Not known."""
        return None, None


def fill(command, program):
    """The command with the program's file in place of {}."""
    return [word.replace("{}", program.path) for word in command]


def make_engine(name, bfopt, options):
    """The contender an engine's name stands for; None if there is no such engine."""
    if not ENGINE.match(name):
        return None
    return (Assembled if name.startswith("asm") else Engine)(name, bfopt, options)


def make_translator(name, command, compiler):
    """A peer that writes C."""
    return Translator(name, shlex.split(command), ".c", shlex.split(compiler))


def find_peers(names, compiler):
    """The known peers on PATH, but for those that have these names."""
    found = []
    for name, (program, command) in KNOWN_PEERS.items():
        if name not in names and shutil.which(program):
            found.append(Peer(name, command))
    for name, (program, command) in KNOWN_TRANSLATORS.items():
        if name not in names and shutil.which(program):
            found.append(make_translator(name, command, compiler))
    return found
