#!/bin/sh
# run.sh BUILD [quick]: tests of the command line: diagnostics, exit statuses, input and output, files.
#
# A case is `ok NAME STATUS OUT ERR ARGUMENT...`: bfopt, run with the arguments and $in as its input,
# must end with STATUS and write exactly OUT and ERR.  OUT, ERR and $in are printf formats; an ERR
# of "~PATTERN" must match a line of what is written, "*" may be anything.
# Cases stand in files by topic; the language's run under every engine (quick: not at all).
set -u
bfopt=$(cd "$1" && pwd)/bfopt
here=$(cd "$(dirname "$0")" && pwd)
[ -x "$bfopt" ] || { echo "no bfopt in $1"; exit 1; }
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT INT TERM
cd "$work" || exit 1
passed=0
failed=0
in=
limit=20 # seconds for a case

pass() {
    passed=$((passed + 1))
}
fail() { # NAME WHAT
    failed=$((failed + 1))
    printf 'FAIL %s: %s\n' "$1" "$2"
    printf '  arguments:%s\n' "$arguments"
    sed 's/^/  err: /' err
}

# Is what the case wrote to standard error what it should?
err_matches() { # ERR
    case $1 in
    '*') return 0 ;;
    '~'*) grep -qe "${1#?}" err ;;
    *)
        printf -- "$1" >want_err
        cmp -s want_err err
        ;;
    esac
}

judge() { # NAME STATUS OUT ERR; the case has left status, out, err
    printf -- "$3" >want
    if [ "$status" != "$2" ]; then
        fail "$1" "status $status, not $2"
    elif ! cmp -s want out; then
        fail "$1" "wrong output: $(od -An -c out | head -n 3)"
    elif ! err_matches "$4"; then
        fail "$1" "wrong messages, not: $4"
    else
        pass
    fi
}

ok() { # NAME STATUS OUT ERR ARGUMENT...
    name=$1 want_status=$2 want_out=$3 want_err=$4
    shift 4
    arguments=$(printf ' %s' "$@" | head -c 200)
    printf -- "$in" | timeout "$limit" "$bfopt" "$@" >out 2>err
    status=$?
    judge "$name" "$want_status" "$want_out" "$want_err"
}

# The same with a command for the shell, in which $bfopt stands for the program.
sh_ok() { # NAME STATUS OUT ERR COMMAND
    arguments=" $5"
    case $5 in
    *strace*) leaks=0 ;; # the leak sanitizer cannot work under strace
    *) leaks=1 ;;
    esac
    printf -- "$in" | ASAN_OPTIONS=${ASAN_OPTIONS:-}:detect_leaks=$leaks \
        timeout "$limit" sh -c "bfopt='$bfopt'; $5" >out 2>err
    status=$?
    judge "$1" "$2" "$3" "$4"
}

. "$here/usage.sh"
. "$here/source.sh"
. "$here/files.sh"
. "$here/compiler.sh"
. "$here/profile.sh"
. "$here/memory.sh"
[ "${2-}" = quick ] && engines=/dev/null || engines=$here/engines
while read -r engine; do
    case $engine in ''|'#'*) continue ;; esac
    . "$here/language.sh"
done <"$engines"
printf '%d passed, %d failed\n' "$passed" "$failed"
[ "$failed" = 0 ]
