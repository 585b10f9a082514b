#!/usr/bin/env python3
"""bench.py, scale.py and trend.py, tested: tests/bench/selftest.py BUILD.

Small programs and made-up peers: one that is right, one that prints something else, one that fails,
one that never ends, one that writes C.  The last line counts.
"""

import csv
import os
import statistics
import subprocess
import sys
import tempfile
import xml.etree.ElementTree
from shutil import which
from types import SimpleNamespace

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)

import chart
from counts import add_up, count_code, count_ir
from measure import Run
from report import Cell, Report, write_csv
from scale import SHAPES, Series
from trend import change

PROGRAMS = {"letter.b": "++++++++[>++++++++<-]>+.", "letter.out": "A",
            "letter.b.c": '#include <stdio.h>\nint main(void) { return putchar(65) < 0; }',
            "twice.b": ",[.[-],]", "twice.in": "abc", "twice.out": "abc",
            "twice.b.c": '#include <stdio.h>\nint main(void) { for (int c; (c = getchar()) != EOF;)'
                         ' putchar(c); }'}
PROFILE = """ob=/lib/libc.so
fn=(1) main
0 5
cob=???
cfn=(2) 0x1000
calls=1 0
0 1000

ob=???
fn=(2) 0x1000
0 700
+3 20
cob=/lib/libc.so
cfn=(3) write
calls=2 0
0 80
* 200

ob=/lib/libc.so
fn=(3)
12 80
"""
results = {True: 0, False: 0}


def check(what, good):
    """Counts one claim."""
    results[bool(good)] += 1
    if not good:
        print(f"FAIL {what}")


def call(script, *arguments):
    """Runs one of the scripts; returns its status and what it wrote."""
    done = subprocess.run([sys.executable, os.path.join(HERE, script), *arguments],
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, timeout=120, check=False)
    return done.returncode, done.stdout.decode()


def check_counts():
    """Costs are counted once, where they arise."""
    generated, rest = add_up(PROFILE.splitlines(keepends=True))
    check("instructions in generated code", generated == 920)
    check("instructions elsewhere", rest == 85)
    check("a change", change(100, 90) == "-10 -10.0%")
    check("no change", change(7, 7) == "")
    check("a change from nothing known", change(None, 7) == "?")


def cell(*times):
    """A cell with runs that took these times."""
    made = Cell()
    for time in times:
        run = Run(0, time, time)
        run.set_running(time / 2)
        made.add(run, SimpleNamespace(expected=None))
    return made


