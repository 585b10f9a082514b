/* interp.h: decoded vm code and its interpreter. */
#ifndef BFOPT_BACKEND_VM_INTERP_H
#define BFOPT_BACKEND_VM_INTERP_H

#include "backend/vm/vm.h"
#include "ir/walk.h"

/* An instruction is a row of vm.def plus VM_OP_COUNT times the variant, a sum of these. */
enum vm_variant {
    VM_CHECKED = 1, /* its access may leave the tape */
    VM_PTR = 2,     /* its base, and any pointer it makes, is register 0, kept in a variable too */
    VM_VARIANTS = 4,
};

/* A sequence of fused.def stands in the place of its first word's op. */
enum vm_fused {
    VM_FUSED_BEGIN = VM_VARIANTS * VM_OP_COUNT - 1,
#define FUSE2(name, ...) VM_FUSED_##name,
#define FUSE3            FUSE2
#define FUSE4            FUSE2
#include "backend/vm/fused.def"
    VM_DECODED_COUNT
};

/* One decoded instruction: 32 bytes.  op: row and variant, or sequence;
 * the threaded interpreter replaces it by the address of the code.  Registers are byte offsets into
 * the frame; a branch has its distance in words in r0 (fused ones: in r2). */
struct vm_word {
    union {
        uint64_t op;
        const void *go;
    };
    uint32_t r0, r1, r2;
    int32_t disp;
    int64_t imm;
};

/* A walk (ir/walk.h), in bytes, ready to run. */
struct vm_walk_op {
    int64_t dst, src;
    uint64_t keep, factor, add; /* keep: 0 or all ones */
};

/* What a walk has come to: where the next round would begin, and whether there is one. */
struct vm_walked {
    uint8_t *p;
    uint64_t more;
};

struct vm_walk {
    struct vm_walked (*run)(const struct vm_walk *k, uint8_t *p);
    int64_t step, test; /* test: from the pointer of the next round */
    int64_t low, high;  /* of the bytes a round accesses, the first and the one past the last */
    uintptr_t from;     /* a round may begin in [from, from + span) */
    uint64_t span;
    uintptr_t batch_from; /* so may one that is followed by some others, see walk.c */
    uint64_t batch_span;
    unsigned nop;
    struct vm_walk_op op[WALK_MAX_OPS];
};

/* The first zero cell from p on in steps of `step` bytes, or where that leaves the tape. */
typedef uint8_t *vm_scan(const struct tape *t, uint8_t *p, int64_t step);

/* What scans compare cells by. */
enum vm_vectors { VM_NO_VECTORS, VM_SSE2, VM_AVX2, VM_AVX512 };

struct vm_code {
    struct vm_word *word;
    uint32_t *src; /* per word: source position */
    uint32_t n, nframe;
    struct vm_walk *walk;
    uint32_t nwalk;
    vm_scan *scan;
    const struct func *ir; /* for strings; not owned */
    unsigned cell_bits;
    bool threaded; /* ops were replaced by addresses */
};

struct vm_code *vm_decode(const struct mach *m);
void vm_code_free(struct vm_code *c);
/* Fills in w->run and everything else but the limits, for cells of this width. */
struct vm_walk vm_walk_make(const struct walk *w, unsigned cell_bits);
/* Sets the limits for tape t. */
void vm_walk_place(struct vm_walk *k, const struct tape *t);
/* The function that scans cells of this width; the vectors this machine has. */
vm_scan *vm_scan_for(unsigned cell_bits, enum vm_vectors vectors);
enum vm_vectors vm_native_vectors(void);
/* Runs decoded code, always with the same dispatch. */
void vm_execute(struct vm_code *c, struct rt *rt, uint8_t *pointer, enum vm_dispatch dispatch);

#endif
