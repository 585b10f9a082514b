/* closed_form.c: loops that only compute become the values they end with.
 *
 *   b2: %3 = phi b1 %1, b2 %5      the counter          b2: %9 = ...
 *       %4 = phi b1 %2, b2 %6      a sum          =>        %10 = shr %9, 1 ...     n (n - 1) / 2
 *       %5 = add %3, -1                                      %11 = add %2, ...
 *       %6 = add %4, %3                                      jmp b3
 *       br %5, b2, b3
 *   b3: ... uses %6                                      b3: ... uses %11
 *
 * Each value of the loop is written as a chain of recurrences {c0, +, c1, +, c2, ...}: in iteration
 * t it is c0 + c1 t + c2 t(t-1)/2 + ..., the coefficients being invariant (Bachmann, Wang and Zima,
 * "Chains of Recurrences", ISSAC 1994).  A phi that gains a chain in every iteration is a chain one
 * longer, starting with its value before the loop.  The condition of the br must be {s, +, d} with
 * an odd d: the last iteration is t = -s / d, a product with the inverse of d modulo 2^width.
 * Values used behind the loop are then their chains for that t.  t is an exact number, not one
 * modulo 2^width, as t(t-1)/2 needs: it is less than 2^width.
 *
 * A phi that an iteration makes c - itself alternates: x, c - x, x, ... (a flip-flop variable:
 * Gerlek, Stoltz and Wolfe, "Beyond Induction Variables", TOPLAS 1995).  It is
 * x + (c - 2 x) (t & 1), and what sums it up x t + (c - 2 x) (t >> 1); so chains have a term of
 * each besides.
 *
 * A phi that takes the same from every iteration but something else from before the loop is no
 * chain; behind the first iteration it is.  In such loops the first iteration is computed apart,
 * and chains begin behind it.
 *
 * Where the loop is guarded by the test that the counter is not 0, and the values behind it for no
 * iteration at all are those on the way around it, the guard goes, too.  The loop around may be a
 * single block then, for the next round.
 *
 * Relies on: rotated loops; promote.  Loops that access the tape are left alone, but for TOUCHes of
 * a fixed cell: once is enough.  A bounded amount of work for each loop.
 * Tests: tests/ir/closed-form. */
#include <string.h>

#include "passes/modular.h"
#include "passes/pass.h"
#include "passes/selfloop.h"
#include "runtime/alloc.h"

#define FORM_ROUNDS 4  /* each closes loops around those that the one before closed */
#define FORM_INSNS  96 /* of a loop */
#define FORM_PHIS   24
#define FORM_NODES  400 /* of expressions, for one loop */
#define FORM_DEGREE 3
#define FORM_HASH   256
#define FORM_COST   12 /* operations that may be made, besides as many as there were */
#define FORM_ALWAYS 12 /* that may be made where the loop might not run at all */

/* ---- expressions ---- */

/* An expression over values from outside the loop; each stands once, behind its operands.  Index 0:
 * none. */
struct node {
    uint8_t op; /* CONST: n; NOP: the value v; or an operation on a and b */
    uint16_t a, b;
    uint16_t next; /* with the same hash */
    value v;
    uint64_t n;
    value made; /* what computes it */
};
#define ZERO 1 /* the node of the number 0 */

/* The terms of a chain: coefficients of 1, t, t(t-1)/2, ..., of t & 1, and of t >> 1. */
enum {
    TERM_ODD = FORM_DEGREE + 1,
    TERM_HALF,
    NTERM
};

/* A chain of recurrences; c[degree + 1 ... FORM_DEGREE] are 0. */
struct chain {
    bool known;
    int self; /* the phi at hand is added, or taken away: 1, -1 */
    unsigned degree;
    uint16_t c[NTERM];
};

