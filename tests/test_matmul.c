/* Matrix products and their gradients against hand-written loops: every size from 0 up, vectors,
 * all orientations, batches that broadcast; the kernels behind them; and what is said of wrong
 * shapes. */
#include "kernel/gemm.h"
#include "ops_fixture.h"
#include "suite.h"

/* ---- the product by hand --------------------------------------------------------------------- */

/* A vector as a matrix, and the shape of a matrix in a batch. */
static bp_shape matrix(bp_shape s, bool left) {
    if (s.rank == 1)
        return left ? BP_SHAPE(1, s.size[0]) : BP_SHAPE(s.size[0], 1);
    return s;
}

/* Number of the matrix that batch `index` of y takes from an operand. */
static int64_t batch_of(const bp_shape *operand, const bp_shape *batch, const int64_t *index) {
    int64_t at = 0;
    for (int k = 0; k < operand->rank - 2; k++) {
        int64_t i = index[batch->rank - (operand->rank - 2) + k];
        at = at * operand->size[k] + (operand->size[k] == 1 ? 0 : i);
    }
    return at;
}

typedef struct hand {
    bp_shape batch;
    int64_t m, n, k, batches;
    double *y, *ga, *gb;
} hand;

static hand sizes(const bp_shape *a, const bp_shape *b, bool ta, bool tb) {
    hand h = {.batch = {.rank = (a->rank > b->rank ? a->rank : b->rank) - 2}, .batches = 1};
    h.m = a->size[a->rank - (ta ? 1 : 2)];
    h.k = a->size[a->rank - (ta ? 2 : 1)];
    h.n = b->size[b->rank - (tb ? 2 : 1)];
    for (int k = 0; k < h.batch.rank; k++) {
        int in_a = k - (h.batch.rank - (a->rank - 2)), in_b = k - (h.batch.rank - (b->rank - 2));
        int64_t sa = in_a < 0 ? 1 : a->size[in_a], sb = in_b < 0 ? 1 : b->size[in_b];
        h.batch.size[k] = sa == 1 ? sb : sa;
        h.batches *= h.batch.size[k];
    }
    return h;
}

/* y = op(a) op(b), and the gradients of Σ gy y by the definition: every term of every sum. */
static hand by_hand(const sample *sa, bool ta, const sample *sb, bool tb, const double *gy) {
    bp_shape a = matrix(sa->shape, true), b = matrix(sb->shape, false);
    hand h = sizes(&a, &b, ta, tb);
    h.y = calloc((size_t)(h.batches * h.m * h.n) + 1, sizeof(double));
    h.ga = calloc((size_t)sa->count + 1, sizeof(double));
    h.gb = calloc((size_t)sb->count + 1, sizeof(double));
    int64_t index[BP_MAX_RANK] = {0};
    for (int64_t p = 0; p < h.batches; p++, next_index(&h.batch, index)) {
        int64_t at_a = batch_of(&a, &h.batch, index) * h.m * h.k;
        int64_t at_b = batch_of(&b, &h.batch, index) * h.k * h.n;
        for (int64_t i = 0; i < h.m; i++)
            for (int64_t j = 0; j < h.n; j++)
                for (int64_t l = 0; l < h.k; l++) {
                    int64_t ai = at_a + (ta ? l * h.m + i : i * h.k + l);
                    int64_t bi = at_b + (tb ? j * h.k + l : l * h.n + j);
                    int64_t yi = (p * h.m + i) * h.n + j;
                    h.y[yi] += sa->v[ai] * sb->v[bi];
                    h.ga[ai] += gy ? gy[yi] * sb->v[bi] : 0;
                    h.gb[bi] += gy ? gy[yi] * sa->v[ai] : 0;
                }
    }
    return h;
}

