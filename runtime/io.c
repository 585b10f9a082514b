/* io.c: the program's input and output: one buffer each way and a defined path for every error.
 *
 * Output is buffered until the buffer is full, the program waits for input, it ends, or, on a
 * terminal, a line ends.  An error sets rt->end and makes the slow path return nonzero, which every
 * engine answers by ending the run.
 * Depends on libc only: it is also part of standalone programs.
 */
#include "runtime/rt.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

/* The signal that came while a flush was under way: rt_write_all then gives up. */
static volatile sig_atomic_t io_interrupted;
/* A flush is under way: the handler must not write the same bytes again. */
static volatile sig_atomic_t io_flushing;

/* Waits until fd is ready: descriptors shared with others may be non-blocking. */
static void io_wait(int fd, short events) {
    struct pollfd p = {.fd = fd, .events = events};
    poll(&p, 1, -1);
}

int rt_write_all(int fd, const void *p, size_t n) {
    const uint8_t *at = p;
    while (n > 0) {
        if (io_interrupted)
            return EINTR;
        ssize_t done = write(fd, at, n);
        if (done >= 0) {
            at += done;
            n -= (size_t)done;
        } else if (errno == EAGAIN) {
            io_wait(fd, POLLOUT);
        } else if (errno != EINTR) {
            return errno;
        }
    }
    return 0;
}

/* Writes n bytes, the whole buffer or bytes that follow an empty one; then the buffer is empty.
 * After an error nothing more is written.  Order matters: whoever interrupts this either finds
 * io_flushing set, and its mark is found below, or finds an empty buffer. */
static int io_write(struct rt *rt, const uint8_t *p, size_t n) {
    int error = rt->end_errno;
    if (rt->end != RUN_OUT_ERROR) {
        io_flushing = 1;
        error = rt_write_all(rt->out_fd, p, n);
    }
    rt->out_count += n;
    rt->out_pos = rt->out_buf;
    io_flushing = 0;
    if (io_interrupted || rt->asked) {
        rt->end = RUN_INTERRUPTED;
        rt->end_errno = io_interrupted ? io_interrupted : rt->asked;
        io_interrupted = 0;
        return 1;
    }
    if (error == 0)
        return 0;
    rt->end = RUN_OUT_ERROR;
    rt->end_errno = error;
    return 1;
}

int rt_flush(struct rt *rt) {
    size_t n = (size_t)(rt->out_pos - rt->out_buf);
    if (n == 0)
        return rt->end == RUN_OUT_ERROR;
    return io_write(rt, rt->out_buf, n);
}

/* The slow path of `.`: the buffer is full, or output goes to a terminal. */
static int io_out_byte(struct rt *rt, uint32_t byte) {
    if (rt->out_pos == rt->out_buf + RT_OUT_SIZE && rt_flush(rt) != 0)
        return 1;
    *rt->out_pos++ = (uint8_t)byte;
    return rt->out_tty && (uint8_t)byte == '\n' ? rt_flush(rt) : 0;
}

int rt_out_bytes(struct rt *rt, const uint8_t *p, uint64_t n) {
    if (n > (uint64_t)(rt->out_buf + RT_OUT_SIZE - rt->out_pos) && rt_flush(rt) != 0)
        return 1;
    if (n > RT_OUT_SIZE)
        return io_write(rt, p, (size_t)n);
    if (n != 0)
        memcpy(rt->out_pos, p, (size_t)n);
    rt->out_pos += n;
    return rt->out_tty && n != 0 && memchr(p, '\n', (size_t)n) != NULL ? rt_flush(rt) : 0;
}

/* Fills the input buffer.  The number of bytes read, 0 at the end of input, -1 on an error or when
 * the run is asked to end. */
static ssize_t io_fill(struct rt *rt) {
    rt->in_count += (uint64_t)(rt->in_pos - rt->in_start);
    rt->in_pos = rt->in_limit = rt->in_start = rt->in_buf;
    if (rt->in_fd < 0)
        return 0;
    while (!rt->asked) {
        ssize_t n = read(rt->in_fd, rt->in_buf, RT_IN_SIZE);
        if (n >= 0) {
            rt->in_limit += n;
            return n;
        }
        if (errno == EAGAIN)
            io_wait(rt->in_fd, POLLIN);
        else if (errno != EINTR)
            return -1;
    }
    return -1;
}

