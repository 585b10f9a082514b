[ sort: reads bytes and prints them in ascending order.

  Insertion sort in place on the tape; shows strided walks in both
  directions, a loop that drags its work along the tape, and a test that
  leaves the pointer in two possible places and then brings both together.

  Input ends at the first byte 0 or 255 or at the end. Any cell width.

  The tape is a row of records of four cells

     P   always zero
     T   scratch
     X   value being inserted
     A   stored value (zero = free)

  Record 0 is home: its T and X serve for reading and its A stays zero to
  stop the walk to the left. The stored values descend from record 1 on.
  At each record the larger of A and X stays in A and the smaller becomes
  X of the next record; at the free record after the last that is zero and
  the walk ends by itself.
]

>+[[-]                      T of home: there may be more input
    >,+[-                   X of home: read (see cat for the end test)
        [-<+>>>>>+<<<<]     byte to X of record 1 and to T of home
    ]
    >>>>[                   at X of a record: value to insert
        [-                  count X down
            <+              T counts the larger value
            >>[-            if A is not yet counted down:
                >>>+        smaller value: one more to X of the next record
                <<<<<<      leave at P (zero)
            ]
            >[>>>]          from P: over T to P of next; from A: the same P
            <<              X
        ]
        >[-<<+>>]           the rest of A belongs to the larger value
        <<[->>+<<]          the larger value stays
        >>>>>               X of the next record
    ]
    <<<[<<<<]               A of the last record; walk to home
    <<
]

>>>>>>[>>>>]                walk beyond the last record
<<<<[.<<<<]                 print on the way back
