/* test_runtime.c: tape, faults, input and output, memory and text. */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runtime/alloc.h"
#include "runtime/code_memory.h"
#include "runtime/rt.h"
#include "runtime/sandbox.h"
#include "runtime/text.h"

static struct rt rt;

/* ---- tape ---- */

Test(tape, is_whole_pages_of_zero_between_guards) {
    struct tape t;
    cr_assert(tape_map(&t, 30000, 1, 0, true));
    cr_assert_eq(tape_cells(&t), 32768);
    cr_assert_eq(t.guard, UINT64_C(2) << 30);
    for (uint64_t i = 0; i < t.bytes; i++)
        cr_assert_eq(t.base[i], 0);
    tape_unmap(&t);
    cr_assert_null(t.base);
}

Test(tape, rounds_in_cells) {
    cr_assert_eq(tape_round(1, 1), 4096);
    cr_assert_eq(tape_round(4097, 1), 8192);
    cr_assert_eq(tape_round(1, 8), 512);
    cr_assert_eq(tape_round(512, 8), 512);
    cr_assert_eq(tape_round(0, 4), 1024);
    cr_assert_eq(tape_round(UINT64_MAX, 8), UINT64_MAX);
}

Test(tape, guards_grow_by_the_drift) {
    struct tape t;
    cr_assert(tape_map(&t, 1, 2, (UINT64_C(1) << 30) + 1, true));
    cr_assert_geq(t.guard, (UINT64_C(3) << 30) + 1);
    tape_unmap(&t);
    cr_assert(tape_map(&t, 1, 1, UINT64_MAX, true));
    cr_assert_eq(t.guard, 0, "no guard is that large");
    tape_unmap(&t);
}

Test(tape, refuses_what_cannot_be) {
    struct tape t;
    cr_assert_not(tape_map(&t, UINT64_C(1) << 47, 8, 0, true));
}

/* The sanitizer's own memory does not fit into the limit. */
#ifdef __SANITIZE_ADDRESS__
#define NEEDS_LIMIT .disabled = true
#else
#define NEEDS_LIMIT .disabled = false
#endif

Test(tape, falls_back_when_address_space_is_short, NEEDS_LIMIT) {
    struct tape t;
    struct rlimit limit = {.rlim_cur = UINT64_C(1) << 30, .rlim_max = UINT64_C(1) << 30};
    cr_assert_eq(setrlimit(RLIMIT_AS, &limit), 0);
    cr_assert(tape_map(&t, 4096, 1, 0, true));
    cr_assert_eq(t.guard, UINT64_C(32) << 20);
    tape_unmap(&t);
    cr_assert(tape_map(&t, 4096, 1, UINT64_C(1) << 29, true));
    cr_assert_eq(t.guard, 0);
    t.base[0] = t.base[4095] = 1;
    tape_unmap(&t);
    cr_assert_not(tape_map(&t, UINT64_C(2) << 30, 1, 0, true));
}

/* ---- faults ---- */

/* int f(struct rt *, const uint8_t *address): reads the byte at the address; 0, or 1 by way of the
 * exit stub. */
static const uint8_t read_byte[] = {
    0x53,                         /*  0  push rbx */
    0x48, 0x89, 0xA7, 0, 0, 0, 0, /*  1  mov [rdi + saved_sp], rsp */
    0x50,                         /*  8  push rax: the stub must not depend on rsp */
    0x8A, 0x06,                   /*  9  mov al, [rsi] */
    0x58,                         /* 11  pop rax */
    0x31, 0xC0,                   /* 12  xor eax, eax */
    0x5B,                         /* 14  pop rbx */
    0xC3,                         /* 15  ret */
    0xB8, 1,    0,    0, 0,       /* 16  exit stub: mov eax, 1 */
    0x5B,                         /* 21  pop rbx */
    0xC3,                         /* 22  ret */
};
#define SITE 9
#define EXIT 16
typedef int read_byte_fn(struct rt *, const uint8_t *);

