A nest whose branches go one by one and whose only lasting access is off the tape
<[-[-[-[-[-]]]]]-[>[]]
