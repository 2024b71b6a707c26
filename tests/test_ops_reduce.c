/* Reductions over axes, argmax and softmax against hand-written loops: any shape and set of axes,
 * ties, NaN, infinities, nothing to reduce, accuracy; and what is said of wrong axes. Values at
 * ties and infinities are those of PyTorch. */
#include "kernel/reduce.h"
#include "kernel/softmax.h"
#include "ops_fixture.h"
#include "suite.h"

/* As expect_near with an absolute tolerance: logarithms and gradients come out near 0. */
static void expect_within(bp_tensor *t, const double *want, double tolerance) {
    for (int e = BP_PLANNED; e <= BP_NAIVE; e++) {
        bp_set_executor(g, (bp_executor)e);
        const void *data = bp_data(t);
        ck_assert_msg(data != NULL, "%s", bp_error(g));
        for (int64_t i = 0; i < bp_tensor_count(t); i++)
            if (!(fabs(bpi_load(bp_tensor_dtype(t), data, i) - want[i]) <= tolerance))
                ck_abort_msg("element %d is %.17g, not %.17g", (int)i,
                             bpi_load(bp_tensor_dtype(t), data, i), want[i]);
    }
}

/* ---- reductions by hand ---------------------------------------------------------------------- */

static bp_axes random_axes(int rank) {
    bp_axes axes = {.count = 0};
    for (int k = rank - 1; k >= 0; k--)
        if (draw(2))
            axes.axis[axes.count++] = draw(2) ? k : k - rank;
    return axes;
}

static bool has(const bp_axes *axes, int axis, int rank) {
    for (int k = 0; k < axes->count; k++)
        if (axes->axis[k] == axis || axes->axis[k] == axis - rank)
            return true;
    return axes->count < 0;
}

static bp_shape reduced_shape(const bp_shape *x, const bp_axes *axes, bool keep) {
    bp_shape y = {.rank = 0};
    for (int k = 0; k < x->rank; k++)
        if (!has(axes, k, x->rank))
            y.size[y.rank++] = x->size[k];
        else if (keep)
            y.size[y.rank++] = 1;
    return y;
}

/* For element number i of x: the number of the result that it goes into. */
static int64_t *results_of(const bp_shape *x, const bp_axes *axes) {
    int64_t count = bp_shape_count(*x), index[BP_MAX_RANK] = {0};
    int64_t *into = malloc((size_t)count * sizeof *into + 8);
    for (int64_t i = 0; i < count; i++, next_index(x, index)) {
        into[i] = 0;
        for (int k = 0; k < x->rank; k++)
            if (!has(axes, k, x->rank))
                into[i] = into[i] * x->size[k] + index[k];
    }
    return into;
}

typedef enum kind { SUM, MEAN, MAX, LOGSUMEXP } kind;

static bp_tensor *record(kind which, bp_tensor *x, bp_axes axes, bool keep) {
    switch (which) {
    case SUM: return bp_sum(x, axes, keep);
    case MEAN: return bp_mean(x, axes, keep);
    case MAX: return bp_max(x, axes, keep);
    default: return bp_logsumexp(x, axes, keep);
    }
}

/* Values of y and the gradient of Σ c y, element by element from the definition. */
static void by_hand(kind which, const sample *x, const int64_t *into, int64_t results,
                    const double *c, double *y, double *gx) {
    double *ties = calloc((size_t)results + 1, sizeof *ties);
    double length = results ? (double)x->count / (double)results : 0;
    for (int64_t i = 0; i < results; i++)
        y[i] = which == MAX ? -INFINITY : 0;
    for (int64_t i = 0; i < x->count; i++)
        if (which == MAX)
            y[into[i]] = fmax(y[into[i]], x->v[i]);
        else
            y[into[i]] += which == LOGSUMEXP ? exp(x->v[i]) : x->v[i];
    for (int64_t i = 0; i < results; i++)
        y[i] = which == MEAN ? y[i] / length : which == LOGSUMEXP ? log(y[i]) : y[i];
    for (int64_t i = 0; i < x->count; i++)
        ties[into[i]] += x->v[i] == y[into[i]];
    for (int64_t i = 0; i < x->count; i++) {
        double of = c[into[i]], peak = x->v[i] == y[into[i]] ? of / ties[into[i]] : 0;
        gx[i] = which == SUM    ? of
                : which == MEAN ? of / length
                : which == MAX  ? peak
                                : of * exp(x->v[i] - y[into[i]]);
    }
    free(ties);
}

