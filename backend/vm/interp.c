/* interp.c: the interpreter: decodes an allocated vm function and runs it.
 *
 * Decoding turns blocks into one array of 32-byte words: physical registers and slots become
 * indexes of one frame, branches relative distances, a jump to the next block nothing, and some
 * neighbours one fused instruction.  bodies.h has what each instruction does;
 * interp_ops.h makes a function of that, and is included for each cell width and each way to
 * dispatch. */
#include "backend/vm/interp.h"

#include <assert.h>
#include <string.h>

#include "runtime/alloc.h"

/* ---- decoding ---- */

struct decoder {
    const struct mach *m;
    struct vm_word *word;
    uint32_t *src; /* per word: source position */
    uint32_t nword, cap, src_cap;
    uint32_t *start; /* per block: its first word */
    uint32_t *next;  /* per block: the next one that has any words */
    struct vm_walk *walk;
    uint32_t nwalk, walk_cap;
    uint32_t *uses; /* of IR values; made for the first walk */
};

static enum vm_op inverted(enum vm_op op) {
    static_assert(VM_BRZ == VM_BRNZ + 1, "branches come in pairs");
    static_assert(VM_BRZ_M == VM_BRNZ_M + 1 && VM_BRNE == VM_BREQ + 1, "branches come in pairs");
    static_assert(VM_BRNE_I == VM_BREQ_I + 1 && VM_BRGE == VM_BRLT + 1, "branches come in pairs");
    static_assert(VM_BRGE_I == VM_BRLT_I + 1, "branches come in pairs");
    return ((op - VM_BRNZ) ^ 1) + VM_BRNZ;
}

static void push(struct decoder *d, struct vm_word w, uint32_t src) {
    d->word = xgrow(d->word, &d->cap, (uint64_t)d->nword + 1, sizeof *d->word);
    d->src = xgrow(d->src, &d->src_cap, (uint64_t)d->nword + 1, sizeof *d->src);
    d->word[d->nword] = w;
    d->src[d->nword++] = src;
}

/* The frame index of a register operand, as a byte offset. */
static uint32_t frame(mreg r) {
    return r == NO_REG ? 0 : r * (uint32_t)sizeof(uint64_t);
}

static uint32_t frame_slot(int32_t slot) {
    return (VM_NREGS + (uint32_t)slot) * (uint32_t)sizeof(uint64_t);
}

/* Which variant of its row an instruction needs. */
static unsigned variant(const struct decoder *d, const struct minsn *in) {
    if (in->op == VM_MOVE || in->op == VM_RELOAD || in->op == VM_LEA || in->op == VM_SCAN)
        return in->r[0] == 0 ? VM_PTR : 0;
    if (!(mach_desc(d->m, in)->flags & MD_MEM))
        return 0;
    return (in->trap ? VM_CHECKED : 0u) + (in->r[1] == 0 ? VM_PTR : 0u);
}

static struct vm_word decode_insn(const struct decoder *d, const struct minsn *in) {
    unsigned v = variant(d, in) * VM_OP_COUNT;
    struct vm_word w = {.op = in->op + v,
                        .r0 = frame(in->r[0]),
                        .r1 = frame(in->r[1]),
                        .r2 = frame(in->r[2]),
                        .disp = in->disp,
                        .imm = in->imm};
    if (in->op == VM_RELOAD || in->op == VM_SPILL) {
        *(in->op == VM_RELOAD ? &w.r1 : &w.r0) = frame_slot(in->disp);
        w.op = VM_MOVE + v;
    }
    return w;
}

/* The word before the one to come, without its variant, or VM_OP_COUNT at a block's start. */
static enum vm_op last_op(const struct decoder *d, uint32_t first) {
    return d->nword == first ? VM_OP_COUNT : (enum vm_op)(d->word[d->nword - 1].op % VM_OP_COUNT);
}

