/* replay.c: runs the targets on stored inputs, and on random changes of them.
 *
 *   replay [-n COUNT] [-s SEED] CORPUS     all files in CORPUS/TARGET, for each
 *   replay TARGET FILE...                  these inputs only
 *
 * A crash ends it; the input is left in the file `crash-TARGET`.  The last line is
 * `N passed, M failed`.
 */
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runtime/alloc.h"
#include "runtime/text.h"
#include "tests/fuzz/generate.h"
#include "tests/fuzz/targets.h"

#define MAX_BYTES 20000

static struct {
    const struct fuzz_target *target;
    const uint8_t *bytes;
    size_t n;
    uint64_t passed;
} now;

static void on_crash(int signal_number) {
    char name[64] = "crash-";
    strncat(name, now.target->name, 40);
    int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0666);
    if (fd >= 0)
        (void)!write(fd, now.bytes, now.n);
    static const char message[] = "replay: a target crashed; the input is in crash-TARGET\n"
                                  "0 passed, 1 failed\n";
    (void)!write(STDOUT_FILENO, message, sizeof message - 1);
    _exit(128 + signal_number);
}

static void run(const struct fuzz_target *t, const uint8_t *bytes, size_t n) {
    now.target = t;
    now.bytes = bytes;
    now.n = n;
    t->run(bytes, n);
    now.passed++;
}

static bool read_input(const char *path, struct text *out) {
    FILE *f = fopen(path, "rb");
    if (!f)
        return false;
    char buffer[4096];
    size_t n;
    while ((n = fread(buffer, 1, sizeof buffer, f)) > 0 && out->len < MAX_BYTES)
        text_add(out, buffer, n);
    fclose(f);
    return true;
}

struct corpus {
    struct text *input;
    uint32_t n, cap;
};

static int compare_names(const struct dirent **a, const struct dirent **b) {
    return strcmp((*a)->d_name, (*b)->d_name);
}

static void read_corpus(struct corpus *c, const char *dir, const char *target) {
    struct text path = {0};
    struct dirent **entry;
    text_fmt(&path, "%s/%s", dir, target);
    int n = scandir(path.p, &entry, NULL, compare_names);
    for (int i = 0; i < n; i++) {
        struct text name = {0}, input = {0};
        text_fmt(&name, "%s/%s", path.p, entry[i]->d_name);
        if (entry[i]->d_name[0] != '.' && read_input(name.p, &input)) {
            c->input = xgrow(c->input, &c->cap, (uint64_t)c->n + 1, sizeof *c->input);
            c->input[c->n++] = input;
        }
        text_free(&name);
        free(entry[i]);
    }
    if (n >= 0)
        free(entry);
    text_free(&path);
}

/* One input changed a little: bytes, stretches taken out, doubled, or put in from another one. */
static size_t mutate(uint8_t *to, const struct corpus *c, struct rng *r) {
    const struct text *a = &c->input[rng_below(r, c->n)], *b = &c->input[rng_below(r, c->n)];
    size_t n = a->len < MAX_BYTES / 2 ? a->len : MAX_BYTES / 2;
    if (n > 0)
        memcpy(to, a->p, n);
    for (unsigned k = 1 + rng_below(r, 6); k > 0; k--) {
        size_t at = n ? rng_below(r, (uint32_t)n) : 0, len = 1 + rng_below(r, 16);
        switch (rng_below(r, 5)) {
        case 0:
        case 1:
            if (n > 0)
                to[at] = (uint8_t)rng_next(r);
            break;
        case 2:
            if (at + len <= n) {
                memmove(to + at, to + at + len, n - at - len);
                n -= len;
            }
            break;
        case 3:
            if (at + len <= n && n + len <= MAX_BYTES) {
                memmove(to + at + len, to + at, n - at);
                n += len;
            }
            break;
        default: {
            size_t from = b->len ? rng_below(r, (uint32_t)b->len) : 0;
            len = len * 4 < b->len - from ? len * 4 : b->len - from;
            if (n + len <= MAX_BYTES && len > 0) {
                memmove(to + at + len, to + at, n - at);
                memcpy(to + at, b->p + from, len);
                n += len;
            }
        }
        }
    }
    return n;
}

static void run_corpus(const struct fuzz_target *t, const char *dir, uint64_t count,
                       uint64_t seed) {
    static uint8_t input[MAX_BYTES];
    struct corpus c = {0};
    struct rng r = {seed};
    read_corpus(&c, dir, t->name);
    if (c.n == 0) {
        printf("FAIL no inputs in %s/%s\n0 passed, 1 failed\n", dir, t->name);
        exit(1);
    }
    for (uint32_t i = 0; i < c.n; i++)
        run(t, (const uint8_t *)(c.input[i].p ? c.input[i].p : ""), c.input[i].len);
    for (uint64_t i = 0; i < count; i++)
        run(t, input, mutate(input, &c, &r));
    printf("%s: %u inputs, %llu changed ones\n", t->name, c.n, (unsigned long long)count);
    for (uint32_t i = 0; i < c.n; i++)
        text_free(&c.input[i]);
    xfree(c.input);
}

static const struct fuzz_target *find(const char *name) {
    for (unsigned i = 0; i < target_count; i++)
        if (strcmp(target_table[i].name, name) == 0)
            return &target_table[i];
    return NULL;
}

int main(int argc, char **argv) {
    uint64_t count = 0, seed = 1;
    setvbuf(stdout, NULL, _IOLBF, 0);
    for (int o; (o = getopt(argc, argv, "n:s:")) != -1;) {
        if (o == 'n')
            count = strtoull(optarg, NULL, 10);
        else if (o == 's')
            seed = strtoull(optarg, NULL, 10);
        else
            return 2;
    }
    static const int crashes[] = {SIGSEGV, SIGABRT, SIGBUS, SIGFPE, SIGILL};
    for (unsigned i = 0; i < sizeof crashes / sizeof *crashes; i++)
        signal(crashes[i], on_crash);
    if (optind >= argc)
        return 2;
    const struct fuzz_target *one = find(argv[optind]);
    for (int i = optind + 1; one && i < argc; i++) {
        struct text input = {0};
        if (!read_input(argv[i], &input))
            return 2;
        run(one, (const uint8_t *)(input.p ? input.p : ""), input.len);
        text_free(&input);
    }
    for (unsigned i = 0; !one && i < target_count; i++)
        run_corpus(&target_table[i], argv[optind], count, seed);
    printf("%llu passed, 0 failed\n", (unsigned long long)now.passed);
    return 0;
}
