#!/usr/bin/env python3
"""tape.py BUILD [--full] [--list]: programs that leave the tape in every way we could think of.

A matrix: direction x distance x how the cell is accessed.  Each program runs
  - in one process under many engines, levels, widths and numbers of registers (the fuzzer's differ),
  - as a process under some of them: exact position, cell and output under --strict; otherwise the
    output that comes before, and an end that is the error (status 3) or, where nobody can see the
    access, no end at that access at all; never a signal,
  - with too little address space for guard pages (RLIMIT_AS), where code checks each access,
  - as a program of its own (-S), a few of them.
--full: every engine, level and width as a process (what a release runs); --list: names and programs.
"""

import os
import re
import resource
import subprocess
import sys
import tempfile

CELLS = 4096  # of the tape; a page at 8 bits
ENGINES = ["--interp", "--interp=switch", "--jit", "--tier-threshold=1 --tier-max=baseline", ""]  # "": whatever bfopt does without options
LIMIT = 20  # seconds for a run
SHORT = 0.5  # for one that may go on for ever
ADDRESS_SPACE = 700 << 20  # bytes: enough to run, too little for guards

# ---- the matrix ----


def go(n):
    return ">" * n if n > 0 else "<" * -n


DISTANCES = [1, 2, 127, 128, 129, 511, 512, 513, 4095, 4096, 4097, 33000]


def matrix():
    """Pairs of name and program.  All write a byte, then leave the tape; @ is the way out."""
    for side in "left", "right":
        sign = -1 if side == "left" else 1
        # From the last cell of this side; what was written to it is 1.
        edge = "" if side == "left" else go(CELLS - 1)
        start = edge + "+."
        for d in DISTANCES:
            out, back = go(sign * d), go(-sign * d)
            for name, program in {
                "write": out + "+",
                "read": out + ".",
                "input": out + ",",
                "test": out + "[.]",
                "clear": out + "[-]",
                "set": out + "[-]+++.",
                "cancel": out + "+-",
                "there-and-back": out + "+" + back + ".",
                "multiply": "++[-" + out + "+++" + back + "]",
                "multiply-first": "++[" + out + "+" + back + "-]",
                "divide": "+[--" + out + "+" + back + "]",
                "copy": "[-" + out + "+" + go(sign) + "+" + go(-sign * (d + 1)) + "]",
                "loop-test": "[" + out + "]",
                "loop-output": "[" + out + ".+]",
                "condition": "[" + out + "." + back + "[-]]",
                "nest": "++[>+<-" + out + "+" + back + "]" if side == "left" else "++[<+>-" + out + "+" + back + "]",
                "promoted": "+++[" + go(-sign) + "+++[" + go(-sign) + "+" + go(sign) + "-]" + go(sign)
                            + "-" + out + "+.-" + back + "]",
                "row": (out + "[-]") * 3,
                "input-loop": ",[" + out + "+" + back + ",]",
                "late": "+++[-." + go(-sign) + "+" + go(sign) + "]" + out + "+",
                # The way out is taken in the third round only.
                "third-round": "++[" + go(-sign) + "+" + go(sign) + "-]" + go(-sign) + "[" + go(sign) + out
                               + "." + back + go(-sign) + "-]",
            }.items():
                yield f"{side}-{d}-{name}", start + program
        # Scans: a row of ones up to the edge, then along it.
        for stride in 1, 2, 3, 4, 5, 7, 8, 9, 16, 17, 32, 33:
            for n in 3, 40:
                row = go(-sign * stride * n) + ("+" + go(sign * stride)) * n + "+"
                base = start + row + go(-sign * stride * n)
                step = go(sign * stride)
                yield f"{side}-scan-{stride}-{n}", base + "[" + step + "]"
                yield f"{side}-scan-{stride}-{n}-look", base + "[" + step + "]."
                yield f"{side}-scan-{stride}-{n}-fill", base + "[+" + step + "+]"
                yield f"{side}-clear-row-{stride}-{n}", base + "[[-]" + step + "+]"
                yield f"{side}-move-row-{stride}-{n}", base + "[[-" + step + "+" + go(-sign * stride) + "]" + step + "]"
        # Blocks, which vector code takes at once, over the edge by one cell.
        for n in 4, 8, 16, 17, 31, 32, 33, 64, 65:
            first = go(-sign * (n - 2))
            for name, what in ("clears", "[-]"), ("sums", "+"), ("outputs", "."), ("sets", "[-]++"):
                yield f"{side}-{name}-{n}", start + first + (what + go(sign)) * n
            yield f"{side}-multiplies-{n}", start + "[-" + first + ("+" + go(sign)) * n + go(-sign * 2) + "]"


