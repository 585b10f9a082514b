/* lint.h: warnings about programs that are correct and hardly meant.  lint.c. */
#ifndef BFOPT_FRONTEND_LINT_H
#define BFOPT_FRONTEND_LINT_H

#include "runtime/program.h"
#include "frontend/source.h"

/* Warns of loops that never end once they are reached, as far as that is obvious. */
void lint_program(const struct program *p, struct source *s, unsigned cell_bits);

#endif