static read_byte_fn *make_code(void) {
    uint8_t code[sizeof read_byte];
    uint32_t at = offsetof(struct rt, saved_sp);
    memcpy(code, read_byte, sizeof code);
    memcpy(code + 4, &at, sizeof at);
    void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    cr_assert_neq(p, MAP_FAILED);
    memcpy(p, code, sizeof code);
    cr_assert_eq(mprotect(p, 4096, PROT_READ | PROT_EXEC), 0);
    return (read_byte_fn *)p;
}

/* Reads the byte `offset` bytes from cell 0 in code that has its site registered at `site`. */
static int try_read(unsigned cell_bytes, int64_t offset, uint32_t site) {
    read_byte_fn *f = make_code();
    struct trap_site sites[] = {{0, 1}, {4, 2}, {site, 77}, {100, 3}};
    struct fault_unit unit = {
        (const uint8_t *)f, sizeof read_byte, sites, 4, (const uint8_t *)f + EXIT, NULL};
    cr_assert(tape_map(&rt.tape, 4096 / cell_bytes, cell_bytes, 0, true));
    cr_assert(fault_install(&rt));
    fault_add(&unit);
    int result = f(&rt, (uint8_t *)((uintptr_t)rt.tape.base + (uintptr_t)offset));
    fault_remove();
    tape_unmap(&rt.tape);
    return result;
}

Test(fault, inside_the_tape_is_none) {
    cr_assert_eq(try_read(1, 0, SITE), 0);
    cr_assert_eq(try_read(1, 4095, SITE), 0);
    cr_assert_eq(rt.end, RUN_DONE);
}

Test(fault, left_of_the_tape) {
    cr_assert_eq(try_read(1, -1, SITE), 1);
    cr_assert_eq(rt.end, RUN_OFF_TAPE);
    cr_assert_eq(rt.end_src, 77);
    cr_assert_eq(rt.end_cell, -1);
}

Test(fault, right_of_the_tape) {
    cr_assert_eq(try_read(1, 4096, SITE), 1);
    cr_assert_eq(rt.end_cell, 4096);
}

Test(fault, counts_wide_cells) {
    cr_assert_eq(try_read(4, -4, SITE), 1);
    cr_assert_eq(rt.end_cell, -1);
    cr_assert_eq(try_read(4, -5, SITE), 1);
    cr_assert_eq(rt.end_cell, -2);
    cr_assert_eq(try_read(8, 4096 + 8, SITE), 1);
    cr_assert_eq(rt.end_cell, 513);
}

Test(fault, at_the_ends_of_the_reservation) {
    cr_assert_eq(try_read(1, -(INT64_C(2) << 30), SITE), 1);
    cr_assert_eq(rt.end_cell, -(INT64_C(2) << 30));
    cr_assert_eq(try_read(1, 4096 + (INT64_C(2) << 30) - 1, SITE), 1);
}

Test(fault, can_be_taken_again_and_again) {
    for (int i = 0; i < 1000; i++)
        cr_assert_eq(try_read(1, -1 - i, SITE), 1);
    cr_assert_eq(rt.end_cell, -1000);
}

Test(fault, at_an_unknown_instruction_is_a_crash, .signal = SIGSEGV) {
    try_read(1, -1, SITE + 1);
}

Test(fault, at_an_address_that_cannot_be_is_a_crash, .signal = SIGSEGV) {
    try_read(1, INT64_MIN, SITE);
}

Test(fault, outside_the_code_is_a_crash, .signal = SIGSEGV) {
    struct trap_site site = {0, 0};
    struct fault_unit unit = {read_byte, 1, &site, 1, read_byte, NULL};
    cr_assert(tape_map(&rt.tape, 1, 1, 0, true));
    cr_assert(fault_install(&rt));
    fault_add(&unit);
    *(volatile uint8_t *)(rt.tape.base - 1) = 1;
}

Test(fault, sent_by_somebody_ends_the_process, .signal = SIGSEGV) {
    struct trap_site site = {0, 0};
    struct fault_unit unit = {read_byte, 1, &site, 1, read_byte, NULL};
    cr_assert(fault_install(&rt));
    fault_add(&unit);
    raise(SIGSEGV);
}

