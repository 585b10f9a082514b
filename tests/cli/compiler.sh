# compiler.sh: what can be seen and steered of the compiler: dumps, passes, IR as input.
in=
hi='++++++++[>+++++++++<-]>.>+++++++++++[<+++>-]<.>++++++++++.'
ok "the IR" 0 'program cells=8 tape=67108864 {\nb1:\n  %%1 = tape\n  ret %%1\n}\n' '' --dump-ir -e ''
ok "the IR of a strict program" 0 'program cells=16 tape=4096 strict {\nb1:\n  %%1 = tape\n  ret %%1\n}\n' '' --dump-ir --strict --cell-bits=16 --tape=4096 -e ''
"$bfopt" -O1 --dump-ir=text -e "$hi" -o hi.ir 2>/dev/null
for engine in --jit --interp; do
    ok "a dump runs ($engine)" 0 'Hi\n' '' $engine --ir hi.ir
    ok "a dump is optimized again ($engine)" 0 'Hi\n' '' $engine -O3 --ir hi.ir
done
sh_ok "a dump from a pipe" 0 'Hi\n' '' '$bfopt -O0 --dump-ir -e "'"$hi"'" | $bfopt --ir -'
sh_ok "the dump of a dump is the dump" 0 '' '' '$bfopt --ir -O0 --dump-ir hi.ir | cmp - hi.ir'
printf 'program cells=8 {\nb1:\n  %%1 = tape\n  ret %%2\n}\n' >p.ir
ok "IR text with an error" 2 '' '~^p.ir:4:7: error: ' --ir p.ir
printf 'program cells=8 {\nb1:\n  %%1 = tape\n  out %%1\n  ret %%1\n}\n' >p.ir
printf 'unit cells=8 {\nb1:\n  %%1 = tape\n  %%2 = call %%1, loop 3\n  ret %%2\n}\n' >call.ir
ok "IR with calls" 2 '' '~calls loops of a program that is not here$' --ir call.ir
printf 'program cells=8 {\nb1:\n  %%1 = tape\n  out 65\n  ret %%1\nb2:\n  jmp b3\nb3:\n  %%3 = move %%4 + 1\n' >nowhere.ir
printf '  %%4 = move %%3 + 1\n  %%5 = load %%4\n  br %%5, b3, b4\nb4:\n  ret %%4\n}\n' >>nowhere.ir
ok "IR that goes in circles where nothing leads" 0 'A' '' -O2 --ir nowhere.ir
printf 'unit cells=8 {\nb1:\n  %%1 = tape\n  jmp b3\nb2:\n  jmp b3\nb3:\n  %%2 = phi b1 65, b2 66\n  out %%2\n  ret %%1\n}\n' >phi.ir
for options in -O0 "-O0 --interp" "-O3 --validate-each"; do
    ok "IR with a phi for where nothing leads ($options)" 0 'A' '' $options --ir phi.ir
done
ok "IR that breaks a rule" 2 '' '~^bfopt: error: p.ir: the function breaks a rule$' --ir p.ir
printf 'program cells=8 tape=4096 {\nb1:\n  %%1 = tape\n  store %%1 - 1, 5\n  ret %%1\n}\n' >p.ir
ok "off the tape without a source" 3 '' 'bfopt: error: cell -1 is left of the tape\n' -O0 --ir p.ir
sh_ok "a graph" 0 '1\n' '' '$bfopt --dump-ir=dot -e "+[-]" | grep -c "^digraph"'
sh_ok "a graph that Graphviz reads" 0 '' '' '
    command -v dot >/dev/null || exit 0
    $bfopt -O0 --dump-ir=dot -e "+[>+[-]<-]" | dot -Tsvg >/dev/null'
sh_ok "the listing says something" 0 'ok\n' '' '$bfopt --dump-asm -e +. | grep -q "ret *$" && echo ok'
ok "passes, chosen" 0 'Hi\n' '' --passes=fold,offset-merge,dce -e "$hi"
ok "passes, none" 0 'Hi\n' '' --passes= -e "$hi"
ok "an unknown pass" 1 '' 'bfopt: error: no pass is named `nix` (--list-passes names them)\n' --passes=fold,nix -e +
ok "an unknown pass to print after" 1 '' '~no pass is named `nix`' --print-after=dce,nix -e +
ok "an unknown pass to print before" 1 '' '~no pass is named `nix`' --print-before=nix -e +
ok "an unknown pass to stop after" 1 '' '~no pass is named `nix`' --stop-after=nix -e +
for engine in --tiered --profile --ref --max-steps=1k; do
    ok "an unknown pass ($engine)" 1 '' 'bfopt: error: no pass is named `nix` (--list-passes names them)\n' $engine --stop-after=nix -e +
