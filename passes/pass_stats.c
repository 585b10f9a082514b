/* pass_stats.c: what passes count (--stats), and how long they take (--time-passes). */
#include "passes/pass_stats.h"

#include <string.h>

#include "runtime/alloc.h"

struct counter {
    const char *pass, *name;
    uint64_t n;
};

struct pass_run {
    uint64_t times, changes; /* how often it ran, and how often it changed something */
    double seconds;
};

struct pass_stats {
    struct counter *counter;
    uint32_t ncounter, cap;
    struct pass_run *run; /* as pass_table */
    bool timed;
};

const char pass_pipeline[] = "pipeline";

struct pass_stats *pass_stats_new(bool timed) {
    struct pass_stats *s = xcalloc(1, sizeof *s);
    s->timed = timed;
    s->run = xcalloc(pass_table_size, sizeof *s->run);
    return s;
}

void pass_stats_free(struct pass_stats *s) {
    if (!s)
        return;
    xfree(s->counter);
    xfree(s->run);
    xfree(s);
}

static struct counter *counter_of(struct pass_stats *s, const char *pass, const char *name) {
    for (uint32_t i = 0; i < s->ncounter; i++)
        if (s->counter[i].pass == pass && strcmp(s->counter[i].name, name) == 0)
            return &s->counter[i];
    s->counter = xgrow(s->counter, &s->cap, (uint64_t)s->ncounter + 1, sizeof *s->counter);
    s->counter[s->ncounter] = (struct counter){pass, name, 0};
    return &s->counter[s->ncounter++];
}

uint64_t pass_stats_get(const struct pass_stats *s, const char *name) {
    for (uint32_t i = 0; i < s->ncounter; i++) {
        size_t len = strlen(s->counter[i].pass);
        if (strncmp(name, s->counter[i].pass, len) == 0 && name[len] == '.' &&
            strcmp(name + len + 1, s->counter[i].name) == 0)
            return s->counter[i].n;
    }
    return 0;
}

uint64_t pass_stats_changes(const struct pass_stats *s, unsigned pass) {
    return s->run[pass].changes;
}

bool pass_stats_timed(const struct pass_stats *s) {
    return s->timed;
}

void pass_stats_ran(struct pass_stats *s, const struct pass_info *p, bool changed, double seconds) {
    struct pass_run *r = &s->run[p - pass_table];
    r->times++;
    r->changes += changed;
    r->seconds += seconds;
}

static void print_counters(const struct pass_stats *s, const char *pass, struct text *out) {
    for (uint32_t i = 0; i < s->ncounter; i++)
        if (s->counter[i].pass == pass && s->counter[i].n > 0)
            text_fmt(out, "%s.%s = %llu\n", pass, s->counter[i].name,
                     (unsigned long long)s->counter[i].n);
}

void pass_stats_print(const struct pass_stats *s, struct text *out) {
    print_counters(s, pass_pipeline, out);
    for (unsigned p = 0; p < pass_table_size; p++)
        print_counters(s, pass_table[p].name, out);
}

void pass_stats_print_times(const struct pass_stats *s, struct text *out) {
    for (unsigned p = 0; p < pass_table_size; p++) {
        const struct pass_run *r = &s->run[p];
        if (r->times > 0)
            text_fmt(out, "%10.3f ms  %s (%llu runs, %llu changed something)\n", r->seconds * 1e3,
                     pass_table[p].name, (unsigned long long)r->times,
                     (unsigned long long)r->changes);
    }
}

void pass_count(struct pass_env *env, const char *name, uint64_t n) {
    if (env->stats)
        counter_of(env->stats, env->pass, name)->n += n;
}
