A pointer used behind a flattened loop
-[>><[]>[-<+>]<<-]>+>+><[[-[-[<><>>>[<+<->]<]]]<]
