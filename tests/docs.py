#!/usr/bin/env python3
"""Are the documents true?

    tests/docs.py BUILD

Every command `$ bfopt ...` in a fenced block that is followed by its output is run and compared
(unless it mentions a file that does not exist, such as prog.b); one that ends in `> docs/NAME.svg`
must draw what that file shows, though maybe elsewhere: versions of Graphviz differ in that.  Every
relative link and every path in backquotes must lead to a file, every suite of tests/suites.sh
must be in the table of docs/testing.md, and every line that tests/mutants.txt argues about must be
in its file.  The last line counts.
"""

import os
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
FOLDERS = "backend|docs|frontend|ir|passes|runtime|samples|tests"


def documents():
    """README and its like, and everything in docs/."""
    return sorted(ROOT.glob("*.md")) + sorted((ROOT / "docs").glob("*.md"))


def commands(text):
    """Pairs of command and what stands behind it, from fenced blocks."""
    for block in re.findall(r"^```[a-z]*\n(.*?)^```", text, re.S | re.M):
        for part in re.split(r"^\$ ", block, flags=re.M)[1:]:
            command, _, output = part.partition("\n")
            if command.startswith("bfopt "):
                yield re.sub(r"\s+# .*", "", command), output


def words(svg):
    """What is written in a drawing."""
    return sorted(re.findall(r"<text [^>]*>([^<]*)</text>", svg))


def expectations(text, bfopt):
    """For each command that promises something: itself, what is promised, and what it does."""
    for command, output in commands(text):
        drawing = re.fullmatch(r"(.* \| dot -Tsvg) > (docs/\w+\.svg)", command)
        if drawing:
            shown = words((ROOT / drawing[2]).read_text())
            yield command, shown, words(run(drawing[1], bfopt))
        elif output.strip() and not re.search(r"\bprog\.(b|s|bfir)\b", command):
            yield command, output.strip(), run(command, bfopt).strip()


def run(command, bfopt):
    """What the command writes, both streams together."""
    shell = f"bfopt() {{ '{bfopt}' \"$@\"; }}\n{command}"
    done = subprocess.run(["sh", "-c", shell], cwd=ROOT, stdin=subprocess.DEVNULL, timeout=60,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    return done.stdout.decode(errors="replace")


def missing(path, text):
    """Names of files the document mentions that are not there."""
    for link in re.findall(r"\]\(([^)#]+)[^)]*\)", text):
        if "://" not in link and not (path.parent / link).exists():
            yield link
    for name in re.findall(rf"`((?:{FOLDERS})/[\w./-]+)`", text):
        if not (ROOT / name).exists():
            yield name


def unexplained():
    """Suites that the table of docs/testing.md does not have."""
    suites = re.findall(r"^suite (\S+)", (ROOT / "tests/suites.sh").read_text(), re.M)
    rows = re.findall(r"^\|(.*?)\|", (ROOT / "docs/testing.md").read_text(), re.M)
    named = set(re.findall(r"`([\w-]+)`", " ".join(rows)))
    return [suite for suite in suites if suite not in named]


def outdated():
    """Lines of tests/mutants.txt that their files do not have (any more)."""
    text = (ROOT / "tests/mutants.txt").read_text()
    for entry in re.findall(r"^file: (\S+)\n(?:below: (.*)\n)?old: (.*)$", text, re.M):
        path, below, old = entry
        lines = [line.strip() for line in (ROOT / path).read_text().split("\n")] if (ROOT / path).is_file() else []
        if not any(line == old and below in ("", lines[n - 1]) for n, line in enumerate(lines)):
            yield f"{path}: {old}"


def main(build):
    bfopt = os.path.abspath(os.path.join(build, "bfopt"))
    passed = failed = 0
    for suite in unexplained():
        print(f"FAIL docs/testing.md does not say what the suite {suite} shows")
        failed += 1
    for line in outdated():
        print(f"FAIL tests/mutants.txt argues about a line that is not there: {line}")
        failed += 1
    passed += 2
    for path in documents():
        text = path.read_text()
        for name in missing(path, text):
            print(f"FAIL {path.name}: there is no {name}")
            failed += 1
        passed += 1
        for command, promised, got in expectations(text, bfopt):
            if got and got == promised:
                passed += 1
                continue
            failed += 1
            print(f"FAIL {path.name}: $ {command}\n--- written\n{promised}\n--- is\n{got}")
    print(f"{passed} passed, {failed} failed")
    return failed != 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
