#!/bin/sh
# facts.sh BUILD: what is promised of the machine code, asked from outside.
#
# Memory is writable or executable, never both (strace); what -S writes assembles without a warning
# to a program whose stack and data are not executable (readelf); the same input gives the same code.
set -u
bfopt=$(cd "$1" && pwd)/bfopt
cd "$(dirname "$0")/.." || exit 1
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT INT TERM
passed=0
failed=0

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
for options in "--jit -O0" "--jit -O3" "--jit -O2 --guard=off" "--interp" "--ref"; do
    check "strace bfopt $options" trace_maps $options
    check "bfopt $options maps nothing writable and executable" no_line "$both" "$work/calls"
    case $options in
    --jit*)
        check "bfopt $options makes its code executable" \
            grep -qE 'mprotect\([^)]*PROT_READ\|PROT_EXEC\)' "$work/calls"
        ;;
    esac
done

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
