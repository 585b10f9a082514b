/* build_int.h: what build.c and build_local.c share. */
#ifndef BFOPT_IR_BUILD_INT_H
#define BFOPT_IR_BUILD_INT_H

#include "ir/build.h"

/* Operations [from, to) into the empty function f, each block simplified on the way. */
void build_local(struct func *f, const struct program *p, uint32_t from, uint32_t to,
                 const struct build_options *o);

#endif
