#!/bin/sh
# layout.sh: the rules of the house that a script can check.
#  - include directions: runtime knows nobody; ir knows runtime; passes know ir; backend knows ir;
#    only frontend/ sees everything
#  - includes are written from the root; files open with a comment; no line is over 100 columns
cd "$(dirname "$0")/.." || exit 1
passed=0
failed=0

check() { # NAME OFFENDERS
    if [ -z "$2" ]; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        printf 'FAIL %s:\n%s\n' "$1" "$2"
    fi
}

# Lines of folder $1 that include a project header outside the allowed prefixes $2 (a regex).
foreign() {
    grep -n '^#include "' -r "$1" --include='*.c' --include='*.h' --include='*.def' |
        grep -vE "#include \"($2)" || true
}

check "runtime knows nobody" "$(foreign runtime 'runtime/')"
check "ir knows runtime" "$(foreign ir 'ir/|runtime/')"
check "passes know ir and runtime" "$(foreign passes 'passes/|ir/|runtime/')"
check "backend knows ir and runtime" "$(foreign backend 'backend/|ir/|runtime/')"
check "includes are written from the root" \
    "$(grep -nE '^#include "[^/"]+"' -r runtime ir passes backend frontend tests --include='*.[ch]' || true)"
check "every source opens with a comment" \
    "$(for f in $(git ls-files '*.c' '*.h' '*.def'); do
           [ ! -f "$f" ] || head -c 2 "$f" | grep -q '/\*' || echo "$f"
       done)"
check "no line is over 100 columns" \
    "$(git ls-files '*.c' '*.h' | xargs -r awk 'length($0) > 100 { print FILENAME ":" FNR }')"
check "comments write IR as the parser reads it: move %1 + 3, load %1 + 3, scan %1 + 3, step 2" \
    "$(grep -nE '\<(move|load|touch|hash|trap) (%[0-9]+|p), *[-0-9k]|\<scan (%[0-9]+|p)( by |, *[-0-9k])' \
        -r runtime ir passes backend frontend tests --include='*.[ch]' --include='*.def' |
        grep -v '^tests/unit/test_ir_parse\.c:' || true)"
printf '%d passed, %d failed\n' "$passed" "$failed"
[ "$failed" = 0 ]