struct form {
    struct func *f;
    struct pass_env *env;
    struct selfloop l;
    struct node node[FORM_NODES];
    uint16_t head[FORM_HASH];
    unsigned nnode;
    bool full; /* of nodes: what was computed since is nonsense */
    value insn[FORM_INSNS];
    unsigned ninsn, nphi; /* phis come first */
    struct chain chain[FORM_INSNS];
    uint16_t first[FORM_INSNS]; /* in the first iteration; 0: not known */
    uint16_t start[FORM_PHIS];  /* of the phis: before the loop */
    uint32_t *place;            /* by value: its index in insn + 1 */
    uint32_t nplace;
    bool peeled;    /* chains begin behind the first iteration */
    bool unguarded; /* the guard goes */
};

static uint16_t *form_bucket(struct form *m, const struct node *n) {
    uint64_t h = (n->op * 7 + n->a) * 31 + n->b * UINT64_C(97) + n->v.i + n->n;
    return &m->head[(h * UINT64_C(0x9e3779b97f4a7c15)) >> 56];
}

static uint16_t form_node(struct form *m, struct node n) {
    uint16_t *head = form_bucket(m, &n);
    for (uint16_t i = *head; i != 0; i = m->node[i].next) {
        const struct node *x = &m->node[i];
        if (x->op == n.op && x->a == n.a && x->b == n.b && same_value(x->v, n.v) && x->n == n.n)
            return i;
    }
    if (m->nnode == FORM_NODES) {
        m->full = true;
        return ZERO;
    }
    n.next = *head;
    m->node[m->nnode] = n;
    return *head = (uint16_t)m->nnode++;
}

static uint16_t form_number(struct form *m, uint64_t n) {
    return form_node(m, (struct node){.op = OP_CONST, .n = ir_wrap(m->f, n)});
}

static uint16_t form_value(struct form *m, value v) {
    if (ir_is_const(m->f, v))
        return form_number(m, ir_const_of(m->f, v));
    return form_node(m, (struct node){.op = OP_NOP, .v = v});
}

static bool form_is_number(const struct form *m, uint16_t a, uint64_t n) {
    return m->node[a].op == OP_CONST && m->node[a].n == ir_wrap(m->f, n);
}

/* a op b, where that need not be computed now; else 0. */
static uint16_t form_fold(struct form *m, enum op op, uint16_t a, uint16_t b) {
    struct node *p = &m->node[a], *q = &m->node[b];
    if (p->op == OP_CONST && q->op == OP_CONST && (op == OP_ADD || op == OP_MUL))
        return form_number(m, op == OP_ADD ? p->n + q->n : p->n * q->n);
    if (form_is_number(m, b, 0) && op != OP_EQ && op != OP_NE && op != OP_ULT)
        return op == OP_MUL || op == OP_AND ? b : a;
    if (op == OP_MUL && form_is_number(m, b, 1))
        return a;
    if (op == OP_SUB && a == b)
        return ZERO;
    /* (x op k) op b = x op (k op b) */
    if (q->op == OP_CONST && p->op == op && (op == OP_ADD || op == OP_MUL) &&
        m->node[p->b].op == OP_CONST) {
        uint64_t k = m->node[p->b].n;
        uint16_t x = p->a, by = form_number(m, op == OP_ADD ? k + q->n : k * q->n);
        uint16_t whole = form_fold(m, op, x, by);
        return whole ? whole : form_node(m, (struct node){.op = (uint8_t)op, .a = x, .b = by});
    }
    return 0;
}

static uint16_t form_op(struct form *m, enum op op, uint16_t a, uint16_t b) {
    if (op == OP_SUB && m->node[b].op == OP_CONST) {
        op = OP_ADD;
        b = form_number(m, 0 - m->node[b].n);
    }
    if ((op_info[op].effects & EFF_COMM) && m->node[a].op == OP_CONST) {
        uint16_t t = a;
        a = b;
        b = t;
    }
    uint16_t folded = form_fold(m, op, a, b);
    return folded ? folded : form_node(m, (struct node){.op = (uint8_t)op, .a = a, .b = b});
}

/* ---- chains ---- */

