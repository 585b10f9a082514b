/* mapped.c: maps the file of a large source, and outlives its loss.
 *
 *   | page | page | page | page |      the file, private
 *                        | ..NUL|      its last page, written to: a copy; behind a file of whole
 *                               |NUL|  pages, one of its own
 *
 * A page of a mapping that the file does not have any more, since somebody made it shorter, is a
 * SIGBUS to who reads it, in whatever phase: parsing, a message, the report of a profile.  The
 * handler puts empty memory there, notes it and lets the access happen again, so nothing that is
 * under way has to know: a run that only wanted to say where it ended goes on and keeps its output.
 * Whoever needs the text asks afterwards (mapped_lost), and main.c makes it an error at the end.
 * A disk that fails is told in the same way by the kernel, and is no different here.  The thread
 * that compiles has all signals blocked, and reads no text.
 */
#include "frontend/mapped.h"

#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <unistd.h>

#include "runtime/rt.h"

static struct {
    uint8_t *text; /* NULL: nothing is mapped */
    size_t bytes, page;
    atomic_bool lost;
    struct sigaction before;
} mapped;

/* Replaces what is gone, from the page of this address on. */
static bool mapped_blank(uintptr_t address) {
    uintptr_t text = (uintptr_t)mapped.text;
    if (mapped.text == NULL || address - text >= mapped.bytes)
        return false;
    size_t from = (address - text) / mapped.page * mapped.page;
    if (mmap(mapped.text + from, mapped.bytes - from, PROT_READ | PROT_WRITE,
             MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED) {
        static const char message[] =
            "bfopt: error: the program became shorter while it was read\n";
        (void)rt_write_all(STDERR_FILENO, message, sizeof message - 1);
        _exit(1);
    }
    atomic_store(&mapped.lost, true);
    return true;
}

static void mapped_on_fault(int signal_number, siginfo_t *info, void *context) {
    (void)context;
    if (info->si_code > 0 && mapped_blank((uintptr_t)info->si_addr))
        return;
    /* Not ours: what was there before gets it. */
    sigaction(signal_number, &mapped.before, NULL);
    if (info->si_code <= 0)
        raise(signal_number);
}

/* The file over the start of memory of our own, whose last byte is behind the text. */
static bool mapped_place(int fd, size_t n) {
    mapped.page = (size_t)sysconf(_SC_PAGESIZE);
    mapped.bytes = (n / mapped.page + 1) * mapped.page;
    uint8_t *p =
        mmap(NULL, mapped.bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED)
        return false;
    if (mmap(p, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED, fd, 0) == MAP_FAILED) {
        munmap(p, mapped.bytes);
        return false;
    }
    madvise(p, n, MADV_SEQUENTIAL); /* read ahead; does no harm if it fails */
    mapped.text = p;
    return true;
}

uint8_t *mapped_open(int fd, size_t n) {
    if (mapped.text != NULL || !mapped_place(fd, n))
        return NULL;
    struct sigaction action = {.sa_sigaction = mapped_on_fault,
                               .sa_flags = SA_SIGINFO | SA_ONSTACK};
    sigemptyset(&action.sa_mask);
    atomic_store(&mapped.lost, false);
    if (sigaction(SIGBUS, &action, &mapped.before) != 0) {
        munmap(mapped.text, mapped.bytes);
        mapped.text = NULL;
        return NULL;
    }
    mapped.text[n] = '\0'; /* may fault already */
    return mapped.text;
}

void mapped_close(void) {
    sigaction(SIGBUS, &mapped.before, NULL);
    munmap(mapped.text, mapped.bytes);
    mapped.text = NULL;
}

bool mapped_lost(void) {
    return atomic_load(&mapped.lost);
}
