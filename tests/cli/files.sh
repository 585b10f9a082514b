# files.sh: input and output: files, closed and failing descriptors, signals.
in=
printf 'hello' >input
ok "-i" 0 'hello' '' -e '>,[.>,]' --eof=0 -i input
ok "-i, no file" 4 '' 'bfopt: error: cannot read `none`: No such file or directory\n' -e , -i none
ok "-i, a directory" 4 '\001' "bfopt: error: cannot read the program's input: Is a directory\n" -e '+.,' -i .
ok "-i, a directory, not read" 0 '\001' '' -e '+.' -i .
sh_ok "-o" 0 'A' '' '$bfopt -e "++++++++[>++++++++<-]>+." -o f && cat f'
sh_ok "-o -" 0 'A' '' '$bfopt -e "++++++++[>++++++++<-]>+." -o -'
sh_ok "-i -" 0 'ab' '' 'printf ab | $bfopt -i - -e ",[.,]" --eof=0'
sh_ok "-o, the program itself" 4 '+.' 'bfopt: error: the output `self.b` is an input, too\n' '
    printf "+." >self.b; $bfopt -S -o self.b self.b; s=$?; cat self.b; exit $s'
sh_ok "-o, the program by another name" 4 '+.' '~`link.b` is an input, too' '
    printf "+." >self.b; ln -sf self.b link.b; $bfopt -o link.b self.b; s=$?; cat self.b; exit $s'
sh_ok "-o, the input" 4 'data' '~is an input, too' '
    printf data >both; $bfopt -i both -o both -e ",[.,]"; s=$?; cat both; exit $s'
sh_ok "-o, both a device" 0 '' '' '$bfopt -i /dev/null -o /dev/null -e ",."'
sh_ok "-o, what cannot start leaves it" 1 'old' '~no memory for a tape' '
    printf old >keep; $bfopt --tape=70368744177664 --cell-bits=64 -o keep -e +.; s=$?; cat keep; exit $s'
sh_ok "-o, a link to a file that may not grow" 4 'link\n0\n' '~cannot write `link`: File too large' '
    echo old >target; ln -sf target link
    (ulimit -f 1; trap "" XFSZ; $bfopt -S -o link -e ",[.,]"); s=$?
    test -L link && echo link; wc -c <target; exit $s'
ok "-o, a directory" 4 '' 'bfopt: error: cannot write `.`: Is a directory\n' -e + -o .
full="bfopt: error: cannot write the program's output: No space left on device\n"
sh_ok "a full device" 4 '' "$full" '$bfopt -e +. >/dev/full'
ok "a full device, -o" 4 '' "$full" -e +. -o /dev/full
sh_ok "a full device stops the program" 4 '' "$full" '$bfopt --ref -e "+[.]" >/dev/full'
sh_ok "a full device before an error" 4 '' "$full" '$bfopt -e "+.<+" >/dev/full'
sh_ok "a full device for --help" 4 '' '~cannot write `<stdout>`: No space left on device' '$bfopt -h >/dev/full'
sh_ok "a full device for --help -o" 4 '' '~cannot write `/dev/full`: No space left on device' '$bfopt -h -o /dev/full'
sh_ok "the device is still there" 0 '' '' 'test -c /dev/full'
sh_ok "a closed standard output" 4 '' "bfopt: error: cannot write the program's output: Bad file descriptor\n" '$bfopt -e +. >&-'
sh_ok "a closed standard output, not used" 0 '' '' '$bfopt -e + >&-'
sh_ok "a closed standard input" 4 '\001' "bfopt: error: cannot read the program's input: Bad file descriptor\n" '$bfopt -e +., <&-'
sh_ok "a closed standard input, not used" 0 '\001' '' '$bfopt -e +. <&-'
sh_ok "a closed standard input is no place for -o" 4 '' '*' '$bfopt -e +., -o f <&-'
sh_ok "a closed standard error" 3 '\001' '' '$bfopt -e "+.<." -o f 2>&-; s=$?; cat f; exit $s'
sh_ok "a reader that is gone" 0 '4\n' "~cannot write the program's output: Broken pipe" '
    { $bfopt --ref -e "+[.]"; echo $? >s; } | true; cat s'
for engine in --ref --interp '--jit -O0' --jit; do
    sh_ok "an interrupt writes out what there is ($engine)" 130 'A' '*' "
        timeout --preserve-status -s INT 0.5 \$bfopt $engine -e '++++++++[>++++++++<-]>+.[]'"
done
sh_ok "so does a quit" 131 'A' '*' '
    timeout --preserve-status -s QUIT 0.5 $bfopt -e "++++++++[>++++++++<-]>+.[]"'
sh_ok "so does the end of a session" 143 'A' '*' '
    timeout --preserve-status -s TERM 0.5 $bfopt -e "++++++++[>++++++++<-]>+.[]"'
sh_ok "output comes before input is waited for" 0 'ok\n' '' '
    mkfifo a b; $bfopt -e "+++++++[>+++++++<-]>.,." <a >b & exec 3>a 4<b
    x=$(head -c 1 <&4); [ "$x" = 1 ] && echo ok; exec 3>&-; wait'
if strace -qq -o /dev/null true 2>/dev/null; then
    no_stack='strace -qq -o /dev/null -e inject=sigaltstack:error=ENOMEM'
    sh_ok "no stack for faults, --jit" 1 '' 'bfopt: error: cannot run machine code: faults cannot be caught\n' "$no_stack"' $bfopt --jit -e +.'
    sh_ok "no stack for faults" 0 '\001' '' "$no_stack"' $bfopt -e +.'
    sh_ok "no mapping both writable and executable" 0 '0\n' '' '
        strace -qq -o calls -e trace=mmap,mprotect,mremap $bfopt --jit -e "+[.-]" >/dev/null
        grep -c "PROT_WRITE|PROT_EXEC" calls || true'
    sh_ok "-o, a file that cannot be emptied" 4 'old' 'bfopt: error: cannot write `kept`: Input/output error\n' '
        printf old >kept; strace -qq -o /dev/null -e inject=ftruncate:error=EIO $bfopt -e +. -o kept; s=$?; cat kept; exit $s'
    sh_ok "interrupted and short writes" 0 '\001\002' '' '
        strace -qq -o /dev/null -e inject=write:error=EINTR:when=1 $bfopt -e "+.+."'
fi
