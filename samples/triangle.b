[ triangle: prints a pyramid of stars.

  Shows counting loops and copying a value with a spare cell: every print
  loop empties its counter into cell 2 and the counter is then restored.

  Reads nothing. Any cell width.

  cell 0   rows left = spaces before the stars
  cell 1   stars in this row
  cell 2   spare
  cell 3   space
  cell 4   star
  cell 5   end of line
]

++++++++++++            twelve rows
>+                      one star in the first row
>++++[>++++++++<-]      cell 3 = 32
++++++[>>+++++++<<-]    cell 4 = 42
>>>++++++++++<<<<<      cell 5 = 10

[-
    [->>+>.<<<]>>[-<<+>>]       spaces
    <[->+>>.<<<]>[-<+>]         stars
    <++                         two more in the next row
    >>>>.<<<<<                  end of line
]