static void check_reduction(kind which, bp_dtype dtype, bp_shape shape, bp_axes axes, bool keep) {
    sample x = random_sample(dtype, shape);
    bp_tensor *y = record(which, x.t, axes, keep);
    expect_shape(y, reduced_shape(&shape, &axes, keep));
    sample c = random_sample(dtype, bp_tensor_shape(y));
    int64_t *into = results_of(&shape, &axes);
    double *want = malloc((size_t)c.count * sizeof *want + 8);
    double *gx = malloc((size_t)x.count * sizeof *gx + 8);
    double tolerance = which == SUM ? 0 : dtype == BP_F32 ? 1e-6 : 1e-14;
    by_hand(which, &x, into, c.count, c.v, want, gx);
    if (which == LOGSUMEXP) { /* below 16, and so is its rounding, which exp(x - y) passes on */
        expect_within(y, want, 16 * tolerance);
        expect_near(gradient(y, c.t, x.t), gx, 16 * tolerance);
    } else {
        expect_near(y, want, tolerance);
        expect_near(gradient(y, c.t, x.t), gx, tolerance);
    }
    free(into), free(want), free(gx), free(x.v), free(c.v);
    start_over();
}

START_TEST(any_axes_of_any_shape) {
    for (int round = 0; round < 60; round++)
        for (int which = SUM; which <= LOGSUMEXP; which++) {
            bp_shape shape = random_shape(5, 4);
            check_reduction((kind)which, draw(2) ? BP_F32 : BP_F64, shape, random_axes(shape.rank),
                            draw(2));
        }
    for (int which = SUM; which <= LOGSUMEXP; which++) {
        check_reduction((kind)which, BP_F64, BP_SHAPE(2, 3), BP_ALL, false);
        check_reduction((kind)which, BP_F64, BP_SCALAR, BP_ALL, true);
        check_reduction((kind)which, BP_F32, BP_SHAPE(2, 2, 1, 2, 2, 1, 2, 2), BP_AXES(0, 2, 4, 6),
                        false);
    }
}
END_TEST

START_TEST(long_rows_and_columns) {
    static const int64_t sizes[][2] = {{3, 5000}, {700, 3},  {300, 300},
                                       {1, 4097}, {2049, 1}, {9, 64}};
    for (size_t k = 0; k < sizeof sizes / sizeof sizes[0]; k++)
        for (int which = SUM; which <= LOGSUMEXP; which++)
            for (int axis = 0; axis < 2; axis++) {
                bp_shape shape = BP_SHAPE(sizes[k][0], sizes[k][1]);
                check_reduction((kind)which, axis ? BP_F32 : BP_F64, shape, BP_AXES(axis), false);
            }
}
END_TEST

START_TEST(integers_are_added_and_compared) {
    for (int round = 0; round < 20; round++) {
        static const bp_dtype dtypes[] = {BP_I32, BP_I64, BP_U8, BP_BOOL};
        bp_dtype dtype = dtypes[round % 4];
        bp_shape shape = random_shape(4, 4);
        bp_axes axes = random_axes(shape.rank);
        sample x = random_sample(dtype, shape);
        int64_t *into = results_of(&shape, &axes);
        double want[256], sums[256], unused[256], zeros[256] = {0};
        bp_tensor *y = bp_max(x.t, axes, false);
        by_hand(MAX, &x, into, bp_tensor_count(y), zeros, want, unused);
        expect(y, want);
        if (dtype == BP_I32 || dtype == BP_I64) {
            by_hand(SUM, &x, into, bp_tensor_count(y), zeros, sums, unused);
            expect(bp_sum(x.t, axes, false), sums);
        } else {
            expect_failure(bp_sum(x.t, axes, false), BP_ERR_DTYPE, "bp_cast it to i64");
        }
        free(into), free(x.v);
        start_over();
    }
}
END_TEST

