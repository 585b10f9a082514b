/* test_tiers.c: what the tiers make of loops, and that a run in tiers is the run it should be,
 * whatever happens to its units. */
#include <criterion/criterion.h>

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "backend/x64/baseline.h"
#include "backend/x64/jit.h"
#include "frontend/compile.h"
#include "frontend/options.h"
#include "frontend/parse.h"
#include "frontend/reference.h"
#include "runtime/alloc.h"
#include "runtime/text.h"
#include "runtime/tiers_int.h"
#include "tests/unit/parsed.h"

/* ---- running ---- */

struct setting {
    unsigned bits;
    enum tier_max max;
    uint32_t threshold, seed;
    bool wait, strict, guard, refuse; /* refuse: nothing can be compiled */
    uint32_t starve;                  /* each compilation but the starve-th runs out of memory */
    int in, out;                      /* descriptors, or -1 */
};
static const struct setting usual = {
    .bits = 8, .threshold = 2, .wait = true, .guard = true, .in = -1, .out = -1};

static struct options options;
static struct setting now;
static struct text cuts;                        /* of every request, each with a newline */
static volatile size_t no_memory = PTRDIFF_MAX; /* that no allocator has */

/* What one thread makes: units, and baseline code. */
static struct shop {
    struct jit_unit *made[4096];
    uint32_t nmade, starved;
    struct jit_store store;
} shops[2];

/* The source of a unit, with its calls. */
static void show_cut(const struct program *p) {
    for (uint32_t i = 0; i + 1 < p->nop; i++) {
        static const char up[] = "+>,.[]#", down[] = "-<,.[]#";
        const struct bf_op *op = &p->op[i];
        int n = op->kind == BF_ADD || op->kind == BF_MOVE ? op->arg : 1;
        if (op->kind == BF_CALL || op->kind == BF_CALL_BALANCED) {
            text_fmt(&cuts, op->kind == BF_CALL ? "(%d" : "(%d balanced", op->arg);
            if (p->left[i] != 0)
                text_fmt(&cuts, ", left %u", p->left[i] - 1);
            text_char(&cuts, ')');
        } else if (p->nop < 200)
            for (int k = 0; k < (n < 0 ? -n : n); k++)
                text_char(&cuts, (n < 0 ? down : up)[op->kind]);
    }
    text_char(&cuts, '\n');
}

static void make_unit(const struct tier_request *r, struct shop *s, struct jit_unit *u) {
    struct func *f = compile_build_loop(&r->program, &options);
    const char *why;
    compile_optimize(f, &options);
    cr_assert(compile_unit(f, !now.guard, &options, &s->store, u, &why), "%s", why);
    ir_free(f);
}

static bool compile(void *context, const struct tier_request *r, struct tier_code *code) {
    struct shop *s = &shops[r->baseline];
    (void)context;
    if (!r->baseline)
        show_cut(&r->program);
    if (now.starve != 0 && ++s->starved % now.starve != 0)
        (void)xalloc(1, no_memory);
    if (now.refuse || s->nmade == sizeof s->made / sizeof *s->made || (r->baseline && !now.guard))
        return false;
    struct jit_unit *u = xcalloc(1, sizeof *u);
    if (r->baseline)
        cr_assert(baseline_make(&s->store, u, &r->program, now.bits / 8));
    else
        make_unit(r, s, u);
    s->made[s->nmade++] = u;
    code->enter = jit_entry(u);
    code->fault = &u->fault;
    code->bytes = u->fault.size;
    return true;
}

static uint32_t hashes, hash_sum;
static int on_hash(struct rt *rt, uint8_t *pointer, uint32_t src) {
    hashes++;
    hash_sum = hash_sum * 31 + (uint32_t)(pointer - rt->tape.base) + src;
    return 0;
}

static int file(void) {
    return memfd_create("tiers", 0);
}

static void set_up(struct rt *rt, int out) {
    memset(rt, 0, sizeof *rt);
    int in = now.in;
    if (in == -1) {
        in = file();
        cr_assert_eq(write(in, "input", 5), 5);
        lseek(in, 0, SEEK_SET);
    }
    rt_io_init(rt, in, out, EOF_UNCHANGED);
    rt->hash = on_hash;
    hashes = hash_sum = 0;
    cr_assert(tape_map(&rt->tape, 4096, now.bits / 8, 1 << 20, now.guard));
}

