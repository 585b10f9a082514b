# usage.sh: options, help, wrong usage.
try='\nTry `bfopt --help`.\n'
in=
for help in -h --help; do
    sh_ok "$help starts with the usage" 0 'Usage: bfopt [options] FILE|-\n' '' "\$bfopt $help | head -n 1"
done
for version in -V --version; do
    sh_ok "$version" 0 '1\n' '' "\$bfopt $version | grep -c '^bfopt [0-9]'"
done
sh_ok "the manual has every option" 0 '' '' '
    $bfopt --man | tr -d "\\\\" >man
    $bfopt -h | sed -n "s/^.* \(--[a-z-]*\).*/\1/p" | while read -r o; do
        grep -qe "$o" man || echo "$o"; done'
ok "completions for another shell" 1 '' "bfopt: error: option \`--completion\`: there are completions for bash only, not for \`zsh\`$try" --completion=zsh
sh_ok "the completions are a script" 0 '' '' '! command -v bash >/dev/null || $bfopt --completion=bash | bash -n'
ok "no program" 1 '' "bfopt: error: no program: give a FILE, \`-\` for standard input, or -e CODE$try"
ok "two files" 1 '' "bfopt: error: two files, \`a\` and \`b\`$try" a b
ok "a file and code" 1 '' "bfopt: error: two programs: a FILE and -e CODE$try" a -e +
ok "unknown long option" 1 '' "bfopt: error: option \`--nix\` is unknown$try" --nix -e +
ok "unknown short option" 1 '' "bfopt: error: option \`-x\` is unknown$try" -x -e +
ok "unknown level" 1 '' "bfopt: error: option \`-O\`: \`4\` is none of 0|1|2|3$try" -O4 -e +
ok "unknown width" 1 '' '~none of 8|16|32|64' --cell-bits=9 -e +
ok "unknown eof" 1 '' '~none of unchanged|0|-1' --eof=1 -e +
ok "no value" 1 '' "bfopt: error: option \`--tape\` needs a value$try" -e + --tape
ok "value too many" 1 '' "bfopt: error: option \`--ref\` takes no value$try" -e + --ref=1
ok "bad number" 1 '' '~bad number `1x`' -e + --tape=1x
ok "no tape" 1 '' '~bad number `0`' -e + --tape=0
ok "huge number" 1 '' '~bad number' -e + --max-steps=99999999999999999999
ok "a tape that cannot be mapped" 1 '' '~no memory for a tape' -e + --cell-bits=64 --tape=60000g
ok "max-steps needs the reference interpreter" 1 '' '~only --ref does' --jit --max-steps=1 -e +
ok "ref only runs" 1 "" "~only run programs" -S --max-steps=5 -e +
ok "ref runs no IR" 1 '' '~not --ir' --ref --ir -e +
ok "options after the program" 0 'A' '' -e '++++++++[>++++++++<-]>+.' --ref --eof=0
ok "options and a double dash" 1 '' '~cannot read `-e`' --ref -- -e
ok "joined short options" 0 '' '~^-e:1:1: # pointer 0' -#e '#'
ok "code in pieces" 0 '\003' '' -e + --eval=+ --eval '+.'
ok "an empty program" 0 '' '' -e ''
