[ cat: copies its input to its output.

  Shows how to notice the end of the input whatever the implementation
  does there. The cell is zero before each read, so at the end it holds
  0 (cell unchanged, or set to 0) or the largest value (set to -1). Adding
  one before the outer test catches the -1, the inner test catches the 0.
  The bytes 0 and 255 therefore end the copy, too: this is for text.

  Any cell width.

  cell 0   the byte
  cell 1   becomes nonzero when there was a byte
]

,+[                     leave if the value was minus one
    -                   undo the plus
    [                   a real byte:
        .[-]            print it and clear the cell
        >+<             and remember to read on
    ]
    >[-<,+>]<           read the next one
]
