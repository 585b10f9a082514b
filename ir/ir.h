/* ir.h: the intermediate representation: SSA values in blocks of a control-flow graph.
 *
 * Values and blocks are 32-bit indexes wrapped in structs, so that one cannot be taken for the
 * other; index 0 of each means "none".  Instructions are fixed-size records in one array; their
 * order within blocks is kept apart, in linked lists (next, prev) beside it.
 *
 * Three rules keep the graph simple, and the verifier checks them:
 *  - A block has at most two predecessors, so a phi is an ordinary two-operand instruction whose
 *    operands stand in the order of block.pred.  Merging more paths takes a tree of blocks.
 *  - The two successors of a br are different blocks, and no edge enters the entry block.
 *  - Constants are interned values that belong to no block; as operands they may appear anywhere.
 *
 * Loops are built rotated (see build.c): a guard test before, the test again at the bottom.
 *
 * ir.c implements construction and editing; cfg.c orders, dominators and loops; build.c makes IR
 * from a program; print.c and parse.c are the text form; verify.c checks; eval.c gives meaning.
 */
#ifndef BFOPT_IR_IR_H
#define BFOPT_IR_IR_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct {
    uint32_t i;
} value;
typedef struct {
    uint32_t i;
} block;

#define NO_VALUE ((value){0})
#define NO_BLOCK ((block){0})
#define NO_SRC   UINT32_MAX

static inline bool same_value(value a, value b) {
    return a.i == b.i;
}
static inline bool same_block(block a, block b) {
    return a.i == b.i;
}

enum op {
#define OP(name, ...) OP_##name,
#include "ir/ops.def"
#undef OP
    OP_COUNT
};

enum kind { KIND_NONE, KIND_CELL, KIND_PTR };
enum imm_kind { IMM_NONE, IMM_OFF, IMM_NUM, IMM_STR, IMM_SCN, IMM_LUP };
enum effect {
    EFF_PURE = 1,
    EFF_COMM = 2,
    EFF_READ = 4,
    EFF_WRITE = 8,
    EFF_TRAP = 16,
    EFF_IO = 32,
    EFF_END = 64,
};

struct op_info {
    const char *text;
    uint8_t result, a, b, c; /* enum kind */
    uint8_t imm;             /* enum imm_kind */
    uint8_t effects;         /* enum effect, or-ed */
    const char *meaning;
};
extern const struct op_info op_info[OP_COUNT];

/* Why a LOAD, STORE or SCAN cannot leave the tape, or that it may. */
enum trap_kind {
    MAY_TRAP,
    NO_TRAP_DOM,   /* accesses at least as far out on both sides dominate this one */
    NO_TRAP_RANGE, /* a constant distance from cell 0, inside the tape */
};

/* One instruction: 32 bytes.
 *
 *   op kind trap .  | a | b | c or stride or loop | src | left | imm
 *
 * a, b, c hold operands as op_info says (for PHI: a, b by predecessor).  imm: the offset in cells
 * of memory operations, the number of CONST, the string index of OUTS.  stride is SCAN's, loop
 * CALL's. src: byte offset in the source of the operation this stems from, or NO_SRC. */
struct insn {
    uint8_t op;   /* enum op */
    uint8_t kind; /* enum kind of the result */
    uint8_t trap; /* enum trap_kind, for operations with EFF_TRAP */
    uint8_t mark; /* scratch for the running pass; meaningless between passes */
    value a, b;
    union {
        value c;
        int32_t stride;
        uint32_t loop;
    };
    uint32_t src;
    uint32_t left; /* CALL: 0, or 1 + how far to the left of its start it looks at most; then the
                      pointer that comes back is not to the left of that start either */
    int64_t imm;
};
static_assert(sizeof(struct insn) == 32, "two instructions a cache line");

struct block_data {
    value first, last; /* instructions in order; phis first; last is the terminator */
    block succ[2];
    block pred[2];
    block next, prev; /* layout order of the function */
    uint8_t nsucc, npred;
    bool dead;
};

struct ir_string {
    uint32_t start, len; /* bytes in func.text */
};

/* A unit of compilation: `ptr f(ptr)`. */
struct func {
    unsigned cell_bits;  /* 8, 16, 32 or 64 */
    bool program;        /* entered once, at cell 0, with an all-zero tape; else any loop of one */
    bool strict;         /* TOUCHes make every trap exact */
    bool simplified;     /* built by build_local.c */
    uint64_t tape_cells; /* size of the tape the code will run on; 0: not known */

    struct insn *insn; /* insn[0] is unused */
    uint32_t *next, *prev;
    block *home; /* block an instruction stands in; NO_BLOCK for constants and removed ones */
    uint32_t ninsn, insn_cap;
    uint32_t ncopy; /* COPYs made since the last ir_settle */
    uint32_t ndead; /* records that were removed or replaced: ir_compact drops them */