def harmless():
    """Programs that look like leaving the tape and do not."""
    for d in 1, 127, 4096, 33000:
        yield f"moves-left-{d}", "+." + go(-d) + go(d) + "."
        yield f"moves-right-{d}", "+." + go(d) + go(-d) + "."
        yield f"ends-left-{d}", "+." + go(-d)
        yield f"idle-multiply-{d}", "[-" + go(-d) + "+" + go(d) + "]+."
        yield f"idle-nest-{d}", "[>+[" + go(-d) + "+" + go(d) + "]<]+."
        yield f"idle-condition-{d}", ">[<" + go(-d) + "[-]" + go(d) + ">[-]]<+."
    yield "scan-to-first", ">+>+>+[<]+."
    yield "last-cell", go(CELLS - 1) + "+[<+>-]<."


# ---- processes ----


class Bench:
    def __init__(self, build):
        self.bfopt = os.path.join(os.path.abspath(build), "bfopt")
        self.fuzz = os.path.join(os.path.abspath(build), "tests", "fuzz")
        self.work = tempfile.TemporaryDirectory()
        self.passed = self.failed = self.reported = self.silent = 0

    def check(self, what, problem):
        if problem:
            self.failed += 1
            print(f"FAIL {what}: {problem}")
        else:
            self.passed += 1

    def path(self, name):
        return os.path.join(self.work.name, name)

    def run(self, args, limit=LIMIT, address_space=None):
        """Status (None: no end in time), output, messages."""
        prepare = None
        if address_space:
            prepare = lambda: resource.setrlimit(resource.RLIMIT_AS, (address_space,) * 2)
        p = subprocess.Popen(args, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                             preexec_fn=prepare)
        try:
            out, err = p.communicate(b"\1", timeout=limit)
            return p.returncode, out, err
        except subprocess.TimeoutExpired:
            p.terminate() # which writes out what there is
            out, err = p.communicate()
            return None if p.returncode == 143 else p.returncode, out, err

    def bf(self, name, options, limit=LIMIT, address_space=None):
        return self.run([self.bfopt, f"--tape={CELLS}", *options, self.path(name)], limit, address_space)


LINE = re.compile(rb"^(.*):1:(\d+): error: cell (-?\d+) is (left|right) of the tape")


def strict_problem(ref, got):
    if got != ref:
        return f"status {got[0]}, {got[1]!r}, {got[2][-200:]!r}; the reference: {ref[0]}, {ref[1]!r}, {ref[2][-200:]!r}"


def loose_problem(b, ref, got, text):
    """Off the tape without --strict: what came before is written; then the error, or nothing."""
    status, out, err = got
    if not out.startswith(ref[1]):
        return f"output {out[:60]!r}, expected at least {ref[1]!r}"
    if status is None or status == 0:
        b.silent += 1
        return None
    if status != 3:
        return f"status {status}, {err[-200:]!r}"
    m = LINE.match(err.splitlines()[0])
    if not m:
        return f"message {err[-200:]!r}"
    column, cell = int(m.group(2)), int(m.group(3))
    if 0 <= cell < CELLS or (cell < 0) != (m.group(4) == b"left"):
        return f"cell {cell} is on the tape"
    if not 1 <= column <= len(text) or text[column - 1] not in "+-.,[]":
        return f"column {column} is no access"
    b.reported += 1
    return None


def combinations(number, full):
    """The options of the runs of program `number`: all, or one of them in turn."""
    every = [[*e.split(), f"-O{level}", f"--cell-bits={bits}"]
             for e in ENGINES for level in (0, 1, 2, 3) for bits in (8, 16, 32, 64)]
    every = [[o for o in c if o] for c in every]
    if full:
        return every
    return [every[(number * 29) % len(every)]]


def one(b, number, name, text, full):
    references = {}
    for options in combinations(number, full):
        bits = options[-1]
        if bits not in references:
            references[bits] = b.bf(name, ["--ref", bits])
            b.check(f"{name} --ref {bits}",
                    None if references[bits][0] == 3 else f"status {references[bits][0]}: the case is none")
        ref = references[bits]
        b.check(f"{name} {' '.join(options)} --strict", strict_problem(ref, b.bf(name, [*options, "--strict"])))
        b.check(f"{name} {' '.join(options)}", loose_problem(b, ref, b.bf(name, options, SHORT), text))
        if number % 5 == 0 or full: # no room for guards
            small = b.bf(name, [*options, "--strict"], address_space=ADDRESS_SPACE)
            b.check(f"{name} {' '.join(options)} --strict, little address space", strict_problem(ref, small))