Test(fault, gives_back_what_it_took) {
    struct sigaction before, after;
    stack_t stack_before, stack_after;
    sigaction(SIGSEGV, NULL, &before);
    sigaltstack(NULL, &stack_before);
    cr_assert_eq(try_read(1, -1, SITE), 1);
    sigaction(SIGSEGV, NULL, &after);
    sigaltstack(NULL, &stack_after);
    cr_assert_eq(before.sa_sigaction, after.sa_sigaction);
    cr_assert_eq(stack_before.ss_sp, stack_after.ss_sp);
}

Test(fault, is_removed_once) {
    struct sigaction before, after;
    sigaction(SIGSEGV, NULL, &before);
    fault_remove();
    cr_assert(fault_install(&rt));
    fault_remove();
    fault_remove();
    sigaction(SIGSEGV, NULL, &after);
    cr_assert_eq(before.sa_sigaction, after.sa_sigaction);
}

/* ---- input and output ---- */

static int pipe_in, pipe_out; /* what the test reads of the program, and writes to it */

static void make_pipes(enum eof_mode eof) {
    int out[2], in[2];
    cr_assert_eq(pipe(out), 0);
    cr_assert_eq(pipe(in), 0);
    pipe_in = out[0];
    pipe_out = in[1];
    rt.tape.cell_bytes = 2;
    rt_io_init(&rt, in[0], out[1], eof);
}

static size_t written(uint8_t *p, size_t cap) {
    fcntl(pipe_in, F_SETFL, O_NONBLOCK);
    ssize_t n = read(pipe_in, p, cap);
    return n < 0 ? 0 : (size_t)n;
}

Test(io, output_waits_for_the_flush) {
    uint8_t got[16];
    make_pipes(EOF_UNCHANGED);
    cr_assert_eq(rt_out(&rt, 'a'), 0);
    cr_assert_eq(rt_out_bytes(&rt, (const uint8_t *)"bc\n", 3), 0);
    cr_assert_eq(written(got, sizeof got), 0);
    cr_assert_eq(rt_flush(&rt), 0);
    cr_assert_eq(written(got, sizeof got), 4);
    cr_assert_arr_eq(got, "abc\n", 4);
    cr_assert_eq(rt_bytes_out(&rt), 4);
}

Test(io, output_is_flushed_before_input_is_read) {
    uint8_t got[16];
    uint64_t cell = 0;
    make_pipes(EOF_UNCHANGED);
    cr_assert_eq(write(pipe_out, "xy", 2), 2);
    rt_out(&rt, '?');
    cr_assert_eq(rt_in(&rt, &cell), 0);
    cr_assert_eq(cell, 'x');
    cr_assert_eq(written(got, sizeof got), 1);
    rt_out(&rt, '!');
    cr_assert_eq(rt_in(&rt, &cell), 0);
    cr_assert_eq(cell, 'y');
    cr_assert_eq(written(got, sizeof got), 0, "the second byte was there already");
    cr_assert_eq(rt_bytes_in(&rt), 2);
}

Test(io, full_buffers_are_written_in_order) {
    static uint8_t got[3 * RT_OUT_SIZE];
    int fd = memfd_create("out", 0);
    rt_io_init(&rt, -1, fd, EOF_ZERO);
    static uint8_t large[RT_OUT_SIZE + 1];
    memset(large, 'b', sizeof large);
    for (int i = 0; i < RT_OUT_SIZE + 5; i++)
        rt_out(&rt, 'a');
    rt_out_bytes(&rt, large, sizeof large);
    rt_out_bytes(&rt, large, 0);
    rt_out(&rt, 'c');
    cr_assert_eq(rt_flush(&rt), 0);
    size_t all = RT_OUT_SIZE + 5 + sizeof large + 1;
    cr_assert_eq(pread(fd, got, sizeof got, 0), (ssize_t)all);
    for (size_t i = 0; i < all; i++)
        cr_assert_eq(got[i], i < RT_OUT_SIZE + 5 ? 'a' : i + 1 < all ? 'b' : 'c');
    cr_assert_eq(rt_bytes_out(&rt), all);
}