static struct chain chain_of(uint16_t c) {
    return (struct chain){.known = true, .c = {c, ZERO, ZERO, ZERO, ZERO, ZERO}};
}

static bool chain_alternates(const struct chain *x) {
    return x->c[TERM_ODD] != ZERO || x->c[TERM_HALF] != ZERO;
}

/* Is it the same in every iteration, but for the phi at hand? */
static bool chain_is_fixed(const struct chain *x) {
    return x->degree == 0 && !chain_alternates(x);
}

static struct chain chain_trim(const struct form *m, struct chain x) {
    while (x.degree > 0 && form_is_number(m, x.c[x.degree], 0))
        x.degree--;
    return x;
}

static struct chain chain_add(struct form *m, struct chain a, struct chain b, enum op op) {
    struct chain x = {.known = true,
                      .self = op == OP_SUB ? a.self - b.self : a.self + b.self,
                      .degree = a.degree > b.degree ? a.degree : b.degree};
    if (x.self < -1 || x.self > 1)
        return (struct chain){.known = false};
    for (unsigned i = 0; i < NTERM; i++)
        x.c[i] = form_op(m, op, a.c[i], b.c[i]);
    return chain_trim(m, x);
}

/* The product of the i-th and the j-th of 1, t, t(t-1)/2, ... is a sum of these: how often the k-th
 * is in it. */
static unsigned chain_product_term(unsigned i, unsigned j, unsigned k) {
    static const uint8_t term[2][FORM_DEGREE + 1] = {{0, 1, 2}, {0, 0, 2, 3}};
    if (i == 0 || j == 0)
        return i + j == k;
    return term[i + j - 2][k];
}

static struct chain chain_mul(struct form *m, struct chain a, struct chain b) {
    struct chain x = chain_of(ZERO);
    bool fixed = chain_is_fixed(&a) || chain_is_fixed(&b);
    if (a.self || b.self || a.degree + b.degree > FORM_DEGREE ||
        (!fixed && (chain_alternates(&a) || chain_alternates(&b))))
        return (struct chain){.known = false};
    x.degree = a.degree + b.degree;
    for (unsigned i = 0; i <= a.degree; i++) {
        for (unsigned j = 0; j <= b.degree; j++) {
            uint16_t p = form_op(m, OP_MUL, a.c[i], b.c[j]);
            for (unsigned k = 0; k <= x.degree; k++) {
                uint16_t by = form_number(m, chain_product_term(i, j, k));
                x.c[k] = form_op(m, OP_ADD, x.c[k], form_op(m, OP_MUL, p, by));
            }
        }
    }
    for (unsigned k = TERM_ODD; k < NTERM; k++)
        x.c[k] = form_op(m, OP_ADD, form_op(m, OP_MUL, a.c[k], b.c[0]),
                         form_op(m, OP_MUL, b.c[k], a.c[0]));
    return chain_trim(m, x);
}

/* The chain of what an operation makes of its operands' chains. */
static struct chain chain_op(struct form *m, enum op op, struct chain a, struct chain b) {
    if (!a.known || !b.known)
        return (struct chain){.known = false};
    if (op == OP_ADD || op == OP_SUB)
        return chain_add(m, a, b, op);
    if (op == OP_MUL)
        return chain_mul(m, a, b);
    if (a.self || b.self || !chain_is_fixed(&a) || !chain_is_fixed(&b))
        return (struct chain){.known = false};
    return chain_of(form_op(m, op, a.c[0], b.c[0]));
}

/* ---- the loop ---- */

static uint32_t form_place(const struct form *m, value v) {
    return v.i < m->nplace ? m->place[v.i] : 0;
}

static bool is_pure_arithmetic(enum op op) {
    return op >= OP_ADD && op <= OP_ULT;
}

/* May v stand in the loop?  Pointers must be fixed. */
static bool form_allows(const struct form *m, value v) {
    const struct insn *in = ir_at(m->f, v);
    if (in->op == OP_PHI)
        return in->kind == KIND_CELL;
    return is_pure_arithmetic((enum op)in->op) || in->op == OP_MOVE || in->op == OP_TOUCH ||
           in->op == OP_BR || in->op == OP_SELECT;
}

