A loop around a clear that never ends in time
+[<<<<<<<<<[->[-]<]>>>>>>>>>]
