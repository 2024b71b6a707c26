/* The kernels of backprop as a user reaches them, a plan that is replayed; but Adam's update, which
 * is the kernel alone, given a gradient as PyTorch's is: a step of a plan also computes a loss, and
 * reads 8 bytes an element for it beside the 28 of the update. A process that answers
 *
 *     run CASE forward|both SIZE ROWS COLUMNS MS   -> "time MIN MEDIAN N", microseconds per call
 *     values CASE PATH     writes x, then y, of a dense sweep over f32 -> "ok"
 *     quit
 *
 * `both` adds the gradients for a cotangent that is given. */
#include <backprop.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/adam.h"
#include "memory.h"
#include "timing.h"

enum { SWEEP = 1 << 21 };

/* ---- cases ----------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    bp_tensor *(*op)(bp_tensor *x);
    float most; /* of |x| in a sweep */
} maps[] = {{"sigmoid", bp_sigmoid, 87}, {"tanh", bp_tanh, 20}, {"exp", bp_exp, 88.7f},
            {"log", bp_log, 3e38f},      {"gelu", bp_gelu, 20}, {"gelu_tanh", bp_gelu_tanh, 20}};

enum { MAPS = sizeof maps / sizeof *maps };

static int map_number(const char *name) {
    int k = 0;
    while (k < MAPS && strcmp(maps[k].name, name) != 0)
        k++;
    return k;
}

enum { GRADIENT, MEAN, SQUARE, PARAMETER, ARRAYS }; /* as in bpi_adam_fn */

/* What is under way: one case. */
typedef struct job {
    char key[96];
    bp_model *model;
    bp_graph *graph;
    bp_tensor *x;
    bp_tensor *asked[4];
    int asked_count;
    int64_t n; /* elements of the arrays that Adam updates; 0 for other cases */
    void *array[ARRAYS];
} job;

static void finish(job *j) {
    for (int k = 0; k < ARRAYS; k++)
        bpi_free(j->array[k]);
    bp_graph_free(j->graph);
    bp_model_free(j->model);
    *j = (job){.key = ""};
}

static float *uniform(int64_t n, float low) {
    float *values = malloc((size_t)n * sizeof *values);
    uint32_t state = 12345;
    for (int64_t i = 0; values && i < n; i++) {
        state = state * 1664525u + 1013904223u;
        values[i] = (float)(state >> 8) * 0x1p-24f + low;
    }
    return values;
}

static bp_tensor *filled_input(bp_graph *graph, const char *name, bp_shape shape, float low) {
    bp_tensor *x = bp_input(graph, name, BP_F32, shape);
    float *values = uniform(bp_tensor_count(x), low);
    bp_write(x, values);
    free(values);
    return x;
}

static bp_tensor *classes(bp_graph *graph, int64_t rows, int64_t columns) {
    int64_t *class = malloc((size_t)rows * sizeof *class);
    bp_tensor *target = bp_input(graph, "target", BP_I64, BP_SHAPE(rows));
    for (int64_t r = 0; r < rows; r++)
        class[r] = r * 7 % columns;
    bp_write(target, class);
    free(class);
    return target;
}

/* Records y; wrt[] becomes what it is differentiated for. */
static bp_tensor *record(job *j, const char *name, int64_t rows, int64_t columns, bp_tensor **wrt,
                         int *wrt_count) {
    bp_tensor *x = j->x = wrt[(*wrt_count)++] = filled_input(
        j->graph, "x", BP_SHAPE(rows, columns), strcmp(name, "log") == 0 ? 0.25f : -0.5f);
    if (map_number(name) < MAPS)
        return maps[map_number(name)].op(x);
    if (strncmp(name, "softmax", 7) == 0)
        return bp_softmax(x, 1);
    if (strncmp(name, "log_softmax", 11) == 0)
        return bp_log_softmax(x, 1);
    if (strncmp(name, "cross_entropy", 13) == 0)
        return bp_cross_entropy(x, classes(j->graph, rows, columns));
    if (strcmp(name, "layer_norm") == 0) {
        bp_tensor *scale = filled_input(j->graph, "scale", BP_SHAPE(columns), 1);
        bp_tensor *shift = filled_input(j->graph, "shift", BP_SHAPE(columns), 0);
        wrt[(*wrt_count)++] = scale, wrt[(*wrt_count)++] = shift;
        return bp_layer_norm(x, scale, shift, 1e-5);
    }
    return bp_sum(x, strcmp(name, "sum_rows") == 0 ? BP_AXES(1) : BP_AXES(0), false);
}

