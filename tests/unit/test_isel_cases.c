/* test_isel_cases.c: instruction selection, case by case: the text files of tests/isel.
 *
 *   ; A load with one user becomes its memory operand.
 *   ; isel                                  (x86-64; or: isel check-bounds, isel vm)
 *   unit cells=8 { ... }
 *   ; ==== expect
 *   b0:
 *     add      byte [v0 + 5], 1
 *   ; ----                                  (the next case)
 *
 * Expected is the code as dumped, without the comments.  BFOPT_BLESS=1 in the environment writes
 * what came out into the files.  Each rule of both files rules.def must be used by some case. */
#include <criterion/criterion.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/vm/vm.h"
#include "backend/x64/isel.h"
#include "ir/parse.h"
#include "ir/verify.h"
#include "runtime/alloc.h"
#include "runtime/text.h"

#define EXPECT "; ==== expect\n"
#define NEXT   "; ----\n"

#define VM_RULES_MAX 64

static uint64_t hits[X64_RULE_COUNT], vm_hits[VM_RULES_MAX];
static unsigned ncases;

/* Appends the dump without its first line and without comments. */
static void put_code(struct text *out, const struct mach *m) {
    struct text dump = {0};
    mach_print(&dump, m);
    char *rest = strchr(dump.p, '\n') + 1, *line;
    while ((line = strsep(&rest, "\n")) != NULL && *line) {
        size_t len = strcspn(line, ";");
        while (len > 0 && line[len - 1] == ' ')
            len--;
        text_add(out, line, len);
        text_char(out, '\n');
    }
    text_free(&dump);
}

static bool line_is(const char *p, const char *line) {
    return strncmp(p, line, strlen(line)) == 0;
}

/* What a case asks for. */
struct header {
    bool isel, check, vm;
};

static const char *skip_header(const char *p, struct header *h) {
    for (; *p == ';'; p = strchr(p, '\n') + 1) {
        bool check = line_is(p, "; isel check-bounds\n"), vm = line_is(p, "; isel vm\n");
        if (check || vm || line_is(p, "; isel\n"))
            h->isel = true;
        else
            cr_assert(p[2] >= 'A' && p[2] <= 'Z', "unknown directive: %.40s", p);
        h->check |= check;
        h->vm |= vm;
    }
    return p;
}

static void count_vm_rules(const struct mach *m) {
    cr_assert(vm_rule_count <= VM_RULES_MAX);
    for (uint32_t b = 0; b < m->nblock; b++)
        for (uint32_t i = m->block[b].first; i < m->block[b].end; i++)
            vm_hits[m->insn[i].rule]++;
}

static struct mach *select_code(struct func *f, const struct header *h) {
    struct isel_options opt = {.check_bounds = h->check};
    struct mach *m = h->vm ? vm_select(f) : x64_select(f, &opt);
    if (h->vm)
        count_vm_rules(m);
    else
        x64_count_rules(m, hits);
    return m;
}

/* One case, text[0 .. strlen); appends what it should be to `blessed`. */
static void run_case(const char *file, const char *text, struct text *blessed) {
    struct header header = {0};
    const char *body = skip_header(text, &header), *end = strstr(body, EXPECT);
    cr_assert(header.isel && end != NULL, "%s: not a complete case: %.60s", file, text);
    struct ir_parse_error error;
    struct func *f = ir_parse(body, (size_t)(end - body), &error);
    cr_assert(f != NULL, "%s: %.60s: line %u: %s", file, text, error.line, error.message);
    struct text wrong = {0}, code = {0};
    cr_assert(ir_verify(f, &wrong), "%s: %s", file, wrong.p);
    struct mach *m = select_code(f, &header);
    put_code(&code, m);
    text_add(blessed, text, (size_t)(end - text));
    text_put(blessed, EXPECT);
    text_put(blessed, code.p);
    bool same = strcmp(end + strlen(EXPECT), code.p) == 0;
    cr_expect(same || getenv("BFOPT_BLESS"), "%s: %.70s\n--- expected\n%s--- is\n%s", file, text,
              end + strlen(EXPECT), code.p);
    ncases++;
    text_free(&code);
    mach_free(m);
    ir_free(f);
}

static char *read_file(const char *path) {
    FILE *file = fopen(path, "rb");
    cr_assert(file != NULL, "cannot read %s", path);
    struct text t = {0};
    char part[4096];
    size_t n;
    while ((n = fread(part, 1, sizeof part, file)) > 0)
        text_add(&t, part, n);
    fclose(file);
    cr_assert(t.len > 0, "%s is empty", path);
    return t.p;
}

static void write_file(const char *path, const struct text *t) {
    FILE *file = fopen(path, "wb");
    cr_assert(file != NULL && fwrite(t->p, 1, t->len, file) == t->len, "cannot write %s", path);
    fclose(file);
}

static void run_file(const char *path) {
    char *text = read_file(path), *p = text;
    struct text blessed = {0};
    while (p != NULL) {
        char *next = strstr(p, NEXT);
        if (next != NULL)
            *next = '\0';
        run_case(path, p, &blessed);
        if (next != NULL)
            text_put(&blessed, NEXT);
        p = next != NULL ? next + strlen(NEXT) : NULL;
    }
    if (getenv("BFOPT_BLESS"))
        write_file(path, &blessed);
    text_free(&blessed);
    xfree(text);
}

static void run_all(void) {
    DIR *dir = opendir(ISEL_CASES);
    cr_assert(dir != NULL, "no directory %s", ISEL_CASES);
    for (struct dirent *e; (e = readdir(dir)) != NULL;) {
        if (strstr(e->d_name, ".bfir") == NULL)
            continue;
        struct text path = {0};
        text_fmt(&path, "%s/%s", ISEL_CASES, e->d_name);
        run_file(path.p);
        text_free(&path);
    }
    closedir(dir);
}

Test(isel_cases, as_expected) {
    run_all();
    cr_expect(ncases >= 40, "only %u cases", ncases);
    for (unsigned r = 1; r < X64_RULE_COUNT; r++)
        cr_expect(hits[r] > 0, "no case uses rule %s", x64_rule_name(r));
    for (unsigned r = 1; r < vm_rule_count; r++)
        cr_expect(vm_hits[r] > 0, "no case uses rule %s of the vm", vm_rule_name[r]);
}
