#!/bin/sh
# facts.sh BUILD: what is promised of the machine code, asked from outside.
#
# Memory is writable or executable, never both (strace); what -S writes assembles without a warning
# to a program whose stack and data are not executable (readelf); the same input gives the same code.
. "$(dirname "$0")/opening.sh"

check() { # WHAT COMMAND...
    what=$1
    shift
    if "$@" >"$work/said" 2>&1; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        printf 'FAIL %s\n' "$what"
        sed 's/^/  /' "$work/said"
    fi
}

# No line of the file matches; shows those that do.
no_line() { # PATTERN FILE
    ! grep -E "$1" "$2"
}

# ---- memory ----

trace_maps() { # OPTION...: the calls that map or protect memory
    ASAN_OPTIONS=${ASAN_OPTIONS:-}:detect_leaks=0 strace -f -qq -e trace=mmap,mprotect,pkey_mprotect,mremap -o "$work/calls" \
        "$bfopt" "$@" samples/fizzbuzz.b >/dev/null
}
both='PROT_WRITE[^,]*PROT_EXEC|PROT_EXEC[^,]*PROT_WRITE'
# The pattern must recognize what it looks for, in the form strace writes it.
echo 'mmap(NULL, 4096, PROT_READ|PROT_WRITE|PROT_EXEC, MAP_PRIVATE, -1, 0) = 0x7f' >"$work/bad"
check "the pattern finds what is forbidden" grep -qE "$both" "$work/bad"
for options in "--jit -O0" "--jit -O3" "--jit -O2 --guard=off" "--tier-threshold=1 --tier-wait" "--tier-threshold=1 --tier-max=baseline" "--interp" "--ref"; do
    check "strace bfopt $options" trace_maps $options
    check "bfopt $options maps nothing writable and executable" no_line "$both" "$work/calls"
    case $options in
    --jit*)
        check "bfopt $options makes its code executable" \
            grep -qE 'mprotect\([^)]*PROT_READ\|PROT_EXEC\)' "$work/calls"
        ;;
    esac
done

# Small units of the tiers share files in memory, but not for perf, which names anonymous memory only.
trace_files() { # OPTION...
    ASAN_OPTIONS=${ASAN_OPTIONS:-}:detect_leaks=0 strace -f -qq -e trace=memfd_create -o "$work/calls" \
        sh -c '"$@" & wait $!; status=$?; rm -f "/tmp/perf-$!.map"; exit $status' sh \
        "$bfopt" "$@" --tier-threshold=1 --tier-wait samples/fizzbuzz.b >/dev/null
}
check "strace bfopt for files in memory" trace_files
check "units share a file in memory" grep -q memfd_create "$work/calls"
check "strace bfopt --perf-map for files in memory" trace_files --perf-map
check "units for perf are in anonymous memory" no_line memfd_create "$work/calls"

# What the kernel says of a run that waits for its input: its mappings, and its state.
waiting() { # OPTION...: leaves $work/maps and $work/status
    rm -f "$work/in" "$work/ready"
    mkfifo "$work/in" "$work/ready"
    "$bfopt" "$@" -e '+.,.' <"$work/in" >"$work/ready" 2>"$work/err" &
    pid=$!
    exec 3>"$work/in" 4<"$work/ready"
    head -c 1 <&4 >/dev/null # written when the run is about to read
    cat "/proc/$pid/maps" >"$work/maps"
    cat "/proc/$pid/status" >"$work/status"
    echo x >&3
    exec 3>&-
    cat <&4 >/dev/null
    exec 4<&-
    wait "$pid"
}
echo '7f5a00000000-7f5a00001000 rwxp 00000000 00:00 0' >"$work/bad"
check "the pattern finds a mapping that is both" grep -qE ' .w.?x' "$work/bad"
for options in "--ref" "--interp" "--jit" "--jit --guard=off" ""; do
    check "bfopt $options waits" waiting $options
    check "bfopt $options has no memory that is both" no_line '^[0-9a-f-]+ .wx' "$work/maps"
    check "bfopt $options is not in a sandbox" grep -q '^Seccomp:[[:space:]]0' "$work/status"
    [ -n "${test_sanitized-}" ] && continue # sanitizers make other calls
    check "bfopt $options --sandbox ends well" waiting $options --sandbox
    check "bfopt $options --sandbox is in one" grep -q '^Seccomp:[[:space:]]2' "$work/status"
    check "bfopt $options --sandbox gains nothing" grep -q '^NoNewPrivs:[[:space:]]1' "$work/status"
done
waiting --jit
check "--jit runs code in memory of its own" grep -qE '^[0-9a-f-]+ r-xp 0+ 00:00 0 *$' "$work/maps"
# PR_SET_MDWE, by name or number: nothing more becomes executable.
calls() { # OPTION...
    ASAN_OPTIONS=${ASAN_OPTIONS:-}:detect_leaks=0 strace -f -qq -e trace=mprotect,prctl,read,write -o "$work/calls" \
        "$bfopt" "$@" -e '+.' >/dev/null
}
for options in "--ref" "--interp" "--jit"; do
    check "strace bfopt $options for prctl" calls $options
    check "bfopt $options locks its memory" grep -qE 'prctl\((PR_SET_MDWE|0x41)[^,]*, *(PR_MDWE_REFUSE_EXEC_GAIN|0x1)' "$work/calls"
    check "bfopt $options makes nothing executable afterwards" sh -c "
        ! sed -n '/prctl(\(PR_SET_MDWE\|0x41\)/,\$p' '$work/calls' | grep PROT_EXEC"
