A load that proves another access safe must not sink below it
+[<[-]+[-<+>--]<-]
