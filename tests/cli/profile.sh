# profile.sh: --profile and --perf-map.
in=
hot='++++++++[>++++++++[>++++++++[>++++++++[>+<-]<-]<-]<-]>>>>.'
ok "profile: exact counts" 0 '' '~^ .* 4,096  *512  *8\.\.15 .  *1:39  \[>+>+<<-\]$' --profile=exact -e "++++++++[>++++++++[>++++++++[>++++++++[>+>+<<-]<-]<-]<-]"
for count in '8 253 +++[+]' '16 65,533 +++[+]' '8 171 +[---]' '32 2,863,311,531 +[---]' '8 3 +>+>+<<[>]' '8 2 >>>>+>>>+[<<<]' \
             '8 251 +++++[+>++<]' '16 5 +++++[->++<]' '64 18,446,744,073,709,551,611 +++++[+>++<]'; do
    rest=${count#* }
    loop=${rest#* }
    bits=${count%% *}
    rounds=${rest%% *}
    sh_ok "profile: $loop, $bits bits" 0 "$rounds\n" '' '
        $bfopt --profile=exact --tape=4k --cell-bits='"$bits -e '$loop'"' 2>&1 | awk "/:[0-9]+  \[/{print \$4; exit}"'
done
ok "profile: after an error" 3 'AA' '~^-e:1:.*: error: cell -2' --profile -e '++++++++[>++++++++<-]>+..<<<'"$hot"'+'
sh_ok "profile: and what was found before" 3 '' '~samples*$' '$bfopt --profile -e "<+"'
ok "profile: of a sample" 0 "$(cat "$here/../../samples/collatz.out" | sed 's/%/%%/g; s/\\/\\\\/g')\n" '~ samples: [0-9.]* % in machine code, ' --profile "$here/../../samples/collatz.b"
printf '%0200000d%s%0200000d' 0 "$hot" 0 | tr 0 + >long.b
sh_ok "profile: a long line" 0 '' '' '$bfopt --profile=exact long.b 2>&1 >/dev/null | awk "length > 200" | head -n 3'
sh_ok "profile: no colour in a file" 0 '0\n' '' '$bfopt --profile=exact -e "++[-]" 2>&1 | grep -c "$(printf "\\033")"; true'
if command -v script >/dev/null; then
    for colour in '1 env -u NO_COLOR' '0 env NO_COLOR=1'; do
        sh_ok "profile: colour, ${colour#* }" 0 "${colour%% *}\n" '' '
            script -qec "'"${colour#* }"' $bfopt --profile '"$here"'/../../samples/collatz.b" /dev/null </dev/null |
            grep -c -m 1 "$(printf "\\033\\[")"; true'
    done
fi
sh_ok "profile: blocks where the locale has them" 0 '0\n1\n' '' '
    LC_ALL=C $bfopt --profile=exact -e "++[-]" 2>&1 | grep -c "█"
    LC_ALL=C.UTF-8 $bfopt --profile=exact -e "++[-]" 2>&1 | grep -c "█"'
for other in --jit --interp --ref --sandbox --max-steps=9 -S; do
    ok "profile and $other" 1 '' '~--profile is for ' --profile $other -e +
done
ok "profile of IR" 1 '' '~--profile is for ' --profile --ir x.ir
for engine in '--tier-threshold=2 --tier-wait' '--tier-threshold=2' --jit; do
    sh_ok "a map for perf, $engine" 0 'ok\n' '' '
        sh -c "rm -f /tmp/perf-\$\$.map; exec \"\$@\"" sh \
            $bfopt --perf-map '"$engine"' -e "'"$hot$hot$hot"'" >/dev/null & pid=$!; wait $pid
        [ '"${engine%%=*}"' = --tier-threshold ] && [ ! -e /tmp/perf-$pid.map ] && : >/tmp/perf-$pid.map
        awk "!/^[0-9a-f]+ [0-9a-f]+ -e:1:[0-9]+\$/{print}" /tmp/perf-$pid.map && rm /tmp/perf-$pid.map && echo ok'
done
# /tmp is everybody's and the name can be guessed: what is there already is replaced, never followed or added to.
for there in 'ln -s $PWD/victim' 'cp $PWD/victim'; do
    sh_ok "a map for perf where there is one: ${there%% \$*}" 0 'old\nok\n600\n' '' '
        echo old >victim
        sh -c "rm -f /tmp/perf-\$\$.map; '"$there"' /tmp/perf-\$\$.map || exit 9; exec \"\$@\"" sh \
            $bfopt --perf-map --jit -e "'"$hot"'" >/dev/null & pid=$!; wait $pid || exit
        cat victim; map=/tmp/perf-$pid.map
        [ -f $map ] && [ ! -L $map ] && ! grep -v "^[0-9a-f]* [0-9a-f]* -e:1:[0-9]*\$" $map && echo ok
        stat -c %a $map; rm $map'
done
sh_ok "a map for perf that cannot be replaced" 0 '' '~warning: cannot write `/tmp/perf-[0-9]*.map`: File exists$' '
    sh -c "mkdir /tmp/perf-\$\$.map && exec \"\$@\"" sh $bfopt --perf-map --jit -e "'"$hot"'" >/dev/null & pid=$!
    wait $pid; status=$?; rmdir /tmp/perf-$pid.map; exit $status'
