/* The pool of threads: every piece runs exactly once, whoever asks, from wherever. */
#define _GNU_SOURCE /* sched_getaffinity */
#include <check.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "kernel/affinity.h"
#include "kernel/pool.h"
#include "stopwatch.h"
#include "suite.h"

enum { PIECES = 37, ROUNDS = 2000, CALLERS = 3 };

typedef struct counts {
    atomic_int ran[PIECES];
    pthread_t caller;
    atomic_int elsewhere;
} counts;

static void count_piece(void *context, int index) {
    counts *c = context;
    atomic_fetch_add(&c->ran[index], 1);
    if (!pthread_equal(pthread_self(), c->caller))
        atomic_fetch_add(&c->elsewhere, 1);
}

/* Runs the pieces; whether each ran once. */
static int all_ran_once(int threads, int pieces, int *elsewhere) {
    counts c = {.caller = pthread_self()};
    bpi_pool_run(threads, pieces, count_piece, &c);
    for (int i = 0; i < PIECES; i++)
        if (atomic_load(&c.ran[i]) != (i < pieces))
            return 0;
    if (elsewhere)
        *elsewhere += atomic_load(&c.elsewhere);
    return 1;
}

START_TEST(every_piece_runs_once_whatever_the_number_of_threads) {
    for (int round = 0; round < ROUNDS; round++)
        for (int threads = 0; threads <= 5; threads++)
            ck_assert(all_ran_once(threads, round % (PIECES + 1), NULL));
}
END_TEST

/* How often each element was in a part, and the unit of the parts. */
typedef struct swept {
    unsigned char *times;
    int64_t unit;
    atomic_int odd; /* parts that begin in the middle of a unit */
} swept;

static void count_part(void *context, int64_t first, int64_t n) {
    swept *s = context;
    for (int64_t k = first; k < first + n; k++)
        s->times[k]++; /* parts do not overlap, or the count shows it */
    if (first % s->unit != 0)
        atomic_fetch_add(&s->odd, 1);
}

START_TEST(every_element_is_swept_once) {
    static const int64_t cases[][2] = {{0, 1},       {1, 1},        {65535, 1},
                                       {65536, 1},   {100001, 7},   {300000, 32768},
                                       {65537, 701}, {40000000, 3}, {200000, 100000}};
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++)
        for (int threads = 1; threads <= 3; threads++) {
            int64_t count = cases[k][0], unit = cases[k][1];
            swept s = {.times = calloc((size_t)count + 1, 1), .unit = unit <= 32768 ? unit : 1};
            bpi_pool_sweep(threads, count, unit, count_part, &s);
            for (int64_t i = 0; i < count; i++)
                if (s.times[i] != 1)
                    ck_abort_msg("element %lld: %d times", (long long)i, s.times[i]);
            ck_assert_int_eq(s.times[count], 0);
            ck_assert_int_eq(atomic_load(&s.odd), 0);
            free(s.times);
        }
}
END_TEST

START_TEST(one_thread_means_the_caller) {
    int elsewhere = 0;
    for (int round = 0; round < ROUNDS; round++)
        ck_assert(all_ran_once(1, PIECES, &elsewhere));
    ck_assert_int_eq(elsewhere, 0);
}
END_TEST

/* Waits until both pieces are inside, which takes two threads; gives up rather than hang. */
static atomic_int inside;
static void meet(void *context, int index) {
    (void)index;
    atomic_fetch_add(&inside, 1);
    for (time_t end = time(NULL) + 20; atomic_load(&inside) < 2 && time(NULL) < end;)
        sched_yield();
    if (atomic_load(&inside) == 2)
        *(atomic_int *)context = 1;
}

START_TEST(pieces_run_at_the_same_time) {
    atomic_int met = 0;
    atomic_store(&inside, 0);
    bpi_pool_run(2, 2, meet, &met);
    ck_assert_int_eq(atomic_load(&met), 1);
}
END_TEST

/* A piece that takes 20 us on the calling thread and a hundred times as long on another one. */
static void linger(void *context, int index) {
    counts *c = context;
    count_piece(c, index);
    const bool calling = pthread_equal(pthread_self(), c->caller);
    const int64_t end = bpi_nanoseconds() + (calling ? 20000 : 2000000);
    while (bpi_nanoseconds() < end)
        ;
}

