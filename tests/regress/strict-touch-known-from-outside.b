A touch goes because of what an inner loop knows
-[>>,[>]+[<<<[]]>+<<]
