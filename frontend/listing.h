/* listing.h: machine code as text: -S and --dump-asm.  listing.c. */
#ifndef BFOPT_FRONTEND_LISTING_H
#define BFOPT_FRONTEND_LISTING_H

#include <stdbool.h>
#include <stdint.h>

#include "frontend/options.h"
#include "frontend/source.h"
#include "ir/ir.h"

/* Appends the optimized function as assembly, or as the listing of its bytes, as o->action says.
 * s: the source its positions are in; NULL: there is none.  drift: as for tape_map.  False after an
 * error was reported. */
bool listing_make(struct text *out, struct func *f, struct source *s, uint64_t drift,
                  const struct options *o);

#endif
