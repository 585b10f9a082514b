/* jit.h: a unit of code in memory, ready to run.  jit.c. */
#ifndef BFOPT_BACKEND_X64_JIT_H
#define BFOPT_BACKEND_X64_JIT_H

#include "backend/x64/bytes.h"
#include "runtime/code_memory.h"

struct jit_unit {
    struct code_memory memory;
    struct fault_unit fault;
    struct trap_site *site;  /* owned */
    struct trap_site *place; /* owned; NULL unless e->places */
    uint32_t entry;          /* offset of the first instruction */
    unsigned frame;          /* stack it takes */
};

/* What units have in common: zeroes to begin with. */
struct jit_store {
    struct x64_encoder *encoder; /* most of the templates are there already */
    struct code_pool pool;
    struct parts *parts; /* of baseline code; NULL: not made yet */
};
/* The units must be gone. */
void jit_store_free(struct jit_store *s);

/* Puts the stream's bytes into executable memory.  False: *why says what is missing, and the unit
 * is empty. */
bool jit_make(struct jit_unit *u, struct emitted *e, const char **why);
/* The same for who makes many small units and keeps something for all of them; store may be NULL.
 */
bool jit_make_in(struct jit_store *store, struct jit_unit *u, struct emitted *e, const char **why);
/* Puts what was written there; w was started with store->parts.  Its trap sites are the unit's from
 * now on.  False: no executable memory; the unit is empty, and w has kept everything. */
struct writer;
bool jit_keep(struct jit_store *store, struct jit_unit *u, struct writer *w);
void jit_free(struct jit_unit *u);

/* The unit as a function, which does not look at its third argument.  It may be called while faults
 * are caught (runtime/rt.h) and the unit is registered for it. */
rt_loop *jit_entry(const struct jit_unit *u);
/* Runs the unit on rt, whose tape is mapped and whose I/O is set up, from cell 0.  rt->end says how
 * it ended; end_pointer is set if it was RUN_DONE.  False: faults could not be caught, so nothing
 * was run. */
bool jit_run(struct rt *rt, struct jit_unit *u);

#endif
