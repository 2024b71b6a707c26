/* Elementwise chains as they are planned, beside copies.
 *
 *   chains ROUNDS   a line a round and case: "KIND OPS PLACE STORES CHAIN PLAIN PAST"
 *
 * KIND is "streams", an array more for each op (a b, a b + c, (a b + c) d), or "unary", one array
 * in and one out. PLACE is memory or L2. CHAIN, PLAIN and PAST are GB/s, all bytes that are read
 * and written by the time: of the chain, of the faster of a loop with plain stores and memcpy, and
 * of a copy that stores past the caches (0 where there is none). STORES is how the chain stores:
 * plain or past. */
#include <backprop.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#if defined(__SSE__)
#include <immintrin.h>
#endif

#include "plan/chain.h"
#include "plan/inside.h"
#include "timing.h"

enum { MOST_OPS = 3, MOST_ARRAYS = MOST_OPS + 1 };
static const int64_t memory_array = 64 << 20; /* bytes */
static const double measured_us = 2000;       /* of one figure */

/* Bytes of all arrays of a case in L2: half of it, as the system tells, or of 2 MB. */
static int64_t l2_total(void) {
    long bytes = 0;
#ifdef _SC_LEVEL2_CACHE_SIZE
    bytes = sysconf(_SC_LEVEL2_CACHE_SIZE);
#endif
    return (bytes > 0 ? bytes : 2 << 20) / 2;
}

/* ---- copies ---------------------------------------------------------------------------------- */

typedef struct copy {
    const float *from;
    float *to;
    size_t n; /* a multiple of 16, at 64 bytes */
} copy;

#if defined(__AVX512F__)
enum { CAN_STREAM = 1, LANES = 16 };
static void stream(float *to, const float *from) { _mm512_stream_ps(to, _mm512_load_ps(from)); }
#elif defined(__AVX__)
enum { CAN_STREAM = 1, LANES = 8 };
static void stream(float *to, const float *from) { _mm256_stream_ps(to, _mm256_load_ps(from)); }
#elif defined(__SSE__)
enum { CAN_STREAM = 1, LANES = 4 };
static void stream(float *to, const float *from) { _mm_stream_ps(to, _mm_load_ps(from)); }
#else
enum { CAN_STREAM = 0, LANES = 4 };
static void stream(float *to, const float *from) { memcpy(to, from, LANES * sizeof *to); }
#endif

/* Vectors as wide as the registers: wider ones gcc copies with an instruction for strings each. */
typedef float vector __attribute__((vector_size(LANES * sizeof(float))));

static void copy_plain(const copy *c) {
    const vector *from = (const vector *)c->from;
    vector *to = (vector *)c->to;
    for (size_t k = 0; k < c->n / LANES; k++)
        to[k] = from[k];
}

static void copy_past(const copy *c) {
    for (size_t k = 0; k < c->n; k += LANES) {
        __builtin_prefetch(c->from + k + 512);
        stream(c->to + k, c->from + k);
    }
#if defined(__SSE__)
    _mm_sfence();
#endif
}

static void copies_plain(void *state, int n) {
    while (n-- > 0)
        copy_plain(state);
}

static void copies_memcpy(void *state, int n) {
    const copy *c = state;
    while (n-- > 0)
        memcpy(c->to, c->from, c->n * sizeof *c->to);
}

static void copies_past(void *state, int n) {
    while (n-- > 0)
        copy_past(state);
}

/* ---- chains ---------------------------------------------------------------------------------- */

typedef struct chain {
    bp_model *model;
    bp_graph *graph;
    bp_tensor *x, *y;
    const float *data;
    float *array[MOST_ARRAYS];
} chain;

static void chains(void *state, int n) {
    chain *c = state;
    for (int k = 0; k < n; k++) {
        bp_point(c->x, c->data);
        bp_eval(&c->y, 1);
    }
}

static float *numbers(size_t n) {
    float *x = aligned_alloc(64, n * sizeof *x);
    for (size_t k = 0; x && k < n; k++)
        x[k] = (float)(k % 1000) / 1000 - 0.5f;
    return x;
}

static bp_tensor *operand(chain *c, int k, size_t n) {
    char name[2] = {(char)('a' + k), 0};
    bp_tensor *x = bp_input(c->graph, name, BP_F32, BP_SHAPE((int64_t)n));
    c->array[k] = numbers(n);
    bp_point(x, c->array[k]);
    return x;
}