static uint64_t entries; /* of all loops, in the last run */
static void sum_entries(void *context, const struct tiers *t) {
    (void)context;
    entries = 0;
    for (uint32_t i = 0; i < t->nloop; i++)
        entries += t->slot[i].entries;
}

static struct tier_stats in_tiers(struct rt *rt, struct program *p, struct setting s, int out) {
    now = s;
    char *argv[] = {"bfopt", s.strict ? "--strict" : "--tiered", "-O2", "-e", "+"};
    struct text why = {0};
    cr_assert(options_parse(&options, 5, argv, &why));
    options.cell_bits = s.bits;
    options.tape_cells = 4096;
    set_up(rt, out);
    struct tier_options o = {.max = s.max,
                             .threshold = s.threshold,
                             .seed = s.seed,
                             .wait = s.wait,
                             .wait_at_end = true,
                             .compile = compile,
                             .finish = sum_entries};
    struct tier_stats stats;
    cuts.len = 0;
    cr_assert(tiers_run(p, rt, &o, &stats));
    rt_flush(rt);
    for (int i = 0; i < 2; i++) {
        while (shops[i].nmade != 0) {
            jit_free(shops[i].made[--shops[i].nmade]);
            xfree(shops[i].made[shops[i].nmade]);
        }
        jit_store_free(&shops[i].store);
    }
    options_free(&options);
    return stats;
}

static struct text all_of(int fd) {
    struct text t = {0};
    char piece[4096];
    ssize_t n;
    lseek(fd, 0, SEEK_SET);
    while ((n = read(fd, piece, sizeof piece)) > 0)
        text_add(&t, piece, (size_t)n);
    close(fd);
    return t;
}

/* The run in tiers ends as the reference does, with the same output, tape and calls of `#`. */
static struct tier_stats agrees(const char *code, struct setting s) {
    static struct rt rt, ref;
    struct program p = parsed(code), q = parsed(code);
    int out = file(), ref_out = file();
    struct tier_stats stats = in_tiers(&rt, &p, s, out);
    uint32_t h = hashes, sum = hash_sum;
    set_up(&ref, ref_out);
    reference_run(&q, &ref, UINT64_MAX);
    rt_flush(&ref);
    struct text got = all_of(out), want = all_of(ref_out);
    cr_assert_eq(rt.end, ref.end, "%s at %u bits: %d, not %d", code, s.bits, rt.end, ref.end);
    cr_assert(got.len == want.len && (got.len == 0 || memcmp(got.p, want.p, got.len) == 0),
              "%s at %u bits: other output", code, s.bits);
    if (rt.end == RUN_OFF_TAPE && s.strict) {
        cr_assert_eq(rt.end_src, ref.end_src, "%s at %u bits", code, s.bits);
        cr_assert_eq(rt.end_cell, ref.end_cell);
    }
    if (rt.end == RUN_DONE)
        cr_assert(memcmp(rt.tape.base, ref.tape.base, rt.tape.bytes) == 0, "%s: other tape", code);
    cr_assert_eq(rt_bytes_in(&rt), rt_bytes_in(&ref));
    cr_assert(h == hashes && sum == hash_sum, "%s: other `#`", code);
    text_free(&got);
    text_free(&want);
    tape_unmap(&rt.tape);
    tape_unmap(&ref.tape);
    program_free(&p);
    program_free(&q);
    return stats;
}

/* ---- quickening ---- */

static struct program after_run(const char *code) {
    static struct rt rt;
    struct program p = parsed(code);
    struct setting s = usual;
    s.threshold = 0;
    in_tiers(&rt, &p, s, open("/dev/null", O_WRONLY));
    tape_unmap(&rt.tape);
    return p;
}