static void check_product(bp_dtype dtype, bp_shape shape_a, bool ta, bp_shape shape_b, bool tb) {
    sample a = random_sample(dtype, shape_a), b = random_sample(dtype, shape_b);
    bp_tensor *y = bp_matmul_t(a.t, ta, b.t, tb);
    ck_assert_msg(y != NULL, "%s", bp_error(g));
    sample c = random_sample(dtype, bp_tensor_shape(y));
    hand h = by_hand(&a, ta, &b, tb, c.v);
    ck_assert_int_eq(bp_tensor_count(y), h.batches * h.m * h.n);
    expect(y, h.y);
    expect(gradient(y, c.t, a.t), h.ga);
    expect(gradient(y, c.t, b.t), h.gb);
    free(h.y), free(h.ga), free(h.gb), free(a.v), free(b.v), free(c.v);
    start_over();
}

static bp_shape either(int64_t rows, int64_t columns, bool transposed) {
    return transposed ? BP_SHAPE(columns, rows) : BP_SHAPE(rows, columns);
}

/* ---- values and gradients -------------------------------------------------------------------- */

START_TEST(matrices_of_any_size_in_any_orientation) {
    for (int round = 0; round < 120; round++) {
        int64_t rows = draw(13), columns = draw(13), inner = draw(13);
        bool ta = draw(2), tb = draw(2);
        check_product(draw(2) ? BP_F32 : BP_F64, either(rows, inner, ta), ta,
                      either(inner, columns, tb), tb);
    }
}
END_TEST

START_TEST(products_large_enough_for_blas) {
    static const int64_t size[][3] = {
        {65, 33, 130}, {1, 90, 70}, {90, 1, 70}, {2, 130, 40}, {70, 80, 1}};
    for (int flags = 0; flags < 4; flags++)
        for (size_t k = 0; k < sizeof size / sizeof size[0]; k++) {
            bool ta = flags & 1, tb = flags & 2;
            check_product(k % 2 ? BP_F64 : BP_F32, either(size[k][0], size[k][2], ta), ta,
                          either(size[k][2], size[k][1], tb), tb);
        }
}
END_TEST

START_TEST(vectors_are_rows_on_the_left_and_columns_on_the_right) {
    check_product(BP_F64, BP_SHAPE(5), false, BP_SHAPE(5), false);
    check_product(BP_F32, BP_SHAPE(5), false, BP_SHAPE(5, 3), false);
    check_product(BP_F64, BP_SHAPE(5), false, BP_SHAPE(3, 5), true);
    check_product(BP_F64, BP_SHAPE(4, 5), false, BP_SHAPE(5), false);
    check_product(BP_F32, BP_SHAPE(5, 4), true, BP_SHAPE(5), false);
    check_product(BP_F64, BP_SHAPE(5), false, BP_SHAPE(2, 3, 5, 4), false);
    check_product(BP_F64, BP_SHAPE(2, 3, 4, 5), false, BP_SHAPE(5), false);
    check_product(BP_F64, BP_SHAPE(2, 5, 4), true, BP_SHAPE(5), false);
    check_product(BP_F64, BP_SHAPE(0), false, BP_SHAPE(0), false);
    bp_tensor *x = new_input(BP_F64, BP_SHAPE(5)), *w = new_input(BP_F64, BP_SHAPE(2, 5, 4));
    expect_shape(bp_matmul(x, x), BP_SCALAR);
    expect_shape(bp_matmul(x, w), BP_SHAPE(2, 4));
    expect_shape(bp_matmul_t(w, true, x, false), BP_SHAPE(2, 4));
}
END_TEST

/* Batch dimensions of one operand: some of those of y missing in front, some of size 1. */
static bp_shape with_batch(const bp_shape *batch, int64_t rows, int64_t columns) {
    bp_shape shape = {.rank = 0};
    for (int k = draw(batch->rank + 1); k < batch->rank; k++)
        shape.size[shape.rank++] = draw(3) ? batch->size[k] : 1;
    shape.size[shape.rank++] = rows;
    shape.size[shape.rank++] = columns;
    return shape;
}

