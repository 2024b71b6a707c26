/* Micro-benchmarks: an op of backprop beside a plain C loop or a direct CBLAS call.
 *
 * A name is KERNEL/WHO/SIZE, WHO being "backprop" or the reference that tools/bench divides by.
 */
#include "benchmark_c.h"
#include "reference.h"

#include <backprop.h>
#include <stdio.h>
#include <stdlib.h>

static float *random_floats(int64_t n) {
    float *values = malloc((size_t)n * sizeof *values);
    uint32_t state = 12345;
    for (int64_t i = 0; values && i < n; i++) {
        state = state * 1664525u + 1013904223u;
        values[i] = (float)(state >> 8) * 0x1p-23f - 1;
    }
    return values;
}

/* ---- elementwise ops ------------------------------------------------------------------------- */

typedef struct map_case {
    const char *name;
    bp_tensor *(*op)(bp_tensor *x);
    void (*loop)(int64_t n, const float *x, float *y);
    int64_t n;
} map_case;

static void map_backprop(bench_state *state, const void *data) {
    const map_case *c = data;
    float *x = random_floats(c->n);
    bp_model *model = bp_model_new();
    bp_graph *graph = bp_graph_new(model);
    bp_set_threads(graph, 1);
    bp_tensor *input = bp_input(graph, "x", BP_F32, BP_SHAPE(c->n)), *y = c->op(input);
    bp_point(input, x);
    while (bench_next(state)) {
        bp_touch(input);
        bp_eval(&y, 1);
    }
    if (bp_failed(graph))
        bench_fail(state, bp_error(graph));
    bench_rate(state, "elements", (double)c->n);
    bp_graph_free(graph);
    bp_model_free(model);
    free(x);
}

static void map_loop(bench_state *state, const void *data) {
    const map_case *c = data;
    float *x = random_floats(c->n), *y = random_floats(c->n);
    while (bench_next(state)) {
        bench_keep(x);
        c->loop(c->n, x, y);
        bench_keep(y);
    }
    bench_rate(state, "elements", (double)c->n);
    free(x);
    free(y);
}

/* ---- a matrix product ------------------------------------------------------------------------ */

typedef struct product_case {
    int m, n, k;
} product_case;

static void product_backprop(bench_state *state, const void *data) {
    const product_case *c = data;
    float *a = random_floats((int64_t)c->m * c->k), *b = random_floats((int64_t)c->k * c->n);
    bp_model *model = bp_model_new();
    bp_graph *graph = bp_graph_new(model);
    bp_set_threads(graph, 1);
    bp_tensor *x = bp_input(graph, "a", BP_F32, BP_SHAPE(c->m, c->k));
    bp_tensor *w = bp_input(graph, "b", BP_F32, BP_SHAPE(c->k, c->n));
    bp_tensor *y = bp_matmul(x, w);
    bp_point(x, a);
    bp_point(w, b);
    while (bench_next(state)) {
        bp_touch(x);
        bp_eval(&y, 1);
    }
    if (bp_failed(graph))
        bench_fail(state, bp_error(graph));
    bench_rate(state, "flops", 2.0 * c->m * c->n * c->k);
    bp_graph_free(graph);
    bp_model_free(model);
    free(a);
    free(b);
}

static void product_cblas(bench_state *state, const void *data) {
    const product_case *c = data;
    float *a = random_floats((int64_t)c->m * c->k), *b = random_floats((int64_t)c->k * c->n);
    float *y = random_floats((int64_t)c->m * c->n);
    while (bench_next(state))
        reference_product(c->m, c->n, c->k, a, b, y);
    bench_rate(state, "flops", 2.0 * c->m * c->n * c->k);
    free(a);
    free(b);
    free(y);
}

/* ---- a training step of the XOR net ---------------------------------------------------------- */

static const float xor_inputs[] = {0, 0, 0, 1, 1, 0, 1, 1}, xor_targets[] = {0, 1, 1, 0};

