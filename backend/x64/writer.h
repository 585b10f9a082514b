/* writer.h: instructions to bytes at once, for code that the running thread waits for.
 *
 *   struct writer w;
 *   writer_start(&w, encoder, parts);
 *   uint32_t done = writer_label(&w);
 *   write1(&w, ZYDIS_MNEMONIC_JZ, op_label(done));
 *   writer_place(&w, done);
 *   writer_end(&w);
 *   ... w.code, w.n, w.site ...
 *   writer_free(&w);
 *
 * What bytes.h does in walks over a stream of items (the widths of branches, alignments, strings)
 * is left out: each instruction is written when it comes, every branch has four bytes, and those
 * forward get their distances at the end, before anybody runs them.  The fixed parts of a unit are
 * written by bytes.h once and copied to the start of each.  Implemented in writer.c.
 */
#ifndef BFOPT_BACKEND_X64_WRITER_H
#define BFOPT_BACKEND_X64_WRITER_H

#include "backend/x64/emit.h"
#include "runtime/rt.h"

/* Prologue, epilogue and the stubs for input, output, `#` and loops; the entry goes to what follows
 * the bytes. */
struct parts {
    uint8_t *code;
    uint32_t size;
    uint32_t label[LABEL_BLOCKS]; /* offsets; UINT32_MAX: not there */
    uint32_t frame;
};

/* Makes them; parts_free frees them. */
struct parts *parts_new(struct x64_encoder *encoder);
void parts_free(struct parts *p);

struct writer {
    struct x64_encoder *encoder;
    uint8_t *code; /* n bytes so far */
    uint32_t n, cap;
    uint32_t last;   /* where the instruction written last starts */
    uint32_t *label; /* offsets; UINT32_MAX: not placed yet */
    uint32_t nlabel, label_cap;
    struct writer_branch {
        uint32_t end, label; /* the distance is the last four bytes before end */
    } * branch;
    uint32_t nbranch, branch_cap;
    struct trap_site *site; /* sorted by offset */
    uint32_t nsite, site_cap;
    struct writer_check *check; /* builds with assertions: what was asked for, to be decoded */
    uint32_t ncheck, check_cap;
};

void writer_start(struct writer *w, struct x64_encoder *encoder, const struct parts *p);
/* Gives every branch its distance.  In builds with assertions each instruction is decoded and
 * compared with what was asked for; a difference is a bug(). */
void writer_end(struct writer *w);
void writer_free(struct writer *w);

/* A label that is not placed yet; those of the parts are there from the start. */
uint32_t writer_label(struct writer *w);
void writer_place(struct writer *w, uint32_t label);
/* No operand may be data at a label; labels are of four bytes, as those of op_label are. */
void writer_put(struct writer *w, const struct x64_insn *in);
/* The instruction written last accesses a cell of the tape, for this place in the source. */
void writer_may_trap(struct writer *w, uint32_t src);

static inline void write1(struct writer *w, unsigned mnemonic, struct operand a) {
    struct x64_insn in = insn_of(mnemonic);
    insn_operand(&in, 0, a);
    writer_put(w, &in);
}
static inline void write2(struct writer *w, unsigned mnemonic, struct operand a, struct operand b) {
    struct x64_insn in = insn_of(mnemonic);
    insn_operand(&in, 0, a);
    insn_operand(&in, 1, b);
    writer_put(w, &in);
}
static inline void write3(struct writer *w, unsigned mnemonic, struct operand a, struct operand b,
                          struct operand c) {
    struct x64_insn in = insn_of(mnemonic);
    insn_operand(&in, 0, a);
    insn_operand(&in, 1, b);
    insn_operand(&in, 2, c);
    writer_put(w, &in);
}

#endif