Test(tiers, simple_loops_become_what_they_are) {
    static const struct {
        const char *code;
        uint32_t at, kind;
    } row[] = {
        {"+[-]", 1, T0_CLEAR},        {"+[+]", 1, T0_CLEAR},        {"+[---]", 1, T0_CLEAR},
        {"+[>]", 1, T0_SCAN},         {">+[<<]<", 2, T0_SCAN},      {"+[->+<]", 1, T0_MULTIPLY},
        {"+[>++<-]", 1, T0_MULTIPLY}, {"+[+>--<]", 1, T0_MULTIPLY}, {"+[[-]]", 1, T0_OPEN},
        {"++[--]", 1, T0_OPEN},       {"+[.-]", 1, T0_OPEN},        {"++[-->+<]", 1, T0_OPEN},
        {"+[->+>]", 1, T0_OPEN},      {"[-]", 0, BF_OPEN},          {"[.[-]]", 0, BF_OPEN},
        {"+[-[.]]", 3, BF_OPEN},
    };
    for (unsigned i = 0; i < sizeof row / sizeof *row; i++) {
        struct program p = after_run(row[i].code);
        cr_assert_eq(p.op[row[i].at].kind, row[i].kind, "%s: %u", row[i].code,
                     p.op[row[i].at].kind);
        program_free(&p);
    }
}

Test(tiers, moves_become_one_with_what_follows) {
    static const struct {
        const char *code;
        uint32_t at, kind;
    } row[] = {
        {"++[.>+<-]", 3, T0_MOVE_ADD},
        {"++[->[.]<]", 3, T0_MOVE_OPEN}, /* never entered */
        {"++[->[.]<]", 7, T0_MOVE_CLOSE},
        {">++<+++[->[.-]+<]", 6, T0_MOVE_ENTER},
        {">++<+++[->[-]+<]", 6, T0_MOVE_CLEAR},
        {">++<+++[->[>]+<]", 6, T0_MOVE_SCAN},
        {">++<+++[->[->+<]+<]", 6, T0_MOVE_MULTIPLY},
        {"++[->.<]", 3, BF_MOVE},
        {"++[->,<]", 3, BF_MOVE},
        {"++[->#<]", 3, BF_MOVE},
        {"++>", 1, BF_MOVE},
        {"[>+<-]", 1, BF_MOVE}, /* never met */
    };
    for (unsigned i = 0; i < sizeof row / sizeof *row; i++) {
        struct program p = after_run(row[i].code);
        cr_assert_eq(p.op[row[i].at].kind, row[i].kind, "%s: %u", row[i].code,
                     p.op[row[i].at].kind);
        cr_assert_eq(tiers_plain(p.op[row[i].at].kind), BF_MOVE);
        program_free(&p);
    }
}

/* Each of these moves off the tape in front of another kind of operation, which is the one to be
 * named, when both have become one. */
Test(tiers, what_follows_a_move_leaves_the_tape) {
    static const char *const code[] = {
        ">>>>+[.<+]",        ">>>>+[<[.]+]",       "+>+>+>+>+[<[-]+]",
        "+>+>+>+>+[<[.-]+]", "+>>+>>+>>+[<<[>]<]", "+>+>+>+>+[<[->>>>>>+<<<<<<]+]",
        "+>+>+>+>+[.<]",     ">>>>+[>+[-]<<.+]",   ">>>>+[>+[-]<<#+.<+]",
    };
    for (unsigned i = 0; i < sizeof code / sizeof *code; i++)
        for (unsigned bits = 8; bits <= 64; bits *= 2) {
            struct setting s = usual;
            s.threshold = 0;
            s.strict = true;
            s.bits = bits;
            agrees(code[i], s);
        }
}

/* ---- cut-outs ---- */

static void cut_is(const char *code, const char *want) {
    agrees(code, usual);
    cr_assert_str_eq(cuts.len == 0 ? "" : cuts.p, want, "%s:\n%s", code, cuts.p);
}

Test(tiers, units_are_loops_without_what_never_ran) {
    cut_is("", "");
    cut_is("+++[>+.<-]", "[>+.<-]\n");
    cut_is("+++[>+.[-]<-]", "[>+.[-]<-]\n");
    cut_is("+++[>+.[->+<]>[-]<<-]", "[>+.[->+<]>[-]<<-]\n");
    /* What never ran is called if it is long, and comes along if it is short. */
    cut_is("+++[>.[.]<-]", "[>.[.]<-]\n");
    cut_is("+++[>.[.>.>.>.>.>.>.>.>.>.<<<<<<<<<]<-]", "[>.(1 balanced, left 0)<-]\n");
    cut_is("+++[>.[.>.>.>.>.>.>.>.>.>.<<<<<<<<]<-]", "[>.(1, left 0)<-]\n");
}

/* A loop that made one round in the 40 of the one around it, or two, which is more than each 16th.
 */
