[ power: prints 2 to the power of 10000, a number of 3011 digits.

  Shows a long number on the tape: three cells per digit, low digit first.
  The number is doubled 10000 times, each time by one walk from the low end
  to the high end and one walk back. The doubling of a digit is a nest of
  nine loops, one for each value from 1 to 9, without any other test.

  Reads nothing. Any cell width.

  cell 0   outer counter, 50
  cell 1   inner counter, 200
  cell 2   spare
  cell 3   always zero: here the walks to the left stop
  cell 6   first digit, then every three cells

     U   1 if the digit is in use
     D   the digit
     E   the doubled digit while it is made; the carry comes in here
]

>>>>>>+>+<              cell 6: U = 1 and D = 1
<<<<+++++[<<++++++++++>>-]<<

[                                       50 times
    >>++++++++++[<++++++++++++++++++++>-]<
    [                                   200 times
        >>>>>[                          at U of the low digit; walk up
            >[->++<                     D was at least 1
             [->++<                     2
              [->++<                    3
               [->++<                   4
                [->--------             5: carry
                 >>>+<<<<
                 [->++<                 6
                  [->++<                7
                   [->++<               8
                    [->++<]             9
                   ]
                  ]
                 ]
                ]
               ]
              ]
             ]
            ]
            >[-<+>]                     E back to D
            >
        ]
        >>[-<+<+>>]<<                   a carry makes a new digit
        <<<[<<<]                        walk down to cell 3
        <<-
    ]
    <-
]

>>>>>>[>>>]                             beyond the high digit
<<<[                                    print on the way back
    >
    ++++++++++++++++++++++++
    ++++++++++++++++++++++++
    .<<<<
]
<++++++++++.                            end of line
