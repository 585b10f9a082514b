/* asm.h: the assembly printer: the stream of emit.h as GNU assembly.
 *
 * The text is a whole program: code, strings, tables, and the run time in assembly.
 *   cc prog.s -o prog
 * Implemented in asm.c. */
#ifndef BFOPT_BACKEND_X64_ASM_H
#define BFOPT_BACKEND_X64_ASM_H

#include "backend/source_view.h"
#include "backend/x64/emit.h"
#include "runtime/rt.h"

struct asm_options {
    uint64_t tape_cells;
    uint64_t drift; /* as for tape_map */
    enum eof_mode eof;
    bool checks;    /* the code checks bounds itself: no guard pages are needed */
    bool code_only; /* no tables, no run time: the code of the unit and its strings */
    struct source_view *source;
};

void asm_print(struct text *out, const struct emitted *e, const struct asm_options *o);
/* One instruction as it is printed, without indentation and end of line. */
void asm_print_insn(struct text *out, const struct emitted *e, const struct x64_insn *in);

#endif
