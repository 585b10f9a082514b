/* tier0_loop.h: the interpreter of tier0.c for cells of WIDTH bytes; included once for each width,
 * and once more for each with COUNTS: then every loop counts its rounds and entries, the simple
 * ones as well, and t->at follows the operation. */
#define TIER0_NAME2(name, width, counts) tier0_##name##_##width##_##counts
#define TIER0_NAME(name, width, counts)  TIER0_NAME2(name, width, counts)
#define TIER0(name)                      TIER0_NAME(name, WIDTH, COUNTS)
#define ON_TAPE(p)                       ((uintptr_t)(p)-base < bytes)

/* Adds n times what a round adds to each cell but p.  Returns what it adds to that one; 0: it left
 * the tape. */
static int64_t TIER0(add_rounds)(struct tiers *t, const struct bf_op *open, uint8_t *p,
                                 uint64_t n) {
    uintptr_t base = (uintptr_t)t->rt->tape.base, bytes = t->rt->tape.bytes;
    const struct bf_op *op, *close = t->op + open->arg;
    uint8_t *q = p;
    int64_t step = 0;
    for (op = open + 1; op < close; op++) {
        if (op->kind == BF_MOVE) {
            q += (int64_t)op->arg * WIDTH;
        } else if (q == p) {
            step += op->arg;
        } else {
            if (!ON_TAPE(q)) {
                tier0_off_tape(t, op, q);
                return 0;
            }
            tier0_set(q, WIDTH, tier0_get(q, WIDTH) + n * (uint64_t)(int64_t)op->arg);
        }
    }
    return step;
}

/* A multiply loop whose cell is not 0.  False: it left the tape. */
static bool TIER0(multiply)(struct tiers *t, const struct bf_op *open, uint8_t *p) {
    uint64_t n = tier0_get(p, WIDTH);
    int64_t step = TIER0(add_rounds)(t, open, p, n);
    if (step == 1) /* counts up, which few do: there are -n rounds, not n */
        TIER0(add_rounds)(t, open, p, 0 - 2 * n);
    if (step != 0)
        tier0_set(p, WIDTH, 0);
    return step != 0;
}

#if COUNTS
/* How many rounds a loop makes that adds `by`, an odd number, to its cell in each: by * rounds =
 * -v, and Newton's iteration doubles the right bits of by's inverse. */
static uint64_t TIER0(rounds)(uint64_t v, int64_t by) {
    uint64_t odd = (uint64_t)by, inverse = odd;
    for (unsigned i = 0; i < 5; i++)
        inverse *= 2 - odd * inverse;
    return (-v * inverse) & (UINT64_MAX >> (64 - 8 * WIDTH));
}
#endif

/* A scan whose cell is not 0.  NULL: it left the tape. */
static uint8_t *TIER0(scan)(struct tiers *t, const struct bf_op *open, uint8_t *p) {
    uintptr_t base = (uintptr_t)t->rt->tape.base, bytes = t->rt->tape.bytes;
    int64_t step = (int64_t)open[1].arg * WIDTH;
    do {
        p += step;
        if (!ON_TAPE(p)) {
            tier0_off_tape(t, t->op + open->arg, p);
            return NULL;
        }
    } while (tier0_get(p, WIDTH) != 0);
    return p;
}

