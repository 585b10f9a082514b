#!/bin/sh
# passes.sh BUILD: each pass of passes.def has cases of its own, a place in a level, and a file that
# says where its tests are.
bfopt=$1/bfopt
passed=0
failed=0
check() { # WHAT COMMAND...
    what=$1
    shift
    if "$@" >/dev/null; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        printf 'FAIL %s\n' "$what"
    fi
}
cases() { # PASS: how many cases are there?
    { cat tests/ir/"$1"/*.bfir 2>/dev/null; } | grep -cE "^; pass: .*$1" || true
}
first_level() { # PASS: the lowest level that runs it (what stands behind `-S:` is for -S only)
    "$bfopt" --list-passes | sed -n 's/^-O\([0-9]\): */\1 /p' | sed 's/-S:[^ ]*\( ([^)]*)\)\{0,1\}//g' |
        tr ',() ' '    ' | awk -v p="$1" '{ for (i = 2; i <= NF; i++) if ($i == p) { print $1; exit } }'
}
for pass in $(sed -n 's/^PASS("\([a-z0-9-]*\)".*/\1/p' passes/passes.def); do
    check "fewer than 8 cases in tests/ir/$pass: $(cases "$pass")" [ "$(cases "$pass")" -ge 8 ]
    file=passes/$(printf %s "$pass" | tr - _).c
    check "$file does not name its tests" grep -q "Tests: tests/ir/$pass" "$file"
    printf '<>\n' | "$bfopt" --passes="$pass" --interp - >/dev/null 2>&1
    check "--passes=$pass" [ $? = 0 ]
    level=$(sed -n "s/^PASS(\"$pass\", *[a-z_]*, *\([0-9]\),.*/\1/p" passes/passes.def)
    check "$pass is run from -O$level on, says passes.def" [ "$(first_level "$pass")" = "$level" ]
done
printf '%d passed, %d failed\n' "$passed" "$failed"
[ "$failed" = 0 ] && [ "$passed" -gt 0 ]
