#!/bin/sh
# ops.sh: each operation of ir/ops.def is described in docs/ir.md, printed by a case of tests/ir/print, run by
# a case of tests/ir/eval and selected in one of tests/isel; each switch of a pass that does not have to
# name every operation is in docs/add-an-op.md.
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
# What the cases of tests/isel begin with, not what comes out.
selected=$(awk 'FNR == 1 || /^; ----/ { on = 1 } /^; ==== expect/ { on = 0 } on' tests/isel/*.bfir)
selects() { # OP
    printf '%s\n' "$selected" | grep -q "^  \(%[0-9]* = \)\?$1\b"
}
for op in $(sed -n 's/^OP([A-Z]*, *"\([a-z]*\)".*/\1/p' ir/ops.def); do
    check "\`$op\` is not in docs/ir.md" grep -q "\`$op\`" docs/ir.md
    case $op in nop | copy | const) continue ;; esac
    check "no case of tests/ir/print prints \`$op\`" grep -qr "^  \(%[0-9]* = \)\?$op\b" tests/ir/print
    check "no case of tests/ir/eval runs \`$op\`" grep -qr "^  \(%[0-9]* = \)\?$op\b" tests/ir/eval
    check "no case of tests/isel selects \`$op\`" selects "$op"
done
for file in $(grep -lE 'switch \(\(int\).*op\)' passes/*.c); do
    check "docs/add-an-op.md does not name $file" grep -q "\`$file\`" docs/add-an-op.md
done
[ "$passed" -gt 0 ] || failed=1
printf '%d passed, %d failed\n' "$passed" "$failed"
[ "$failed" = 0 ]