Test(tiers, units_call_what_runs_rarely) {
    static const char round[] = "[>[.>.>.>.>.>.>.>.>.>.<<<<<<<<<-]<-]";
    static const char *const want[] = {"[>(1 balanced, left 0)<-]\n",
                                       "[>[.>.>.>.>.>.>.>.>.>.<<<<<<<<<-]<-]\n"};
    struct setting s = usual;
    s.threshold = 40;
    for (int i = 0; i < 2; i++) {
        struct text code = {0};
        text_put(&code, i == 0 ? ">+<" : ">++<");
        for (int k = 0; k < 64; k++)
            text_char(&code, '+');
        text_put(&code, round);
        agrees(code.p, s);
        cr_assert_str_eq(cuts.p, want[i]);
        text_free(&code);
    }
}

Test(tiers, calls_say_how_far_left_they_reach) {
    /* Each round begins where the last one ended, or to the right; loops inside may not run. */
    cut_is("+++[>.[<<.>>.>.>.>.>.>.>.<<<<<<]<-]", "[>.(1 balanced, left 2)<-]\n");
    cut_is("+++[>.[.>.>.>.>.>.>.>.<<<<<<<<<.>>>]<-]", "[>.(1, left 2)<-]\n");
    cut_is("+++[>.[.>.>.>.[>>]<<<<.>>.>.>.>.>]<-]", "[>.(1, left 1)<-]\n");
    /* Nothing is known of who goes left, by itself or by a loop inside, or shows the cells. */
    cut_is("+++[>.[.>.>.>.>.>.>.>.<<<<<<<<]<-]", "[>.(1)<-]\n");
    cut_is("+++[>.[.>.>.>.>.>.>.>.[<]>>>>>>]<-]", "[>.(1)<-]\n");
    cut_is("+++[>.[.>.>.>.>#.>.>.>.<<<<<<<]<-]", "[>.(1 balanced)<-]\n");
}

Test(tiers, the_outermost_loop_that_turns_is_chosen) {
    struct setting s = usual;
    s.threshold = 8;
    agrees("++++[>+++++[>+++.[-]<-]<-]", s);
    cr_assert_str_eq(cuts.p, "[>+++++[>+++.[-]<-]<-]\n");
}

Test(tiers, large_inner_loops_are_called) {
    struct text code = {0};
    text_put(&code, "+++[>++[");
    for (int i = 0; i < 4000; i++)
        text_put(&code, ">+.<");
    text_put(&code, "-]<-]");
    struct setting s = usual;
    s.threshold = 3;
    struct tier_stats stats = agrees(code.p, s);
    cr_assert(strstr(cuts.p, "(1 balanced, left 0)") != NULL, "%s", cuts.p);
    cr_assert_gt(stats.calls, 0);
    text_free(&code);
}

/* Each entry of the middle loop takes long, so that the outer one calls its unit. */
Test(tiers, long_loops_are_called) {
    static const char count[] =
        "++++++++++++++++++++++++++++++++++++++++++++++++++++++++++++++++++";
    struct text code = {0};
    text_fmt(&code, "%s[>%s[>%s[", count, count, count);
    for (int i = 0; i < 200; i++)
        text_put(&code, ">+");
    for (int i = 0; i < 200; i++)
        text_char(&code, '<');
    text_put(&code, "-]<-]<-]");
    struct setting s = usual;
    s.threshold = 64;
    agrees(code.p, s);
    cr_assert(strstr(cuts.p, "++(1 balanced, left 0)<-]\n") != NULL, "%s", cuts.p);
    text_free(&code);
}

/* The inner loops are as hot as the middle one, which they are part of: one unit does for all. */
Test(tiers, loops_of_a_unit_are_not_compiled_again) {
    struct setting s = usual;
    s.threshold = 64;
    struct tier_stats stats = agrees("-[>++[>+.[-]<-]>++[>+.[-]<-]<<-]", s);
    cr_assert_str_eq(cuts.p, "[>++[>+.[-]<-]>++[>+.[-]<-]<<-]\n");
    cr_assert_eq(stats.units, 1);
}

/* ---- runs ---- */