START_TEST(nothing_to_reduce) {
    double zeros[3] = {0, 0, 0}, nans[3] = {NAN, NAN, NAN};
    double low[3] = {-INFINITY, -INFINITY, -INFINITY};
    bp_tensor *x = new_input(BP_F32, BP_SHAPE(0, 3));
    expect(bp_sum(x, BP_AXES(0), false), zeros);
    expect(bp_mean(x, BP_AXES(0), false), nans);
    expect(bp_logsumexp(x, BP_AXES(0), false), low);
    expect_shape(bp_max(x, BP_AXES(1), false), BP_SHAPE(0));
    expect_failure(bp_max(x, BP_AXES(0), false), BP_ERR_SHAPE, "no largest of 0 elements");
    expect_failure(bp_argmax(x, 0), BP_ERR_SHAPE, "no largest of 0 elements");
    expect_shape(bp_softmax(x, 0), BP_SHAPE(0, 3));
    ck_assert_int_eq(bp_eval((bp_tensor *[]){bp_softmax(x, 0), bp_log_softmax(x, 1)}, 2), BP_OK);
}
END_TEST

/* ---- accuracy -------------------------------------------------------------------------------- */

enum { MANY = 1 << 20 };

/* The error of a sum of n elements, relative to the sum of their absolute values, in units of
 * f32. */
static double error_of(const float *x, int64_t n, int64_t step, float sum) {
    double exact = 0, size = 0;
    for (int64_t i = 0; i < n; i++) {
        exact += x[i * step];
        size += fabs(x[i * step]);
    }
    return fabs(sum - exact) / size * 0x1p24;
}

START_TEST(sums_of_a_million_floats_are_accurate) {
    float *x = malloc(MANY * sizeof *x), y[16];
    for (int i = 0; i < MANY; i++)
        x[i] = (float)(draw(1000000) + 1) * 1e-6f;
    bpi_pass row = {1, MANY, 1}, columns = {1, MANY / 16, 16};
    bpi_sum_pass(&row, BP_F32, x, y);
    ck_assert(error_of(x, MANY, 1, y[0]) < 4);
    bpi_sum_pass(&columns, BP_F32, x, y);
    for (int j = 0; j < 16; j++)
        ck_assert(error_of(x + j, MANY / 16, 16, y[j]) < 8);
    free(x);
}
END_TEST

START_TEST(fast_softmax_is_as_accurate_as_its_dtype) {
    static const bpi_pass passes[] = {
        {1, 1000, 1}, {100, 10, 1}, {3, 7, 50}, {1, 5000, 2}, {2, 1, 9}};
    static double x[20000], want[20000], got[20000], work[60000];
    static float x32[20000], want32[20000], got32[20000];
    for (size_t k = 0; k < sizeof passes / sizeof passes[0]; k++) {
        int64_t count = passes[k].outer * passes[k].n * passes[k].inner;
        ck_assert(bpi_softmax_workspace(&passes[k], sizeof(double)) <= sizeof work);
        for (int64_t i = 0; i < count; i++)
            x[i] = x32[i] = (float)(draw(2001) - 1000) / 64;
        int wrong = 0;
        bpi_softmax_reference(&passes[k], BP_F64, x, want);
        bpi_softmax_fast(&passes[k], BP_F64, x, got, work);
        for (int64_t i = 0; i < count; i++)
            wrong += !same_value(got[i], want[i], 4e-15);
        bpi_log_softmax_reference(&passes[k], BP_F64, x, want);
        bpi_log_softmax_fast(&passes[k], BP_F64, x, got, work);
        for (int64_t i = 0; i < count; i++)
            wrong += !(fabs(got[i] - want[i]) <= 1e-15 * (32 + fabs(want[i])));
        bpi_softmax_reference(&passes[k], BP_F32, x32, want32);
        bpi_softmax_fast(&passes[k], BP_F32, x32, got32, work);
        for (int64_t i = 0; i < count; i++)
            wrong += !same_value(got32[i], want32[i], 6e-7);
        ck_assert_int_eq(wrong, 0);
    }
}
END_TEST

/* ---- ties, NaN, infinities ------------------------------------------------------------------- */

