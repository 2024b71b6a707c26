/* The kernels for short arrays at every instruction set that this CPU has, against plain loops in
 * double precision: nothing is read behind operands that have no room there, and nothing written
 * behind the last whole vector. Then the short forms of a plan: values as the naive executor has
 * them, at all sizes around those of vectors, whatever way an operand is fed. */
#include <check.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/cpu.h"
#include "kernel/short.h"
#include "plan/short.h"
#include "levels.h"
#include "plan_fixture.h"
#include "suite.h"

enum { GUARD = 64, MOST = 300, BYTE = 0x5a };

static double next_number(void) { return (double)draw(2001) / 1000 - 1; }

/* `count` random elements, and not one byte more. */
static void *exact(bp_dtype dtype, int64_t count) {
    void *x = malloc((size_t)count * bp_dtype_size(dtype));
    for (int64_t k = 0; k < count; k++)
        bpi_store(dtype, x, k, next_number());
    return x;
}

static size_t room_of(const bpi_short *kernels, bp_dtype dtype, int64_t count) {
    return ((size_t)count * bp_dtype_size(dtype) + kernels->vector - 1) / kernels->vector *
           kernels->vector;
}

/* `count` random elements with room for whole vectors, and a guard behind it. */
static void *roomy(const bpi_short *kernels, bp_dtype dtype, int64_t count) {
    size_t bytes = room_of(kernels, dtype, count) + GUARD;
    char *x = aligned_alloc(64, (bytes + 63) / 64 * 64);
    memset(x, BYTE, bytes);
    for (int64_t k = 0; k < count; k++)
        bpi_store(dtype, x, k, next_number());
    return x;
}

static void check_guard(const bpi_short *kernels, bp_dtype dtype, int64_t count, const void *x) {
    const char *guard = (const char *)x + room_of(kernels, dtype, count);
    for (int k = 0; k < GUARD; k++)
        if (guard[k] != BYTE) /* a passing ck_assert costs a system call */
            ck_abort_msg("%lld elements: byte %d behind is written", (long long)count, k);
}

static char at_hand[80]; /* what is being checked */

static void check_close(bp_dtype dtype, const void *x, int64_t k, double want, double size) {
    double epsilon = dtype == BP_F32 ? FLT_EPSILON : DBL_EPSILON, is = bpi_load(dtype, x, k);
    if (!(fabs(is - want) <= 4 * epsilon * (size + 1)))
        ck_abort_msg("%s%s %s element %lld: %.17g, not %.17g", at_hand, bpi_cpu_name(),
                     bp_dtype_name(dtype), (long long)k, is, want);
}

/* ---- calls ----------------------------------------------------------------------------------- */

static void copies(bp_dtype dtype) {
    const bpi_short *kernels = bpi_short_for(dtype);
    if (!kernels)
        return;
    for (int64_t n = 1; n <= 70; n++) {
        void *x = exact(dtype, n), *scalar = exact(dtype, 1), *y = roomy(kernels, dtype, n);
        const void *at[2] = {x, scalar};
        ck_assert_int_eq(kernels->copy((size_t)n, &at[0], y, NULL), BP_OK);
        ck_assert_mem_eq(x, y, (size_t)n * bp_dtype_size(dtype));
        ck_assert_int_eq(kernels->spread((size_t)n, &at[1], y, NULL), BP_OK);
        for (int64_t k = 0; k < n; k++)
            if (bpi_load(dtype, y, k) != bpi_load(dtype, scalar, 0))
                ck_abort_msg("%lld elements: element %lld", (long long)n, (long long)k);
        check_guard(kernels, dtype, n, y);
        free(x), free(scalar), free(y);
    }
}

START_TEST(arrays_are_copied_and_scalars_spread) { at_every_level(copies); }
END_TEST

static void scaled(bp_dtype dtype) {
    const bpi_short *kernels = bpi_short_for(dtype);
    if (!kernels)
        return;
    for (int64_t n = 1; n <= 70; n++) {
        const double sign = n % 2 ? 1 : -1;
        void *x = roomy(kernels, dtype, n), *to = roomy(kernels, dtype, n);
        void *scale = exact(dtype, 1), *y = roomy(kernels, dtype, n);
        const void *at[3] = {x, to, scale};
        ck_assert_int_eq(kernels->add_scaled((size_t)n, at, y, &sign), BP_OK);
        for (int64_t k = 0; k < n; k++)
            check_close(dtype, y, k,
                        bpi_load(dtype, to, k) +
                            sign * bpi_load(dtype, scale, 0) * bpi_load(dtype, x, k),
                        1);
        check_guard(kernels, dtype, n, y);
        free(x), free(to), free(scale), free(y);
    }
}