    struct block_data *block; /* block[0] is unused */
    uint32_t nblock, block_cap;
    block entry, last_block;

    uint32_t *const_table; /* hash table of CONST values; size a power of two */
    uint32_t const_size, nconst;

    struct ir_string *string;
    uint32_t nstring, string_cap;
    char *text;
    uint32_t text_len, text_cap;
};

/* ---- functions (ir.c) ---- */

struct func *ir_new(unsigned cell_bits);
void ir_free(struct func *f);
/* Frees the instructions and blocks, when code has been selected; the header and strings stay. */
void ir_drop_code(struct func *f);
/* Makes room for n instructions at once. */
void ir_reserve(struct func *f, uint32_t n);
void ir_reserve_blocks(struct func *f, uint32_t n);
/* Gives back what was reserved and is not used, but for a little that passes will need. */
void ir_trim(struct func *f);
struct func *ir_clone(const struct func *f);

/* ---- values ---- */

static inline struct insn *ir_at(const struct func *f, value v) {
    assert(v.i != 0 && v.i < f->ninsn);
    return &f->insn[v.i];
}
static inline bool ir_is(const struct func *f, value v, enum op op) {
    return ir_at(f, v)->op == op;
}
static inline bool ir_has(const struct func *f, value v, unsigned effects) {
    return (op_info[ir_at(f, v)->op].effects & effects) != 0;
}
/* Does v write cells that it does not name?  So does any write but a STORE. */
static inline bool ir_clobbers(const struct func *f, value v) {
    return ir_has(f, v, EFF_WRITE) && !ir_is(f, v, OP_STORE);
}
static inline value ir_next(const struct func *f, value v) {
    return (value){f->next[v.i]};
}
static inline value ir_prev(const struct func *f, value v) {
    return (value){f->prev[v.i]};
}
static inline block ir_home(const struct func *f, value v) {
    return f->home[v.i];
}

/* imm reduced to the cell width, as an unsigned number. */
static inline uint64_t ir_wrap(const struct func *f, uint64_t imm) {
    return f->cell_bits == 64 ? imm : imm & ((UINT64_C(1) << f->cell_bits) - 1);
}

/* The interned constant imm mod 2^cell_bits. */
value ir_const(struct func *f, uint64_t imm);
static inline bool ir_is_const(const struct func *f, value v) {
    return f->insn[v.i].op == OP_CONST;
}
/* The number of a constant, already wrapped. */
static inline uint64_t ir_const_of(const struct func *f, value v) {
    assert(ir_is_const(f, v));
    return (uint64_t)f->insn[v.i].imm;
}
/* Is v the constant n (mod width)? */
static inline bool ir_is_num(const struct func *f, value v, uint64_t n) {
    return ir_is_const(f, v) && ir_const_of(f, v) == ir_wrap(f, n);
}

/* Interns nothing: adds a string and returns its index for OUTS. */
uint32_t ir_string(struct func *f, const char *bytes, uint32_t len);

/* ---- instructions ---- */

/* Adds an instruction at the end of b (before its terminator if it has one). */
value ir_append(struct func *f, block b, enum op op, value a, value v, int64_t imm, uint32_t src);
/* Adds a copy of v, all it says included, at the end of b.  Its operands are v's. */
value ir_append_copy(struct func *f, block b, value v);
/* Adds an instruction before `at` (which stands in a block). */
value ir_before(struct func *f, value at, enum op op, value a, value v, int64_t imm, uint32_t src);
/* Adds a phi at the head of b. */
value ir_phi(struct func *f, block b, enum kind kind, value a, value v);
/* Takes v out of its block and makes it a NOP.  Its uses must be gone. */
void ir_remove(struct func *f, value v);
/* Makes every use of v mean `with`: v leaves its block and becomes a COPY, which ir_settle
 * resolves.  Until then a pass reads operands through ir_resolve. */
void ir_replace(struct func *f, value v, value with);
/* The value a chain of COPYs ends at (with path compression). */
value ir_resolve_copy(struct func *f, value v);
static inline value ir_resolve(struct func *f, value v) {
    return f->insn[v.i].op == OP_COPY ? ir_resolve_copy(f, v) : v;
}
/* Resolves every operand of every instruction; linear.  The pass driver calls it after each pass.
 */