/* Few pieces, so that even the shortest rest without help is that of many runs. */
START_TEST(help_that_does_not_pay_is_not_asked_for) {
    enum { RUNS = 400, FEW = 4 };
    int helped = 0;
    for (int round = 0; round < RUNS; round++) {
        counts c = {.caller = pthread_self()};
        bpi_pool_run(bpi_pool_threads(2), FEW, linger, &c);
        helped += atomic_load(&c.elsewhere) > 0;
        for (int i = 0; i < PIECES; i++)
            ck_assert_int_eq(atomic_load(&c.ran[i]), i < FEW);
    }
    ck_assert_int_lt(helped, RUNS / 2);
    ck_assert_int_eq(bpi_pool_threads(1), 1);
}
END_TEST

static void nested(void *context, int index) {
    (void)index;
    if (!all_ran_once(4, PIECES, NULL))
        atomic_store((atomic_int *)context, 0);
}

START_TEST(a_piece_may_ask_for_threads_itself) {
    atomic_int good = 1;
    bpi_pool_run(3, 8, nested, &good);
    ck_assert_int_eq(atomic_load(&good), 1);
}
END_TEST

static void *many_rounds(void *good) {
    for (int round = 0; round < ROUNDS; round++)
        if (!all_ran_once(2 + round % 3, PIECES, NULL))
            atomic_store((atomic_int *)good, 0);
    return NULL;
}

START_TEST(several_threads_may_ask_at_once) {
    pthread_t callers[CALLERS];
    atomic_int good = 1;
    for (int i = 0; i < CALLERS; i++)
        ck_assert_int_eq(pthread_create(&callers[i], NULL, many_rounds, &good), 0);
    for (int i = 0; i < CALLERS; i++)
        pthread_join(callers[i], NULL);
    ck_assert_int_eq(atomic_load(&good), 1);
}
END_TEST

START_TEST(a_forked_child_has_a_working_pool) {
    ck_assert(all_ran_once(3, PIECES, NULL));
    pid_t child = fork();
    if (child == 0) {
        int good = 1;
        for (int round = 0; round < 100; round++)
            good = good && all_ran_once(3, PIECES, NULL);
        _exit(good ? 0 : 1);
    }
    int status;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    ck_assert(all_ran_once(3, PIECES, NULL));
}
END_TEST

#ifdef __linux__
/* Pins the thread to the CPU that it is on, and lets it go again: it stays there until it is moved.
 * The system may move it back, which it does not do often. */
START_TEST(a_thread_leaves_the_cpu_that_it_is_told_to_leave) {
    enum { TRIES = 20, MOST = 15 };
    cpu_set_t before, here, after;
    ck_assert_int_eq(sched_getaffinity(0, sizeof before, &before), 0);
    const bool others = CPU_COUNT(&before) > 1;
    int left = 0;
    for (int k = 0; k < TRIES; k++) {
        const int cpu = bpi_current_cpu();
        CPU_ZERO(&here);
        CPU_SET(cpu, &here);
        ck_assert_int_eq(sched_setaffinity(0, sizeof here, &here), 0);
        bpi_leave_cpu(cpu); /* there is no other one */
        ck_assert_int_eq(bpi_current_cpu(), cpu);
        ck_assert_int_eq(sched_setaffinity(0, sizeof before, &before), 0);
        bpi_leave_cpu(-1);
        bpi_leave_cpu(CPU_SETSIZE);
        bpi_leave_cpu(cpu);
        left += bpi_current_cpu() != cpu;
        ck_assert_int_eq(sched_getaffinity(0, sizeof after, &after), 0);
        ck_assert(CPU_EQUAL(&before, &after));
    }
    ck_assert_int_ge(left, others ? MOST : 0);
}
END_TEST
#endif

START_TEST(the_default_is_at_least_one_thread_and_at_most_the_processors) {
    ck_assert_int_ge(bpi_pool_default_threads(), 1);
    ck_assert_int_le(bpi_pool_default_threads(), (int)sysconf(_SC_NPROCESSORS_CONF));
}
END_TEST

int main(void) {
    const TTest *const tests[] = {
        every_piece_runs_once_whatever_the_number_of_threads,
        every_element_is_swept_once,
        one_thread_means_the_caller,
        pieces_run_at_the_same_time,
        help_that_does_not_pay_is_not_asked_for,
        a_piece_may_ask_for_threads_itself,
        several_threads_may_ask_at_once,
        a_forked_child_has_a_working_pool,
#ifdef __linux__
        a_thread_leaves_the_cpu_that_it_is_told_to_leave,
#endif
        the_default_is_at_least_one_thread_and_at_most_the_processors,
    };
    return run_tests("pool", NULL, NULL, 60, tests, sizeof tests / sizeof *tests);
}