/* Turns the last word into the fused instruction op, keeping its variant. */
static struct vm_word *fuse_last(struct decoder *d, enum vm_op op) {
    struct vm_word *w = &d->word[d->nword - 1];
    w->op = op + w->op / VM_OP_COUNT * VM_OP_COUNT;
    return w;
}

/* Makes one of a branch and the instruction before it, where that is a known pair. */
static bool fuse_branch(struct decoder *d, const struct minsn *in, uint32_t target,
                        uint32_t first) {
    bool cell = in->op == VM_BRNZ_M || in->op == VM_BRZ_M;
    bool nz = in->op == VM_BRNZ_M || in->op == VM_BRNZ;
    enum vm_op last = last_op(d, first);
    if (last == VM_OP_COUNT || (!cell && in->op != VM_BRNZ && in->op != VM_BRZ))
        return false;
    struct vm_word *w = &d->word[d->nword - 1];
    if (cell && last == VM_ADD_MI && w->r1 == frame(in->r[1]) && w->disp == in->disp) {
        fuse_last(d, nz ? VM_ADD_BRNZ : VM_ADD_BRZ);
    } else if (!cell && last == VM_LOAD && w->r0 == frame(in->r[1])) {
        fuse_last(d, nz ? VM_LOAD_BRNZ : VM_LOAD_BRZ);
    } else if (cell && last == VM_LEA && w->r0 == frame(in->r[1]) && (w->r0 != 0 || w->r1 == 0)) {
        unsigned v = (in->trap ? VM_CHECKED : 0u) + (w->r0 == 0 ? VM_PTR : 0u);
        w->op = (nz ? VM_LEA_BRNZ : VM_LEA_BRZ) + v * VM_OP_COUNT;
        w->disp = in->disp;
        d->src[d->nword - 1] = in->src;
    } else {
        return false;
    }
    w->r2 = target;
    return true;
}

/* [p] += x and clearing another cell, the end of most loops that move a value. */
static bool fuse_clear(struct decoder *d, const struct minsn *in, uint32_t first) {
    if (in->op != VM_STORE_I || in->trap || in->imm != 0 || last_op(d, first) != VM_ADD_M)
        return false;
    struct vm_word *w = fuse_last(d, VM_ADD_CLEAR);
    w->r0 = frame(in->r[1]);
    w->imm = in->disp;
    return true;
}

/* Stores of one constant to neighbouring cells, at least this many, are filled at once. */
#define MIN_FILL 4

static bool continues_fill(const struct decoder *d, const struct minsn *a, const struct minsn *b,
                           int64_t step) {
    int64_t distance = (int64_t)b->disp - a->disp;
    return b->op == VM_STORE_I && b->r[1] == a->r[1] && b->imm == a->imm && distance == step &&
           (step > 0 ? step : -step) == d->m->cell_bits / 8;
}

/* The number of stores from instruction i on that go through neighbouring cells. */
static uint32_t count_fill(const struct decoder *d, uint32_t i, uint32_t end) {
    const struct minsn *in = &d->m->insn[i];
    if (in->op != VM_STORE_I || end - i < MIN_FILL)
        return 0;
    uint32_t n = 1;
    int64_t step = (int64_t)in[1].disp - in->disp;
    while (i + n < end && continues_fill(d, &in[n - 1], &in[n], step))
        n++;
    return n;
}

/* The cell's pattern in all of 8 bytes. */
static int64_t repeated(int64_t imm, unsigned cell_bits) {
    uint64_t x = (uint64_t)imm;
    for (unsigned n = cell_bits; n < 64; n *= 2)
        x |= x << n;
    return (int64_t)x;
}