START_TEST(ties_share_the_gradient_evenly) {
    double x[] = {3, 1, 3, 3, -1, -1}, c[] = {6, 5}, want[] = {2, 0, 2, 2, 2.5, 2.5};
    double rows[] = {3, 1, 3, 3, -1, -1}, of_rows[] = {3, 0, 3, 5, 0, 0};
    bp_tensor *a = tensor(BP_F64, BP_SHAPE(6), x);
    bp_tensor *first = bp_max(bp_slice(a, (int64_t[]){0}, (int64_t[]){4}), BP_ALL, false);
    bp_tensor *second = bp_max(bp_slice(a, (int64_t[]){4}, (int64_t[]){6}), BP_ALL, false);
    bp_tensor *both[] = {first, second}, *gx;
    bp_tensor *weights[] = {tensor(BP_F64, BP_SCALAR, &c[0]), tensor(BP_F64, BP_SCALAR, &c[1])};
    ck_assert_int_eq(bp_grads(both, weights, 2, &a, 1, &gx), BP_OK);
    expect(gx, want);
    bp_tensor *b = tensor(BP_F64, BP_SHAPE(2, 3), rows), *y = bp_max(b, BP_AXES(1), false);
    expect(gradient(y, tensor(BP_F64, BP_SHAPE(2), c), b), of_rows);
}
END_TEST

START_TEST(a_nan_is_the_largest) {
    double x[] = {1, NAN, 2, INFINITY, 5, -INFINITY, -INFINITY, -INFINITY, -INFINITY};
    double rows[] = {NAN, INFINITY, -INFINITY}, at[] = {1, 0, 0}, columns[] = {INFINITY, NAN, 2};
    for (int dtype = BP_F32; dtype <= BP_F64; dtype++) {
        bp_tensor *a = tensor((bp_dtype)dtype, BP_SHAPE(3, 3), x);
        expect(bp_max(a, BP_AXES(1), false), rows);
        expect(bp_max(a, BP_AXES(0), false), columns);
        expect(bp_argmax(a, 1), at);
    }
    float *many = calloc(1000, sizeof *many), y;
    for (int64_t n = 1; n <= 1000; n += 37)
        for (int64_t i = 0; i < n; i += 13) {
            bpi_pass pass = {1, n, 1};
            many[i] = NAN;
            bpi_max_pass(&pass, BP_F32, many, &y);
            ck_assert(isnan(y));
            many[i] = 0;
        }
    free(many);
}
END_TEST

START_TEST(argmax_takes_the_first_of_equals) {
    double x[] = {1, 4, 4, 2, 7, 7, 7, 0}, last[] = {1, 0}, first[] = {1, 1, 1, 0};
    bp_tensor *a = tensor(BP_I32, BP_SHAPE(2, 4), x);
    ck_assert_int_eq(bp_tensor_dtype(bp_argmax(a, -1)), BP_I64);
    expect(bp_argmax(a, -1), last);
    expect(bp_argmax(a, 0), first);
}
END_TEST

START_TEST(logsumexp_of_infinities) {
    double x[] = {-INFINITY, -INFINITY, 0, -INFINITY, INFINITY, 1, NAN, 1, 1000, 1000};
    double want[] = {-INFINITY, 0, INFINITY, NAN, 1000 + log(2)};
    for (int dtype = BP_F32; dtype <= BP_F64; dtype++) {
        bp_tensor *a = tensor((bp_dtype)dtype, BP_SHAPE(5, 2), x);
        expect_near(bp_logsumexp(a, BP_AXES(1), false), want, 1e-7);
        expect_near(bp_logsumexp(bp_transpose(a), BP_AXES(0), true), want, 1e-7);
    }
    double one[] = {1, 1}, some[] = {-INFINITY, 0, -INFINITY, 0}, gx[] = {0, 1, 0, 1};
    bp_tensor *b = tensor(BP_F64, BP_SHAPE(2, 2), some);
    expect(gradient(bp_logsumexp(b, BP_AXES(1), false), tensor(BP_F64, BP_SHAPE(2), one), b), gx);
}
END_TEST

/* ---- softmax --------------------------------------------------------------------------------- */

static void check_softmax(bp_dtype dtype, bp_shape shape, int axis) {
    sample x = random_sample(dtype, shape), c = random_sample(dtype, shape);
    bp_axes along = BP_AXES(axis);
    int64_t *into = results_of(&shape, &along);
    double p[256], log_p[256], gx[256], log_gx[256], sum[256] = {0}, dot[256] = {0},
                                                     total[256] = {0};
    for (int64_t i = 0; i < x.count; i++)
        sum[into[i]] += exp(x.v[i]);
    for (int64_t i = 0; i < x.count; i++) {
        p[i] = exp(x.v[i]) / sum[into[i]];
        log_p[i] = x.v[i] - log(sum[into[i]]);
        dot[into[i]] += c.v[i] * p[i];
        total[into[i]] += c.v[i];
    }
    for (int64_t i = 0; i < x.count; i++) {
        gx[i] = p[i] * (c.v[i] - dot[into[i]]);
        log_gx[i] = c.v[i] - p[i] * total[into[i]];
    }
    double tolerance = dtype == BP_F32 ? 1e-6 : 1e-15;
    bp_tensor *y = bp_softmax(x.t, axis), *log_y = bp_log_softmax(x.t, axis);
    expect_within(y, p, tolerance);
    expect_within(log_y, log_p, 16 * tolerance); /* its values go down to -10 */
    expect_within(gradient(y, c.t, x.t), gx, 8 * tolerance);
    expect_within(gradient(log_y, c.t, x.t), log_gx, 64 * tolerance); /* up to 16 cotangents of 4 */
    free(into), free(x.v), free(c.v);
    start_over();
}