#define DEAD "[.>.>.>.>.>.>.>.>.>.<<<<<<<<<-]" /* long enough to be called */
static const char *const programs[] = {
    "+++[>+++[>+++[>+.[-]<-]<-]<-]",
    "++++++[->+++++[->+++[->+>+<<]>>[-<<+>>]<<<]>>>.[-]<<<<]",
    ",[>,]<[.<]",
    "+++++[>++++[>" DEAD "+++[.-]<-]<-]",
    "+++++[>++[>" DEAD "<-]>+" DEAD "[-]<<-]>>.",
    "++++[>>+[>>+<<-]>[>]+[<]<-]>[.>]",
    "++++++[>++++++[>+#<-]#<-]",
    "++++[>++++[>++++[>+<-]>[.-]<<-]<-]>,.,.,.,.,.,.,.",
    "++++++++[>++++++++[<<.>>-]<-]",     /* left of the tape, in a unit */
    "++++[>+++[>++[<<<<<+>>>>>-]<-]<-]", /* the same, deeper */
    "++++[>+[>+]<[<]>-]",                /* endless to the right */
    "+++++[>++++[>" DEAD "++[>+" DEAD "<-]<-]<-]>>>.<<<<+",
    "++++[>+++[>++[>++[>++[>+<-]<-]<-]<-]<-]>>>>>[.-]",
};

static void all_programs(struct setting s) {
    for (unsigned i = 0; i < sizeof programs / sizeof *programs; i++)
        agrees(programs[i], s);
}

Test(tiers, every_width_threshold_and_thread, .timeout = 120) {
    static const uint32_t threshold[] = {1, 3, 500};
    for (unsigned bits = 8; bits <= 64; bits *= 2)
        for (unsigned i = 0; i < 3; i++)
            for (int wait = 0; wait < 2; wait++) {
                struct setting s = usual;
                s.bits = bits;
                s.threshold = threshold[i];
                s.wait = wait != 0;
                all_programs(s);
            }
}

/* Any loop may be hot before any other. */
Test(tiers, thresholds_drawn_for_each_loop, .timeout = 120) {
    static const uint32_t most[] = {2, 5, 30};
    for (uint32_t seed = 1; seed <= 12; seed++)
        for (int wait = 0; wait < 2; wait++) {
            struct setting s = usual;
            s.threshold = most[seed % 3];
            s.seed = seed;
            s.wait = wait != 0;
            all_programs(s);
        }
}

Test(tiers, strictly_and_without_guards, .timeout = 120) {
    for (int strict = 0; strict < 2; strict++)
        for (int guard = 0; guard < 2; guard++) {
            struct setting s = usual;
            s.strict = strict != 0;
            s.guard = guard != 0;
            all_programs(s);
        }
}

/* ---- baseline code ---- */

/* Nothing better is made; or units are, after a while, at any head. */
Test(tiers, baseline_code_in_every_width, .timeout = 120) {
    static const uint32_t threshold[] = {1, 2, 7};
    for (unsigned bits = 8; bits <= 64; bits *= 2)
        for (unsigned i = 0; i < 3; i++)
            for (uint32_t seed = 0; seed < 4; seed++) {
                struct setting s = usual;
                s.bits = bits;
                s.threshold = threshold[i];
                s.max = TIERS_BASELINE;
                s.strict = true; /* which it is */
                s.seed = seed;
                all_programs(s);
                s.max = TIERS_ALL;
                all_programs(s);
            }
}

static struct tier_stats in_baseline(const char *code) {
    struct tier_stats stats = {0};
    for (unsigned bits = 8; bits <= 64; bits *= 2) {
        struct setting s = usual;
        s.bits = bits;
        s.threshold = 1;
        s.max = TIERS_BASELINE;
        s.strict = true;
        stats = agrees(code, s);
        cr_assert_eq(stats.units, 0);
    }
    return stats;
}

/* Each operation, with the pointer where it is and elsewhere. */
Test(tiers, baseline_code_of_each_operation) {
    static const char *const round[] = {
        ">+<",
        "->+<",
        ">.+<",
        ">,.<",
        ">>>#<<<",
        ">+++[-]<",
        ">--[+]<",
        ">+>+>+<<[>]<<<",
        "[>]>+<[<]>>",
        ">+++[->+>--->++++<<<]<",
        ">---[+>+>--->++++<<<]<",
        ">[->+<]<", /* of a cell that is 0 */
        ">++[.-]<",
        ">++[>++[>+<-]<-]<",
        ">[.>>>>>>>>>>>>>>>>>>+<<<<<<<<<<<<<<<<<<]<", /* never entered */
    };
    for (unsigned i = 0; i < sizeof round / sizeof *round; i++) {
        struct text code = {0};
        text_fmt(&code, "++++++++[.-%s]>.>.>.>.", round[i]);
        struct tier_stats stats = in_baseline(code.p);
        cr_assert(stats.baseline_units > 0 && stats.baseline_entries > 0, "%s", code.p);
        text_free(&code);
    }
}

