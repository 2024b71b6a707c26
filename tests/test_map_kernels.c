/* The elementwise kernels: every slot, dtype and instruction set of this CPU against the exact
 * value or the reference; special values, tails, alignment, in place, no write past the end. */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/cpu.h"
#include "kernel/map.h"
#include "suite.h"

/* Loops over elements fail by ck_abort_msg: a passing ck_assert costs a system call. */

/* What a slot promises, in units in the last place of the exact value (0: the bits of the
 * reference). Where the derivative of gelu crosses zero, ulps are those of its larger term. `steep`
 * adds an error per unit of |v(x)|: exp(-v) amplifies the rounding of v, and only gelu_tanh leaves
 * that in. The bounds of the reference are those of libm and of formulas that
 * are not compensated. */
static const struct promise {
    enum bpi_map_slot slot;
    double f32, f64, steep;
    double reference_f32, reference_f64;
} promises[] = {
    {BPI_MAP_EXP, 1.1, 1.5, 0, 1, 1},
    {BPI_MAP_LOG, 1.35, 1.5, 0, 1, 1},
    {BPI_MAP_TANH, 0.56, 2.5, 0, 2.5, 2.5},
    {BPI_MAP_SIGMOID, 2, 2.5, 0, 2.5, 2.5},
    {BPI_MAP_SOFTPLUS, 2, 2.5, 0, 2, 2},
    {BPI_MAP_ERF, 1.5, 2, 0, 1, 1.5},
    {BPI_MAP_LOG1P, 1.5, 1.5, 0, 1, 1},
    {BPI_MAP_EXPM1, 2, 2.5, 0, 1, 1},
    {BPI_MAP_SIN, 1, 1, 0, 1, 1},
    {BPI_MAP_COS, 1, 1, 0, 1, 1},
    {BPI_MAP_GELU, 6, 8, 0, 250, 2500},
    {BPI_MAP_GELU_TANH, 5, 6, 5, 5, 6},
    {BPI_MAP_GELU_GRAD, 7, 8, 0, 250, 2500},
    {BPI_MAP_GELU_TANH_GRAD, 8, 8, 6, 8, 8},
};

/* All special values, then the neighbourhood of every threshold in the kernels,
 * then random ones. */
enum { COUNT = 6000, MOST_TAIL = 67, ROOM = 80 };
static double attr[1];

static uint64_t random_bits(void) {
    static uint64_t state = 88172645463325252u;
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
}

static double uniform(double most) {
    return ldexp((double)(random_bits() >> 11), -53) * 2 * most - most;
}

static double float_sample(int i) {
    /* clang-format off */
    static const double special[] = {
        0.0, -0.0, 1, -1, NAN, INFINITY, -INFINITY, 0x1p-149, -0x1p-149, 0x1p-126, -0x1p-126,
        0x1p-127, 0x1p-1074, -0x1p-1074, 0x1p-1022, -0x1p-1022, 0x1.fffffep127, -0x1.fffffep127,
        0x1.fffffffffffffp1023, -0x1.fffffffffffffp1023, 1e10, -1e10, 1e30, -1e30, 88.72283,
        88.72284, -87.33655, -103.2, -103.97, -104.1, 709.78, 709.79, -708.4, -745.1, -745.2, 0.5,
        0.625, 0.75, -0.75, 1.5, 0.6931471, -0.6931471, 0.346573, -0.346573, 9.0, 9.01, -9.3,
        14.9, 15, -15.1, 39.4, -39.5, 12, -12.5, 22, -22.5, 3.92, 5.93, 6, 40, -40, 41, -100, 100};
    /* clang-format on */
    if (i < (int)(sizeof special / sizeof *special))
        return special[i];
    switch (i % 6) {
    case 0: return uniform(1);
    case 1: return uniform(8);
    case 2: return uniform(110);
    case 3: return uniform(800);
    case 4: return ldexp(uniform(1), (int)(random_bits() % 280) - 150);
    default: return ldexp(uniform(1), -(int)(random_bits() % 30));
    }
}

static int64_t integer_sample(int i) {
    static const int64_t special[] = {
        0,   1,   -1,  2,    INT32_MIN, INT32_MAX, INT64_MIN, INT64_MAX, INT32_MIN + 1LL,
        255, 256, 127, -128, 65536,     1LL << 40, 46341};
    if (i < (int)(sizeof special / sizeof *special))
        return special[i];
    return (int64_t)random_bits() >> (random_bits() % 64);
}