static bool form_collect(struct form *m) {
    m->ninsn = m->nphi = 0;
    IR_FOR_INSNS (m->f, m->l.body, v) {
        if (m->ninsn == FORM_INSNS || !form_allows(m, v))
            return false;
        m->nphi += ir_is(m->f, v, OP_PHI);
        m->insn[m->ninsn++] = v;
    }
    return m->nphi > 0 && m->nphi <= FORM_PHIS;
}

static void form_forget(struct form *m) {
    for (unsigned i = 0; i < m->ninsn; i++)
        m->place[m->insn[i].i] = 0;
}

static void form_begin(struct form *m) {
    if (m->nplace < m->f->ninsn) {
        m->place = xrealloc(m->place, m->f->insn_cap, sizeof *m->place);
        memset(m->place + m->nplace, 0, (m->f->insn_cap - m->nplace) * sizeof *m->place);
        m->nplace = m->f->insn_cap;
    }
    for (unsigned i = 0; i < m->ninsn; i++)
        m->place[m->insn[i].i] = i + 1;
    memset(m->head, 0, sizeof m->head);
    m->nnode = ZERO;
    m->full = false;
    form_number(m, 0);
}

static value phi_operand(const struct form *m, value phi, bool back) {
    const struct insn *in = ir_at(m->f, phi);
    bool second = ir_pred_slot(m->f, back ? m->l.body : m->l.pre, m->l.body) == 1;
    return ir_resolve(m->f, second ? in->b : in->a);
}

static struct chain form_chain(struct form *m, value v) {
    v = ir_resolve(m->f, v);
    uint32_t at = form_place(m, v);
    return at ? m->chain[at - 1] : chain_of(form_value(m, v));
}

static uint16_t form_first(struct form *m, value v) {
    v = ir_resolve(m->f, v);
    uint32_t at = form_place(m, v);
    return at ? m->first[at - 1] : form_value(m, v);
}

/* What everything is in the first iteration. */
static void form_first_iteration(struct form *m) {
    for (unsigned i = 0; i < m->ninsn; i++) {
        const struct insn in = *ir_at(m->f, m->insn[i]);
        m->first[i] = 0;
        if (i < m->nphi) {
            m->first[i] = m->start[i] = form_value(m, phi_operand(m, m->insn[i], false));
        } else if (is_pure_arithmetic((enum op)in.op)) {
            uint16_t a = form_first(m, in.a), b = form_first(m, in.b);
            if (a && b)
                m->first[i] = form_op(m, (enum op)in.op, a, b);
        }
    }
}

/* Works out the chains of all instructions that are no phis. */
static void form_sweep(struct form *m) {
    for (unsigned i = m->nphi; i < m->ninsn; i++) {
        const struct insn in = *ir_at(m->f, m->insn[i]);
        m->chain[i].known = false;
        if (is_pure_arithmetic((enum op)in.op))
            m->chain[i] = chain_op(m, (enum op)in.op, form_chain(m, in.a), form_chain(m, in.b));
    }
}

/* The value phi i has when its chain begins; 0: not known. */
static uint16_t form_begins(struct form *m, unsigned i) {
    return m->peeled ? form_first(m, phi_operand(m, m->insn[i], true)) : m->start[i];
}

/* What begins as `begins` and gains `gain` in each iteration. */
static struct chain chain_sum(struct form *m, uint16_t begins, const struct chain *gain) {
    struct chain x = chain_of(begins);
    if (gain->degree == FORM_DEGREE || gain->c[TERM_HALF] != ZERO)
        return (struct chain){.known = false};
    x.degree = gain->degree + 1;
    for (unsigned k = 0; k <= gain->degree; k++)
        x.c[k + 1] = gain->c[k];
    x.c[TERM_HALF] = gain->c[TERM_ODD];
    return chain_trim(m, x);
}

