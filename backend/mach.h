/* mach.h: machine code over virtual registers: what instruction selection makes, what the register
 * allocator rewrites, what the interpreter, the assembly printer and the encoder consume.
 *
 * One representation serves both targets (x86-64, and the "vm" the interpreter runs).  All a
 * generic part knows of a target is its table of instructions, struct target.  Virtual registers
 * are in SSA form until allocation: each has one definition, phis included.
 * Implemented in mach.c.
 */
#ifndef BFOPT_BACKEND_MACH_H
#define BFOPT_BACKEND_MACH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A register operand: a virtual register before allocation, a physical one after. */
typedef uint32_t mreg;
#define NO_REG        UINT32_MAX
#define MACH_MAX_PHYS 32

/* What an instruction does with register operand n. */
enum role {
    ROLE_NONE,
    ROLE_DEF,      /* written when all early uses have been read: may share their register */
    ROLE_USE,      /* read early */
    ROLE_USE_LATE, /* read after definitions are written: shares a register with no definition */
    ROLE_TEMP,     /* a scratch register for the instruction's duration, differs from all others;
                      a fresh virtual register that nothing else mentions */
};

enum mdesc_flags {
    MD_TIED = 1,     /* r[0] (a def) must be the register of r[1] (a use); the allocator copies */
    MD_COMMUTES = 2, /* r[1] and r[2] may be swapped */
    MD_JUMP = 4,     /* ends a block unconditionally */
    MD_BRANCH = 8,   /* conditional: goes to succ[0] or falls to what follows */
    MD_RETURN = 16,
    MD_MOVE = 32, /* r[0] = r[1], full width: a coalescing candidate */
    MD_PHI = 64,
    MD_SETS_FLAGS = 128, /* clobbers or defines the flags */
    MD_USES_FLAGS = 256,
    MD_MEM = 512, /* has a memory operand (base register as the target's table says) + disp */
};

/* One row of a target's instruction table. */
struct mdesc {
    const char *name;
    uint8_t role[3];
    int8_t fixed[3];   /* the physical register operand n must be in, or -1 */
    uint16_t flags;    /* enum mdesc_flags */
    uint32_t clobbers; /* physical registers destroyed (bit mask), besides the defs */
};

/* One machine instruction. */
struct minsn {
    uint16_t op;   /* row of the target's table */
    uint8_t size;  /* operand size in bytes: 1, 2, 4, 8 */
    uint8_t cond;  /* condition code of branches, setcc, cmovcc; else 0 */
    uint8_t trap;  /* 1: the memory access may leave the tape (recorded in the trap table) */
    uint8_t again; /* 1: a copy of a constant's definition, made by the allocator */
    uint16_t rule; /* selection rule that made it, for dumps and counts; 0: none (allocator) */
    mreg r[3];
    int32_t disp; /* byte displacement; slot number for spill and reload; */
    int64_t imm;
    uint32_t src;  /* byte offset in the source, or UINT32_MAX */
    uint32_t ir;   /* IR value it stems from, 0: none */
    uint32_t orig; /* after allocation: 1 + index in the input's insn array; 0: allocator's own */
    uint32_t aux;  /* target's use: string index, scan stride, … */
};

/* Blocks have at most two predecessors (as in the IR), phis first: {MD_PHI, r[0] = def, r[1] from
 * pred[0], r[2] from pred[1]}.  A block ends with a jump, a return, or a branch followed by a jump:
 * succ[0] is the branch's target, the last succ the jump's.  Jumps to the next block are printed
 * and encoded as nothing. */
struct mblock {
    uint32_t first, end; /* instructions [first, end) of mach.insn */
    uint32_t succ[2], pred[2];
    uint8_t nsucc, npred;
    uint16_t depth;    /* loop depth: weight of spill costs */
    uint32_t ir_block; /* IR block it stems from; 0: an edge block of the allocator */
    uint32_t loop_end; /* for a loop head: last block of the loop in layout order, else 0 */
};

struct target;
struct text;

/* A function in machine form.  Blocks are in layout order: every loop's blocks are contiguous, each
 * block comes after its dominator, and block 0 is the entry. */
struct mach {
    const struct target *target;
    struct minsn *insn;
    uint32_t ninsn, insn_cap;
    struct mblock *block;
    uint32_t nblock, block_cap;
    uint32_t nvreg;  /* virtual registers are 0 .. nvreg - 1 */
    uint32_t nslots; /* spill slots of 8 bytes, after allocation */
    bool allocated;
    unsigned cell_bits;
    const struct func *ir; /* for strings and dumps; not owned */
};

struct target {
    const char *name;
    const struct mdesc *desc;
    unsigned ndesc;
    unsigned nregs;       /* physical registers 0 .. nregs - 1 */
    uint32_t allocatable; /* mask */
    const uint8_t *order; /* nregs allocatable registers in order of preference */
    /* Rows the allocator needs; all leave the flags alone. */
    uint16_t op_move;   /* r[0] = r[1], 8 bytes */
    uint16_t op_swap;   /* r[0] <-> r[1] (ROLE_USE_LATE both) */
    uint16_t op_reload; /* r[0] = slot disp */
    uint16_t op_spill;  /* slot disp = r[1] */
    uint16_t op_jump;
    uint16_t op_phi;
    /* Optional: writes a constant again instead of reloading it.  NULL or: is `in` an instruction
     * without register uses, memory access or effect on flags, so that its copy anywhere gives the
     * same value? */
    bool (*rematerializable)(const struct minsn *in);
    const char *(*reg_name)(mreg r, unsigned size);
    /* Optional, for dumps: writes an instruction as the target's assembler would; the name of a
     * selection rule. */
    void (*print)(struct text *out, const struct mach *m, const struct minsn *in);
    const char *(*rule_name)(unsigned rule);
};

/* Writes register r as a dump shows it: v7 before allocation, the target's name after. */
void mach_print_reg(struct text *out, const struct mach *m, mreg r, unsigned size);
struct mach *mach_new(const struct target *t);
void mach_free(struct mach *m);
static inline const struct mdesc *mach_desc(const struct mach *m, const struct minsn *in) {
    return &m->target->desc[in->op];
}
/* Appends a copy of `in` to m->insn (the block being filled is the last); returns its index. */
uint32_t mach_push(struct mach *m, struct minsn in);
/* Makes room for about n instructions at once. */
void mach_reserve(struct mach *m, uint32_t n);
/* Text of a whole function, for --print-after=isel and =ra and for error reports. */
void mach_print(struct text *out, const struct mach *m);

#endif
