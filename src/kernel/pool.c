/* The pool of threads. Work is a number of pieces that threads take one by one until none is left.
 *
 * `gate` says in one word which work there is: a number that grows with every piece of work,
 * whether threads may still enter, and how many are inside. The caller opens it, takes pieces as
 * well, closes it when none is left, and waits only for threads that are inside: one that wakes up
 * late finds the gate closed and has delayed nobody.
 *
 * One that loses its core to another process in the middle of a piece delays the caller by a time
 * slice, which is more than it saves in many pieces. So the caller keeps an account of what help
 * saves and what it waits for, and does without for a while when that does not pay. */
#include "pool.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "affinity.h"
#include "cpu.h"
#include "stopwatch.h"

enum { MAX_THREADS = 256 };

/* How long an idle thread looks for work before it sleeps: longer than what lies between two
 * products of a training step, shorter than anyone minds. */
enum { SPIN_NANOSECONDS = 50000 };

/* The account, in nanoseconds: it begins with GRACE, holds no more than MOST_SAVED, and when it is
 * overdrawn there is no help for a while: twice as long as the last rest if that ended less than its
 * own length ago. */
enum {
    GRACE = 200000,
    MOST_SAVED = 2000000,
    SHORTEST_REST = 1000000,
    LONGEST_REST = 256000000,
};

#define INSIDE UINT64_C(0xffff)
#define OPEN (UINT64_C(1) << 16)
#define NEXT_WORK (UINT64_C(1) << 17)

static struct {
    atomic_flag busy;
    _Atomic uint64_t gate;
    /* written by the caller while the gate is closed and nobody inside */
    void (*piece)(void *context, int index);
    void *context;
    int pieces;
    unsigned float_settings; /* of the caller, for the threads that help it */
    atomic_int wanted;       /* threads that may be inside at once */
    atomic_int caller_cpu;   /* where the caller was when it opened the gate */
    _Atomic uint64_t taken;  /* pieces: from the first on, + 2^32 times those from the last on */
    int made;                /* threads; this and the next two by the caller that holds `busy` */
    int64_t saved;           /* the account */
    int64_t rest;            /* how long the last one was */
    _Atomic int64_t rests_until;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    atomic_int asleep; /* changed under the lock */
} pool = {.busy = ATOMIC_FLAG_INIT,
          .saved = GRACE,
          .lock = PTHREAD_MUTEX_INITIALIZER,
          .wake = PTHREAD_COND_INITIALIZER};

static void pause_briefly(void) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

/* May a thread that has seen work number `seen` enter? */
static bool may_enter(uint64_t gate, uint64_t seen) {
    return (gate & OPEN) && gate / NEXT_WORK != seen &&
           (int)(gate & INSIDE) < atomic_load_explicit(&pool.wanted, memory_order_relaxed);
}

/* Takes the next piece from the first on, or from the last on; -1: there is none. */
static int take_piece(bool from_last) {
    const uint64_t one = from_last ? UINT64_C(1) << 32 : 1;
    uint64_t taken = atomic_load_explicit(&pool.taken, memory_order_relaxed);
    uint32_t first, last;
    do {
        first = (uint32_t)taken, last = (uint32_t)(taken >> 32);
        if (first + last >= (uint32_t)pool.pieces)
            return -1;
    } while (!atomic_compare_exchange_weak(&pool.taken, &taken, taken + one));
    return (int)(from_last ? (uint32_t)pool.pieces - 1 - last : first);
}

/* The caller begins with the first piece and those who help with the last, so that with two threads
 * most pieces find their arrays in the cache of the core that had them before. Returns how many. */
static int take_pieces(bool helps) {
    int count = 0;
    for (int i; (i = take_piece(helps)) >= 0; count++)
        pool.piece(pool.context, i);
    return count;
}

/* Looks for work for a while. */
static bool spin(uint64_t seen) {
    int64_t end = bpi_nanoseconds() + SPIN_NANOSECONDS;
    do {
        for (int i = 0; i < 32; i++) {
            if (may_enter(atomic_load(&pool.gate), seen))
                return true;
            pause_briefly();
        }
    } while (bpi_nanoseconds() < end);
    return false;
}

static void sleep_until_work(uint64_t seen) {
    pthread_mutex_lock(&pool.lock);
    atomic_fetch_add(&pool.asleep, 1);
    while (!may_enter(atomic_load(&pool.gate), seen))
        pthread_cond_wait(&pool.wake, &pool.lock);
    atomic_fetch_sub(&pool.asleep, 1);
    pthread_mutex_unlock(&pool.lock);
}

/* Enters, if the gate is still open, and remembers the work's number. */
static bool enter(uint64_t *seen) {
    uint64_t gate = atomic_load(&pool.gate);
    while (may_enter(gate, *seen))
        if (atomic_compare_exchange_weak(&pool.gate, &gate, gate + 1)) {
            *seen = gate / NEXT_WORK;
            return true;
        }
    return false;
}

/* A thread that wakes up on the CPU of the caller, where the system leaves it while the other CPUs
 * look busy, would take it from the caller: it goes elsewhere before it enters. */
static void *serve(void *unused) {
    for (uint64_t seen = 0;;) {
        if (!spin(seen))
            sleep_until_work(seen);
        bpi_leave_cpu(atomic_load_explicit(&pool.caller_cpu, memory_order_relaxed));
        if (enter(&seen)) {
            bpi_set_float_settings(pool.float_settings);
            take_pieces(true);
            atomic_fetch_sub(&pool.gate, 1);
        }
    }
    return unused;
}