START_TEST(scaled_terms_are_added_and_subtracted) { at_every_level(scaled); }
END_TEST

static void sums(bp_dtype dtype) {
    const bpi_short *kernels = bpi_short_for(dtype);
    if (!kernels)
        return;
    for (int64_t width = 1; width <= 37; width++)
        for (int64_t rows = 1; rows * width <= MOST && rows <= 20; rows++) {
            const double attr = (double)width;
            void *x = exact(dtype, rows * width), *y = roomy(kernels, dtype, width), *one;
            double all = 0;
            kernels->sum_rows((size_t)(rows * width), (const void *[]){x}, y, &attr);
            for (int64_t j = 0; j < width; j++) {
                double sum = 0;
                for (int64_t i = 0; i < rows; i++)
                    sum += bpi_load(dtype, x, i * width + j);
                check_close(dtype, y, j, sum, (double)rows);
                all += sum;
            }
            check_guard(kernels, dtype, width, y);
            one = roomy(kernels, dtype, 1);
            kernels->sum((size_t)(rows * width), (const void *[]){x}, one, NULL);
            check_close(dtype, one, 0, all, (double)(rows * width));
            check_guard(kernels, dtype, 1, one);
            free(x), free(y), free(one);
        }
}

START_TEST(sums_of_columns_and_of_everything) { at_every_level(sums); }
END_TEST

/* ---- steps ----------------------------------------------------------------------------------- */

static void check_equal(bp_dtype dtype, const void *x, const void *want, int64_t n) {
    if (memcmp(x, want, (size_t)n * bp_dtype_size(dtype)) != 0)
        ck_abort_msg("%s%s %s, %lld elements", at_hand, bpi_cpu_name(), bp_dtype_name(dtype),
                     (long long)n);
}

/* An op between a load and a store: that of its kernel. */
static void check_step(const bpi_short *kernels, bp_dtype dtype, const bpi_pipe_op *op, int64_t n) {
    void *x[2] = {roomy(kernels, dtype, n), roomy(kernels, dtype, n)};
    void *y = roomy(kernels, dtype, n), *want = roomy(kernels, dtype, n);
    for (int second = 0; second < 2; second++) {
        if (!(op->group & 1 << second))
            continue;
        const bpi_short_step steps[] = {
            {kernels->load, x[second]}, {op->run, x[1 - second]}, {kernels->finish, y}};
        bpi_format(at_hand, sizeof at_hand,
                   "%s, operand %d at hand: ", bpi_map_name((enum bpi_map_slot)op->slot), second);
        ck_assert(bpi_pipe_find(&kernels->ops, op->slot, 1 << second, false) == op->run);
        ck_assert_int_eq(kernels->flow((size_t)n, (const void *[]){steps}, NULL, NULL), BP_OK);
        bpi_map((enum bpi_map_slot)op->slot, dtype)((size_t)n, (const void *const *)x, want, NULL);
        check_equal(dtype, y, want, n);
        check_guard(kernels, dtype, n, y);
    }
    free(x[0]), free(x[1]), free(y), free(want);
}

static void steps(bp_dtype dtype) {
    const bpi_short *kernels = bpi_short_for(dtype);
    for (int k = 0; kernels && k < kernels->ops.count; k++)
        for (int64_t n = 1; n <= 40; n++)
            check_step(kernels, dtype, &kernels->ops.op[k], n);
}

START_TEST(steps_give_the_bits_of_kernels) { at_every_level(steps); }
END_TEST