void ir_settle(struct func *f);
/* Moves v before `at`. */
void ir_move_before(struct func *f, value v, value at);
/* Moves v to the end of its block, which has no terminator yet. */
void ir_move_last(struct func *f, value v);
/* The number of uses of each value; array of f->ninsn counts, to be xfree'd. */
uint32_t *ir_use_counts(struct func *f);
/* Operand slot n (0..2) of v, or NULL if the operation has none there. */
static inline value *ir_operand(const struct func *f, value v, unsigned n) {
    struct insn *in = ir_at(f, v);
    const struct op_info *info = &op_info[in->op];
    if (n == 0)
        return info->a != KIND_NONE || (in->op == OP_PHI && in->a.i) ? &in->a : NULL;
    if (n == 1)
        return info->b != KIND_NONE || (in->op == OP_PHI && in->b.i) ? &in->b : NULL;
    return n == 2 && info->c != KIND_NONE ? &in->c : NULL;
}
#define IR_MAX_OPERANDS 3
/* Operand slot n of v, which the operation has, becomes x. */
static inline void ir_set_operand(struct func *f, value v, unsigned n, value x) {
    value *o = ir_operand(f, v, n);
    assert(o != NULL);
    *o = x;
}
/* What phi v is when its block is entered from predecessor `slot`. */
static inline value *ir_phi_operand(const struct func *f, value v, unsigned slot) {
    struct insn *in = ir_at(f, v);
    assert(in->op == OP_PHI);
    return slot == 0 ? &in->a : &in->b;
}

/* ---- blocks ---- */

static inline struct block_data *ir_block(const struct func *f, block b) {
    assert(b.i != 0 && b.i < f->nblock);
    return &f->block[b.i];
}
static inline value ir_terminator(const struct func *f, block b) {
    return ir_block(f, b)->last;
}
/* A new empty block, in layout order after `after` (NO_BLOCK: at the end). */
block ir_block_new(struct func *f, block after);
/* Terminators; the block must have none.  They add the edges (predecessor slots fill in order). */
value ir_jmp(struct func *f, block b, block to, uint32_t src);
value ir_br(struct func *f, block b, value cond, block yes, block no, uint32_t src);
value ir_ret(struct func *f, block b, value p, uint32_t src);
value ir_trap(struct func *f, block b, value p, int64_t k, uint32_t src);
/* Edges by halves, for who copies blocks: phis and what an edge was before are the caller's. */
void ir_set_pred(struct func *f, block b, unsigned slot, block from);
void ir_set_succ(struct func *f, block b, unsigned n, block to);
/* Which predecessor slot of `to` the edge from `from` is. */
unsigned ir_pred_slot(const struct func *f, block from, block to);
/* Removes the edge b -> succ[n]: b ends in jmp to the other (phis of the target lose the operand
 * and, with one predecessor left, become copies of the other).  b must end in br. */
void ir_cut_edge(struct func *f, block b, unsigned n);
/* Makes edge b -> succ[n] lead to `to` instead.  The old target's phis lose their operand; phis of
 * `to` must be completed by the caller, whose new slot is returned. */
unsigned ir_redirect(struct func *f, block b, unsigned n, block to);
/* Splits the edge b -> succ[n] by a new block holding one jmp; phis are unaffected. */
block ir_split_edge(struct func *f, block b, unsigned n);
/* Moves `at` and what follows it in its block to a new block, to which the old one jumps. */
block ir_split_block(struct func *f, value at);
/* Makes a detour before `at`: its block ends in br cond, side, rest, where side is a new block that
 * jumps to rest, which begins with `at`.  Returns side. */
block ir_detour(struct func *f, value at, value cond, uint32_t src);
/* TAPE, as the first instruction of the entry block (added if there was none). */
value ir_tape(struct func *f);
/* Makes the entry block begin anew: of its instructions only TAPE stays, and it leads nowhere yet.
 * Nothing reachable may use the others. */
void ir_restart(struct func *f);
/* Makes the edge that is the only way into `to` start at b, which has no terminator: b jumps
 * there.  The old start, left without that edge, must be unreachable. */
void ir_steal_edge(struct func *f, block b, block to);
/* Appends the contents of s to b, where b ends in jmp s and s has no other predecessor. */
void ir_merge(struct func *f, block b, block s);
/* Drops blocks that cannot be reached from the entry, and the phi operands they supplied. */
bool ir_drop_unreachable(struct func *f);
/* Rebuilds the function densely in layout order: values and blocks renumbered from 1, NOPs and
 * unused constants gone.  Every value index changes. */
void ir_compact(struct func *f);

#define IR_FOR_BLOCKS(f, b) for (block b = (f)->entry; b.i != 0; b = (f)->block[b.i].next)
#define IR_FOR_INSNS(f, b, v)                                                                      \
    for (value v = (f)->block[(b).i].first; v.i != 0; v = (value){(f)->next[v.i]})
/* As IR_FOR_INSNS, and v may be removed or replaced in the body. */
#define IR_FOR_INSNS_SAFE(f, b, v)                                                                 \
    for (value v = (f)->block[(b).i].first, v##_next;                                              \
         v.i != 0 && (v##_next = (value){(f)->next[v.i]}, true); v = v##_next)

#endif
