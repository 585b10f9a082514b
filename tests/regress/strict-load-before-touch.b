Loads before a promoted loop keep the order of its first accesses
+[<<<<<<<<<[-]>>>>+>>>>>++]<[<]