static void fill(void *x, bp_dtype dtype, int n) {
    for (int i = 0; i < n; i++)
        switch (dtype) {
        case BP_F32: ((float *)x)[i] = (float)float_sample(i); break;
        case BP_F64: ((double *)x)[i] = float_sample(i); break;
        case BP_I32: ((int32_t *)x)[i] = (int32_t)integer_sample(i); break;
        case BP_I64: ((int64_t *)x)[i] = integer_sample(i); break;
        case BP_U8: ((uint8_t *)x)[i] = (uint8_t)integer_sample(i); break;
        default: ((uint8_t *)x)[i] = (uint8_t)(random_bits() & 1); break;
        }
}

/* Another order of the same samples, so that specials meet each other and random values. */
static void shuffle(void *x, size_t size, int n) {
    unsigned char *p = x, keep[8];
    for (int i = n - 1; i > 0; i--) {
        size_t j = random_bits() % (size_t)(i < 200 ? i + 1 : n);
        memcpy(keep, p + (size_t)i * size, size);
        memmove(p + (size_t)i * size, p + j * size, size);
        memcpy(p + j * size, keep, size);
    }
}

static size_t size_of(bp_dtype dtype) {
    return dtype == BP_F64 || dtype == BP_I64 ? 8 : dtype == BP_F32 || dtype == BP_I32 ? 4 : 1;
}

static bool is_comparison(enum bpi_map_slot slot) {
    return slot >= BPI_MAP_EQUAL && slot <= BPI_MAP_GREATER_EQUAL;
}

static bp_dtype operand_dtype(enum bpi_map_slot slot, int operand, bp_dtype last) {
    return slot == BPI_MAP_WHERE && operand == 0 ? BP_BOOL : last;
}

static bp_dtype result_dtype(enum bpi_map_slot slot, bp_dtype last) {
    return slot == BPI_MAP_CAST ? (bp_dtype)attr[0] : is_comparison(slot) ? BP_BOOL : last;
}

static double as_double(const void *x, bp_dtype dtype, int i) {
    return dtype == BP_F32 ? (double)((const float *)x)[i] : ((const double *)x)[i];
}

/* The same bits, or NaN on both sides: which NaN is not promised. */
static bool same(const void *a, const void *b, bp_dtype dtype, int i) {
    size_t size = size_of(dtype);
    if ((dtype == BP_F32 || dtype == BP_F64) && isnan(as_double(a, dtype, i)))
        return isnan(as_double(b, dtype, i));
    return memcmp((const char *)a + (size_t)i * size, (const char *)b + (size_t)i * size, size) ==
           0;
}

/* Operands of one slot and dtype, with room for misaligned starts, and results. */
static unsigned char operand[3][COUNT * 8 + ROOM * 8], result[2][COUNT * 8 + ROOM * 8];

static void draw(enum bpi_map_slot slot, bp_dtype dtype) {
    for (int k = 0; k < bpi_map_arity(slot); k++) {
        bp_dtype type = operand_dtype(slot, k, dtype);
        fill(operand[k], type, COUNT);
        if (k > 0)
            shuffle(operand[k], size_of(type), COUNT);
        if (slot == BPI_MAP_DIV && k == 1 && type >= BP_I32)
            for (int i = 0; i < COUNT; i++) /* no zero and no -1; errors have a test of their own */
                operand[k][(size_t)i * size_of(type)] |= 3,
                    operand[k][(size_t)i * size_of(type)] &= 0xfb;
    }
}

static bp_status run(bpi_map_fn *f, enum bpi_map_slot slot, bp_dtype dtype, int from, int n,
                     void *y) {
    const void *x[3] = {NULL, NULL, NULL};
    for (int k = 0; k < bpi_map_arity(slot); k++)
        x[k] = operand[k] + (size_t)from * size_of(operand_dtype(slot, k, dtype));
    return f((size_t)n, x, y, attr);
}

static const struct promise *promise_of(enum bpi_map_slot slot) {
    for (size_t i = 0; i < sizeof promises / sizeof *promises; i++)
        if (promises[i].slot == slot)
            return &promises[i];
    return NULL;
}

/* The exact values, by long double. */
static long double phi(long double x) { return erfcl(-x / sqrtl(2)) / 2; }
static long double sigma(long double x) {
    return x >= 0 ? 1 / (1 + expl(-x)) : expl(x) / (1 + expl(x));
}
#define V_SCALE 1.59576912160573071175978423973752747L /* 2 sqrt(2 / pi) */
static long double steepness(long double x) { return V_SCALE * (x + 0.044715L * x * x * x); }

