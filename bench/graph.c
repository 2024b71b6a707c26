/* What a graph costs apart from its kernels: seconds to record, differentiate and plan one of N nodes and to
 * run it for the first time, for a chain of elementwise ops and for a deep, narrow net with parameters; and
 * microseconds of a training step of the XOR net that is replayed, and that is recorded anew.
 *
 * Prints lines "CHAIN|NET nodes all-nodes record differentiate plan run" and "XOR replay rebuild
 * allocations", CPU time of this thread; tools/bench repeats it and takes medians. */
#define _POSIX_C_SOURCE 200809L
#include <backprop.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "plan/plan.h"
#include "plan/inside.h"

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* y = σ(1 - y), again and again: two nodes a time. */
static bp_tensor *record_chain(bp_graph *graph, long nodes) {
    bp_tensor *y = bp_parameter(graph, "x", BP_F32, BP_SHAPE(4, 1), bp_init_zeros());
    for (long k = 2; k < nodes; k += 2)
        y = bp_sigmoid(bp_neg(y));
    return bp_sum(y, BP_ALL, false);
}

/* Layers of 4 units: two parameters, product, sum and sigmoid each. */
static bp_tensor *record_net(bp_graph *graph, long nodes) {
    bp_tensor *y = bp_input(graph, "x", BP_F32, BP_SHAPE(4, 4));
    for (long k = 0; k < nodes / 5; k++) {
        char name[32];
        snprintf(name, sizeof name, "layer%ld", k);
        y = bp_sigmoid(bp_linear(y, name, 4));
    }
    return bp_sum(y, BP_ALL, false);
}

static int all_parameters(bp_graph *graph, bp_tensor **parameters) {
    int count = 0;
    for (size_t k = 0; k < graph->count; k++)
        if (graph->nodes[k]->leaf && graph->nodes[k]->leaf->kind == BPI_VARIABLE)
            parameters[count++] = &graph->nodes[k]->y[0];
    return count;
}

static int measure(const char *name, bp_tensor *(*record)(bp_graph *, long), long nodes) {
    bp_model *model = bp_model_new();
    bp_graph *graph = bp_graph_new(model);
    bp_tensor **wrt = malloc((size_t)nodes * sizeof *wrt);
    bp_tensor **targets = malloc(((size_t)nodes + 1) * sizeof *targets);
    bp_set_threads(graph, 1);

    double start = now();
    bp_tensor *loss = record(graph, nodes);
    double recorded = now();
    size_t own = graph->count;
    int count = all_parameters(graph, wrt);
    bp_grads(&loss, NULL, 1, wrt, count, targets + 1);
    double differentiated = now();
    size_t all = graph->count;
    targets[0] = loss;
    bpi_request request = {.targets = targets, .count = count + 1};
    bpi_plan *plan = bpi_plan_for(graph, &request);
    double planned = now();
    bpi_run(graph, &request);
    double run = now();

    bool failed = !plan || bp_failed(graph);
    if (failed)
        fprintf(stderr, "%s: %s\n", name, bp_error(graph));
    printf("%s %zu %zu %.5f %.5f %.5f %.5f\n", name, own, all, recorded - start,
           differentiated - recorded, planned - differentiated, run - planned);
    bp_graph_free(graph);
    bp_model_free(model);
    free(wrt);
    free(targets);
    return failed;
}

static bp_tensor *record_xor(bp_graph *graph) {
    static const float inputs[] = {0, 0, 0, 1, 1, 0, 1, 1}, wanted[] = {0, 1, 1, 0};
    bp_tensor *x = bp_input(graph, "x", BP_F32, BP_SHAPE(4, 2));
    bp_tensor *t = bp_input(graph, "t", BP_F32, BP_SHAPE(4, 1));
    bp_tensor *h = bp_sigmoid(bp_linear(x, "hidden", 4));
    bp_tensor *loss = bp_mse(bp_sigmoid(bp_linear(h, "output", 1)), t);
    bp_write(x, inputs);
    bp_write(t, wanted);
    return loss;
}

enum { STEPS = 20000, ROUNDS = 11 };

static int measure_xor(void) {
    bp_model *model = bp_model_new();
    bp_graph *graph = bp_graph_new(model);
    bp_optimizer *sgd = bp_sgd(model, NULL);
    double replay = 1, rebuild = 1;
    uint64_t allocations = 0;
    for (int round = 0; round < ROUNDS; round++) {
        bp_graph_reset(graph);
        bp_tensor *loss = record_xor(graph);
        double start = now();
        for (int k = 0; k < STEPS; k++)
            bp_step(sgd, loss);
        double replayed = now();
        allocations = bpi_alloc_count();
        for (int k = 0; k < STEPS; k++) {
            bp_graph_reset(graph);
            bp_step(sgd, record_xor(graph));
        }
        allocations = bpi_alloc_count() - allocations;
        double end = now();
        replay = replayed - start < replay ? replayed - start : replay;
        rebuild = end - replayed < rebuild ? end - replayed : rebuild;
    }
    bool failed = bp_failed(graph);
    if (failed)
        fprintf(stderr, "XOR: %s\n", bp_error(graph));
    printf("XOR %.4f %.4f %.2f\n", replay / STEPS * 1e6, rebuild / STEPS * 1e6,
           (double)allocations / STEPS);
    bp_graph_free(graph);
    bp_model_free(model);
    return failed;
}

int main(int argc, char **argv) {
    int failures = 0;
    for (long nodes = 10000; nodes <= 1000000 && argc < 2; nodes *= 10)
        failures += measure("CHAIN", record_chain, nodes) + measure("NET", record_net, nodes);
    if (argc < 2 || strcmp(argv[1], "xor") == 0)
        failures += measure_xor();
    if (argc == 3)
        failures += measure(argv[1], argv[1][0] == 'C' ? record_chain : record_net, atol(argv[2]));
    return failures > 0;
}
