/* Initialisers. The draws of a parameter are a stream of Philox numbers that depends on the seed
 * and on the parameter's full name, so that neither other parameters nor the order in which they
 * are made change them; they are made in f64 and rounded to the dtype, so that f32 and f64 agree.
 *
 * Xavier: X. Glorot, Y. Bengio, "Understanding the difficulty of training deep feedforward neural
 * networks", AISTATS 2010. He: K. He et al., "Delving deep into rectifiers", ICCV 2015. */
#include "graph.h"

#include <math.h>

#include "random.h"

bp_init bp_init_zeros(void) { return (bp_init){BP_INIT_CONSTANT, 0, 0}; }

bp_init bp_init_constant(double value) { return (bp_init){BP_INIT_CONSTANT, value, 0}; }

bp_init bp_init_uniform(double low, double high) { return (bp_init){BP_INIT_UNIFORM, low, high}; }

bp_init bp_init_normal(double mean, double deviation) {
    return (bp_init){BP_INIT_NORMAL, mean, deviation};
}

bp_init bp_init_xavier(void) { return (bp_init){BP_INIT_XAVIER, 1, 0}; }

bp_init bp_init_he(void) { return (bp_init){BP_INIT_HE, 1, 0}; }

/* The first or the last size; 1 for a scalar. */
static double fan(const bp_shape *shape, bool in) {
    return shape->rank == 0 ? 1 : (double)shape->size[in ? 0 : shape->rank - 1];
}

/* Turns every kind into a constant, a uniform or a normal distribution. */
static bp_init resolve(bp_init init, const bp_shape *shape) {
    if (init.kind == BP_INIT_XAVIER) {
        double bound = init.a * sqrt(6 / (fan(shape, true) + fan(shape, false)));
        return bp_init_uniform(-bound, bound);
    }
    if (init.kind == BP_INIT_HE)
        return bp_init_normal(0, init.a * sqrt(2 / fan(shape, true)));
    return init;
}

static bool fits_integer(bp_dtype dtype, double value) {
    double low = dtype == BP_I32 ? -0x1p31 : dtype == BP_I64 ? -0x1p63 : 0;
    double high = dtype == BP_I32 ? 0x1p31 : dtype == BP_I64 ? 0x1p63 : dtype == BP_U8 ? 256 : 2;
    return value >= low && value < high && value == floor(value);
}

static bp_status validate(bp_init init, const char *name, const bp_type *type, bp_failure *why) {
    if (init.kind < BP_INIT_CONSTANT || init.kind > BP_INIT_HE)
        return bpi_fail(why, BP_ERR_ARGUMENT,
                        "\"%s\": there is no initialiser %d; use one of bp_init_zeros, _constant, "
                        "_uniform, _normal, _xavier, _he",
                        name, init.kind);
    if (bp_dtype_is_float(type->dtype)) {
        bool ok = init.kind == BP_INIT_CONSTANT || (isfinite(init.a) && isfinite(init.b));
        ok = ok && !(init.kind == BP_INIT_UNIFORM && init.a > init.b);
        ok = ok && !(init.kind == BP_INIT_NORMAL && init.b < 0);
        ok = ok && !(init.kind > BP_INIT_NORMAL && init.a < 0);
        if (ok)
            return BP_OK;
        return bpi_fail(
            why, BP_ERR_ARGUMENT,
            "\"%s\": an initialiser cannot use the numbers %g and %g; they must be finite, "
            "a range must not be upside down, nor a deviation negative",
            name, init.a, init.b);
    }
    if (init.kind != BP_INIT_CONSTANT)
        return bpi_fail(why, BP_ERR_DTYPE,
                        "\"%s\" is of %s, which cannot be drawn at random; use bp_init_constant",
                        name, bp_dtype_name(type->dtype));
    if (!fits_integer(type->dtype, init.a))
        return bpi_fail(why, BP_ERR_VALUE, "\"%s\" is of %s, which cannot hold the constant %g",
                        name, bp_dtype_name(type->dtype), init.a);
    return BP_OK;
}

bp_status bpi_init_fill(bp_init init, uint64_t seed, const char *name, const bp_type *type,
                        void *data, bp_failure *why) {
    bp_status status = validate(init, name, type, why);
    if (status)
        return status;
    bp_init from = resolve(init, &type->shape);
    bpi_random random = bpi_random_new(seed, bpi_hash_text(name));
    int64_t count = bp_shape_count(type->shape);
    for (int64_t k = 0; k < count; k++) {
        double value = from.a;
        if (from.kind == BP_INIT_UNIFORM)
            value += (from.b - from.a) * bpi_random_uniform(&random);
        else if (from.kind == BP_INIT_NORMAL)
            value += from.b * bpi_random_normal(&random);
        bpi_store(type->dtype, data, k, value);
    }
    return BP_OK;
}
