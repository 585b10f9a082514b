#!/bin/sh
# ops.sh: each operation of ir/ops.def is described in docs/ir.md, printed by a case of tests/ir/print and
# run by a case of tests/ir/eval.
passed=0
failed=0
check() { # WHAT COMMAND...
    what=$1
    shift
    if "$@"; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        printf 'FAILED %s\n' "$what"
    fi
}
for op in $(sed -n 's/^OP([A-Z]*, *"\([a-z]*\)".*/\1/p' ir/ops.def); do
    check "\`$op\` is not in docs/ir.md" grep -q "\`$op\`" docs/ir.md
    case $op in nop | copy | const) continue ;; esac
    check "no case of tests/ir/print prints \`$op\`" grep -qr "^  \(%[0-9]* = \)\?$op\b" tests/ir/print
    check "no case of tests/ir/eval runs \`$op\`" grep -qr "^  \(%[0-9]* = \)\?$op\b" tests/ir/eval
done
[ "$passed" -gt 0 ] || failed=1
printf '%d passed, %d failed\n' "$passed" "$failed"
[ "$failed" = 0 ]
