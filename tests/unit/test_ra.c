/* test_ra.c: the register allocator and its checker on random functions of a small made-up target.
 *
 * Each function is allocated with several register files and seeds, proven by ra_check, and run by
 * a simulator before and after: the traces must agree.  Corrupted allocations must be rejected. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "backend/ra.h"
#include "runtime/alloc.h"
#include "runtime/text.h"
#include "tests/unit/fake_target.h"

/* ---- random functions ---- */

#define MAX_LIVE 24

struct gen {
    struct mach *m;
    uint32_t seed;
    mreg avail[MAX_LIVE]; /* values that may be used here */
    unsigned navail;
};

static uint32_t rnd(struct gen *g, uint32_t n) {
    g->seed = g->seed * 1664525u + 1013904223u;
    return (g->seed >> 8) % n;
}

static mreg any(struct gen *g) {
    return g->avail[rnd(g, g->navail)];
}

static mreg fresh(struct gen *g) {
    return g->m->nvreg++;
}

static void provide(struct gen *g, mreg v) {
    if (g->navail < MAX_LIVE)
        g->avail[g->navail++] = v;
    else
        g->avail[rnd(g, MAX_LIVE)] = v;
}

static uint32_t push(struct gen *g, uint16_t op, mreg a, mreg b, mreg c, int64_t imm) {
    struct minsn in = {.op = op, .size = 8, .r = {a, b, c}, .imm = imm, .src = UINT32_MAX};
    return mach_push(g->m, in);
}

static uint32_t open_block(struct gen *g, uint16_t depth) {
    struct mach *m = g->m;
    m->block = xgrow(m->block, &m->block_cap, (uint64_t)m->nblock + 1, sizeof *m->block);
    m->block[m->nblock] = (struct mblock){
        .first = m->ninsn, .end = m->ninsn, .depth = depth, .ir_block = m->nblock + 1};
    return m->nblock++;
}

static void close_block(struct gen *g) {
    g->m->block[g->m->nblock - 1].end = g->m->ninsn;
}

static void edge(struct gen *g, uint32_t p, uint32_t s) {
    struct mblock *pb = &g->m->block[p], *sb = &g->m->block[s];
    pb->succ[pb->nsucc++] = s;
    sb->pred[sb->npred++] = p;
}

static void random_insn(struct gen *g) {
    static const uint16_t kinds[] = {T_ADD,  T_SUB, T_MIX,   T_LATE, T_DIV, T_SHIFT, T_CALL,
                                     T_TEMP, T_OUT, T_CONST, T_MOVE, T_ADD, T_SUB,   T_MIX};
    uint16_t op = kinds[rnd(g, sizeof kinds / sizeof *kinds)];
    const struct mdesc *d = &fake_rows[op];
    mreg r[3] = {NO_REG, NO_REG, NO_REG};
    for (unsigned n = 1; n < 3; n++)
        if (d->role[n] == ROLE_USE || d->role[n] == ROLE_USE_LATE)
            r[n] = any(g);
        else if (d->role[n] == ROLE_TEMP)
            r[n] = fresh(g);
    if (d->role[0] == ROLE_DEF)
        r[0] = fresh(g);
    push(g, op, r[0], r[1], r[2], (int64_t)rnd(g, 1000));
    if (r[0] != NO_REG)
        provide(g, r[0]);
}

static void random_code(struct gen *g, uint16_t depth, unsigned budget);

static void straight(struct gen *g) {
    for (unsigned n = rnd(g, 7); n > 0; n--)
        random_insn(g);
}

/* A rotated loop: guard, body with phis, exit with a phi. */
static void random_loop(struct gen *g, uint16_t depth, unsigned budget) {
    uint32_t guard = g->m->nblock - 1;
    mreg before[3] = {any(g), any(g), any(g)}, phi[3], after[3];
    uint32_t at[3], saved_n = g->navail;
    mreg saved[MAX_LIVE];
    memcpy(saved, g->avail, sizeof saved);
    push(g, T_BRANCH, NO_REG, any(g), NO_REG, 0);
    push(g, T_JUMP, NO_REG, NO_REG, NO_REG, 0);
    close_block(g);
    uint32_t body = open_block(g, depth + 1);
    edge(g, guard, body);
    for (unsigned k = 0; k < 3; k++)
        at[k] = push(g, T_PHI, phi[k] = fresh(g), before[k], NO_REG, 0);
    for (unsigned k = 0; k < 3; k++)
        provide(g, phi[k]);
    random_code(g, depth + 1, budget);
    uint32_t latch = g->m->nblock - 1;
    for (unsigned k = 0; k < 3; k++)
        g->m->insn[at[k]].r[2] = after[k] = rnd(g, 4) ? any(g) : phi[rnd(g, 3)];
    push(g, T_BRANCH, NO_REG, any(g), NO_REG, 0);
    push(g, T_JUMP, NO_REG, NO_REG, NO_REG, 0);
    close_block(g);
    edge(g, latch, body);
    g->m->block[body].loop_end = latch;
    uint32_t exit = open_block(g, depth);
    edge(g, guard, exit);
    edge(g, latch, exit);
    memcpy(g->avail, saved, sizeof saved);
    g->navail = saved_n;
    for (unsigned k = 0; k < 2; k++) {
        mreg v = fresh(g);
        push(g, T_PHI, v, before[k], after[k], 0);
        provide(g, v);
    }
}

