/* scan.c: stubs that look for a zero cell many cells at a time.
 *
 *   .Lscan_right_3:                        rax: the first cell to look at
 *     vpcmpeqb ymm1, ymm0, [rax]           64 bytes at once: which are zero?
 *     vpcmpeqb ymm2, ymm0, [rax + 32]
 *     vpmovmskb, vpmovmskb, shl, or        as 64 bits
 *     and rcx, 0x9249249249249249          those of the lane: every third
 *     jnz found;  add rax, 66;  ...
 *
 * AVX-512 compares the 64 bytes at once, into a mask of one bit for each cell:
 *
 *     vpcmpeqb k1, zmm0, [rax];  kmovq rcx, k1;  and rcx, rsi
 *
 * Code that scans looks at the first cells one by one and calls a stub when they are many
 * (isel_scan.c): a wide load right behind a narrow store of the same bytes has to wait for it, and
 * branch prediction makes short scans free.  The comparison is that of strlen in any C library;
 * the mask makes it one of lanes, and as each block starts at a cell of the lane, one mask does.
 *
 * No load reaches outside the tape: blocks are compared with its limits, and what is left at the
 * end, less than a block, is looked at one by one.  A stub that finds no zero returns the first
 * address off the tape, where the caller's own access faults and is reported like any other.
 *
 * Stubs keep every register but rax and the flags.  Vector registers are nobody's.
 */
#include <Zydis/Zydis.h>
#include <assert.h>
#include <stddef.h>

#include "backend/x64/emit.h"
#include "backend/x64/x64.h"
#include "runtime/rt.h"
#include "runtime/text.h"

#define M(name)   ZYDIS_MNEMONIC_##name
#define R(name)   op_reg(X64_##name, 8)
#define R4(name)  op_reg(X64_##name, 4)
#define RT(field) op_mem(X64_RCX, offsetof(struct rt, field), 8)
#define BLOCK     64 /* bytes compared at a time: a mask has 64 bits */

/* Registers of a stub. */
#define CELL  X64_RAX /* the cell the block starts at, or ends with */
#define FOUND X64_RCX /* the zero cells of the block */
#define PART  X64_RDX
#define MASK  X64_RSI /* the bytes at which the lane's cells start */
#define LIMIT X64_RDI /* CELL of the last block, or cell, on the tape */

/* Labels of one stub. */
enum { SCAN_START, SCAN_LOOP, SCAN_TEST, SCAN_TAIL, SCAN_FOUND, SCAN_DONE, SCAN_PLACES };

static_assert(SCAN_PLACES == X64_SCAN_PLACES, "scan.h counts them");

struct scan_stub {
    struct emitted *e;
    enum x64_level level;
    uint32_t label;  /* the first of its labels */
    unsigned cell;   /* bytes of a cell */
    unsigned stride; /* in bytes, without the sign */
    bool left;
    int32_t from;  /* where the block starts, seen from CELL; no multiple of 64 but 0 (encode.c) */
    unsigned unit; /* bytes for which FOUND and MASK have a bit */
    uint64_t mask;
    unsigned cells; /* of the lane, in a block */
};

static struct scan_stub describe(struct emitted *e, enum x64_level level, int stride) {
    struct scan_stub s = {.e = e, .level = level, .cell = e->m->cell_bits / 8};
    s.left = stride < 0;
    s.stride = (unsigned)(s.left ? -stride : stride);
    s.label = emit_scan_label(e, stride);
    s.from = s.left ? (int32_t)s.cell - BLOCK : 0;
    s.unit = level >= X64_LEVEL_V4 ? s.cell : 1;
    for (unsigned at = 0; at + s.cell <= BLOCK; at += s.stride, s.cells++)
        s.mask |= UINT64_C(1) << (s.left ? BLOCK - s.cell - at : at) / s.unit;
    return s;
}

static void place(const struct scan_stub *s, uint32_t which) {
    emit_place(s->e, s->label + which);
}
static void jump(const struct scan_stub *s, unsigned mnemonic, uint32_t which) {
    emit1(s->e, mnemonic, op_label(s->label + which));
}
/* CELL moves on by n strides. */
static void advance(const struct scan_stub *s, unsigned n) {
    emit2(s->e, s->left ? M(SUB) : M(ADD), op_reg(CELL, 8), op_imm((int64_t)n * s->stride, 8));
}

/* ---- the comparison ---- */

static const uint16_t avx[] = {M(VPCMPEQB), M(VPCMPEQW), M(VPCMPEQD)};

/* to = one bit for each byte of the zero cells in `size` bytes from CELL + at on. */
static void compare_part(const struct scan_stub *s, unsigned to, int32_t at, unsigned size) {
    static const uint16_t sse[] = {M(PCMPEQB), M(PCMPEQW), M(PCMPEQD)};
    unsigned log = (unsigned)__builtin_ctz(s->cell);
    struct operand from = op_mem(CELL, 0, size), zero = op_reg(0, size), v = op_reg(1, size);
    from.disp = at;
    if (s->level >= X64_LEVEL_V3) {
        emit3(s->e, avx[log], v, zero, from);
        emit2(s->e, M(VPMOVMSKB), op_reg(to, 4), v);
        return;
    }
    emit2(s->e, M(MOVDQU), v, from);
    emit2(s->e, sse[log], v, zero);
    emit2(s->e, M(PMOVMSKB), op_reg(to, 4), v);
}

/* FOUND = one bit for each zero cell in the block. */
static void compare_at_once(const struct scan_stub *s) {
    struct operand from = op_mem(CELL, 0, BLOCK);
    from.disp = s->from;
    emit3(s->e, avx[__builtin_ctz(s->cell)], op_mask(1), op_reg(0, BLOCK), from);
    emit2(s->e, M(KMOVQ), op_reg(FOUND, 8), op_mask(1));
}