/* Puts FILL before a run of n stores.  They stay, for when one of them leaves the tape. */
static void decode_fill(struct decoder *d, const struct minsn *in, uint32_t n) {
    const struct minsn *last = in + n - 1;
    int32_t low = in->disp < last->disp ? in->disp : last->disp;
    push(d,
         (struct vm_word){.op = VM_FILL + (in->r[1] == 0 ? VM_PTR : 0) * VM_OP_COUNT,
                          .r0 = n,
                          .r1 = frame(in->r[1]),
                          .r2 = (n - 1) * (d->m->cell_bits / 8),
                          .disp = low,
                          .imm = repeated(in->imm, d->m->cell_bits)},
         in->src);
}

/* Where a jump to block b ends up, past blocks that only jump on. */
static uint32_t final_target(const struct mach *m, uint32_t b) {
    for (unsigned n = 0; n < 16; n++) {
        const struct mblock *mb = &m->block[b];
        if (mb->end != mb->first + 1 || m->insn[mb->first].op != VM_JUMP)
            break;
        b = mb->succ[0];
    }
    return b;
}

/* Does block b only jump to the block behind it? */
static bool is_empty(const struct mach *m, uint32_t b) {
    const struct mblock *mb = &m->block[b];
    return mb->end == mb->first + 1 && m->insn[mb->first].op == VM_JUMP && mb->succ[0] == b + 1;
}

static void find_next_blocks(struct decoder *d) {
    const struct mach *m = d->m;
    for (uint32_t b = m->nblock; b-- > 0;)
        d->next[b] = b + 1 < m->nblock && is_empty(m, b + 1) ? d->next[b + 1] : b + 1;
}

static void decode_branch(struct decoder *d, uint32_t b, const struct minsn *in, uint32_t first) {
    const struct mblock *mb = &d->m->block[b];
    uint32_t yes = final_target(d->m, mb->succ[0]), no = final_target(d->m, mb->succ[1]);
    struct minsn branch = *in;
    bool turned = yes == d->next[b];
    if (turned) {
        branch.op = (uint16_t)inverted(in->op);
        yes = no;
    }
    if (!fuse_branch(d, &branch, yes, first)) {
        struct vm_word w = decode_insn(d, &branch);
        /* Compare-and-branch needs r1 and r2; the target is the first register's place. */
        w.r0 = yes;
        push(d, w, in->src);
    }
    if (!turned && no != d->next[b])
        push(d, (struct vm_word){.op = VM_JUMP, .r0 = no}, in->src);
}

/* ---- walks ---- */

/* Is block b, of a walk's blocks first .. last, all selected code?  What the allocator adds moves
 * values from where they are. */
static bool is_plain(const struct mach *m, const struct mblock *b, uint32_t first, uint32_t last) {
    for (uint32_t i = b->first; i < b->end; i++)
        if (m->insn[i].orig == 0 && m->insn[i].op != VM_JUMP)
            return false;
    for (unsigned n = 0; n < b->nsucc && b != &m->block[last]; n++)
        if (b->succ[n] < first || b->succ[n] > last)
            return false;
    return true;
}

/* Does a phi behind walk w take a constant from it?  The code for that stands before the latch's
 * branch, which a walk run at once never comes to. */
static bool hands_on_constant(const struct func *f, const struct walk *w) {
    const struct block_data *latch = ir_block(f, w->latch);
    for (unsigned n = 0; n < latch->nsucc; n++) {
        unsigned slot = ir_pred_slot(f, w->latch, latch->succ[n]);
        IR_FOR_INSNS (f, latch->succ[n], v) {
            if (!ir_is(f, v, OP_PHI))
                break;
            if (ir_is_const(f, *ir_phi_operand(f, v, slot)))
                return true;
        }
    }
    return false;
}

/* The machine block at the end of walk w, whose head is b, if leaving the loop there is as good as
 * not having been in it: all values but the pointer are where they were.  0: none. */
