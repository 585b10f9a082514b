/* test_heat.c: the report of --profile, of runs that are made up here, number by number. */
#include <criterion/criterion.h>

#include <stdlib.h>
#include <string.h>

#include "frontend/heat.h"
#include "runtime/alloc.h"
#include "runtime/tiers_int.h"
#include "tests/unit/parsed.h"

/* A run of `code`: samples are added by hand. */
struct run {
    struct source s;
    struct program p;
    struct tiers t;
    struct tier_stats stats;
    struct profile profile;
    struct profile_sample sample[64];
    struct tier_loop loop[8];
    struct rt_slot slot[8];
};

static struct run *run_of(const char *code) {
    struct run *r = xcalloc(1, sizeof *r);
    struct text why = {0};
    cr_assert(source_copy(&r->s, "t.b", code, strlen(code), &why));
    r->p = parsed(code);
    r->t =
        (struct tiers){.op = r->p.op, .stats = &r->stats, .loop = r->loop, .profile = &r->profile};
    r->t.slot = r->slot;
    r->profile.sample = r->sample;
    return r;
}

/* n samples at a place; places come in their order. */
static void sampled(struct run *r, uint32_t src, enum profile_where where, uint32_t n) {
    uint32_t k = r->profile.nsample;
    if (k == 0 || r->sample[k - 1].src != src)
        r->sample[r->profile.nsample++].src = src;
    r->sample[r->profile.nsample - 1].n[where] += n;
    r->profile.n[where] += n;
}

/* The loop that closes at `src` has number n. */
static struct tier_loop *numbered(struct run *r, uint32_t src, int n) {
    for (struct bf_op *op = r->t.op; op->kind != BF_END; op++)
        if (op->kind == BF_CLOSE && op->src == src) {
            op->kind = T0_CLOSE;
            op->arg = n;
        }
    return &r->loop[n];
}

/* The report; frees the run. */
static char *report(struct run *r, enum profile_mode mode, bool colour, bool utf8) {
    struct text t = {0};
    heat_report(&t, &r->t, &r->s, mode, (struct heat_style){colour, utf8});
    source_free(&r->s);
    program_free(&r->p);
    xfree(r);
    return t.p;
}

/* These follow one another in the text. */
#define IN_ORDER(text, ...) in_order(text, (const char *[]){__VA_ARGS__, NULL})
static void in_order(const char *text, const char **part) {
    const char *at = text;
    for (; *part != NULL; part++) {
        const char *found = strstr(at, *part);
        cr_assert(found != NULL, "no `%s` behind the others in\n%s", *part, text);
        at = found + strlen(*part);
    }
}

Test(heat, shares_and_counts) {
    struct run *r = run_of("+[>+[-] the rest [+] is empty <]");
    sampled(r, 1, PROFILE_TIER0, 1);
    sampled(r, 4, PROFILE_TIER0, 10);
    sampled(r, 5, PROFILE_CODE, 9);
    sampled(r, 5, PROFILE_CALLED, 1);
    struct tier_loop *inner = numbered(r, 6, 0);
    uint32_t trips[TIER_TRIPS] = {[0] = 1, [2] = 4};
    *inner = (struct tier_loop){.rounds = 1234567, .unit_entries = 2, .trips = trips};
    r->slot[0].entries = 5;
    r->stats.units = 1;
    r->t.nloop = 3;
    char *t = report(r, PROFILE_SAMPLED, false, true);
    IN_ORDER(t, "t.b: 0.000 s of processor time in the run, 21 samples", "42.9 % in machine code",
             "52.4 % interpreting",
             "4.8 % in input and output\n3 loops ran, 1 unit of them compiled",
             " 95.2 %   95.2 %  50% code    1,234,567+            5+  1..7 ▂ █", "1:5  [-]\n",
             "  4.8 %  100.0 %  interp ", "0 ", " -  ", "1:2  [>+[-][+]<]\n");
    IN_ORDER(t, "100.0 % ██████ ", "1 | +[>+[-] the rest [+] is empty <]\n");
    cr_assert(strstr(t, "compiling") == NULL && strstr(t, "not listed") == NULL);
    xfree(t);
}

Test(heat, says_what_else_there_was) {
    struct run *r = run_of("+[-]");
    sampled(r, 2, PROFILE_COMPILING, 1);
    r->profile.lost = 7;
    char *t = report(r, PROFILE_SAMPLED, false, false);
    IN_ORDER(t, ", 1 sample: ", "100.0 % compiling", "7 samples at places too many", "  interp ");
    xfree(t);
    r = run_of("+[-]");
    t = report(r, PROFILE_EXACT, false, false);
    IN_ORDER(t, ", 0 samples\n", "of a run that was interpreted");
    cr_assert(strstr(t, "heat ") == NULL && strstr(t, "self") == NULL);
    xfree(t);
    /* Before any loop. */
    r = run_of("++++");
    sampled(r, 0, PROFILE_TIER0, 2);
    t = report(r, PROFILE_SAMPLED, false, false);
    IN_ORDER(t, "100.0 % interpreting", "heat ", "100.0 % ######", "1 | ++++\n");
    cr_assert(strstr(t, "self") == NULL);
    xfree(t);
}

