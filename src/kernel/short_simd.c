/* The kernels of short.h. Compiled once per instruction set and per float type; settings: BPI_BITS
 * (32 or 64) and BPI_TABLE, the name of the table. */
#include "short.h"

#include "map_names.inc"
#include "map_vectors.h"
#include "vec_fold.h"

#define APART static __attribute__((noinline)) /* with few registers to save */

/* ---- vectors made of parts of others --------------------------------------------------------- */

/* A vector that begins with a quarter, the other lanes 0. */
#if BPI_VEC_BITS == 256 && BPI_BITS == 32
#define V_OF_QUARTER(a) simde_mm256_zextps128_ps256(a)
#elif BPI_VEC_BITS == 256
#define V_OF_QUARTER(a) simde_mm256_zextpd128_pd256(a)
#endif

/* A vector whose halves are the low half of `a`, and `high`. */
#if BPI_VEC_BITS == 512 && BPI_BITS == 32
#define V_WITH_HIGH(a, high) simde_mm512_insertf32x8(a, high, 1)
#define V_OF_HALF(a) simde_mm512_castps256_ps512(a)
#elif BPI_VEC_BITS == 512
#define V_WITH_HIGH(a, high) simde_mm512_insertf64x4(a, high, 1)
#define V_OF_HALF(a) simde_mm512_castpd256_pd512(a)
#endif

/* The low halves of two vectors. */
static inline vec v_join(vec a, vec b) {
#if BPI_VEC_BITS == 512
    return V_WITH_HIGH(a, V_LOW_HALF(b));
#elif BPI_VEC_BITS == 256
    return V_OP(permute2f128)(a, b, 0x20);
#elif BPI_BITS == 32
    return simde_mm_movelh_ps(a, b);
#else
    return simde_mm_unpacklo_pd(a, b);
#endif
}

static inline vec v_of_quarters(const vec_quarter *q) {
#if BPI_VEC_BITS == 512
    return V_WITH_HIGH(V_OF_HALF(V_PAIR(q[0], q[1])), V_PAIR(q[2], q[3]));
#elif BPI_VEC_BITS == 256
    return V_PAIR(q[0], q[1]);
#else
    return q[0];
#endif
}

/* The first `part` lanes of a row, the others 0. Half a vector is loaded as such: it lies within
 * one that has just been stored, which a load with a mask may not, and then would have to wait. */
static inline vec load_row(const real *x, size_t part) {
#if BPI_VEC_BITS == 256
    if (2 * part == LANES)
        return V_OF_QUARTER(V_NARROW(loadu)(x));
#endif
    return v_load_part(x, part);
}

/* Half a vector twice, and a vector of two values, half of it each. */
static inline vec load_half_twice(const real *x) {
#if BPI_VEC_BITS == 256
    const vec_quarter half = V_NARROW(loadu)(x);
    return V_PAIR(half, half);
#else
    const vec half = v_load_part(x, LANES / 2);
    return v_join(half, half);
#endif
}

static inline vec v_set_halves(real low, real high) {
#if BPI_VEC_BITS == 256
    return V_OP(blend)(v_set(low), v_set(high), 0xff << LANES / 2 & ((1 << LANES) - 1));
#else
    return v_join(v_set(low), v_set(high));
#endif
}

/* ---- copies ---------------------------------------------------------------------------------- */

static bp_status spread(size_t n, const void *const *x, void *y, const double *attr) {
    const vec value = v_set(*(const real *)x[0]);
    (void)attr;
    for (size_t i = 0; i < n; i += LANES)
        v_store((real *)y + i, value);
    return BP_OK;
}

/* The vector that begins `left` elements before the end of an array, the lanes behind it 0. */
static inline vec load_some(const real *x, size_t left) {
    return left < LANES ? v_load_part(x, left) : v_load(x);
}

static bp_status copy(size_t n, const void *const *x, void *y, const double *attr) {
    (void)attr;
    for (size_t i = 0; i < n; i += LANES)
        v_store((real *)y + i, load_some((const real *)x[0] + i, n - i));
    return BP_OK;
}

static bp_status add_scaled(size_t n, const void *const *x, void *y, const double *attr) {
    const real *term = x[0], *to = x[1];
    const vec scale = v_set((real)attr[0] * *(const real *)x[2]);
    for (size_t i = 0; i < n; i += LANES)
        v_store((real *)y + i, v_fma(scale, v_load(term + i), v_load(to + i)));
    return BP_OK;
}

/* ---- sums ------------------------------------------------------------------------------------ */

