#!/bin/sh
# unit.sh BUILD: runs every Criterion program of the build and adds up their counts.
passed=0
failed=0
for t in "$1"/tests/test_*; do
    [ -x "$t" ] && [ ! -d "$t" ] || continue
    out=$("$t" --color=never 2>&1)
    status=$?
    line=$(printf '%s\n' "$out" | sed -n 's/.*Tested: \([0-9]*\) | Passing: \([0-9]*\) | Failing: \([0-9]*\).*/\2 \3/p' | tail -n 1)
    if [ -z "$line" ]; then
        line="0 1"
    fi
    p=${line% *}
    f=${line#* }
    [ "$status" = 0 ] || [ "$f" != 0 ] || f=1
    printf '%s: %s passed, %s failed\n' "${t##*/}" "$p" "$f"
    [ "$f" = 0 ] || printf '%s\n' "$out"
    passed=$((passed + p))
    failed=$((failed + f))
done
printf '%d passed, %d failed\n' "$passed" "$failed"
[ "$failed" = 0 ]
