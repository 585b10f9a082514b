#!/bin/sh
# check.sh [SUITE...]: ./dev check: the suites under AddressSanitizer and UndefinedBehaviorSanitizer,
# with fewer programs, then the two threads of the default mode under ThreadSanitizer, passes and
# interpreters under MemorySanitizer, some runs of every engine under valgrind (suites of their own
# here: `threads`, `memory`, `valgrind`), then the linters.
#
# Generated code is not instrumented, but what compiles it, runs it and catches its faults is; valgrind
# sees generated code, too.  MemorySanitizer would take what Zydis, which is not built with it, writes
# for not written: only what does without Zydis is run there.
set -u
cd "$(dirname "$0")/.." || exit 1
build=${BFOPT_CHECK_BUILD:-build/check}
log=$(mktemp) || exit 1
trap 'rm -f "$log"' EXIT INT TERM

threads() {
    tsan=${BFOPT_TSAN_BUILD:-build/tsan}
    if [ ! -f "$tsan/build.ninja" ]; then
        meson setup "$tsan" --buildtype=debugoptimized -Db_ndebug=false -Dwerror=true \
            -Dtests=disabled -Db_sanitize=thread -Db_lundef=false >"$log" 2>&1 ||
            { cat "$log"; return 1; }
    fi
    echo "check: building $tsan" >&2
    ninja -C "$tsan" bfopt tests/fuzz tests/threads_tiers >"$log" 2>&1 ||
        { tail -n 40 "$log"; return 1; }
    echo "check: two threads" >&2
    python3 tests/threads.py "$tsan"
}

memory() {
    msan=${BFOPT_MSAN_BUILD:-build/msan}
    if [ ! -f "$msan/build.ninja" ]; then # clang alone has it
        mkdir -p "$msan" &&
            clang -D_GNU_SOURCE -O1 -fsanitize=memory -c tests/memory_stat.c -o "$msan/stat.o" &&
            CC=clang meson setup "$msan" --buildtype=debugoptimized -Db_ndebug=false \
                -Dtests=disabled -Db_sanitize=memory -Db_lundef=false \
                "-Dc_link_args=-fsanitize=memory -Wl,--wrap=fstat64 $(cd "$msan" && pwd)/stat.o" \
                >"$log" 2>&1 || { cat "$log"; return 1; }
    fi
    echo "check: building $msan" >&2
    ninja -C "$msan" bfopt >"$log" 2>&1 || { tail -n 40 "$log"; return 1; }
    echo "check: memory that nobody wrote" >&2
    sh tests/memory.sh "$msan"
}

under_valgrind() {
    echo "check: valgrind" >&2
    sh tests/valgrind.sh "${BFOPT_PLAIN_BUILD:-build/debug}"
}

case $* in
    threads) threads; exit ;;
    memory) memory; exit ;;
    valgrind) under_valgrind; exit ;;
esac
if [ ! -f "$build/build.ninja" ]; then
    meson setup "$build" --buildtype=debugoptimized -Db_ndebug=false -Dwerror=true -Dtests=enabled \
        -Db_sanitize=address,undefined -Db_lundef=false >"$log" 2>&1 ||
        { cat "$log"; exit 1; }
fi
echo "check: building $build" >&2
ninja -C "$build" >"$log" 2>&1 || { tail -n 40 "$log"; exit 1; }

# A report ends the process with a status that no test expects.  What is allocated when an endless
# run is left, or when memory has run out, is not freed: leaks are looked for in all other suites.
UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1:exitcode=99
ASAN_OPTIONS=exitcode=99:detect_stack_use_after_return=0:allocator_may_return_null=1
# Tests expect the signal itself, and make sigaltstack fail.
ASAN_OPTIONS=$ASAN_OPTIONS:handle_segv=0:use_sigaltstack=0
LSAN_OPTIONS=exitcode=99:suppressions=$PWD/tests/lsan.txt:print_suppressions=0
export UBSAN_OPTIONS ASAN_OPTIONS LSAN_OPTIONS
test_random=400 test_length=4 test_irfuzz=1500 test_targets=100 test_scale=0.01 test_sanitized=1
export test_random test_length test_irfuzz test_targets test_scale test_sanitized
status=0
sh tests/run.sh "$build" "$@" || status=1

[ $# != 0 ] || threads || status=1
[ $# != 0 ] || memory || status=1
[ $# != 0 ] || under_valgrind || status=1
[ $# != 0 ] || sh tests/lint.sh "$build" || status=1
exit $status
