#!/usr/bin/env python3
"""mutate.py [--count=N] [--seed=N] [--only=REGEX] [--list] [--again=LOG] [--work=DIRECTORY]: how good are the tests?  Faults are put in, one at a time.

A mutant is the source with one small change: a comparison turned round, a sum made a difference, a
constant off by one, a statement left out.  It is built in a copy and a quick suite runs; a mutant
that passes everything survives.  Passes, allocator, selection, encoder, and the checkers themselves
(verifier, allocation checker, validation) are changed.  Survivors are printed with what was changed:
each is a test that is missing, or a change that makes no difference.

Not changed: comments, texts, assertions, counters, what gives memory back; how much memory is asked for (too
much makes no difference, too little is for the sanitizers); which of two equal numbers a maximum is.  A mutant that does not
compile is not counted.  tests/mutants.txt lists changes that make no difference, each with the reason;
they are counted apart.

--again=LOG tries the survivors of an earlier call.  --work=DIRECTORY keeps the copy and its build for the next call.
"""

import os
import random
import re
import resource
import shutil
import subprocess
import sys
import tempfile

FILES = re.compile(r"^(passes/.*\.c|backend/(ra|pmove|select|mach)[a-z_]*\.c|backend/x64/(baseline|encode|bytes|emit|isel[a-z_]*|writer)\.c|"
                   r"ir/(verify|verify_marks|validate|eval|ir|cfg)\.c)$")
# The cheapest tests that are likely to notice come first; the pattern says for which files.
COMMANDS = [
    ("^ir/|^passes/", ["tests/filetest", "tests/ir"]),
    ("^ir/|pipeline|runner", ["tests/filetest", "--must-fail", "tests/must-fail"]),
    ("^ir/|pipeline", ["tests/test_verify"]),
    ("^ir/validate", ["tests/test_validate"]),
    ("^ir/", ["tests/test_build"]),
    ("^ir/", ["tests/test_walk"]),
    ("^backend/(ra|pmove|mach)", ["tests/test_ra_check"]),
    ("^backend/mach", ["tests/test_mach"]),
    ("^backend/(ra|pmove)", ["tests/test_ra"]),
    ("^backend/x64/(encode|bytes|emit)", ["tests/test_encode"]),
    ("^backend/x64/(encode|bytes|emit|writer)", ["tests/test_emit"]),
    ("^backend/x64/(baseline|writer)", ["tests/test_tiers"]),
    ("^passes/(fold|expr|synth)", ["tests/test_fold_rules"]),
    ("^passes/(expr|synth)", ["tests/test_expr"]),
    ("^passes/(expr|synth)", ["tests/test_synth"]),
    ("^backend/(select|mach|x64/isel)", ["tests/test_isel_cases"]),
    ("^passes/|^backend/", ["tests/counts", "tests/counts.txt", "samples"]),
    (".", ["tests/fuzz", "--check-ra", "--sample=6", "random", "600", "1"]),
    ("^ir/|^passes/", ["tests/irfuzz", "-n", "1500", "tests/ir"]),
    (".", ["tests/replay", "-n", "400", "tests/fuzz/corpus"]),
    (".", ["tests/fuzz", "--check-ra", "--sample=24", "files", "tests/regress"]),
    ("^backend/(select|x64)", ["tests/test_isel"]),
]

CHECKS = "-fsanitize=bounds -fsanitize-undefined-trap-on-error" # of those of ./dev check, what costs little

TOKEN = re.compile(r"==|!=|<=|>=|&&|\|\||\+=|-=|->|<<|>>|\+\+|--|(?<= )[<>](?= )|(?<= )[-+](?= )|\btrue\b|\bfalse\b|\b\d+\b|\bcontinue;|\bbreak;|!(?=[a-z(])")
SWAP = {"==": ["!="], "!=": ["=="], "<=": ["<", ">"], ">=": [">", "<"], "<": ["<=", ">="], ">": [">=", "<="], "&&": ["||"],
        "||": ["&&"], "+=": ["-="], "-=": ["+="], "+": ["-"], "-": ["+"], "true": ["false"], "false": ["true"],
        "++": ["--"], "continue;": ["break;"], "!": [""]}
EXTREME = re.compile(r"([\w.>\[\]-]+) [<>]=? ([\w.>\[\]-]+) \? (\1 : \2|\2 : \1)") # of two equal ones either
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
        sizes = re.search(r"\b(xgrow|xalloc|xcalloc|xrealloc|mach_reserve|ir_reserve)\(", code)
        for m in TOKEN.finditer(code):
            t = m.group(0)
            if re.match(r"\s+[a-z]\w* [^=(]*\[\d+\]", code): # the size of an array
                continue
            if (sizes and (t.isdigit() or t in "+-")) or (t in ("<", ">", "<=", ">=") and EXTREME.search(code)):
                continue
            new = SWAP.get(t) or ([str(int(t) + 1)] + (["0"] if t != "0" else []) if t.isdigit() else [])
            for s in new:
                yield n, line, line[:m.start()] + s + line[m.end():]
        if STATEMENT.match(code.rstrip()) and not re.search(r"\b(xalloc|xcalloc|xgrow|xrealloc)\(", code):
            yield n, line, STATEMENT.sub(r"\1;", code.rstrip())


