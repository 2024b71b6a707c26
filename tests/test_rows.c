/* The kernels along rows at every instruction set that this CPU has, against the references: all
 * short lengths and some long ones, starts that are not aligned, nothing written behind the end;
 * sums with the bits of the portable loops. */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/cpu.h"
#include "kernel/normalize.h"
#include "kernel/reduce.h"
#include "kernel/rows.h"
#include "kernel/softmax.h"
#include "levels.h"
#include "suite.h"

enum { ROOM = 24000 };

static uint64_t state = 88172645463325252u;

static double draw(void) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (double)(state >> 40) / (1 << 23) - 1; /* -1 to 1, 24 bits */
}

/* Arrays of one dtype: an operand, a result, what is wanted, one element after an aligned
 * address. */
typedef struct arrays {
    bp_dtype dtype;
    size_t item;
    char *x, *gy, *y, *want;
} arrays;

static char *memory[4];

static arrays make(bp_dtype dtype, int64_t count, double scale) {
    size_t item = bp_dtype_size(dtype);
    for (int k = 0; k < 4; k++)
        memory[k] = aligned_alloc(64, ROOM * 8 + 64);
    arrays a = {dtype,           item, memory[0] + item, memory[1] + item, memory[2] + item,
                memory[3] + item};
    for (int64_t i = 0; i < count; i++) {
        double x = draw() * scale, g = draw();
        if (dtype == BP_F32)
            ((float *)a.x)[i] = (float)x, ((float *)a.gy)[i] = (float)g;
        else
            ((double *)a.x)[i] = x, ((double *)a.gy)[i] = g;
    }
    memset(memory[2], 0x5a, ROOM * 8 + 64);
    return a;
}

static void drop(void) {
    for (int k = 0; k < 4; k++)
        free(memory[k]);
}

static double at(const arrays *a, const char *p, int64_t i) {
    return a->dtype == BP_F32 ? (double)((const float *)p)[i] : ((const double *)p)[i];
}

static void put(const arrays *a, char *p, int64_t i, double value) {
    if (a->dtype == BP_F32)
        ((float *)p)[i] = (float)value;
    else
        ((double *)p)[i] = value;
}

/* Compares `count` results, absolute up to 1 and relative above, and looks behind the last one. */
static void compare(const arrays *a, int64_t count, double tolerance, const char *what, int64_t n) {
    for (int64_t i = 0; i < count; i++) {
        double got = at(a, a->y, i), want = at(a, a->want, i);
        if (!(fabs(got - want) <= tolerance * fmax(1, fabs(want))))
            ck_abort_msg("%s %s %s of %d: element %d is %.17g, not %.17g", bpi_cpu_name(), what,
                         bp_dtype_name(a->dtype), (int)n, (int)i, got, want);
    }
    for (size_t k = 0; k < 64; k++)
        if (a->y[(size_t)count * a->item + k] != 0x5a)
            ck_abort_msg("%s %s %s of %d writes behind its end", bpi_cpu_name(), what,
                         bp_dtype_name(a->dtype), (int)n);
}

static const int64_t lengths[] = {
    1,  2,   3,   4,   5,   6,   7,   8,   9,   10,   11,   12,   13,   14,   15,   16,  17,
    18, 19,  20,  21,  23,  24,  25,  26,  28,  31,   32,   33,   40,   47,   48,   49,  50,
    55, 63,  64,  65,  79,  80,  81,  95,  96,  97,   98,   99,   64,   10,   66,   70,  71,
    72, 100, 127, 128, 129, 255, 257, 511, 784, 1000, 1023, 1024, 1025, 2047, 4097, 5000};

/* Calls `check` for every length, dtype and instruction set. */
static void everywhere(void (*check)(bp_dtype dtype, int64_t rows, int64_t n)) {
    enum bpi_cpu_level best = bpi_cpu_level();
    for (int level = BPI_CPU_REFERENCE; level < BPI_CPU_COUNT; level++) {
        if (!bpi_cpu_has((enum bpi_cpu_level)level))
            continue;
        bpi_cpu_force((enum bpi_cpu_level)level);
        for (size_t k = 0; k < sizeof lengths / sizeof lengths[0]; k++)
            for (int dtype = BP_F32; dtype <= BP_F64; dtype++)
                check((bp_dtype)dtype, lengths[k] < 200 ? 100 : 2, lengths[k]);
    }
    bpi_cpu_force(best);
}

/* ---- sums and maxima ------------------------------------------------------------------------- */

