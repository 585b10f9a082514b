/* compile.h: from a parsed program, or IR text, to allocated machine code.  compile.c. */
#ifndef BFOPT_FRONTEND_COMPILE_H
#define BFOPT_FRONTEND_COMPILE_H

#include <stdbool.h>
#include <stdint.h>

#include "backend/mach.h"
#include "backend/x64/x64.h"
#include "backend/x64/jit.h"
#include "frontend/options.h"
#include "runtime/program.h"
#include "frontend/source.h"
#include "ir/ir.h"

/* The IR of a program, unoptimized. */
struct func *compile_build(const struct program *p, const struct options *o);
/* The IR of the loop that is all of p. */
struct func *compile_build_loop(const struct program *p, const struct options *o);
/* The function the IR text in s describes; NULL after an error was reported. */
struct func *compile_read_ir(struct source *s);
/* Are the passes known that the options name?  False after an error was reported.  Once, before
 * anything is compiled. */
bool compile_check_passes(const struct options *o);
/* Runs the passes the options ask for; one that an option finds wrong is a bug. */
void compile_optimize(struct func *f, const struct options *o);

enum compile_target { TARGET_VM, TARGET_X64 };
/* Selects instructions and allocates registers; bounds: accesses compare with the tape's limits,
 * as it has no guards.  Where nothing else can want it, f loses its code on the way. */
struct mach *compile_select(struct func *f, enum compile_target target, bool bounds,
                            const struct options *o);

/* The instruction set to emit for: of code that runs here at most what this machine has. */
enum x64_level compile_level(const struct options *o);
/* Selects, allocates and encodes: a unit in memory, ready to run.  False: *why says what is
 * missing.  The store may be NULL. */
bool compile_unit(struct func *f, bool bounds, const struct options *o, struct jit_store *store,
                  struct jit_unit *unit, const char **why);

/* How many bytes the pointer can be carried past an access before the next one, at most. */
uint64_t compile_drift(const struct func *f);

/* ---- --stats and --time-passes ---- */

/* Adds the time since the last call to the line `what` of --time-passes. */
void compile_time(const struct options *o, const char *what);
/* Adds a line to --stats. */
void compile_count(const struct options *o, const char *what, uint64_t n);
/* Writes what --stats and --time-passes ask for to standard error. */
void compile_report(const struct options *o);

#endif