START_TEST(batches_broadcast) {
    for (int round = 0; round < 120; round++) {
        bp_shape batch = random_shape(3, 3);
        int64_t rows = 1 + draw(4), columns = 1 + draw(4), inner = 1 + draw(4);
        bool ta = draw(2), tb = draw(2);
        bp_shape a = ta ? with_batch(&batch, inner, rows) : with_batch(&batch, rows, inner);
        bp_shape b = tb ? with_batch(&batch, columns, inner) : with_batch(&batch, inner, columns);
        check_product(draw(2) ? BP_F32 : BP_F64, a, ta, b, tb);
    }
    check_product(BP_F64, BP_SHAPE(0, 2, 3), false, BP_SHAPE(3, 2), false);
    check_product(BP_F64, BP_SHAPE(2, 1, 1, 1, 1, 1, 2, 3), false, BP_SHAPE(3, 1, 1, 3, 2), false);
}
END_TEST

START_TEST(nothing_to_add_up_gives_zeros) {
    double zeros[6] = {0};
    expect(bp_matmul(new_input(BP_F32, BP_SHAPE(2, 0)), new_input(BP_F32, BP_SHAPE(0, 3))), zeros);
    expect(bp_matmul(new_input(BP_F64, BP_SHAPE(0)), new_input(BP_F64, BP_SHAPE(0, 3))), zeros);
}
END_TEST

START_TEST(nan_and_infinity_are_not_lost) {
    double a[] = {0, NAN, 0, INFINITY}, zero[] = {0, 0, 0, 0}, nans[] = {NAN, NAN, NAN, NAN};
    bp_tensor *x = tensor(BP_F32, BP_SHAPE(2, 2), a), *z = tensor(BP_F32, BP_SHAPE(2, 2), zero);
    expect(bp_matmul(x, z), nans);
}
END_TEST

START_TEST(outer_is_all_products) {
    for (int round = 0; round < 20; round++) {
        sample a = random_sample(BP_F32, BP_SHAPE(draw(6))),
               b = random_sample(BP_F32, BP_SHAPE(draw(6)));
        bp_tensor *y = bp_outer(a.t, b.t);
        sample c = random_sample(BP_F32, bp_tensor_shape(y));
        double want[25], ga[5] = {0}, gb[5] = {0};
        for (int64_t i = 0; i < a.count; i++)
            for (int64_t j = 0; j < b.count; j++) {
                int64_t at = i * b.count + j;
                want[at] = a.v[i] * b.v[j];
                ga[i] += c.v[at] * b.v[j];
                gb[j] += c.v[at] * a.v[i];
            }
        expect_shape(y, BP_SHAPE(a.count, b.count));
        expect(y, want);
        expect(gradient(y, c.t, a.t), ga);
        expect(gradient(y, c.t, b.t), gb);
        free(a.v), free(b.v), free(c.v);
        start_over();
    }
}
END_TEST

/* ---- kernels --------------------------------------------------------------------------------- */

enum { WIDEST = 72 };

/* Every element of c in its place, whatever was there overwritten, the padding between rows
 * untouched. */
static void check_kernels_f32(bpi_product p) {
    static float a[WIDEST * WIDEST], b[WIDEST * WIDEST], c[2][WIDEST * WIDEST];
    for (int i = 0; i < WIDEST * WIDEST; i++) {
        a[i] = (float)(draw(9) - 4);
        b[i] = (float)(draw(9) - 4);
        c[0][i] = c[1][i] = i % p.ldc < p.n && i / p.ldc < p.m ? NAN : 7;
    }
    bpi_gemm_reference_f32(&p, a, b, c[0]);
    bpi_gemm_f32(&p, a, b, c[1]);
    int different = 0;
    for (int i = 0; i < WIDEST * WIDEST; i++)
        different += c[0][i] != c[1][i];
    ck_assert_int_eq(different, 0);
}

static void check_kernels_f64(bpi_product p) {
    static double a[WIDEST * WIDEST], b[WIDEST * WIDEST], c[2][WIDEST * WIDEST];
    for (int i = 0; i < WIDEST * WIDEST; i++) {
        a[i] = draw(9) - 4;
        b[i] = draw(9) - 4;
        c[0][i] = c[1][i] = i % p.ldc < p.n && i / p.ldc < p.m ? NAN : 7;
    }
    bpi_gemm_reference_f64(&p, a, b, c[0]);
    bpi_gemm_f64(&p, a, b, c[1]);
    int different = 0;
    for (int i = 0; i < WIDEST * WIDEST; i++)
        different += c[0][i] != c[1][i];
    ck_assert_int_eq(different, 0);
}