/* if (x) { ... } joining in a phi. */
static void random_if(struct gen *g, uint16_t depth, unsigned budget) {
    uint32_t top = g->m->nblock - 1, saved_n = g->navail;
    mreg saved[MAX_LIVE], a = any(g);
    memcpy(saved, g->avail, sizeof saved);
    push(g, T_BRANCH, NO_REG, any(g), NO_REG, 0);
    push(g, T_JUMP, NO_REG, NO_REG, NO_REG, 0);
    close_block(g);
    uint32_t then = open_block(g, depth);
    edge(g, top, then);
    random_code(g, depth, budget);
    mreg b = any(g);
    uint32_t end = g->m->nblock - 1;
    push(g, T_JUMP, NO_REG, NO_REG, NO_REG, 0);
    close_block(g);
    uint32_t join = open_block(g, depth);
    edge(g, top, join);
    edge(g, end, join);
    memcpy(g->avail, saved, sizeof saved);
    g->navail = saved_n;
    mreg v = fresh(g);
    push(g, T_PHI, v, a, b, 0);
    provide(g, v);
}

static void random_code(struct gen *g, uint16_t depth, unsigned budget) {
    straight(g);
    while (budget > 0) {
        unsigned inner = rnd(g, budget--);
        if (rnd(g, 2))
            random_loop(g, depth, inner);
        else
            random_if(g, depth, inner);
        straight(g);
        budget -= inner < budget ? inner : budget;
    }
}

static struct mach *random_function(uint32_t seed) {
    struct gen g = {.m = mach_new(&fake_target), .seed = seed * 2654435761u + 1};
    open_block(&g, 0);
    for (unsigned n = 2 + rnd(&g, 10); n > 0; n--) {
        mreg v = fresh(&g);
        push(&g, T_CONST, v, NO_REG, NO_REG, (int64_t)rnd(&g, 1000));
        provide(&g, v);
    }
    random_code(&g, 0, rnd(&g, 6));
    push(&g, T_RET, NO_REG, any(&g), NO_REG, 0);
    close_block(&g);
    return g.m;
}

/* ---- the simulator: runs functions before and after allocation ---- */

struct sim {
    uint64_t *reg, *slot;
    uint64_t trace; /* hash of everything observed */
    unsigned fuel;
};

static uint64_t scramble(uint64_t x) {
    x ^= x >> 31;
    return x * UINT64_C(0x9e3779b97f4a7c15) + 12345;
}

static void observe(struct sim *s, uint64_t x) {
    s->trace = scramble(s->trace ^ x);
}

static void sim_insn(struct sim *s, const struct minsn *in, bool allocated) {
    const struct mdesc *d = &fake_rows[in->op];
    uint64_t a = in->r[1] != NO_REG ? s->reg[in->r[1]] : 0;
    uint64_t b = d->role[2] == ROLE_TEMP || in->r[2] == NO_REG ? 0 : s->reg[in->r[2]];
    uint64_t out = 0;
    switch (in->op) {
    case T_MOVE:
        out = a;
        break;
    case T_SWAP:
        s->reg[in->r[1]] = s->reg[in->r[0]];
        s->reg[in->r[0]] = a;
        return;
    case T_RELOAD:
        out = s->slot[in->disp];
        break;
    case T_SPILL:
        s->slot[in->disp] = a;
        return;
    case T_CONST:
        out = (uint64_t)in->imm;
        break;
    case T_ADD:
        out = a + b;
        break;
    case T_SUB:
        out = a - b;
        break;
    case T_OUT:
        observe(s, a);
        break;
    default:
        out = scramble(a * 3 + b + in->op);
        break;
    }
    if (allocated) { /* what an instruction destroys, it really destroys */
        for (unsigned r = 0; r < 8; r++)
            if (d->clobbers >> r & 1)
                s->reg[r] = UINT64_C(0xdead0000) + r;
        if (d->role[2] == ROLE_TEMP)
            s->reg[in->r[2]] = 0xbeef;
    }
    if (d->role[0] == ROLE_DEF)
        s->reg[in->r[0]] = out;
}