/* Arrays in memory as the library takes it for variables. */
static void start_adam(job *j, int64_t n) {
    j->n = n;
    for (int k = 0; k < ARRAYS; k++) {
        float *x = j->array[k] = bpi_alloc_aligned((size_t)n * sizeof *x);
        for (int64_t i = 0; x && i < n; i++)
            x[i] = k == GRADIENT ? (float)(i % 1000 + 1) * 0x1p-10f : 0;
    }
}

static void update(job *j) {
    const bpi_adam numbers = {0.9, 0.999, 1e-8, 1e-3, 1, 1};
    const void *x[ARRAYS];
    for (int k = 0; k < ARRAYS; k++)
        x[k] = j->array[k];
    bpi_adam_for(BP_F32)(&numbers, j->n, x, j->array + MEAN);
}

static void start(job *j, const char *name, bool both, int64_t rows, int64_t columns) {
    bp_tensor *wrt[3], *y;
    int count = 0;
    j->model = bp_model_new();
    j->graph = bp_graph_new(j->model);
    bp_set_threads(j->graph, 1);
    if (strcmp(name, "adam") == 0) {
        start_adam(j, rows * columns);
        return;
    }
    j->asked[j->asked_count++] = y = record(j, name, rows, columns, wrt, &count);
    if (both) {
        bp_tensor *c = filled_input(j->graph, "cotangent", bp_tensor_shape(y), 0);
        bp_grads(&y, &c, 1, wrt, count, j->asked + 1);
        j->asked_count += count;
    }
}

static void call(job *j) {
    if (j->n > 0 && j->array[PARAMETER]) {
        update(j);
    } else {
        bp_touch(j->x);
        bp_eval(j->asked, j->asked_count);
    }
}

/* ---- timing ---------------------------------------------------------------------------------- */

static void several(void *state, int n) {
    for (int k = 0; k < n; k++)
        call(state);
}

static void run(job *j, double budget_ms) {
    call(j);
    if (bp_failed(j->graph))
        printf("error %s\n", bp_error(j->graph));
    else
        print_time(several, j, budget_ms);
}

/* ---- accuracy -------------------------------------------------------------------------------- */

/* Floats by their bits, evenly spaced, of both signs where the function has them. */
static void sweep(const char *name, float most, float *x) {
    bool positive = strcmp(name, "log") == 0;
    float least = positive ? 1.2e-38f : 1e-8f;
    uint32_t first, last;
    memcpy(&first, &least, sizeof first);
    memcpy(&last, &most, sizeof last);
    for (uint64_t i = 0; i < SWEEP; i++) {
        uint32_t bits = first + (uint32_t)((last - first) * i / SWEEP);
        bits |= !positive && i % 2 ? 0x80000000u : 0;
        memcpy(&x[i], &bits, sizeof bits);
    }
}

static void write_values(const char *name, const char *path) {
    int k = map_number(name);
    float *x = malloc(SWEEP * sizeof *x);
    FILE *file = fopen(path, "wb");
    bp_model *model = bp_model_new();
    bp_graph *graph = bp_graph_new(model);
    if (x && file && k < MAPS) {
        sweep(name, maps[k].most, x);
        bp_tensor *input = bp_input(graph, "x", BP_F32, BP_SHAPE(SWEEP)), *y = maps[k].op(input);
        bp_write(input, x);
        fwrite(x, sizeof *x, SWEEP, file);
        fwrite(bp_f32(y), sizeof *x, SWEEP, file);
    }
    puts(file && fclose(file) == 0 && !bp_failed(graph) ? "ok" : "error no values");
    bp_graph_free(graph);
    bp_model_free(model);
    free(x);
}

int main(void) {
    job j = {.key = ""};
    char line[512], verb[16], name[64], way[256];
    while (fgets(line, sizeof line, stdin) && strncmp(line, "quit", 4) != 0) {
        long size = 0, rows = 0, columns = 0;
        double ms = 0;
        int words = sscanf(line, "%15s %63s %255s %ld %ld %ld %lf", verb, name, way, &size, &rows,
                           &columns, &ms);
        char key[sizeof j.key];
        snprintf(key, sizeof key, "%.40s %.8s %ld", name, way, size);
        if (words == 3 && strcmp(verb, "values") == 0) {
            write_values(name, way);
        } else if (words == 7) {
            if (strcmp(key, j.key) != 0) {
                finish(&j);
                memcpy(j.key, key, sizeof key);
                start(&j, name, strcmp(way, "both") == 0, rows, columns);
            }
            run(&j, ms);
        } else {
            puts("error unknown command");
        }
        fflush(stdout);
    }
    finish(&j);
    return 0;
}
