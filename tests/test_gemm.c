/* Matrix products: every way to compute one against the reference, on every instruction set of this
 * machine, every orientation, sizes around those of tiles; and the same bits however c is cut. */
#include <check.h>
#include <float.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/cpu.h"
#include "kernel/gemm.h"
#include "kernel/gemm_simd.h"
#include "suite.h"

static const int64_t shapes[][3] = {
    {1, 1, 1},     {1, 1, 5},    {1, 7, 1},    {4, 4, 2},     {4, 1, 4},     {2, 4, 4},
    {1, 100, 78},  {1, 130, 16}, {1, 9, 300},  {2, 33, 17},   {3, 50, 50},   {4, 31, 65},
    {5, 47, 3},    {6, 48, 208}, {7, 49, 209}, {8, 96, 417},  {9, 16, 31},   {13, 37, 61},
    {16, 10, 64},  {17, 200, 5}, {33, 10, 33}, {34, 100, 20}, {40, 128, 10}, {61, 37, 13},
    {97, 1, 40},   {100, 1, 1},  {37, 53, 1},  {50, 10, 1},   {48, 1, 300},  {70, 67, 260},
    {40, 53, 2},   {33, 37, 3},  {50, 21, 4},  {100, 3, 2},   {70, 5, 4},    {1, 100, 83},
    {4, 100, 150}, {2, 50, 300}, {3, 200, 70}, {100, 1, 90},  {1, 400, 30},  {2, 200, 33},
    {1, 41, 23},   {1, 1030, 9}, {2, 535, 19}, {3, 1026, 13}, {4, 131, 22},  {1, 290, 21},
    {70, 100, 1},  {75, 9, 1},   {33, 130, 1}, {40, 64, 1},   {20, 512, 1},  {37, 30, 2},
    {24, 72, 130}, {29, 139, 270}, {26, 100, 300}, {47, 53, 200}, {45, 120, 170}, {7, 24, 40},
    {12, 21, 33},  {35, 26, 150},  {48, 28, 140},  {90, 44, 30},  {31, 17, 129},
    {128, 83, 70}};
enum { SHAPES = sizeof shapes / sizeof *shapes, GAP = 3 };

static const bpi_finish plain = {.alpha = 1};

static void run(const bpi_product *p, bp_dtype dtype, const bpi_finish *f, const void *a,
                const void *b, void *c, int threads) {
    bool adds = f->beta != 0 && !f->relu && !f->moved;
    bpi_gemm g = bpi_gemm_prepare(
        p, dtype, f->bias ? BPI_GEMM_BIASED : adds ? BPI_GEMM_ADDED : BPI_GEMM_PLAIN);
    bpi_gemm_run(&g, f, a, b, c, threads);
}

static uint32_t state = 1;

/* A number in (-1, 1) with few bits, so that nothing is special about it in f32. */
static double next_number(void) {
    state = state * 1664525u + 1013904223u;
    return (double)(state >> 12) / (1 << 19) - 1;
}

static bpi_product product_of(const int64_t *shape, int orientation, int64_t gap) {
    bpi_product p = {.m = shape[0], .n = shape[1], .k = shape[2]};
    p.transpose_a = orientation & 1;
    p.transpose_b = orientation & 2;
    p.lda = (p.transpose_a ? p.m : p.k) + gap;
    p.ldb = (p.transpose_b ? p.k : p.n) + gap;
    p.ldc = p.n + gap;
    return p;
}

static double element(const bpi_product *p, const double *a, const double *b, int64_t i, int64_t j,
                      bool absolute) {
    double sum = 0;
    for (int64_t l = 0; l < p->k; l++) {
        double x = a[p->transpose_a ? l * p->lda + i : i * p->lda + l];
        double y = b[p->transpose_b ? j * p->ldb + l : l * p->ldb + j];
        sum += absolute ? fabs(x * y) : x * y;
    }
    return sum;
}

#define REAL float
#define SUFFIX f32
#define DTYPE BP_F32
#define EPSILON FLT_EPSILON
#include "test_gemm.inc"
#undef REAL
#undef SUFFIX
#undef DTYPE
#undef EPSILON

#define REAL double
#define SUFFIX f64
#define DTYPE BP_F64
#define EPSILON DBL_EPSILON
#include "test_gemm.inc"

