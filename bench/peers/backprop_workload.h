/* A workload written as a user of backprop would, with the public header only: a training step, or
 * a Hessian-vector product. The functions are those of a competitor (protocol.h). */
#ifndef BENCH_BACKPROP_WORKLOAD_H
#define BENCH_BACKPROP_WORKLOAD_H

#include <backprop.h>

#include "problem.h"

/* To be reset before anything else; NULL when memory is short. */
void *workload_open(const problem *p, int threads);
void workload_reset(void *workload);
void workload_select(void *workload, int batch);
void workload_steps(void *workload, int n);
double workload_loss(void *workload);
void workload_close(void *workload);

/* The graph since the last reset. */
bp_graph *workload_graph(void *workload);

#endif
