A loop that may be left for an endless one before its last access
>>>>-[<<<<+[[.,<]+]+[+<+>]+>>>>]