static void xor_backprop(bench_state *state, const void *data) {
    (void)data;
    bp_model *model = bp_model_new();
    bp_graph *graph = bp_graph_new(model);
    bp_tensor *x = bp_input(graph, "x", BP_F32, BP_SHAPE(4, 2));
    bp_tensor *t = bp_input(graph, "t", BP_F32, BP_SHAPE(4, 1));
    bp_tensor *h = bp_sigmoid(bp_linear(x, "hidden", 4));
    bp_tensor *loss = bp_mse(bp_sigmoid(bp_linear(h, "output", 1)), t);
    bp_optimizer *sgd = bp_sgd(model, NULL);
    bp_write(x, xor_inputs);
    bp_write(t, xor_targets);
    while (bench_next(state))
        bp_step(sgd, loss);
    if (bp_failed(graph))
        bench_fail(state, bp_error(graph));
    bp_graph_free(graph);
    bp_model_free(model);
}

/* Recorded again at every step: what ordinary C control flow around a small net costs. */
static void xor_rebuilt(bench_state *state, const void *data) {
    (void)data;
    bp_model *model = bp_model_new();
    bp_graph *graph = bp_graph_new(model);
    bp_optimizer *sgd = bp_sgd(model, NULL);
    while (bench_next(state)) {
        bp_graph_reset(graph);
        bp_tensor *x = bp_input(graph, "x", BP_F32, BP_SHAPE(4, 2));
        bp_tensor *t = bp_input(graph, "t", BP_F32, BP_SHAPE(4, 1));
        bp_tensor *h = bp_sigmoid(bp_linear(x, "hidden", 4));
        bp_tensor *loss = bp_mse(bp_sigmoid(bp_linear(h, "output", 1)), t);
        bp_write(x, xor_inputs);
        bp_write(t, xor_targets);
        bp_step(sgd, loss);
    }
    if (bp_failed(graph))
        bench_fail(state, bp_error(graph));
    bp_graph_free(graph);
    bp_model_free(model);
}

static void xor_loop(bench_state *state, const void *data) {
    (void)data;
    void *net = reference_xor_new(xor_inputs, xor_targets);
    while (bench_next(state))
        reference_xor_step(net);
    reference_xor_free(net);
}

int main(int argc, char **argv) {
    static const map_case maps[] = {
        {"sigmoid", bp_sigmoid, reference_sigmoid, 1000},
        {"sigmoid", bp_sigmoid, reference_sigmoid, 100000},
        {"sigmoid", bp_sigmoid, reference_sigmoid, 10000000},
        {"relu", bp_relu, reference_relu, 1000},
        {"relu", bp_relu, reference_relu, 100000},
        {"relu", bp_relu, reference_relu, 10000000},
    };
    static const product_case products[] = {{64, 128, 784}, {128, 512, 784}};
    char name[64];
    for (size_t i = 0; i < sizeof maps / sizeof *maps; i++) {
        snprintf(name, sizeof name, "%s/backprop/%lld", maps[i].name, (long long)maps[i].n);
        bench_add(name, map_backprop, &maps[i]);
        snprintf(name, sizeof name, "%s/loop/%lld", maps[i].name, (long long)maps[i].n);
        bench_add(name, map_loop, &maps[i]);
    }
    for (size_t i = 0; i < sizeof products / sizeof *products; i++) {
        const product_case *c = &products[i];
        snprintf(name, sizeof name, "gemm/backprop/%dx%dx%d", c->m, c->n, c->k);
        bench_add(name, product_backprop, c);
        snprintf(name, sizeof name, "gemm/cblas/%dx%dx%d", c->m, c->n, c->k);
        bench_add(name, product_cblas, c);
    }
    bench_add("xor_step/backprop/replayed", xor_backprop, NULL);
    bench_add("xor_step/loop/replayed", xor_loop, NULL);
    bench_add("xor_step/backprop/rebuilt", xor_rebuilt, NULL);
    bench_add("xor_step/loop/rebuilt", xor_loop, NULL);
    return bench_main(argc, argv);
}