/* What begins as `begins`, x, and becomes c - x in each iteration. */
static struct chain chain_flip(struct form *m, uint16_t begins, const struct chain *c) {
    struct chain x = chain_of(begins);
    if (!chain_is_fixed(c))
        return (struct chain){.known = false};
    x.c[TERM_ODD] = form_op(m, OP_SUB, c->c[0], form_op(m, OP_MUL, begins, form_number(m, 2)));
    return x;
}

/* Tries to find the chain of phi i from those known: what an iteration makes of it. */
static bool form_solve_phi(struct form *m, unsigned i) {
    m->chain[i] = chain_of(ZERO);
    m->chain[i].self = 1;
    form_sweep(m);
    struct chain next = form_chain(m, phi_operand(m, m->insn[i], true));
    uint16_t begins = form_begins(m, i);
    m->chain[i].known = false;
    if (!next.known || !begins)
        return false;
    if (next.self > 0)
        m->chain[i] = chain_sum(m, begins, &next);
    else if (next.self < 0)
        m->chain[i] = chain_flip(m, begins, &next);
    else if (chain_is_fixed(&next) && next.c[0] == begins)
        m->chain[i] = next; /* the same from every iteration, the one before included */
    return m->chain[i].known;
}

/* Finds the chains of as many phis as possible; those that depend on others come after these. */
static void form_solve(struct form *m, bool peeled) {
    m->peeled = peeled;
    for (unsigned i = 0; i < m->ninsn; i++)
        m->chain[i].known = false;
    for (bool more = true; more && !m->full;) {
        more = false;
        for (unsigned i = 0; i < m->nphi; i++)
            if (!m->chain[i].known)
                more |= form_solve_phi(m, i);
    }
    form_sweep(m);
}

/* ---- the result ---- */

/* Is v what a phi takes from each iteration?  The number of such a phi, or nphi. */
static unsigned form_next_of(const struct form *m, value v) {
    unsigned i = 0;
    while (i < m->nphi && !same_value(phi_operand(m, m->insn[i], true), v))
        i++;
    return i;
}

/* The chain of v, to be taken for the last t: with first iterations apart, or without a guard,
 * that of the phi that would be v in the next iteration. */
static struct chain form_escape(const struct form *m, unsigned i) {
    if (!m->peeled && !m->unguarded)
        return m->chain[i];
    unsigned phi = form_next_of(m, m->insn[i]);
    return phi < m->nphi ? m->chain[phi] : (struct chain){.known = false};
}

static bool form_is_used(const struct form *m, unsigned i) {
    return ir_at(m->f, m->insn[i])->mark && ir_at(m->f, m->insn[i])->kind == KIND_CELL;
}

static bool form_escapes_fit(const struct form *m) {
    for (unsigned i = 0; i < m->ninsn; i++)
        if (form_is_used(m, i) && !form_escape(m, i).known)
            return false;
    return true;
}

/* The t of the last iteration; without a guard the number of iterations.  0: not known. */
static uint16_t form_trips(struct form *m) {
    struct chain test;
    uint32_t at = form_place(m, m->l.cond);
    if (at == 0)
        return 0;
    test = form_escape(m, at - 1);
    if (!test.known || test.degree != 1 || chain_alternates(&test) ||
        m->node[test.c[1]].op != OP_CONST)
        return 0;
    uint64_t step = m->node[test.c[1]].n;
    if ((step & 1) == 0)
        return 0;
    return form_op(m, OP_MUL, test.c[0], form_number(m, 0 - odd_inverse(step)));
}

/* What the k-th coefficient of a chain is multiplied with: t(t-1)/2, exactly, as one of t / 2 and
 * (t - 1) / 2 is a shift, and t - 1 or t the other factor. */
