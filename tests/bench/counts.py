"""Counts what does not depend on the machine's load: instructions and bytes.  Used by bench.py and
trend.py.

Sizes come from what bfopt prints, so that any commit's build can be asked: a line of --dump-ir that
is indented is an instruction, and the last line of --dump-asm with an address ends the code.
Instructions executed come from valgrind's callgrind, which tells code that belongs to no file,
the code that bfopt generated, from the rest: compiling, starting, and input and output.
"""

import os
import re
import subprocess
import tempfile

CODE_LINE = re.compile(rb"([0-9a-f]{6,})  ((?:[0-9a-f]{2} )+)")


def count_ir(bfopt, options, path):
    """Instructions of the optimized program; None if bfopt fails."""
    return count_lines([bfopt, *options, "--dump-ir", path],
                       lambda count, line: count + line.startswith(b"  "))


def count_code(bfopt, options, path):
    """Bytes of machine code; None if bfopt fails."""
    def end(size, line):
        found = CODE_LINE.match(line)
        return int(found[1], 16) + len(found[2]) // 3 if found else size

    return count_lines([bfopt, *options, "--dump-asm", path], end)


def count_lines(command, step):
    """Folds the lines a command writes; None if it fails or nothing was found."""
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL) as child:
        count = 0
        for line in child.stdout:
            count = step(count, line)
    return count if child.returncode == 0 and count else None


def count_executed(command, input_path, expected, limit):
    """Runs a command under callgrind; returns instructions executed in generated code and elsewhere.

    A run that fails, takes more than `limit` seconds, or prints something else than `expected`
    (None: anything goes) gives (None, None).
    """
    with tempfile.TemporaryDirectory() as directory:
        profile = os.path.join(directory, "callgrind.out")
        valgrind = ["valgrind", "-q", "--tool=callgrind", "--compress-strings=no",
                    f"--callgrind-out-file={profile}"]
        try:
            with open(input_path, "rb") as source:
                done = subprocess.run(valgrind + command, stdin=source, stdout=subprocess.PIPE,
                                      stderr=subprocess.DEVNULL, timeout=limit, check=False)
        except subprocess.TimeoutExpired:
            return None, None
        if done.returncode != 0 or (expected is not None and done.stdout != expected):
            return None, None
        with open(profile, encoding="utf-8", errors="replace") as lines:
            return add_up(lines)


def add_up(lines):
    """The instructions of a profile: in code without a file, and in the rest.

    A line of two numbers is a place and its cost; behind `calls=` it is what the call cost, which
    is counted where it arises.
    """
    generated = rest = 0
    unknown = called = False
    for line in lines:
        if line.startswith("ob="):
            unknown = line.rstrip() in ("ob=", "ob=???")
        elif line[:1].isdigit() or line[:1] in "+-*":
            cost = 0 if called else int(line.split()[1])
            if unknown:
                generated += cost
            else:
                rest += cost
        called = line.startswith("calls=")
    return generated, rest