/* Each access may be the one that leaves the tape. */
Test(tiers, baseline_code_leaves_the_tape) {
    static const char *const code[] = {
        "+++[>+<-<+]",
        "+++[>+<-<.]",
        "+++[>+<-<,]",
        "+++[>+<-<[-]]",
        "+++[>+<-<[>]]",
        "+++[>+<-+[<]]",
        "+++[>+<-<[.-]]",
        "+++[>+<-[-<+>]]",
        "+++[[+>>+<<<+>]]",
        "+++[+[.<]]",
        "+++[[->>+<<<<<+>>>]]",
        "+++[.<[.>>>>>>>>>>>>>>>>>>+<<<<<<<<<<<<<<<<<<]]",
        "+[>+]",
        "+[>>>+]",
        "+[>,+]",
        "+[>+.]",
        "+[[>]+]",
        "+[>+[->>>+<<<]>>>]",
        "+[>++[.-]+]",
        "+[>+[[-]>+<]>]",
    };
    for (unsigned i = 0; i < sizeof code / sizeof *code; i++)
        in_baseline(code[i]);
}

/* Rounds are counted there, as interpreted ones are: a hot loop inside gets a unit, which takes
 * over at the next head, and so does the loop itself. */
Test(tiers, units_take_over_from_baseline_code) {
    struct setting s = usual;
    unsigned taken = 0;
    s.threshold = 3;
    for (s.seed = 1; s.seed < 40; s.seed++) {
        struct tier_stats stats = agrees("-[>-[>+.[-]<-]<-]", s);
        taken += stats.baseline_entries > 0 && stats.units > 0 && stats.entries > 0;
    }
    cr_assert_gt(taken, 20, "%u", taken);
}

/* A loop inside got code first; what is made for the one around it calls that, if it is large. */
Test(tiers, baseline_code_is_not_made_again_for_large_loops) {
    struct setting s = usual;
    s.threshold = 20;
    s.max = TIERS_BASELINE;
    for (unsigned large = 0; large < 2; large++) {
        struct text code = {0};
        text_fmt(&code, "++++++++[->++++++++<]>[>++++++++++++++++++++++++++++++[-");
        for (unsigned i = 0; i < (large ? 45 : 5); i++)
            text_fmt(&code, ">+<+>+<-");
        text_fmt(&code, "]>.<<-]");
        struct tier_stats stats = agrees(code.p, s);
        cr_assert_eq(stats.baseline_units, 2);
        cr_assert_eq(stats.calls > 0, large == 1);
        text_free(&code);
    }
}

/* No displacement is large enough; loops that cannot be units can be baseline code; nothing is made
 * without guard pages, or when the run is looked at. */
Test(tiers, baseline_code_has_limits) {
    struct setting s = usual;
    s.max = TIERS_BASELINE;
    s.guard = false;
    struct tier_stats stats = agrees(programs[0], s);
    cr_assert_eq(stats.baseline_units, 0);
    s.guard = true;
    struct program p = parsed("+[>+<]");
    p.op[1].kind = T0_OPEN;
    p.op[1].arg = 0;
    p.op[5].kind = T0_CLOSE;
    p.op[5].arg = 0;
    struct jit_unit u;
    p.op[2].arg = INT32_MAX / 8;
    p.op++;
    cr_assert(baseline_make(NULL, &u, &p, 1));
    jit_free(&u);
    cr_assert(!baseline_make(NULL, &u, &p, 8));
    p.op[0].arg = INT32_MAX / 8;
    p.op[1].arg = 1;
    cr_assert(!baseline_make(NULL, &u, &p, 1));
    p.op--;
    program_free(&p);
}