def assembled(b, number, name):
    bits, level = f"--cell-bits={(8, 16, 32, 64)[number % 4]}", f"-O{number // 4 % 4}"
    ref = b.bf(name, ["--ref", bits])
    made = b.bf(name, ["-S", level, bits, "--strict", "-o", b.path("p.s")])
    if made[0] == 0:
        made = b.run(["cc", b.path("p.s"), "-o", b.path("p")])
    got = b.run([b.path("p")]) if made[0] == 0 else made
    # The program does not carry its source: the first line of the message is all.
    first = lambda r: (r[0], r[1], (r[2].splitlines() or [b""])[0])
    b.check(f"{name} -S {level} {bits} --strict, assembled", strict_problem(first(ref), first(got)))


def in_process(b, cases, full):
    """All of them in the differ: every program must leave the tape at every width."""
    names = [b.path(name) for name, _ in cases]
    effort = ["--all"] if full else ["--sample=2"]
    status, out, err = b.run([b.fuzz, f"--cells={CELLS}", "--check-ra", "--steps=1000000", *effort, "files", *names],
                             limit=36000)
    text = out.decode(errors="replace")
    m = re.search(r"^(\d+) programs: (\d+) run to their end \([^)]*\), (\d+) of them off the tape", text, re.M)
    if status != 0 or not m:
        b.check("the differ", f"status {status}\n{text[-2000:]}")
        return
    programs, ended, off = map(int, m.groups())
    b.check("the differ", None if programs == ended == off == 12 * len(cases) else
            f"{programs} programs, {ended} ended, {off} left the tape, expected {12 * len(cases)}")
    print(text.splitlines()[-3])


def far_away(b):
    """Farther than any guard: offsets that no source has, in IR text."""
    for offset in 4096, 1 << 31, (1 << 31) - 1, (1 << 31) + 1, 1 << 32, 1 << 33, 1 << 40:
        for sign in "+", "-":
            for what in (f"%2 = load %1 {sign} {offset}\n  out %2", f"store %1 {sign} {offset}, 5",
                         f"%2 = move %1 {sign} {offset}\n  %3 = load %2\n  out %3",
                         f"%2 = scan %1 {sign} {offset}, step 1\n  %3 = load %2\n  out %3"):
                with open(b.path("far.bfir"), "w") as f:
                    f.write(f"unit cells=8 tape={CELLS} {{\nb1:\n  %1 = tape\n  {what}\n  ret %1\n}}\n")
                for options in ["--jit", "-O0"], ["--jit", "-O2"], ["--interp", "-O2"], ["--jit", "--guard=off"], ["-O2"]:
                    status, out, err = b.bf("far.bfir", ["--ir", *options])
                    cell = (1 if sign == "+" else -1) * offset
                    wanted = f"cell {cell} is {'left' if sign == '-' else 'right'} of the tape".encode()
                    b.check(f"{what!r} {options}",
                            None if status == 3 and wanted in err and out == b"" else f"status {status}, {err!r}")


def main():
    flags = [a for a in sys.argv[1:] if a.startswith("-")]
    full = "--full" in flags
    cases, good = list(matrix()), list(harmless())
    if "--list" in flags:
        for name, text in cases + good:
            print(name, text if len(text) < 200 else f"{text[:60]}... ({len(text)})")
        print(len(cases), "leave the tape,", len(good), "do not")
        return
    b = Bench([a for a in sys.argv[1:] if not a.startswith("-")][0])
    for name, text in cases + good:
        with open(b.path(name), "w") as f:
            f.write(text)
        if "," in text:
            with open(b.path(name + ".in"), "wb") as f:
                f.write(b"\1")
    sanitized = "test_sanitized" in os.environ # too slow for all, and no small address space
    for number, (name, text) in enumerate(cases):
        if full or not sanitized or number % 10 == 0:
            one(b, number if not sanitized else number + 1, name, text, full)
        if full or number % 60 == 0:
            assembled(b, number, name)
    for number, (name, text) in enumerate(good):
        ref = b.bf(name, ["--ref"])
        b.check(f"{name} --ref", None if ref[0] == 0 else f"status {ref[0]}")
        for options in combinations(number, full):
            options = [o for o in options if not o.startswith("--cell")]
            for strict in [], ["--strict"]:
                b.check(f"{name} {options} {strict}", strict_problem(ref, b.bf(name, [*options, *strict])))
    far_away(b)
    in_process(b, cases, full)
    print(f"{len(cases)} programs leave the tape; without --strict {b.reported} runs reported it, "
          f"{b.silent} went on, the access being dead")
    print(f"{b.passed} passed, {b.failed} failed")
    sys.exit(b.failed != 0)


if __name__ == "__main__":
    main()
