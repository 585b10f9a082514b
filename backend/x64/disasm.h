/* disasm.h: --dump-asm: the bytes of a unit, decoded by Zydis, beside what they come from.
 * disasm.c. */
#ifndef BFOPT_BACKEND_X64_DISASM_H
#define BFOPT_BACKEND_X64_DISASM_H

#include "backend/source_view.h"
#include "backend/x64/emit.h"

/* Encodes the stream exactly as the JIT does and appends the listing.  False: the code is too
 * large to be encoded. */
bool disasm_print(struct text *out, struct emitted *e, struct source_view *source);

#endif