/* In a child there is only the thread that forked. */
static void forget_threads(void) {
    atomic_flag_clear(&pool.busy);
    atomic_store(&pool.gate, 0);
    atomic_store(&pool.asleep, 0);
    pool.made = 0;
    pool.saved = GRACE;
    atomic_store(&pool.rests_until, 0);
    pool.lock = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;
    pool.wake = (pthread_cond_t)PTHREAD_COND_INITIALIZER;
}

static void watch_forks(void) { pthread_atfork(NULL, NULL, forget_threads); }

/* Makes threads until there are `count`, or as many as the system gives. They take no signals. */
static void make_threads(int count) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    sigset_t all, before;
    if (pool.made >= count)
        return;
    pthread_once(&once, watch_forks);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    for (pthread_t thread; pool.made < count; pool.made++) {
        if (pthread_create(&thread, NULL, serve, NULL) != 0)
            break;
        pthread_detach(thread);
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

static void open_gate(int helpers) {
    atomic_store_explicit(&pool.caller_cpu, bpi_current_cpu(), memory_order_relaxed);
    atomic_store(&pool.wanted, helpers);
    atomic_store(&pool.taken, 0);
    atomic_store(&pool.gate, (atomic_load(&pool.gate) / NEXT_WORK + 1) * NEXT_WORK | OPEN);
    if (atomic_load(&pool.asleep) == 0)
        return;
    pthread_mutex_lock(&pool.lock);
    for (int i = 0; i < helpers; i++)
        pthread_cond_signal(&pool.wake);
    pthread_mutex_unlock(&pool.lock);
}

/* Lets no more threads in and waits for those inside. */
static void close_gate(void) {
    atomic_fetch_and(&pool.gate, ~OPEN);
    for (int64_t rounds = 0; atomic_load(&pool.gate) & INSIDE; rounds++)
        if (rounds < 1000)
            pause_briefly();
        else
            sched_yield();
}

/* The time that the calling thread has been running, without that in which others had its core. */
static int64_t own_nanoseconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* Runs the pieces with help, and returns the time that this has saved: alone, the caller would have
 * worked as long on each of them as on its own. */
static int64_t run_helped(int helpers) {
    const int64_t start = bpi_nanoseconds();
    open_gate(helpers);
    const int64_t begin = own_nanoseconds();
    const int own = take_pieces(false);
    const int64_t worked = own_nanoseconds() - begin;
    close_gate();
    return own > 0 ? worked / own * pool.pieces - (bpi_nanoseconds() - start) : 0;
}

static void enter_in_account(int64_t saved) {
    pool.saved = pool.saved + saved < MOST_SAVED ? pool.saved + saved : MOST_SAVED;
    if (pool.saved >= 0)
        return;
    const int64_t now = bpi_nanoseconds(), until = atomic_load(&pool.rests_until);
    const bool soon = until != 0 && now - until < pool.rest;
    const int64_t rest = soon ? 2 * pool.rest : SHORTEST_REST;
    pool.saved = GRACE;
    pool.rest = rest < LONGEST_REST ? rest : LONGEST_REST;
    atomic_store(&pool.rests_until, now + pool.rest);
}

bool bpi_pool_rests(void) {
    const int64_t until = atomic_load_explicit(&pool.rests_until, memory_order_relaxed);
    return until != 0 && bpi_nanoseconds() < until;
}

void bpi_pool_run(int threads, int pieces, void (*piece)(void *context, int index), void *context) {
    int helpers = (threads < pieces ? threads : pieces) - 1;
    helpers = helpers < MAX_THREADS ? helpers : MAX_THREADS;
    if (helpers < 1 || atomic_flag_test_and_set(&pool.busy)) {
        for (int i = 0; i < pieces; i++)
            piece(context, i);
        return;
    }
    make_threads(helpers);
    pool.piece = piece;
    pool.context = context;
    pool.pieces = pieces;
    pool.float_settings = bpi_float_settings();
    enter_in_account(run_helped(helpers));
    atomic_flag_clear(&pool.busy);
}

/* ---- arrays in parts ------------------------------------------------------------------------- */

/* Elements of a part, and from how many on a second thread is worth waking. */
enum { PART = 32 * 1024, WORTH_THREADS = 2 * PART, MOST_PARTS = 1024 };

typedef struct sweep {
    int64_t count, size; /* elements in all, and of a part */
    void (*part)(void *context, int64_t first, int64_t n);
    void *context;
} sweep;

static void run_part(void *context, int index) {
    const sweep *s = context;
    int64_t first = index * s->size, rest = s->count - first;
    s->part(s->context, first, rest < s->size ? rest : s->size);
}

void bpi_pool_sweep(int threads, int64_t count, int64_t unit,
                    void (*part)(void *context, int64_t first, int64_t n), void *context) {
    if (count < WORTH_THREADS || bpi_pool_threads(threads) < 2) {
        part(context, 0, count);
        return;
    }
    sweep s = {count, unit <= PART ? PART / unit * unit : PART, part, context};
    while (count / s.size > MOST_PARTS)
        s.size *= 2;
    bpi_pool_run(bpi_pool_threads(threads), (int)((count + s.size - 1) / s.size), run_part, &s);
}