static long double exact(enum bpi_map_slot slot, long double x) {
    long double v = steepness(x), s = sigma(v), density = expl(-x * x / 2) * V_SCALE / 4;
    switch (slot) {
    case BPI_MAP_EXP: return expl(x);
    case BPI_MAP_LOG: return logl(x);
    case BPI_MAP_TANH: return tanhl(x);
    case BPI_MAP_SIGMOID: return sigma(x);
    case BPI_MAP_SOFTPLUS: return (x < 0 ? 0 : x) + log1pl(expl(-fabsl(x)));
    case BPI_MAP_ERF: return erfl(x);
    case BPI_MAP_LOG1P: return log1pl(x);
    case BPI_MAP_EXPM1: return expm1l(x);
    case BPI_MAP_SIN: return sinl(x);
    case BPI_MAP_COS: return cosl(x);
    case BPI_MAP_GELU: return x < -100 ? -0.0L : x * phi(x);
    case BPI_MAP_GELU_TANH: return x < -100 ? -0.0L : x * s;
    case BPI_MAP_GELU_GRAD: return fabsl(x) > 100 ? x > 0 : phi(x) + x * density;
    case BPI_MAP_GELU_TANH_GRAD:
        return fabsl(x) > 100 ? x > 0 : s + x * s * sigma(-v) * V_SCALE * (1 + 0.134145L * x * x);
    default: return NAN;
    }
}

/* The size of one unit in the last place at y. */
static double ulp(long double y, bp_dtype dtype) {
    int exponent, digits = dtype == BP_F32 ? 24 : 53, lowest = dtype == BP_F32 ? -149 : -1074;
    frexpl(y, &exponent);
    return y == 0 || exponent - digits < lowest ? ldexp(1, lowest) : ldexp(1, exponent - digits);
}

static double round_to(long double y, bp_dtype dtype) {
    return dtype == BP_F32 ? (double)(float)y : (double)y;
}

/* The error of y in ulps; infinite when one of the two is NaN, or infinite and the other is not. */
static double error_of(double y, long double truth, long double scale, bp_dtype dtype) {
    if (isnan(y) || isnan(truth))
        return isnan(y) && isnan(truth) ? 0 : INFINITY;
    if (y == round_to(truth, dtype))
        return 0;
    if (isinf(y) || isinf(round_to(truth, dtype)))
        return INFINITY;
    return (double)(fabsl((long double)y - truth) / ulp(scale, dtype));
}

static void within_promise(const struct promise *p, bp_dtype dtype, bool is_reference) {
    double bound = dtype == BP_F32 ? p->f32 : p->f64;
    if (is_reference)
        bound = dtype == BP_F32 ? p->reference_f32 : p->reference_f64;
    for (int i = 0; i < COUNT; i++) {
        double x = as_double(operand[0], dtype, i), y = as_double(result[0], dtype, i);
        double gy = bpi_map_arity(p->slot) == 2 ? as_double(operand[1], dtype, i) : 1;
        long double truth = exact(p->slot, x), scale = truth;
        if (p->slot == BPI_MAP_GELU_GRAD)
            scale = fmaxl(fabsl(truth), phi(x));
        if (p->slot == BPI_MAP_GELU_TANH_GRAD)
            scale = fmaxl(fabsl(truth), sigma(steepness(x)));
        double steep = fabs(x) < 100 ? p->steep * fabs((double)steepness(x)) : 0;
        double error = error_of(y, truth * gy, scale * gy, dtype);
        if (!(error <= bound + steep))
            ck_abort_msg("%s %s at %s: f(%a) = %a, exact %La: %g ulp", bpi_map_name(p->slot),
                         dtype == BP_F32 ? "f32" : "f64", bpi_cpu_name(), x, y, truth * gy, error);
    }
}

/* Derivatives of gelu are checked with gy = 1 and -2: exact factors, so that ulps
 * keep their meaning. */
static void simple_cotangent(bp_dtype dtype) {
    for (int i = 0; i < COUNT; i++)
        if (dtype == BP_F32)
            ((float *)operand[1])[i] = i % 2 ? 1 : -2;
        else
            ((double *)operand[1])[i] = i % 2 ? 1 : -2;
}