START_TEST(softmax_along_any_axis) {
    for (int round = 0; round < 60; round++) {
        bp_shape shape = random_shape(3, 4);
        shape.size[shape.rank++] = 1 + draw(4);
        check_softmax(draw(2) ? BP_F32 : BP_F64, shape, draw(2 * shape.rank) - shape.rank);
    }
}
END_TEST

START_TEST(softmax_of_extremes) {
    double x[] = {1000, 1000, -1000, 0, -INFINITY, 0, -INFINITY, -INFINITY, INFINITY, 0, NAN, 0};
    double want[] = {0.5, 0.5, 0, 1, 0, 1, NAN, NAN, NAN, NAN, NAN, NAN};
    double logs[] = {-log(2), -log(2), -1000, 0, -INFINITY, 0, NAN, NAN, NAN, NAN, NAN, NAN};
    for (int dtype = BP_F32; dtype <= BP_F64; dtype++) {
        bp_tensor *a = tensor((bp_dtype)dtype, BP_SHAPE(6, 2), x);
        expect_near(bp_softmax(a, 1), want, 1e-7);
        expect_near(bp_log_softmax(a, 1), logs, 1e-7);
        expect_near(bp_transpose(bp_softmax(bp_transpose(a), 0)), want, 1e-7);
    }
}
END_TEST

/* ---- messages -------------------------------------------------------------------------------- */

START_TEST(messages_say_what_to_do) {
    bp_tensor *x = new_input(BP_F32, BP_SHAPE(2, 3)), *i = new_input(BP_I32, BP_SHAPE(2, 3));
    expect_failure(bp_sum(x, BP_AXES(2), false), BP_ERR_ARGUMENT,
                   "axis 2 does not exist: there are 2");
    expect_failure(bp_max(x, BP_AXES(-3), false), BP_ERR_ARGUMENT, "axis -3 does not exist");
    expect_failure(bp_mean(x, BP_AXES(1, -1), false), BP_ERR_ARGUMENT, "axis -1 is given twice");
    expect_failure(bp_mean(i, BP_ALL, false), BP_ERR_DTYPE, "bp_cast");
    expect_failure(bp_logsumexp(i, BP_ALL, false), BP_ERR_DTYPE, "bp_cast");
    expect_failure(bp_softmax(x, 2), BP_ERR_ARGUMENT, "axis 2 does not exist");
    expect_failure(bp_softmax(i, 0), BP_ERR_DTYPE, "bp_cast");
    expect_failure(bp_argmax(x, -3), BP_ERR_ARGUMENT, "axis -3 does not exist");
    expect_failure(bp_sum(x, (bp_axes){.count = 9}, false), BP_ERR_ARGUMENT, "9 axes");
    ck_assert_ptr_null(bp_sum(NULL, BP_ALL, false));
    ck_assert_ptr_null(bp_softmax(NULL, 0));
}
END_TEST

int main(void) {
    const TTest *const tests[] = {
        any_axes_of_any_shape,
        long_rows_and_columns,
        integers_are_added_and_compared,
        nothing_to_reduce,
        sums_of_a_million_floats_are_accurate,
        fast_softmax_is_as_accurate_as_its_dtype,
        ties_share_the_gradient_evenly,
        a_nan_is_the_largest,
        argmax_takes_the_first_of_equals,
        logsumexp_of_infinities,
        softmax_along_any_axis,
        softmax_of_extremes,
        messages_say_what_to_do,
    };
    return run_tests("ops_reduce", setup, teardown, 60, tests, sizeof tests / sizeof *tests);
}
