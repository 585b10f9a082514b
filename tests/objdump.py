#!/usr/bin/env python3
"""objdump.py BUILD [--full]: a second decoder reads the machine code, and an assembler makes it again.

bfopt encodes and decodes with one library, whose tables could be wrong both ways.  Here GNU objdump
decodes what --dump-asm shows: every instruction must be as long, have the same name and the same
operands.  And GNU as translates what -S prints: the same instructions must come out.
Prints how many distinct forms (name and kinds of operands) were compared.
"""

import os
import random
import re
import subprocess
import sys
import tempfile

LINE = re.compile(r"^([0-9a-f]{6}) ((?: [0-9a-f]{2})+) +([a-z][^;]*?) *(?:;.*)?$")
LABEL = re.compile(r"^(\.L[^:]+):")
ALIAS = {"jz": "je", "jnz": "jne", "jnb": "jae", "jnbe": "ja", "setz": "sete", "setnz": "setne", "setnb": "setae",
         "setnbe": "seta", "cmovz": "cmove", "cmovnz": "cmovne", "cmovnb": "cmovae", "cmovnbe": "cmova",
         "movabs": "mov", "jnle": "jg", "jnl": "jge", "setnle": "setg", "cmovnle": "cmovg"}
SIZES = {"byte": 8, "word": 16, "dword": 32, "qword": 64, "xmmword": 128, "ymmword": 256, "zmmword": 512}
NUMBER = re.compile(r"^-?(0x[0-9a-f]+|\d+)$")


def width_of(operand):
    m = re.match(r"(\w+) ptr", operand)
    if m:
        return SIZES.get(m.group(1))
    if re.match(r"^(r([a-d]x|[sd]i|[sb]p|\d+))$", operand):
        return 64
    if re.match(r"^(e([a-d]x|[sd]i|[sb]p)|r\d+d)$", operand):
        return 32
    if re.match(r"^([a-d]x|[sd]i|[sb]p|r\d+w)$", operand):
        return 16
    if re.match(r"^([a-d][lh]|[sd]il|[sb]pl|r\d+[bl])$", operand):
        return 8
    return None


def kind(operand):
    if NUMBER.match(operand):
        return "imm"
    if "[" in operand:
        return f"m{width_of(operand)}" + ("x" if "*" in operand else "")
    width = width_of(operand)
    return f"r{width}" if width else re.sub(r"\d+", "", operand)


def memory(text):
    """[a+b*4-0x10] as a sorted tuple of parts."""
    inner = text[text.index("[") + 1:text.index("]")].replace(" ", "")
    offset, parts = 0, []
    for sign, term in re.findall(r"([+-]?)([^+-]+)", inner):
        if NUMBER.match(term):
            offset += -int(term, 0) if sign == "-" else int(term, 0)
        else:
            parts.append(term[:-2] if term.endswith("*1") else term)
    if offset >= 1 << 63:
        offset -= 1 << 64
    return tuple(sorted(parts)), offset


class Insn:
    def __init__(self, text):
        text = text.strip().lower()
        text = re.sub(r"\{(evex|vex|load|store)\} *", "", text)
        # A long name may touch its operand in a listing.
        m = re.match(r"(rep |repz |repnz |lock )?([a-z0-9]+)\s*(.*)$", text)
        self.name = (m.group(1) or "") + ALIAS.get(m.group(2), m.group(2))
        self.operands = [o.strip() for o in re.split(r", *(?![^\[]*\])", m.group(3))] if m.group(3) else []

        if self.name == "xchg" and not any("[" in o for o in self.operands):
            self.operands.sort() # there are two encodings, and no order

    def form(self):
        return self.name + " " + ",".join(kind(o) for o in self.operands)