/* x is kept, its square stored, x taken back and its opposite stored. */
static void kept(bp_dtype dtype) {
    const bpi_short *kernels = bpi_short_for(dtype);
    if (!kernels || kernels->ops.count == 0)
        return;
    for (int64_t n = 1; n <= 40; n++) {
        void *x = roomy(kernels, dtype, n), *want = roomy(kernels, dtype, n);
        void *square = roomy(kernels, dtype, n), *y = roomy(kernels, dtype, n);
        const bpi_short_step run[] = {
            {kernels->load, x},
            {kernels->keep, NULL},
            {bpi_pipe_find(&kernels->ops, BPI_MAP_SQUARE, BPI_PIPE_FIRST, false), NULL},
            {kernels->store, square},
            {kernels->take_back, NULL},
            {bpi_pipe_find(&kernels->ops, BPI_MAP_NEG, BPI_PIPE_FIRST, false), NULL},
            {kernels->finish, y}};
        kernels->flow((size_t)n, (const void *[]){run}, NULL, NULL);
        bpi_map(BPI_MAP_SQUARE, dtype)((size_t)n, (const void *[]){x}, want, NULL);
        check_equal(dtype, square, want, n);
        bpi_map(BPI_MAP_NEG, dtype)((size_t)n, (const void *[]){x}, want, NULL);
        check_equal(dtype, y, want, n);
        free(x), free(want), free(square), free(y);
    }
}

START_TEST(a_kept_vector_is_taken_back) { at_every_level(kept); }
END_TEST

/* ---- products -------------------------------------------------------------------------------- */

/* What may follow a product: a bias, an update, a relu, something that is moved by the result. */
enum { BIAS = 1, UPDATE = 2, RELU = 4, MOVE = 8, HOWS = 16 };

/* Operands, numbered as a plan does: a, b, bias, alpha, beta, rate. */
typedef struct operands {
    void *x[6], *y[2];
    double *before[2];
} operands;

static operands operands_of(const bpi_short *kernels, bp_dtype dtype, const bpi_product *p) {
    operands o = {.x = {exact(dtype, p->m * p->k), exact(dtype, p->k * p->n), exact(dtype, p->n),
                        exact(dtype, 1), exact(dtype, 1), exact(dtype, 1)}};
    for (int i = 0; i < 2; i++) {
        o.y[i] = roomy(kernels, dtype, p->m * p->n);
        o.before[i] = malloc((size_t)(p->m * p->n) * sizeof(double));
        for (int64_t k = 0; k < p->m * p->n; k++)
            o.before[i][k] = bpi_load(dtype, o.y[i], k);
    }
    return o;
}

static void free_operands(operands *o) {
    for (int i = 0; i < 6; i++)
        free(o->x[i]);
    for (int i = 0; i < 2; i++)
        free(o->y[i]), free(o->before[i]);
}

static double product_at(bp_dtype dtype, const bpi_product *p, const operands *o, int64_t i,
                         int64_t j) {
    double sum = 0;
    for (int64_t k = 0; k < p->k; k++)
        sum += bpi_load(dtype, o->x[0], p->transpose_a ? k * p->lda + i : i * p->lda + k) *
               bpi_load(dtype, o->x[1], p->transpose_b ? j * p->ldb + k : k * p->ldb + j);
    return sum;
}

static void check_results(const bpi_short *kernels, bp_dtype dtype, const bpi_product *p, int how,
                          const operands *o) {
    const double alpha = -bpi_load(dtype, o->x[3], 0), beta = bpi_load(dtype, o->x[4], 0);
    for (int64_t i = 0; i < p->m; i++)
        for (int64_t j = 0; j < p->n; j++) {
            const int64_t at = i * p->n + j;
            double want = product_at(dtype, p, o, i, j);
            if (how & BIAS)
                want += bpi_load(dtype, o->x[2], j);
            if (how & UPDATE)
                want = alpha * want + beta * o->before[0][at];
            if (how & RELU)
                want = want < 0 ? 0 : want;
            check_close(dtype, o->y[0], at, want, (double)p->k);
            if (how & MOVE)
                check_close(dtype, o->y[1], at,
                            o->before[1][at] - bpi_load(dtype, o->x[5], 0) * want, (double)p->k);
        }
    check_guard(kernels, dtype, p->m * p->n, o->y[0]);
    check_guard(kernels, dtype, p->m * p->n, o->y[1]);
}