done
sh_ok "checks are of the whole program" 0 '4\n' '' '
    for check in --verify-each --validate-each --check-ra --max-regs=4; do
        $bfopt $check --time-passes --tape=1k -e "++[>+<-]" 2>&1 | grep " ms  optimize$"
    done | wc -l'
sh_ok "a line end in the name of a file" 0 '\003' '' '
    name=$(printf "a\\nb.b"); printf "+++." >"$name"
    command -v cc >/dev/null || { printf "\\003"; exit 0; }
    $bfopt -S "$name" >n.s && cc n.s -o n && ./n'
ok "two passes to stop after" 1 '' 'bfopt: error: no pass is named `fold,dce` (--list-passes names them)\n' --stop-after=fold,dce -e +
ok "a pass to stop after that is not run" 1 '' 'bfopt: error: there is no stopping after `promote`, which is not run (--list-passes)\n' -O1 --stop-after=promote -e +
ok "a pass of machine code to stop after" 1 '' '~after `peel`, which is not run' --interp --stop-after=peel -e +
ok "a pass to stop after that is not chosen" 1 '' '~after `dce`, which is not run' --passes=fold --stop-after=dce -e +
ok "print after a pass" 0 '\001' '~^; after dce$' --print-after=dce -e +.
ok "print before a pass" 0 '\001' '~^; before fold$' --print-before=fold -e +.
ok "print after selection" 0 '\001' '~^; after isel$' --print-after=isel -e +.
ok "print after allocation" 0 '\001' '~^; after ra$' --print-after=fold,ra -e +.
ok "print after all" 0 '\001' '~^; after ra$' --print-after=all -e +.
sh_ok "what is printed can be run" 0 '\001' '' '
    $bfopt -O1 --print-after=fold --stop-after=fold -e "+." 2>p.ir >/dev/null; $bfopt --ir p.ir'
sh_ok "what levels run" 0 '0 0 1\n' '' '
    runs() { $bfopt --list-passes | grep "^-O$1:" | grep -c "$2"; }
    echo $(runs 0 fold) $(runs 1 promote) $(runs 2 promote)'
sh_ok "the list of operations" 0 '1\n' '' '$bfopt --list-ops | grep -c "^scan "'
sh_ok "passes for machine code only" 0 '0 1 1\n' '' '
    runs() { $bfopt "$@" --time-passes -e ">+[[>]+[<]>-]" 2>&1 | grep -c " ms  peel "; }
    echo $(runs --interp) $(runs --jit) $(runs --interp --passes=peel)'
ok "statistics of passes" 0 'Hi\n' '~^mul-loop\.loops = 2' --jit --prerun-steps=0 --stats -e "$hi"
ok "statistics of the allocator" 0 'Hi\n' '~^ra.intervals [1-9]' --jit --stats -e "$hi"
ok "times" 0 'Hi\n' '~ ms  run$' --time-passes -e "$hi"
sh_ok "how much a large function is worth" 0 '1\n0\n0\n0\n0\n' '' '
    printf ",[>,%s[-]<-]" "$(yes "+.>" | head -n 50000 | tr -d "\n")" >text.b
    printf ",[>,%s[-]<[->[->[->[->[->[->[->[->[->+>+>+<<<]<]<]<]<]<]<]<]<]]" "$(yes "+.>" | head -n 50000 | tr -d "\n")" >both.b
    worth() { $bfopt --stats "$@" 2>&1 >stats.out </dev/null | grep -c "pipeline.mostly_io = 1"; }
    worth -O3 --jit text.b
    worth -O1 --jit text.b
    worth -O3 -S text.b
    worth -O3 --jit both.b
    printf ",[>,%s[-]<-]" "$(yes "+>-<>" | head -n 50000 | tr -d "\n")" >touches.b
    worth -O3 --jit --strict touches.b
    true'
for n in 0 1 2 5 10; do
    ok "limit of $n rewrites" 0 'Hi\n' '' --opt-limit=$n -e "$hi"
done
for level in 0 1 2 3; do
    ok "checks at -O$level" 0 'Hi\n' '' -O$level --tape=1k --verify-each --validate-each --check-ra -e "$hi"
done
for n in 3 4 15; do
    ok "$n registers, random" 0 'Hi\n' '' --max-regs=$n --ra-seed=7 --check-ra --jit -e "$hi"
done
for cpu in native x86-64 v3; do
    ok "code for $cpu" 0 'Hi\n' '' --cpu=$cpu -e "$hi"
done
far_zero=\>$(printf '+>%.0s' $(seq 40))
for cpu in '' --cpu=x86-64 --cpu=v3 --cpu=v4; do
    [ -z "${cpu#--cpu=x86-64}" ] || grep -q avx2 /proc/cpuinfo || continue
    sh_ok "an assembled scan, $cpu" 3 'A' '~^p.b:1:129: error: cell -1 is left of the tape$' '
        printf "%s" "'"$far_zero"'<[<]>[>]>++++++++[>++++++++<-]>+.<<<[<]+>[>]<[<]" >p.b
        $bfopt -S '$cpu' p.b -o p.s && cc p.s -o p.exe && ./p.exe'
