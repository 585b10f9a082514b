Each iteration leaves to the next what shows that a touch can go
>>+[<<,[[-]][-<]>>-]<.