static void check_product(const bpi_short *kernels, bp_dtype dtype, const bpi_product *p, int how) {
    _Alignas(64) static char sums[BPI_SHORT_SUMS];
    bpi_short_product s;
    bpi_format(at_hand, sizeof at_hand, "%lldx%lldx%lld%s%s, how %d: ", (long long)p->m,
               (long long)p->n, (long long)p->k, p->transpose_a ? " a'" : "",
               p->transpose_b ? " b'" : "", how);
    ck_assert(bpi_short_product_of(kernels, p, &s));
    operands o = operands_of(kernels, dtype, p);
    s.bias = how & BIAS ? 2 : 0;
    s.alpha = how & UPDATE ? 3 : 0;
    s.beta = how & UPDATE ? 4 : 0;
    s.addend = s.beta; /* only that there is one counts */
    s.minus = how & UPDATE;
    s.relu = how & RELU;
    s.moved = s.rate = how & MOVE ? 5 : 0;
    s.finishes = how & ~BIAS;
    s.sums = sums;
    kernels->product[s.kind](&s, (const void *const *)o.x, o.y);
    check_results(kernels, dtype, p, how, &o);
    free_operands(&o);
}

static void products(bp_dtype dtype) {
    const bpi_short *kernels = bpi_short_for(dtype);
    if (!kernels)
        return;
    static const int64_t sizes[] = {1, 2, 3, 4, 5, 8, 9, 16};
    enum { SIZES = sizeof sizes / sizeof *sizes };
    for (int shape = 0; shape < SIZES * SIZES * SIZES; shape++)
        for (int orientation = 0; orientation < 4; orientation++) {
            bpi_product p = {.m = sizes[shape % SIZES],
                             .n = sizes[shape / SIZES % SIZES],
                             .k = sizes[shape / SIZES / SIZES]};
            const int how = (shape + orientation) % HOWS;
            p.transpose_a = orientation & 1;
            p.transpose_b = orientation & 2;
            p.lda = p.transpose_a ? p.m : p.k;
            p.ldb = p.transpose_b ? p.k : p.n;
            p.ldc = p.n;
            check_product(kernels, dtype, &p, 0);
            if (!(how & BIAS) || !(how & (UPDATE | MOVE)))
                check_product(kernels, dtype, &p, how);
        }
}

START_TEST(products_of_every_shape_and_orientation) { at_every_level(products); }
END_TEST

START_TEST(products_that_are_too_large_or_empty_have_no_short_form) {
    const bpi_short *kernels = bpi_short_for(BP_F64);
    const bpi_product good = {.m = 2, .n = 3, .k = 4, .lda = 4, .ldb = 3, .ldc = 3};
    bpi_product bad[] = {good, good, good, good, good};
    bpi_short_product s;
    if (!kernels)
        return;
    ck_assert(bpi_short_product_of(kernels, &good, &s));
    bad[0].m = BPI_SHORT_SIDE + 1;
    bad[1].n = bad[1].ldb = bad[1].ldc = BPI_SHORT_SIDE + 1;
    bad[2].k = BPI_SHORT_SIDE + 1;
    bad[3].k = 0;
    bad[4].ldc = 4;
    for (size_t k = 0; k < sizeof bad / sizeof *bad; k++)
        ck_assert(!bpi_short_product_of(kernels, &bad[k], &s));
}
END_TEST

/* ---- plans ----------------------------------------------------------------------------------- */

/* Tells whether a step of a plan has a short form. */
static bool is_short(const bpi_step *step, const bpi_instruction *code) {
    return bpi_is_short_chain(code) || (bpi_is_product(step) && step->product->brief_run);
}

static int short_steps(bp_tensor *target) {
    const bpi_program *p = program_of(&target, 1);
    int count = 0;
    for (size_t s = 0; s < p->step_count; s++)
        count += is_short(&p->steps[s], &plan_of(&target, 1)->code[s]);
    return count;
}

/* An input that is pointed at just so many bytes. */
static bp_tensor *tight_input(const char *name, bp_dtype dtype, bp_shape shape, void **data) {
    bp_tensor *x = bp_input(graph, name, dtype, shape);
    ck_assert_ptr_nonnull(x);
    *data = exact(dtype, bp_tensor_count(x));
    ck_assert_int_eq(bp_point(x, *data), BP_OK);
    return x;
}

