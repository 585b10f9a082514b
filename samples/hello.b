[ hello: prints one line of text.

  Shows the usual way to get large constants cheaply: one counting loop
  multiplies three cells at once; after that each letter is reached from
  the previous one by a few steps up or down.

  Reads nothing. Any cell width. (This comment is a loop that is never
  entered, because the first cell is zero at program start.)

  cell 0   loop counter
  cell 1   72  = H
  cell 2   104 = base for the small letters
  cell 3   32  = space
]

++++++++[               eight times
    >+++++++++          cell 1: nine more
    >+++++++++++++      cell 2: thirteen more
    >++++               cell 3: four more
    <<<-
]

>.                      H
>---.                   e
+++++++..               l l
+++.                    o
>.                      space
<---------.             f
++++++++++++.           r
---.                    o
--.                     m
>.                      space
<-----------.           b
++++.                   f
+++++++++.              o
+.                      p
++++.                   t
>+.                     exclamation mark
[-]++++++++++.          end of line