static uint8_t *TIER0(loop)(struct tiers *t, uint32_t stop, uint8_t *p) {
    static const void *const label[T0_COUNT] = {[BF_ADD] = &&do_add,
                                                [BF_MOVE] = &&do_move,
                                                [BF_IN] = &&do_in,
                                                [BF_OUT] = &&do_out,
                                                [BF_OPEN] = &&do_open,
                                                [BF_CLOSE] = &&do_bug,
                                                [BF_HASH] = &&do_hash,
                                                [BF_END] = &&do_end,
                                                [BF_CALL] = &&do_bug,
                                                [BF_CALL_BALANCED] = &&do_bug,
                                                [T0_OPEN] = &&do_enter,
                                                [T0_CLOSE] = &&do_close,
                                                [T0_CLEAR] = &&do_clear,
                                                [T0_SCAN] = &&do_scan,
                                                [T0_MULTIPLY] = &&do_multiply,
                                                [T0_MOVE_ADD] = &&do_move_add,
                                                [T0_MOVE_OPEN] = &&do_move_open,
                                                [T0_MOVE_ENTER] = &&do_move_enter,
                                                [T0_MOVE_CLOSE] = &&do_move_close,
                                                [T0_MOVE_CLEAR] = &&do_move_clear,
                                                [T0_MOVE_SCAN] = &&do_move_scan,
                                                [T0_MOVE_MULTIPLY] = &&do_move_multiply};
    struct rt *rt = t->rt;
    const uintptr_t base = (uintptr_t)rt->tape.base, bytes = rt->tape.bytes;
    struct bf_op *op = stop == NO_LOOP ? t->op : t->op + t->loop[stop].open + 1;
    uint32_t inside = stop; /* the loop op is in */
#if COUNTS
#define GO                                                                                         \
    do {                                                                                           \
        t->at = op;                                                                                \
        if (__builtin_expect(rt->asked != 0, 0))                                                   \
            goto asked;                                                                            \
        goto *label[op->kind];                                                                     \
    } while (0)
#else
#define GO goto *label[op->kind]
#endif
#define CHECK                                                                                      \
    if (!ON_TAPE(p))                                                                               \
    goto off_tape
#define MOVE                                                                                       \
    do {                                                                                           \
        p += (int64_t)op->arg * WIDTH;                                                             \
        op++;                                                                                      \
    } while (0)
    GO;
do_add:
    CHECK;
    tier0_set(p, WIDTH, tier0_get(p, WIDTH) + (uint64_t)(int64_t)op->arg);
    op++;
    GO;
do_move:
    p += (int64_t)op->arg * WIDTH;
    op++;
#if !COUNTS /* which samples single operations */
    op[-1].kind = tier0_fused[op->kind];
#endif
    GO;
do_move_add:
    MOVE;
    goto do_add;
do_move_open:
    MOVE;
    CHECK;
    if (tier0_get(p, WIDTH) == 0) {
        op = t->op + op->arg + 1;
        GO;
    }
    op[-1].kind = tier0_fused[op->kind]; /* it may have become something since */
    GO;
do_move_enter:
    MOVE;
    goto do_enter;
do_move_close:
    MOVE;
    goto do_close;
do_move_clear:
    MOVE;
    goto do_clear;
do_move_scan:
    MOVE;
    goto do_scan;
do_move_multiply:
    MOVE;
    goto do_multiply;
do_in : {
    CHECK;
    uint64_t v = tier0_get(p, WIDTH);
    if (rt_in(rt, &v) != 0)
        return p;
    tier0_set(p, WIDTH, v);
    op++;
    GO;
}
do_out:
    CHECK;
    if (rt_out(rt, (uint8_t)tier0_get(p, WIDTH)) != 0)
        return p;
    op++;
    GO;
do_hash:
    if (rt->hash != NULL && rt->hash(rt, p, op->src) != 0)
        return p;
    op++;
    GO;
do_open: /* of a loop that was never entered */
    CHECK;
    if (tier0_get(p, WIDTH) == 0) {
        op = t->op + op->arg + 1;
        GO;
    }
    tier0_quicken(t, (uint32_t)(op - t->op), inside);
    GO;
do_clear:
    CHECK;
#if COUNTS
    if (tier0_get(p, WIDTH) != 0)
        tiers_count_entry(t, tier0_number(t, op), TIER0(rounds)(tier0_get(p, WIDTH), op[1].arg));
#endif
    tier0_set(p, WIDTH, 0);
    op += 3;
    GO;
do_scan:
    CHECK;
    if (tier0_get(p, WIDTH) != 0) {
#if COUNTS
        const uint8_t *from = p;
#endif
        p = TIER0(scan)(t, op, p);
        if (p == NULL)
            return p;
#if COUNTS
        tiers_count_entry(t, tier0_number(t, op), (uint64_t)((p - from) / WIDTH / op[1].arg));
#endif
    }
    op += 3;
    GO;
do_multiply:
    CHECK;
#if COUNTS
    if (tier0_get(p, WIDTH) != 0)
        tiers_count_entry(t, tier0_number(t, op),
                          TIER0(rounds)(tier0_get(p, WIDTH), tier0_step(op)));
#endif
    if (tier0_get(p, WIDTH) != 0 && !TIER0(multiply)(t, op, p))
        return p;
    op = t->op + op->arg + 1;
    GO;
do_enter : {
    CHECK;
    struct bf_op *close = t->op + op->arg;
    if (tier0_get(p, WIDTH) == 0) {
        op = close + 1;
        GO;
    }
    inside = (uint32_t)close->arg;
    t->slot[inside].entries++;
#if COUNTS
    t->loop[inside].before = tiers_rounds(t, inside);
#endif
    op++;
    if (--t->slot[inside].budget != 0)
        GO;
    goto look;
}
do_close : {
    CHECK;
    struct tier_loop *l = &t->loop[(uint32_t)op->arg];
    if (tier0_get(p, WIDTH) != 0) {
        uint32_t *budget = &t->slot[(uint32_t)op->arg].budget;
        op = t->op + l->open + 1;
        if (--*budget != 0)
            GO;
        goto look;
    }
#if COUNTS
    tiers_count_trip(l, tiers_rounds(t, (uint32_t)op->arg) - l->before);
#endif
    if ((uint32_t)op->arg == stop)
        return p;
    inside = l->parent;
    op++;
    GO;
}
look : {             /* inside its loop, at the head */
    uint8_t *at = p; /* a copy: p itself stays in a register */
    bool ran = tiers_look(t, inside, &at, false);
    p = at;
    if (ran) {
        if (rt->end != RUN_DONE || inside == stop)
            return p;
        op = t->op + t->loop[inside].close + 1;
        inside = t->loop[inside].parent;
    }
    GO;
}
do_end:
    return p;
off_tape:
    tier0_off_tape(t, op, p);
    return p;
#if COUNTS
asked:
    rt->end = RUN_INTERRUPTED;
    rt->end_errno = rt->asked;
    return p;
#endif
do_bug:
    __builtin_unreachable();
}

#undef GO
#undef CHECK
#undef MOVE
#undef TIER0_NAME2
#undef TIER0_NAME
#undef TIER0
#undef ON_TAPE
#undef WIDTH
