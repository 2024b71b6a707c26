/* The line protocol by which tools/bench talks to a competitor.
 *
 * A competitor is a process that lives through the whole benchmark, so that start-up is not counted
 * and rounds of all competitors interleave. It reads commands and answers each with one line:
 *
 *     check NAME STEPS   from the initial state, STEPS steps, each on the next batch
 *                        -> "loss L1 L2 ..."        the loss that each step computed
 *     run NAME MS        from the initial state, the first batch, for about MS milliseconds
 *                        -> "time MIN MEDIAN N"     microseconds per step, over N chunks
 *     quit
 *
 * Any command may be answered by "skip WHY" (not a workload for this competitor) or "error WHY".
 */
#ifndef BENCH_PROTOCOL_H
#define BENCH_PROTOCOL_H

#include "problem.h"

/* How a competitor does one kind of workload. */
typedef struct competitor {
    /* Makes whatever the workload needs; NULL on failure. The problem outlives it. */
    void *(*open)(const problem *p);
    /* Back to the initial weights and a fresh optimizer. */
    void (*reset)(void *state);
    /* The following steps use this batch. */
    void (*select)(void *state, int batch);
    /* n steps. A Hessian-vector product moves on to the next batch by itself after each. */
    void (*steps)(void *state, int n);
    /* The loss that the last step computed; for a Hessian-vector product vᵀ H v. */
    double (*loss)(void *state);
    void (*close)(void *state);
} competitor;

/* Serves the protocol until "quit" or end of input. Arguments: --data DIR --threads N. `choose`
 * returns how a workload is done, NULL when it is not. */
int protocol_serve(int argc, char **argv, const competitor *(*choose)(const problem *p));

/* The thread count from the command line, set before the first `open`. */
extern int protocol_threads;

#endif
