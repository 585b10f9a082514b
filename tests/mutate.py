#!/usr/bin/env python3
"""mutate.py [--count=N] [--seed=N] [--only=REGEX] [--list]: how good are the tests?  Faults are put in, one at a time.

A mutant is the source with one small change: a comparison turned round, a sum made a difference, a
constant off by one, a statement left out.  It is built in a copy and a quick suite runs; a mutant
that passes everything survives.  Passes, allocator, selection, encoder, and the checkers themselves
(verifier, allocation checker, validation) are changed.  Survivors are printed with what was changed:
each is a test that is missing, or a change that makes no difference.

Not changed: comments, texts, assertions, counters, what gives memory back.  A mutant that does not
compile is not counted.
"""

import os
import random
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import time

FILES = re.compile(r"^(passes/.*\.c|backend/(ra|pmove|select|mach)[a-z_]*\.c|backend/x64/(encode|bytes|emit|isel)\.c|"
                   r"ir/(verify|verify_marks|validate|eval|ir|cfg)\.c)$")
LIMIT = 60 # seconds of processor time for a command

# The cheapest tests that are likely to notice come first.
COMMANDS = [
    ["tests/filetest", "tests/ir"],
    ["tests/filetest", "--must-fail", "tests/must-fail"],
    ["tests/test_verify"], ["tests/test_ra"], ["tests/test_encode"], ["tests/test_emit"], ["tests/test_fold_rules"],
    ["tests/test_isel"], ["tests/test_isel_cases"],
    ["tests/replay", "-n", "400", "tests/fuzz/corpus"],
    ["tests/fuzz", "--check-ra", "--sample=6", "random", "600", "1"],
    ["tests/fuzz", "--all", "--check-ra", "files", "tests/regress"],
    ["tests/irfuzz", "-n", "1500", "tests/ir"],
]

TOKEN = re.compile(r"==|!=|<=|>=|&&|\|\||\+=|-=|->|<<|>>|\+\+|--|(?<= )[<>](?= )|(?<= )[-+](?= )|\btrue\b|\bfalse\b|\b\d+\b|\bcontinue;|\bbreak;|!(?=[a-z(])")
SWAP = {"==": ["!="], "!=": ["=="], "<=": ["<", ">"], ">=": [">", "<"], "<": ["<=", ">="], ">": [">=", "<="], "&&": ["||"],
        "||": ["&&"], "+=": ["-="], "-=": ["+="], "+": ["-"], "-": ["+"], "true": ["false"], "false": ["true"],
        "++": ["--"], "continue;": ["break;"], "!": [""]}
STATEMENT = re.compile(r"^(\s+)([a-z][\w.>\[\]-]*( [|&^+*-]?= .*|\([^;]*\));)$")
SKIP = re.compile(r"^\s*(#|\*|/\*|assert|static_assert|bug\(|xfree|text_|pass_count|domtree_free|cfg_.*_free|.*_free\()|pass_count|\"|\bcase\b|^static const|^\s*break;$")


def mutants_of(path):
    """(line number, old line, new line) for every change."""
    comment = False
    for n, line in enumerate(open(path).read().split("\n")):
        inside = comment
        if "/*" in line and "*/" not in line[line.index("/*"):]:
            comment = True
        elif "*/" in line:
            comment = False
        if inside or SKIP.search(line) or not line.startswith(" "):
            continue
        code = line.split("/*")[0]
        for m in TOKEN.finditer(code):
            t = m.group(0)
            new = SWAP.get(t) or ([str(int(t) + 1)] + (["0"] if t != "0" else []) if t.isdigit() else [])
            for s in new:
                yield n, line, line[:m.start()] + s + line[m.end():]
        if STATEMENT.match(code.rstrip()) and not re.search(r"\b(xalloc|xcalloc|xgrow|xrealloc)\(", code):
            yield n, line, STATEMENT.sub(r"\1;", code.rstrip())