static bp_status sum(size_t n, const void *const *x, void *y, const double *attr) {
    const real *at = x[0];
    size_t left = n;
    vec sums = v_set(0);
    (void)attr;
    for (; left > LANES; left -= LANES, at += LANES)
        sums = v_add(sums, v_load(at));
    v_store(y, v_set(v_sum(v_add(sums, load_row(at, left)))));
    return BP_OK;
}

static bp_status sum_rows(size_t n, const void *const *x, void *y, const double *attr) {
    const int64_t width = (int64_t)attr[0];
    for (int64_t j = 0; j < width; j += LANES) {
        const size_t part = width - j < LANES ? (size_t)(width - j) : LANES;
        const real *row = (const real *)x[0] + j, *end = row + n;
        vec sum = load_row(row, part);
        while ((row += width) < end)
            sum = v_add(sum, load_row(row, part));
        v_store((real *)y + j, sum);
    }
    return BP_OK;
}

/* ---- what follows a product ------------------------------------------------------------------ */

static inline real scalar(const void *const *x, int number) {
    return number ? *(const real *)x[number] : 1;
}

typedef struct factors {
    vec alpha, beta, rate;
} factors;

static inline factors factors_of(const bpi_short_product *p, const void *const *x) {
    const real alpha = scalar(x, p->alpha);
    return (factors){v_set(p->minus ? -alpha : alpha), v_set(scalar(x, p->beta)),
                     v_set(scalar(x, p->rate))};
}

static inline void finish_vector(const bpi_short_product *p, factors f, vec value, real *c,
                                 real *moved) {
    if (p->addend)
        value = v_fma(f.beta, v_load(c), v_mul(f.alpha, value));
    if (p->relu)
        value = v_max(v_set(0), value);
    v_store(c, value);
    if (p->moved)
        v_store(moved, v_fnma(f.rate, value, v_load(moved)));
}

/* Does with the sums of all elements what follows the product. */
APART void finish(const bpi_short_product *p, const void *const *x, void *const *y) {
    const real *sums = p->sums;
    const factors f = factors_of(p, x);
    real *c = y[0], *moved = p->moved ? y[1] : y[0];
    for (int i = 0; i < p->m * p->n; i += LANES)
        finish_vector(p, f, v_load(sums + i), c + i, moved + i);
}

/* Takes the sums of the vector of c that begins with element `at`. */
static inline void put(const bpi_short_product *p, const void *const *x, void *const *y, size_t at,
                       vec sums) {
    real *c = (real *)y[0] + at;
    if (p->finishes)
        finish_vector(p, factors_of(p, x), sums, c, p->moved ? (real *)y[1] + at : c);
    else
        v_store(c, sums);
}

/* ---- products -------------------------------------------------------------------------------- */

enum { ROWS = 4 };

/* What is added to `part` columns, the first of which has its bias at `bias`, or there is none. */
static inline vec bias_of(const bpi_short_product *p, const real *bias, size_t part) {
    if (!bias)
        return v_set(0);
    return p->column ? v_set(*bias) : load_row(bias, part);
}

/* The columns of one vector of a row, of which there are `part`, from those of b. */
static inline vec row_of(const bpi_short_product *p, const real *a, const real *b, size_t part,
                         const real *bias) {
    const int64_t step_a = p->step_a, step_b = p->step_b, end = p->k * step_a;
    vec sum = bias_of(p, bias, part);
    int64_t k = 0;
    do {
        sum = v_fma(v_set(a[k]), load_row(b, part), sum);
        b += step_b;
    } while ((k += step_a) != end);
    return sum;
}

static inline const real *bias_at(const bpi_short_product *p, const void *const *x) {
    return p->bias ? x[p->bias] : NULL;
}

static bp_status one_row(const bpi_short_product *p, const void *const *x, void *const *y) {
    put(p, x, y, 0, row_of(p, x[p->a], x[p->b], (size_t)p->n, bias_at(p, x)));
    return BP_OK;
}

/* Rows of half a vector, two at a time. */
static bp_status half_rows(const bpi_short_product *p, const void *const *x, void *const *y) {
    const int64_t row_a = p->row_a, step_a = p->step_a, step_b = p->step_b, end = p->k * step_a;
    const real *a = x[p->a], *bias = bias_at(p, x);
    const vec first = bias ? load_half_twice(bias) : v_set(0);
    size_t at = 0;
    for (int left = p->m; left > 0; left -= 2, at += LANES) {
        const real *b = x[p->b], *next = left > 1 ? a + row_a : a; /* or the last one twice */
        vec sums = first;
        int64_t k = 0;
        do {
            sums = v_fma(v_set_halves(a[k], next[k]), load_half_twice(b), sums);
            b += step_b;
        } while ((k += step_a) != end);
        put(p, x, y, at, sums);
        a = next + row_a;
    }
    return BP_OK;
}