def limited(seconds):
    def set_limits():
        resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        os.nice(2)
    return set_limits


def run(command, cwd, build, seconds, **environment):
    """True if the command succeeds in that much processor time: a mutant that never ends is found."""
    args = [os.path.join(build, command[0])] + command[1:]
    if args[-1] in ("tests/regress", "samples"):
        args[-1:] = sorted(f"{args[-1]}/{f}" for f in os.listdir(os.path.join(cwd, args[-1])) if f.endswith(".b"))
    try:
        return subprocess.run(args, cwd=cwd, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                              env={**os.environ, **environment}, stderr=subprocess.DEVNULL, preexec_fn=limited(seconds), timeout=20 * seconds).returncode == 0
    except subprocess.TimeoutExpired:
        return False


def make(build, targets):
    return subprocess.run(["ninja", "-C", build, *targets], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                          preexec_fn=lambda: os.nice(2)).returncode == 0


def commands_for(path):
    """The commands that can notice a change of the file; a pass's own cases first."""
    name = os.path.basename(path)[:-2].replace("_", "-")
    own = [["tests/filetest", f"tests/ir/{name}"]] if os.path.isdir(f"tests/ir/{name}") else []
    return own + [c for pattern, c in COMMANDS if re.search(pattern, path)]


def find(path, tree, build, limits):
    """The first command that fails, or None; "" if the mutant does not compile.  Only the test program
    that is about to run is linked again."""
    for c in commands_for(path):
        if not make(build, [c[0]]):
            return ""
        if not run(c, tree, build, limits.get(tuple(c), 20)):
            return " ".join(c[:1] + c[-1:])
    return None


def argued():
    """tests/mutants.txt: changes that make no difference, each with its reason; `below` is the line before, where
    a file has the changed line more than once."""
    known = set()
    for entry in open("tests/mutants.txt").read().split("\n\n"):
        part = dict(re.findall(r"^(file|below|old|new): (.*)$", entry, re.M))
        if part:
            known.add((part["file"], part.get("below"), part["old"], part["new"]))
    return known


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

    if option("again", ""):
        before = set(re.findall(r"^SURVIVES (\S+):\d+: (.*)  =>  (.*)$", open(option("again", "")).read(), re.M))
        every = [m for m in every if (m[0], m[2].strip(), m[3].strip()) in before]

    work = option("work", "") or tempfile.mkdtemp(prefix="mutate-")
    tree, build = os.path.join(work, "tree"), os.path.join(work, "build")
    if not os.path.isdir(build):
        subprocess.run(["git", "clone", "-q", ".", tree], check=True)
        subprocess.run(["meson", "setup", build, tree, "--buildtype=debugoptimized", "-Ddebug=false", "-Doptimization=1",
                        "-Db_ndebug=false", "-Dtests=enabled", f"-Dc_args={CHECKS}"], check=True, stdout=subprocess.DEVNULL)
    else:
        subprocess.run(["git", "-C", tree, "fetch", "-q", os.getcwd(), "HEAD"], check=True)
        subprocess.run(["git", "-C", tree, "reset", "-q", "--hard", "FETCH_HEAD"], check=True)
    if not make(build, sorted({c[0] for _, c in COMMANDS})):
        sys.exit("mutate: the source does not build")
    # The numbers are measured against the source without changes, not against those written down.
    run(["tests/counts", "tests/counts.txt", "samples"], tree, build, 300, BFOPT_BLESS="1")
    limits = {} # three times what it takes, and some
    for _, c in COMMANDS:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        if not run(c, tree, build, 300):
            sys.exit(f"mutate: {' '.join(c)} fails without any change")
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        limits[tuple(c)] = 3 + int(3 * (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime))

    known = argued()
    want, survived, same, by = int(option("count", "200")), [], 0, {}
    count = lambda: sum(by.values()) + len(survived) + same
    for f, n, old, new in every:
        if count() >= want:
            break
        path = os.path.join(tree, f)
        text = open(path).read()
        lines = text.split("\n")
        if any((f, below, old.strip(), new.strip()) in known for below in (None, lines[n - 1].strip())):
            same += 1
            continue
        if lines[n] != old:
            sys.exit(f"mutate: {f} is not committed")
        lines[n] = new
        open(path, "w").write("\n".join(lines))
        killer = find(f, tree, build, limits)
        if killer is None:
            survived.append((f, n, old, new))
            print(f"SURVIVES {f}:{n + 1}: {old.strip()}  =>  {new.strip()}", flush=True)
        elif killer:
            by[killer] = by.get(killer, 0) + 1
        if killer != "" and count() % 10 == 0:
            print(f"{count()} mutants, {len(survived)} not found", flush=True)
        open(path, "w").write(text)
    for killer, found in sorted(by.items(), key=lambda x: -x[1]):
        print(f"{found:5} found by {killer}")
    found, done = sum(by.values()), count()
    print(f"{done} mutants, {found} found ({100 * found / max(done, 1):.1f} %), {same} make no difference, "
          f"{len(survived)} not found: {100 * found / max(done - same, 1):.1f} % of those that do")
    if not option("work", ""):
        shutil.rmtree(work)


if __name__ == "__main__":
    main()