done
sh_ok "-S is for any processor" 0 '' '' '
    $bfopt -S -e ",[>]<[<]" | grep -q pcmpeqb && ! $bfopt -S -e ",[>]<[<]" | grep -q vpcmpeqb'
sh_ok "two compilations give the same" 0 '' '' '
    $bfopt -S -e "+[>+<-]" >1.s; $bfopt -S -e "+[>+<-]" | cmp - 1.s'
sh_ok "what needs no input is a string of -S" 0 '1\n' '' '$bfopt -S -e "'"$hi"'" | grep -c "ascii  *.Hi"'
sh_ok "nothing is run while compiling" 0 'branches\n' '' '
    $bfopt -O3 --dump-ir --prerun-steps=0 "'"$here"'/../../samples/fizzbuzz.b" | grep -q " br " && echo branches
    $bfopt -O3 --dump-ir "'"$here"'/../../samples/fizzbuzz.b" | grep " br "; true'
ok "much output before the first input" 0 "$(printf '%070000d' 0 | tr 0 '\001')" '' \
    -O3 --cell-bits=32 -e "$(printf '%070d' 0 | tr 0 +)[>$(printf '%01000d' 0 | tr 0 +)[>+.[-]<-]<-]"
ok "a tape full before the first input" 0 '\001' '' \
    -O3 --cell-bits=16 -e "$(printf '%0100d' 0 | tr 0 +)[>$(printf '%070d' 0 | tr 0 +)[>+<-]<-]>>[[>+<-]+>-],+."
ok "steps for the prerun" 1 '' '~bad number' --prerun-steps=x -e +

# Tiers.
hot='++++++++[>++++++++[>++++++++[>++++++++[>+<-]<-]<-]<-]>>>>.'
ok "tiers" 0 '\000' '' --tiered -e "$hot"
ok "tiers: log" 0 '\000' '~^-e:1:.*: loop is hot after [0-9]* rounds' --tier-threshold=2 --tier-wait --tier-log -e "$hot"
ok "tiers: log, the end" 0 '\000' '~^-e:1:[0-9]*: [0-9.]* ms: loop was entered [1-9][0-9]* times as machine code' --tier-threshold=2 --tier-wait --tier-log -e "$hot"
ok "tiers: log, why" 0 '' '~^-e:1:16: [0-9.]* ms: loop surrounds a hot one after' --tier-threshold=9 --tier-wait --tier-log -e "+++++++++[>++++[>++++[>+>[-]<<-]<-]<-]"
ok "tiers: log without tiers" 1 '' '~--tier-log tells what tiers do' --tier-log --jit -e "$hot"
ok "perf map without machine code" 1 '' '~--perf-map names machine code' --perf-map --interp -e "$hot"
ok "tiers: statistics" 0 '\000' '~^tiers.units [1-9]' --tier-threshold=2 --tier-wait --stats -e "$hot"
ok "tiers: nothing is compiled" 0 '\000' '~^tiers.units 0$' --tier-threshold=0 --stats -e "$hot"
ok "tiers: drawn thresholds" 0 '\000' '~^tiers.units [1-9]' --tier-threshold=9 --tier-seed=4 --tier-wait --stats -e "$hot"
ok "tiers: baseline code alone" 0 '\000' '~^baseline.units [1-9]' --tier-threshold=2 --tier-max=baseline --stats -e "$hot"
ok "tiers: baseline code, no units" 0 '\000' '~^tiers.units 0$' --tier-threshold=2 --tier-max=baseline --stats -e "$hot"
ok "tiers: baseline code, log" 0 '\000' '~^-e:1:[0-9]*: [0-9.]* ms: loop has baseline code, made in ' --tier-threshold=2 --tier-log -e "$hot"
ok "tiers: interpreted" 0 '\000' '~^baseline.units 0$' --tier-threshold=2 --tier-max=interp --stats -e "$hot"
ok "tiers: no such best" 1 '' '~--tier-max' --tier-max=some -e "$hot"
ok "tiers: baseline code leaves the tape" 3 'AA' '~^-e:1:33: error: cell -1 is left of the tape' --tier-threshold=1 --tier-max=baseline -e '++[>+>++++++++[<++++++++>-]<..<<[]]'
ok "tiers: a bad seed" 1 '' '~bad number' --tier-seed=x -e "$hot"
ok "tiers and IR" 1 '' '~run source, not --ir' --tiered --ir x.ir
ok "tiers and a sandbox" 1 '' '~forbids' --tiered --sandbox -e '+'