Test(io, end_of_input_has_three_forms) {
    static const uint64_t want[] = {7, 0, 0xFFFF};
    for (int mode = EOF_UNCHANGED; mode <= EOF_MINUS_ONE; mode++) {
        uint64_t cell = 7;
        make_pipes((enum eof_mode)mode);
        close(pipe_out);
        cr_assert_eq(rt_in(&rt, &cell), 0);
        cr_assert_eq(cell, want[mode]);
        cell = 7;
        cr_assert_eq(rt_in(&rt, &cell), 0);
        cr_assert_eq(cell, want[mode], "the end of input stays");
        cr_assert_eq(rt_bytes_in(&rt), 0);
    }
}

Test(io, preloaded_bytes_come_first) {
    uint64_t cell = 0;
    make_pipes(EOF_ZERO);
    rt_preload(&rt, (const uint8_t *)"ab", 2);
    cr_assert_eq(write(pipe_out, "c", 1), 1);
    close(pipe_out);
    const char *want = "abc";
    for (int i = 0; i < 4; i++) {
        cr_assert_eq(rt_in(&rt, &cell), 0);
        cr_assert_eq(cell, (uint8_t)want[i]);
    }
    cr_assert_eq(rt_bytes_in(&rt), 3);
}

Test(io, a_failed_write_ends_the_run) {
    rt_io_init(&rt, -1, open("/dev/full", O_WRONLY), EOF_ZERO);
    rt_out(&rt, 'a');
    cr_assert_neq(rt_flush(&rt), 0);
    cr_assert_eq(rt.end, RUN_OUT_ERROR);
    cr_assert_eq(rt.end_errno, ENOSPC);
    cr_assert_neq(rt_flush(&rt), 0, "it stays failed");
}

Test(io, behind_a_failed_write_nothing_is_written) {
    int closed[2];
    uint8_t got[4];
    make_pipes(EOF_ZERO);
    int out = rt.out_fd;
    cr_assert_eq(pipe(closed), 0);
    close(closed[1]);
    rt.out_fd = closed[1];
    rt_out(&rt, 'a');
    cr_assert_neq(rt_flush(&rt), 0);
    cr_assert_neq(rt_flush(&rt), 0, "still");
    rt.out_fd = out;
    rt_out(&rt, 'b');
    cr_assert_neq(rt_flush(&rt), 0, "still");
    cr_assert_eq(written(got, sizeof got), 0);
    cr_assert_eq(rt.end, RUN_OUT_ERROR);
    cr_assert_eq(rt.end_errno, EBADF);
    static const uint8_t large[RT_OUT_SIZE + 1];
    rt_out(&rt, 'c');
    cr_assert_neq(rt_out_bytes(&rt, large, sizeof large), 0);
}

Test(io, bytes_to_a_terminal_go_out_with_a_newline) {
    uint8_t got[8];
    make_pipes(EOF_ZERO);
    rt.out_tty = true;
    cr_assert_eq(rt_out_bytes(&rt, (const uint8_t *)"", 0), 0);
    cr_assert_eq(rt_out_bytes(&rt, (const uint8_t *)"ab", 2), 0);
    cr_assert_eq(written(got, sizeof got), 0);
    cr_assert_eq(rt_out_bytes(&rt, (const uint8_t *)"c\nd", 3), 0);
    cr_assert_eq(written(got, sizeof got), 5);
    cr_assert_arr_eq(got, "abc\nd", 5);
}

Test(io, signals_are_given_back) {
    struct sigaction before, during, after;
    signal(SIGHUP, SIG_IGN);
    sigaction(SIGTERM, NULL, &before);
    rt_catch_signals(NULL); /* of nobody */
    sigaction(SIGTERM, NULL, &during);
    cr_assert_eq(before.sa_handler, during.sa_handler);
    rt_catch_signals(&rt);
    rt_catch_signals(&rt);
    sigaction(SIGTERM, NULL, &during);
    cr_assert_neq(before.sa_handler, during.sa_handler);
    sigaction(SIGHUP, NULL, &during);
    cr_assert_eq(during.sa_handler, SIG_IGN);
    rt_catch_signals(NULL);
    sigaction(SIGTERM, NULL, &after);
    cr_assert_eq(before.sa_handler, after.sa_handler);
}

