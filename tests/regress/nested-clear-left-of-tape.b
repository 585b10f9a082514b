Clears left of the tape inside an endless loop
+[<<<<<[--]>>>>>]
