A multiplication at the left edge
<<[->+<]>.