/* Runs a test at every instruction set that this machine has. */
static void at_every_level(void (*test)(void)) {
    enum bpi_cpu_level before = bpi_cpu_level();
    for (int level = 0; level < BPI_CPU_COUNT; level++)
        if (bpi_cpu_force((enum bpi_cpu_level)level))
            test();
    bpi_cpu_force(before);
}

static void all_shapes(void) {
    for (int s = 0; s < SHAPES; s++)
        for (int orientation = 0; orientation < 4; orientation++)
            for (int64_t gap = 0; gap <= GAP; gap += GAP) {
                bpi_product p = product_of(shapes[s], orientation, gap);
                check_product_f32(&p, &plain);
                check_product_f64(&p, &plain);
            }
}

START_TEST(products_of_every_shape_and_orientation_match_the_reference) {
    at_every_level(all_shapes);
}
END_TEST

static void all_finishes(void) {
    static const double factors[][2] = {{1, 1}, {-0.1, 1}, {0.5, 0.9}, {2, 0}};
    for (int s = 0; s < SHAPES; s++)
        for (int how = 0; how < 32; how++) {
            bpi_finish f = {.alpha = factors[how / 8][0], .beta = factors[how / 8][1], .rate = 0.3};
            f.bias = how & 1 ? &f : NULL; /* any address: the check puts its own there */
            f.relu = how & 2;
            f.moved = how & 4 ? &f : NULL;
            bpi_product p = product_of(shapes[s], (s + how) % 4, how % 3);
            check_product_f32(&p, &f);
            check_product_f64(&p, &f);
        }
}

START_TEST(results_are_scaled_added_biased_and_rectified) { at_every_level(all_finishes); }
END_TEST

static void all_blocks(void) {
    for (int s = 0; s < SHAPES; s++)
        for (int orientation = 0; orientation < 4; orientation++)
            for (int64_t gap = 0; gap < 2; gap++) {
                bpi_product p = product_of(shapes[s], orientation, gap);
                check_blocks_f32(&p);
                check_blocks_f64(&p);
            }
    /* more rows than go through the panels together, the last of them fewer than a tile has */
    const bpi_product parts = product_of((const int64_t[]){1027, 24, 256}, 0, 1);
    check_blocks_f32(&parts);
    check_blocks_f64(&parts);
}

/* Rows without gaps, which share vectors, and every way to add to them or to store. */
static void all_updates(void) {
    static const int64_t updates[][3] = {{100, 10, 1}, {77, 100, 1}, {40, 257, 1}, {35, 3, 1},
                                         {70, 9, 1},   {36, 64, 1},  {18, 512, 1}, {17, 1500, 1},
                                         {33, 100, 2}, {21, 37, 3},  {50, 200, 4}, {35, 5, 4},
                                         {35, 8, 1},   {37, 16, 1},  {33, 24, 1},  {34, 32, 1},
                                         {36, 8, 2},   {35, 16, 3},  {34, 24, 4},  {33, 40, 2}};
    static char own; /* any address: the check puts its own there */
    static const bpi_finish finishes[] = {{.alpha = -0.1, .beta = 1},
                                          {.alpha = 0.7},
                                          {.alpha = 1, .beta = 0.9},
                                          {.alpha = 1, .beta = 0.9, .rate = 0.1, .moved = &own},
                                          {.alpha = 1, .rate = 0.1, .moved = &own}};
    for (size_t s = 0; s < sizeof updates / sizeof *updates; s++)
        for (size_t f = 0; f < sizeof finishes / sizeof *finishes; f++)
            for (int orientation = 0; orientation < 2; orientation++) {
                bpi_product p = product_of(updates[s], orientation, 0);
                ck_assert(!bpi_gemm_kernels_of(BP_F32) ||
                          strcmp(bpi_gemm_choice(&p, BP_F32), "outer") == 0);
                check_product_f32(&p, &finishes[f]);
                check_product_f64(&p, &finishes[f]);
            }
    for (size_t s = 0; s < sizeof updates / sizeof *updates; s++) {
        bpi_product p = product_of(updates[s], 1, 0);
        check_blocks_f32(&p);
        check_blocks_f64(&p);
    }
}

START_TEST(updates_of_rows_without_gaps_match_the_reference) { at_every_level(all_updates); }
END_TEST

START_TEST(bits_do_not_depend_on_how_c_is_cut) { at_every_level(all_blocks); }
END_TEST