def same(a, b):
    if a.name != b.name or len(a.operands) != len(b.operands):
        return False
    width = next((w for w in map(width_of, a.operands) if w), None) or next((w for w in map(width_of, b.operands) if w), 64)
    for x, y in zip(a.operands, b.operands):
        if NUMBER.match(x) and NUMBER.match(y):
            if (int(x, 0) - int(y, 0)) % (1 << width):
                return False
        elif "[.l" in x and "[rip" in y:
            pass # the address of a string, which bfopt's own check has compared
        elif "[" in x and "[" in y:
            wx, wy = width_of(x), width_of(y)
            if memory(x) != memory(y) or (wx and wy and wx != wy):
                return False
        elif x != y and x.replace("bl", "b") != y and not (x.startswith(".l") or y.startswith(".l")):
            return False
    return True


# ---- programs ----


def corpus(build, full):
    programs = []
    for folder in "samples", "tests/regress":
        for name in sorted(os.listdir(folder)):
            if name.endswith(".b") and os.path.getsize(f"{folder}/{name}") < (200000 if full else 12000):
                programs.append(open(f"{folder}/{name}", encoding="latin-1").read())
    out = subprocess.run([f"{build}/tests/fuzz", "--print", "random", "3000" if full else "200", "9"],
                         capture_output=True, check=True).stdout.decode()
    programs += [p for p in out.split("\n") if p]
    return programs


def options(number):
    r = random.Random(number)
    o = [f"-O{r.choice((0, 1, 2, 2, 3))}", f"--cell-bits={r.choice((8, 8, 16, 32, 64))}", f"--eof={r.choice(('0', '-1', 'unchanged'))}"]
    for what in "--strict", "--guard=off", "--max-regs=3", "--cpu=x86-64", "--cpu=v4", f"--ra-seed={number}":
        if r.randrange(5) == 0:
            o.append(what)
    return o


class Listing:
    """What --dump-asm shows: offset, bytes, text; and where labels are."""

    def __init__(self, text):
        self.insns, self.labels, waiting = [], {}, []
        for line in text.splitlines():
            m = LABEL.match(line)
            if m:
                waiting.append(m.group(1).lower())
            m = LINE.match(line)
            if m:
                at, code = int(m.group(1), 16), bytes.fromhex(m.group(2).replace(" ", ""))
                for l in waiting:
                    self.labels[l] = at
                waiting = []
                self.insns.append((at, code, m.group(3)))


def objdump(args):
    out = subprocess.run(["objdump", "-M", "intel", "-w", "--insn-width=16", *args], capture_output=True, check=True).stdout.decode()
    for line in out.splitlines():
        m = re.match(r"^ *([0-9a-f]+):\t((?:[0-9a-f]{2} )+) *\t?(.*)$", line)
        if m:
            yield int(m.group(1), 16), bytes.fromhex(m.group(2).replace(" ", "")), re.sub(r" *(#.*|<.*>)?$", "", m.group(3))