static uint32_t walk_latch(const struct mach *m, uint32_t b, const struct walk *w) {
    if (hands_on_constant(m->ir, w))
        return 0;
    uint32_t last = b;
    while (last < m->nblock && m->block[last].ir_block != w->latch.i)
        last++;
    const struct mblock *latch = &m->block[last];
    if (last == m->nblock || latch->nsucc != 2 || m->insn[latch->end - 2].op != VM_BRNZ_M)
        return 0;
    for (uint32_t i = b; i <= last; i++)
        if (!is_plain(m, &m->block[i], b, last))
            return 0;
    return last;
}

/* What to do at once before a round: nothing but a move, if the loop could not be left from here.
 */
static void decode_walk(struct decoder *d, uint32_t b, const struct minsn *in) {
    const struct func *f = d->m->ir;
    value phi = {in->ir};
    struct walk w;
    if (!d->uses)
        d->uses = ir_use_counts((struct func *)(uintptr_t)f); /* which it does not change */
    bool found = walk_find(f, ir_home(f, phi), d->uses, &w);
    assert(found);
    uint32_t latch = found ? walk_latch(d->m, b, &w) : 0;
    struct minsn move = *in;
    move.op = VM_MOVE;
    struct vm_word word = decode_insn(d, &move);
    if (latch == 0) {
        if (word.r0 != word.r1)
            push(d, word, in->src);
        return;
    }
    const struct mblock *mb = &d->m->block[latch];
    const struct minsn *branch = &d->m->insn[mb->end - 2];
    d->walk = xgrow(d->walk, &d->walk_cap, (uint64_t)d->nwalk + 1, sizeof *d->walk);
    d->walk[d->nwalk] = vm_walk_make(&w, d->m->cell_bits);
    word.imm = d->nwalk++;
    word.disp = (int32_t)frame(branch->r[1]);
    word.op = VM_WALK_ALL +
              (in->r[0] == 0 && in->r[1] == 0 && branch->r[1] == 0 ? VM_PTR : 0) * VM_OP_COUNT;
    word.r2 = final_target(d->m, mb->succ[1]);
    push(d, word, in->src);
}

static void decode_block(struct decoder *d, uint32_t b) {
    const struct mblock *mb = &d->m->block[b];
    uint32_t first = d->nword, filled = 0;
    d->start[b] = first;
    for (uint32_t i = mb->first; i < mb->end; i++) {
        const struct minsn *in = &d->m->insn[i];
        unsigned flags = d->m->target->desc[in->op].flags;
        if (flags & MD_BRANCH) {
            decode_branch(d, b, in, first);
            return;
        }
        if (flags & MD_JUMP) {
            uint32_t to = final_target(d->m, mb->succ[0]);
            if (to != d->next[b])
                push(d, (struct vm_word){.op = VM_JUMP, .r0 = to}, in->src);
            return;
        }
        if (i >= filled) {
            uint32_t n = count_fill(d, i, mb->end);
            filled = i + n;
            if (n >= MIN_FILL)
                decode_fill(d, in, n);
        }
        if (in->op == VM_WALK)
            decode_walk(d, b, in);
        else if (!fuse_clear(d, in, first))
            push(d, decode_insn(d, in), in->src);
    }
}

/* Block numbers in branches become distances in words. */
static void link_branches(struct decoder *d) {
    for (uint32_t i = 0; i < d->nword; i++) {
        struct vm_word *w = &d->word[i];
        uint64_t op = w->op % VM_OP_COUNT;
        if (op == VM_JUMP || (op >= VM_BRNZ && op <= VM_BRGE_I))
            w->r0 = d->start[w->r0] - i;
        else if ((op >= VM_ADD_BRNZ && op <= VM_LOAD_BRZ) || op == VM_WALK_ALL)
            w->r2 = d->start[w->r2] - i;
    }
}

/* ---- sequences ---- */

