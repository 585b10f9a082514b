#!/bin/sh
# run.sh BUILD [SUITE...]: runs the test suites and adds up what they count.
#
# A suite is a command whose last line reads "N passed, M failed".  A suite that prints no such line,
# or exits non-zero without counting a failure, counts as one failure itself.
set -u
build=$1
shift
passed=0
failed=0

# suite NAME COMMAND...
suite() {
    name=$1
    shift
    case " $wanted " in *" $name "*|"  ") ;; *) return 0 ;; esac
    start=$(date +%s)
    log="$build/test-$name.log"
    # A shell starts what it puts in the background with SIGINT ignored, nohup ignores SIGHUP, and
    # tests of signals would inherit that.
    env --default-signal "$@" >"$log" 2>&1 </dev/null
    status=$?
    last=$(tail -n 1 "$log")
    p=$(printf '%s\n' "$last" | sed -n 's/^\([0-9][0-9]*\) passed, \([0-9][0-9]*\) failed$/\1/p')
    f=$(printf '%s\n' "$last" | sed -n 's/^\([0-9][0-9]*\) passed, \([0-9][0-9]*\) failed$/\2/p')
    if [ -z "$p" ]; then
        p=0
        f=1
    elif [ "$f" = 0 ] && [ "$status" != 0 ]; then
        f=1
    elif [ "$p" = 0 ] && [ "$f" = 0 ]; then
        f=1 # a suite that tests nothing proves nothing
    fi
    passed=$((passed + p))
    failed=$((failed + f))
    printf '%-12s %7d passed %5d failed  %4d s\n' "$name" "$p" "$f" $(($(date +%s) - start))
    [ "$f" = 0 ] || tail -n 40 "$log"
}

wanted=$*
. tests/suites.sh
printf '%d passed, %d failed\n' "$passed" "$failed"
[ "$failed" = 0 ] && [ "$passed" -gt 0 ]
