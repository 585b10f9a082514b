[ ascii: prints the 95 printable ASCII characters, 19 in each of 5 rows.

  Shows two nested counting loops with output inside.

  Reads nothing. Any cell width.

  cell 0   rows left
  cell 1   columns left
  cell 2   the character
  cell 3   end of line
]

++++[>>++++++++<<-]     cell 2 = 32
>>>++++++++++<<<        cell 3 = 10

+++++[
    >+++++++++++++++++++[
        >.+<-
    ]
    >>.<<<-
]