static void large_products(void) {
    static const int64_t large[][3] = {{530, 1100, 900}, {256, 128, 300}, {80, 10, 200},
                                       {130, 1500, 44},  {1700, 97, 53},  {3, 4000, 700},
                                       {2101, 1999, 1},  {4100, 1, 2000}};
    const bpi_finish update = {.alpha = -0.1, .beta = 0.9, .rate = 0.3, .moved = (void *)large};
    for (size_t s = 0; s < sizeof large / sizeof *large; s++)
        for (int orientation = 0; orientation < 4; orientation++) {
            bpi_product p = product_of(large[s], orientation, 0);
            if (p.k == 1 && orientation % 3 != 0)
                continue; /* the same arrays again, and large ones */
            const bpi_finish *f = p.k == 1 && orientation < 2 ? &update : &plain;
            check_threads_f32(&p, f);
            check_threads_f64(&p, f);
        }
}

/* At one level products of f32 go a way, and others of the same sizes do not. */
static void check_way(enum bpi_cpu_level level, const char *way, const bpi_product *go,
                      const bpi_product *others) {
    if (bpi_cpu_level() != level)
        return;
    ck_assert_str_eq(bpi_gemm_choice(go, BP_F32), way);
    ck_assert_str_ne(bpi_gemm_choice(others, BP_F32), way);
}

/* With 512-bit vectors, rows that fill a period of 25 of them, without gaps. */
static void flat_products(void) {
    static const int64_t flat[][3] = {{1, 100, 83}, {4, 100, 150}, {2, 50, 300}, {3, 200, 70}};
    for (size_t s = 0; s < sizeof flat / sizeof *flat; s++) {
        bpi_product p = product_of(flat[s], 0, 0), gap = product_of(flat[s], 0, 1);
        check_way(BPI_CPU_AVX512, "flat", &p, &gap);
    }
}

START_TEST(thin_products_of_odd_rows_go_by_whole_vectors) { at_every_level(flat_products); }
END_TEST

/* With AVX2, where c has columns that fill no panel; a bias or a moved array leaves it to tiles. */
static void added_products(void) {
    bpi_product p = product_of((const int64_t[]){100, 50, 40}, 1, 0);
    bpi_product none = product_of((const int64_t[]){1, 1, 1}, 0, 0);
    if (bpi_cpu_level() != BPI_CPU_AVX2 || !bpi_blas_ready(&none))
        return;
    const bpi_gemm added = bpi_gemm_prepare(&p, BP_F32, BPI_GEMM_ADDED);
    const bpi_gemm other = bpi_gemm_prepare(&p, BP_F32, BPI_GEMM_PLAIN);
    ck_assert(bpi_gemm_is_blas(&added) && !bpi_gemm_is_blas(&other));
    ck_assert_int_eq(added.pieces, 1); /* too small for threads */
    const bpi_finish add = {.alpha = -0.1, .beta = 1};
    check_product_f32(&p, &add);
    check_product_f64(&p, &add);
}

START_TEST(what_is_only_added_may_go_to_cblas) { at_every_level(added_products); }
END_TEST

START_TEST(bits_do_not_depend_on_the_number_of_threads) { at_every_level(large_products); }
END_TEST

/* With AVX2, a few rows times a matrix as it lies. */
static void few_rows(void) {
    static const int64_t few[][3] = {{1, 10, 100}, {1, 100, 784}, {1, 1030, 9}, {3, 200, 70}};
    for (size_t s = 0; s < sizeof few / sizeof *few; s++) {
        bpi_product p = product_of(few[s], 0, 1), across = product_of(few[s], 2, 1);
        check_way(BPI_CPU_AVX2, "few", &p, &across);
    }
}

START_TEST(a_few_rows_have_a_way_of_their_own) { at_every_level(few_rows); }
END_TEST