/* What `,` leaves in a cell at the end of input. */
static uint64_t io_at_eof(const struct rt *rt, uint64_t old) {
    switch (rt->eof) {
    case EOF_UNCHANGED:
        return old;
    case EOF_ZERO:
        return 0;
    case EOF_MINUS_ONE:
        return UINT64_MAX >> (64 - 8 * rt->tape.cell_bytes);
    }
    return old;
}

int rt_in(struct rt *rt, uint64_t *cell) {
    if (rt->in_pos == rt->in_limit && !rt->in_eof) {
        if (rt_flush(rt) != 0)
            return 1;
        ssize_t n = io_fill(rt);
        if (n < 0) {
            rt->end = rt->asked ? RUN_INTERRUPTED : RUN_IN_ERROR;
            rt->end_errno = rt->asked ? rt->asked : errno;
            return 1;
        }
        rt->in_eof = n == 0;
    }
    if (rt->in_pos == rt->in_limit)
        *cell = io_at_eof(rt, *cell);
    else
        *cell = *rt->in_pos++;
    return 0;
}

void rt_io_init(struct rt *rt, int in_fd, int out_fd, enum eof_mode eof) {
    rt->in_fd = in_fd;
    rt->out_fd = out_fd;
    rt->eof = eof;
    rt->in_eof = false;
    rt->out_tty = isatty(out_fd) != 0;
    rt->out_pos = rt->out_buf;
    /* On a terminal the fast path sees a full buffer, so that every byte comes by io_out_byte. */
    rt->out_limit = rt->out_tty ? rt->out_buf : rt->out_buf + RT_OUT_SIZE;
    rt->in_pos = rt->in_limit = rt->in_start = rt->in_buf;
    rt->in_count = rt->out_count = 0;
    rt->out_byte = io_out_byte;
    rt->out_bytes = rt_out_bytes;
    rt->in_cell = rt_in;
    rt->end = RUN_DONE;
    rt->end_errno = 0;
    rt->can_ask = false;
    rt->asked = 0;
}

void rt_preload(struct rt *rt, const uint8_t *p, size_t n) {
    /* The buffer is only read through these pointers, never written: io_fill moves them first. */
    rt->in_start = rt->in_pos = (uint8_t *)(uintptr_t)p;
    rt->in_limit = rt->in_start + n;
}

/* ---- signals ---- */

static const int io_signal[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};
#define IO_NSIGNAL (sizeof io_signal / sizeof io_signal[0])
static struct sigaction io_before[IO_NSIGNAL];
static struct rt *io_rt;

/* Generated code looks at no flag, so the handler ends the process itself, unless somebody else
 * sees to it that the run ends.  out_pos is always consistent: it moves after the byte it passes
 * was stored. */
static void io_on_signal(int signal_number) {
    bool ask = io_rt->can_ask && !io_rt->asked;
    if (ask)
        io_rt->asked = signal_number;
    if (io_flushing && !io_interrupted) {
        /* The interrupted write returns to rt_write_all, which gives up. */
        io_interrupted = signal_number;
        return;
    }
    if (ask)
        return;
    if (!io_flushing && io_rt->out_pos > io_rt->out_buf)
        rt_write_all(io_rt->out_fd, io_rt->out_buf, (size_t)(io_rt->out_pos - io_rt->out_buf));
    _exit(128 + signal_number);
}

void rt_catch_signals(struct rt *rt) {
    struct sigaction action = {.sa_handler = io_on_signal};
    sigemptyset(&action.sa_mask);
    for (size_t i = 0; i < IO_NSIGNAL; i++)
        sigaddset(&action.sa_mask, io_signal[i]);
    struct rt *old = io_rt;
    if (rt != NULL)
        io_rt = rt;
    for (size_t i = 0; i < IO_NSIGNAL; i++) {
        if (rt == NULL && old != NULL) {
            sigaction(io_signal[i], &io_before[i], NULL);
        } else if (rt != NULL && old == NULL) {
            sigaction(io_signal[i], NULL, &io_before[i]);
            if (io_before[i].sa_handler != SIG_IGN)
                sigaction(io_signal[i], &action, NULL);
        }
    }
    io_rt = rt;
}