static uint32_t sim_phis(struct sim *s, const struct mach *m, uint32_t b, unsigned slot) {
    uint32_t i = m->block[b].first;
    uint64_t value[16];
    uint32_t n = 0;
    for (; i + n < m->block[b].end && m->insn[i + n].op == T_PHI; n++)
        value[n] = s->reg[m->insn[i + n].r[1 + slot]];
    for (uint32_t k = 0; k < n; k++)
        s->reg[m->insn[i + k].r[0]] = value[k];
    return i + n;
}

static uint64_t simulate(const struct mach *m) {
    struct sim s = {.reg = xcalloc(m->allocated ? 8 : m->nvreg + 1, 8),
                    .slot = xcalloc(m->nslots + 1, 8),
                    .fuel = 3000};
    uint32_t b = 0, came = 0;
    bool running = true;
    while (running && s.fuel > 0) {
        unsigned slot = m->block[b].npred > 1 && m->block[b].pred[1] == came;
        uint32_t i = sim_phis(&s, m, b, slot);
        /* Edge blocks cost no fuel: the traces of both versions must end at the same place. */
        s.fuel -= m->block[b].ir_block != 0;
        uint32_t to = m->block[b].nsucc ? m->block[b].succ[m->block[b].nsucc - 1] : 0;
        for (; i < m->block[b].end; i++) {
            const struct minsn *in = &m->insn[i];
            if (in->op == T_BRANCH && scramble(s.reg[in->r[1]] + s.fuel) >> 62) {
                to = m->block[b].succ[0];
                break;
            }
            if (in->op == T_RET) {
                observe(&s, s.reg[in->r[1]]);
                running = false;
            }
            if (in->op != T_BRANCH && in->op != T_JUMP && in->op != T_RET)
                sim_insn(&s, in, m->allocated);
        }
        came = b;
        b = to;
    }
    uint64_t trace = s.trace;
    xfree(s.reg);
    xfree(s.slot);
    return trace;
}

/* ---- tests ---- */

static const unsigned files[] = {3, 4, 5, 0};

/* Blocks keep what is known of them; those on edges, which are new, have no loop of their own, and
 * lie no deeper than what they join. */
static void check_blocks(const struct mach *before, const struct mach *after) {
    uint32_t n = 0;
    for (uint32_t b = 0; b < after->nblock; b++) {
        const struct mblock *x = &after->block[b], *old = &before->block[n];
        if (x->ir_block != 0) {
            cr_assert(x->ir_block == old->ir_block && x->depth == old->depth);
            n++;
            continue;
        }
        cr_assert(x->loop_end == 0 && x->npred == 1 && x->nsucc == 1);
        const struct mblock *p = &after->block[x->pred[0]], *s = &after->block[x->succ[0]];
        cr_assert(x->depth == (p->depth < s->depth ? p->depth : s->depth));
    }
    cr_assert(n == before->nblock);
}

static void check_one(uint32_t seed, unsigned max_regs, uint32_t random) {
    struct mach *m = random_function(seed);
    struct ra_options o = {.max_regs = max_regs, .seed = random};
    struct mach *out = ra_allocate(m, &o, NULL);
    struct text error = {0};
    bool ok = ra_check(m, out, &error);
    cr_assert(ok, "function %u, %u registers, seed %u: %s", seed, max_regs, random, error.p);
    cr_assert(simulate(m) == simulate(out), "function %u, %u registers, seed %u: runs differ", seed,
              max_regs, random);
    check_blocks(m, out);
    text_free(&error);
    mach_free(m);
    mach_free(out);
}

Test(ra, random_functions_are_allocated_correctly) {
    for (uint32_t seed = 1; seed <= 1500; seed++)
        for (unsigned k = 0; k < sizeof files / sizeof *files; k++)
            check_one(seed, files[k], 0);
}

Test(ra, random_choices_are_correct_too) {
    for (uint32_t seed = 1; seed <= 500; seed++)
        for (unsigned k = 0; k < sizeof files / sizeof *files; k++)
            check_one(seed, files[k], seed + k);
}