static void compare_with_reference(enum bpi_map_slot slot, bp_dtype dtype) {
    const struct promise *p = promise_of(slot);
    if (p && bpi_map_arity(slot) == 2)
        simple_cotangent(dtype);
    ck_assert_int_eq(run(bpi_map(slot, dtype), slot, dtype, 0, COUNT, result[0]), BP_OK);
    if (p) {
        within_promise(p, dtype, bpi_map(slot, dtype) == bpi_map_reference(slot, dtype));
        return;
    }
    ck_assert_int_eq(run(bpi_map_reference(slot, dtype), slot, dtype, 0, COUNT, result[1]), BP_OK);
    for (int i = 0; i < COUNT; i++)
        if (!same(result[0], result[1], result_dtype(slot, dtype), i))
            ck_abort_msg("%s of dtype %d at %s differs from the reference in element %d",
                         bpi_map_name(slot), (int)dtype, bpi_cpu_name(), i);
}

/* A result must not depend on where the element stands: every length and every start gives the bits
 * of one long run, also in place, and what lies behind the end is left alone. */
static void check_positions(enum bpi_map_slot slot, bp_dtype dtype) {
    bpi_map_fn *f = bpi_map(slot, dtype);
    bp_dtype to = result_dtype(slot, dtype);
    size_t size = size_of(to);
    ck_assert_int_eq(run(f, slot, dtype, 0, COUNT, result[0]), BP_OK);
    for (int n = 0; n <= MOST_TAIL; n++)
        for (int from = 0; from < 12; from += from < 4 ? 1 : 7) {
            unsigned char *y = result[1] + (size_t)(from % 5) * size;
            memset(result[1], 0x5a, sizeof result[1] / 8);
            if (run(f, slot, dtype, from, n, y) != BP_OK)
                ck_abort_msg("%s fails", bpi_map_name(slot));
            for (int i = 0; i < n; i++)
                if (!same(result[0] + (size_t)from * size, y, to, i))
                    ck_abort_msg("%s of dtype %d at %s: n = %d, start %d, element %d",
                                 bpi_map_name(slot), (int)dtype, bpi_cpu_name(), n, from, i);
            for (size_t i = 0; i < 64; i++)
                if (y[(size_t)n * size + i] != 0x5a)
                    ck_abort_msg("%s writes past the end", bpi_map_name(slot));
        }
}

static void check_in_place(enum bpi_map_slot slot, bp_dtype dtype) {
    bp_dtype to = result_dtype(slot, dtype);
    bpi_map_fn *f = bpi_map(slot, dtype);
    static unsigned char saved[sizeof operand[0]];
    for (int k = 0; k < bpi_map_arity(slot); k++) {
        if (size_of(operand_dtype(slot, k, dtype)) != size_of(to))
            continue;
        ck_assert_int_eq(run(f, slot, dtype, 0, COUNT - 3, result[0]), BP_OK);
        memcpy(saved, operand[k], sizeof saved);
        ck_assert_int_eq(run(f, slot, dtype, 0, COUNT - 3, operand[k]), BP_OK);
        for (int i = 0; i < COUNT - 3; i++)
            if (!same(result[0], operand[k], to, i))
                ck_abort_msg("%s of dtype %d in place at %s", bpi_map_name(slot), (int)dtype,
                             bpi_cpu_name());
        memcpy(operand[k], saved, sizeof saved);
    }
}

typedef void visitor(enum bpi_map_slot slot, bp_dtype dtype);

/* Visits every slot and dtype at one level, and casts to every dtype. */
static void visit(enum bpi_cpu_level level, visitor *f) {
    ck_assert(bpi_cpu_force(level));
    for (int slot = 1; slot < BPI_MAP_COUNT; slot++)
        for (int dtype = 0; dtype < BP_DTYPE_COUNT; dtype++)
            for (int to = 0; to < (slot == BPI_MAP_CAST ? BP_DTYPE_COUNT : 1); to++) {
                enum bpi_map_slot s = (enum bpi_map_slot)slot;
                if (!bpi_map_reference(s, (bp_dtype)dtype))
                    continue;
                attr[0] = slot == BPI_MAP_CAST ? to : 0.01;
                draw(s, (bp_dtype)dtype);
                f(s, (bp_dtype)dtype);
            }
}

START_TEST(kernels_agree_with_the_reference_or_the_exact_value) {
    if (bpi_cpu_has((enum bpi_cpu_level)_i))
        visit((enum bpi_cpu_level)_i, compare_with_reference);
}
END_TEST