static void portable(void (*run)(const bpi_pass *, bp_dtype, const void *, void *),
                     const bpi_pass *pass, const arrays *a) {
    enum bpi_cpu_level level = bpi_cpu_level();
    bpi_cpu_force(BPI_CPU_REFERENCE);
    run(pass, a->dtype, a->x, a->want);
    bpi_cpu_force(level);
}

static void check_sums(bp_dtype dtype, int64_t rows, int64_t n) {
    bpi_pass pass[] = {{rows, n, 1}, {1, rows, n}, {1, n, rows}, {2, n, rows / 2}};
    for (int k = 0; k < 4; k++) {
        arrays a = make(dtype, rows * n, 1);
        bpi_sum_pass(&pass[k], dtype, a.x, a.y);
        portable(bpi_sum_pass, &pass[k], &a);
        compare(&a, pass[k].outer * pass[k].inner, 0, "sum", n);
        drop();
    }
}

static void check_maxima(bp_dtype dtype, int64_t rows, int64_t n) {
    bpi_pass pass[] = {{rows, n, 1}, {1, rows, n}, {1, n, rows}};
    for (int k = 0; k < 3; k++) {
        arrays a = make(dtype, rows * n, 1);
        bpi_max_pass(&pass[k], dtype, a.x, a.y);
        portable(bpi_max_pass, &pass[k], &a);
        compare(&a, pass[k].outer * pass[k].inner, 0, "max", n);
        drop();
    }
}

START_TEST(sums_have_the_same_bits_everywhere) { everywhere(check_sums); }
END_TEST

/* An array that no cache keeps, of which rows far apart are summed together. */
static void check_far_rows(bp_dtype dtype, int64_t n, char *x, char *y) {
    const size_t item = bp_dtype_size(dtype);
    const int64_t left_over = 1 + n % 4, rows = BPI_BEYOND_CACHES / (int64_t)item / n + left_over;
    const arrays a = {.dtype = dtype, .item = item};
    for (int64_t i = 0; i < rows * n; i++)
        put(&a, x, i, draw());
    memset(y, 0x5a, (size_t)rows * item + 64);
    bpi_sum_pass(&(bpi_pass){rows, n, 1}, dtype, x, y);
    for (int64_t r = 0; r < rows; r++) {
        char alone[8];
        bpi_sum_pass(&(bpi_pass){1, n, 1}, dtype, x + (size_t)(r * n) * item, alone);
        if (memcmp(alone, y + (size_t)r * item, item) != 0)
            ck_abort_msg("%s %s: row %d of %d elements has other bits than alone", bpi_cpu_name(),
                         bp_dtype_name(dtype), (int)r, (int)n);
    }
    for (size_t k = 0; k < 64; k++)
        ck_assert_int_eq(y[(size_t)rows * item + k], 0x5a);
}

static void check_all_far_rows(bp_dtype dtype) {
    static const int64_t some[] = {31, 32, 33, 63, 64, 65, 127, 500, 511, 512, 1000, 1023, 1024};
    char *x = malloc(BPI_BEYOND_CACHES + 8 * 8 * 1024), *y = malloc(BPI_BEYOND_CACHES / 31 + 1024);
    ck_assert(x && y);
    for (size_t k = 0; k < sizeof some / sizeof *some; k++)
        check_far_rows(dtype, some[k], x + bp_dtype_size(dtype), y);
    free(x);
    free(y);
}

START_TEST(rows_that_are_far_apart_have_the_bits_that_they_have_alone) {
    at_every_level(check_all_far_rows);
}
END_TEST

START_TEST(maxima_are_the_same_everywhere) { everywhere(check_maxima); }
END_TEST

static void check_nan(bp_dtype dtype, int64_t rows, int64_t n) {
    arrays a = make(dtype, rows * n, 1);
    bpi_pass pass = {rows, n, 1};
    for (int64_t r = 0; r < rows; r += 2) {
        int64_t i = r * n + (r * 7919) % n;
        if (dtype == BP_F32)
            ((float *)a.x)[i] = NAN;
        else
            ((double *)a.x)[i] = NAN;
    }
    bpi_max_pass(&pass, dtype, a.x, a.y);
    for (int64_t r = 0; r < rows; r++)
        if ((isnan(at(&a, a.y, r)) != 0) != (r % 2 == 0))
            ck_abort_msg("%s max of %d, row %d", bpi_cpu_name(), (int)n, (int)r);
    drop();
}

START_TEST(a_nan_is_found_wherever_it_is) { everywhere(check_nan); }
END_TEST

/* ---- softmax --------------------------------------------------------------------------------- */