Test(io, a_failed_read_ends_the_run) {
    uint64_t cell = 0;
    rt_io_init(&rt, open("/", O_RDONLY), 1, EOF_ZERO);
    cr_assert_neq(rt_in(&rt, &cell), 0);
    cr_assert_eq(rt.end, RUN_IN_ERROR);
    cr_assert_eq(rt.end_errno, EISDIR);
}

Test(io, non_blocking_descriptors_are_waited_for) {
    static uint8_t large[1 << 20];
    make_pipes(EOF_ZERO);
    fcntl(rt.out_fd, F_SETFL, O_NONBLOCK);
    pid_t reader = fork();
    if (reader == 0) {
        size_t n = 0;
        ssize_t got;
        close(rt.out_fd);
        while ((got = read(pipe_in, large, sizeof large)) > 0)
            n += (size_t)got;
        _exit(n == sizeof large ? 0 : 1);
    }
    cr_assert_eq(rt_out_bytes(&rt, large, sizeof large), 0);
    close(rt.out_fd);
    int status;
    waitpid(reader, &status, 0);
    cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

Test(io, a_signal_writes_out_what_is_buffered) {
    uint8_t got[16];
    make_pipes(EOF_ZERO);
    pid_t child = fork();
    if (child == 0) {
        rt_catch_signals(&rt);
        rt_out_bytes(&rt, (const uint8_t *)"partly", 6);
        raise(SIGINT);
        _exit(99);
    }
    int status;
    waitpid(child, &status, 0);
    cr_assert(WIFEXITED(status));
    cr_assert_eq(WEXITSTATUS(status), 130);
    cr_assert_eq(written(got, sizeof got), 6);
}

Test(io, a_signal_interrupts_a_write_that_waits) {
    static uint8_t large[1 << 20];
    make_pipes(EOF_ZERO);
    pid_t child = fork();
    if (child == 0) {
        rt_catch_signals(&rt);
        alarm(10);
        int failed = rt_out_bytes(&rt, large, sizeof large);
        _exit(failed != 0 && rt.end == RUN_INTERRUPTED ? rt.end_errno : 99);
    }
    usleep(200000);
    kill(child, SIGTERM);
    int status;
    waitpid(child, &status, 0);
    cr_assert(WIFEXITED(status));
    cr_assert_eq(WEXITSTATUS(status), SIGTERM);
}

/* The child's run can be asked to end: `until` says what it does till then, true if it was ended.
 */
static int asked_in(bool (*until)(void)) {
    pid_t child = fork();
    if (child == 0) {
        rt_catch_signals(&rt);
        rt.can_ask = true;
        alarm(10);
        rt_out_bytes(&rt, (const uint8_t *)"partly", 6);
        _exit(until() && rt.end == RUN_INTERRUPTED ? rt.end_errno : 99);
    }
    usleep(200000);
    kill(child, SIGTERM);
    int status;
    waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static bool until_input(void) {
    uint64_t cell = 0;
    return rt_in(&rt, &cell) != 0;
}

static bool until_a_flush(void) {
    while (!rt.asked)
        usleep(1000);
    rt_out_bytes(&rt, (const uint8_t *)" all", 4);
    return rt_flush(&rt) != 0;
}

static bool until_again(void) {
    raise(SIGHUP); /* asks; the one that comes from outside ends the process */
    pause();
    pause();
    return false;
}

Test(io, a_run_that_can_be_asked_ends_by_itself) {
    uint8_t got[16];
    make_pipes(EOF_ZERO);
    cr_assert_eq(asked_in(until_input), SIGTERM);
    cr_assert_eq(written(got, 6), 6);
    make_pipes(EOF_ZERO);
    cr_assert_eq(asked_in(until_a_flush), SIGTERM);
    cr_assert_eq(written(got, 10), 10);
    cr_assert_arr_eq(got, "partly all", 10);
    make_pipes(EOF_ZERO);
    cr_assert_eq(asked_in(until_again), 128 + SIGTERM);
    cr_assert_eq(written(got, 6), 6);
}

/* ---- memory and text ---- */

Test(alloc, grows_by_doubling_and_keeps_the_contents) {
    uint32_t cap = 0, *p = NULL;
    for (uint32_t i = 0; i < 1000; i++) {
        p = xgrow(p, &cap, i + 1, sizeof *p);
        p[i] = i;
    }
    cr_assert_eq(cap, 1024);
    for (uint32_t i = 0; i < 1000; i++)
        cr_assert_eq(p[i], i);
    xfree(p);
}

/* `argument`: how much is wanted, then whether it was there. */
static void want_memory(void *argument) {
    volatile size_t *wanted = argument;
    xfree(xalloc(1, *wanted));
    *wanted = 0;
}

Test(alloc, an_attempt_ends_where_memory_does) {
    for (int i = 0; i < 3; i++) {
        size_t much = PTRDIFF_MAX, little = 1;
        cr_assert_not(alloc_attempt(want_memory, &much));
        cr_assert_eq(much, PTRDIFF_MAX);
        cr_assert(alloc_attempt(want_memory, &little));
        cr_assert_eq(little, 0);
    }
}

Test(alloc, behind_an_attempt_it_is_the_end_of_the_process, .exit_code = 1) {
    size_t little = 1, much = PTRDIFF_MAX;
    cr_assert(alloc_attempt(want_memory, &little));
    want_memory(&much);
}

Test(alloc, an_overflowing_size_is_out_of_memory, .exit_code = 1) {
    xalloc(SIZE_MAX / 2, 3);
}

Test(alloc, more_elements_than_an_index_can_count_is_out_of_memory, .exit_code = 1) {
    uint32_t cap = UINT32_MAX;
    xgrow(NULL, &cap, (uint64_t)UINT32_MAX + 1, 1);
}

Test(text, formats_short_and_long_pieces) {
    struct text t = {0};
    for (int i = 0; i < 100; i++)
        text_fmt(&t, "%d,", i % 10);
    text_fmt(&t, "%0500d", 7);
    text_add(&t, "\0x", 2);
    cr_assert_eq(t.len, 702);
    cr_assert_eq(t.p[t.len], '\0');
    cr_assert_eq(t.p[699], '7');
    cr_assert_eq(t.p[701], 'x');
    text_free(&t);
    cr_assert_null(t.p);
}

/* ---- what a run gives up ---- */

/* How a child ends that enters the sandbox and does this; -1: it has not come back from a signal.
 */
static int in_sandbox(void (*act)(void)) {
    pid_t child = fork();
    if (child == 0) {
        if (!sandbox_enter())
            _exit(99);
        act();
        _exit(0);
    }
    int status;
    cr_assert_eq(waitpid(child, &status, 0), child);
    return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

static void write_nothing(void) {
    (void)!write(STDOUT_FILENO, "", 0);
}
static void read_nothing(void) {
    char c;
    (void)!read(STDIN_FILENO, &c, 0);
}
static void map_data(void) {
    if (mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED)
        _exit(1);
}
static void map_code(void) {
    mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}
static uint64_t page[512 * 2] __attribute__((aligned(4096)));
static void protect_code(void) {
    mprotect(page, 4096, PROT_READ | PROT_EXEC);
}
static void open_file(void) {
    open("/dev/null", O_RDONLY);
}
static void run_program(void) {
    execl("/bin/true", "true", (char *)NULL);
}
static void make_process(void) {
    (void)fork();
}
static void make_socket(void) {
    (void)syscall(SYS_socket, 1, 1, 0);
}
static void send_signal(void) {
    kill(getppid(), 0);
}

/* The leak checker at exit of a child makes other calls. */
#if defined(__SANITIZE_ADDRESS__) || !defined(__x86_64__)
#define NEEDS_SANDBOX .disabled = true
#else
#define NEEDS_SANDBOX .disabled = false
#endif

Test(sandbox, lets_a_run_read_write_and_end, NEEDS_SANDBOX) {
    cr_assert_eq(in_sandbox(write_nothing), 0);
    cr_assert_eq(in_sandbox(read_nothing), 0);
    cr_assert_eq(in_sandbox(map_data), 0);
}

Test(sandbox, kills_what_does_anything_else, NEEDS_SANDBOX) {
    void (*const forbidden[])(void) = {map_code,     protect_code, open_file,  run_program,
                                       make_process, make_socket,  send_signal};
    for (unsigned i = 0; i < sizeof forbidden / sizeof *forbidden; i++)
        cr_assert_eq(in_sandbox(forbidden[i]), -SIGSYS, "number %u ends with %d", i,
                     in_sandbox(forbidden[i]));
}

#if defined(__x86_64__)
/* Pieces of many sizes, over several chunks, each a function that returns its number. */
Test(code_memory, pools_keep_what_they_were_given) {
    enum { N = 400 };
    static const uint8_t start[] = {0xb8, 0, 0, 0, 0, 0xc3}; /* mov eax, 0; ret */
    static uint8_t code[CODE_POOL_LARGEST + 1], *at[N];
    struct code_pool pool = {0};
    memset(code, 0xcc, sizeof code);
    memcpy(code, start, sizeof start);
    for (uint32_t i = 0; i < N; i++) {
        memcpy(code + 1, &i, sizeof i);
        at[i] = code_pool_add(&pool, code, i % 7 == 0 ? CODE_POOL_LARGEST : 6 + i);
        cr_assert_not_null(at[i]);
        cr_assert_eq((uintptr_t)at[i] % 64, 0);
    }
    cr_assert_gt(pool.nchunk, 1);
    for (uint32_t i = 0; i < N; i++) {
        uint32_t (*f)(void);
        memcpy(&f, &at[i], sizeof f);
        cr_assert_eq(f(), i);
    }
    cr_assert_null(code_pool_add(&pool, code, CODE_POOL_LARGEST + 1));
    cr_assert_not_null(code_pool_add(&pool, code, 6), "refused for good");
    code_pool_free(&pool);
    cr_assert_null(pool.chunk);
}
#endif

Test(code_memory, pools_refuse_where_there_are_no_files) {
    pid_t child = fork();
    if (child == 0) {
        struct rlimit none = {0, 0};
        struct code_pool pool = {0};
        setrlimit(RLIMIT_NOFILE, &none);
        bool refused = code_pool_add(&pool, (const uint8_t *)"", 1) == NULL && pool.refused;
        code_pool_free(&pool);
        _exit(!refused);
    }
    int status;
    cr_assert_eq(waitpid(child, &status, 0), child);
    cr_assert_eq(status, 0);
}

/* A program that finds its input closed must not read code. */
Test(code_memory, pools_leave_standard_descriptors_alone) {
    pid_t child = fork();
    if (child == 0) {
        struct code_pool pool = {0};
        close(STDIN_FILENO);
        bool added = code_pool_add(&pool, (const uint8_t *)"", 1) != NULL;
        char c;
        _exit(!added || read(STDIN_FILENO, &c, 1) != -1);
    }
    int status;
    cr_assert_eq(waitpid(child, &status, 0), child);
    cr_assert_eq(status, 0);
}

Test(code_memory, makes_nothing_executable_once_locked) {
    pid_t child = fork();
    if (child == 0) {
        struct code_memory c;
        if (!code_memory_map(&c, 1))
            _exit(2);
        code_memory_lock();
        bool locked = prctl(66, 0, 0, 0, 0) == 1; /* PR_GET_MDWE: kernels before 6.3 have none */
        _exit(locked && code_memory_seal(&c));
    }
    int status;
    cr_assert_eq(waitpid(child, &status, 0), child);
    cr_assert_eq(status, 0);
}

Test(code_memory, refuses_what_cannot_be) {
    struct code_memory c;
    cr_assert_not(code_memory_map(&c, 0));
    cr_assert_not(code_memory_map(&c, SIZE_MAX));
    cr_assert_not(code_memory_map(&c, PTRDIFF_MAX / 2));
    code_memory_unmap(&c);
    cr_assert_null(c.base);
    cr_assert(code_memory_map(&c, 1));
    code_memory_unmap(&c);
}

/* valgrind makes code itself. */
Test(code_memory, stays_open_under_valgrind) {
    struct code_memory c;
    setenv("LD_PRELOAD", "/usr/libexec/valgrind/vgpreload_core-amd64-linux.so", 1);
    code_memory_lock();
    cr_assert(code_memory_map(&c, 100));
    cr_assert(code_memory_seal(&c));
    code_memory_unmap(&c);
}