START_TEST(a_value_does_not_depend_on_its_position) {
    if (bpi_cpu_has((enum bpi_cpu_level)_i))
        visit((enum bpi_cpu_level)_i, check_positions);
}
END_TEST

START_TEST(kernels_work_in_place) {
    if (bpi_cpu_has((enum bpi_cpu_level)_i))
        visit((enum bpi_cpu_level)_i, check_in_place);
}
END_TEST

/* Arrays of 8 MB and more are stored past the caches where they are aligned: the same bits, and
 * nothing behind the end. */
START_TEST(large_arrays_give_the_same_bits) {
    enum { LARGE = (1 << 21) + 37, PIECE = 1000 };
    static const enum bpi_map_slot slots[] = {BPI_MAP_ADD, BPI_MAP_EXP, BPI_MAP_LEAKY_RELU,
                                              BPI_MAP_GELU_GRAD};
    size_t bytes = (LARGE + 32) * sizeof(float) / 64 * 64;
    float *a = aligned_alloc(64, bytes), *y = aligned_alloc(64, bytes), part[PIECE];
    if (bpi_cpu_force((enum bpi_cpu_level)_i))
        for (size_t k = 0; k < sizeof slots / sizeof *slots; k++) {
            bpi_map_fn *f = bpi_map(slots[k], BP_F32);
            float *out = y + k * 8; /* the last one is aligned to 64 bytes, or not */
            fill(a, BP_F32, LARGE);
            memset(y, 0x5a, bytes);
            attr[0] = 0.01;
            ck_assert_int_eq(f(LARGE, (const void *[]){a, a}, out, attr), BP_OK);
            for (int from = 0; from < LARGE; from += PIECE) {
                int n = LARGE - from < PIECE ? LARGE - from : PIECE;
                f((size_t)n, (const void *[]){a + from, a + from}, part, attr);
                for (int i = 0; i < n; i++)
                    if (!same(part, out + from, BP_F32, i))
                        ck_abort_msg("%s at %s: element %d", bpi_map_name(slots[k]), bpi_cpu_name(),
                                     from + i);
            }
            ck_assert(*(unsigned char *)(out + LARGE) == 0x5a);
        }
    free(a);
    free(y);
}
END_TEST

START_TEST(every_slot_has_the_dtypes_that_it_promises) {
    if (!bpi_cpu_force((enum bpi_cpu_level)_i))
        return;
    static const enum bpi_map_slot floats[] = {BPI_MAP_SQRT, BPI_MAP_EXP, BPI_MAP_RELU,
                                               BPI_MAP_RELU_GRAD, BPI_MAP_RECIPROCAL};
    for (size_t i = 0; i < sizeof floats / sizeof *floats; i++) {
        ck_assert(bpi_map(floats[i], BP_F32) != NULL);
        ck_assert(bpi_map(floats[i], BP_F64) != NULL);
        ck_assert(bpi_map(floats[i], BP_I32) == NULL);
    }
    ck_assert(bpi_map(BPI_MAP_ADD, BP_BOOL) == NULL);
    ck_assert(bpi_map(BPI_MAP_NEG, BP_U8) == NULL);
    ck_assert(bpi_map(BPI_MAP_NONE, BP_F32) == NULL);
    ck_assert(bpi_map(BPI_MAP_COUNT, BP_F32) == NULL);
    ck_assert(bpi_map(BPI_MAP_ADD, BP_DTYPE_COUNT) == NULL);
    for (int slot = 1; slot < BPI_MAP_COUNT; slot++) {
        int arity = bpi_map_arity((enum bpi_map_slot)slot);
        ck_assert(arity >= 1 && arity <= 3);
        ck_assert(bpi_map((enum bpi_map_slot)slot, BP_F32) != NULL);
    }
    ck_assert_str_eq(bpi_map_name(BPI_MAP_SIGMOID_GRAD), "sigmoid_grad");
}
END_TEST