done

# ---- what a short program costs ----
threads() {
    ASAN_OPTIONS=${ASAN_OPTIONS:-}:detect_leaks=0 strace -f -qq -e trace=clone,clone3,sigaltstack,sched_setaffinity -o "$work/calls" \
        "$bfopt" "$1" >/dev/null
}
check "strace bfopt for threads" threads samples/factorial.b
check "a program with hot loops starts a thread" grep -q '^[0-9]* *clone' "$work/calls"
[ "$(nproc)" = 1 ] ||
    check "the thread leaves the running one its processor" grep -q 'sched_setaffinity' "$work/calls"
one=$(taskset -cp $$ | sed 's/.*: *\([0-9]*\).*/\1/')
check "strace bfopt on one processor" taskset -c "$one" sh -c "ASAN_OPTIONS=${ASAN_OPTIONS:-}:detect_leaks=0 $(command -v strace) -f -qq \
    -e trace=clone,clone3,sched_setaffinity -o '$work/calls' '$bfopt' samples/factorial.b >/dev/null"
check "it starts a thread there, too" grep -q '^[0-9]* *clone' "$work/calls"
check "which stays where all are" no_line 'sched_setaffinity' "$work/calls"
case $(readelf -d "$bfopt") in
*libasan* | *libtsan*) ;; # which make stacks of their own
*)
    check "strace bfopt for threads, a short program" threads samples/hello.b
    check "a program without hot loops starts none, nor catches faults" no_line . "$work/calls"
    ;;
esac

# ---- bfopt itself ----

readelf -hldW "$bfopt" >"$work/elf"
readelf --dyn-syms -W "$bfopt" >"$work/symbols"
check "bfopt can be loaded anywhere" grep -q 'Type: *DYN' "$work/elf"
check "bfopt has tables that become read-only" grep -q 'GNU_RELRO' "$work/elf"
check "bfopt has them at the start, all" grep -qE 'BIND_NOW|FLAGS.*NOW' "$work/elf"
check "bfopt looks after its stack" grep -q '__stack_chk_fail' "$work/symbols"
[ -n "${test_sanitized-}" ] ||
    check "bfopt has checked calls of libc" grep -qE '__[a-z]+_chk(@| |$)' "$work/symbols"
check "bfopt has no text that needs relocation" no_line 'TEXTREL' "$work/elf"
check "bfopt takes no paths to its libraries along" no_line 'RPATH|RUNPATH' "$work/elf"

# ---- what -S makes ----

segments() { # FILE: the flags of each segment, as `TYPE RWE`
    readelf -lW "$1" | awk '$1 ~ /^[A-Z_]+$/ && $2 ~ /^0x/ {
        f = ""; for (i = 7; i < NF; i++) f = f $i; print $1, f }'
}
for options in "-O0" "-O3" "-O2 --cell-bits=32 --strict"; do
    check "bfopt -S $options" "$bfopt" -S $options samples/wc.b -o "$work/prog.s"
    check "cc prog.s ($options)" cc "$work/prog.s" -o "$work/prog"
    check "cc says nothing about prog.s ($options)" [ ! -s "$work/said" ]
    segments "$work/prog" >"$work/flags"
    check "data of prog is not executable: tables are not in the code ($options)" sh -c "
        readelf -SW '$work/prog' | awk '/ \\.(data|rodata|bss|data.rel.ro) / && / (WA)?X /' | { ! grep . ; }"
    check "the stack of prog is known ($options)" grep -q '^GNU_STACK RW' "$work/flags"
    check "the stack of prog is not executable ($options)" no_line '^GNU_STACK.*E' "$work/flags"
    check "no segment of prog is writable and executable ($options)" \
        no_line ' .*W.*E' "$work/flags"
done
segments "$bfopt" >"$work/flags"
check "no segment of bfopt is writable and executable" no_line ' .*W.*E' "$work/flags"
check "the stack of bfopt is not executable" grep -q '^GNU_STACK RW$' "$work/flags"

# ---- the same again ----

for level in 0 2 3; do
    for what in -S --dump-ir --dump-ir=dot; do
        "$bfopt" $what -O$level samples/queens.b >"$work/one"
        "$bfopt" $what -O$level samples/queens.b >"$work/two"
        check "$what -O$level writes the same twice" cmp "$work/one" "$work/two"
    done
done

# ---- pictures ----

picture() { # OPTION...: Graphviz draws it
    "$bfopt" --dump-ir=dot "$@" | dot -Tpng -o "$work/out.png" &&
        [ "$(head -c 4 "$work/out.png" | od -An -tx1 | tr -d ' ')" = 89504e47 ]
}
check "a picture of hello" picture samples/hello.b
check "a picture of cat" picture -O0 samples/cat.b
check "a picture of factorial" picture -O1 samples/factorial.b

printf '%d passed, %d failed\n' "$passed" "$failed"
[ "$failed" = 0 ]