/* Damages the n-th allocator move or operand; returns false if there is none. */
static bool corrupt(struct mach *m, unsigned kind, uint32_t n) {
    for (uint32_t i = 0; i < m->ninsn; i++) {
        struct minsn *in = &m->insn[i];
        bool mine = in->orig == 0 && !in->again && in->op != T_JUMP;
        if (kind == 0 && mine && in->op != T_SPILL && n-- == 0) {
            in->op = T_MOVE; /* a dropped move */
            in->r[0] = in->r[1] = 0;
            return true;
        }
        if (kind == 1 && in->op == T_RELOAD && m->nslots > 1 && n-- == 0) {
            in->disp = (in->disp + 1) % (int32_t)m->nslots;
            return true;
        }
        if (kind == 2 && in->orig && in->op == T_MIX && n-- == 0) {
            in->r[1] = (in->r[1] + 1) % 8;
            return true;
        }
        if (kind == 3 && in->orig && in->op == T_LATE && n-- == 0) {
            in->r[0] = in->r[2];
            return true;
        }
        if (kind == 4 && in->orig && in->op == T_OUT && n-- == 0) {
            in->imm++;
            return true;
        }
    }
    return false;
}

/* A corruption may be harmless (the same value may be in both places); whatever changes what the
 * function computes must be found. */
Test(ra, checker_finds_damage) {
    unsigned found = 0, damaged = 0;
    for (uint32_t seed = 1; seed <= 400; seed++) {
        for (unsigned kind = 0; kind < 5; kind++) {
            struct mach *m = random_function(seed);
            struct ra_options o = {.max_regs = 4};
            struct mach *out = ra_allocate(m, &o, NULL);
            struct text error = {0};
            uint64_t right = simulate(m);
            if (corrupt(out, kind, seed % 3)) {
                bool ok = ra_check(m, out, &error);
                damaged++;
                found += !ok;
                cr_assert(!ok || simulate(out) == right, "function %u, damage %u not found", seed,
                          kind);
                if (kind >= 3)
                    cr_assert(!ok, "function %u, damage %u not found", seed, kind);
            }
            text_free(&error);
            mach_free(m);
            mach_free(out);
        }
    }
    cr_assert(found * 10 > damaged * 7, "only %u of %u damages found", found, damaged);
}

/* What fixes its registers gets the values there at once, though it destroys the same registers:
 * nothing is moved. */
Test(ra, nothing_is_moved_without_need) {
    static const char *const code[] = {
        "const v0; call v1 v0; ret v1",
        "const v0; call v1 v0; out v1; ret v1",
        "const v0; const v1; div v2 v0 v1; ret v2",
        "const v0; const v1; shift v2 v0 v1; ret v2",
        "const v0; const v1; add v2 v0 v1; out v2; ret v0", /* exchanged: v0 is used again */
        "const v0; const v1; add v2 v1 v0; out v2; ret v0",
        "const v0; temp v1 v0 v2; ret v1",
        "const v0; move v1 v0; move v2 v1; ret v2",
        "b > 1; const v0; jump; b 01 > 12 /1; phi v1 v0 v2; mix v2 v1 v1; branch v2; jump; "
        "b 1 >; ret v2",
        "b > 12; const v0; branch v0; jump; b 0 > 3; const v1; jump; b 0 > 3; const v2; jump; "
        "b 12 >; phi v3 v1 v2; ret v3",
    };
    for (unsigned i = 0; i < sizeof code / sizeof *code; i++) {
        struct mach *m = fake_mach(code[i], false);
        struct ra_stats stats = {0};
        struct mach *out = ra_allocate(m, &(struct ra_options){0}, &stats);
        struct text error = {0};
        cr_expect(ra_check(m, out, &error), "%s: %s", code[i], error.p);
        for (uint32_t k = 0; k < out->ninsn; k++)
            cr_expect(out->insn[k].orig != 0, "%s: %s was added", code[i],
                      fake_rows[out->insn[k].op].name);
        text_free(&error);
        mach_free(m);
        mach_free(out);
    }
}