/* The limits that users rely on, spelled out: f(x) = y exactly, at every level. */
START_TEST(special_values) {
    static const struct {
        enum bpi_map_slot slot;
        double x, y;
    } facts[] = {
        /* clang-format off */
        {BPI_MAP_EXP, -INFINITY, 0}, {BPI_MAP_EXP, INFINITY, INFINITY}, {BPI_MAP_EXP, 0, 1},
        {BPI_MAP_EXP, 1e9, INFINITY}, {BPI_MAP_EXP, -1e9, 0}, {BPI_MAP_LOG, 0, -INFINITY},
        {BPI_MAP_LOG, -0.0, -INFINITY}, {BPI_MAP_LOG, -1, NAN}, {BPI_MAP_LOG, -INFINITY, NAN},
        {BPI_MAP_LOG, INFINITY, INFINITY}, {BPI_MAP_LOG, 1, 0}, {BPI_MAP_LOG1P, -1, -INFINITY},
        {BPI_MAP_LOG1P, -2, NAN}, {BPI_MAP_LOG1P, -0.0, -0.0}, {BPI_MAP_LOG1P, INFINITY, INFINITY},
        {BPI_MAP_EXPM1, -INFINITY, -1}, {BPI_MAP_EXPM1, -0.0, -0.0}, {BPI_MAP_TANH, INFINITY, 1},
        {BPI_MAP_TANH, -INFINITY, -1}, {BPI_MAP_TANH, -0.0, -0.0},
        {BPI_MAP_TANH, 0x1p-140, 0x1p-140}, {BPI_MAP_SIGMOID, 0, 0.5},
        {BPI_MAP_SIGMOID, INFINITY, 1}, {BPI_MAP_SIGMOID, -INFINITY, 0},
        {BPI_MAP_SOFTPLUS, INFINITY, INFINITY}, {BPI_MAP_SOFTPLUS, -INFINITY, 0},
        {BPI_MAP_SOFTPLUS, 1000, 1000}, {BPI_MAP_ERF, INFINITY, 1}, {BPI_MAP_ERF, -INFINITY, -1},
        {BPI_MAP_ERF, -0.0, -0.0}, {BPI_MAP_GELU, INFINITY, INFINITY},
        {BPI_MAP_GELU_TANH, INFINITY, INFINITY}, {BPI_MAP_RELU, -1, 0}, {BPI_MAP_RELU, NAN, NAN},
        {BPI_MAP_SIGN, -0.0, 0}, {BPI_MAP_SIGN, -3, -1}, {BPI_MAP_SIGN, NAN, NAN},
        {BPI_MAP_SQRT, -1, NAN}, {BPI_MAP_RECIPROCAL, -0.0, -INFINITY},
        /* clang-format on */
    };
    ck_assert(bpi_cpu_has((enum bpi_cpu_level)_i) || _i > 0);
    if (!bpi_cpu_force((enum bpi_cpu_level)_i))
        return;
    for (size_t i = 0; i < sizeof facts / sizeof *facts; i++) {
        float x = (float)facts[i].x, y, expected = (float)facts[i].y;
        double dx = facts[i].x, dy;
        const void *in[1] = {&x}, *in64[1] = {&dx};
        bpi_map(facts[i].slot, BP_F32)(1, in, &y, NULL);
        bpi_map(facts[i].slot, BP_F64)(1, in64, &dy, NULL);
        ck_assert_msg(same(&y, &expected, BP_F32, 0) && same(&dy, &facts[i].y, BP_F64, 0),
                      "%s(%g) is %g and %g at %s", bpi_map_name(facts[i].slot), dx, (double)y, dy,
                      bpi_cpu_name());
    }
    float low = -100, y;
    bpi_map(BPI_MAP_SIGMOID, BP_F32)(1, (const void *[]){&low}, &y, NULL);
    ck_assert(y == (float)exp(-100.0) && y > 0); /* denormal, not 0 */
}
END_TEST

START_TEST(integer_division_never_traps) {
    static const int32_t a32[3] = {7, INT32_MIN, -7}, by32[][3] = {{2, 0, 2}, {1, -1, 1}};
    static const int64_t a64[3] = {7, INT64_MIN, -7}, by64[][3] = {{2, 0, 2}, {1, -1, 1}};
    static const uint8_t a8[3] = {7, 255, 9}, by8[3] = {2, 0, 2};
    int32_t y32[3];
    int64_t y64[3];
    uint8_t y8[3];
    if (!bpi_cpu_force((enum bpi_cpu_level)_i))
        return;
    for (int k = 0; k < 2; k++) {
        const void *x[2] = {a32, by32[k]}, *wide[2] = {a64, by64[k]};
        ck_assert_int_eq(bpi_map(BPI_MAP_DIV, BP_I32)(3, x, y32, NULL), BP_ERR_ARITHMETIC);
        ck_assert_int_eq(bpi_map(BPI_MAP_DIV, BP_I64)(3, wide, y64, NULL), BP_ERR_ARITHMETIC);
    }
    ck_assert_int_eq(bpi_map(BPI_MAP_DIV, BP_U8)(3, (const void *[]){a8, by8}, y8, NULL),
                     BP_ERR_ARITHMETIC);
    int32_t two[3] = {2, 2, 2};
    ck_assert_int_eq(bpi_map(BPI_MAP_DIV, BP_I32)(3, (const void *[]){a32, two}, y32, NULL), BP_OK);
    ck_assert(y32[0] == 3 && y32[1] == INT32_MIN / 2 && y32[2] == -3);
}
END_TEST