static uint16_t form_term(struct form *m, uint16_t t, unsigned k) {
    uint16_t one = form_number(m, 1);
    if (k == 1)
        return t;
    if (k == TERM_ODD)
        return form_op(m, OP_AND, t, one);
    if (k == TERM_HALF)
        return form_op(m, OP_SHR, t, one);
    uint16_t less = form_op(m, OP_SUB, t, one);
    uint16_t two = form_op(m, OP_MUL, form_op(m, OP_SHR, t, one), form_op(m, OP_OR, less, one));
    if (k == 2)
        return two;
    /* t(t-1)/2 * (t-2) is three times the third. */
    uint16_t rest = form_op(m, OP_SUB, t, form_number(m, 2));
    return form_op(m, OP_MUL, form_op(m, OP_MUL, two, rest), form_number(m, odd_inverse(3)));
}

/* What the chain is for t. */
static uint16_t form_at(struct form *m, const struct chain *x, uint16_t t) {
    uint16_t sum = x->c[0];
    for (unsigned k = 1; k < NTERM; k++)
        if (x->c[k] != ZERO)
            sum = form_op(m, OP_ADD, sum, form_op(m, OP_MUL, x->c[k], form_term(m, t, k)));
    return sum;
}

/* What the values used behind the loop end as: ends[i], 0 for the others. */
static bool form_ends(struct form *m, uint16_t *ends) {
    uint16_t t = form_trips(m);
    if (!t || !form_escapes_fit(m))
        return false;
    for (unsigned i = 0; i < m->ninsn; i++) {
        ends[i] = 0;
        if (!form_is_used(m, i))
            continue;
        struct chain x = form_escape(m, i);
        /* The condition is 0 at the end, whatever t is. */
        ends[i] = same_value(m->insn[i], m->l.cond) ? ZERO : form_at(m, &x, t);
    }
    return !m->full;
}

/* How many operations the ends take. */
static unsigned form_cost(const struct form *m, const uint16_t *ends) {
    bool need[FORM_NODES] = {false};
    unsigned cost = 0;
    for (unsigned i = 0; i < m->ninsn; i++)
        need[ends[i]] = true;
    for (unsigned n = m->nnode; n-- > 1;) {
        const struct node *x = &m->node[n];
        if (!need[n] || x->op == OP_CONST || x->op == OP_NOP)
            continue;
        cost++;
        need[x->a] = need[x->b] = true;
    }
    return cost;
}

/* ---- without the guard ---- */

/* Do exit's phis take on the way around the loop what they would take behind no iteration? */
static bool form_exit_agrees(const struct form *m) {
    const struct func *f = m->f;
    unsigned around = ir_pred_slot(f, m->l.pre, m->l.exit);
    IR_FOR_INSNS (f, m->l.exit, v) {
        if (!ir_is(f, v, OP_PHI))
            break;
        value skipped = ir_resolve(m->f, *ir_phi_operand(m->f, v, around));
        value left = ir_resolve(m->f, *ir_phi_operand(m->f, v, 1 - around));
        uint32_t at = form_place(m, left);
        if (at == 0 && same_value(skipped, left))
            continue;
        unsigned phi = at ? form_next_of(m, left) : m->nphi;
        if (phi == m->nphi)
            return false;
        value before = phi_operand(m, m->insn[phi], false);
        bool zero = same_value(before, m->l.guard) && ir_is_num(f, skipped, 0);
        if (!zero && !same_value(before, skipped))
            return false;
    }
    return true;
}

/* Is the loop guarded by what its counter starts with, and would nothing else happen without? */
static bool form_guard_may_go(struct form *m) {
    if (!m->l.guarded || m->peeled)
        return false;
    for (unsigned i = 0; i < m->ninsn; i++)
        if (ir_is(m->f, m->insn[i], OP_TOUCH))
            return false;
    unsigned counter = form_next_of(m, m->l.cond);
    return counter < m->nphi && same_value(phi_operand(m, m->insn[counter], false), m->l.guard) &&
           form_exit_agrees(m);
}

/* ---- rewriting ---- */