Test(ra, many_values_live_through_a_loop) {
    struct gen g = {.m = mach_new(&fake_target), .seed = 7};
    mreg v[20];
    open_block(&g, 0);
    for (unsigned n = 0; n < 20; n++)
        push(&g, T_CALL, v[n] = fresh(&g), n ? v[n - 1] : (mreg)0, NO_REG, 0);
    g.m->insn[0].op = T_CONST;
    g.m->insn[0].r[1] = NO_REG;
    push(&g, T_BRANCH, NO_REG, v[3], NO_REG, 0);
    push(&g, T_JUMP, NO_REG, NO_REG, NO_REG, 0);
    close_block(&g);
    uint32_t body = open_block(&g, 1);
    edge(&g, 0, body);
    push(&g, T_OUT, NO_REG, v[1], NO_REG, 0);
    push(&g, T_BRANCH, NO_REG, v[2], NO_REG, 0);
    push(&g, T_JUMP, NO_REG, NO_REG, NO_REG, 0);
    close_block(&g);
    edge(&g, body, body);
    uint32_t exit = open_block(&g, 0);
    edge(&g, 0, exit);
    edge(&g, body, exit);
    g.m->block[body].loop_end = body;
    for (unsigned n = 0; n < 20; n++)
        push(&g, T_OUT, NO_REG, v[n], NO_REG, 0);
    push(&g, T_RET, NO_REG, v[0], NO_REG, 0);
    close_block(&g);
    struct mach *out = ra_allocate(g.m, &(struct ra_options){.max_regs = 5}, NULL);
    struct text error = {0};
    cr_assert(ra_check(g.m, out, &error), "%s", error.p);
    cr_assert(simulate(g.m) == simulate(out));
    /* The loop's two values are not reloaded in each iteration. */
    for (uint32_t b = 0; b < out->nblock; b++)
        for (uint32_t i = out->block[b].first; out->block[b].depth == 1 && i < out->block[b].end;
             i++)
            cr_assert(out->insn[i].op != T_RELOAD, "a reload inside the loop");
    text_free(&error);
    mach_free(g.m);
    mach_free(out);
}

/* The way back is no loop's, so that no block says where one ends.  v is used in the first of the
 * two blocks only, and has to survive the second, whichever of its predecessors comes first. */
static void check_cycle(bool back_first) {
    struct gen g = {.m = mach_new(&fake_target)};
    uint32_t top = open_block(&g, 0);
    mreg u = fresh(&g), v = fresh(&g), w[8];
    push(&g, T_CONST, u, NO_REG, NO_REG, 1);
    push(&g, T_MIX, v, u, u, 0);
    push(&g, T_BRANCH, NO_REG, u, NO_REG, 0);
    push(&g, T_JUMP, NO_REG, NO_REG, NO_REG, 0);
    close_block(&g);
    uint32_t left = open_block(&g, 0);
    push(&g, T_OUT, NO_REG, v, NO_REG, 0);
    push(&g, T_JUMP, NO_REG, NO_REG, NO_REG, 0);
    close_block(&g);
    uint32_t right = open_block(&g, 0);
    for (unsigned n = 0; n < 8; n++)
        push(&g, T_MIX, w[n] = fresh(&g), u, n ? w[n - 1] : u, 0);
    for (unsigned n = 0; n < 8; n++)
        push(&g, T_OUT, NO_REG, w[n], NO_REG, 0);
    push(&g, T_BRANCH, NO_REG, u, NO_REG, 0);
    push(&g, T_JUMP, NO_REG, NO_REG, NO_REG, 0);
    close_block(&g);
    uint32_t exit = open_block(&g, 0);
    push(&g, T_RET, NO_REG, u, NO_REG, 0);
    close_block(&g);
    if (back_first)
        edge(&g, right, left);
    edge(&g, top, left);
    edge(&g, top, right);
    edge(&g, left, right);
    if (!back_first)
        edge(&g, right, left);
    edge(&g, right, exit);
    struct mach *out = ra_allocate(g.m, &(struct ra_options){0}, NULL);
    struct text error = {0};
    cr_assert(ra_check(g.m, out, &error), "%s", error.p);
    cr_assert(simulate(g.m) == simulate(out));
    text_free(&error);
    mach_free(g.m);
    mach_free(out);
}

Test(ra, a_cycle_with_two_entrances) {
    check_cycle(false);
    check_cycle(true);
}

Test(pmove, every_small_set_of_moves) {
    /* All maps from 4 destinations to 5 sources, each destination present or not. */
    for (uint32_t code = 0; code < 6 * 6 * 6 * 6; code++) {
        struct pmove m[4];
        struct pmove_step step[8];
        uint32_t want[5] = {0, 1, 2, 3, 4}, have[5] = {0, 1, 2, 3, 4};
        unsigned n = 0;
        for (uint32_t to = 0, c = code; to < 4; to++, c /= 6) {
            if (c % 6 == 5)
                continue;
            m[n++] = (struct pmove){c % 6, to};
            want[to] = c % 6;
        }
        unsigned steps = pmove_resolve(m, n, step);
        for (unsigned i = 0; i < steps; i++) {
            uint32_t from = have[step[i].from];
            if (step[i].kind == PMOVE_SWAP)
                have[step[i].from] = have[step[i].to];
            have[step[i].to] = from;
        }
        cr_assert(memcmp(want, have, sizeof want) == 0, "moves %u", code);
    }
}