static void compare_in_parts(const struct scan_stub *s) {
    unsigned size = s->level >= X64_LEVEL_V3 ? 32 : 16;
    compare_part(s, FOUND, s->from, size);
    for (unsigned at = size; at < BLOCK; at += size) {
        compare_part(s, PART, s->from + (int32_t)at, size);
        emit2(s->e, M(SHL), op_reg(PART, 8), op_imm(at, 1));
        emit2(s->e, M(OR), op_reg(FOUND, 8), op_reg(PART, 8));
    }
}

/* FOUND = the zero cells of the lane in the block, one bit each; zero flag: there are none. */
static void compare_block(const struct scan_stub *s) {
    if (s->level >= X64_LEVEL_V4)
        compare_at_once(s);
    else
        compare_in_parts(s);
    emit2(s->e, M(AND), op_reg(FOUND, 8), op_reg(MASK, 8));
}

/* ---- the stub ---- */

static void start(const struct scan_stub *s) {
    struct emitted *e = s->e;
    emit_item(e, ITEM_ALIGN)->in.disp = 16;
    place(s, SCAN_START);
    emit1(e, M(PUSH), R(RCX));
    emit1(e, M(PUSH), R(RDX));
    emit1(e, M(PUSH), R(RSI));
    emit1(e, M(PUSH), R(RDI));
    emit2(e, M(MOV), R(RCX), op_mem(X64_RSP, 40, 8));
    emit2(e, M(MOV), op_reg(LIMIT, 8), RT(tape.base));
    if (!s->left)
        emit2(e, M(ADD), op_reg(LIMIT, 8), RT(tape.bytes));
    emit2(e, M(SUB), op_reg(LIMIT, 8), op_imm(s->left ? s->from : BLOCK, 8));
    emit2(e, M(MOV), op_reg(MASK, 8), op_imm((int64_t)s->mask, 8));
    if (s->level >= X64_LEVEL_V3)
        emit3(e, M(VPXOR), op_reg(0, 16), op_reg(0, 16), op_reg(0, 16));
    else
        emit2(e, M(PXOR), op_reg(0, 16), op_reg(0, 16));
}

static void blocks(const struct scan_stub *s) {
    jump(s, M(JMP), SCAN_TEST);
    emit_item(s->e, ITEM_ALIGN)->in.disp = 16;
    place(s, SCAN_LOOP);
    compare_block(s);
    jump(s, M(JNZ), SCAN_FOUND);
    advance(s, s->cells);
    place(s, SCAN_TEST);
    emit2(s->e, M(CMP), op_reg(CELL, 8), op_reg(LIMIT, 8));
    jump(s, s->left ? M(JNB) : M(JBE), SCAN_LOOP);
}

/* What is left of the tape, cell by cell. */
static void tail(const struct scan_stub *s) {
    int64_t last = s->left ? s->from : BLOCK - (int64_t)s->cell;
    emit2(s->e, M(ADD), op_reg(LIMIT, 8), op_imm(last, 8));
    place(s, SCAN_TAIL);
    emit2(s->e, M(CMP), op_reg(CELL, 8), op_reg(LIMIT, 8));
    jump(s, s->left ? M(JB) : M(JNBE), SCAN_DONE);
    emit2(s->e, M(CMP), op_mem(CELL, 0, s->cell), op_imm(0, s->cell));
    jump(s, M(JZ), SCAN_DONE);
    advance(s, 1);
    jump(s, M(JMP), SCAN_TAIL);
}

static void finish(const struct scan_stub *s) {
    struct emitted *e = s->e;
    place(s, SCAN_FOUND);
    emit2(e, s->left ? M(BSR) : M(BSF), op_reg(FOUND, 8), op_reg(FOUND, 8));
    if (s->unit > 1)
        emit2(e, M(SHL), op_reg(FOUND, 8), op_imm(__builtin_ctz(s->unit), 1));
    emit2(e, M(ADD), op_reg(CELL, 8), op_reg(FOUND, 8));
    if (s->left)
        emit2(e, M(ADD), op_reg(CELL, 8), op_imm(s->from, 8));
    place(s, SCAN_DONE);
    if (s->level >= X64_LEVEL_V3)
        emit0(e, M(VZEROUPPER));
    emit1(e, M(POP), R(RDI));
    emit1(e, M(POP), R(RSI));
    emit1(e, M(POP), R(RDX));
    emit1(e, M(POP), R(RCX));
    emit0(e, M(RET));
}

bool x64_scan_helps(unsigned cell_bits, int64_t stride) {
    unsigned cell = cell_bits / 8;
    /* SSE2 compares no cells of 64 bits, and where a block has few cells of the lane, looking at
     * one after the other is as fast. */
    return cell <= 4 && stride >= -X64_SCAN_MAX && stride <= X64_SCAN_MAX;
}

void emit_scan_stubs(struct emitted *e, enum x64_level level) {
    for (int stride = -X64_SCAN_MAX; stride <= X64_SCAN_MAX; stride++) {
        if (stride == 0 || !e->used[emit_scan_label(e, stride)])
            continue;
        struct scan_stub s = describe(e, level, stride);
        start(&s);
        blocks(&s);
        tail(&s);
        finish(&s);
    }
}

void emit_scan_name(struct text *out, int stride, unsigned place) {
    static const char *const part[SCAN_PLACES] = {"", "_loop", "_test", "_tail", "_found", "_done"};
    text_fmt(out, ".Lscan_%s_%d%s", stride < 0 ? "left" : "right", stride < 0 ? -stride : stride,
             part[place]);
}
