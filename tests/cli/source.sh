# source.sh: the program text: errors with positions, comments, files.
in=
ok "unmatched [" 2 '' '-e:1:2: error: unmatched `[`\n  +[-\n   ^\n' -e '+[-'
ok "unmatched ], no output before it" 2 '' '-e:1:6: error: unmatched `]`\n  +.[-]]\n       ^\n' -e '+.[-]]'
ok "several unmatched [" 2 '' '-e:1:1: error: unmatched `[`, the first of 2\n  [[\n  ^\n' -e '[['
ok "the unmatched one of nested [" 2 '' '-e:1:1: error: unmatched `[`\n  [[]\n  ^\n' -e '[[]'
printf 'one\n\tt+]\r\n' >p.b
ok "tabs before the caret, CRLF" 2 '' 'p.b:2:4: error: unmatched `]`\n  \tt+]\n  \t  ^\n' p.b
printf '\303\244\377\033[' >p.b
ok "bytes that are no text" 2 '' 'p.b:1:5: error: unmatched `[`\n  \303\244??[\n     ^\n' p.b
awk 'BEGIN { for (i = 0; i < 1000; i++) printf "+-"; printf "]"; for (i = 0; i < 1000; i++) printf "<>" }' >p.b
ok "a long line is cut" 2 '' '~^  \.\.\.[+-]*\][<>]*\.\.\.$' p.b
ok "the caret of a long line" 2 '' '~^ \{65\}^$' p.b
printf '#!/usr/bin/env -S bfopt -.,+<>][\n++.' >p.b
ok "a first line for the shell is skipped" 0 '\002' '' p.b
printf '\n#!+.' >p.b
ok "only a first one" 0 '\001' '' p.b
printf '+\000+\200.' >p.b
ok "NUL and other bytes are comments" 0 '\002' '' p.b
ok "the warning of an endless loop" 5 '' '~^-e:1:2: warning: this loop never ends once it is reached$' --max-steps=9 -e '+[]'
ok "an odd cell never reaches zero by twos" 5 '' '~^-e:1:2: warning: ' --max-steps=9 -e '-[--]'
ok "no warning without a reason" 0 '' '' -e '++[--]>[]<[]++++[-->+<]' --max-steps=1000
ok "no warning of a loop never entered" 0 '' '' -e '[+[]]'
ok "no file" 1 '' 'bfopt: error: cannot read `none.b`: No such file or directory\n' none.b
ok "a directory" 1 '' 'bfopt: error: cannot read `.`: Is a directory\n' .
: >empty.b
ok "an empty file" 0 '' '' empty.b
if [ "$(id -u)" != 0 ]; then
    printf '+' >secret.b && chmod 0 secret.b
    ok "an unreadable file" 1 '' '~cannot read `secret.b`: Permission denied' secret.b
fi
in='++.'
ok "the program from standard input" 0 '\002' '' -
in=',.,.!AB'
ok "! separates program and input" 0 'AB' '' -
in=',[!.,]!AB'
ok "! in brackets is a comment" 0 'AB' '' --eof=0 -
in='+!+.'
ok "! before any , is a comment" 0 '\002' '' -
printf ',!.' >p.b
in='Z'
ok "! in a file is a comment" 0 'Z' '' p.b
printf 'Y' >input
in=',!.'
ok "! with -i is a comment" 0 'Y' '' - -i input
in=',.!'
ok "nothing behind !" 0 '\000' '' -
in=
awk 'BEGIN { for (i = 0; i < 200000; i++) printf "["; for (i = 0; i < 200000; i++) printf "]" }' >deep.b
sh_ok "deep nesting on a small stack" 0 '' '' 'ulimit -s 256; $bfopt --ref deep.b'
