#!/bin/sh
# coverage.sh [SUITE...]: ./dev coverage: which lines and branches of bfopt the tests run.
#
# Left out of the count: assertions, and bug(), which only run if bfopt is wrong.  Left out of the
# run: the suites that take room on disk, memory or system calls away, since what is counted must be
# written.  Code that is compiled many times, for widths of cells and kinds of dispatch (tables, *.def,
# and tier0_loop.h), is counted in each copy, in a row of its own.  Details stay in build/coverage/coverage.txt (and .html).
set -u
cd "$(dirname "$0")/.." || exit 1
build=${BFOPT_COVERAGE_BUILD:-build/coverage}
log=$(mktemp) || exit 1
trap 'rm -f "$log"' EXIT INT TERM
if [ ! -f "$build/build.ninja" ]; then
    meson setup "$build" --buildtype=debug -Doptimization=2 -Db_ndebug=false -Dtests=enabled \
        -Db_coverage=true >"$log" 2>&1 || { cat "$log"; exit 1; }
fi
echo "coverage: building $build" >&2
ninja -C "$build" >"$log" 2>&1 || { tail -n 40 "$log"; exit 1; }
find "$build" -name '*.gcda' -delete
[ $# -gt 0 ] || set -- unit filetest irfuzz targets must-fail cli objdump tape regress random
test_random=${test_random-1000} sh tests/run.sh "$build" "$@"
status=$?
gcovr -r . --object-directory "$build" --filter 'frontend/|ir/|passes/|backend/|runtime/' \
    --exclude 'tests/.*' --exclude 'runtime/standalone.c' --exclude-unreachable-branches \
    --exclude-lines-by-pattern '.*\b(assert|bug|abort)\(.*' \
    --json "$build/coverage.json" --txt "$build/coverage.txt" >"$log" 2>&1 || { cat "$log"; exit 1; }
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