/* The only row by columns of op(b), which are contiguous and no longer than a vector, as is the row
 * of op(a): dot products. */
static bp_status dots(const bpi_short_product *p, const void *const *x, void *const *y) {
    const size_t part = (size_t)p->k;
    const real *b = x[p->b], *bias = bias_at(p, x);
    const vec a = load_row(x[p->a], part);
    real *c = p->finishes ? p->sums : y[0];
    for (int left = p->n; left > 0; c += LANES) {
        const size_t columns = left < LANES ? (size_t)left : LANES;
        vec_quarter total[LANES / QUARTER];
        for (int q = 0; q < LANES / QUARTER; q++, left -= QUARTER) {
            vec dot[QUARTER];
            total[q] = V_NARROW(setzero)();
            if (left <= 0)
                continue;
            V_UNROLL
            for (int i = 0; i < QUARTER; i++) {
                dot[i] = v_mul(a, load_row(b, part));
                b += i + 1 < left ? p->column_b : 0; /* the last one is repeated */
            }
            total[q] = v_sums(dot);
        }
        v_store(c, v_add(v_of_quarters(total), bias_of(p, bias, columns)));
        bias = bias && !p->column ? bias + LANES : bias;
    }
    if (p->finishes)
        finish(p, x, y);
    return BP_OK;
}

/* ROWS rows of c at a time, which share the rows of op(b). Where rows do not fill vectors, one that
 * ends in the next row is stored before what follows it. */
APART void sum_rows_of_c(const bpi_short_product *p, const real *a, const real *b, size_t part,
                         const real *bias, real *c) {
    const int64_t row_a = p->row_a, step_a = p->step_a, step_b = p->step_b, end = p->k * step_a;
    const vec first = bias_of(p, bias, part);
    for (int left = p->m; left > 0; left -= ROWS) {
        /* rows behind the last one repeat another */
        const real *a1 = left > 1 ? a + row_a : a, *a2 = left > 2 ? a1 + row_a : a;
        const real *a3 = left > 3 ? a2 + row_a : a, *y = b;
        vec s0 = first, s1 = first, s2 = first, s3 = first;
        int64_t k = 0;
        do {
            const vec row = load_row(y, part);
            s0 = v_fma(v_set(a[k]), row, s0);
            s1 = v_fma(v_set(a1[k]), row, s1);
            s2 = v_fma(v_set(a2[k]), row, s2);
            s3 = v_fma(v_set(a3[k]), row, s3);
            y += step_b;
        } while ((k += step_a) != end);
        a = a3 + row_a;
        const int64_t n = p->n;
        v_store(c, s0);
        if (left > 1)
            v_store(c + n, s1);
        if (left > 2)
            v_store(c + 2 * n, s2);
        if (left > 3)
            v_store(c + 3 * n, s3);
        c += ROWS * n;
    }
}

/* By rows of op(b), which are contiguous. */
APART void sum_by_rows(const bpi_short_product *p, const real *a, const real *b, const real *bias,
                       real *c) {
    for (int j = (p->n - 1) / LANES * LANES; j >= 0; j -= LANES) {
        const size_t part = p->n - j < LANES ? (size_t)(p->n - j) : LANES;
        const real *from = bias && !p->column ? bias + j : bias;
        if (p->m == 1)
            v_store(c + j, row_of(p, a, b + j, part, from));
        else
            sum_rows_of_c(p, a, b + j, part, from, c + j);
    }
}

static void transpose(const bpi_short_product *p, const real *b, real *to) {
    for (int64_t k = 0; k < p->k; k++, b += p->step_b)
        for (int64_t j = 0; j < p->n; j++)
            *to++ = b[j * p->column_b];
}

APART void sum_transposed(const bpi_short_product *p, const real *a, const real *b,
                          const real *bias, real *c) {
    real copy[BPI_SHORT_SIDE * BPI_SHORT_SIDE];
    bpi_short_product now = *p;
    transpose(p, b, copy);
    now.step_b = p->n;
    sum_by_rows(&now, a, copy, bias, c);
}

/* Any other product. */
static bp_status product(const bpi_short_product *p, const void *const *x, void *const *y) {
    const bool direct = p->whole && !p->finishes;
    real *c = direct ? y[0] : p->sums;
    if (p->column_b == 1)
        sum_by_rows(p, x[p->a], x[p->b], bias_at(p, x), c);
    else
        sum_transposed(p, x[p->a], x[p->b], bias_at(p, x), c);
    if (!direct)
        finish(p, x, y);
    return BP_OK;
}

/* ---- steps ----------------------------------------------------------------------------------- */

