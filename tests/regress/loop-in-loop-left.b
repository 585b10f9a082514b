An inner loop adds left of the tape
-[+[<<<<+>>>>+]+]