START_TEST(casts_truncate_saturate_and_wrap) {
    static const float x[8] = {1.9f, -1.9f, NAN, 3e9f, -3e9f, INFINITY, -INFINITY, 300};
    static const int32_t to_i32[8] = {1, -1, 0, INT32_MAX, INT32_MIN, INT32_MAX, INT32_MIN, 300};
    static const uint8_t to_u8[8] = {1, 0, 0, 255, 0, 255, 0, 255},
                         to_bool[8] = {1, 1, 1, 1, 1, 1, 1, 1};
    static const int64_t wide[2] = {257, -1};
    int32_t y32[8];
    uint8_t y8[8];
    if (!bpi_cpu_force((enum bpi_cpu_level)_i))
        return;
    const void *in[1] = {x}, *in64[1] = {wide};
    ck_assert_int_eq(bpi_map(BPI_MAP_CAST, BP_F32)(8, in, y32, (double[]){BP_I32}), BP_OK);
    ck_assert_mem_eq(y32, to_i32, sizeof y32);
    ck_assert_int_eq(bpi_map(BPI_MAP_CAST, BP_F32)(8, in, y8, (double[]){BP_U8}), BP_OK);
    ck_assert_mem_eq(y8, to_u8, sizeof y8);
    ck_assert_int_eq(bpi_map(BPI_MAP_CAST, BP_F32)(8, in, y8, (double[]){BP_BOOL}), BP_OK);
    ck_assert_mem_eq(y8, to_bool, sizeof y8);
    ck_assert_int_eq(bpi_map(BPI_MAP_CAST, BP_I64)(2, in64, y8, (double[]){BP_U8}), BP_OK);
    ck_assert(y8[0] == 1 && y8[1] == 255);
    ck_assert_int_eq(bpi_map(BPI_MAP_CAST, BP_F32)(8, in, y8, (double[]){17}), BP_ERR_DTYPE);
}
END_TEST

/* Steps over the floats: fewer are taken elsewhere, where this may run in an emulator. */
#if defined(__x86_64__)
enum { SWEEP = 127, SWEEP_ALL = 1 };
#else
enum { SWEEP = 6007, SWEEP_ALL = 499 };
#endif
enum { CHUNK = 8192 };
static float sweep_x[CHUNK], sweep_y[CHUNK];

/* relu clears the negative floats: sign bit set, not -0, not NaN. */
START_TEST(relu_of_every_float) {
    static uint32_t bits[CHUNK], expected[CHUNK];
    const void *in[1] = {bits};
    for (uint64_t from = 0; from < (uint64_t)1 << 32; from += (uint64_t)CHUNK * SWEEP_ALL) {
        for (uint32_t i = 0; i < CHUNK; i++) {
            uint32_t u = bits[i] = (uint32_t)from + i * SWEEP_ALL;
            expected[i] = u > 0x80000000u && u <= 0xff800000u ? 0 : u;
        }
        for (int level = 0; level < BPI_CPU_COUNT; level++)
            if (bpi_cpu_force((enum bpi_cpu_level)level)) {
                bpi_map(BPI_MAP_RELU, BP_F32)(CHUNK, in, sweep_y, NULL);
                if (memcmp(sweep_y, expected, sizeof expected) != 0)
                    ck_abort_msg("from %#lx at %s", (unsigned long)from, bpi_cpu_name());
            }
    }
}
END_TEST

/* ulp(y, BP_F32), fast */
static double unit_f32(double y) {
    uint64_t bits, least = (uint64_t)(1023 - 126) << 52;
    memcpy(&bits, &y, sizeof bits);
    bits &= 0x7ff0000000000000u;
    bits = (bits < least ? least : bits) - ((uint64_t)23 << 52);
    memcpy(&y, &bits, sizeof y);
    return y;
}

