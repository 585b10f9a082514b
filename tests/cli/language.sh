# language.sh: what programs do; run.sh reads it once for every engine ($engine).
in=
lang() { # NAME STATUS OUT ERR ARGUMENT...
    lang_name="$1 ($engine)"
    shift
    lang_status=$1 lang_out=$2 lang_err=$3
    shift 3
    # The engine is several words.
    case $engine in
    -S*) assembled "$lang_name" "$lang_status" "$lang_out" "$lang_err" $engine "$@" ;;
    *) ok "$lang_name" "$lang_status" "$lang_out" "$lang_err" $engine "$@" ;;
    esac
}

# As ok, for the program that is made of the assembly.
assembled() { # NAME STATUS OUT ERR ARGUMENT...
    name=$1 want_status=$2 want_out=$3 want_err=$4
    shift 4
    arguments=$(printf ' %s' "$@" | head -c 200)
    # The program does not carry its source: no line and caret below the message.
    case $want_err in [!~]*) want_err="${want_err%%\\n*}\n" ;; esac
    rm -f prog
    if ! "$bfopt" "$@" -o prog.s 2>err || ! cc prog.s -o prog 2>err; then
        fail "$name" "no program could be made"
        return
    fi
    printf -- "$in" | timeout "$limit" ./prog >out 2>err
    status=$?
    judge "$name" "$want_status" "$want_out" "$want_err"
}

lang "hello" 0 'Hi\n' '' -e '++++++++[>+++++++++<-]>.>+++++++++++[<+++>-]<.>++++++++++.'
lang "cells wrap" 0 '\377\000' '' -e '-.+.'
lang "cells are unsigned" 0 '\001' '' -e '-[>+<[-]]>.'
lang "the tape is zero" 0 '\000\000' '' -e '.>>>>.'

# Width: 256 is 0 in 8 bits only, and so on.
two8='++++++++++++++++[>++++++++++++++++<-]>'
lang "8 bits" 0 '\000' '' -e "$two8[>+<[-]]>." --cell-bits=8
for bits in 16 32 64; do
    lang "$bits bits" 0 '\001' '' -e "$two8[>+<[-]]>." --cell-bits=$bits
done
two16="$two8[>+>+<<-]>[>[>+>+<<-]>>[<<+>>-]<<<-]>>"
lang "65536 in 16 bits" 0 '\000' '' -e "$two16[>+<[-]]>." --cell-bits=16
lang "65536 in 32 bits" 0 '\001' '' -e "$two16[>+<[-]]>." --cell-bits=32
lang "the low byte is written" 0 '\001' '' -e "$two8+." --cell-bits=32
lang "wide cells wrap" 0 '\377\377' '' -e '-.[-]-.' --cell-bits=16

# End of input.
in='x'
lang "input" 0 'x' '' -e ',.'
lang "eof, unchanged" 0 'xx' '' -e ',.,.'
lang "eof 0" 0 'x\000' '' -e ',.,.' --eof=0
lang "eof -1" 0 'x\377' '' -e ',.,.' --eof=-1
lang "eof -1 is all ones of the cell" 0 'x\000' '' -e ',.,+.' --eof=-1 --cell-bits=32
in='\377\000\n\r'
lang "bytes are not translated" 0 '\377\000\n\r' '' -e ',.,.,.,.'
in='abc\n'
lang "cat" 0 'abc\n' '' -e ',[.,]' --eof=0
in=

# Off the tape.
left='error: cell -1 is left of the tape\n'
lang "left of the tape" 3 '' "-e:1:2: $left  <+\n   ^\n" --strict -e '<+'
lang "output before it is kept" 3 '\001' "-e:1:4: $left  +.<.\n     ^\n" --strict -e '+.<.'
lang "moving there and back is none" 0 '\001' '' --strict -e '<<<>>>+.'
lang "moving there at the end is none" 0 '\001' '' --strict -e '+.<<<'
lang "by a test" 3 '' "-e:1:2: $left  <[]\n   ^\n" --strict -e '<[]'
lang "by the test at the end of a loop" 3 '' "-e:1:4: $left  +[<]\n     ^\n" --strict -e '+[<]'
lang "by input" 3 '' "-e:1:2: $left  <,\n   ^\n" --strict -e '<,'
lang "by nothing added" 3 '' "-e:1:2: $left  <+-\n   ^\n" --strict -e '<+-'
lang "a scan to the left" 3 '' '~^-e:1:[0-9]*: error: cell -1 is left' -e '+>+>+[<]'
lang "right of the tape" 3 '' '~cell 4096 is right of the tape, which has 4096 cells' --tape=1 -e '+[>+]'
lang "the last cell" 0 '' '' --tape=4096 -e "$two8[>++++++++++++++++<-]>[[->+<]>-]"
lang "wide cells right of the tape" 3 '' '~cell 512 is right of the tape' --cell-bits=64 --tape=1 -e '+[>+]'
case $engine in -S*) ;; *)
lang "without guards" 3 '\001' '~cell -1 is left' --guard=off -e '+.<[.]'
;;
esac
lang "a multiply loop that does not run touches nothing" 0 '\000' '' -e '[<+>-].'
lang "a multiply loop that runs does" 3 '' '~cell -1 is left of the tape' --strict -e '+[<+>-].'

case $engine in -S*) ;; *)
lang "the final state" 0 '\001' '~^final-state: pointer 2, tape [0-9a-f]\{16\}, read 0, written 1$' --final-state -e '+.>>'
;;
esac

case $engine in -S*) ;; *)
lang "# shows the cells" 0 '\003' "-e:1:9: # pointer 1, cells 0 to 15: 5 [2] 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n" -# -e "+++++>++#+."
;;
esac
