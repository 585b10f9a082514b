/* dot.h: a picture of a function, for Graphviz: bfopt --dump-ir=dot prog.b | dot -Tpng.  dot.c. */
#ifndef BFOPT_IR_DOT_H
#define BFOPT_IR_DOT_H

#include "ir/ir.h"

struct text;

/* Appends f, which must be sound, in the dot language. */
void ir_dot(struct text *out, const struct func *f);

#endif
