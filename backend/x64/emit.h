/* emit.h: allocated machine code as one stream of x86-64 instructions, labels and data.
 *
 * The stream is the whole unit: prologue, blocks, epilogue, stubs for input and output, strings.
 * The assembly printer renders it (asm.h), the JIT encodes it (bytes.h): what -S shows is what
 * --jit runs.
 *
 *   uint8_t *enter(struct rt *rt, uint8_t *pointer)      the unit, at LABEL_ENTER
 *
 * The frame, rsp being a multiple of 16:  [rsp] struct rt *, [rsp + 8] an argument of stubs, then
 * the allocator's slots.  rt->saved_sp is rsp; whoever ends a run from anywhere restores it and
 * goes to LABEL_EXIT.
 * emit.c translates machine code, stubs.c has the fixed parts.
 */
#ifndef BFOPT_BACKEND_X64_EMIT_H
#define BFOPT_BACKEND_X64_EMIT_H

#include "backend/mach.h"
#include "backend/x64/encode.h"
#include "backend/x64/scan.h"
#include "backend/x64/x64.h"

enum emit_label {
    LABEL_ENTER,
    LABEL_EXIT,      /* epilogue: rsp = rt->saved_sp, rax = result */
    LABEL_EXIT_STUB, /* the same from inside a stub, one return address deeper */
    LABEL_TRAP,      /* off the tape: address in rax, source in [rsp + 8] */
    LABEL_OUT,       /* writes al */
    LABEL_OUT_SLOW,
    LABEL_OUTS, /* rax: a string, 8 bytes of length before it */
    LABEL_IN,   /* rax: the old cell, then the new one */
    LABEL_IN_SLOW,
    LABEL_HASH, /* rax: address, source in [rsp + 8] */
    LABEL_CALL, /* rsi: pointer, edx: number of a loop; rax: pointer after it */
    LABEL_CALL_LOOP,
    LABEL_LOOK,   /* as LABEL_CALL, at a loop's head; rax: NULL if it is to go on */
    LABEL_BLOCKS, /* + number of a block; strings and stubs of scans follow */
};

/* What an item is: x64_insn.tag & ITEM_KIND. */
enum item_kind {
    ITEM_INSN,
    ITEM_LABEL,  /* in.disp: the label */
    ITEM_ALIGN,  /* in.disp: what the next offset must be a multiple of */
    ITEM_STRING, /* in.imm: string of the IR; all strings are last */
};
#define ITEM_KIND 3
#define ITEM_TRAP 4 /* flag of an ITEM_INSN: it may leave the tape */

struct item {
    struct x64_insn in;
    uint32_t src;  /* byte offset in the source, or UINT32_MAX */
    uint32_t from; /* 1 + index in the machine code; 0: a fixed part */
};

struct emitted {
    const struct mach *m;
    struct item *item;
    uint32_t n, cap;
    uint32_t nlabel;
    bool *used;            /* is the label mentioned? */
    uint32_t first_string; /* label of string 0 */
    uint32_t first_scan;   /* of the stubs of scans */
    uint32_t code_end;     /* items from here on are data */
    uint32_t frame;        /* bytes the prologue takes from the stack */
    bool places;           /* is the position of every instruction wanted? (jit.h) */
};

/* The largest frame: more would not fit a small stack. */
#define EMIT_MAX_FRAME (128 << 10)

/* An empty stream with labels for so many blocks and strings, and with room for items: a guess. */
struct emitted *emit_new(const struct mach *m, uint32_t blocks, uint32_t strings, uint64_t items);
/* Translates allocated code for processors of this level; NULL if its frame would be too large. */
struct emitted *emit(const struct mach *m, enum x64_level level);
void emit_free(struct emitted *e);
/* Writes a label's name as it appears in dumps and assembly. */
struct text;
void emit_label_name(struct text *out, const struct emitted *e, uint32_t label);
/* What a fixed part does, in a few words; NULL for labels of blocks, strings and inside stubs. */
const char *emit_label_meaning(const struct emitted *e, uint32_t label);
static inline bool emit_label_is_block(const struct emitted *e, uint32_t label) {
    return label >= LABEL_BLOCKS && label < e->first_string;
}

/* ---- shared by all who write instructions by hand ---- */

struct operand {
    uint8_t what, reg; /* x64_operand(...) */
    uint8_t base;
    int32_t disp;
    int64_t imm;
};

static inline struct operand op_reg(unsigned reg, unsigned size) {
    return (struct operand){.what = x64_operand(X64_REG, size), .reg = (uint8_t)reg};
}
static inline struct operand op_mask(unsigned reg) {
    return (struct operand){.what = x64_operand(X64_MASK, 8), .reg = (uint8_t)reg};
}
static inline struct operand op_mem(unsigned base, size_t disp, unsigned size) {
    return (struct operand){
        .what = x64_operand(X64_MEM, size), .base = (uint8_t)base, .disp = (int32_t)disp};
}
static inline struct operand op_imm(int64_t imm, unsigned size) {
    return (struct operand){.what = x64_operand(X64_IMM, size), .imm = imm};
}
static inline struct operand op_label(uint32_t label) {
    return (struct operand){.what = x64_operand(X64_LABEL, 4), .disp = (int32_t)label};
}
/* The memory at a label. */
static inline struct operand op_data(uint32_t label) {
    return op_mem(X64_RIP, label, 8);
}

static inline struct x64_insn insn_of(unsigned mnemonic) {
    return (struct x64_insn){
        .mnemonic = (uint16_t)mnemonic, .base = X64_NO_REG, .index = X64_NO_REG};
}
static inline void insn_operand(struct x64_insn *in, unsigned n, struct operand o) {
    in->operand[n] = o.what;
    switch (x64_kind(o.what)) {
    case X64_NONE:
        break;
    case X64_REG:
    case X64_MASK:
        in->reg[n] = o.reg;
        break;
    case X64_MEM:
        in->base = o.base;
        in->disp = o.disp;
        break;
    case X64_IMM:
        in->imm = o.imm;
        break;
    case X64_LABEL:
        in->disp = o.disp;
        break;
    }
}

/* An instruction without operands, a label, ...: the item was added at the end. */
struct item *emit_item(struct emitted *e, enum item_kind kind);
void emit0(struct emitted *e, unsigned mnemonic);
void emit1(struct emitted *e, unsigned mnemonic, struct operand a);
void emit2(struct emitted *e, unsigned mnemonic, struct operand a, struct operand b);
void emit3(struct emitted *e, unsigned mnemonic, struct operand a, struct operand b,
           struct operand c);
void emit_place(struct emitted *e, uint32_t label);

/* stubs.c: what comes before the first and after the last block. */
void emit_prologue(struct emitted *e);
void emit_stubs(struct emitted *e);

/* scan.c: the label of the stub for scans by a stride for which x64_scan_helps. */
static inline uint32_t emit_scan_label(const struct emitted *e, int64_t stride) {
    return e->first_scan + (uint32_t)(stride + X64_SCAN_MAX) * X64_SCAN_PLACES;
}
/* Adds the stubs whose labels are used. */
void emit_scan_stubs(struct emitted *e, enum x64_level level);
/* Writes the name of a stub's label. */
void emit_scan_name(struct text *out, int stride, unsigned place);

#endif
