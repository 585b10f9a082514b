#!/bin/sh
# valgrind.sh BUILD: bfopt under valgrind's memcheck: every engine on samples, listings, dumps, errors.
# BUILD has no sanitizers.  What generated code does is seen, too, unlike with sanitizers: reads of memory
# that nobody set, and accesses beside the tape where it is checked (--guard=off; guard pages would be
# reported as the errors that they stand for).  Nothing may be reported, nothing may be left behind.
. "$(dirname "$0")/opening.sh"

# run STATUS WANT INPUT ARGUMENT...: must end with STATUS, print what is in the file WANT (-: whatever), and give
# valgrind nothing to say.  Code is written while it runs, so translations are checked.
run() {
    want_status=$1 want=$2 input=$3
    shift 3
    timeout 300 valgrind --quiet --error-exitcode=99 --leak-check=full --show-leak-kinds=definite,indirect --errors-for-leak-kinds=definite,indirect \
        --smc-check=all-non-file --log-file="$work/log" "$bfopt" "$@" <"$input" >"$work/out" 2>"$work/err"
    status=$?
    if [ "$status" = "$want_status" ] && [ ! -s "$work/log" ] && { [ "$want" = - ] || cmp -s "$want" "$work/out"; }; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        printf 'FAIL bfopt %s: status %d, not %d\n' "$*" "$status" "$want_status"
        head -n 20 "$work/log" "$work/err"
    fi
}

for engine in --ref --interp --interp=switch --jit '--jit --guard=off --cpu=x86-64' '--jit -O3' '' '--tier-threshold=2 --tier-wait'; do
    for name in hello rot13 reverse; do
        input=/dev/null
        [ ! -f "samples/$name.in" ] || input=samples/$name.in
        run 0 "samples/$name.out" "$input" $engine "samples/$name.b"
    done
    # Off the tape, both ways; by a scan; unmatched brackets.
    case $engine in *--jit* | '' | *tier*) engine="$engine --guard=off" ;; esac
    run 3 - /dev/null $engine -e '+.<<+.'
    run 3 - /dev/null $engine --tape=4k -e '+[>+]'
    run 3 - /dev/null $engine --strict --tape=4k --cell-bits=16 -e '+[>+>+<]'
done
run 0 samples/triangle.out /dev/null --profile samples/triangle.b
run 0 samples/power.out /dev/null --tier-log --stats --tiered samples/power.b
run 0 samples/hello.out /dev/null --cell-bits=64 -O3 --jit samples/hello.b
run 0 - /dev/null -S -o "$work/o.s" samples/queens.b
run 0 - /dev/null -O3 -S -o "$work/o.s" samples/life.b
run 0 - /dev/null --dump-ir -O3 -o "$work/o.ir" samples/sort.b
run 0 samples/sort.out samples/sort.in --ir --jit "$work/o.ir"
run 0 - /dev/null --dump-ir=dot -O1 samples/sort.b
run 0 - /dev/null --dump-asm --print-after=all --time-passes --stats --verify-each --validate-each samples/rot13.b
run 0 samples/rot13.out samples/rot13.in --max-regs=3 --jit samples/rot13.b
run 5 - /dev/null --max-steps=1000 samples/euler.b
run 2 - /dev/null -e '[[+'
run 2 - /dev/null --ir -e 'program cells=8 {'
run 1 - /dev/null --no-such-option
run 0 - /dev/null --help
printf '%d passed, %d failed\n' "$passed" "$failed"
[ "$failed" = 0 ]