static void expect_as_naive(bp_tensor *y) {
    enum { ROOM = 1024 };
    double planned[ROOM], naive[ROOM];
    const bp_dtype dtype = y->type->dtype;
    ck_assert_int_le(bp_tensor_count(y), ROOM);
    bp_set_executor(graph, BP_PLANNED);
    ck_assert_msg(bp_read(y, planned, sizeof planned) == BP_OK, "%s", bp_error(graph));
    bp_set_executor(graph, BP_NAIVE);
    ck_assert_msg(bp_read(y, naive, sizeof naive) == BP_OK, "%s", bp_error(graph));
    bp_set_executor(graph, BP_PLANNED);
    for (int64_t k = 0; k < bp_tensor_count(y); k++)
        check_close(dtype, planned, k, bpi_load(dtype, naive, k),
                    (double)bp_tensor_count(y) + fabs(bpi_load(dtype, naive, k)));
}

/* Operands whole, as a row, as a column, as a scalar, as a constant; sums at the end. */
static bp_tensor *all_feeds(bp_dtype dtype, int64_t rows, int64_t width, void **data) {
    bp_tensor *x = tight_input("x", dtype, BP_SHAPE(rows, width), &data[0]);
    bp_tensor *row = tight_input("row", dtype, BP_SHAPE(width), &data[1]);
    bp_tensor *column = tight_input("column", dtype, BP_SHAPE(rows, 1), &data[2]);
    bp_tensor *scalar = tight_input("scalar", dtype, BP_SCALAR, &data[3]);
    bp_tensor *two = bp_full(graph, dtype, BP_SCALAR, 2);
    bp_tensor *y = bp_sub(bp_mul(bp_add(bp_mul(x, scalar), row), column), two);
    return bp_add(bp_tanh(y), bp_mul(y, bp_mul(two, x)));
}

START_TEST(chains_of_every_size_are_as_naively) {
    for (bp_dtype dtype = BP_F32; dtype <= BP_F64; dtype++)
        for (int64_t rows = 1; rows <= 6; rows++)
            for (int64_t width = 1; width <= 21; width++) {
                void *data[4];
                bp_tensor *y = all_feeds(dtype, rows, width, data);
                expect_as_naive(y);
                expect_as_naive(bp_sum(y, BP_ALL, false));
                expect_as_naive(bp_sum(y, BP_AXES(0), false));
                if (bpi_short_for(dtype))
                    ck_assert_int_gt(short_steps(y), 0);
                bp_graph_reset(graph);
                for (int k = 0; k < 4; k++)
                    free(data[k]);
            }
}
END_TEST

/* How many flows the plan of a target has. */
static int flows(bp_tensor *target) {
    const bpi_program *p = program_of(&target, 1);
    int count = 0;
    for (size_t s = 0; s < p->step_count; s++)
        count += bpi_short_chain_flows(&plan_of(&target, 1)->code[s]);
    return count;
}

/* Values that the next op reads, that the next two read, that one reads twice, and that are read
 * late; on either side of ops whose operands do not commute; with an op that has no step. */
static bp_tensor *shared_values(bp_tensor *x, bp_tensor *t, int form) {
    bp_tensor *y = form % 2 ? bp_sigmoid(x) : bp_tanh(x), *e = bp_sub(y, t);
    bp_tensor *square = bp_square(e), *scaled = bp_scale(e, 0.25);
    bp_tensor *both = form / 2 % 2 ? bp_sub(square, scaled) : bp_div(scaled, bp_exp(square));
    bp_tensor *twice = bp_mul(both, both), *late = bp_sub(x, bp_relu(bp_neg(twice)));
    return form / 4 % 2 ? bp_add(bp_sub(late, e), y) : bp_sub(e, bp_mul(late, y));
}

START_TEST(ops_hand_values_on_as_naively) {
    for (bp_dtype dtype = BP_F32; dtype <= BP_F64; dtype++)
        for (int64_t n = 1; n <= 40; n++)
            for (int form = 0; form < 8; form++) {
                void *data[2];
                bp_tensor *x = tight_input("x", dtype, BP_SHAPE(n), &data[0]);
                bp_tensor *t = tight_input("t", dtype, BP_SHAPE(n), &data[1]);
                bp_tensor *y = shared_values(x, t, form);
                expect_as_naive(y);
                expect_as_naive(bp_sum(bp_square(y), BP_ALL, false));
                const bpi_short *kernels = bpi_short_for(dtype);
                if (kernels && kernels->ops.count > 0)
                    ck_assert_int_gt(flows(y), 0);
                expect_as_naive(bp_grad(bp_sum(y, BP_ALL, false), x));
                bp_graph_reset(graph);
                free(data[0]), free(data[1]);
            }
}
END_TEST