static double exact_f32(enum bpi_map_slot slot, double x) {
    switch (slot) {
    case BPI_MAP_EXP: return exp(x);
    case BPI_MAP_LOG: return log(x);
    case BPI_MAP_TANH: return tanh(x);
    default: return x >= 0 ? 1 / (1 + exp(-x)) : exp(x) / (1 + exp(x));
    }
}

/* The largest errors in ulp of f32 that a sweep may find: with AVX2, with AVX-512, and elsewhere.
 * Over all floats that matter AVX-512 has 0.566, 0.540, 0.547; PyTorch 2.13 0.571, 0.549, 0.569. */
static const struct {
    enum bpi_map_slot slot;
    double avx2, avx512, most;
} sweeps[] = {{BPI_MAP_EXP, 0.57, 0.57, 1.1},
              {BPI_MAP_LOG, 0.545, 0.545, 1.35},
              {BPI_MAP_TANH, 0.502, 0.55, 0.502},
              {BPI_MAP_SIGMOID, 1.6, 1.6, 2}};

static double sweep_bound(int k, enum bpi_cpu_level level, double truth) {
    double bound = level == BPI_CPU_AVX2     ? sweeps[k].avx2
                   : level == BPI_CPU_AVX512 ? sweeps[k].avx512
                                             : sweeps[k].most;
    return fabs(truth) < 0x1p-126 ? fmax(bound, 1) : bound; /* what is denormal is rounded twice */
}

/* exp, log, tanh and sigmoid in f32 beside f64 over the whole range, at every level. */
START_TEST(a_dense_sweep_stays_within_its_bound) {
    static double truth[CHUNK], unit[CHUNK];
    enum bpi_map_slot slot = sweeps[_i].slot;
    const void *in[1] = {sweep_x};
    for (uint64_t from = random_bits() % SWEEP; from < (uint64_t)1 << 32; from += CHUNK * SWEEP) {
        for (uint32_t i = 0; i < CHUNK; i++) {
            uint32_t u = (uint32_t)from + i * SWEEP;
            memcpy(&sweep_x[i], &u, sizeof u);
            truth[i] = exact_f32(slot, (double)sweep_x[i]);
            unit[i] = unit_f32(truth[i]);
        }
        for (int level = 1; level < BPI_CPU_COUNT; level++)
            if (bpi_cpu_force((enum bpi_cpu_level)level)) {
                bpi_map(slot, BP_F32)(CHUNK, in, sweep_y, NULL);
                for (int i = 0; i < CHUNK; i++)
                    if (!(fabs((double)sweep_y[i] - truth[i]) <=
                          unit[i] * sweep_bound(_i, (enum bpi_cpu_level)level, truth[i])) &&
                        error_of((double)sweep_y[i], truth[i], truth[i], BP_F32) != 0)
                        ck_abort_msg("%s(%a) = %a at %s", bpi_map_name(slot), (double)sweep_x[i],
                                     (double)sweep_y[i], bpi_cpu_name());
            }
    }
}
END_TEST

static void add(Suite *s, const char *name, const TTest *test, int runs) {
    TCase *t = tcase_create(name);
    tcase_set_timeout(t, 600);
    tcase_add_loop_test(t, test, 0, runs);
    suite_add_tcase(s, t);
}

static Suite *suite(void) {
    Suite *s = suite_create("map kernels");
    add(s, "slots", every_slot_has_the_dtypes_that_it_promises, BPI_CPU_COUNT);
    add(s, "special values", special_values, BPI_CPU_COUNT);
    add(s, "division", integer_division_never_traps, BPI_CPU_COUNT);
    add(s, "casts", casts_truncate_saturate_and_wrap, BPI_CPU_COUNT);
    add(s, "values", kernels_agree_with_the_reference_or_the_exact_value, BPI_CPU_COUNT);
    add(s, "positions", a_value_does_not_depend_on_its_position, BPI_CPU_COUNT);
    add(s, "in place", kernels_work_in_place, BPI_CPU_COUNT);
    add(s, "large", large_arrays_give_the_same_bits, BPI_CPU_COUNT);
    add(s, "relu", relu_of_every_float, 1);
    add(s, "sweep", a_dense_sweep_stays_within_its_bound, 4);
    return s;
}

int main(void) { return run_suite(suite()); }
