/* One workload as a C competitor reads it from the file that workloads.py wrote. */
#ifndef BENCH_PROBLEM_H
#define BENCH_PROBLEM_H

#include <stdbool.h>

enum { MAX_SIZES = 8, MAX_LAYERS = MAX_SIZES - 1, MAX_BATCHES = 8 };

typedef enum { SIGMOID, RELU, TANH } activation;
typedef enum { MSE, CROSS_ENTROPY } loss_kind; /* mse of a sigmoid output; softmax cross-entropy */
typedef enum { SGD, MOMENTUM, ADAM } optimizer_kind;

typedef struct problem {
    char name[32];
    bool hvp; /* a Hessian-vector product instead of a training step */
    bool f64;
    int batch, n_batches, n_layers;
    int size[MAX_SIZES]; /* size[0] inputs, size[n_layers] outputs */
    activation hidden;
    loss_kind loss;
    optimizer_kind optimizer;
    double lr, beta1, beta2, eps; /* beta1 is also the momentum */
    /* Pointers into the one block `numbers`. Weights are [in, out]. */
    const float *weight[MAX_LAYERS], *bias[MAX_LAYERS];
    const float *weight_direction[MAX_LAYERS], *bias_direction[MAX_LAYERS]; /* hvp only */
    const float *x[MAX_BATCHES];                                            /* [batch, in] */
    const float *target[MAX_BATCHES]; /* [batch, out] for mse, [batch] class numbers otherwise */
    float *numbers;
} problem;

/* Reads DIR/NAME.problem. Returns NULL when it cannot be read or is not such a file. */
problem *problem_read(const char *dir, const char *name);
void problem_free(problem *p);

static inline int inputs(const problem *p) { return p->size[0]; }
static inline int outputs(const problem *p) { return p->size[p->n_layers]; }

/* Numbers in the targets of one batch. */
static inline int target_count(const problem *p) {
    return p->loss == MSE ? p->batch * outputs(p) : p->batch;
}

#endif