def limited():
    resource.setrlimit(resource.RLIMIT_CPU, (LIMIT, LIMIT))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def run(command, cwd, build):
    args = [os.path.join(build, command[0])] + command[1:]
    if args[-1] == "tests/regress":
        args[-1:] = sorted(f"tests/regress/{f}" for f in os.listdir(os.path.join(cwd, "tests/regress")) if f.endswith(".b"))
    try:
        return subprocess.run(args, cwd=cwd, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL, preexec_fn=limited, timeout=20 * LIMIT).returncode == 0
    except subprocess.TimeoutExpired:
        return False


def order_for(path):
    """A pass's own cases first."""
    name = os.path.basename(path)[:-2].replace("_", "-")
    own = [["tests/filetest", f"tests/ir/{name}"]] if os.path.isdir(f"tests/ir/{name}") else []
    return own + COMMANDS


def main():
    option = lambda name, default: next((a.split("=", 1)[1] for a in sys.argv if a.startswith(f"--{name}=")), default)
    os.chdir(os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
    only = re.compile(option("only", "."))
    files = [f for f in subprocess.run(["git", "ls-files"], capture_output=True, text=True).stdout.split()
             if FILES.match(f) and only.search(f)]
    every = [(f, *m) for f in files for m in mutants_of(f)]
    print(f"{len(every)} mutants of {len(files)} files", flush=True)
    if "--list" in sys.argv:
        for f, n, old, new in every:
            print(f"{f}:{n + 1}: {old.strip()}  =>  {new.strip()}")
        return
    random.Random(int(option("seed", "1"))).shuffle(every)

    work = option("work", "") or tempfile.mkdtemp(prefix="mutate-")
    tree, build = os.path.join(work, "tree"), os.path.join(work, "build")
    if not os.path.isdir(build):
        subprocess.run(["git", "clone", "-q", ".", tree], check=True)
        subprocess.run(["meson", "setup", build, tree, "--buildtype=debugoptimized", "-Ddebug=false",
                        "-Db_ndebug=false", "-Dtests=enabled"], check=True, stdout=subprocess.DEVNULL)
    make = ["ninja", "-C", build, *sorted({c[0] for c in COMMANDS})]
    if subprocess.run(make, stdout=subprocess.DEVNULL).returncode != 0:
        sys.exit("mutate: the source does not build")
    for c in COMMANDS:
        if not run(c, tree, build):
            sys.exit(f"mutate: {' '.join(c)} fails without any change")

    want, killed, survived, by = int(option("count", "200")), 0, [], {}
    for f, n, old, new in every:
        if killed + len(survived) >= want:
            break
        path = os.path.join(tree, f)
        text = open(path).read()
        lines = text.split("\n")
        assert lines[n] == old, "the copy is not this source"
        lines[n] = new
        open(path, "w").write("\n".join(lines))
        started = time.time()
        p = subprocess.run(make, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        if p.returncode == 0:
            killer = next((" ".join(c[:1] + c[-1:]) for c in order_for(f) if not run(c, tree, build)), None)
            if killer:
                killed += 1
                by[killer] = by.get(killer, 0) + 1
            else:
                survived.append((f, n, old, new))
                print(f"SURVIVES {f}:{n + 1}: {old.strip()}  =>  {new.strip()}", flush=True)
            done = killed + len(survived)
            if done % 10 == 0:
                print(f"{done} mutants, {killed} found ({100 * killed / done:.1f} %)", flush=True)
        open(path, "w").write(text)
        os.utime(path, (started + 1, time.time() + 1))
    done = killed + len(survived)
    for killer, count in sorted(by.items(), key=lambda x: -x[1]):
        print(f"{count:5} found by {killer}")
    print(f"{done} mutants, {killed} found, {100 * killed / max(done, 1):.1f} %")
    if not option("work", ""):
        shutil.rmtree(work)


if __name__ == "__main__":
    main()