/* The steps of a sequence as ops, checked ones where either will do. */
struct sequence {
    enum vm_fused fused;
    unsigned n;
    uint64_t op[4];
};
static const struct sequence sequences[] = {
#define STEP_R(name)            VM_##name
#define STEP_P(name)            (VM_##name + 2 * VM_OP_COUNT)
#define STEP_0(name)            VM_##name
#define STEP_1(name)            (VM_##name + 1 * VM_OP_COUNT)
#define STEP_2(name)            (VM_##name + 2 * VM_OP_COUNT)
#define STEP_3(name)            (VM_##name + 3 * VM_OP_COUNT)
#define STEP_M0                 STEP_0
#define STEP_M1                 STEP_1
#define STEP_M2                 STEP_2
#define STEP_M3                 STEP_3
#define STEP(v, name)           STEP_##v(name)
#define FUSE2(name, a, b)       {VM_FUSED_##name, 2, {STEP a, STEP b}},
#define FUSE3(name, a, b, c)    {VM_FUSED_##name, 3, {STEP a, STEP b, STEP c}},
#define FUSE4(name, a, b, c, d) {VM_FUSED_##name, 4, {STEP a, STEP b, STEP c, STEP d}},
#include "backend/vm/fused.def"
#undef STEP_R
#undef STEP_P
#undef STEP_0
#undef STEP_1
#undef STEP_2
#undef STEP_3
#undef STEP_M0
#undef STEP_M1
#undef STEP_M2
#undef STEP_M3
#undef STEP
};
#define NSEQUENCE (sizeof sequences / sizeof *sequences)

/* Sequences by their first row: first[row] is the number of one, plus 1; next[] of the following.
 */
struct sequence_index {
    uint8_t first[VM_OP_COUNT], next[NSEQUENCE + 1];
};

static struct sequence_index index_sequences(void) {
    static_assert(NSEQUENCE < UINT8_MAX, "their numbers fit");
    struct sequence_index x = {0};
    for (unsigned n = NSEQUENCE; n > 0; n--) {
        uint64_t row = sequences[n - 1].op[0] % VM_OP_COUNT;
        x.next[n] = x.first[row];
        x.first[row] = (uint8_t)n;
    }
    return x;
}

/* May a word with this op be run as a step for `step`? */
static bool fits(uint64_t op, uint64_t step) {
    bool checks = step / VM_OP_COUNT & VM_CHECKED;
    return op == step || (checks && op == step - VM_CHECKED * VM_OP_COUNT);
}

static bool sequence_at(const struct decoder *d, uint32_t i, const struct sequence *s) {
    if (s->n > d->nword - i)
        return false;
    for (unsigned k = 0; k < s->n; k++)
        if (!fits(d->word[i + k].op, s->op[k]))
            return false;
    return true;
}

/* Fuses whatever can be fused.  A word in the middle of a sequence may begin one of its own: it may
 * be jumped to. */
static void fuse_sequences(struct decoder *d) {
    const struct sequence_index x = index_sequences();
    for (uint32_t i = 0; i < d->nword; i++) {
        const struct sequence *best = NULL;
        for (unsigned n = x.first[d->word[i].op % VM_OP_COUNT]; n > 0; n = x.next[n]) {
            const struct sequence *s = &sequences[n - 1];
            if ((!best || s->n > best->n) && sequence_at(d, i, s))
                best = s;
        }
        if (best)
            d->word[i].op = best->fused;
    }
}

struct vm_code *vm_decode(const struct mach *m) {
    assert(m->allocated);
    struct decoder d = {.m = m};
    d.start = xcalloc((size_t)m->nblock + 1, sizeof *d.start);
    d.next = xcalloc(m->nblock, sizeof *d.next);
    find_next_blocks(&d);
    for (uint32_t b = 0; b < m->nblock; b++)
        decode_block(&d, b);
    link_branches(&d);
    fuse_sequences(&d);
    xfree(d.start);
    xfree(d.next);
    xfree(d.uses);
    struct vm_code *c = xcalloc(1, sizeof *c);
    *c = (struct vm_code){.word = d.word,
                          .src = d.src,
                          .n = d.nword,
                          .walk = d.walk,
                          .nwalk = d.nwalk,
                          .scan = vm_scan_for(m->cell_bits, vm_native_vectors()),
                          .nframe = VM_NREGS + m->nslots,
                          .ir = m->ir,
                          .cell_bits = m->cell_bits};
    return c;
}