static void empty_products(void) {
    float a[4] = {1, 2, 3, 4}, b[4] = {1, 2, 3, 4}, c[4] = {NAN, NAN, NAN, NAN};
    bpi_gemm_f32(&(bpi_product){.m = 2, .n = 2, .k = 0, .lda = 1, .ldb = 2, .ldc = 2}, a, b, c);
    for (int i = 0; i < 4; i++)
        ck_assert(c[i] == 0);
    bpi_gemm_f32(&(bpi_product){.m = 0, .n = 2, .k = 2, .lda = 2, .ldb = 2, .ldc = 2}, a, b, c);
    bpi_gemm_f32(&(bpi_product){.m = 2, .n = 0, .k = 2, .lda = 2, .ldb = 1, .ldc = 1}, a, b, c);
    for (int i = 0; i < 4; i++)
        ck_assert(c[i] == 0);
    for (int s = 0; s < SHAPES; s++)
        for (int orientation = 0; orientation < 4; orientation++)
            for (int empty = 0; empty < 2; empty++) {
                int64_t sizes[3] = {shapes[s][0], shapes[s][1], shapes[s][2]};
                sizes[empty] = 0;
                const bpi_product p = product_of(sizes, orientation, 1);
                check_product_f32(&p, &plain);
                check_product_f64(&p, &plain);
            }
}

START_TEST(an_empty_sum_is_zero_and_an_empty_result_is_not_written) {
    at_every_level(empty_products);
}
END_TEST

/* Equal terms, so many that a sum of them one after the other would be wrong in the fourth digit:
 * it is always rounded the same way. */
static void long_products(void) {
    enum { K = 300000, MOST = 8 };
    static float a[MOST * K], b[MOST * K];
    const double want = K * (double)0.1F;
    for (int i = 0; i < MOST * K; i++) {
        a[i] = 0.1F;
        b[i] = 1;
    }
    for (int64_t m = 1; m <= MOST; m += 3)
        for (int64_t n = 1; n <= MOST; n += 7)
            for (int transpose_b = 0; transpose_b < 2; transpose_b++) {
                const bpi_product p = {.m = m,
                                       .n = n,
                                       .k = K,
                                       .lda = K,
                                       .ldb = transpose_b ? K : n,
                                       .ldc = n,
                                       .transpose_b = transpose_b};
                float c[MOST * MOST];
                if (!bpi_gemm_kernels_of(BP_F32))
                    continue; /* CBLAS, or plain loops, add one after the other */
                bpi_gemm_f32(&p, a, b, c);
                for (int64_t i = 0; i < m * n; i++)
                    if (!(fabs(c[i] - want) <= 5e-5 * want))
                        ck_abort_msg("%s: [%lld,%lld] %g not %g", bpi_gemm_choice(&p, BP_F32),
                                     (long long)m, (long long)n, c[i], want);
            }
}

START_TEST(long_sums_keep_their_digits) { at_every_level(long_products); }
END_TEST

static void special_values(void) {
    float a[20] = {0}, b[20], c[4];
    for (int i = 0; i < 20; i++)
        b[i] = 1;
    b[7] = INFINITY;
    bpi_product p = {.m = 1, .n = 1, .k = 20, .lda = 20, .ldb = 1, .ldc = 1};
    bpi_gemm_f32(&p, a, b, c); /* 0 times inf */
    ck_assert(isnan(c[0]));
    a[7] = 1;
    bpi_gemm_f32(&p, a, b, c);
    ck_assert(isinf(c[0]));
    a[3] = NAN;
    bpi_finish rectified = {.alpha = 1, .relu = true};
    run(&p, BP_F32, &rectified, a, b, c, 1);
    ck_assert(isnan(c[0]));
}

START_TEST(infinities_and_nan_propagate) { at_every_level(special_values); }
END_TEST

START_TEST(the_choice_has_a_name) {
    bpi_product p = product_of((const int64_t[]){784, 100, 1}, 1, 0);
    ck_assert_str_ne(bpi_gemm_choice(&p, BP_F32), "");
    ck_assert_str_ne(bpi_gemm_choice(&p, BP_F64), "");
}
END_TEST

int main(void) {
    const TTest *const tests[] = {
        products_of_every_shape_and_orientation_match_the_reference,
        results_are_scaled_added_biased_and_rectified,
        updates_of_rows_without_gaps_match_the_reference,
        bits_do_not_depend_on_how_c_is_cut,
        a_few_rows_have_a_way_of_their_own,
        thin_products_of_odd_rows_go_by_whole_vectors,
        what_is_only_added_may_go_to_cblas,
        bits_do_not_depend_on_the_number_of_threads,
        an_empty_sum_is_zero_and_an_empty_result_is_not_written,
        infinities_and_nan_propagate,
        long_sums_keep_their_digits,
        the_choice_has_a_name,
    };
    return run_tests("gemm", NULL, NULL, 120, tests, sizeof tests / sizeof *tests);
}