static bp_tensor *record_streams(chain *c, int ops, size_t n) {
    bp_tensor *y = bp_mul(c->x, operand(c, 1, n));
    y = ops > 1 ? bp_add(y, operand(c, 2, n)) : y;
    return ops > 2 ? bp_mul(y, operand(c, 3, n)) : y;
}

static bp_tensor *record_unary(chain *c, int ops) {
    bp_tensor *y = bp_neg(c->x);
    y = ops > 1 ? bp_relu(y) : y;
    return ops > 2 ? bp_scale(y, 0.5) : y;
}

static void start(chain *c, bool unary, int ops, size_t n) {
    *c = (chain){.model = bp_model_new()};
    c->graph = bp_graph_new(c->model);
    bp_set_threads(c->graph, 1);
    c->x = operand(c, 0, n);
    c->data = c->array[0];
    c->y = unary ? record_unary(c, ops) : record_streams(c, ops, n);
    chains(c, 2);
}

static void finish(chain *c) {
    bp_graph_free(c->graph);
    bp_model_free(c->model);
    for (int k = 0; k < MOST_ARRAYS; k++)
        free(c->array[k]);
}

/* Whether the plan is what is to be measured: one instruction, "neg+relu" with two ops. */
static bool is_one_chain(const chain *c, int ops) {
    const bpi_program *p = &c->graph->plans->first->program;
    bpi_text text = {0};
    bpi_add_ops(&text, &p->steps[0]);
    for (const char *at = bpi_text_data(&text); at && (at = strchr(at, '+')); at++)
        ops--;
    bpi_text_free(&text);
    return p->step_count == 1 && ops == 1;
}

/* Large arrays are stored past the caches where the last op runs in a pipe. */
static bool stores_past(const chain *c) {
    const bpi_chain *made = c->graph->plans->first->program.steps[0].chain;
    return CAN_STREAM && made && made->parts > 0 && made->part[made->parts - 1].past;
}

/* ---- measuring ------------------------------------------------------------------------------- */

/* GB/s of something that reads and writes so many bytes: of the fastest of several times. */
static double speed(repeat *steps, void *state, double bytes) {
    double least = 1e300, end = now_us() + measured_us;
    for (int k = 0; k < 3 || now_us() < end; k++) {
        double start = now_us();
        steps(state, 1);
        double took = now_us() - start;
        least = took < least ? took : least;
    }
    return bytes / least * 1e-3;
}

static double larger(double a, double b) { return a > b ? a : b; }

/* One line: the chain and the copies, one after the other. memcpy stores large arrays past the
 * caches, and others not. */
static void measure(chain *c, copy *pair, bool memory, const char *what, double bytes) {
    double moved = 2.0 * sizeof(float) * (double)pair->n;
    double chained = speed(chains, c, bytes), plain = speed(copies_plain, pair, moved);
    double library = speed(copies_memcpy, pair, moved);
    double past = CAN_STREAM ? speed(copies_past, pair, moved) : 0;
    if (memory && CAN_STREAM)
        past = larger(past, library);
    else
        plain = larger(plain, library);
    printf("%s %.3f %.3f %.3f\n", what, chained, plain, past);
}

static bool measure_case(bool unary, int ops, bool memory, int rounds) {
    chain c;
    char what[64];
    int streams = unary ? 2 : ops + 2;
    int64_t bytes = memory ? memory_array : l2_total() / streams / 64 * 64;
    size_t copied = (size_t)(memory ? memory_array : l2_total() / 2) / sizeof(float);
    start(&c, unary, ops, (size_t)bytes / sizeof(float));
    copy pair = {numbers(copied), numbers(copied), copied};
    bool good = !bp_failed(c.graph) && is_one_chain(&c, ops) && pair.from && pair.to;
    if (good)
        snprintf(what, sizeof what, "%s %d %s %s", unary ? "unary" : "streams", ops,
                 memory ? "memory" : "L2", stores_past(&c) ? "past" : "plain");
    for (int round = 0; good && round < rounds; round++)
        measure(&c, &pair, memory, what, (double)bytes * streams);
    free((void *)pair.from);
    free(pair.to);
    finish(&c);
    return good;
}

int main(int argc, char **argv) {
    int rounds = argc > 1 ? atoi(argv[1]) : 1;
    for (int which = 0; which < 4; which++)
        for (int ops = 1; ops <= MOST_OPS; ops++)
            if (!measure_case(which % 2, ops, which / 2 == 0, rounds))
                return fprintf(stderr, "no chain of %d ops\n", ops), 1;
    return 0;
}
