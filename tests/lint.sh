#!/bin/sh
# lint.sh BUILD [FILE...]: ./dev lint: what compilers and linters have to say about the sources, or about
# these files.  Any word of theirs is a failure; what they are not asked, and why, stands here, in
# .clang-tidy and in tests/cppcheck.txt.
set -u
cd "$(dirname "$0")/.." || exit 1
build=$1
shift
status=0
log=$(mktemp) || exit 1
trap 'rm -f "$log"' EXIT INT TERM
[ $# != 0 ] || set -- $(git ls-files 'runtime/*.c' 'ir/*.c' 'passes/*.c' 'backend/*.c' 'frontend/*.c' |
    grep -v runtime/standalone.c)
files=$*

lint() { # NAME COMMAND...
    name=$1
    shift
    echo "lint: $name" >&2
    if ! "$@" >"$log" 2>&1 || [ -s "$log" ]; then
        printf 'FAIL %s\n' "$name"
        head -n 40 "$log"
        status=1
    fi
}
compile_all() { # COMPILER FLAG...: each source, for its warnings
    for f in $files; do
        "$@" -std=gnu11 -D_GNU_SOURCE -DBFOPT_VERSION='""' -I. -I"$build" -I"$build/runtime" \
            -I"$build/backend" -O2 -c "$f" -o /dev/null || return 1
    done
}
tidy() {
    clang-tidy -p "$build" --quiet $files 2>/dev/null | grep -E 'warning:|error:' | sort -u
    return 0
}
# Left out: a field that a table does not name is 0, as it should be.
warnings='-Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wswitch-enum -Wvla -Wconversion
    -Wno-sign-conversion -Wundef -Wpointer-arith -Wformat=2 -Wcast-qual -Wwrite-strings -Wnull-dereference
    -Wno-missing-field-initializers'
lint "gcc, more warnings" compile_all gcc $warnings -Wlogical-op -Wduplicated-cond
command -v clang >/dev/null &&
    lint "clang, more warnings" compile_all clang $warnings -Wcomma -Wunreachable-code \
        -Wimplicit-fallthrough -Wno-unknown-warning-option
lint "gcc -fanalyzer" compile_all gcc -fanalyzer
command -v clang-tidy >/dev/null && lint clang-tidy tidy
command -v cppcheck >/dev/null && lint cppcheck \
    cppcheck --quiet --std=c11 --error-exitcode=1 --inline-suppr --suppressions-list=tests/cppcheck.txt \
    --enable=warning,portability -D__x86_64__ -DBFOPT_VERSION='""' -I. $files tests/fuzz
exit $status