/* Rounding: of the exponential and the quotient, of a sum of n positive terms in 64 or more
 * parts. */
static double bound(bp_dtype dtype, int64_t n) {
    return (dtype == BP_F32 ? 0x1p-24 : 0x1p-53) * (4 + (double)n / 64);
}

static void check_softmax(bp_dtype dtype, int64_t rows, int64_t n) {
    static double workspace[ROOM];
    bpi_pass pass = {rows, n, 1};
    arrays a = make(dtype, rows * n, 6);
    ck_assert(bpi_softmax_workspace(&pass, a.item) <= sizeof workspace);
    bpi_softmax_reference(&pass, dtype, a.x, a.want);
    bpi_softmax_fast(&pass, dtype, a.x, a.y, workspace);
    compare(&a, rows * n, bound(dtype, n), "softmax", n);
    bpi_log_softmax_reference(&pass, dtype, a.x, a.want);
    bpi_log_softmax_fast(&pass, dtype, a.x, a.y, workspace);
    compare(&a, rows * n, 8 * bound(dtype, n), "log_softmax", n);
    memset(a.y, 0x5a, ROOM * 8);
    bpi_reduction r = {.passes = 1, .kept = 1, .reduced = 1, .results = rows, .length = n};
    r.kept_size[0] = rows, r.kept_stride[0] = n, r.reduced_size[0] = n, r.reduced_stride[0] = 1;
    bpi_logsumexp_reference(&r, dtype, a.x, a.want);
    bpi_logsumexp_fast(&pass, dtype, a.x, a.y, workspace);
    compare(&a, rows, 8 * bound(dtype, n), "logsumexp", n);
    drop();
}

START_TEST(softmax_agrees_with_its_reference_everywhere) { everywhere(check_softmax); }
END_TEST

/* What stands in the rows, one after the other, that are not finite. */
static const struct {
    double most, one, sum; /* all elements at most that, one that; the logsumexp, or 0: finite */
} infinite[] = {{INFINITY, 0, 0},
                {-INFINITY, -INFINITY, -INFINITY},
                {INFINITY, INFINITY, INFINITY},
                {-INFINITY, INFINITY, INFINITY},
                {INFINITY, NAN, NAN},
                {-INFINITY, NAN, NAN}};

/* Rows whose maximum is not finite, beside others. */
static void check_infinite(bp_dtype dtype, int64_t rows, int64_t n) {
    static double workspace[ROOM];
    bpi_pass pass = {rows, n, 1};
    arrays a = make(dtype, rows * n, 3);
    for (int64_t i = 0; i < rows * n; i++)
        put(&a, a.x, i, fmin(infinite[i / n % 6].most, at(&a, a.x, i)));
    for (int64_t r = 0; r < rows; r++)
        put(&a, a.x, r * n + r % n, infinite[r % 6].one);
    bpi_logsumexp_fast(&pass, dtype, a.x, a.y, workspace);
    for (int64_t r = 0; r < rows; r++) {
        double y = at(&a, a.y, r), want = infinite[r % 6].sum;
        if (want == 0 ? !isfinite(y) : y != want && !(isnan(y) && isnan(want)))
            ck_abort_msg("%s logsumexp of %d: row %d is %g", bpi_cpu_name(), (int)n, (int)r, y);
    }
    drop();
}

START_TEST(logsumexp_of_infinite_rows_is_what_it_should_be) { everywhere(check_infinite); }
END_TEST

static void check_gradients(bp_dtype dtype, int64_t rows, int64_t n) {
    static double workspace[ROOM];
    bpi_pass passes[] = {{rows, n, 1}, {1, n, rows}};
    for (int k = 0; k < 2; k++) {
        arrays a = make(dtype, rows * n, 1);
        bpi_softmax_grad_reference(&passes[k], dtype, a.x, a.gy, a.want);
        bpi_softmax_grad_fast(&passes[k], dtype, a.x, a.gy, a.y, workspace);
        compare(&a, rows * n, 2 * bound(dtype, 64 * n), "softmax_grad", n);
        bpi_log_softmax_grad_reference(&passes[k], dtype, a.x, a.gy, a.want);
        bpi_log_softmax_grad_fast(&passes[k], dtype, a.x, a.gy, a.y, workspace);
        compare(&a, rows * n, 2 * bound(dtype, 64 * n), "log_softmax_grad", n);
        drop();
    }
}

START_TEST(gradients_agree_with_their_references_everywhere) { everywhere(check_gradients); }
END_TEST

