#!/bin/sh
# coverage.sh [SUITE...]: ./dev coverage: which lines and branches of bfopt the tests run.
#
# Left out of the count: assertions, and bug(), which only run if bfopt is wrong.  The build does not
# optimize: otherwise branches that the compiler made, and those of each inlined copy, would count.
# The suite `faults`, which takes room on disk, memory or system calls away, runs by itself at the end: what
# it keeps from being written is lost to it alone, and its failures do not count.
# Code that is compiled many times, for widths of cells and kinds of dispatch (tables, *.def,
# and tier0_loop.h), is counted in each copy, in a row of its own.  Details stay in build/coverage/coverage.txt.
set -u
cd "$(dirname "$0")/.." || exit 1
build=${BFOPT_COVERAGE_BUILD:-build/coverage}
log=$(mktemp) || exit 1
trap 'rm -f "$log"' EXIT INT TERM
if [ ! -f "$build/build.ninja" ]; then
    mkdir -p "$build" && gcc -O -c tests/coverage_exit.c -o "$build/coverage_exit.o" &&
        exit_object=$(cd "$build" && pwd)/coverage_exit.o &&
        meson setup "$build" --buildtype=debug -Doptimization=0 -Db_ndebug=false -Dtests=enabled -Db_coverage=true \
            "-Dc_link_args=--coverage -Wl,--wrap=_exit,--wrap=prctl $exit_object" >"$log" 2>&1 ||
        { cat "$log"; exit 1; }
fi
echo "coverage: building $build" >&2
ninja -C "$build" >"$log" 2>&1 || { tail -n 40 "$log"; exit 1; }

# Threads that count at once can leave a negative number, which gcovr would stop at.
count() { # JSON OPTION...: what was counted, and what is asked for more
    json=$1
    shift
    gcovr -r . --object-directory "$build" --filter 'frontend/|ir/|passes/|backend/|runtime/' \
        --exclude 'tests/.*' --exclude 'runtime/standalone.c' --exclude-unreachable-branches \
        --exclude-lines-by-pattern '.*\b(assert|bug|abort)\(.*' \
        --gcov-ignore-parse-errors --json "$json" "$@" >"$log" 2>&1 || { cat "$log"; exit 1; }
}
find "$build" -name '*.gcda' -delete
with_faults=
[ $# -gt 0 ] || {
    with_faults=1
    set -- unit filetest irfuzz targets must-fail cli objdump tape regress random
}
test_random=${test_random-1000} sh tests/run.sh "$build" "$@"
status=$?
count "$build/coverage.json" --txt "$build/coverage.txt"
if [ -n "$with_faults" ]; then
    find "$build" -name '*.gcda' -delete
    sh tests/run.sh "$build" faults >&2
    count "$build/faults.json"
    count "$build/all.json" -a "$build/coverage.json" -a "$build/faults.json" --txt "$build/coverage.txt"
    mv "$build/all.json" "$build/coverage.json"
fi
python3 - "$build/coverage.json" <<'END'
import json, sys
rows = {}
for f in json.load(open(sys.argv[1]))["files"]:
    copies = f["file"].endswith((".def", "tier0_loop.h"))
    n = rows.setdefault("copies" if copies else f["file"].split("/")[0], [0] * 4)
    m = n if copies else rows.setdefault("all", [0] * 4)
    for line in f["lines"]:
        if line.get("gcovr/noncode"):
            continue
        b = line["branches"]
        for r in [n] if copies else [n, m]:
            for i, k in enumerate((line["count"] > 0, 1, sum(x["count"] > 0 for x in b), len(b))):
                r[i] += k
for name, (l, ln, b, bn) in sorted(rows.items()):
    print(f"{name:10} {l:6} of {ln:6} lines {100 * l / max(ln, 1):5.1f} %   {b:6} of {bn:6} branches {100 * b / max(bn, 1):5.1f} %")
END
exit $status
