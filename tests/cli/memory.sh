# memory.sh: every single allocation fails, once: the message and status 1, and no lost output.
# Builds without assertions cannot fail on demand and skip this.
oom_one() { # N ARGUMENT...: 0 if the run ended as it should; leaves status
    n=$1
    shift
    BFOPT_FAIL_ALLOC=$n timeout "$limit" "$bfopt" "$@" >out 2>err </dev/null
    status=$?
    case $status in
    0) cmp -s want_oom out ;;
    1) grep -q '^bfopt: error: out of memory$' err && [ "$(wc -l <err)" = 1 ] && [ ! -s out ] ;;
    *) return 1 ;;
    esac
}

oom() { # NAME ARGUMENT...
    name="out of memory: $1"
    shift
    arguments=" BFOPT_FAIL_ALLOC=$(printf ' %s' "$@")"
    "$bfopt" "$@" >want_oom 2>/dev/null </dev/null
    n=0
    status=1
    while [ $status = 1 ] && [ $n -lt 3000 ]; do
        n=$((n + 1))
        if ! oom_one $n "$@"; then
            fail "$name" "allocation $n: status $status"
            return
        fi
    done
    if [ $n -lt 2 ] || [ $status = 1 ]; then fail "$name" "$n failures"; else pass; fi
}

BFOPT_FAIL_ALLOC=1 "$bfopt" -e + >out 2>err </dev/null
if [ $? = 1 ]; then
    oom "the reference interpreter" --ref -e '+[.-]'
    oom "the interpreter" --interp -O1 -e '+[.->,]'
    oom "machine code" --jit -O3 -e '+[.->,]'
    oom "--help" --help
    oom "--dump-ir" --dump-ir -e '+[.->,]'
    oom "-S" -S -e '+[.->,]'
fi