void vm_code_free(struct vm_code *c) {
    if (!c)
        return;
    xfree(c->word);
    xfree(c->src);
    xfree(c->walk);
    xfree(c);
}

/* ---- scans ---- */

/* Many scans end at one of their first cells: these need no call. */
#define DEFINE_SCAN(bits)                                                                          \
    static inline uint8_t *scan_##bits(const struct vm_code *c, const struct tape *t, uint8_t *p,  \
                                       int64_t step) {                                             \
        for (unsigned n = 0; n < 4; n++, p = (uint8_t *)((uintptr_t)p + (uintptr_t)step))          \
            if ((uintptr_t)p - (uintptr_t)t->base >= t->bytes || *(uint##bits##_t *)p == 0)        \
                return p;                                                                          \
        return c->scan(t, p, step);                                                                \
    }
DEFINE_SCAN(8)
DEFINE_SCAN(16)
DEFINE_SCAN(32)
DEFINE_SCAN(64)

/* ---- running ---- */

/* Writes n bytes of the pattern. */
static inline void fill(uint8_t *p, uint32_t n, uint64_t pattern) {
    for (; n >= 8; n -= 8, p += 8)
        memcpy(p, &pattern, 8);
    if (n & 4) {
        memcpy(p, &pattern, 4);
        p += 4;
    }
    if (n & 2) {
        memcpy(p, &pattern, 2);
        p += 2;
    }
    if (n & 1)
        *p = (uint8_t)pattern;
}

#define JOIN_(a, b) a##b
#define JOIN(a, b)  JOIN_(a, b)

#include "backend/vm/bodies.h"

#define BITS     8
#define THREADED 1
#include "backend/vm/interp_ops.h"
#define BITS     16
#define THREADED 1
#include "backend/vm/interp_ops.h"
#define BITS     32
#define THREADED 1
#include "backend/vm/interp_ops.h"
#define BITS     64
#define THREADED 1
#include "backend/vm/interp_ops.h"
#define BITS     8
#define THREADED 0
#include "backend/vm/interp_ops.h"
#define BITS     16
#define THREADED 0
#include "backend/vm/interp_ops.h"
#define BITS     32
#define THREADED 0
#include "backend/vm/interp_ops.h"
#define BITS     64
#define THREADED 0
#include "backend/vm/interp_ops.h"

typedef void runner(const struct vm_code *c, struct vm_word *w, uint64_t *frame, struct rt *rt,
                    uint8_t *entry);

static runner *runner_for(unsigned bits, enum vm_dispatch dispatch) {
    bool threaded = dispatch == VM_THREADED;
    switch (bits) {
    case 8:
        return threaded ? run_8_threaded : run_8_switch;
    case 16:
        return threaded ? run_16_threaded : run_16_switch;
    case 32:
        return threaded ? run_32_threaded : run_32_switch;
    default:
        return threaded ? run_64_threaded : run_64_switch;
    }
}

void vm_execute(struct vm_code *c, struct rt *rt, uint8_t *pointer, enum vm_dispatch dispatch) {
    uint64_t *frame = xcalloc(c->nframe, sizeof *frame);
    for (uint32_t i = 0; i < c->nwalk; i++)
        vm_walk_place(&c->walk[i], &rt->tape);
    rt->end = RUN_DONE;
    runner_for(c->cell_bits, dispatch)(c, c->word, frame, rt, pointer);
    xfree(frame);
    rt_flush(rt);
}

void vm_run(const struct mach *m, struct rt *rt, uint8_t *pointer, enum vm_dispatch dispatch) {
    struct vm_code *c = vm_decode(m);
    vm_execute(c, rt, pointer, dispatch);
    vm_code_free(c);
}
