#!/bin/sh
# libfuzzer.sh BUILD TARGET [SECONDS [OPTION...]]: fuzzes one target, guided by coverage, starting
# from the stored inputs.  What it finds stays in BUILD/corpus-TARGET, crashes in BUILD.
#
#   ./dev libfuzzer compile 600
set -eu
build=$1 target=$2
shift 2
seconds=${1:-60}
[ $# = 0 ] || shift
here=$(cd "$(dirname "$0")" && pwd)
cd "$build"
mkdir -p "corpus-$target"
# Faults of generated code are bfopt's to catch; its handler has a stack of its own.
ASAN_OPTIONS=detect_stack_use_after_return=0:allocator_may_return_null=1:use_sigaltstack=0
UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1
export ASAN_OPTIONS UBSAN_OPTIONS
exec "tests/libfuzzer_$target" -max_total_time="$seconds" -timeout=20 -rss_limit_mb=4000 -max_len=4096 \
    -print_final_stats=1 "$@" "corpus-$target" "$here/corpus/$target"