def main():
    full = "--full" in sys.argv
    build = os.path.abspath([a for a in sys.argv[1:] if not a.startswith("-")][0])
    os.chdir(os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
    bfopt = f"{build}/bfopt"
    work = tempfile.TemporaryDirectory()
    path = lambda name: os.path.join(work.name, name)
    passed = failed = 0
    forms, listings = {}, []

    def fail(what):
        nonlocal failed
        failed += 1
        if failed <= 30:
            print("FAIL", what)

    for number, text in enumerate(corpus(build, full)):
        with open(path("p.b"), "w", encoding="latin-1") as f:
            f.write(text)
        o = options(number)
        p = subprocess.run([bfopt, "--dump-asm", *o, path("p.b")], capture_output=True)
        if p.returncode != 0:
            fail(f"--dump-asm {o}: status {p.returncode} {p.stderr[-200:]!r}")
            continue
        listings.append((number, o, text, Listing(p.stdout.decode(errors="replace"))))

    # All instructions behind each other, for one call of objdump.
    with open(path("all.bin"), "wb") as f:
        for _, _, _, l in listings:
            f.write(b"".join(code for _, code, _ in l.insns))
    decoded = objdump(["-D", "-b", "binary", "-m", "i386:x86-64", path("all.bin")])
    place = 0
    for number, o, text, l in listings:
        where = f"{' '.join(o)} -e '{text[:60]}'"
        for at, code, shown in l.insns:
            got_at, got_code, got = next(decoded, (None, b"", ""))
            if got_at != place or got_code != code:
                fail(f"{where}: {shown} is {code.hex()}, objdump reads {got_code.hex()} at {got_at}, not {place}: {got}")
                print(f"{passed} passed, {failed} failed")
                sys.exit(1) # out of step: nothing that follows could be compared
            mine, other = Insn(shown), Insn(got)
            ok = same(mine, other)
            target = next((x for x in mine.operands if x.startswith(".l")), None)
            if target and "[" not in target and ok:
                # objdump shows where it leads in its file.
                distance = int(other.operands[0], 16) - (place + len(code))
                ok = target in l.labels and l.labels[target] == at + len(code) + distance
            place += len(code)
            if ok:
                passed += 1
                forms[other.form()] = forms.get(other.form(), 0) + 1
            else:
                fail(f"{where}: `{shown}` ({code.hex()}), objdump reads `{got}`")

    # -S through the assembler: the same instructions, whatever encoding it prefers.
    equal_bytes = compared = 0
    for number, o, text, l in listings[::1 if full else 4]:
        with open(path("p.b"), "w", encoding="latin-1") as f:
            f.write(text)
        where = f"-S {' '.join(o)} -e '{text[:60]}'"
        # By way of IR text, so that both start from the same function.
        o = [*o, "--cpu=v4" if number % 3 == 0 else "--cpu=x86-64"]
        subprocess.run([bfopt, "--dump-ir", *o, path("p.b"), "-o", path("p.bfir")], stderr=subprocess.DEVNULL)
        o = [x for x in o if x != "--strict"] + ["--passes=", "--ir"]
        base = Listing(subprocess.run([bfopt, "--dump-asm", *o, path("p.bfir")], capture_output=True).stdout.decode(errors="replace"))
        if subprocess.run([bfopt, "-S", *o, path("p.bfir"), "-o", path("p.s")]).returncode or \
           subprocess.run(["as", path("p.s"), "-o", path("p.o")]).returncode:
            fail(f"{where}: not assembled")
            continue
        out = subprocess.run(["objdump", "-M", "intel", "-w", "--insn-width=16", "--disassemble=bf_program", path("p.o")],
                             capture_output=True).stdout.decode()
        theirs = []
        for line in out.splitlines():
            m = re.match(r"^ *[0-9a-f]+:\t((?:[0-9a-f]{2} )+) *\t(.*)$", line)
            if m and not re.match(r"(data16 )*(cs )?nop|xchg +ax,ax", m.group(2)):
                theirs.append((bytes.fromhex(m.group(1).replace(" ", "")), re.sub(r" *(#.*|<.*>)?$", "", m.group(2))))
        mine = [(code, shown) for _, code, shown in base.insns if not shown.startswith("nop")]
        n = min(len(mine), len(theirs))
        bad = next((i for i in range(n) if not loosely_same(Insn(mine[i][1]), Insn(theirs[i][1]))), None)
        if bad is not None:
            fail(f"{where}: instruction {bad}: `{mine[bad][1]}` became `{theirs[bad][1]}`")
        elif len(theirs) < len(mine):
            fail(f"{where}: {len(mine)} instructions became {len(theirs)}")
        else:
            passed += n
            compared += n
            equal_bytes += sum(len(mine[i][0]) == len(theirs[i][0]) for i in range(n))
    print(f"{len(listings)} programs, {passed} instructions, {len(forms)} distinct forms; "
          f"of {compared} assembled from -S {equal_bytes} are as long as what bfopt encodes")
    if full:
        for form in sorted(forms):
            print(f"  {forms[form]:8} {form}")
    if len(forms) < 60:
        fail(f"only {len(forms)} forms")
    print(f"{passed} passed, {failed} failed")
    sys.exit(failed != 0)


def loosely_same(a, b):
    """References to labels were assembled to addresses not known yet."""
    if a.name != b.name or len(a.operands) != len(b.operands):
        return False
    label = lambda x: x.startswith(".l") or "rip" in x or ".l" in x
    if any(label(x) for x in a.operands) or a.name in ("call", "jmp") or a.name.startswith("j"):
        return True
    return same(a, b)


if __name__ == "__main__":
    main()