Test(heat, loops_that_were_not_sampled) {
    const char *code = "+[>+[-]<]";
    for (int exact = 0; exact < 2; exact++) {
        struct run *r = run_of(code);
        sampled(r, 1, PROFILE_TIER0, 1);
        *numbered(r, 6, 0) = (struct tier_loop){.rounds = 1000};
        *numbered(r, 8, 1) = (struct tier_loop){.rounds = 10};
        r->slot[0].entries = r->slot[1].entries = 1;
        char *t = report(r, exact ? PROFILE_EXACT : PROFILE_SAMPLED, false, false);
        cr_assert_eq(strstr(t, "1:5  [-]") != NULL, exact, "%s", t);
        IN_ORDER(t, "100.0 %  100.0 %  interp ", " 10 ", " 1 ", "1:2  [>+[-]<]");
        xfree(t);
        /* Without samples, by rounds. */
        r = run_of(code);
        *numbered(r, 6, 0) = (struct tier_loop){.rounds = 1000};
        *numbered(r, 8, 1) = (struct tier_loop){.rounds = 10};
        r->slot[0].entries = r->slot[1].entries = 1;
        t = report(r, exact ? PROFILE_EXACT : PROFILE_SAMPLED, true, false);
        IN_ORDER(t, "      -        -  - ", "1,000 ", "1:5  [-]", "10 ", "1:2  [>+[-]<]");
        xfree(t);
    }
}

Test(heat, colours_by_share) {
    struct run *r = run_of("+[-]\n[-]\n[-]\n[-]x[-]\n");
    sampled(r, 2, PROFILE_CODE, 1000);
    sampled(r, 6, PROFILE_CODE, 100);
    sampled(r, 10, PROFILE_CODE, 20);
    char *t = report(r, PROFILE_SAMPLED, true, false);
    IN_ORDER(t, "\033[1;31m 89.3 %", "\033[33m  8.9 %", "  1.8 %", "\033[1;31m 89.3 %", "1 | ",
             "\033[2m+[", "\033[1;31m-", "\033[2m]", "\033[33m  8.9 %", "2 | ", "\033[33m-",
             "  1.8 %", "3 | ", "\033[0m-", "      -", "4 | ", "\033[2m[-]");
    xfree(t);
}

Test(heat, rows_of_long_lines) {
    char code[4001];
    memset(code, '+', sizeof code - 1);
    code[4000] = '\0';
    memcpy(code + 2000, "[-]", 3);
    memcpy(code + 3999, "\n", 1);
    struct run *r = run_of(code);
    sampled(r, 10, PROFILE_TIER0, 1);
    sampled(r, 2001, PROFILE_CODE, 999);
    char *t = report(r, PROFILE_SAMPLED, false, false);
    /* The row with next to nothing is not shown, those beside the hot one are. */
    IN_ORDER(t, "      - ", "1:1921 | ", " 99.9 % ######", "1:2001 | [-]+", "      - ",
             "1:2081 | ");
    cr_assert(strstr(t, "1:1 |") == NULL && strstr(t, "1:1841") == NULL);
    xfree(t);
    /* With more heat it is, and a gap between. */
    r = run_of(code);
    sampled(r, 10, PROFILE_TIER0, 10);
    sampled(r, 95, PROFILE_TIER0, 1);
    sampled(r, 2001, PROFILE_CODE, 990);
    t = report(r, PROFILE_SAMPLED, false, false);
    IN_ORDER(t, "  1.0 % ", "          1 | +", "  0.1 % ", "1:81 | ", "...\n", "1:1921", "1:2001",
             "1:2081");
    xfree(t);
}

Test(heat, no_more_loops_and_rows_than_have_room) {
    char code[100 * 4 + 1] = "";
    for (int i = 0; i < 50; i++)
        strcat(code, i % 2 ? "\n\n\n\n\n" : "[-]");
    struct run *r = run_of(code);
    for (uint32_t i = 0; i < 25; i++)
        sampled(r, i * 8 + 1, PROFILE_CODE, 1 + (i == 20));
    char *t = report(r, PROFILE_SAMPLED, false, false);
    unsigned loops = 0, rows = 0;
    for (const char *at = t; (at = strstr(at, ":1  [-]\n")) != NULL; at++)
        loops++;
    for (const char *at = t; (at = strstr(at, " | [-]\n")) != NULL; at++)
        rows++;
    cr_assert_eq(loops, 12);
    cr_assert_eq(rows, 16, "%s", t);
    IN_ORDER(t, "101:1  [-]", " 1:1  [-]", " 6:1  [-]", " 51:1  [-]");
    xfree(t);
}

Test(heat, style_of_the_surroundings) {
    setenv("LC_ALL", "", 1);
    setenv("LC_CTYPE", "", 1);
    unsetenv("LANG");
    cr_assert(!heat_style().utf8);
    setenv("LANG", "de_DE.utf8", 1);
    cr_assert(heat_style().utf8);
    setenv("LC_CTYPE", "C", 1);
    cr_assert(!heat_style().utf8);
    setenv("LC_ALL", "C.UTF-8", 1);
    cr_assert(heat_style().utf8);
    unsetenv("LC_ALL");
    unsetenv("LC_CTYPE");
    setenv("NO_COLOR", "", 1);
    cr_assert(heat_style().utf8 && !heat_style().colour); /* no terminal */
}
