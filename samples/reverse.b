[ reverse: prints its input backwards, last byte first.

  Shows a loop that moves along the tape (an unbalanced loop): each round
  works one cell further right than the round before. The byte read is
  moved out of the reading cell in two copies: the left copy is kept, the
  right copy tells the next round to go on. At the end a scan prints the
  kept bytes from right to left; cell 0 stays zero and stops it.

  Input ends at the first byte 0 or 255 or at the end. Any cell width.
]

>>+[                    the current cell is the reading cell
    [-],+[              read; leave if it was minus one
        -[              move the byte to both neighbours
            <+>>+<-
        ]
    ]
    >                   zero here means there was no byte
]
<<<[.<]                 back to the last byte kept; print to the left