#if BPI_VEC_BITS == 256
/* The step itself, the place of the vector in bytes, the vector, and the one that is kept. Calls in
 * the last place are jumps where compilers optimise. */
#define STEP_ARGUMENTS const bpi_short_step *s, size_t i, vec v, vec kept
typedef void step_fn(STEP_ARGUMENTS);
#define STEP_GO(v, kept) ((step_fn *)s[1].run)(s + 1, i, v, kept)
#define STEP_NEXT(v) STEP_GO(v, kept)

static inline real *step_at(const bpi_short_step *s, size_t i) {
    return (real *)((char *)s->at + i);
}

static void step_load(STEP_ARGUMENTS) {
    (void)v;
    STEP_NEXT(v_load(step_at(s, i)));
}

static void step_store(STEP_ARGUMENTS) {
    v_store(step_at(s, i), v);
    STEP_NEXT(v);
}

static void step_finish(STEP_ARGUMENTS) {
    (void)kept;
    v_store(step_at(s, i), v);
}

static void step_keep(STEP_ARGUMENTS) {
    (void)kept;
    STEP_GO(v, v);
}

static void step_take_back(STEP_ARGUMENTS) {
    (void)v;
    STEP_NEXT(kept);
}

static bp_status flow(size_t n, const void *const *x, void *y, const double *attr) {
    const bpi_short_step *s = x[0];
    const vec kept = v_set(0);
    (void)y, (void)attr;
    for (size_t i = 0; i < n * sizeof(real); i += sizeof(vec)) /* the first step needs no jump */
        STEP_NEXT(v_load(step_at(s, i)));
    __builtin_ia32_vzeroupper(); /* the compiler does not see that wide registers were used */
    return BP_OK;
}

#define OP add
#define ARITY 2
#include "short_step.inc"
#define OP sub
#define ARITY 2
#include "short_step.inc"
#define OP mul
#define ARITY 2
#include "short_step.inc"
#define OP div
#define ARITY 2
#include "short_step.inc"
#define OP neg
#define ARITY 1
#include "short_step.inc"
#define OP square
#define ARITY 1
#include "short_step.inc"
#define OP relu
#define ARITY 1
#include "short_step.inc"
#define OP tanh
#define ARITY 1
#include "short_step.inc"
#define OP sigmoid
#define ARITY 1
#include "short_step.inc"
#define OP relu_grad
#define ARITY 2
#include "short_step.inc"
#define OP tanh_grad
#define ARITY 2
#include "short_step.inc"
#define OP sigmoid_grad
#define ARITY 2
#include "short_step.inc"

#define STEP(f) (bpi_pipe_fn *)(f)
#define FIRST(slot, op) \
    { STEP(step_##op), BPI_MAP_##slot, BPI_PIPE_FIRST, false }
#define EITHER(slot, op) \
    { STEP(step_##op), BPI_MAP_##slot, BPI_PIPE_EITHER, false }
#define SECOND(slot, op) \
    { STEP(step_second_##op), BPI_MAP_##slot, BPI_PIPE_SECOND, false }

static const bpi_pipe_op ops[] = {
    EITHER(ADD, add),
    FIRST(SUB, sub),
    SECOND(SUB, sub),
    EITHER(MUL, mul),
    FIRST(DIV, div),
    SECOND(DIV, div),
    FIRST(NEG, neg),
    FIRST(SQUARE, square),
    FIRST(RELU, relu),
    FIRST(TANH, tanh),
    FIRST(SIGMOID, sigmoid),
    FIRST(RELU_GRAD, relu_grad),
    SECOND(RELU_GRAD, relu_grad),
    FIRST(TANH_GRAD, tanh_grad),
    SECOND(TANH_GRAD, tanh_grad),
    FIRST(SIGMOID_GRAD, sigmoid_grad),
    SECOND(SIGMOID_GRAD, sigmoid_grad),
};
#endif

extern const bpi_short BPI_TABLE;
const bpi_short BPI_TABLE = {.vector = sizeof(vec),
                             .lanes = LANES,
                             .spread = spread,
                             .copy = copy,
                             .sum = sum,
                             .sum_rows = sum_rows,
                             .add_scaled = add_scaled,
#if BPI_VEC_BITS == 256
                             .flow = flow,
                             .load = STEP(step_load),
                             .store = STEP(step_store),
                             .finish = STEP(step_finish),
                             .keep = STEP(step_keep),
                             .take_back = STEP(step_take_back),
                             .ops = {ops, sizeof ops / sizeof *ops},
#endif
                             .product = {[BPI_SHORT_ROW] = one_row,
                                         [BPI_SHORT_HALVES] = half_rows,
                                         [BPI_SHORT_DOTS] = dots,
                                         [BPI_SHORT_ANY] = product}};