/* Every kernel that takes many rows at once, from x (and gy) to y, which may be one of them. */
static void run_rows(int which, const arrays *a, int64_t rows, int64_t n, const char *x,
                     const char *gy, char *y) {
    static double workspace[ROOM];
    bpi_pass pass = {rows, n, 1};
    switch (which) {
    case 0: bpi_softmax_fast(&pass, a->dtype, x, y, workspace); break;
    case 1: bpi_log_softmax_fast(&pass, a->dtype, x, y, workspace); break;
    case 2: bpi_softmax_grad_fast(&pass, a->dtype, x, gy, y, workspace); break;
    default: bpi_log_softmax_grad_fast(&pass, a->dtype, x, gy, y, workspace); break;
    }
}

/* Rows among others, of which some hold a NaN or nothing but -inf, have the bits that they have
 * alone: elsewhere, and in place of either operand. Portable loops sum small groups otherwise. */
static void check_alone(bp_dtype dtype, int64_t rows, int64_t n) {
    rows = rows < 21 ? rows : 21;
    for (int which = 0; which < 4 && bpi_rows_for(dtype); which++) {
        arrays a = make(dtype, rows * n, 3);
        const size_t bytes = (size_t)n * a.item;
        for (int64_t i = 0; i < n; i++)
            put(&a, a.x, n + i, -INFINITY);
        put(&a, a.x, rows / 2 * n + n / 2, NAN);
        run_rows(which, &a, rows, n, a.x, a.gy, a.y);
        for (int64_t r = 0; r < rows; r++) {
            char *x = a.x + (size_t)r * bytes, *gy = a.gy + (size_t)r * bytes;
            char *to = r % 3 == 0 ? a.want : r % 3 == 1 || which < 2 ? x : gy;
            run_rows(which, &a, 1, n, x, gy, to);
            if (memcmp(to, a.y + (size_t)r * bytes, bytes) != 0)
                ck_abort_msg("%s %d of %d: row %d of %d differs", bpi_cpu_name(), which, (int)n,
                             (int)r, (int)rows);
            bool nan = r == rows / 2 || (r == 1 && which < 2);
            if (which < 2 && (isnan(at(&a, to, 0)) != 0) != nan)
                ck_abort_msg("%s %d of %d: NaN in row %d", bpi_cpu_name(), which, (int)n, (int)r);
        }
        drop();
    }
}

START_TEST(a_row_has_the_bits_that_it_has_alone) { everywhere(check_alone); }
END_TEST

/* All rows at once, in place of one operand or the other, which the portable loops cannot do. */
static void check_in_place(bp_dtype dtype, int64_t rows, int64_t n) {
    for (int which = 0; which < 6 && bpi_rows_for(dtype); which++) {
        arrays a = make(dtype, rows * n, 3);
        char *to = which < 4 ? a.x : a.gy;
        run_rows(which < 4 ? which : which - 2, &a, rows, n, a.x, a.gy, a.y);
        run_rows(which < 4 ? which : which - 2, &a, rows, n, a.x, a.gy, to);
        if (memcmp(to, a.y, (size_t)(rows * n) * a.item) != 0)
            ck_abort_msg("%s %d of %d in place", bpi_cpu_name(), which, (int)n);
        drop();
    }
}

START_TEST(softmax_and_its_gradients_may_be_in_place) { everywhere(check_in_place); }
END_TEST

/* ---- the loss of classes --------------------------------------------------------------------- */

static void check_class_loss(bp_dtype dtype, int64_t rows, int64_t n) {
    static int64_t class[ROOM];
    arrays a = make(dtype, rows * n, 6);
    for (int64_t r = 0; r < rows; r++)
        class[r] = (int64_t)((draw() + 1) / 2 * (double)n) % n;
    bpi_indices index = {class, BP_I64, rows};
    double want = bpi_class_loss_reference(&index, n, dtype, a.x, a.want);
    double got = bpi_class_loss_fast(&index, n, dtype, a.x, a.y);
    compare(&a, rows * n, bound(dtype, n), "class_loss", n);
    if (!(fabs(got - want) <= (double)rows * 8 * bound(dtype, n)))
        ck_abort_msg("%s class_loss of %d: %.17g, not %.17g", bpi_cpu_name(), (int)n, got, want);
    /* The gradient, out of p = a.want, with a factor whose products are exact. */
    double half = 0.5;
    float narrow = 0.5f;
    memset(a.y, 0x5a, (size_t)(rows * n) * a.item);
    bpi_class_loss_grad(&index, n, dtype, a.want, dtype == BP_F32 ? (void *)&narrow : &half, a.y);
    for (int64_t i = 0; i < rows * n; i++) {
        double p = at(&a, a.want, i), t = class[i / n] == i % n;
        if (at(&a, a.y, i) != (dtype == BP_F32 ? 0.5 * (float)(p - t) : 0.5 * (p - t)))
            ck_abort_msg("%s class_loss_grad of %d: element %d", bpi_cpu_name(), (int)n, (int)i);
    }
    drop();
}