START_TEST(a_scalar_that_moves_is_read_where_it_is) {
    void *data[2], *later = exact(BP_F64, 1);
    bp_tensor *x = tight_input("x", BP_F64, BP_SHAPE(5), &data[0]);
    bp_tensor *scale = tight_input("scale", BP_F64, BP_SCALAR, &data[1]);
    bp_tensor *y = bp_sub(bp_tanh(x), bp_mul(x, scale));
    expect_as_naive(y);
    ck_assert_int_eq(bp_point(scale, later), BP_OK);
    expect_as_naive(y);
    double moved[2] = {3, 4};
    ck_assert_int_eq(bp_write(scale, moved), BP_OK); /* into memory of its own again */
    expect_as_naive(y);
    ck_assert_double_eq(bp_f64(y)[0], tanh(*(double *)data[0]) - *(double *)data[0] * 3);
    free(data[0]), free(data[1]), free(later);
}
END_TEST

/* A net of two layers; its sizes are those of short and of other steps. */
static double trained(bp_executor executor, const bp_sgd_config *config, const int64_t *size,
                      double *weights, int64_t count) {
    bp_model *m = bp_model_new();
    bp_graph *g = bp_graph_new(m);
    bp_set_executor(g, executor);
    bp_tensor *x = bp_input(g, "x", BP_F64, BP_SHAPE(size[0], size[1]));
    bp_tensor *t = bp_input(g, "t", BP_F64, BP_SHAPE(size[0], size[3]));
    bp_tensor *h = bp_relu(bp_linear(x, "hidden", size[2]));
    bp_tensor *loss = bp_mse(bp_sigmoid(bp_linear(h, "output", size[3])), t);
    bp_optimizer *sgd = bp_sgd(m, config);
    double values[256];
    for (int k = 0; k < 256; k++)
        values[k] = sin(k);
    bp_write(x, values), bp_write(t, values + 100);
    for (int step = 0; step < 3; step++)
        ck_assert_msg(bp_step(sgd, loss) == BP_OK, "%s", bp_error(g));
    double item = bp_item(loss);
    ck_assert_int_eq(bp_model_read(m, "hidden.weight", weights, (size_t)count * sizeof *weights),
                     BP_OK);
    bp_graph_free(g);
    bp_model_free(m);
    return item;
}

START_TEST(small_nets_train_as_naively) {
    static const int64_t sizes[][4] = {{4, 2, 4, 1},  {1, 1, 1, 1},  {3, 2, 3, 2},    {5, 3, 7, 3},
                                       {8, 4, 8, 1},  {13, 5, 9, 4}, {16, 16, 16, 8}, {17, 2, 2, 1},
                                       {4, 2, 17, 1}, {2, 8, 16, 5}};
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++)
        for (int momentum = 0; momentum < 2; momentum++) {
            bp_sgd_config config = bp_sgd_defaults();
            double planned[256], naive[256];
            const int64_t count = sizes[s][1] * sizes[s][2];
            config.lr = 0.3;
            config.momentum = momentum ? 0.9 : 0;
            double loss = trained(BP_PLANNED, &config, sizes[s], planned, count);
            ck_assert_double_eq_tol(trained(BP_NAIVE, &config, sizes[s], naive, count), loss,
                                    1e-14);
            for (int64_t k = 0; k < count; k++)
                ck_assert_double_eq_tol(planned[k], naive[k], 1e-14);
        }
}
END_TEST

int main(void) {
    const TTest *const tests[] = {
        arrays_are_copied_and_scalars_spread,
        scaled_terms_are_added_and_subtracted,
        sums_of_columns_and_of_everything,
        steps_give_the_bits_of_kernels,
        a_kept_vector_is_taken_back,
        products_of_every_shape_and_orientation,
        products_that_are_too_large_or_empty_have_no_short_form,
        chains_of_every_size_are_as_naively,
        ops_hand_values_on_as_naively,
        a_scalar_that_moves_is_read_where_it_is,
        small_nets_train_as_naively,
    };
    return run_tests("short", setup, teardown, 120, tests, sizeof tests / sizeof *tests);
}
