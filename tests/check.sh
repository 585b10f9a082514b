#!/bin/sh
# check.sh [SUITE...]: ./dev check: the suites under AddressSanitizer and UndefinedBehaviorSanitizer,
# with fewer programs, then the linters.
#
# Generated code is not instrumented, but what compiles it, runs it and catches its faults is.
set -u
cd "$(dirname "$0")/.." || exit 1
build=${BFOPT_CHECK_BUILD:-build/check}
log=$(mktemp) || exit 1
trap 'rm -f "$log"' EXIT INT TERM
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
test_random=400 test_length=4 test_irfuzz=1500 test_targets=100 test_sanitized=1
export test_random test_length test_irfuzz test_targets test_sanitized
status=0
sh tests/run.sh "$build" "$@" || status=1

# The linters, when all suites were wanted.  Each says nothing if nothing is wrong.
sources=$(git ls-files 'runtime/*.c' 'ir/*.c' 'passes/*.c' 'backend/*.c' 'frontend/*.c')
lint() { # NAME COMMAND...
    name=$1
    shift
    echo "check: $name" >&2
    if ! "$@" >"$log" 2>&1 || [ -s "$log" ]; then
        printf 'FAIL %s\n' "$name"
        head -n 40 "$log"
        status=1
    fi
}
compile_all() { # COMPILER FLAG...: each source, for its warnings
    for f in $sources; do
        case $f in runtime/standalone.c) continue ;; esac
        "$@" -std=gnu11 -D_GNU_SOURCE -DBFOPT_VERSION='""' -I. -I"$build" -I"$build/runtime" \
            -I"$build/backend" -O2 -c "$f" -o /dev/null || return 1
    done
}
warnings='-Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wswitch-enum -Wvla -Wconversion
    -Wno-sign-conversion -Wundef -Wpointer-arith -Wformat=2 -Wcast-qual -Wwrite-strings -Wnull-dereference'
if [ $# = 0 ]; then
    lint "gcc, more warnings" compile_all gcc $warnings -Wlogical-op -Wduplicated-cond
    command -v clang >/dev/null &&
        lint "clang, more warnings" compile_all clang $warnings -Wcomma -Wunreachable-code \
            -Wimplicit-fallthrough -Wno-unknown-warning-option -Wno-missing-field-initializers
    lint "gcc -fanalyzer" compile_all gcc -fanalyzer
    command -v clang-tidy >/dev/null && lint clang-tidy sh -c "clang-tidy -p '$build' --quiet $(
        printf '%s ' $sources) 2>/dev/null | grep -E 'warning:|error:' | sort -u"
    command -v cppcheck >/dev/null && lint cppcheck \
        cppcheck --quiet --std=c11 --error-exitcode=1 --inline-suppr --suppressions-list=tests/cppcheck.txt \
        --enable=warning,portability -D__x86_64__ -DBFOPT_VERSION='""' -I. \
        runtime ir passes backend frontend tests/fuzz
fi
exit $status
