Out twice by the same step and back twice: the first way back goes with the second way out
>,>,<[-[->>>>+<<<<]>[->>>>+<<<<]>>>>>+<<]
[-[->>>>+<<<<]>[->>>>+<<<<]>>>>>+<<]
>>[-<<<<][-<<<<]<<.<.>>>>>>>.
