#!/bin/sh
# memory.sh BUILD: bfopt in a build with MemorySanitizer, which stops at the first decision made by memory
# that nobody wrote: each pass's cases through all passes, validated; reference and interpreters; dumps.
set -u
bfopt=$(cd "$1" && pwd)/bfopt
cd "$(dirname "$0")/.." || exit 1
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
passed=0
failed=0
MSAN_OPTIONS=exitcode=99
export MSAN_OPTIONS

# run WANT INPUT ARGUMENT...: must print what is in WANT (-: whatever).
run() {
    want=$1 input=$2
    shift 2
    timeout 100 "$bfopt" "$@" <"$input" >"$work/out" 2>"$work/err"
    status=$?
    if [ "$status" = 0 ] && { [ "$want" = - ] || cmp -s "$want" "$work/out"; }; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        printf 'FAIL bfopt %s: status %d\n' "$*" "$status"
        head -n 20 "$work/err"
    fi
}

for case in tests/ir/*/*.bfir; do
    case $case in */verify/* | */print/* | */cfg/*) continue ;; esac # of functions that are wrong, or no passes
    sed '/^; ====/,$d' "$case" >"$work/case.ir"
    grep -q '^ *%.* = call' "$work/case.ir" && continue # loops of a program that is not here
    run - /dev/null --ir -O3 --validate-each --check-ra --dump-ir "$work/case.ir"
done
for options in --ref --interp '--interp=switch -O3' '--interp --strict -O2'; do
    for name in hello rot13 reverse wc; do
        input=/dev/null
        [ ! -f "samples/$name.in" ] || input=samples/$name.in
        run "samples/$name.out" "$input" $options "samples/$name.b"
    done
done
run - /dev/null -O3 --dump-ir samples/life.b
run - /dev/null -O2 --dump-ir=dot samples/queens.b
printf '%d passed, %d failed\n' "$passed" "$failed"
[ "$failed" = 0 ]
