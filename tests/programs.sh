#!/bin/sh
# programs.sh BUILD: the samples, whole, under every engine and level, against their NAME.out.
#
# Samples that the reference interpreter finishes in a few million steps are small: they also run at
# every cell width, strictly, with every convention for the end of input, and under --ref.  The
# others take the naive engines too long; they run where an engine needs a second or two.
# Each sample is also assembled from -S, and read back from its own --dump-ir.
. "$(dirname "$0")/opening.sh"
limit=60 # seconds for a run
seed=${test_seed:-0} # of drawn thresholds

# Judges what was written to $work/out by a command that ended with this status.
judge() { # STATUS WHAT
    if [ "$1" = 0 ] && cmp -s "$work/out" "$want"; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        printf 'FAIL %s: status %s, or output other than %s\n' "$2" "$1" "$want"
    fi
}

run() { # OPTION...
    timeout "$limit" "$bfopt" "$@" "$sample" <"$input" >"$work/out" 2>"$work/err"
    judge $? "bfopt $* $sample"
}

assembled() { # OPTION...
    rm -f "$work/prog"
    "$bfopt" -S "$@" "$sample" -o "$work/prog.s" && cc "$work/prog.s" -o "$work/prog" &&
        timeout "$limit" "$work/prog" <"$input" >"$work/out"
    judge $? "bfopt -S $* $sample, assembled"
}

# The program as IR text, optimized at one level, read back and run at another.
read_back() { # LEVEL LEVEL ENGINE
    "$bfopt" --dump-ir "$1" "$sample" >"$work/prog.bfir" &&
        timeout "$limit" "$bfopt" "$2" "$3" --ir "$work/prog.bfir" <"$input" >"$work/out"
    judge $? "bfopt --dump-ir $1 $sample | bfopt $2 $3 --ir -"
}

everywhere() { # small programs
    run --ref
    for bits in 8 16 32 64; do
        for level in 0 1 2 3; do
            for engine in --tiered --interp --interp=switch --jit; do
                run "$engine" "-O$level" "--cell-bits=$bits"
            done
        done
        assembled "--cell-bits=$bits" -O2
    done
    for eof in 0 -1; do run --ref "--eof=$eof" && run --jit -O2 "--eof=$eof"; done
    for engine in --tiered --interp --jit; do run "$engine" -O2 --strict && run "$engine" --guard=off; done
    for level in 0 1 3; do assembled "-O$level"; done
    run --jit -O2 --max-regs=3
    run --tier-threshold=2 --tier-wait
    # Each program, each time with other loops hot.
    for most in 5 40 600; do
        seed=$((seed + 1))
        run --tier-threshold=$most --tier-wait --tier-seed=$seed
    done
    run --profile=exact
    run --interp -O2 --ra-seed=7
}

where_fast() { # heavy ones
    for level in 0 1 2 3; do run "-O$level"; done
    run --tier-threshold=20
    seed=$((seed + 1))
    run --tier-threshold=200 --tier-seed=$seed
    run --profile --strict
    run --guard=off
    for level in 0 1 2 3; do run --jit "-O$level"; done
    for level in 1 2 3; do run --interp "-O$level"; done
    run --interp=switch -O2
    run --jit -O2 --strict
    run --jit -O2 --guard=off
    run --jit -O2 --cell-bits=16
    assembled -O2
}

for sample in samples/*.b; do
    want=${sample%.b}.out
    input=${sample%.b}.in
    [ -f "$input" ] || input=/dev/null
    "$bfopt" --ref --max-steps=8m "$sample" <"$input" >"$work/out" 2>"$work/err"
    status=$?
    if [ $status = 5 ]; then
        where_fast
    else
        everywhere
    fi
    read_back -O0 -O2 --jit
    read_back -O2 -O0 --jit
    read_back -O2 -O1 --interp
done
if python3 samples/gen/make.py --check >"$work/out" 2>&1; then
    passed=$((passed + 1))
else
    failed=$((failed + 1))
    printf 'FAIL %s\n' "$(cat "$work/out")"
fi
printf '%d passed, %d failed\n' "$passed" "$failed"
[ "$failed" = 0 ]