def check_report(work):
    """Ratios are those of medians, and a contender shows only what it knows."""
    contenders = [SimpleNamespace(name="one", knows={"cpu", "ratio"}),
                  SimpleNamespace(name="two", knows={"cpu", "ratio", "run"})]
    report = Report(contenders, ["cpu", "run", "ratio"], statistics.median, "one")
    cells = [cell(1.0, 2.0, 9.0), cell(8.0, 5.0, 5.0)]
    program = SimpleNamespace(name="p")
    check("columns", report.header() == ["program", "one cpu", "two cpu", "two run", "two ratio"])
    check("medians", report.row(program, cells) == ["p", "2.00", "5.00", "2.50", "2.50"])
    check("means", "two / one: geometric mean 2.50 of 1 programs" in next(
        report.means([(program, cells)])))
    bad = cell(1.0)
    bad.add(Run(3, 1.0, 1.0), program)
    check("a problem instead of a time", report.row(program, [cell(1.0), bad])[2] == "status 3")
    check("no mean of nothing", not list(report.means([(program, [cell(1.0), bad])])))
    path = os.path.join(work, "numbers.csv")
    write_csv(path, ["one", "two"], [(program, cells)])
    with open(path, encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    check("minimum and median", (rows[0]["cpu_min"], rows[0]["cpu_median"]) ==
          ("1.000000", "2.000000"))


def check_chart():
    """A bar for each ratio, all inside, more series than colours told of."""
    names = [f"series{i}" for i in range(len(chart.COLOURS) + 2)]
    drawn = chart.draw("T", names, [("p", [0.25] + [3.0] * (len(names) - 1)),
                                    ("q", [None] * len(names))])
    root = xml.etree.ElementTree.fromstring(drawn)
    bars = [e for e in root if e.tag.endswith("rect") and e.get("height") == str(chart.BAR - 2)
            and e.get("width") != "11"]
    check("bars", len(bars) == len(chart.COLOURS))
    check("bars inside", all(float(b.get("x")) >= chart.LABELS and float(b.get("x")) + float(
        b.get("width")) <= chart.LABELS + chart.BARS for b in bars))
    check("what is left out", f"the first {len(chart.COLOURS)} of {len(names)}" in drawn)


def check_bench(bfopt, work):
    """Contenders of every kind, and every file written."""
    files = {kind: os.path.join(work, "table." + kind) for kind in ("csv", "svg", "markdown")}
    status, said = call(
        "bench.py", work, "--bfopt", bfopt, "--no-path", "--runs", "2", "--limit", "30", "--engines",
        "jit-O1,default,interp,asm", "--option=--cell-bits=16", "--peer",
        f"right={bfopt} --ref {{}}", "--peer", "wrong=echo no", "--peer", "dead=false", "--peer-c",
        "c=cat {}.c", "--show", "cpu,wall,ratio,compile,run,ir,code",
        *[word for kind, path in files.items() for word in ("--" + kind, path)])
    check("a wrong output is a failure", status == 1)
    with open(files["csv"], encoding="utf-8") as file:
        rows = {(row["program"], row["contender"]): row for row in csv.DictReader(file)}
    check("all pairs are there", len(rows) == 2 * 8)
    for program in ("letter", "twice"):
        for name in ("jit-O1", "default", "interp", "asm", "right", "c"):
            row = rows[program, name]
            check(f"{program} under {name} is good", row["problem"] == "" and row["runs"] == "2"
                  and float(row["wall_min"]) > 0)
        for name, problem in (("wrong", "wrong"), ("dead", "status 1")):
            check(f"{program} under {name} is {problem}", rows[program, name]["problem"] == problem)
        for name in ("asm", "c"):
            check(f"{name} tells compiling apart", rows[program, name]["compile_min"] > "0.000000")
        check("sizes", int(rows[program, "jit-O1"]["ir_instructions"]) > 0
              and int(rows[program, "jit-O1"]["code_bytes"]) > 0)
    with open(files["markdown"], encoding="utf-8") as file:
        lines = file.read().splitlines()
    check("a Markdown table", lines[0].startswith("| program | jit-O1 cpu |")
          and lines[2].startswith("| letter | ") and "| wrong |" in lines[2])
    root = xml.etree.ElementTree.parse(files["svg"]).getroot()
    check("a picture", root.tag.endswith("svg"))
    check("means below the table", "right / jit-O1: geometric mean" in said)
    status, said = call("bench.py", work, "--bfopt", bfopt, "--no-path", "--engines", "ref", "--only",
                        "letter", "--limit", "1", "--peer", "endless=sh -c 'while :; do :; done'")
    check("an endless run is told of, and no failure", status == 0 and "slow" in said)
    check("an engine unknown", call("bench.py", work, "--engines", "warp")[0] == 1)
    check("a quantity unknown", call("bench.py", work, "--show", "charm")[0] == 2)


def series(exponent):
    """Runs that take the size to this power."""
    return Series("shape", "engine", [1, 2, 4],
                  [Run(0, 0, float(n ** exponent), n ** exponent * 10 ** 8) for n in (1, 2, 4)])


def check_scale(bfopt, work):
    """What doubles passes, what grows with the square does not; nor does what fails."""
    check("linear", series(1).is_linear(3) and series(1).growth("memory") == 2)
    check("quadratic", not series(2).is_linear(3) and series(2).growth("cpu") == 4)
    svg = os.path.join(work, "growth.svg")
    status, said = call("scale.py", "--bfopt", bfopt, "--scale", "0.0001", "--engines",
                        "default,interp-O1", "--svg", svg)
    check("all shapes", status == 0 and f"{2 * len(SHAPES)} passed, 0 failed" in said)
    root = xml.etree.ElementTree.parse(svg).getroot()
    lines = [e for e in root if e.tag.endswith("polyline") and e.get("stroke-width") == "2"]
    check("a line for each, and the key", len(lines) == 2 * len(SHAPES) + len(SHAPES) + 2)
    status, said = call("scale.py", "--bfopt", bfopt, "--scale", "0.0001", "--only", "unmatched [",
                        "--engines", "ref", "--limit", "0")
    check("out of time is a failure", status == 1 and "0 passed, 1 failed" in said)


def check_trend(bfopt, work):
    """Counts agree with --stats; a record compares equal, and a change in it is shown."""
    letter = os.path.join(work, "letter.b")
    stats = subprocess.run([bfopt, "--jit", "-O2", "--stats", letter], stdout=subprocess.PIPE,
                           stderr=subprocess.PIPE, check=True).stderr.decode()
    size = count_code(bfopt, ["-O2"], letter)
    check("code size", f"jit.code-bytes {size}\n" in stats)
    check("no size of no program", count_ir(bfopt, [], letter + "x") is None)
    record = os.path.join(work, "record.csv")
    common = [work, "--bfopt", bfopt]
    check("a record", call("trend.py", *common, "--record", record) == (0, ""))
    check("equal", call("trend.py", *common, "--against", record)[1].endswith(
        "0 of 2 programs differ\n"))
    said = call("trend.py", *common, "--option=--opt-limit=0", "--against", record)[1]
    check("an option for bfopt", "twice" in said and "0 of 2" not in said)
    said = call("trend.py", *common, "--level", "0", "--against", record)[1]
    check("another level differs", "letter" in said and "2 of 2 programs differ" in said)
    with open(record, encoding="utf-8") as file:
        text = file.read()
    with open(record, "w", encoding="utf-8") as file:
        file.write(text.replace(f",{size}\n", f",{size + 1000}\n", 1))
    said = call("trend.py", *common, "--against", record)[1]
    check("the difference", "-1000 " in said and "1 of 2 programs differ" in said)
    check("no such commit", call("trend.py", *common, "--against", "no-such-commit")[0] == 1)
    if which("valgrind") and os.environ.get("test_sanitized") != "1":
        said = [call("trend.py", *common, "--callgrind", "--all", "--against", record)[1]
                for _ in range(2)]
        check("executed instructions, the same each time", said[0] == said[1])
        row = [line.split() for line in said[0].splitlines() if line.startswith("letter")]
        check("executed instructions", len(row) == 1 and row[0][-2].isdigit()
              and 0 < int(row[0][-4]) < int(row[0][-2]))


def main(build):
    """Everything, in a directory with the programs."""
    bfopt = os.path.abspath(os.path.join(build, "bfopt"))
    with tempfile.TemporaryDirectory() as work:
        for name, text in PROGRAMS.items():
            with open(os.path.join(work, name), "w", encoding="utf-8") as file:
                file.write(text)
        check_counts()
        check_report(work)
        check_chart()
        check_bench(bfopt, work)
        check_scale(bfopt, work)
        check_trend(bfopt, work)
    print(f"{results[True]} passed, {results[False]} failed")
    return results[False] != 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
