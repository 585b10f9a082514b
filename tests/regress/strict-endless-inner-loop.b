An endless loop stands before the access off the tape
+[<<<[[---]>>>>><<<<<]>>>]