START_TEST(kernels_agree_with_the_reference) {
    for (int round = 0; round < 200; round++) {
        int most = round % 4 ? 12 : WIDEST - 6;
        bpi_product p = {.m = draw(most),
                         .n = 1 + draw(most),
                         .k = draw(most),
                         .transpose_a = draw(2),
                         .transpose_b = draw(2)};
        p.lda = (p.transpose_a ? p.m : p.k) + 1 + draw(5);
        p.ldb = (p.transpose_b ? p.k : p.n) + 1 + draw(5);
        p.ldc = p.n + draw(5);
        check_kernels_f32(p);
        check_kernels_f64(p);
    }
}
END_TEST

/* ---- messages -------------------------------------------------------------------------------- */

static void wrong(bp_shape a, bool ta, bp_shape b, bool tb, bp_status status, const char *words) {
    bp_tensor *x = new_input(BP_F32, a), *y = new_input(BP_F32, b);
    expect_failure(bp_matmul_t(x, ta, y, tb), status, words);
}

START_TEST(messages_say_what_to_do) {
    wrong(
        BP_SHAPE(32, 784), false, BP_SHAPE(512, 784), false, BP_ERR_SHAPE,
        "inner sizes differ, [32,784] x [512,784]; did you mean to transpose the second operand?");
    wrong(BP_SHAPE(784, 32), false, BP_SHAPE(784, 10), false, BP_ERR_SHAPE,
          "did you mean to transpose the first operand?");
    wrong(BP_SHAPE(784, 10), false, BP_SHAPE(32, 784), false, BP_ERR_SHAPE,
          "did you mean to swap the operands?");
    wrong(BP_SHAPE(32, 784), true, BP_SHAPE(784, 10), false, BP_ERR_SHAPE,
          "inner sizes differ, [32,784] transposed x [784,10]; did you mean not to transpose the "
          "first");
    wrong(BP_SHAPE(32, 784), false, BP_SHAPE(512, 10), false, BP_ERR_SHAPE,
          "the columns of the first must be as many as the rows of the second");
    wrong(BP_SHAPE(3), false, BP_SHAPE(6), false, BP_ERR_SHAPE, "bp_outer");
    wrong(BP_SCALAR, false, BP_SHAPE(6, 2), false, BP_ERR_SHAPE,
          "operand a is a scalar; use bp_mul");
    wrong(BP_SHAPE(6), true, BP_SHAPE(6, 2), false, BP_ERR_SHAPE, "has no transpose");
    wrong(BP_SHAPE(2, 3, 4), false, BP_SHAPE(5, 4, 3), false, BP_ERR_SHAPE,
          "batch sizes 2 and 5 do not broadcast");
    bp_tensor *x = new_input(BP_F32, BP_SHAPE(2, 3)), *i = new_input(BP_I32, BP_SHAPE(3, 2));
    bp_tensor *d = new_input(BP_F64, BP_SHAPE(3, 2));
    expect_failure(bp_matmul(x, i), BP_ERR_DTYPE, "bp_cast");
    expect_failure(bp_matmul(x, d), BP_ERR_DTYPE, "f32 and f64");
    expect_failure(bp_outer(x, x), BP_ERR_SHAPE, "takes two vectors, but a has 2 dimensions");
    ck_assert_ptr_null(bp_matmul(NULL, x));
}
END_TEST

int main(void) {
    const TTest *const tests[] = {
        matrices_of_any_size_in_any_orientation,
        products_large_enough_for_blas,
        vectors_are_rows_on_the_left_and_columns_on_the_right,
        batches_broadcast,
        nothing_to_add_up_gives_zeros,
        nan_and_infinity_are_not_lost,
        outer_is_all_products,
        kernels_agree_with_the_reference,
        messages_say_what_to_do,
    };
    return run_tests("matmul", setup, teardown, 60, tests, sizeof tests / sizeof *tests);
}