/* Where entries are not counted all loops seem to be long (tier_choice.c). */
Test(tiers, baseline_code_counts_entries) {
    static const char nest[] = "+++++[>++++[>+++[>+.<-]<-]<-]";
    struct setting s = usual;
    s.threshold = 2;
    s.max = TIERS_INTERPRET;
    agrees(nest, s);
    cr_assert_eq(entries, 1 + 5 + 5 * 4);
    s.max = TIERS_BASELINE;
    cr_assert_gt(agrees(nest, s).baseline_units, 0);
    cr_assert_eq(entries, 1 + 5 + 5 * 4);
}

Test(tiers, what_cannot_be_compiled_is_interpreted) {
    for (int wait = 0; wait < 2; wait++) {
        struct setting s = usual;
        s.refuse = true;
        s.wait = wait != 0;
        all_programs(s);
        struct tier_stats stats = agrees(programs[0], s);
        cr_assert_eq(stats.units, 0);
        cr_assert(wait == 0 || stats.failed > 0);
    }
}

/* The run goes on: with no unit, or with those for which there was memory. */
Test(tiers, what_there_is_no_memory_for_is_interpreted) {
    static const uint32_t starve[] = {2, UINT32_MAX};
    for (int i = 0; i < 4; i++) {
        struct setting s = usual;
        s.threshold = 1;
        s.starve = starve[i % 2];
        s.wait = i < 2;
        all_programs(s);
        struct tier_stats stats = agrees(programs[3], s);
        cr_assert(!s.wait || stats.failed > 0);
        cr_assert(!s.wait || s.starve == 2 || stats.units == 0);
    }
}

/* ---- input and output that fail ---- */

static enum run_end ending(const char *code, struct setting s, int out) {
    static struct rt rt;
    struct program p = parsed(code);
    in_tiers(&rt, &p, s, out);
    tape_unmap(&rt.tape);
    program_free(&p);
    return rt.end;
}

/* A loop that is compiled at its second round, and one in it that it calls: more output than the
 * buffer holds comes from inside. */
#define CALLS "+++++[>+" DEAD "[>++++++++[>++++++++[>++++++++[>++++++++[>-[.-]<-]<-]<-]<-]<-]<-]"
Test(tiers, errors_of_output_end_all_units, .timeout = 60) {
    for (int wait = 0; wait < 2; wait++) {
        struct setting s = usual;
        s.wait = wait != 0;
        s.threshold = 3;
        cr_assert_eq(ending(CALLS, s, open("/dev/full", O_WRONLY)), RUN_OUT_ERROR);
    }
}

Test(tiers, errors_of_input_end_all_units) {
    struct setting s = usual;
    s.in = open("/", O_RDONLY); /* reading a directory fails */
    cr_assert_eq(ending("+++[>+++[>+" DEAD "+++[>+<-]<-]<-]+++[>+++[>,.<-]<-]", s, file()),
                 RUN_IN_ERROR);
}

/* ---- nesting ---- */

static char *nested(uint32_t depth) {
    struct text t = {0};
    for (uint32_t i = 0; i < depth; i++)
        text_put(&t, "+[");
    text_put(&t, "+.[-]");
    for (uint32_t i = 0; i < depth; i++)
        text_put(&t, "]");
    return t.p;
}

Test(tiers, a_million_nested_loops_need_little_stack, .timeout = 120) {
    struct rlimit limit = {.rlim_cur = 256 << 10, .rlim_max = 256 << 10};
    cr_assert_eq(setrlimit(RLIMIT_STACK, &limit), 0);
    struct setting s = usual;
    s.threshold = 500;
    char *code = nested(1000000);
    agrees(code, s);
    xfree(code);
}

/* Each loop is a unit that calls the next one, until the stack is short. */
Test(tiers, units_call_units_until_the_stack_is_short, .timeout = 120) {
    struct rlimit limit = {.rlim_cur = 256 << 10, .rlim_max = 256 << 10};
    cr_assert_eq(setrlimit(RLIMIT_STACK, &limit), 0);
    struct text t = {0};
    for (int i = 0; i < 1500; i++)
        text_put(&t, "++[>" DEAD);
    text_put(&t, "+.");
    for (int i = 0; i < 1500; i++)
        text_put(&t, "[-]<-"
                     "[-]]");
    struct setting s = usual;
    s.threshold = 1;
    agrees(t.p, s);
    text_free(&t);
}
