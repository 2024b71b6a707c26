/* The fused plain loops of the hand-written training steps: activation, loss, optimizer.
 *
 * Each goes over its data once. They are compiled with -O3 -march=native -ffast-math and are
 * written so that the compiler vectorises them, calls of exp and tanh included.
 */
#ifndef BENCH_HAND_PARTS_H
#define BENCH_HAND_PARTS_H

#include "../problem.h"
#include "../real.h"

enum {
    ROW = 16,          /* classes are padded to this many, so that a row of them is one vector */
    ROWS_TOGETHER = 16 /* rows of the softmax that share a loop */
};

/* y [rows, n] = f(y + b). The costly functions run over all rows at once: only one loop's end is
 * then too short for a vector. */
static inline void bias_activation(activation f, int rows, int n, const real *restrict b,
                                   real *restrict y) {
    for (int r = 0; r < rows; r++)
        for (int i = 0; i < n; i++) {
            real z = y[r * n + i] + b[i];
            y[r * n + i] = f == RELU && !(z > 0) ? 0 : z;
        }
    if (f == SIGMOID)
        for (int i = 0; i < rows * n; i++)
            y[i] = 1 / (1 + real_exp(-y[i]));
    else if (f == TANH)
        for (int i = 0; i < rows * n; i++)
            y[i] = real_tanh(y[i]);
}

/* g [rows, n] becomes g f′, with f′ from the activation's value y; gb [n] = its sum over rows. */
static inline void activation_gradient(activation f, int rows, int n, const real *restrict y,
                                       real *restrict g, real *restrict gb) {
    for (int i = 0; i < n; i++)
        gb[i] = 0;
    for (int r = 0; r < rows; r++, y += n, g += n) {
        if (f == RELU)
            for (int i = 0; i < n; i++)
                gb[i] += g[i] = y[i] > 0 ? g[i] : 0;
        else if (f == SIGMOID)
            for (int i = 0; i < n; i++)
                gb[i] += g[i] *= y[i] * (1 - y[i]);
        else
            for (int i = 0; i < n; i++)
                gb[i] += g[i] *= 1 - y[i] * y[i];
    }
}

/* Mean squared error of sigmoid(z + b), forward and backward in one pass: z [rows, n] becomes the
 * gradient of the loss by z, gb its sum over rows. Returns the loss. */
static inline real mse_of_sigmoid(int rows, int n, const real *restrict b, const real *restrict t,
                                  real *restrict z, real *restrict gb) {
    real sum = 0, scale = (real)2 / (real)(rows * n);
    for (int i = 0; i < n; i++)
        gb[i] = 0;
    for (int r = 0; r < rows; r++, z += n, t += n)
        for (int i = 0; i < n; i++) {
            real y = 1 / (1 + real_exp(-(z[i] + b[i]))), e = y - t[i];
            sum += e * e;
            gb[i] += z[i] = scale * e * y * (1 - y);
        }
    return sum / (real)(rows * n);
}

/* Softmax cross-entropy of z + b against class numbers, in the same manner. n <= ROW. A few rows at
 * a time, so that one loop takes all their exponentials. */
static inline real softmax_cross_entropy(int rows, int n, const real *restrict b,
                                         const int *restrict label, real *restrict z,
                                         real *restrict gb) {
    real sum = 0, scale = 1 / (real)rows, total[ROW] = {0}, e[ROWS_TOGETHER * ROW];
    for (int start = 0; start < rows; start += ROWS_TOGETHER) {
        int count = rows - start < ROWS_TOGETHER ? rows - start : ROWS_TOGETHER;
        for (int r = 0; r < count; r++) {
            real largest = -1e30f, *restrict row = e + r * ROW;
            for (int i = 0; i < ROW; i++)
                row[i] = -1e30f;
            for (int i = 0; i < n; i++) {
                row[i] = z[(start + r) * n + i] + b[i];
                largest = row[i] > largest ? row[i] : largest;
            }
            for (int i = 0; i < ROW; i++)
                row[i] -= largest;
            sum -= row[label[start + r]];
        }
        for (int i = 0; i < count * ROW; i++)
            e[i] = real_exp(e[i]);
        for (int r = 0; r < count; r++) {
            real partition = 0, *restrict row = e + r * ROW;
            for (int i = 0; i < ROW; i++)
                partition += row[i];
            sum += real_log(partition);
            for (int i = 0; i < ROW; i++)
                row[i] *= scale / partition;
            row[label[start + r]] -= scale;
            for (int i = 0; i < ROW; i++)
                total[i] += row[i];
            for (int i = 0; i < n; i++)
                z[(start + r) * n + i] = row[i];
        }
    }
    for (int i = 0; i < n; i++)
        gb[i] = total[i];
    return sum * scale;
}

static inline void sgd_update(int n, real lr, const real *restrict g, real *restrict w) {
    for (int i = 0; i < n; i++)
        w[i] -= lr * g[i];
}

static inline void momentum_update(int n, real lr, real mu, const real *restrict g,
                                   real *restrict v, real *restrict w) {
    for (int i = 0; i < n; i++) {
        v[i] = mu * v[i] + g[i];
        w[i] -= lr * v[i];
    }
}

/* Adam's two bias corrections, folded into the step: lr / (1 - beta1^t) and 1 / sqrt(1 - beta2^t).
 */
typedef struct adam_step {
    real beta1, beta2, eps, rate, root;
} adam_step;

static inline adam_step adam_at(const problem *p, int t) {
    return (adam_step){.beta1 = (real)p->beta1,
                       .beta2 = (real)p->beta2,
                       .eps = (real)p->eps,
                       .rate = (real)(p->lr / (1 - pow(p->beta1, t))),
                       .root = (real)(1 / sqrt(1 - pow(p->beta2, t)))};
}

static inline void adam_update(int n, adam_step s, const real *restrict g, real *restrict m,
                               real *restrict v, real *restrict w) {
    for (int i = 0; i < n; i++) {
        m[i] = s.beta1 * m[i] + (1 - s.beta1) * g[i];
        v[i] = s.beta2 * v[i] + (1 - s.beta2) * g[i] * g[i];
        w[i] -= s.rate * m[i] / ((real)sqrt(v[i]) * s.root + s.eps);
    }
}

#endif
