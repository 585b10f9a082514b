What is handed on by a loop over records that runs as one instruction
+[>>-<]-[.+]<[<]
