#!/bin/sh
# selftest.sh BUILD: the test runner, tested: it must fail when it should.
#
# run.sh runs in a directory of its own, with suites made up here.  The other ways in which tests can
# be worthless have their own tests: tests/must-fail for cases, and below for the fuzzer.
set -u
build=$(cd "$1" && pwd)
cd "$(dirname "$0")" || exit 1
runner=$(pwd)/run.sh
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT INT TERM
mkdir "$work/tests" "$work/build"
passed=0
failed=0

# Runs run.sh with the given lines for suites.sh; leaves its status and its last line.
run_suites() { # LINES ARGUMENT...
    printf '%s\n' "$1" >"$work/tests/suites.sh"
    shift
    said=$(cd "$work" && sh "$runner" build "$@" 2>&1)
    status=$?
    last=$(printf '%s\n' "$said" | tail -n 1)
}

judge() { # WHAT WANTED-STATUS WANTED-LAST-LINE
    [ "$status" = 0 ] || status=1
    if [ "$status $last" = "$2 $3" ]; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        printf 'FAIL %s: status %s, %s\n' "$1" "$status" "$last"
    fi
}

good="suite good sh -c 'echo 3 passed, 0 failed'"
run_suites "$good"
judge "a good suite" 0 "3 passed, 0 failed"
run_suites "$good
suite two sh -c 'echo 4 passed, 0 failed'"
judge "two good suites" 0 "7 passed, 0 failed"
run_suites "$good
suite bad sh -c 'echo 2 passed, 1 failed; exit 1'"
judge "a failure" 1 "5 passed, 1 failed"
run_suites "suite bad sh -c 'echo 2 passed, 1 failed'
$good"
judge "a failure with status 0, not last" 1 "5 passed, 1 failed"
run_suites "suite bad sh -c 'echo 2 passed, 0 failed; exit 1'"
judge "a status without a failure" 1 "2 passed, 1 failed"
run_suites "suite empty sh -c 'echo 0 passed, 0 failed'"
judge "a suite that counts nothing" 1 "0 passed, 1 failed"
trap '' INT
run_suites "suite signal sh -c 'kill -s INT \$\$; echo 3 passed, 0 failed'"
trap 'rm -rf "$work"' INT
last=${last#* passed, }
judge "a signal ignored by whoever starts the tests" 1 "1 failed"
run_suites "suite silent true"
judge "a suite that says nothing" 1 "0 passed, 1 failed"
run_suites "suite crash sh -c 'echo 5 passed, 0 failed; kill -s SEGV \$\$'"
last=${last#* passed, } # whether the shell tells of the crash, too, depends on the shell
judge "a crash behind the count" 1 "1 failed"
run_suites "suite crash sh -c 'kill -s SEGV \$\$'"
judge "a crash before the count" 1 "0 passed, 1 failed"
run_suites "suite chatty sh -c 'echo 5 passed, 0 failed; echo and more'"
judge "a count that is not last" 1 "0 passed, 1 failed"
run_suites "suite missing ./no-such-program"
judge "a program that is missing" 1 "0 passed, 1 failed"
run_suites "$good" good
judge "a suite by name" 0 "3 passed, 0 failed"
run_suites "$good" nosuch
judge "a name that no suite has" 1 "0 passed, 0 failed"

# The fuzzer must find what a wrong engine does, and reduce the program.
told() { # WHAT PATTERN COMMAND...
    what=$1 pattern=$2
    shift 2
    said=$("$@" 2>&1)
    status=$?
    last=$(printf '%s\n' "$said" | grep -Ec "$pattern")
    [ "$last" -gt 1 ] && last=1
    judge "$what" 1 1
}
printf "+[>.<-]" >"$work/echo.b"
told "a wrong output" "^FAIL bfopt --interp -O0 .*--tape=4096 -e '\.'" \
    "$build/tests/fuzz" --sabotage=output files "$work/echo.b"
told "a crash" 'killed by signal 6' \
    "$build/tests/fuzz" --sabotage=crash files "$work/echo.b"
told "an endless run" 'it does not end' \
    "$build/tests/fuzz" --sabotage=end files "$work/echo.b"

printf '%d passed, %d failed\n' "$passed" "$failed"
[ "$failed" = 0 ]
