Marks in a loop that creeps to the right by 1 with accesses 19 cells away
+[>>>>>>>>+>[]<<<<<<<<<<<<<<<<<<<[.<<<<<<<<<<]>>>>>>>>>>>>>>>>>>>+<<<<[[<]<<<]<<<<]
