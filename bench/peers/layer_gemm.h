/* The three matrix products of a fully connected layer, in the better of two orientations.
 *
 * A weight is stored [in, out] or [out, in] ("by output"); the products are the same but OpenBLAS
 * runs them at rates that differ by up to two, depending on the shape. `better_by_output` measures
 * a layer both ways.
 */
#ifndef BENCH_LAYER_GEMM_H
#define BENCH_LAYER_GEMM_H

#include "real.h"

#include <stdbool.h>
#include <time.h>

/* y [batch, out] = x [batch, in] W */
static inline void gemm_forward(bool by_output, int batch, int in, int out, const real *x,
                                const real *w, real *y) {
    gemm(NO, by_output ? YES : NO, batch, out, in, 1, x, w, 0, y);
}

/* gx [batch, in] = g [batch, out] Wᵀ */
static inline void gemm_input_gradient(bool by_output, int batch, int in, int out, const real *g,
                                       const real *w, real *gx) {
    gemm(NO, by_output ? NO : YES, batch, in, out, 1, g, w, 0, gx);
}

/* gw = alpha xᵀ g + beta gw, in the layout of W */
static inline void gemm_weight_gradient(bool by_output, int batch, int in, int out, real alpha,
                                        const real *x, const real *g, real beta, real *gw) {
    if (by_output)
        gemm(YES, NO, out, in, batch, alpha, g, x, beta, gw);
    else
        gemm(YES, NO, in, out, batch, alpha, x, g, beta, gw);
}

/* The products, to be measured one by one. */
enum { FORWARD, INPUT_GRADIENT, WEIGHT_GRADIENT, PRODUCTS };

/* Microseconds of each product in one orientation: the fastest of a few repetitions, which the
 * arrays x [batch, in], w and gw [in, out], g [batch, out] must allow. Keeps the smaller times of
 * those already in `best`. */
static inline void measure_products(bool by_output, int batch, int in, int out, real *x, real *w,
                                    real *g, real *gw, double best[PRODUCTS]) {
    double flops = 2.0 * batch * in * out;
    int calls = 1 + (int)(1e6 / flops);
    for (int product = 0; product < PRODUCTS; product++) {
        struct timespec t0, t1;
        clock_gettime(CLOCK_MONOTONIC, &t0);
        for (int i = 0; i < calls; i++) {
            if (product == FORWARD)
                gemm_forward(by_output, batch, in, out, x, w, g);
            else if (product == INPUT_GRADIENT)
                gemm_input_gradient(by_output, batch, in, out, g, w, x);
            else
                gemm_weight_gradient(by_output, batch, in, out, 1, x, g, 0, gw);
        }
        clock_gettime(CLOCK_MONOTONIC, &t1);
        double us =
            ((double)(t1.tv_sec - t0.tv_sec) * 1e6 + (double)(t1.tv_nsec - t0.tv_nsec) * 1e-3) /
            calls;
        if (us < best[product])
            best[product] = us;
    }
}

/* Times both orientations of a layer, alternating; best[by_output][product] in microseconds. */
static inline void measure_layer(int batch, int in, int out, double best[2][PRODUCTS]) {
    real *x = new_array(batch * in), *w = new_array(in * out);
    real *g = new_array(batch * out), *gw = new_array(in * out);
    for (int i = 0; i < 2 * PRODUCTS; i++)
        best[i / PRODUCTS][i % PRODUCTS] = 1e30;
    for (int round = 0; round < 24; round++)
        measure_products(round % 2, batch, in, out, x, w, g, gw, best[round % 2]);
    free(x), free(w), free(g), free(gw);
}

/* Whether a layer is faster with its weight stored [out, in]. A first layer needs no input
 * gradient. */
static inline bool better_by_output(int batch, int in, int out, bool is_first) {
    double best[2][PRODUCTS], total[2];
    measure_layer(batch, in, out, best);
    for (int o = 0; o < 2; o++)
        total[o] =
            best[o][FORWARD] + best[o][WEIGHT_GRADIENT] + (is_first ? 0 : best[o][INPUT_GRADIENT]);
    return total[1] < total[0];
}

#endif
