Two endless loops that share their latch
+[>>[>>>>>>>>>>-<<<<<<<<<<[>>>[->>>>>>-<<<<<<]>>>>>[->>+<<]<<<]<<<<<]<]