START_TEST(the_loss_of_classes_agrees_with_its_reference_everywhere) {
    everywhere(check_class_loss);
}
END_TEST

/* ---- normalisation --------------------------------------------------------------------------- */

/* One result of the gradient, `y` beside `want`. */
static void compare_part(const arrays *a, int64_t count, char *y, char *want, double tolerance,
                         const char *what, int64_t n) {
    arrays part = *a;
    part.y = y;
    part.want = want;
    compare(&part, count, tolerance, what, n);
}

static void check_norm_grad(const arrays *a, int64_t rows, int64_t n, const void *r,
                            const void *scale, double tolerance) {
    static char sums[4][8 * 5064], workspace[2 * 3 * 8 * 5000];
    memset(sums, 0x5a, sizeof sums);
    bpi_norm_grad want = {rows, n, a->x, r, scale, a->gy, a->want, sums[0], sums[1]}, got = want;
    got.gx = a->y, got.gscale = sums[2], got.gshift = sums[3];
    bpi_norm_grad_reference(&want, a->dtype, workspace);
    bpi_norm_grad_fast(&got, a->dtype, workspace);
    compare(a, rows * n, tolerance, "layer_norm_grad", n);
    compare_part(a, n, sums[2], sums[0], 10 * tolerance, "gscale", n);
    compare_part(a, n, sums[3], sums[1], 32 * bound(a->dtype, n), "gshift", n);
}

/* Rows with a mean that is large beside the deviation: where a variance of squares would fail. */
static void check_normalize(bp_dtype dtype, int64_t rows, int64_t n) {
    double got[100], want[100];
    arrays a = make(dtype, rows * n, 1);
    for (int64_t i = 0; i < rows * n && dtype == BP_F32; i++)
        ((float *)a.x)[i] += 100;
    double tolerance = 32 * bound(dtype, n); /* 1 / sqrt(epsilon) times that of a sum */
    const char *scale = a.gy, *shift = a.gy + (rows - 1) * n * (int64_t)a.item;
    bpi_norm reference = {rows, n, a.x, scale, shift, a.want, want};
    bpi_norm fast = {rows, n, a.x, scale, shift, a.y, got};
    bpi_normalize_reference(&reference, 1e-3, dtype);
    bpi_normalize_fast(&fast, 1e-3, dtype);
    compare(&a, rows * n, tolerance, "normalize", n);
    for (int64_t r = 0; r < rows; r++) {
        double is = at(&a, (char *)got, r), should = at(&a, (char *)want, r);
        if (!(fabs(is - should) <= tolerance * should))
            ck_abort_msg("%s normalize of %d: r is %.17g, not %.17g", bpi_cpu_name(), (int)n, is,
                         should);
    }
    check_norm_grad(&a, rows, n, want, shift, 32 * tolerance);
    memcpy(a.x, a.want, (size_t)(rows * n) * a.item);
    bpi_normalize_grad_reference(rows, n, dtype, a.x, want, a.gy, a.want);
    bpi_normalize_grad_fast(rows, n, dtype, a.x, want, a.gy, a.y);
    compare(&a, rows * n, 32 * bound(dtype, 64 * n), "normalize_grad", n);
    drop();
}

START_TEST(normalisation_agrees_with_its_reference_everywhere) { everywhere(check_normalize); }
END_TEST

int main(void) {
    const TTest *const tests[] = {
        sums_have_the_same_bits_everywhere,
        rows_that_are_far_apart_have_the_bits_that_they_have_alone,
        maxima_are_the_same_everywhere,
        a_nan_is_found_wherever_it_is,
        softmax_agrees_with_its_reference_everywhere,
        logsumexp_of_infinite_rows_is_what_it_should_be,
        gradients_agree_with_their_references_everywhere,
        a_row_has_the_bits_that_it_has_alone,
        softmax_and_its_gradients_may_be_in_place,
        the_loss_of_classes_agrees_with_its_reference_everywhere,
        normalisation_agrees_with_its_reference_everywhere,
    };
    return run_tests("rows", NULL, NULL, 60, tests, sizeof tests / sizeof *tests);
}
