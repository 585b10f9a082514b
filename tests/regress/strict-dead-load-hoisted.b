The first cell of the loop is loaded for nothing
+[<<<-<<[]>>>>>]