/* Makes the nodes that are needed, operands first; `at` is where. */
static void form_make(struct form *m, const uint16_t *ends, value at) {
    bool need[FORM_NODES] = {false};
    for (unsigned i = 0; i < m->ninsn; i++)
        need[ends[i]] = true;
    for (unsigned n = m->nnode; n-- > 1;)
        if (need[n] && m->node[n].op != OP_CONST && m->node[n].op != OP_NOP)
            need[m->node[n].a] = need[m->node[n].b] = true;
    uint32_t src = ir_at(m->f, at)->src;
    for (unsigned n = 1; n < m->nnode; n++) {
        struct node *x = &m->node[n];
        if (!need[n])
            continue;
        if (x->op == OP_CONST)
            x->made = ir_const(m->f, x->n);
        else if (x->op == OP_NOP)
            x->made = x->v;
        else
            x->made = ir_before(m->f, at, x->op, m->node[x->a].made, m->node[x->b].made, 0, src);
    }
}

/* Removes what only the loop needed, users before what they use. */
static void form_remove_rest(struct form *m) {
    for (unsigned i = m->ninsn - 1; i-- > 0;) {
        value v = m->insn[i];
        if (ir_is(m->f, v, OP_COPY) || ir_is(m->f, v, OP_MOVE) || ir_is(m->f, v, OP_TOUCH))
            continue;
        ir_remove(m->f, v);
    }
}

static void form_rewrite(struct form *m, const uint16_t *ends) {
    struct func *f = m->f;
    form_make(m, ends, ir_terminator(f, m->l.body));
    for (unsigned i = 0; i < m->ninsn; i++) {
        if (!ends[i])
            continue;
        value is = m->node[ends[i]].made;
        ir_replace(f, m->insn[i], is);
        ir_at(f, is)->mark = 1;
    }
    selfloop_open(f, &m->l);
    form_remove_rest(m);
}

/* Finds what loop m->l ends with, if it is such a loop. */
static bool form_matches(struct form *m, uint16_t *ends) {
    form_first_iteration(m);
    for (int peeled = 0; peeled < 2 && !m->full; peeled++) {
        form_solve(m, peeled != 0);
        m->unguarded = form_guard_may_go(m);
        if (m->unguarded && form_ends(m, ends) && form_cost(m, ends) <= FORM_ALWAYS)
            return true;
        m->unguarded = false;
        if (form_ends(m, ends))
            return form_cost(m, ends) <= m->ninsn + FORM_COST;
    }
    return false;
}

/* Rewrites the candidate if its end can be told. */
static bool form_try(struct form *m) {
    uint16_t ends[FORM_INSNS];
    form_begin(m);
    bool fits = form_matches(m, ends) && pass_may(m->env);
    form_forget(m);
    if (!fits)
        return false;
    pass_count(m->env, m->unguarded ? "unguarded" : m->peeled ? "peeled" : "loops", 1);
    form_rewrite(m, ends);
    if (!m->l.guarded || m->unguarded)
        selfloop_inline(m->f, &m->l);
    return true;
}

static bool form_is_candidate(struct form *m, block b) {
    return selfloop_find(m->f, b, &m->l) && form_collect(m);
}

/* One visit of each block.  Most functions have no such loop, which is soon seen. */
static bool form_round(struct form *m) {
    bool changed = false, any = false;
    uint32_t n = m->f->nblock;
    for (uint32_t i = 1; i < n && !any; i++)
        any = form_is_candidate(m, (block){i});
    if (any)
        selfloop_mark_escapes(m->f);
    for (uint32_t i = 1; i < n && any; i++)
        if (form_is_candidate(m, (block){i}))
            changed |= form_try(m);
    return changed;
}

bool pass_closed_form(struct func *f, struct pass_env *env) {
    struct form *m = xcalloc(1, sizeof *m);
    m->f = f;
    m->env = env;
    unsigned rounds = 0;
    while (rounds < FORM_ROUNDS && form_round(m))
        rounds++;
    xfree(m->place);
    xfree(m);
    return rounds > 0;
}
